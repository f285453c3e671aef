"""The cycle: from what changed to what is decided.

1. Wait for a batch of changes, or for the time to look again at what waits.
2. Only when this process leads and the hub has been listed.
3. Freeze a snapshot.
4. `plan()` in a worker thread; the event loop goes on with watches and writes meanwhile.
5. Take over what still holds: what changed during the planning is planned again next cycle.

Housekeeping (`housekeeping.py`) goes on beside the cycles, once a second.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from prometheus_client import Counter, Gauge, Histogram

from tradewind.api.workload import AIWorkload, Decision, Placement
from tradewind.base.aio import Batcher, Clock
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.controller import lifecycle
from tradewind.controller.freeze import Freezer
from tradewind.controller.housekeeping import Housekeeper
from tradewind.controller.store import Record, Store
from tradewind.controller.writer import WorkloadWriter
from tradewind.placement.config import EngineConfig
from tradewind.placement.engine import plan
from tradewind.placement.explain import decision_of, estimate_of
from tradewind.placement.plan import Assignment, Plan, Waiting

log = get_logger(__name__)

CYCLES = Counter("tradewind_cycles_total", "Planning cycles run.", registry=REGISTRY)
FREEZE = Histogram(
    "tradewind_freeze_seconds",
    "Time to freeze a snapshot.",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2),
    registry=REGISTRY,
)
PLAN = Histogram(
    "tradewind_plan_seconds",
    "Time of plan(), one call a cycle with pending work.",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
    registry=REGISTRY,
)
PLACED = Counter("tradewind_placements_total", "Placements decided.", ["site"], registry=REGISTRY)
REFUSALS = Counter(
    "tradewind_waiting_total",
    "Workloads that a cycle found no site for, once per cycle.",
    ["reason"],
    registry=REGISTRY,
)
PENDING = Gauge("tradewind_pending_workloads", "Workloads without a placement.", registry=REGISTRY)

# A waiting workload's explanation changes with every pod that comes and goes at a site. People
# read it seldom, and each write wakes every watcher of the hub: so often at most, seconds.
EXPLANATION_AGE_S = 30.0

# Lost sites, suspensions and times to live are matters of seconds, and looking at them walks over
# every placement: beside the cycles, not in each of them.
HOUSEKEEPING_S = 1.0


class PlanningLoop:
    """Runs cycles until cancelled.

    Args:
        store: the records.
        freezer: makes snapshots.
        housekeeper: changes that need no planning.
        writer: carries decisions to the hub.
        batcher: wakes the loop.
        leading: whether this process may decide.
        engine: the engine's settings.
        clock: whose time counts.
        replan_s: what waits is planned again at least this often.
    """

    def __init__(
        self,
        store: Store,
        freezer: Freezer,
        housekeeper: Housekeeper,
        writer: WorkloadWriter,
        batcher: Batcher,
        *,
        leading: Callable[[], bool],
        engine: EngineConfig,
        clock: Clock,
        replan_s: float,
    ) -> None:
        self._store = store
        self._freezer = freezer
        self._housekeeper = housekeeper
        self._writer = writer
        self._batcher = batcher
        self._leading = leading
        self._engine = engine
        self._clock = clock
        self._replan_s = replan_s
        self._serial = itertools.count(1)
        self.last_cycle_at = clock.monotonic()

    async def run(self) -> None:
        """Cycle until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wake_regularly())
            tasks.create_task(self._keep_house())
            while True:
                await self._batcher.wait()
                await self.cycle()

    async def _wake_regularly(self) -> None:
        while True:
            self._batcher.notify()
            await self._clock.sleep(self._replan_s)

    async def _keep_house(self) -> None:
        while True:
            if self._leading():
                self._housekeeper.run(self._clock.now())
            await self._clock.sleep(HOUSEKEEPING_S)

    async def cycle(self) -> None:
        """One cycle; also called by hand in tests."""
        self.last_cycle_at = self._clock.monotonic()
        if not self._leading():
            return
        serial = next(self._serial)
        CYCLES.inc()
        now = self._clock.now()
        with structlog.contextvars.bound_contextvars(cycle=serial):
            pending = list(self._store.pending())
            PENDING.set(len(pending))
            if not pending:
                return
            started = self._clock.monotonic()
            snapshot = self._freezer.freeze(serial)
            FREEZE.observe(self._clock.monotonic() - started)
            decided_on = {record.uid: record.model for record in pending}
            with PLAN.time():
                made = await asyncio.to_thread(plan, snapshot, now, self._engine)
            if self._leading():
                self._take(made, decided_on, now)

    def _take(self, made: Plan, decided_on: Mapping[str, AIWorkload], now: datetime) -> None:
        parts: dict[str, list[Assignment]] = {}
        for assignment in made.assignments:
            parts.setdefault(assignment.uid, []).append(assignment)
        for uid, assignments in parts.items():
            record = self._current(uid, decided_on)
            if record is not None:
                self._assign(record, assignments, now)
        for waiting in made.waiting:
            record = self._current(waiting.uid, decided_on)
            if record is not None:
                self._wait(record, waiting, now)

    def _current(self, uid: str, decided_on: Mapping[str, AIWorkload]) -> Record | None:
        """The record, if it still is what the plan was made for."""
        record = self._store.workloads.get(uid)
        if record is None or not record.pending or record.model is not decided_on.get(uid):
            return None
        return record

    def _assign(self, record: Record, assignments: list[Assignment], now: datetime) -> None:
        first = assignments[0]
        placements = [
            Placement(
                site=part.site,
                epoch=part.epoch,
                replicas=part.replicas,
                accelerator_class=part.class_name,
                phase=lifecycle.ASSIGNED,
            )
            for part in assignments
        ]
        lost = any(part.phase is lifecycle.LOST for part in record.status.placements)
        status = lifecycle.assign(
            record.status,
            placements,
            decision=decision_of(first, now),
            estimate=estimate_of(first),
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
        if before is not None and before.reason == decision.reason:
            age_s = (now - before.at).total_seconds()
            if age_s < EXPLANATION_AGE_S or _same(before, decision):
                return
        self._store.set_status(record, record.status.model_copy(update={"decision": decision}))
        self._writer.add(record.uid)


def _same(before: Decision, after: Decision) -> bool:
    return before == after.model_copy(update={"at": before.at, "inputs_age": before.inputs_age})
