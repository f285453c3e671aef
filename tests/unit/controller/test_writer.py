"""What reaches the hub, in which order, and what a lost or late answer costs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.clock import FakeClock, settle
from tests.unit.controller.works import decide, decision, part, ref, status, take

from tradewind.api.names import FINALIZER, MANAGER_FINALIZER, MANAGER_STATUS
from tradewind.base.aio import cancel_and_wait
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.controller import lifecycle
from tradewind.controller.store import Record, Store
from tradewind.controller.writer import (
    BACKLOG,
    OBSERVED_DELAY_S,
    REPORT_PATIENCE_S,
    REPORT_QUIET_S,
    WorkloadWriter,
)

PATH = "/apis/tradewind.dev/v1alpha1/namespaces/research/aiworkloads/train"


class Hub:
    """Takes applies, gives out resource versions, and refuses what is behind."""

    def __init__(self) -> None:
        self.version = 1000
        self.log: list[tuple[str, Any]] = []
        self.bodies: list[dict[str, Any]] = []
        self.refuses: list[Exception] = []
        self.before_answer: Callable[[], None] = lambda: None
        self.owned: list[str] = []  # finalizers that our field manager owns
        self.others: list[str] = []  # those of nobody, or of somebody else

    async def apply(
        self, path: str, body: Mapping[str, Any], *, field_manager: str, force: bool = False
    ) -> bytes:
        await asyncio.sleep(0)
        if self.refuses:
            raise self.refuses.pop(0)
        sent = msgspec.json.decode(msgspec.json.encode(body))
        assert force
        assert sent["metadata"]["uid"] == "uid-train"
        if path == PATH:
            assert field_manager == MANAGER_FINALIZER
            self.log.append(("finalizers", sent["metadata"]["finalizers"]))
            self.own(sent["metadata"]["finalizers"])
        else:
            assert (path, field_manager) == (f"{PATH}/status", MANAGER_STATUS)
            self.log.append(("status", sent["status"]["phase"]))
        self.bodies.append(sent)
        self.version += 1
        self.before_answer()
        finalizers = list(dict.fromkeys([*self.others, *self.owned]))
        return msgspec.json.encode(
            {"metadata": {"resourceVersion": str(self.version), "finalizers": finalizers}}
        )

    def own(self, finalizers: list[str]) -> None:
        """As server-side apply does it: what an owner leaves out goes, what is nobody's stays."""
        dropped = set(self.owned) - set(finalizers)
        self.others = [name for name in self.others if name not in dropped]
        self.owned = finalizers


class Scene:
    def __init__(self) -> None:
        self.clock, self.hub, self.store = FakeClock(), Hub(), Store()
        self.leads = True
        self.kept: list[Exception] = []
        self.writer = WorkloadWriter(
            self.hub,  # type: ignore[arg-type]
            self.store,
            may_write=lambda: self.leads,
            on_written=lambda site, uid: self.hub.log.append(("dispatch", site)),
            clock=self.clock,
            workers=4,
            keep=self.keep,
        )

    async def keep(self, record: Record) -> None:
        if self.kept:
            raise self.kept.pop(0)
        self.hub.log.append(("kept", record.uid))

    async def write(self, record: Record) -> None:
        self.writer.add(record.uid)
        await self.rest()

    async def rest(self) -> None:
        for _ in range(3):
            await settle()


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    task = asyncio.create_task(made.writer.run())
    try:
        yield made
    finally:
        await cancel_and_wait(task)


async def test_finalizer_then_status_then_dispatch() -> None:
    async with scene() as made:
        record = take(made.store)
        decide(made.store, record, part())
        await made.write(record)
        assert made.hub.log == [
            ("finalizers", [FINALIZER]),
            ("status", "Placed"),
            ("dispatch", "ulanqab"),
        ]
        assert record.written is record.status
        assert record.finalized


async def test_dispatch_is_told_nothing_that_was_not_answered() -> None:
    async with scene() as made:
        record = take(made.store)
        decide(made.store, record, part())
        made.hub.refuses = [SiteUnreachableError("no answer")]
        await made.write(record)
        assert made.hub.log == []
        assert record.written.placements == ()


@pytest.mark.parametrize("failing", [0, 1], ids=["finalizer", "status"])
async def test_a_write_that_failed_is_done_again_in_the_same_order(failing: int) -> None:
    async with scene() as made:
        record = take(made.store)
        decide(made.store, record, part())
        made.hub.refuses = [ApiError(503, "ServiceUnavailable", "later")]
        if failing:
            record.finalized = True
        await made.write(record)
        assert made.hub.log == []
        await made.clock.step(60)
        assert made.hub.log[-2:] == [("status", "Placed"), ("dispatch", "ulanqab")]


async def test_a_new_placement_carries_the_version_it_was_decided_on() -> None:
    async with scene() as made:
        record = take(made.store, finalized=True, version=77)
        decide(made.store, record, part())
        await made.write(record)
        assert made.hub.bodies[-1]["metadata"]["resourceVersion"] == "77"
        assert record.resource_version == made.hub.version


async def test_a_report_carries_no_version() -> None:
    """Who wrote meanwhile does not matter to what a site shows: the fields are ours alone."""
    async with scene() as made:
        record = take(made.store, finalized=True, status=status(part()))
        made.store.set_status(record, lifecycle.record_object(record.status, "ulanqab", ref()))
        await made.write(record)
        assert "resourceVersion" not in made.hub.bodies[-1]["metadata"]


async def test_a_conflict_leaves_the_placement_unwritten_and_is_tried_again() -> None:
    async with scene() as made:
        record = take(made.store, finalized=True)
        decide(made.store, record, part())
        made.hub.refuses = [ApiError(409, "Conflict", "the object has been modified")]
        await made.write(record)
        assert record.written.placements == ()
        assert ("dispatch", "ulanqab") not in made.hub.log
        await made.clock.step(60)
        assert ("dispatch", "ulanqab") in made.hub.log


async def test_a_status_that_says_nothing_new_is_not_written() -> None:
    async with scene() as made:
        record = take(made.store, finalized=True)
        decide(made.store, record, part())
        await made.write(record)
        count = len(made.hub.log)
        await made.write(record)
        assert len(made.hub.log) == count


async def test_what_was_decided_while_a_write_was_on_its_way_is_written_after_it() -> None:
    async with scene() as made:
        record = take(made.store, finalized=True)
        decide(made.store, record, part())

        def change() -> None:
            made.hub.before_answer = lambda: None
            made.store.set_status(record, lifecycle.record_object(record.status, "ulanqab", ref()))

        made.hub.before_answer = change
        await made.write(record)
        sent = [body["status"]["placements"][0]["phase"] for body in made.hub.bodies]
        assert sent == ["Assigned", "Dispatched"]
        assert record.written == record.status


async def test_who_does_not_lead_writes_nothing() -> None:
    async with scene() as made:
        made.leads = False
        record = take(made.store)
        decide(made.store, record, part())
        await made.write(record)
        await made.clock.step(60)
        assert made.hub.log == []


async def test_a_workload_without_a_place_gets_no_finalizer() -> None:
    async with scene() as made:
        record = take(made.store)
        await made.write(record)
        assert made.hub.log == [("status", "Pending")]


async def test_a_deletion_takes_the_finalizer_off_last() -> None:
    async with scene() as made:
        gone = status(part(phase=lifecycle.EVICTING))
        record = take(made.store, finalized=True, deleting=True, status=gone)
        await made.write(record)
        assert [entry for entry in made.hub.log if entry[0] == "finalizers"] == []
        made.store.set_status(record, lifecycle.drop(record.status, "ulanqab", final=True))
        await made.write(record)
        assert made.hub.log[-1] == ("finalizers", [])
        assert not record.finalized


async def test_what_it_took_is_kept_before_a_workload_is_let_go() -> None:
    async with scene() as made:
        record = take(made.store, finalized=True, deleting=True)
        made.kept = [SiteUnreachableError("no answer")]
        await made.write(record)
        assert made.hub.log == []
        await made.clock.step(60)
        assert made.hub.log == [("kept", "uid-train"), ("finalizers", [])]


async def test_a_finalizer_that_came_at_admission_is_not_written_again() -> None:
    async with scene() as made:
        made.hub.others = [FINALIZER]
        record = take(made.store, finalized=True)
        decide(made.store, record, part())
        await made.write(record)
        assert made.hub.log == [("status", "Placed"), ("dispatch", "ulanqab")]


async def test_a_finalizer_that_came_at_admission_goes_and_those_of_others_stay() -> None:
    async with scene() as made:
        made.hub.others = [FINALIZER, "example.com/theirs"]
        record = take(made.store, finalized=True, deleting=True)
        await made.write(record)
        assert made.hub.others == ["example.com/theirs"]
        assert made.hub.owned == []
        assert not record.finalized


async def test_a_deletion_of_what_never_was_placed_needs_nothing() -> None:
    async with scene() as made:
        await made.write(take(made.store, deleting=True))
        assert made.hub.log == []


async def test_a_workload_that_is_gone_is_given_up() -> None:
    async with scene() as made:
        record = take(made.store)
        decide(made.store, record, part())
        made.hub.refuses = [ApiError(404, "NotFound", "no such workload")]
        await made.write(record)
        await made.clock.step(60)
        assert made.hub.log == []


async def test_each_site_that_lost_or_got_a_part_is_told() -> None:
    async with scene() as made:
        record = take(made.store, finalized=True, status=status(part("old", lifecycle.LOST)))
        decide(made.store, record, part("new", epoch=2))
        made.store.set_status(record, lifecycle.drop(record.status, "old"))
        await made.write(record)
        assert {entry for entry in made.hub.log if entry[0] == "dispatch"} == {
            ("dispatch", "old"),
            ("dispatch", "new"),
        }


def report(made: Scene, record: Record, uid: str) -> None:
    made.store.set_status(record, lifecycle.record_object(record.status, "ulanqab", ref(uid)))
    made.writer.add_later(record.uid)


async def test_reports_that_follow_one_another_make_one_write() -> None:
    async with scene() as made:
        record = take(made.store, finalized=True, status=status(part()))
        for uid in ("first", "second", "third"):
            report(made, record, uid)
        await made.rest()
        assert made.hub.log == []
        await made.clock.step(OBSERVED_DELAY_S)
        assert len(made.hub.bodies) == 1
        assert made.hub.bodies[0]["status"]["placements"][0]["object"]["uid"] == "third"


async def test_reports_give_way_to_placements_and_not_for_ever() -> None:
    async with scene() as made:
        placed = take(made.store, finalized=True)
        decide(made.store, placed, part())
        await made.write(placed)
        report(made, placed, "seen")
        await made.clock.step(OBSERVED_DELAY_S)
        assert len(made.hub.bodies) == 1
        elapsed_s = 0.0
        while elapsed_s < REPORT_PATIENCE_S + 1:
            made.writer._placed_at = made.clock.monotonic()  # placements come without end
            await made.clock.step(REPORT_QUIET_S / 3)
            elapsed_s += REPORT_QUIET_S / 3
        assert len(made.hub.bodies) == 2


async def test_a_report_is_written_when_placements_rest() -> None:
    async with scene() as made:
        placed = take(made.store, finalized=True)
        decide(made.store, placed, part())
        await made.write(placed)
        report(made, placed, "seen")
        await made.clock.step(OBSERVED_DELAY_S + 2 * REPORT_QUIET_S)
        assert len(made.hub.bodies) == 2


async def test_what_is_urgent_does_not_wait_for_what_is_not() -> None:
    async with scene() as made:
        record = take(made.store, finalized=True, status=status(part()))
        report(made, record, "seen")
        await made.write(record)
        assert len(made.hub.bodies) == 1


def storm(made: Scene) -> None:
    """Have so many placements wait that the first writes hold only what binds."""
    made.writer._urgent |= {f"other-{number}" for number in range(BACKLOG)}


async def test_in_a_storm_what_binds_goes_first_and_the_reasons_follow() -> None:
    async with scene() as made:
        record = take(made.store)
        decide(made.store, record, part())
        storm(made)
        await made.write(record)
        first = made.hub.bodies[-1]["status"]
        assert made.hub.log[-1] == ("dispatch", "ulanqab")
        assert first["placements"][0]["site"] == "ulanqab"
        assert first["epoch"] == record.status.epoch
        assert first.keys().isdisjoint({"decision", "conditions", "history"})

        await made.clock.step(OBSERVED_DELAY_S + REPORT_QUIET_S + 0.1)
        await made.rest()
        second = made.hub.bodies[-1]["status"]
        assert second["decision"]["reason"] == "Placed"
        assert {"Placed", "Ready"} <= {entry["type"] for entry in second["conditions"]}
        assert record.written is record.status
        assert [entry for entry in made.hub.log if entry[0] == "status"] == [
            ("status", "Placed"),
            ("status", "Placed"),
        ]


async def test_a_storm_hides_nothing_that_was_told_before() -> None:
    async with scene() as made:
        record = take(made.store)
        record.written = status(decision=decision("Waiting"))
        decide(made.store, record, part())
        storm(made)
        await made.write(record)
        assert made.hub.bodies[-1]["status"]["decision"]["reason"] == "Placed"
        assert record.written is record.status


async def test_without_a_storm_one_write_says_it_all() -> None:
    async with scene() as made:
        record = take(made.store)
        decide(made.store, record, part())
        await made.write(record)
        assert made.hub.bodies[-1]["status"]["decision"]["reason"] == "Placed"
        await made.clock.step(60)
        await made.rest()
        assert len(made.hub.bodies) == 2
