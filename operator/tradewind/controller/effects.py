"""Take a plan over into the records: what it decided becomes statuses, and nothing else happens.

Only what still holds is taken over. A workload whose spec changed while the plan was made is
planned again in the next cycle, and an eviction needs the very epoch that it was decided for.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import Counter

from tradewind.api.workload import AIWorkload, Decision
from tradewind.base.observe import REGISTRY
from tradewind.controller import lifecycle
from tradewind.controller.evictions import Evictor
from tradewind.controller.jointly import joint_decision, joint_estimate
from tradewind.controller.nominations import Nominations
from tradewind.controller.splits import placements_of
from tradewind.controller.store import Record, Store
from tradewind.controller.writer import WorkloadWriter
from tradewind.placement.explain import decision_of
from tradewind.placement.plan import Assignment, Deferred, Eviction, Plan, Waiting
from tradewind.placement.snapshot import WorkloadView

PLACED = Counter("tradewind_placements_total", "Placements decided.", ["site"], registry=REGISTRY)
REFUSALS = Counter(
    "tradewind_waiting_total",
    "Workloads that a cycle found no site for, once per cycle.",
    ["reason"],
    registry=REGISTRY,
)
DEFERRALS = Counter(
    "tradewind_deferrals_total",
    "Starts that were put off, or put off to another hour or site.",
    registry=REGISTRY,
)

# A waiting workload's explanation changes with every pod that comes and goes at a site. People
# read it seldom, and each write wakes every watcher of the hub: so often at most.
EXPLANATION_AGE: Final = timedelta(seconds=30)
# A deferred one's changes with every signal, and there may be very many of them.
DEFERRAL_AGE: Final = timedelta(minutes=10)


class PlanEffects:
    """Carries plans into the store.

    Args:
        store: the records.
        writer: carries decisions to the hub.
        evictor: ends running work.
        nominations: told for whom room is made.
    """

    def __init__(
        self, store: Store, writer: WorkloadWriter, evictor: Evictor, nominations: Nominations
    ) -> None:
        self._store = store
        self._writer = writer
        self._evictor = evictor
        self._nominations = nominations

    def take(
        self,
        made: Plan,
        decided_on: Mapping[str, AIWorkload],
        now: datetime,
        running: Iterable[WorkloadView] = (),
    ) -> datetime | None:
        """Take a plan over.

        Args:
            made: the plan.
            decided_on: the pending workloads as they were when the snapshot was frozen, by uid.
            now: the cycle's time.
            running: what ran in that snapshot.

        Returns:
            When the first deferred start is due; None if nothing is deferred.
        """
        parts: dict[str, list[Assignment]] = {}
        for assignment in made.assignments:
            parts.setdefault(assignment.uid, []).append(assignment)
        for uid, assignments in parts.items():
            if (record := self._current(uid, decided_on)) is not None:
                self._assign(record, assignments, now)
        for waiting in made.waiting:
            if (record := self._current(waiting.uid, decided_on)) is not None:
                self._wait(record, waiting, now)
        for deferred in made.deferred:
            if (record := self._current(deferred.uid, decided_on)) is not None:
                self._defer(record, deferred, now)
        holding = self._unchanged(made.evictions, running)
        taken = [eviction for eviction in holding if self._evict(eviction, now)]
        self._nominations.note(taken)
        return min((deferred.start_at for deferred in made.deferred), default=None)

    def _current(self, uid: str, decided_on: Mapping[str, AIWorkload]) -> Record | None:
        """The record, if it still is what the plan was made for."""
        record = self._store.workloads.get(uid)
        if record is None or not record.pending or record.model is not decided_on.get(uid):
            return None
        return record

    def _unchanged(
        self, evictions: Sequence[Eviction], running: Iterable[WorkloadView]
    ) -> list[Eviction]:
        """The evictions of work whose spec is still the one that they were decided on.

        Whose checkpoints, priority or sites were changed meanwhile is planned again; whoever was to
        get the room is, too.
        """
        if not evictions:
            return []  # most cycles: nothing that runs is walked over
        evicted = {eviction.uid for eviction in evictions}
        read = {view.uid: view.generation for view in running if view.uid in evicted}
        return [one for one in evictions if self._generation(one.uid) == read.get(one.uid)]

    def _generation(self, uid: str) -> int | None:
        record = self._store.workloads.get(uid)
        return record.model.metadata.generation if record else None

    def _assign(self, record: Record, assignments: list[Assignment], now: datetime) -> None:
        before = record.status
        lost = any(part.phase is lifecycle.LOST for part in before.placements)
        status = lifecycle.assign(
            before,
            placements_of(assignments, record.model.spec.template, before),
            decision=joint_decision(assignments, now, before),
            estimate=joint_estimate(record.status, assignments),
            now=now,
            reason="Failover" if lost else "Placed",
        )
        self._store.set_status(record, status)
        for part in assignments:
            PLACED.labels(part.site).inc()
        self._writer.add(record.uid)

    def _wait(self, record: Record, waiting: Waiting, now: datetime) -> None:
        decision = decision_of(waiting, now)
        before = record.status.decision
        REFUSALS.labels(decision.reason or "Unknown").inc()
        told = before is not None and before.reason == decision.reason
        if told and before and (now - before.at < EXPLANATION_AGE or _same(before, decision)):
            return
        self._decide(record, decision)

    def _defer(self, record: Record, deferred: Deferred, now: datetime) -> None:
        before = record.status.decision
        plan = (deferred.start_at, deferred.site)
        if before is not None and record.deferred and (before.start_at, before.site) == plan:
            if now - before.at < DEFERRAL_AGE:
                return
        else:
            DEFERRALS.inc()
        self._decide(record, decision_of(deferred, now))

    def _decide(self, record: Record, decision: Decision) -> None:
        self._store.set_status(record, record.status.model_copy(update={"decision": decision}))
        self._writer.add(record.uid)

    def _evict(self, eviction: Eviction, now: datetime) -> bool:
        """Whether the placement was still at work, and now is not to be."""
        record = self._store.workloads.get(eviction.uid)
        if record is None or record.deleting:
            return False
        part = lifecycle.placement_at(record.status, eviction.site)
        if part is None or part.epoch != eviction.epoch or part.phase not in lifecycle.ACTIVE:
            return False
        self._evictor.evict(record, part, eviction.reason, eviction.message, now)
        return True


def _same(before: Decision, after: Decision) -> bool:
    return before == after.model_copy(update={"at": before.at, "inputs_age": before.inputs_age})
