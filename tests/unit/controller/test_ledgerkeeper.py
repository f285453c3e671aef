"""A deleted workload's usage is kept once, whenever the operator dies and whatever the hub says."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.clock import FakeClock
from tests.unit.controller import works

from tradewind.api.workload import Usage, UsagePeriod
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.controller.ledger import decode
from tradewind.controller.ledgerkeeper import LEDGER_FAULTS, LedgerKeeper
from tradewind.controller.store import Record, Store

COLLECTION = "/api/v1/namespaces/tradewind-system/configmaps"
PATH = f"{COLLECTION}/tradewind-usage"


class Hub:
    """ConfigMaps with resource versions and merge patches, and answers that go astray."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.version = 0
        self.writes = 0
        self.refuses: list[Exception] = []
        self.loses: list[Exception] = []

    async def get(self, path: str) -> bytes:
        await asyncio.sleep(0)
        if self.refuses:
            raise self.refuses.pop(0)
        if path not in self.objects:
            raise ApiError(404, "NotFound", path)
        return msgspec.json.encode(self.objects[path])

    async def request(self, method: str, path: str, *, body: Any, content_type: str = "") -> bytes:
        await asyncio.sleep(0)
        if self.refuses:
            raise self.refuses.pop(0)
        self.version += 1
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            if path in self.objects:
                raise ApiError(409, "AlreadyExists", path)
            self.objects[path] = {"metadata": {}, "data": dict(body["data"])}
        else:
            assert content_type == "application/merge-patch+json"
            if path not in self.objects:
                raise ApiError(404, "NotFound", path)
            known = self.objects[path]
            if body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
                raise ApiError(409, "Conflict", path)
            merged = {**known["data"], **body["data"]}
            known["data"] = {key: text for key, text in merged.items() if text is not None}
        self.objects[path]["metadata"]["resourceVersion"] = str(self.version)
        self.writes += 1
        if self.loses:
            raise self.loses.pop(0)
        return msgspec.json.encode(self.objects[path])

    def cost(self) -> float:
        rows = decode(self.objects[PATH]["data"]).rows if PATH in self.objects else {}
        return sum(row.cost_usd for row in rows.values())

    def folded(self) -> set[str]:
        return decode(self.objects[PATH]["data"]).folded


def used(store: Store, name: str, cost: float = 1.0) -> Record:
    entry = UsagePeriod(period="2026-11-24", site="s", policy="p", cost_usd=cost)
    usage = Usage(cost_usd=cost, periods=(entry,))
    return works.take(store, name, status=works.status(usage=usage), finalized=True, deleting=True)


async def keeper(hub: Hub, store: Store) -> LedgerKeeper:
    made = LedgerKeeper(hub, namespace="tradewind-system", clock=FakeClock())  # type: ignore[arg-type]
    await made.load(store.workloads)
    return made


async def test_usage_outlives_its_workload() -> None:
    hub, store = Hub(), Store()
    record = used(store, "a", 2.5)
    kept = await keeper(hub, store)
    await kept.fold(record)
    assert hub.cost() == 2.5
    assert hub.folded() == {"uid-a"}


async def test_killed_after_the_ledger_and_before_the_finalizer_counts_once() -> None:
    hub, store = Hub(), Store()
    record = used(store, "a")
    await (await keeper(hub, store)).fold(record)
    again = await keeper(hub, store)  # another process; the workload still exists
    await again.fold(record)
    assert hub.cost() == 1.0


async def test_killed_before_the_ledger_was_written_counts_once() -> None:
    hub, store = Hub(), Store()
    record = used(store, "a")
    hub.refuses = [ApiError(404, "NotFound", ""), SiteUnreachableError("killed")]
    with pytest.raises(SiteUnreachableError):
        await (await keeper(hub, store)).fold(record)
    assert hub.cost() == 0
    await (await keeper(hub, store)).fold(record)
    assert hub.cost() == 1.0


async def test_a_write_whose_answer_was_lost_counts_once() -> None:
    hub, store = Hub(), Store()
    kept = await keeper(hub, store)
    await kept.fold(used(store, "a"))
    record = used(store, "b")
    hub.loses = [SiteUnreachableError("the answer was lost")]
    with pytest.raises(SiteUnreachableError):
        await kept.fold(record)
    await kept.fold(record)
    assert hub.cost() == 2.0


async def test_the_very_first_write_whose_answer_was_lost_counts_once() -> None:
    hub, store = Hub(), Store()
    kept = await keeper(hub, store)
    record = used(store, "a")
    hub.loses = [SiteUnreachableError("the answer was lost")]
    with pytest.raises(SiteUnreachableError):
        await kept.fold(record)
    await kept.fold(record)
    assert hub.cost() == 1.0


async def test_another_leader_s_folds_are_not_overwritten() -> None:
    hub, store = Hub(), Store()
    first, second = await keeper(hub, store), await keeper(hub, store)
    await first.fold(used(store, "a"))
    await second.fold(used(store, "b", 2.0))
    await first.fold(used(store, "c", 4.0))
    assert hub.cost() == 7.0


async def test_folds_that_come_together_are_written_together() -> None:
    hub, store = Hub(), Store()
    kept = await keeper(hub, store)
    records = [used(store, f"w{number}") for number in range(20)]
    await asyncio.gather(*(kept.fold(record) for record in records))
    assert hub.cost() == 20
    assert hub.writes <= 2


async def test_a_uid_is_forgotten_once_its_workload_is_gone() -> None:
    hub, store = Hub(), Store()
    kept = await keeper(hub, store)
    record = used(store, "a")
    await kept.fold(record)
    store.drop_workload(record.uid)
    kept.dropped(record)
    await kept.fold(used(store, "b"))
    assert hub.folded() == {"uid-b"}
    store.drop_workload("uid-b")
    later = await keeper(hub, store)  # a restart that missed the deletion
    await later.fold(used(store, "c"))
    assert hub.folded() == {"uid-c"}
    assert hub.cost() == 3.0


async def test_a_workload_that_was_let_go_by_hand_is_kept_all_the_same() -> None:
    hub, store = Hub(), Store()
    kept = await keeper(hub, store)
    record = used(store, "a")
    store.drop_workload(record.uid)
    kept.dropped(record)
    await asyncio.gather(*kept._late)
    assert hub.cost() == 1.0


async def test_a_workload_that_took_nothing_writes_nothing() -> None:
    hub, store = Hub(), Store()
    await (await keeper(hub, store)).fold(works.take(store, "idle", finalized=True))
    assert hub.writes == 0


@pytest.mark.parametrize("status", [403, 404])
async def test_a_hub_that_takes_no_ledger_holds_up_no_deletion(status: int) -> None:
    hub, store = Hub(), Store()
    kept = await keeper(hub, store)
    before = LEDGER_FAULTS._value.get()
    record = used(store, "a")
    hub.refuses = [ApiError(status, "No", "no")]
    await kept.fold(record)
    assert LEDGER_FAULTS._value.get() == before + 1
    kept.dropped(record)
    assert not kept._late
    assert hub.cost() == 0


async def test_an_unreadable_ledger_is_no_reason_not_to_start_without_rights() -> None:
    hub, store = Hub(), Store()
    hub.refuses = [ApiError(403, "Forbidden", "no")]
    assert (await keeper(hub, store)).ledger.rows == {}


async def test_a_ledger_that_somebody_deleted_is_made_again_from_memory() -> None:
    hub, store = Hub(), Store()
    kept = await keeper(hub, store)
    await kept.fold(used(store, "a"))
    hub.objects.clear()
    await kept.fold(used(store, "b"))
    assert hub.cost() == 2.0


async def test_what_somebody_broke_is_put_aside_and_the_rest_counts() -> None:
    hub, store = Hub(), Store()
    await (await keeper(hub, store)).fold(used(store, "a"))
    hub.objects[PATH]["data"]["2026-11-23"] = "head\nbroken"
    kept = await keeper(hub, store)
    await kept.fold(used(store, "b"))
    assert hub.cost() == 2.0
    assert hub.objects[f"{PATH}-unread"]["data"]["2026-11-23"] == "head\nbroken"
