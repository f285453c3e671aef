"""Who competes with whom, and for how much? Pending workloads in rounds, one after the other.

A round's workloads are placed together, as well as can be for all of them; what a round took is not
there for the next. Two stages: first what queues are promised by their quotas, then everything that
is not promised, borrowing included. Within a stage priorities are strict tiers: a lower one never
costs a higher one anything. Within a tier queues take turns by their weighted share; what their
turns put beyond the federation's capacity competes after the rest.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from tradewind.api.queue import PreemptionRule
from tradewind.placement.budgets import Purse, bill_usd
from tradewind.placement.demands import wants_accelerators
from tradewind.placement.plan import Assignment
from tradewind.placement.queues import PLENTY, Queues
from tradewind.placement.shapes import in_order
from tradewind.placement.snapshot import Uid, WorkloadView
from tradewind.placement.turns import Turns


@dataclass(frozen=True, slots=True)
class Allowance:
    """Accelerators that the workloads of a queue may take in a round.

    Args:
        queue: name of the ComputeQueue.
        units: accelerators, of those that the next two fields admit.
        class_name: AcceleratorClass, or a family of them; empty with an empty vendor: any.
        vendor: maker; empty: any.
        held: accelerators that the queue holds of them already, for messages.
        most: how many it may hold, for messages.
    """

    queue: str
    units: int
    class_name: str = ""
    vendor: str = ""
    held: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """Workloads that are placed together.

    Args:
        workloads: in the order in which they choose: where capacity is short, an earlier one has
            the right of way.
        allowances: all of them hold; a queue without any is not limited.
        purses: what queues may still spend; a queue without any is not limited.
        promised: the workloads take what their queues are promised. Classes for which a queue has
            no promise are closed to it by allowances of nothing. What finds no place comes again
            among what is not promised.
        last: of its tier and stage: what finds no place may have room made for it now.
    """

    workloads: tuple[WorkloadView, ...]
    allowances: tuple[Allowance, ...] = ()
    purses: tuple[Purse, ...] = ()
    promised: bool = False
    last: bool = True


class Schedule:
    """The rounds of a cycle.

    The solver takes a round, places what it can, tells `record` of it, and takes the next: what
    rounds hold depends on what earlier ones took.

    Args:
        queues: as they stand.
        pending: admitted by their queues.
    """

    def __init__(self, queues: Queues, pending: Iterable[WorkloadView]) -> None:
        self._queues = queues
        self._pending = in_order(pending)
        self._placed: set[Uid] = set()
        names = set(map(attrgetter("queue"), self._pending))
        self._plain = len(names) <= 1
        self._counted = not self._plain or any(_counts(queues, name) for name in names)

    def record(self, workload: WorkloadView, parts: Iterable[Assignment]) -> None:
        """Count a placement: all parts of one workload."""
        self._placed.add(workload.uid)
        if not self._counted:
            return
        queue = self._queues.standings[workload.queue]
        for part in parts:
            count_in(self._queues, queue.name, workload, part)

    def record_all(self, outcomes: Iterable[tuple[WorkloadView, object]]) -> None:
        """Count the placements among the outcomes of a round: all parts of one, or one."""
        if not self._counted:
            kinds = frozenset((Assignment, tuple))
            self._placed.update([w.uid for w, outcome in outcomes if type(outcome) in kinds])
            return
        for workload, outcome in outcomes:
            if isinstance(outcome, tuple):
                self.record(workload, outcome)
            elif isinstance(outcome, Assignment):
                self.record(workload, (outcome,))

    def hold_back(self, uid: Uid) -> None:
        """Leave a workload out of what follows: room is being made for it."""
        self._placed.add(uid)

    def __iter__(self) -> Iterator[Round]:
        if any(queue.spec.quotas for queue in self._queues.standings.values()):
            resources = frozenset(resource for _, resource in self._queues.accelerators)
            promised = [
                workload
                for workload in self._pending
                if self._queues.standings[workload.queue].lines
                and wants_accelerators(workload.demand, resources)
            ]
            for tier in _tiers(promised):
                yield from self._tier(tier, promised=True)
        left = self._pending
        if self._placed:
            left = [w for w in left if w.uid not in self._placed]
        for tier in _tiers(left):
            yield from self._tier(tier, promised=False)

    def _tier(self, tier: list[WorkloadView], *, promised: bool) -> Iterator[Round]:
        if self._plain:
            yield self._round(tier, promised=promised)
            return
        first, others = Turns(self._queues).split(tier)
        if first:
            yield self._round(first, promised=promised, last=not others)
        if others:
            left = [w for w in first if w.uid not in self._placed]
            yield self._round([*left, *others], promised=promised)

    def _round(self, workloads: list[WorkloadView], *, promised: bool, last: bool = True) -> Round:
        names = sorted(set(map(attrgetter("queue"), workloads)))
        standings = [self._queues.standings[name] for name in names]
        return Round(
            workloads=tuple(workloads),
            allowances=tuple(
                allowance
                for queue in standings
                for allowance in allowances_of(self._queues, queue.name, promised=promised)
            ),
            purses=tuple(queue.purse for queue in standings if queue.purse.limited),
            promised=promised,
            last=last,
        )


def count_in(queues: Queues, name: str, workload: WorkloadView, part: Assignment) -> None:
    """Count what a placement takes of its queue."""
    share = part.replicas / max(1, workload.demand.replicas)
    takes = queues.takes(workload.demand, part.class_name, part.resource_name, share)
    chosen = part.explanation.chosen
    queue = queues.standings[name]
    queue.add(takes, queues.catalog)
    if queue.purse.limited:
        queue.spend(bill_usd(part.cost), chosen.carbon_kg if chosen else 0.0)


def allowances_of(queues: Queues, name: str, *, promised: bool) -> Iterator[Allowance]:
    """What a queue may take, quota by quota."""
    queue = queues.standings[name]
    for line in queue.lines:
        quota = line.quota
        most = queue.most(line, promised=promised)
        if most < PLENTY:
            yield Allowance(
                queue=name,
                units=max(0, most - line.held),
                class_name=quota.class_name,
                vendor=quota.vendor,
                held=line.held,
                most=most,
            )
    if promised:
        # Accelerators without a promise are not to be taken before all promises are kept.
        for class_name in queues.classes:
            vendor = queues.vendor(class_name)
            if not any(line.covers(class_name, vendor, queues.catalog) for line in queue.lines):
                yield Allowance(queue=name, units=0, class_name=class_name)


def _counts(queues: Queues, name: str) -> bool:
    """Whether anything in this cycle depends on what the queue takes in it."""
    queue = queues.standings[name]
    preempts = queue.spec.preemption is not PreemptionRule.NEVER
    return bool(queue.lines) or queue.purse.limited or preempts


def _tiers(workloads: Iterable[WorkloadView]) -> Iterator[list[WorkloadView]]:
    """By priority, the highest first; they are in order."""
    for _, tier in groupby(workloads, key=attrgetter("priority")):
        yield list(tier)
