"""One site in detail: its conditions, accelerators by class and node, signals and their sources."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from tradewind.api.fields import cpu_millis, memory_bytes
from tradewind.api.site import ComputeSite, ResourceAmounts, Signal, SiteResources, SiteStatus
from tradewind.api.workload import AIWorkload
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone, age, signal

Line = Sequence[Cell]

_INDENT: Final = Cell("  ")
_CONDITION_TONES: Final = {"True": Tone.GOOD, "False": Tone.BAD, "Unknown": Tone.WAITING}


def detail(site: ComputeSite, workloads: Sequence[AIWorkload], now: datetime) -> list[Line]:
    """The page of one site.

    Args:
        site: the site.
        workloads: those that it has.
        now: ages are counted to here.
    """
    status = site.status or SiteStatus()
    lines: list[Line] = list(_facts(site, status))
    for title, table in (
        ("Conditions", _conditions(status, now)),
        ("Accelerators", _accelerators(status)),
        ("Signals", _signals(site, status, now)),
        ("Workloads", _workloads(site, workloads)),
        ("Left behind, removed when the site answers", _orphans(status)),
    ):
        if table.rows:
            lines += [[Cell("")], [Cell(title, Tone.STRONG)]]
            lines += [[_INDENT, *line] for line in table.styled()]
    return lines


def _facts(site: ComputeSite, status: SiteStatus) -> Iterator[Line]:
    spec = site.spec
    where = spec.location
    title = site.metadata.name + (f"   {spec.display_name}" if spec.display_name else "")
    yield [Cell(title, Tone.STRONG)]
    taints = (f"{t.key}{f'={t.value}' if t.value else ''}:{t.effect}" for t in spec.taints)
    resources = status.resources
    known = status.nodes > 0
    facts = {
        "Region": where.region,
        "Jurisdiction": where.jurisdiction,
        "Grid zone": where.grid_zone,
        "Kubernetes": status.kubernetes_version,
        "Serves": ", ".join(status.workload_kinds),
        "Nodes": str(status.nodes) if known else "none known",
        "CPU": _requested(resources, _cores, "cores") if known else "",
        "Memory": _requested(resources, _gib, "GiB") if known else "",
        "Prometheus": spec.prometheus.url if spec.prometheus else "none: fallbacks only",
        "Taints": ", ".join(taints),
        "Cordoned": "yes: gets no new work" if spec.unschedulable else "",
    }
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        if value:
            yield [_INDENT, Cell(f"{name}:".ljust(width)), Cell(value)]


def _requested(
    resources: SiteResources, amount: Callable[[ResourceAmounts], float], unit: str
) -> str:
    """What is requested of what there is, as people count it."""
    taken, of = amount(resources.requested), amount(resources.allocatable)
    return f"{taken:,.0f} of {of:,.0f} {unit} requested"


def _cores(amounts: ResourceAmounts) -> float:
    return cpu_millis(amounts.cpu) / 1000


def _gib(amounts: ResourceAmounts) -> float:
    return memory_bytes(amounts.memory) / 2**30


def _conditions(status: SiteStatus, now: datetime) -> Table:
    table = Table(
        [Column("TYPE"), Column("STATUS"), Column("SINCE"), Column("REASON"), Column("MESSAGE")]
    )
    for condition in status.conditions:
        since = age((now - condition.last_transition_time).total_seconds())
        state = Cell(condition.status, _CONDITION_TONES[condition.status])
        table.rows.append([condition.type, state, since, condition.reason, condition.message])
    return table


def _accelerators(status: SiteStatus) -> Table:
    """With `FREE BY NODE`: 3x8 are three nodes with exactly eight free."""
    table = Table(
        [
            Column("CLASS"),
            Column("VENDOR"),
            Column("RESOURCE"),
            Column("GIB", right=True),
            Column("NODES", right=True),
            Column("FREE", right=True),
            Column("ALL", right=True),
            Column("FREE BY NODE"),
        ]
    )
    for row in status.accelerators:
        histogram = sorted(row.free_by_node.items(), key=lambda entry: -int(entry[0]))
        table.rows.append(
            [
                row.class_name,
                row.vendor or NOTHING,
                row.resource_name,
                f"{row.memory_gib:g}" if row.memory_gib else NOTHING,
                str(row.nodes),
                str(max(0, row.allocatable - row.requested)),
                str(row.allocatable),
                " ".join(f"{nodes}x{free}" for free, nodes in histogram) or NOTHING,
            ]
        )
    return table


def _signals(site: ComputeSite, status: SiteStatus, now: datetime) -> Table:
    table = Table(
        [
            Column("SIGNAL"),
            Column("VALUE", right=True),
            Column("UNIT"),
            Column("STATE"),
            Column("AGE"),
            Column("SOURCE"),
        ]
    )
    for name, unit, digits, measured, fallback in _known_signals(site, status):
        if measured is None and fallback is None:
            continue
        known = measured is not None and measured.value is not None
        value = measured.value if known and measured else fallback
        state = measured.state.value if measured and (known or fallback is None) else "Fallback"
        at = measured.at if known and measured else None
        bare = signal(value, state, digits=digits).text.rstrip("*~")
        source = (measured.source if known and measured else "") or (
            "spec.energy" if state == "Fallback" else NOTHING
        )
        problem = f": {measured.message}" if measured and measured.message else ""
        when = age((now - at).total_seconds()) if at else NOTHING
        table.rows.append([name, bare, unit, state + problem, when, source])
    return table


def _known_signals(
    site: ComputeSite, status: SiteStatus
) -> Iterator[tuple[str, str, int, Signal | None, float | None]]:
    """Name, unit, digits, what is measured, what the spec says."""
    energy, pricing, signals = site.spec.energy, site.spec.pricing, status.signals
    yield "load", "0 to 1", 2, signals.load, None
    yield "CPU", "0 to 1", 2, signals.cpu_load, None
    yield "memory", "0 to 1", 2, signals.memory_load, None
    yield "accelerator utilisation", "0 to 1", 2, signals.accelerator_utilisation, None
    for name, busy in sorted(signals.accelerator_utilisation_by_class.items()):
        yield f"utilisation of {name}", "0 to 1", 2, busy, None
    for name, share in sorted(signals.accelerator_allocation.items()):
        yield f"allocation of {name}", "0 to 1", 2, share, None
    yield "carbon intensity", "gCO2e/kWh", 0, signals.carbon_intensity, energy.carbon_intensity
    yield "electricity price", "USD/MWh", 2, signals.price_per_mwh, energy.price_per_mwh
    yield "power", "kW", 1, signals.power_kw, None
    yield "power of accelerators", "kW", 1, signals.accelerator_power_kw, None
    yield "PUE", "", 2, signals.pue, energy.pue
    yield "queue depth", "workloads", 0, signals.queue_depth, None
    yield "requests waiting", "requests", 0, signals.requests_waiting, None
    yield "inference output", "tokens/s", 0, signals.tokens_per_second, None
    yield "core", "USD/h", 4, signals.cpu_hour, pricing.cpu_hour
    yield "GiB of memory", "USD/h", 4, signals.memory_gib_hour, pricing.memory_gib_hour
    for name, price in sorted(signals.accelerator_hour.items()):
        yield f"hardware price of {name}", "USD/h", 2, price, None
    for region, latency in sorted(signals.latency_ms.items()):
        yield f"round trip from {region}", "ms", 1, latency, None


def _workloads(site: ComputeSite, workloads: Sequence[AIWorkload]) -> Table:
    table = Table([Column("WORKLOAD"), Column("PHASE"), Column("PODS", right=True), Column("ON")])
    for workload in workloads:
        for part in workload.status.placements if workload.status else ():
            if part.site == site.metadata.name:
                name = f"{workload.metadata.namespace}/{workload.metadata.name}"
                on = part.accelerator_class or NOTHING
                table.rows.append([name, part.phase.value, str(part.replicas), on])
    return table


def _orphans(status: SiteStatus) -> Table:
    table = Table([Column("KIND"), Column("OBJECT"), Column("EPOCH", right=True)])
    for orphan in status.orphans:
        name = f"{orphan.namespace}/{orphan.name}"
        table.rows.append([orphan.kind, name, str(orphan.epoch)])
    return table
