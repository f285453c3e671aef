"""`tradewind top`: how each site is now, and where load, carbon and price go in the next hours.

The trend is the next 24 hours of the forecast that the operator publishes in the site's status. Its
line is scaled by itself, from its own least to its own greatest step.
"""

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from tradewind.api.fields import Model, condition_of
from tradewind.api.site import ComputeSite, ForecastSeries, Signal, SiteForecast, SiteStatus
from tradewind.cli import hub
from tradewind.cli.ask import Ask
from tradewind.cli.sites import effective
from tradewind.cli.sparkline import BLOCKS, sparkline
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone, notes, sentence, signal
from tradewind.cli.watching import Page, show_page

_COLUMNS: Final = (
    Column("SITE"),
    Column("READY"),
    Column("FREE/ALL", right=True),
    Column("LOAD%", right=True),
    Column("NEXT HOURS"),
    Column("gCO2e/kWh", right=True),
    Column("NEXT HOURS"),
    Column("USD/MWh", right=True),
    Column("NEXT HOURS"),
    Column("NEAREST ms", right=True),
    Column("kW", wide=True, right=True),
    Column("PUE", wide=True, right=True),
    Column("ALL ROUND TRIPS, ms", wide=True),
)
#: A trend shows so many steps: a day of hours.
TREND_STEPS: Final = 24
#: As in the status, in the order of the table.
_SIGNALS: Final = ("load", "carbonIntensity", "pricePerMWh")


def show(ask: Ask, *, watch: bool, ascii_only: bool) -> None:
    """Run the command."""
    plain = ascii_only or not shows_blocks(sys.stdout.encoding, os.environ.get("TERM", ""))

    async def page(there: hub.Hub, now: datetime) -> Page:
        del now
        sites = [ComputeSite.model_validate(item) for item in await there.list(hub.SITES)]
        told = [one.state.value for site in sites for one in now_of(site).values()]
        return Page(
            table(sites, ascii_only=plain), document(sites), [*notes(told), *without_trend(sites)]
        )

    show_page(ask, page, watch=watch)


def shows_blocks(encoding: str | None, term: str) -> bool:
    """Whether block characters can be written there.

    >>> shows_blocks("utf-8", "xterm"), shows_blocks("ascii", ""), shows_blocks("utf-8", "dumb")
    (True, False, False)
    """
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return term != "dumb"


def without_trend(sites: Sequence[ComputeSite]) -> list[str]:
    """A note on sites whose next hours nobody has told yet."""
    names = [
        site.metadata.name
        for site in sites
        if site.spec.prometheus is not None and (site.status or SiteStatus()).forecast is None
    ]
    if not names:
        return []
    takes = "some seconds, and a forecast series or two days of history in the site's Prometheus"
    return [f"no forecast of {sentence(names, limit=3)} yet: it takes {takes}"]


def now_of(site: ComputeSite) -> dict[str, Signal]:
    """What decisions go by now: measured, else the spec's own figure."""
    energy, signals = site.spec.energy, (site.status or SiteStatus()).signals
    return {
        "load": effective(signals.load, None),
        "carbonIntensity": effective(signals.carbon_intensity, energy.carbon_intensity),
        "pricePerMWh": effective(signals.price_per_mwh, energy.price_per_mwh),
    }


def table(sites: Sequence[ComputeSite], *, ascii_only: bool) -> Table:
    """One line a site."""
    shown = Table(_COLUMNS, empty="no sites; `tradewind join` adds one")
    for site in sites:
        shown.rows.append(_row(site, ascii_only=ascii_only))
    return shown


def _row(site: ComputeSite, *, ascii_only: bool) -> list[Cell | str]:
    status = site.status or SiteStatus()
    signals, now = status.signals, now_of(site)
    trends = [
        sparkline(series.values[:TREND_STEPS], ascii_only=ascii_only) if series else NOTHING
        for series in series_of(status.forecast).values()
    ]
    free = sum(max(0, a.allocatable - a.requested) for a in status.accelerators)
    units = sum(a.allocatable for a in status.accelerators)
    pue = effective(signals.pue, site.spec.energy.pue)
    return [
        site.metadata.name,
        _ready(site, status),
        f"{free}/{units}",
        signal(now["load"].value, now["load"].state.value, scale=100),
        trends[0],
        signal(now["carbonIntensity"].value, now["carbonIntensity"].state.value),
        trends[1],
        signal(now["pricePerMWh"].value, now["pricePerMWh"].state.value),
        trends[2],
        _nearest(signals.latency_ms),
        _measured(signals.power_kw, 1),
        signal(pue.value, pue.state.value, digits=2),
        ", ".join(f"{region} {one.value:.0f}" for region, one in _known(signals.latency_ms))
        or NOTHING,
    ]


def _ready(site: ComputeSite, status: SiteStatus) -> Cell:
    ready = condition_of(status.conditions, "Ready")
    if ready is None or ready.status == "Unknown":
        return Cell("?", Tone.WAITING)
    if ready.status != "True":
        return Cell("no", Tone.BAD)
    return Cell("cordoned", Tone.WAITING) if site.spec.unschedulable else Cell("yes", Tone.GOOD)


def series_of(forecast: SiteForecast | None) -> dict[str, ForecastSeries | None]:
    """The forecast of each signal, in the order of the table."""
    found = forecast or SiteForecast()
    return dict(
        zip(
            _SIGNALS,
            (found.load, found.carbon_intensity, found.price_per_mwh),
            strict=True,
        )
    )


def _known(latency_ms: dict[str, Signal]) -> list[tuple[str, Signal]]:
    """The round trips that are known, the shortest first."""
    known = [(region, one) for region, one in latency_ms.items() if one.value is not None]
    return sorted(known, key=lambda entry: (entry[1].value or 0.0, entry[0]))


def _nearest(latency_ms: dict[str, Signal]) -> Cell | str:
    known = _known(latency_ms)
    if not known:
        return NOTHING
    region, one = known[0]
    return Cell(f"{region} {signal(one.value, one.state.value).text}")


def _measured(one: Signal | None, digits: int) -> Cell | str:
    return NOTHING if one is None else signal(one.value, one.state.value, digits=digits)


def document(sites: Sequence[ComputeSite]) -> dict[str, Any]:
    """The same for programs, with the forecasts' own figures."""
    return {"items": [_item(site) for site in sites]}


def _plain(value: Model) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def _item(site: ComputeSite) -> dict[str, Any]:
    status = site.status or SiteStatus()
    ready = condition_of(status.conditions, "Ready")
    return {
        "site": site.metadata.name,
        "ready": ready.status if ready else "Unknown",
        "unschedulable": site.spec.unschedulable,
        "accelerators": {
            "free": sum(max(0, a.allocatable - a.requested) for a in status.accelerators),
            "all": sum(a.allocatable for a in status.accelerators),
        },
        "now": {name: _plain(one) for name, one in now_of(site).items()},
        "latencyMs": {region: _plain(one) for region, one in status.signals.latency_ms.items()},
        "forecast": _plain(status.forecast) if status.forecast else None,
    }
