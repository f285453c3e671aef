"""`tradewind sites`: what each site has free, how clean, dear and busy it is, and what is amiss."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from tradewind.api.fields import Condition, condition_of
from tradewind.api.site import ComputeSite, Signal, SiteStatus
from tradewind.api.workload import AIWorkload, PlacementPhase
from tradewind.cli import answer, hub
from tradewind.cli.ask import Ask
from tradewind.cli.sitedetail import detail
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone, notes, sentence, signal
from tradewind.cli.watching import Page, show_page
from tradewind.cli.workloads import age_of

#: Placements in these phases use the site, or may.
_OCCUPYING: Final = frozenset(
    {PlacementPhase.ASSIGNED, PlacementPhase.DISPATCHED, PlacementPhase.RUNNING}
)

_COLUMNS: Final = (
    Column("NAME"),
    Column("READY"),
    Column("REGION"),
    Column("JURISDICTION"),
    Column("ACCELERATORS (FREE/ALL)"),
    Column("LOAD%", right=True),
    Column("gCO2e/kWh", right=True),
    Column("USD/MWh", right=True),
    Column("WORKLOADS", right=True),
    Column("VERSION"),
    Column("AGE"),
    Column("ZONE", wide=True),
    Column("PUE", wide=True, right=True),
    Column("NODES", wide=True, right=True),
    Column("MESSAGE", wide=True),
)


def show(ask: Ask, name: str | None, *, watch: bool) -> None:
    """Run the command: all sites, or one in detail."""

    async def all_sites(there: hub.Hub, now: datetime) -> Page:
        items = await there.list(hub.SITES)
        placed = await there.list(hub.WORKLOADS)
        shown = table(items, now, placed)
        return Page(shown, answer.object_list(items), notes(_states(items)))

    async def one_site(there: hub.Hub, now: datetime) -> Page:
        item = await there.get(hub.SITES, str(name))
        placed = await there.list(hub.WORKLOADS)
        mine = [w for w in map(AIWorkload.model_validate, placed) if str(name) in occupied([w])]
        return Page(detail(ComputeSite.model_validate(item), mine, now), item)

    show_page(ask, one_site if name else all_sites, watch=watch)


def table(
    items: Sequence[dict[str, Any]], now: datetime, workloads: Sequence[dict[str, Any]] = ()
) -> Table:
    """The table of ComputeSite objects.

    Args:
        items: as the API server gives them.
        now: ages are counted to here.
        workloads: AIWorkload objects, for how many each site has.
    """
    places = occupied(AIWorkload.model_validate(item) for item in workloads)
    shown = Table(_COLUMNS, empty="no sites; `tradewind join` adds one")
    for item in items:
        site = ComputeSite.model_validate(item)
        shown.rows.append(_row(site, places.count(site.metadata.name), now))
    return shown


def occupied(workloads: Iterable[AIWorkload]) -> list[str]:
    """The site of every placement that uses, or may use, a site; once for each placement."""
    return [
        part.site
        for workload in workloads
        for part in (workload.status.placements if workload.status else ())
        if part.phase in _OCCUPYING
    ]


def _row(site: ComputeSite, workloads: int, now: datetime) -> list[Cell | str]:
    spec, status = site.spec, site.status or SiteStatus()
    ready = condition_of(status.conditions, "Ready")
    signals = status.signals
    return [
        site.metadata.name,
        readiness(ready, cordoned=spec.unschedulable),
        spec.location.region or NOTHING,
        spec.location.jurisdiction or NOTHING,
        _accelerators(status),
        _signal(signals.load, None, scale=100),
        _signal(signals.carbon_intensity, spec.energy.carbon_intensity),
        _signal(signals.price_per_mwh, spec.energy.price_per_mwh),
        str(workloads),
        status.kubernetes_version or NOTHING,
        age_of(site.metadata.creation_timestamp, now),
        spec.location.grid_zone or NOTHING,
        _signal(signals.pue, spec.energy.pue, digits=2),
        str(status.nodes),
        (ready.message if ready and ready.status != "True" else "") or NOTHING,
    ]


def readiness(ready: Condition | None, *, cordoned: bool) -> Cell:
    """The Ready condition in a word; when it is not True, its reason."""
    if ready is None:
        return Cell("Unknown", Tone.WAITING)
    if ready.status != "True":
        tone = Tone.BAD if ready.status == "False" else Tone.WAITING
        return Cell(f"{ready.status}:{ready.reason}", tone)
    return Cell("True,Cordoned", Tone.WAITING) if cordoned else Cell("True", Tone.GOOD)


def _accelerators(status: SiteStatus) -> str:
    """Free and all units by class, the most numerous class first; every maker's by its class."""
    free: dict[str, list[int]] = {}
    for row in status.accelerators:
        units = free.setdefault(row.class_name, [0, 0])
        units[0] += max(0, row.allocatable - row.requested)
        units[1] += row.allocatable
    most_first = sorted(free.items(), key=lambda entry: (-entry[1][1], entry[0]))
    return sentence([f"{name} {n}/{of}" for name, (n, of) in most_first], limit=4) or NOTHING


def effective(measured: Signal | None, fallback: float | None) -> Signal:
    """The value that decisions take: what is measured, else what the spec says."""
    if measured is not None and measured.value is not None:
        return measured
    if fallback is not None:
        return Signal.model_validate({"value": fallback, "state": "Fallback"})
    return measured or Signal()


def _signal(
    measured: Signal | None, fallback: float | None, *, digits: int = 0, scale: float = 1.0
) -> Cell:
    value = effective(measured, fallback)
    return signal(value.value, value.state.value, digits=digits, scale=scale)


def _states(items: Sequence[dict[str, Any]]) -> set[str]:
    """The signal states that the table's marks stand for."""
    states: set[str] = set()
    for site in map(ComputeSite.model_validate, items):
        energy, signals = site.spec.energy, (site.status or SiteStatus()).signals
        states |= {
            effective(signals.load, None).state.value,
            effective(signals.carbon_intensity, energy.carbon_intensity).state.value,
            effective(signals.price_per_mwh, energy.price_per_mwh).state.value,
        }
    return states
