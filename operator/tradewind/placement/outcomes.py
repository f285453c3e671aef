"""What became of the workloads of a cycle, and of those of one round, with the reasons.

The parts of a split are one outcome: all of them, or none.
"""

from datetime import datetime

import numpy as np

from tradewind.placement.capacity import Ledger
from tradewind.placement.contest import Case
from tradewind.placement.deferral import after
from tradewind.placement.division import Choice
from tradewind.placement.explain import Explainer, verdict_of
from tradewind.placement.limits import Limits
from tradewind.placement.parted import Parted
from tradewind.placement.partwords import PartExplainer
from tradewind.placement.plan import (
    NO_SITE,
    Assignment,
    CostTerms,
    Deferred,
    Eviction,
    Explanation,
    Plan,
    Refusal,
    RefusalReason,
    Verdict,
    Waiting,
)
from tradewind.placement.priced import Told
from tradewind.placement.snapshot import Uid, WorkloadView
from tradewind.placement.table import SiteTable

#: A place for all of it, its parts, or none.
Outcome = Assignment | tuple[Assignment, ...] | Waiting | Deferred
Outcomes = list[tuple[WorkloadView, Outcome]]


class Found:
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

    def add(self, uid: Uid, outcome: Outcome) -> None:
        """A later round's word on what found no place in an earlier one goes before."""
        if self.waiting:
            self.waiting.pop(uid, None)
        if self.deferred:
            self.deferred.pop(uid, None)
        match outcome:
            case tuple():
                self.assignments += outcome
            case Assignment():
                self.assignments.append(outcome)
            case Waiting():
                self.waiting[uid] = outcome
            case Deferred():
                self.deferred[uid] = outcome

    def add_all(self, outcomes: Outcomes) -> None:
        """What became of the workloads of a round."""
        if self.waiting or self.deferred:
            for workload, outcome in outcomes:
                self.add(workload.uid, outcome)
            return
        assigned = self.assignments.append
        for workload, outcome in outcomes:
            if type(outcome) is Assignment:
                assigned(outcome)
            else:
                self.add(workload.uid, outcome)

    def plan(self, serial: int) -> Plan:
        """All of it."""
        return Plan(
            tuple(self.assignments),
            tuple(self.waiting.values()),
            tuple(self.deferred.values()),
            tuple(self.evictions),
            serial=serial,
        )


class Telling:
    """The outcomes of a round, once its capacity is shared out.

    Args:
        table: the sites.
        explainer: of the cycle.
        ledger: as the round has left it.
        limits: likewise.
        now: of the cycle.
    """

    def __init__(
        self,
        table: SiteTable,
        explainer: Explainer,
        ledger: Ledger,
        limits: Limits,
        now: datetime,
    ) -> None:
        self._table = table
        self._explainer = explainer
        self._ledger = ledger
        self._limits = limits
        self._now = now

    def parts(self, parted: Parted) -> Outcomes:
        """The outcomes of what is planned in parts."""
        if not parted.members:
            return []
        view = self._ledger.view()
        words = PartExplainer(self._table, self._explainer, view, self._limits, self._now)
        outcomes: Outcomes = []
        for member in parted.members:
            if member.parts:
                outcomes.append((member.workload, words.assignments(member)))
            else:
                outcomes.append(
                    (member.workload, words.waiting(member, parted.room(member.replica)))
                )
        return outcomes

    def whole(self, case: Case, chosen: list[Choice]) -> Outcomes:
        """The outcomes of a case; the first of its workloads get its earliest and best rows."""
        view = self._ledger.view()
        closed = None
        if case.lot is not None:
            closed = self._limits.closed(case.group.shape.queue, case.lot)
        outcomes: Outcomes = []
        first = 0
        told, now = _told(case, chosen)
        for (place, slot, count), words in zip(chosen, told, strict=True):
            why = self._explainer.explain(
                case.found, view, place, closed, told=words, later=slot > 0
            )
            members = case.group.members[first : first + count]
            first += count
            if slot:
                outcomes += zip(members, self._defer(members, case, slot, now, why), strict=True)
            else:
                outcomes += zip(members, self._assign(members, case, place, why), strict=True)
        left = case.group.members[first:]
        if left:
            why = self._explainer.explain(case.found, view, None, closed)
            # What had room when the round began, and was taken by others, may come free again.
            verdict = Verdict.WAIT if case.room.any() else verdict_of(why.refused)
            outcomes += [(workload, Waiting(workload.uid, verdict, why)) for workload in left]
        return outcomes

    def _defer(
        self,
        workloads: list[WorkloadView],
        case: Case,
        slot: int,
        cost_now: CostTerms | None,
        why: Explanation,
    ) -> list[Deferred]:
        if why.chosen is None:
            raise AssertionError(f"{case.group.shape}: a choice without a candidate")
        start_at = after(self._now, float(case.starts_s[slot]))
        site, class_name, cost = why.chosen.site, why.chosen.class_name, why.chosen.cost
        return [
            Deferred(workload.uid, start_at, site, class_name, cost, cost_now, why)
            for workload in workloads
        ]

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


def _told(case: Case, chosen: list[Choice]) -> tuple[list[Told], CostTerms | None]:
    """What is told of each choice; beside later starts what the best start now would cost."""
    if not any(slot for _, slot, _ in chosen):
        return case.found.costs.told([place for place, _, _ in chosen]), None
    # Where nothing has room now there is no such start.
    best = case.open[:1].tolist()
    places = [*(place for place, _, _ in chosen), *best]
    slots = [*(slot for _, slot, _ in chosen), *(0 for _ in best)]
    costs = case.costs_at(np.array(places), np.array(slots))
    told = costs.told(range(len(places)))
    return told[: len(chosen)], told[-1].terms if best else None


def without_policy(workload: WorkloadView) -> Waiting:
    """Work whose policy does not exist."""
    return refused(
        workload,
        Refusal(
            NO_SITE,
            RefusalReason.NO_POLICY,
            f"there is no PlacementPolicy {workload.policy!r}",
        ),
    )


def refused(workload: WorkloadView, refusal: Refusal) -> Waiting:
    """Work that no site is asked about."""
    return Waiting(workload.uid, Verdict.NEVER, Explanation(workload.policy, None, (), (refusal,)))
