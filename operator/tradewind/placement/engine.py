"""Where does each pending workload go? `plan(snapshot, now, config) -> Plan`, the one entry.

Round by round (`rounds.py`): where nobody stands in another's way, each group of equal workloads
takes its own cheapest rows, which no plan can better. Else the groups of the round compete, by the
price of capacity (`solver.py`). A workload that finds no room waits and holds nothing. Pure: equal
inputs, in whatever order, give equal plans.

A `Planner` gives the same plans and keeps between calls what it worked out of sites that are still
the same objects.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from tradewind.placement.board import Board
from tradewind.placement.capacity import Ledger
from tradewind.placement.config import EngineConfig
from tradewind.placement.contest import Case, case_of, market_of
from tradewind.placement.explain import Explainer, verdict_of
from tradewind.placement.feasibility import Evaluation
from tradewind.placement.groups import groups_of
from tradewind.placement.limits import Limits
from tradewind.placement.memo import Memo
from tradewind.placement.moves import Moves
from tradewind.placement.plan import (
    NO_SITE,
    Assignment,
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
from tradewind.placement.repacking import Effort
from tradewind.placement.room import Room
from tradewind.placement.rounds import Round, Schedule
from tradewind.placement.shapes import order_of, shape_of
from tradewind.placement.snapshot import SiteName, Snapshot, Uid, WorkloadView
from tradewind.placement.solver import REPACK_STEPS, SEARCHED, solve
from tradewind.placement.victims import Running

DEFAULT_CONFIG = EngineConfig()

#: How many workloads of a case go to which place on its R'.
Choices = list[list[tuple[int, int]]]


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
        if not snapshot.pending and not looks:
            return Plan(serial=snapshot.serial)
        queues = Queues(snapshot)
        cycle = _Cycle(snapshot, now, self._memo, queues)
        assignments: list[Assignment] = []
        waiting: dict[Uid, Waiting] = {}
        evictions: list[Eviction] = []
        admitted = []
        for workload in snapshot.pending:
            if (refusal := queues.refusal(workload)) is None:
                admitted.append(workload)
            else:
                waiting[workload.uid] = _refused(workload, refusal)
        schedule = Schedule(queues, admitted)
        for competing in schedule:
            cycle.keep_targets(competing.workloads[0].priority)
            for workload, outcome in cycle.place(competing):
                if isinstance(outcome, Assignment):
                    assignments.append(outcome)
                    waiting.pop(workload.uid, None)
                    schedule.record(workload, (outcome,))
                else:
                    waiting[workload.uid] = outcome
            if competing.last and not cycle.preemption.idle:
                left = [w for w in competing.workloads if w.uid in waiting]
                evictions += cycle.make_room(left, schedule, promised=competing.promised)
        if looks:
            evictions += cycle.rebalance(queues, evictions)
        return Plan(
            tuple(assignments),
            tuple(waiting.values()),
            evictions=tuple(evictions),
            serial=snapshot.serial,
        )


Outcomes = list[tuple[WorkloadView, Assignment | Waiting]]


class _Cycle:
    """The working memory of one call of `plan()`."""

    def __init__(self, snapshot: Snapshot, now: datetime, memo: Memo, queues: Queues) -> None:
        self._snapshot = snapshot
        self._now = now
        self._memo = memo
        memo.begin(snapshot, now)
        self._table = memo.table
        self._ledger = Ledger(self._table, snapshot.assumed, memo.evaluator.entries)
        self._explainer = Explainer(self._table, memo.evaluator.chips)
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

    def rebalance(self, queues: Queues, evictions: Iterable[Eviction]) -> tuple[Eviction, ...]:
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
        return moves.choose(frozenset(eviction.uid for eviction in evictions))

    def place(self, competing: Round) -> Outcomes:
        """What becomes of the workloads of a round."""
        limits = Limits(competing, self._memo.evaluator.chips, self._snapshot.catalog)
        outcomes: Outcomes = []
        cases: list[Case] = []
        for group in groups_of(competing.workloads, self._now):
            policy = self._snapshot.policies.get(group.shape.policy)
            if policy is None:
                outcomes += [(workload, _without_policy(workload)) for workload in group.members]
                continue
            found = self._memo.evaluate(group.shape, policy)
            cases.append(case_of(group, found, self._table, self._ledger, limits))
        before = self._ledger.view(), limits.saved()
        choices = self._each_its_best(cases, limits)
        if choices is None:
            self._ledger.restore(before[0])
            limits.restore(before[1])
            choices = self._compete(cases, limits)
        for case, chosen in zip(cases, choices, strict=True):
            outcomes += self._tell(case, chosen, limits)
        return outcomes

    def _each_its_best(self, cases: list[Case], limits: Limits) -> Choices | None:
        """Each group takes its own best rows; None when one takes what another would have had."""
        choices: Choices = []
        for case in cases:
            left, chosen = len(case.group.members), []
            for place in case.open.tolist():
                if not left:
                    break
                allowed = left
                if case.lot is not None:
                    allowed = min(left, int(limits.most(case.group.shape.queue, case.lot)[place]))
                needs = case.found.needs[place]
                count = self._ledger.take_up_to(int(case.found.rows[place]), needs, allowed)
                if count and case.lot is not None:
                    limits.take(case.group.shape.queue, case.lot, place, count)
                if count < left and len(cases) > 1:
                    return None
                if count:
                    chosen.append((place, count))
                left -= count
            choices.append(chosen)
        return choices

    def _compete(self, cases: list[Case], limits: Limits) -> Choices:
        """Groups take rows by the price of capacity."""
        market, stakes = market_of(cases, self._table, self._ledger)
        few = market.count.sum() <= SEARCHED
        effort = Effort(REPACK_STEPS) if few else None
        board = Board(self._table, self._ledger, limits, market, stakes, effort=effort)
        solve(market, board)
        choices: Choices = [[] for _ in cases]
        for (group, candidate), count in board.placed.items():
            choices[group].append((int(stakes[group].places[candidate]), count))
        for case, chosen in zip(cases, choices, strict=True):
            rank = {place: i for i, place in enumerate(case.found.order.tolist())}
            chosen.sort(key=lambda choice: rank[choice[0]])
        return choices

    def _tell(self, case: Case, chosen: list[tuple[int, int]], limits: Limits) -> Outcomes:
        """The outcomes of a case; the first of its workloads get its best rows."""
        view = self._ledger.view()
        closed = None
        if case.lot is not None:
            closed = limits.closed(case.group.shape.queue, case.lot)
        outcomes: Outcomes = []
        members = iter(case.group.members)
        for place, count in chosen:
            why = self._explainer.explain(case.found, view, place, closed)
            for _ in range(count):
                workload = next(members)
                outcomes.append((workload, self._assign(workload, case.found, place, why)))
        left = list(members)
        if left:
            why = self._explainer.explain(case.found, view, None, closed)
            verdict = verdict_of(why.refused)
            outcomes += [(workload, Waiting(workload.uid, verdict, why)) for workload in left]
        return outcomes

    def _assign(
        self, workload: WorkloadView, found: Evaluation, place: int, why: Explanation
    ) -> Assignment:
        if why.chosen is None:
            raise AssertionError(f"{workload.uid}: a choice without a candidate")
        accelerator = self._table.row_accelerator[int(found.rows[place])]
        return Assignment(
            uid=workload.uid,
            site=why.chosen.site,
            class_name=why.chosen.class_name,
            resource_name=accelerator.resource_name if accelerator else None,
            replicas=found.shape.pods,
            epoch=workload.epoch + 1,
            start_at=self._now,
            cost=why.chosen.cost,
            explanation=why,
        )


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
