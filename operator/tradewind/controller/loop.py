"""The cycle: from what changed to what is decided.

1. Wait for a batch of changes, or for the time to look again at what waits.
2. Only when this process leads and the hub has been listed.
3. Freeze a snapshot.
4. `plan()` in a worker thread; the event loop goes on with watches and writes meanwhile.
5. Take over what still holds (`effects.py`): what changed during the planning is planned again.

A deferred start wakes the loop when it is due. Housekeeping (`housekeeping.py`) goes on beside the
cycles, once a second.
"""

import asyncio
import itertools
from collections.abc import Callable
from datetime import datetime

import structlog
from prometheus_client import Counter, Gauge, Histogram

from tradewind.base.aio import Batcher, Clock
from tradewind.base.collector import paused_collector
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.controller.effects import PlanEffects
from tradewind.controller.freeze import Freezer
from tradewind.controller.housekeeping import Housekeeper
from tradewind.controller.store import Store
from tradewind.placement.config import EngineConfig
from tradewind.placement.engine import Planner
from tradewind.placement.plan import Plan
from tradewind.placement.snapshot import Snapshot

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
PENDING = Gauge("tradewind_pending_workloads", "Workloads without a placement.", registry=REGISTRY)

# Lost sites, suspensions and times to live are matters of seconds, and looking at them walks over
# every placement: beside the cycles, not in each of them.
HOUSEKEEPING_S = 1.0


class PlanningLoop:
    """Runs cycles until cancelled.

    Args:
        store: the records.
        freezer: makes snapshots.
        housekeeper: changes that need no planning.
        effects: takes plans over.
        batcher: wakes the loop.
        leading: whether this process may decide.
        engine: the engine's settings.
        clock: whose time counts.
        replan_s: what waits is planned again at least this often.
        rebalance_s: running work is looked over this often.
    """

    def __init__(
        self,
        store: Store,
        freezer: Freezer,
        housekeeper: Housekeeper,
        effects: PlanEffects,
        batcher: Batcher,
        *,
        leading: Callable[[], bool],
        engine: EngineConfig,
        clock: Clock,
        replan_s: float,
        rebalance_s: float,
    ) -> None:
        self._store = store
        self._freezer = freezer
        self._housekeeper = housekeeper
        self._effects = effects
        self._batcher = batcher
        self._leading = leading
        self._planner = Planner(engine)
        self._clock = clock
        self._replan_s = replan_s
        self._rebalance_s = rebalance_s
        self._rebalanced_at = clock.monotonic()
        self._serial = itertools.count(1)
        self._alarm: asyncio.Task[None] | None = None
        self.last_cycle_at = clock.monotonic()

    async def run(self) -> None:
        """Cycle until cancelled."""
        await self._freezer.warm()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._wake_regularly())
            tasks.create_task(self._keep_house())
            while True:
                await self._batcher.wait()
                await self.cycle()

    async def _wake_regularly(self) -> None:
        while True:
            self._batcher.notify()
            await self._clock.sleep(min(self._replan_s, self._rebalance_s))

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
            rebalance = self._rebalance_due()
            if not (pending or rebalance):
                return
            started = self._clock.monotonic()
            snapshot = self._freezer.freeze(serial, now, rebalance=rebalance)
            FREEZE.observe(self._clock.monotonic() - started)
            decided_on = {record.uid: record.model for record in pending}
            with PLAN.time():
                made = await asyncio.to_thread(self._plan, snapshot, now)
            if self._leading():
                due = self._effects.take(made, decided_on, now, snapshot.running)
                self._wake_at(due, self._clock.now())

    def _plan(self, snapshot: Snapshot, now: datetime) -> Plan:
        with paused_collector():
            return self._planner.plan(snapshot, now)

    def _rebalance_due(self) -> bool:
        """Whether running work is to be looked over in this cycle."""
        now_s = self._clock.monotonic()
        if now_s - self._rebalanced_at < self._rebalance_s:
            return False
        self._rebalanced_at = now_s
        return self._store.has_placements

    def _wake_at(self, due: datetime | None, now: datetime) -> None:
        """Have the next cycle run when the first deferred start is due, not a while after it."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = None
        if due is not None:
            wait_s = max(0.0, (due - now).total_seconds())
            self._alarm = asyncio.create_task(self._ring(wait_s))

    async def _ring(self, wait_s: float) -> None:
        await self._clock.sleep(wait_s)
        self._batcher.notify()
