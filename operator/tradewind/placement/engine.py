"""Where does each pending workload go? `plan(snapshot, now, config) -> Plan`, the one entry.

Round by round (`rounds.py`): where nobody stands in another's way, each group of equal workloads
takes its own cheapest rows, which no plan can better. Else the groups of the round compete, by the
price of capacity (`solver.py`). A workload that finds no room waits and holds nothing. Pure: equal
inputs, in whatever order, give equal plans.

A `Planner` gives the same plans and keeps between calls what it worked out of sites that are still
the same objects.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime

import numpy as np

from tradewind.placement.capacity import Ledger
from tradewind.placement.config import EngineConfig
from tradewind.placement.contest import Case, case_of
from tradewind.placement.deferral import after
from tradewind.placement.division import Choice, Choices, divide
from tradewind.placement.explain import Explainer, verdict_of
from tradewind.placement.groups import groups_of
from tradewind.placement.limits import Limits
from tradewind.placement.memo import Memo
from tradewind.placement.moves import Moves
from tradewind.placement.pausing import pauses
from tradewind.placement.plan import (
    NO_SITE,
    Assignment,
    Deferred,
    Eviction,
    Explanation,
    Plan,
    Refusal,
    RefusalReason,
    Verdict,
    Waiting,
)
from tradewind.placement.preemption import Preemption
from tradewind.placement.queues import Queues
from tradewind.placement.room import Room
from tradewind.placement.rounds import Round, Schedule
from tradewind.placement.shapes import order_of, shape_of
from tradewind.placement.snapshot import SiteName, Snapshot, Uid, WorkloadView
from tradewind.placement.victims import Running

DEFAULT_CONFIG = EngineConfig()


def plan(snapshot: Snapshot, now: datetime, config: EngineConfig = DEFAULT_CONFIG) -> Plan:
    """Choose site, accelerator class and start of every pending workload.

    Args:
        snapshot: all that is known.
        now: the cycle's time, aware.
        config: figures for what is not known.

    Returns:
        The plan; each pending workload is in exactly one of its lists.
    """
    return Planner(config).plan(snapshot, now)


class Planner:
    """Plans one snapshot after the other; see the module."""

    def __init__(self, config: EngineConfig = DEFAULT_CONFIG) -> None:
        self._memo = Memo(config)

    def plan(self, snapshot: Snapshot, now: datetime) -> Plan:
        """As `plan` does."""
        looks = snapshot.rebalance and snapshot.running
        if not (snapshot.pending or looks):
            return Plan(serial=snapshot.serial)
        queues = Queues(snapshot)
        cycle = _Cycle(snapshot, now, self._memo, queues)
        found = _Found()
        admitted = []
        for workload in snapshot.pending:
            if (refusal := queues.refusal(workload)) is None:
                admitted.append(workload)
            else:
                found.waiting[workload.uid] = _refused(workload, refusal)
        schedule = Schedule(queues, admitted)
        for competing in schedule:
            cycle.keep_targets(competing.workloads[0].priority)
            for workload, outcome in cycle.place(competing):
                found.add(workload.uid, outcome)
                if isinstance(outcome, Assignment):
                    schedule.record(workload, (outcome,))
            if competing.last and not cycle.preemption.idle:
                left = [w for w in competing.workloads if w.uid in found.waiting]
                found.evictions += cycle.make_room(left, schedule, promised=competing.promised)
        if looks:
            found.evictions += cycle.pauses(found.evicted)
            found.evictions += cycle.rebalance(queues, found.evicted)
        return found.plan(snapshot.serial)


class _Found:
    """What the rounds of a cycle have come to so far."""

    def __init__(self) -> None:
        self.assignments: list[Assignment] = []
        self.waiting: dict[Uid, Waiting] = {}
        self.deferred: dict[Uid, Deferred] = {}
        self.evictions: list[Eviction] = []

    @property
    def evicted(self) -> frozenset[Uid]:
        """Running work that is to end."""
        return frozenset(eviction.uid for eviction in self.evictions)

    def add(self, uid: Uid, outcome: Assignment | Waiting | Deferred) -> None:
        """A later round's word on what found no place in an earlier one goes before."""
        self.waiting.pop(uid, None)
        self.deferred.pop(uid, None)
        match outcome:
            case Assignment():
                self.assignments.append(outcome)
            case Waiting():
                self.waiting[uid] = outcome
            case Deferred():
                self.deferred[uid] = outcome

    def plan(self, serial: int) -> Plan:
        """All of it."""
        return Plan(
            tuple(self.assignments),
            tuple(self.waiting.values()),
            tuple(self.deferred.values()),
            tuple(self.evictions),
            serial=serial,
        )


Outcomes = list[tuple[WorkloadView, Assignment | Waiting | Deferred]]


class _Cycle:
    """The working memory of one call of `plan()`."""

    def __init__(self, snapshot: Snapshot, now: datetime, memo: Memo, queues: Queues) -> None:
        self._snapshot = snapshot
        self._now = now
        self._memo = memo
        memo.begin(snapshot, now)
        self._evaluator = memo.evaluator
        self._table = memo.table
        self._ledger = Ledger(self._table, snapshot.assumed, self._evaluator.entries)
        self._explainer = Explainer(self._table, self._evaluator.chips)
        self._kept: set[Uid] = set()
        running = Running(snapshot, self._table, queues, now)
        room = Room(snapshot, self._table, self._ledger)
        self.preemption = Preemption(self._table, queues, running, room)

    def make_room(
        self, workloads: Iterable[WorkloadView], schedule: Schedule, *, promised: bool
    ) -> Iterator[Eviction]:
        """End running work so that workloads that wait may start, where their queues may."""
        for workload in workloads:
            shape = shape_of(workload)
            policy = self._snapshot.policies.get(shape.policy)
            if policy is not None:
                found = self._memo.evaluate(shape, policy)
                yield from self.preemption.make_room(workload, found, promised=promised)
                if self.preemption.nominated(workload) is not None:
                    schedule.hold_back(workload.uid)

    def keep_targets(self, priority: int) -> None:
        """Keep the room of work that is leaving its place for a better one, by its rank."""
        movers = [w for w in self._snapshot.evicting if w.nominated_site is not None]
        for workload in sorted(movers, key=order_of):
            policy = self._snapshot.policies.get(workload.policy)
            if workload.priority < priority or workload.uid in self._kept or policy is None:
                continue
            self._kept.add(workload.uid)
            found = self._memo.evaluate(shape_of(workload), policy)
            target = self._table.index.get(workload.nominated_site or SiteName(""), -1)
            sites = self._table.row_site[found.rows[found.order]]
            for place in found.order[sites == target].tolist():
                if self._ledger.take(int(found.rows[place]), found.needs[place]):
                    break

    def rebalance(self, queues: Queues, leave: frozenset[Uid]) -> tuple[Eviction, ...]:
        """Move running work to where the rest of it costs less, or away from draining sites."""
        moves = Moves(
            self._snapshot,
            self._table,
            self._ledger,
            queues,
            self._memo.evaluate,
            config=self._memo.config,
            now=self._now,
        )
        return moves.choose(leave)

    def pauses(self, victims: AbstractSet[Uid]) -> tuple[Eviction, ...]:
        """The running work that should pause, victims apart."""
        evaluate = self._memo.evaluate
        return pauses(self._snapshot, self._evaluator, evaluate, victims)

    def place(self, competing: Round) -> Outcomes:
        """What becomes of the workloads of a round."""
        limits = Limits(competing, self._evaluator.chips, self._snapshot.catalog)
        outcomes: Outcomes = []
        cases: list[Case] = []
        config, shapes = self._evaluator.config, self._memo.shapes
        for group in groups_of(competing.workloads, self._now, config, shapes):
            policy = self._snapshot.policies.get(group.shape.policy)
            if policy is None:
                outcomes += [(workload, _without_policy(workload)) for workload in group.members]
                continue
            found = self._memo.evaluate(group.shape, policy)
            cases.append(case_of(group, found, self._evaluator, self._ledger, limits))
        before = self._ledger.view(), limits.saved()
        choices = self._each_its_best(cases, limits)
        if choices is None or any(slot for chosen in choices for _, slot, _ in chosen):
            self._ledger.restore(before[0])
            limits.restore(before[1])
        if choices is None:
            choices = self._compete(cases, limits)
        elif any(slot for chosen in choices for _, slot, _ in chosen):
            self._keep_present(cases, choices, limits)
        for case, chosen in zip(cases, choices, strict=True):
            outcomes += self._tell(case, chosen, limits)
        return outcomes

    def _each_its_best(self, cases: list[Case], limits: Limits) -> Choices | None:
        """Each group takes its own best; None when one takes what another would have had.

        Later starts are put on the ledger too: if all fit even at the same time, nobody competes.
        """
        choices: Choices = []
        alone = len(cases) == 1 and len(cases[0].starts_s) == 1
        for case in cases:
            left, chosen = len(case.group.members), []
            places, slots = case.options(roomy=alone)
            for place, slot in zip(places.tolist(), slots.tolist(), strict=True):
                if not left:
                    break
                count = self._take(case, (place, slot), left, limits)
                if count < left and not alone:
                    return None
                if count:
                    chosen.append((place, slot, count))
                left -= count
            choices.append(chosen)
        return choices

    def _keep_present(self, cases: list[Case], choices: Choices, limits: Limits) -> None:
        """Take what starts now, and nothing else."""
        for case, chosen in zip(cases, choices, strict=True):
            for place, slot, count in chosen:
                if slot == 0 and self._take(case, (place, slot), count, limits) < count:
                    raise AssertionError(f"{case.group.shape}: what fitted with more does not fit")

    def _take(self, case: Case, option: tuple[int, int], limit: int, limits: Limits) -> int:
        """Take as many workloads of a case as fit; how many."""
        place, slot = option
        counted = case.lot is not None and slot == 0
        if counted and case.lot is not None:
            limit = min(limit, int(limits.most(case.group.shape.queue, case.lot)[place]))
        row = int(case.found.rows[place])
        count = self._ledger.take_up_to(row, case.found.needs[place], limit)
        if count and counted and case.lot is not None:
            limits.take(case.group.shape.queue, case.lot, place, count)
        return count

    def _compete(self, cases: list[Case], limits: Limits) -> Choices:
        """Groups take rows by the price of capacity."""
        choices = divide(
            cases, self._evaluator, self._ledger, limits, running=self._snapshot.running
        )
        for case, chosen in zip(cases, choices, strict=True):
            rank = np.empty(len(case.found.order), np.int64)
            rank[case.found.order] = np.arange(len(rank))
            chosen.sort(key=lambda choice: (choice[1], rank[choice[0]]))
        return choices

    def _tell(self, case: Case, chosen: list[Choice], limits: Limits) -> Outcomes:
        """The outcomes of a case; the first of its workloads get its earliest and best rows."""
        view = self._ledger.view()
        closed = None
        if case.lot is not None:
            closed = limits.closed(case.group.shape.queue, case.lot)
        outcomes: Outcomes = []
        first = 0
        for place, slot, count in chosen:
            later = case.costs[slot] if slot else None
            why = self._explainer.explain(case.found, view, place, closed, later=later)
            members = case.group.members[first : first + count]
            first += count
            if slot:
                outcomes += [(w, self._defer(w, case, slot, why)) for w in members]
            else:
                outcomes += zip(members, self._assign(members, case, place, why), strict=True)
        left = case.group.members[first:]
        if left:
            why = self._explainer.explain(case.found, view, None, closed)
            # What had room when the round began, and was taken by others, may come free again.
            verdict = Verdict.WAIT if case.room.any() else verdict_of(why.refused)
            outcomes += [(workload, Waiting(workload.uid, verdict, why)) for workload in left]
        return outcomes

    def _defer(self, workload: WorkloadView, case: Case, slot: int, why: Explanation) -> Deferred:
        if why.chosen is None:
            raise AssertionError(f"{workload.uid}: a choice without a candidate")
        return Deferred(
            uid=workload.uid,
            start_at=after(self._now, float(case.starts_s[slot])),
            site=why.chosen.site,
            class_name=why.chosen.class_name,
            cost=why.chosen.cost,
            cost_now=case.costs[0].at(int(case.open[0])) if len(case.open) else None,
            explanation=why,
        )

    def _assign(
        self, workloads: list[WorkloadView], case: Case, place: int, why: Explanation
    ) -> list[Assignment]:
        if why.chosen is None:
            raise AssertionError(f"{case.group.shape}: a choice without a candidate")
        accelerator = self._table.row_accelerator[int(case.found.rows[place])]
        site, class_name, cost = why.chosen.site, why.chosen.class_name, why.chosen.cost
        resource_name = accelerator.resource_name if accelerator else None
        pods, now = case.found.shape.pods, self._now
        return [
            Assignment(
                workload.uid,
                site,
                class_name,
                resource_name,
                pods,
                workload.epoch + 1,
                now,
                cost,
                why,
            )
            for workload in workloads
        ]


def _without_policy(workload: WorkloadView) -> Waiting:
    return _refused(
        workload,
        Refusal(
            NO_SITE,
            RefusalReason.NO_POLICY,
            f"there is no PlacementPolicy {workload.policy!r}",
        ),
    )


def _refused(workload: WorkloadView, refusal: Refusal) -> Waiting:
    """Work that no site is asked about."""
    return Waiting(workload.uid, Verdict.NEVER, Explanation(workload.policy, None, (), (refusal,)))
