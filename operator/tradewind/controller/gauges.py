"""How the federation stands, as metrics: sites, signals, queues, workloads. Made at each scrape.

The families are made in the event loop, where the store may be read, and served from a thread that
sees nothing but the finished list. Labels are sites, accelerator classes, states and queues; queues
beyond the limit are told together.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tradewind.api.site import Signal, SiteSignals
from tradewind.controller import lifecycle
from tradewind.controller.store import Record, Store
from tradewind.controller.usagebook import LabelLimit, UsageBook
from tradewind.sites.runtime import SiteRuntime

_GRAMS_PER_KG: Final = 1000.0

#: Name, help, labels of each family.
FAMILIES: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("tradewind_leading", "1 while this process leads, 0 while it stands by.", ()),
    ("tradewind_workloads", "AIWorkloads by phase.", ("phase",)),
    (
        "tradewind_site_reachable",
        "1 while the site's API server answers, 0 while it does not; absent until it is known.",
        ("site",),
    ),
    (
        "tradewind_site_ready",
        "1 while the site answers, may be used and its inventory is whole, else 0.",
        ("site",),
    ),
    (
        "tradewind_site_signals",
        "Signals of the site by state: Current, Stale, Unknown, Implausible.",
        ("site", "state"),
    ),
    (
        "tradewind_site_accelerators",
        "Accelerators of the site's ready, schedulable nodes.",
        ("site", "class"),
    ),
    (
        "tradewind_site_accelerators_requested",
        "Accelerators of the site that bound pods ask for.",
        ("site", "class"),
    ),
    ("tradewind_site_placements", "Parts of workloads that use the site, or may.", ("site",)),
    ("tradewind_queue_pending", "Workloads of the queue that wait for a place.", ("queue",)),
    (
        "tradewind_queue_oldest_seconds",
        "How long the oldest workload of the queue has waited for a place.",
        ("queue",),
    ),
    (
        "tradewind_queue_spent_dollars",
        "What the queue's work took in this calendar month (UTC), US dollars.",
        ("queue",),
    ),
    (
        "tradewind_queue_budget_dollars",
        "What the queue may spend in a calendar month, US dollars; absent without a budget.",
        ("queue",),
    ),
    (
        "tradewind_queue_emitted_grams",
        "What the queue's work emitted in this calendar month (UTC), grams of CO2e.",
        ("queue",),
    ),
    (
        "tradewind_queue_carbon_budget_grams",
        "What the queue may emit in a calendar month, grams of CO2e; absent without a budget.",
        ("queue",),
    ),
)

Sample = tuple[str, tuple[str, ...], float]


class FederationGauges(Collector):
    """The families, as they were at the last `refresh()`.

    Args:
        store: workloads, sites and queues.
        book: what queues have spent.
        runtime: the engaged site of a name.
        signals: what was last polled of a site.
        leading: whether this process leads.
        now: the wall clock.
        label_limit: so many queues are told apart.
    """

    def __init__(
        self,
        store: Store,
        book: UsageBook,
        *,
        runtime: Callable[[str], SiteRuntime | None],
        signals: Callable[[str], SiteSignals],
        leading: Callable[[], bool],
        now: Callable[[], datetime],
        label_limit: int,
    ) -> None:
        self._store = store
        self._book = book
        self._runtime = runtime
        self._signals = signals
        self._leading = leading
        self._now = now
        self._queues = LabelLimit(label_limit)
        self._families: list[Metric] = _made(())

    def refresh(self) -> None:
        """Look; in the event loop. A standby knows no site and says so by saying nothing."""
        leading = self._leading()
        samples: list[Sample] = [("tradewind_leading", (), float(leading))]
        if leading:
            samples += [*self._workloads(), *self._sites(), *self._waiting(), *self._spent()]
        self._families = _made(samples)

    def collect(self) -> Iterable[Metric]:
        """What was seen."""
        return self._families

    def _workloads(self) -> Iterator[Sample]:
        phases = Counter(record.status.phase.value for record in self._store.workloads.values())
        for phase, count in phases.items():
            yield "tradewind_workloads", (phase,), count

    def _sites(self) -> Iterator[Sample]:
        for name in self._store.sites:
            active = sum(
                part.phase in lifecycle.ACTIVE
                for record in self._store.placed_at(name)
                for part in record.status.placements
                if part.site == name
            )
            yield "tradewind_site_placements", (name,), active
            for state, count in Counter(_states(self._signals(name))).items():
                yield "tradewind_site_signals", (name, state), count
            runtime = self._runtime(name)
            if runtime is not None:
                yield from _engaged(name, runtime)

    def _waiting(self) -> Iterator[Sample]:
        counts: Counter[str] = Counter()
        oldest: dict[str, float] = {}
        now = self._now()
        for record in self._store.pending():
            queue = self._queues(record.model.spec.queue)
            counts[queue] += 1
            oldest[queue] = max(oldest.get(queue, 0.0), _waited_s(record, now))
        for queue, count in counts.items():
            yield "tradewind_queue_pending", (queue,), count
            yield "tradewind_queue_oldest_seconds", (queue,), oldest[queue]

    def _spent(self) -> Iterator[Sample]:
        now = self._now()
        for name, queue in self._store.queues.items():
            if self._queues(name) != name:
                continue  # what many queues spent together is measured against no budget
            spent, budget = self._book.spent(name, now), queue.spec.budget
            yield "tradewind_queue_spent_dollars", (name,), spent.cost_usd
            yield "tradewind_queue_emitted_grams", (name,), spent.carbon_kg * _GRAMS_PER_KG
            if budget is not None and budget.monthly_usd is not None:
                yield "tradewind_queue_budget_dollars", (name,), budget.monthly_usd
            if budget is not None and budget.monthly_carbon_kg is not None:
                grams = budget.monthly_carbon_kg * _GRAMS_PER_KG
                yield "tradewind_queue_carbon_budget_grams", (name,), grams


def _engaged(name: str, runtime: SiteRuntime) -> Iterator[Sample]:
    state = runtime.state
    if state.reachable is not None:
        yield "tradewind_site_reachable", (name,), float(state.reachable)
    ready = state.reachable is True and state.inventory_synced and state.fault is None
    yield "tradewind_site_ready", (name,), float(ready)
    allocatable: Counter[str] = Counter()
    requested: Counter[str] = Counter()
    for found in runtime.inventory.view().classes:
        allocatable[found.class_name] += found.allocatable
        requested[found.class_name] += found.requested
    for class_name, units in allocatable.items():
        yield "tradewind_site_accelerators", (name, class_name), units
        yield "tradewind_site_accelerators_requested", (name, class_name), requested[class_name]


def _states(signals: SiteSignals) -> Iterator[str]:
    """The state of each signal, those by class or region one by one."""
    for name in type(signals).model_fields:
        value = getattr(signals, name)
        if isinstance(value, Signal):
            yield value.state.value
        elif isinstance(value, dict):
            yield from (one.state.value for one in value.values() if isinstance(one, Signal))


def _waited_s(record: Record, now: datetime) -> float:
    created = record.model.created
    return 0.0 if created is None else max(0.0, (now - created).total_seconds())


def _made(samples: Iterable[Sample]) -> list[Metric]:
    families = {
        name: GaugeMetricFamily(name, text, labels=labels) for name, text, labels in FAMILIES
    }
    for name, labels, value in samples:
        families[name].add_metric(labels, value)
    return list(families.values())
