"""Queues: what they hold and spend, and what the hub is told of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.clock import START, FakeClock
from tests.unit.controller import works

from tradewind.api.fields import condition_of
from tradewind.api.queue import ComputeQueue, QueueStatus
from tradewind.api.workload import Estimate
from tradewind.base.aio import cancel_and_wait
from tradewind.controller import lifecycle
from tradewind.controller.accounts import QueueAccounts
from tradewind.controller.metering import Amounts
from tradewind.controller.queuestatus import GATHER_S, LOOK_S, QueueStatusWriter
from tradewind.controller.store import Record, Store
from tradewind.placement.snapshot import QueueView

H100 = "nvidia-h100-sxm"
MONTH_END = datetime(2026, 11, 30, 23, 0, tzinfo=START.tzinfo)


def queue(name: str = "research", *, status: QueueStatus | None = None, **spec: Any) -> Any:
    body: dict[str, Any] = {
        "metadata": {"name": name, "uid": f"uid-{name}", "generation": 1},
        "spec": spec,
    }
    if status is not None:
        body["status"] = status.model_dump(mode="json", by_alias=True)
    return ComputeQueue.model_validate(body)


def estimate(hours: float = 2, usd: float = 10.0, start: datetime = START) -> Estimate:
    return Estimate(
        energy_kwh=1, carbon_kg=usd / 2, cost_usd=usd, start_at=start,
        finish_at=start + timedelta(hours=hours),
    )  # fmt: skip


class Books:
    """A store with one queue, and its accounts."""

    def __init__(self, **spec: Any) -> None:
        self.store = Store()
        self.store.queues["research"] = queue(**spec)
        self.metered: dict[str, Amounts] = {}
        self.accounts = QueueAccounts(
            self.store, lambda _, now: self.metered.get(f"{now:%Y-%m}", Amounts())
        )

    def run(
        self, name: str = "train", *, phase: Any = lifecycle.RUNNING, cost: Estimate | None = None,
        chips: int = 4, **part: Any,
    ) -> Record:  # fmt: skip
        placement = works.part(phase=phase, accelerator_class=H100, **part)
        status = works.status(placement, estimate=cost or estimate())
        raw = works.raw(name, status=status, queue="research")
        (container,) = raw["spec"]["template"]["spec"]["template"]["spec"]["containers"]
        container["resources"]["limits"] = {"tradewind.dev/accelerator": str(chips)}
        record = self.store.take_workload(raw)
        assert record is not None
        return record

    def view(self, now: datetime = START) -> QueueView:
        return self.accounts.views(now)["research"]


def test_a_queue_holds_what_its_placed_work_asks_for() -> None:
    books = Books()
    books.run("a")
    books.run("b", phase=lifecycle.ASSIGNED)
    books.run("c", phase=lifecycle.EVICTING)  # its pods may still be there
    books.run("d", phase=lifecycle.SUCCEEDED)
    works.take(books.store, "waits", queue="research")
    view = books.view()
    assert view.held_units == {H100: 3 * 2 * 4}
    assert (view.held_cpu_millis, view.held_memory_bytes) == (3 * 2 * 8000, 3 * 2 * 2**30)
    sums = books.accounts.sums("research")
    assert (sums.pending, sums.placed) == (1, 3)


def test_what_ends_is_held_no_more_and_the_view_is_kept_until_then() -> None:
    books = Books()
    record = books.run()
    view = books.view()
    assert books.view() is view
    books.store.set_status(record, lifecycle.step(record.status, "ulanqab", lifecycle.SUCCEEDED))
    assert books.view().held_units == {}
    assert books.view().spent_usd == 0
    books.run("again")
    assert books.view().held_units == {H100: 8}
    books.store.drop_workload("uid-again")
    assert books.view().held_units == {}


def test_work_of_other_queues_and_of_none_counts_for_nothing_here() -> None:
    books = Books()
    works.take(books.store, "free", status=works.status(works.part()))
    works.take(books.store, "other", queue="other", status=works.status(works.part()))
    assert books.view().held_cpu_millis == 0


def test_what_is_placed_is_counted_to_its_expected_end() -> None:
    books = Books()
    books.run(phase=lifecycle.ASSIGNED)
    assert (books.view().spent_usd, books.view().spent_carbon_kg) == (10, 5)


def test_what_is_metered_is_not_counted_twice() -> None:
    books = Books()
    books.metered["2026-11"] = Amounts(cost_usd=3, carbon_kg=1)
    books.run(started_at=START, metered_until=START + timedelta(minutes=30))
    assert books.view().spent_usd == pytest.approx(3 + 10 * 1.5 / 2)


@pytest.mark.parametrize("phase", [lifecycle.EVICTING, lifecycle.LOST, lifecycle.SUCCEEDED])
def test_what_runs_no_more_takes_no_more(phase: Any) -> None:
    books = Books()
    books.run(phase=phase, started_at=START, metered_until=START)
    assert books.view().spent_usd == 0


def test_what_runs_longer_than_expected_is_for_the_meter_to_tell() -> None:
    books = Books()
    books.run(started_at=START, metered_until=START + timedelta(hours=5))
    assert books.view(START + timedelta(hours=6)).spent_usd == 0


def test_only_this_months_hours_count() -> None:
    books = Books()
    books.run(started_at=MONTH_END, cost=estimate(hours=4, start=MONTH_END))
    assert books.view(MONTH_END).spent_usd == pytest.approx(2.5)
    books.metered["2026-11"] = Amounts(cost_usd=2.5)
    (record,) = books.store.workloads.values()
    (part,) = record.status.placements
    december = MONTH_END + timedelta(hours=1)
    until = part.model_copy(update={"metered_until": december})
    books.store.set_status(record, lifecycle.replace_part(record.status, until))
    assert books.view(december).spent_usd == pytest.approx(7.5)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), None])
def test_an_estimate_that_is_none_is_not_spent(broken: Any) -> None:
    books = Books()
    books.run(cost=estimate().model_copy(update={"cost_usd": broken}))
    assert books.view().spent_usd == 0


# --- what the hub is told


class Hub:
    """Takes status writes; may refuse them."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []
        self.refuse: Exception | None = None

    async def apply(
        self, path: str, body: Mapping[str, Any], *, field_manager: str, force: bool
    ) -> bytes:
        await asyncio.sleep(0)
        if self.refuse is not None:
            raise self.refuse
        assert path.endswith("/computequeues/research/status")
        assert force
        assert field_manager == "tradewind-status"
        self.written.append(msgspec.json.decode(msgspec.json.encode(body["status"])))
        return b"{}"


class Scene(Books):
    def __init__(self, **spec: Any) -> None:
        super().__init__(**spec)
        self.clock, self.hub = FakeClock(), Hub()
        self.told: list[tuple[str, str, str]] = []
        self.writer = QueueStatusWriter(
            self.hub,  # type: ignore[arg-type]
            self.store,
            self.accounts,
            may_write=lambda: True,
            clock=self.clock,
            on_budget=lambda queue, *news: self.told.append((queue.metadata.name, *news)),
        )

    @property
    def status(self) -> QueueStatus:
        return QueueStatus.model_validate(self.hub.written[-1])

    async def rest(self) -> None:
        await self.clock.step(LOOK_S + 2 * GATHER_S)


@asynccontextmanager
async def scene(**spec: Any) -> AsyncIterator[Scene]:
    made = Scene(**spec)
    task = asyncio.create_task(made.writer.run())
    try:
        yield made
    finally:
        await cancel_and_wait(task)


async def test_the_status_tells_what_is_held_borrowed_and_spent() -> None:
    quotas = [{"class": H100, "nominal": 6}, {"vendor": "amd", "nominal": 8}]
    async with scene(quotas=quotas, budget={"monthlyUSD": 40}) as made:
        made.run("a", started_at=START)
        works.take(made.store, "waits", queue="research")
        await made.rest()
        status = made.status
        assert (status.pending, status.placed, status.held_accelerators) == (1, 1, 8)
        assert [(use.held, use.borrowed) for use in status.quotas] == [(8, 2), (0, 0)]
        assert status.borrowed_accelerators == 2
        assert status.spent is not None
        assert (status.spent.month, status.spent.cost_usd) == ("2026-11", 10)
        assert status.budget_used == "25%"
        assert condition_of(status.conditions, "Ready") is not None
        written = len(made.hub.written)
        await made.rest()
        assert len(made.hub.written) == written


@pytest.mark.parametrize(
    ("budget", "warning", "exceeded"), [(40, "False", "False"), (12, "True", "False"),
                                        (10, "True", "True"), (0, "True", "True")],
)  # fmt: skip
async def test_a_budget_warns_at_four_fifths_and_says_when_it_is_spent(
    budget: float, warning: str, exceeded: str
) -> None:
    async with scene(budget={"monthlyUSD": budget}) as made:
        made.run(started_at=START)
        await made.rest()
        found = {c.type: c for c in made.status.conditions}
        assert (found["BudgetWarning"].status, found["BudgetExceeded"].status) == (
            warning,
            exceeded,
        )
        if exceeded == "True":
            assert f"10.00 of {budget:g} USD" in found["BudgetExceeded"].message


async def test_a_budget_that_crosses_a_line_is_told_once_for_each() -> None:
    async with scene(budget={"monthlyUSD": 25}) as made:
        made.run("a", started_at=START)
        await made.rest()
        assert made.told == []
        made.run("b", started_at=START)
        await made.rest()
        works.take(made.store, "waits", queue="research")
        await made.rest()
        spent = "{} of 25 USD in 2026-11, what runs taken to its expected end"
        warned = ("research", "BudgetWarning", spent.format("20.00"))
        assert made.told == [warned]
        made.run("c", started_at=START)
        await made.rest()
        assert made.told == [warned, ("research", "BudgetExceeded", spent.format("30.00"))]


async def test_a_restart_tells_nothing_again() -> None:
    async with scene(budget={"monthlyUSD": 10}) as first:
        first.run("a", started_at=START)
        await first.rest()
        assert [news[1] for news in first.told] == ["BudgetExceeded"]
        status = first.status
    async with scene(budget={"monthlyUSD": 10}) as second:
        known = second.store.queues["research"]
        second.store.queues["research"] = known.model_copy(update={"status": status})
        second.run("a", started_at=START)
        await second.rest()
        assert second.told == []
