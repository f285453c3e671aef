"""What a ComputeQueue's status says: what it holds, borrows and spends, and how its budget stands.

Sums are looked at once a second, and a queue whose sums changed is written a second later: what
people and dashboards read, not what the engine plans by.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from tradewind.api.fields import Condition, MonthTotal, condition_of, set_condition
from tradewind.api.names import API_VERSION, GROUP, MANAGER_STATUS, VERSION
from tradewind.api.queue import ComputeQueue, QueueSpec, QueueStatus, QuotaUse
from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError
from tradewind.base.queue import KeyedQueue
from tradewind.controller.accounts import QueueAccounts, Share
from tradewind.controller.store import Store
from tradewind.hardware.catalog import Catalog
from tradewind.placement.budgets import BudgetState, budget_state, used_share
from tradewind.placement.queues import Line
from tradewind.placement.snapshot import QueueView
from tradewind.sites.client import ApiSession

#: How often sums are looked at, and how long changes of one queue are gathered, seconds.
LOOK_S: Final = 1.0
GATHER_S: Final = 1.0


#: Told that a budget is nearly spent, or spent.
OnBudget = Callable[[ComputeQueue, str, str], None]


class QueueStatusWriter:
    """The queue of ComputeQueues whose status differs from what the hub holds.

    Args:
        session: the hub.
        store: the ComputeQueues.
        accounts: their sums.
        may_write: False while leadership is in doubt.
        clock: whose time counts.
        on_budget: told once when a budget is nearly spent, and once when it is spent: the queue,
            the condition's type, and its message.
    """

    def __init__(
        self,
        session: ApiSession,
        store: Store,
        accounts: QueueAccounts,
        *,
        may_write: Callable[[], bool],
        clock: Clock,
        on_budget: OnBudget = lambda *_: None,
    ) -> None:
        self._session = session
        self._store = store
        self._accounts = accounts
        self._on_budget = on_budget
        self._may_write = may_write
        self._clock = clock
        self._written: dict[str, QueueStatus] = {}
        self._queue: KeyedQueue[str] = KeyedQueue(
            self._reconcile, clock=clock, workers=4, name="hub/queues"
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._queue.run())
            while True:
                if self._may_write():
                    self._accounts.refresh(self._clock.now())
                    for name in self._accounts.take_touched():
                        self._queue.add_after(name, GATHER_S)
                await self._clock.sleep(LOOK_S)

    def add(self, queue: str) -> None:
        """Look at a queue soon; its spec changed."""
        self._queue.add(queue)

    async def _reconcile(self, name: str) -> None:
        queue = self._store.queues.get(name)
        if queue is None:
            self._written.pop(name, None)
            return
        if not self._may_write():
            return
        now = self._clock.now()
        before = self._written.get(name) or queue.status or QueueStatus()
        view = self._accounts.views(now)[name]
        spent = self._accounts.spent(name, now)
        sums = self._accounts.sums(name)
        status = status_of(queue, before, view, spent, sums, catalog=self._store.catalog, now=now)
        if status == before:
            return
        try:
            await self._apply(queue, status)
        except ApiError as error:
            if not error.not_found:
                raise
        else:
            self._written[name] = status
            if (news := _news(before, status)) is not None:
                self._on_budget(queue, news.type, news.message)

    async def _apply(self, queue: ComputeQueue, status: QueueStatus) -> None:
        body: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "ComputeQueue",
            "metadata": {"name": queue.metadata.name, "uid": queue.metadata.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        path = f"/apis/{GROUP}/{VERSION}/computequeues/{queue.metadata.name}/status"
        await self._session.apply(path, body, field_manager=MANAGER_STATUS, force=True)


def status_of(
    queue: ComputeQueue,
    before: QueueStatus,
    view: QueueView,
    spent: MonthTotal,
    sums: Share,
    *,
    catalog: Catalog,
    now: datetime,
) -> QueueStatus:
    """The status of a queue.

    Args:
        queue: from the hub.
        before: its last status; conditions keep their transition times.
        view: as the engine sees it.
        spent: this month.
        sums: over its workloads.
        catalog: for families and makers of classes.
        now: for conditions that change.
    """
    uses = [_use(Line(quota), sums, catalog) for quota in queue.spec.quotas]
    state = budget_state(view)
    return QueueStatus(
        observed_generation=queue.metadata.generation,
        conditions=tuple(_conditions(queue, before, state, spent, now)),
        pending=sums.pending,
        placed=sums.placed,
        held_accelerators=sums.units.total(),
        borrowed_accelerators=max((use.borrowed for use in uses), default=0),
        quotas=tuple(uses),
        spent=MonthTotal(
            month=spent.month,
            cost_usd=round(spent.cost_usd, 2),
            carbon_kg=round(spent.carbon_kg, 3),
        ),
        budget_used="" if state is BudgetState.NONE else f"{used_share(view):.0%}",
    )


def _use(line: Line, sums: Share, catalog: Catalog) -> QuotaUse:
    quota = line.quota
    held = sum(
        units
        for class_name, units in sums.units.items()
        if line.covers(class_name, _vendor(class_name, catalog), catalog)
    )
    return QuotaUse(
        class_name=quota.class_name,
        vendor=quota.vendor,
        nominal=quota.nominal,
        held=held,
        borrowed=max(0, held - quota.nominal),
    )


def _vendor(class_name: str, catalog: Catalog) -> str:
    found = catalog.get(class_name)
    return found.vendor if found else ""


def _conditions(
    queue: ComputeQueue,
    before: QueueStatus,
    state: BudgetState,
    spent: MonthTotal,
    now: datetime,
) -> list[Condition]:
    told: dict[str, tuple[bool, str, str]] = {"Ready": (True, "Ready", "")}
    if state is not BudgetState.NONE:
        message = "" if state is BudgetState.WITHIN else _spending(queue.spec, spent)
        told["BudgetWarning"] = state is not BudgetState.WITHIN, state.value, message
        told["BudgetExceeded"] = state is BudgetState.SPENT, state.value, message
    conditions = [known for known in before.conditions if known.type in told]
    for kind, (holds, reason, text) in told.items():
        conditions = set_condition(
            conditions,
            type=kind,
            status="True" if holds else "False",
            reason=reason,
            message=text,
            observed_generation=queue.metadata.generation,
            now=now,
        )
    return conditions


def _news(before: QueueStatus, after: QueueStatus) -> Condition | None:
    """The worse of the budget's conditions, if it has just come to hold."""
    for kind in ("BudgetExceeded", "BudgetWarning"):
        was, now = condition_of(before.conditions, kind), condition_of(after.conditions, kind)
        if now is not None and now.status == "True":
            return None if was is not None and was.status == "True" else now
    return None


def _spending(spec: QueueSpec, spent: MonthTotal) -> str:
    budget, parts = spec.budget, []
    if budget is not None and budget.monthly_usd is not None:
        parts.append(f"{spent.cost_usd:.2f} of {budget.monthly_usd:g} USD")
    if budget is not None and budget.monthly_carbon_kg is not None:
        parts.append(f"{spent.carbon_kg:.1f} of {budget.monthly_carbon_kg:g} kg CO2e")
    return f"{' and '.join(parts)} in {spent.month}, what runs taken to its expected end"
