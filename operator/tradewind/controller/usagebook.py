"""Who has spent how much: what the meter charges, for budgets and for Tradewind's own metrics.

Nothing here is durable. At the start the book is filled from the statuses of the living workloads
and from the ledger of the deleted ones, which are the truth; from then on it follows each charge.
Deleting a workload moves its usage from one to the other and changes nothing here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prometheus_client import Counter

from tradewind.api.workload import UsagePeriod
from tradewind.base.observe import REGISTRY
from tradewind.controller.ledger import Ledger
from tradewind.controller.metering import Amounts, amounts_of, month_of
from tradewind.controller.store import Record

_LABELS: Final = ("site", "queue", "namespace", "policy")

ACCELERATOR_SECONDS = Counter(
    "tradewind_usage_accelerator_seconds_total",
    "Accelerator time of metered work: one accelerator held for one second.",
    _LABELS,
    registry=REGISTRY,
)
ENERGY = Counter(
    "tradewind_usage_energy_joules_total",
    "Energy of metered work at the meter, PUE included.",
    _LABELS,
    registry=REGISTRY,
)
CARBON = Counter(
    "tradewind_usage_carbon_grams_total",
    "Emissions of metered work, grams of CO2e, location based.",
    _LABELS,
    registry=REGISTRY,
)
COST = Counter(
    "tradewind_usage_cost_dollars_total",
    "Cost of metered work, hardware and electricity, US dollars.",
    _LABELS,
    registry=REGISTRY,
)

#: Stands for every value beyond the limit.
OTHER_LABEL: Final = "other"
#: Every combination of labels is four series at each Prometheus: so many at most.
COMBINATIONS: Final = 2000

#: Site, queue, namespace, policy.
_Labels = tuple[str, str, str, str]

_JOULES_PER_KWH, _GRAMS_PER_KG, _SECONDS_PER_HOUR = 3.6e6, 1000.0, 3600.0


class LabelLimit:
    """The first so many values of a label are told apart, all others are `other`.

    >>> limit = LabelLimit(2)
    >>> [limit(value) for value in ("a", "b", "c", "a")]
    ['a', 'b', 'other', 'a']
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """The value, or `other`."""
        if value not in self._seen:
            if len(self._seen) >= self._most:
                return OTHER_LABEL
            self._seen.add(value)
        return value


class UsageBook:
    """Sums by queue and month, and the counters.

    Args:
        label_limit: how many namespaces, and how many queues, metrics tell apart.
    """

    def __init__(self, *, label_limit: int) -> None:
        self._spent: dict[tuple[str, str], Amounts] = {}
        self._namespaces = LabelLimit(label_limit)
        self._queues = LabelLimit(label_limit)
        self._policies = LabelLimit(label_limit)
        self._series: dict[_Labels, tuple[Counter, Counter, Counter, Counter]] = {}
        self._owed: dict[_Labels, Amounts] = {}

    def fill(self, records: Iterable[Record], ledger: Ledger) -> None:
        """Begin with what is durable; the counters begin at zero, as Prometheus has it."""
        self._spent.clear()
        for key, row in ledger.rows.items():
            self._spend(key.queue, key.period, row)
        for record in records:
            if record.status.usage is not None and record.uid not in ledger.folded:
                for entry in record.status.usage.periods:
                    self._spend(entry.queue, entry.period, amounts_of(entry))

    def charge(self, namespace: str, entries: Iterable[UsagePeriod]) -> None:
        """Follow what the meter just charged, or gave back."""
        for entry in entries:
            amounts = amounts_of(entry)
            self._spend(entry.queue, entry.period, amounts)
            self._count((entry.site, entry.queue, namespace, entry.policy), amounts)

    def spent(self, queue: str, now: datetime) -> Amounts:
        """What the work of a queue took in the calendar month (UTC) of a moment."""
        return self._spent.get((queue, now.strftime("%Y-%m")), Amounts())

    def _spend(self, queue: str, period: str, amounts: Amounts) -> None:
        key = (queue, month_of(period))
        self._spent[key] = self._spent.get(key, Amounts()) + amounts

    def _count(self, labels: _Labels, amounts: Amounts) -> None:
        """Count on; what is given back is taken off what comes next, for no counter may fall."""
        site, queue, namespace, policy = labels
        key = (site, self._queues(queue), self._namespaces(namespace), self._policies(policy))
        if key not in self._series and len(self._series) >= COMBINATIONS:
            key = (OTHER_LABEL, OTHER_LABEL, OTHER_LABEL, OTHER_LABEL)
        series = self._series.get(key)
        if series is None:  # finding one by its labels costs more than all the rest of a charge
            metrics = (ACCELERATOR_SECONDS, ENERGY, CARBON, COST)
            made = tuple(metric.labels(*key) for metric in metrics)
            series = self._series[key] = (made[0], made[1], made[2], made[3])
        due = self._owed.pop(key, Amounts()) + amounts
        seconds, joules, grams, dollars = series
        seconds.inc(max(0.0, due.accelerator_hours) * _SECONDS_PER_HOUR)
        joules.inc(max(0.0, due.energy_kwh) * _JOULES_PER_KWH)
        grams.inc(max(0.0, due.carbon_kg) * _GRAMS_PER_KG)
        dollars.inc(max(0.0, due.cost_usd))
        owed = Amounts(
            min(0.0, due.accelerator_hours),
            min(0.0, due.energy_kwh),
            min(0.0, due.carbon_kg),
            min(0.0, due.cost_usd),
        )
        if owed != Amounts():
            self._owed[key] = owed
