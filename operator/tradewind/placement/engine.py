"""Where does each pending workload go? `plan(snapshot, now, config) -> Plan`, the one entry.

The first engine: workloads choose in strict order of priority and age, each takes the cheapest row
that has room for the whole of it. A workload that finds no room waits and holds nothing; smaller
ones behind it may go ahead. Pure: equal inputs, in whatever order, give equal plans.
"""

from datetime import datetime

from tradewind.placement.capacity import Ledger
from tradewind.placement.config import EngineConfig
from tradewind.placement.explain import Explainer, verdict_of
from tradewind.placement.feasibility import Evaluation, Evaluator
from tradewind.placement.limits import Limits, lot_of
from tradewind.placement.plan import (
    NO_SITE,
    Assignment,
    Explanation,
    Plan,
    Refusal,
    RefusalReason,
    Verdict,
    Waiting,
)
from tradewind.placement.queues import Queues
from tradewind.placement.rounds import Schedule
from tradewind.placement.shapes import Shape, shape_of
from tradewind.placement.snapshot import Snapshot, Uid, WorkloadView
from tradewind.placement.table import SiteTable

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
    if not snapshot.pending:
        return Plan(serial=snapshot.serial)
    cycle = _Cycle(snapshot, now, config)
    assignments: list[Assignment] = []
    waiting: dict[Uid, Waiting] = {}
    queues = Queues(snapshot)
    admitted = []
    for workload in snapshot.pending:
        if (refusal := queues.refusal(workload)) is None:
            admitted.append(workload)
        else:
            waiting[workload.uid] = _refused(workload, refusal)
    schedule = Schedule(queues, admitted)
    for competing in schedule:
        limits = Limits(competing, cycle.chips, snapshot.catalog)
        for workload in competing.workloads:
            outcome = cycle.decide(workload, limits)
            if isinstance(outcome, Assignment):
                assignments.append(outcome)
                waiting.pop(workload.uid, None)
                schedule.record(workload, (outcome,))
            else:
                waiting[workload.uid] = outcome
    return Plan(tuple(assignments), tuple(waiting.values()), serial=snapshot.serial)


class _Cycle:
    """The working memory of one call of `plan()`."""

    def __init__(self, snapshot: Snapshot, now: datetime, config: EngineConfig) -> None:
        self._snapshot = snapshot
        self._now = now
        self._table = SiteTable(snapshot.sites)
        self._ledger = Ledger(self._table, snapshot.assumed)
        self._evaluator = Evaluator(self._table, snapshot.catalog, now, config)
        self.chips = self._evaluator.chips
        self._explainer = Explainer(self._table, self.chips)
        self._evaluations: dict[Shape, Evaluation] = {}

    def decide(self, workload: WorkloadView, limits: Limits) -> Assignment | Waiting:
        policy = self._snapshot.policies.get(workload.policy)
        if policy is None:
            return _without_policy(workload)
        shape = shape_of(workload)
        found = self._evaluations.get(shape)
        if found is None:
            found = self._evaluator.evaluate(shape, policy, self._ledger)
            self._evaluations[shape] = found
        else:
            found.refresh(self._table, self._ledger)
        lot = lot_of(found.rows, found.needs, found.costs) if limits.any(workload.queue) else None
        closed = limits.closed(workload.queue, lot) if lot else None
        place = found.best(closed.where if closed else None)
        why = self._explainer.explain(found, self._ledger, place, closed)
        if place is None or why.chosen is None:
            return Waiting(workload.uid, verdict_of(why.refused), why)
        row = int(found.rows[place])
        if not self._ledger.take(row, found.needs[place]):
            raise AssertionError(
                f"{workload.uid}: the ledger refused a gang that it said would fit"
            )
        if lot is not None:
            limits.take(workload.queue, lot, place)
        accelerator = self._table.row_accelerator[row]
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
