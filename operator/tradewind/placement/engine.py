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
from dataclasses import replace
from datetime import datetime

from tradewind.placement.capacity import Ledger
from tradewind.placement.config import EngineConfig
from tradewind.placement.contest import Case, case_of
from tradewind.placement.division import Choices
from tradewind.placement.explain import Explainer
from tradewind.placement.fairness import Trial, leaves_some
from tradewind.placement.feasibility import Evaluation
from tradewind.placement.groups import Group, groups_of
from tradewind.placement.limits import Limits
from tradewind.placement.memo import Memo
from tradewind.placement.moves import Moves
from tradewind.placement.outcomes import Found, Outcomes, Telling, refused, without_policy
from tradewind.placement.parted import Kind, Parted, kind_of, member_of
from tradewind.placement.partroom import ways
from tradewind.placement.partwords import cannot_split
from tradewind.placement.pausing import pauses
from tradewind.placement.plan import (
    Eviction,
    Plan,
    Waiting,
)
from tradewind.placement.preemption import Preemption
from tradewind.placement.queues import Queues
from tradewind.placement.replicas import Replicas
from tradewind.placement.room import Room
from tradewind.placement.rounds import Round, Schedule
from tradewind.placement.shapes import order_of, shape_of
from tradewind.placement.sharing import Sharing
from tradewind.placement.snapshot import SiteName, Snapshot, Uid, WorkloadView
from tradewind.placement.turns import Turns
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
        found = Found()
        admitted = []
        for workload in snapshot.pending:
            if not workload.queue or (refusal := queues.refusal(workload)) is None:
                admitted.append(workload)
            else:
                found.waiting[workload.uid] = refused(workload, refusal)
        schedule = Schedule(queues, admitted)
        for competing in schedule:
            cycle.keep_targets(competing.workloads[0].priority)
            outcomes = cycle.place(competing)
            found.add_all(outcomes)
            schedule.record_all(outcomes)
            if competing.last and not cycle.preemption.idle:
                left = [w for w in competing.workloads if w.uid in found.waiting]
                found.evictions += cycle.make_room(left, schedule, promised=competing.promised)
        if looks:
            found.evictions += cycle.pauses(found.evicted)
            found.evictions += cycle.rebalance(queues, found.evicted)
        return found.plan(snapshot.serial)


class _Cycle:
    """The working memory of one call of `plan()`."""

    def __init__(self, snapshot: Snapshot, now: datetime, memo: Memo, queues: Queues) -> None:
        self._snapshot = snapshot
        self._now = now
        self._memo = memo
        self._queues = queues
        memo.begin(snapshot, now)
        self._evaluator = memo.evaluator
        self._table = memo.table
        self._ledger = Ledger(self._table, snapshot.assumed, self._evaluator.entries)
        self._explainer = Explainer(self._table, self._evaluator.chips)
        self._replicas = Replicas(self._evaluator)
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
            if policy is None:
                continue
            found = self._memo.evaluate(shape, policy)
            if kind_of(Group(shape, 0, members=[workload])) is Kind.WHOLE:
                yield from self.preemption.make_room(workload, found, promised=promised)
            else:
                yield from self._make_room_for_part(workload, found, promised=promised)
            if self.preemption.nominated(workload) is not None:
                schedule.hold_back(workload.uid)

    def _make_room_for_part(
        self, workload: WorkloadView, found: Evaluation, *, promised: bool
    ) -> tuple[Eviction, ...]:
        """As `make_room`, beside the parts that have room; victims are looked for by quota too."""
        limits = Limits(Round((workload,)), self._evaluator.chips, self._snapshot.catalog)
        member = member_of(workload, self._replicas.of(workload, found), self._now)
        parted = Parted([member], self._ledger, limits)
        for parts, rest in ways(member, parted.offers(member)):
            before = self._ledger.view()
            if parted.take(member, parts):
                evictions = self.preemption.make_room(workload, rest, promised=promised)
                if self.preemption.nominated(workload) is not None:
                    return evictions
            self._ledger.restore(before)
        return ()

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
        before = self._ledger.view(), limits.saved()
        outcomes = self._together(competing, limits)
        if not leaves_some(competing.workloads, [outcome for _, outcome in outcomes]):
            return outcomes
        self._ledger.restore(before[0])
        limits.restore(before[1])
        first, others = self._in_turns(competing, limits)
        self._ledger.restore(before[0])
        limits.restore(before[1])
        outcomes = self._together(replace(competing, workloads=tuple(first)), limits)
        left = {w.uid for w, outcome in outcomes if isinstance(outcome, Waiting)}
        again = [*(w for w in first if w.uid in left), *others]
        placed = [(w, outcome) for w, outcome in outcomes if w.uid not in left]
        return placed + self._together(replace(competing, workloads=tuple(again)), limits)

    def _in_turns(
        self, competing: Round, limits: Limits
    ) -> tuple[list[WorkloadView], list[WorkloadView]]:
        """Those to whom room is dealt out in turns, and the others; it stays taken."""
        config, shapes = self._evaluator.config, self._memo.shapes
        cases: list[Case] = []
        apart: list[WorkloadView] = []
        for group in groups_of(competing.workloads, self._now, config, shapes):
            policy, kind = self._snapshot.policies.get(group.shape.policy), kind_of(group)
            if policy is None or kind is Kind.IMPOSSIBLE:
                continue
            if kind is Kind.PARTED:
                apart += group.members
                continue
            found = self._memo.evaluate(group.shape, policy)
            cases.append(case_of(group, found, self._evaluator, self._ledger, limits))
        parted = self._parted(apart, competing, limits)
        trial = Trial(cases, parted, self._table, self._queues)
        return Turns(self._queues).by_room(competing.workloads, trial.take)

    def _together(self, competing: Round, limits: Limits) -> Outcomes:
        """What becomes of workloads among which nobody has the right of way."""
        if not competing.workloads:
            return []
        outcomes: Outcomes = []
        cases: list[Case] = []
        apart: list[WorkloadView] = []
        later: list[WorkloadView] = []
        config, shapes = self._evaluator.config, self._memo.shapes
        for group in groups_of(competing.workloads, self._now, config, shapes):
            policy = self._snapshot.policies.get(group.shape.policy)
            if policy is None:
                outcomes += [(workload, without_policy(workload)) for workload in group.members]
                continue
            kind = kind_of(group)
            if kind is Kind.IMPOSSIBLE:
                outcomes += [(workload, cannot_split(workload)) for workload in group.members]
            elif kind is Kind.PARTED:
                apart += group.members
            else:
                found = self._memo.evaluate(group.shape, policy)
                cases.append(case_of(group, found, self._evaluator, self._ledger, limits))
                later += group.members if kind is Kind.WHOLE_FIRST else ()
        parted = self._parted(apart, competing, limits)
        choices = self._divide(cases, limits, parted)
        telling = Telling(self._table, self._explainer, self._ledger, limits, self._now)
        for case, chosen in zip(cases, choices, strict=True):
            outcomes += telling.whole(case, chosen)
        outcomes += telling.parts(parted)
        if later:
            waits = {w.uid for w, outcome in outcomes if isinstance(outcome, Waiting)}
            rest = [w for w in later if w.uid in waits]
            parted = self._parted(rest, competing, limits)
            parted.place()
            split = {w.uid for w in rest}
            outcomes = [(w, outcome) for w, outcome in outcomes if w.uid not in split]
            outcomes += telling.parts(parted)
        return outcomes

    def _parted(self, workloads: list[WorkloadView], competing: Round, limits: Limits) -> Parted:
        """Workloads of a round that are planned in parts, in its order."""
        if workloads:
            rank = {workload.uid: place for place, workload in enumerate(competing.workloads)}
            workloads.sort(key=lambda workload: rank[workload.uid])
        members = []
        for workload in workloads:
            policy = self._snapshot.policies[workload.policy]
            found = self._memo.evaluate(self._memo.shapes.of(workload), policy)
            members.append(member_of(workload, self._replicas.of(workload, found), self._now))
        return Parted(members, self._ledger, limits)

    def _divide(self, cases: list[Case], limits: Limits, parted: Parted) -> Choices:
        """Who gets what of a round."""
        sharing = Sharing(cases, self._evaluator, self._ledger, limits, self._snapshot.running)
        return sharing.with_parts(parted) if parted.members else sharing.divide()
