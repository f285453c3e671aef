"""Whose labels are written, when, how fast, and what stops it: on a node server in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import msgspec
from tests.clock import FakeClock
from tests.unit.sites.test_inventory import HUB, node

from tradewind.api.names import MANAGER_LABELLER
from tradewind.base.errors import ApiError
from tradewind.hardware.catalog import builtin_catalog
from tradewind.sites.inventory import Inventory
from tradewind.sites.labeller import CONFLICT_CHECK_S, PACE_S, REFUSED_CHECK_S, NodeLabeller
from tradewind.sites.slim import Node

CLASS = "accelerator.tradewind.dev/class"


class Nodes:
    """A server that applies labels, and tells the inventory of what it holds."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.inventory = Inventory(builtin_catalog, hub_id=HUB)
        self.labels: dict[str, dict[str, str]] = {}
        self.foreign: dict[str, str] = {}
        self.writes: list[tuple[str, dict[str, str], float]] = []
        self.fault: ApiError | None = None
        self.wanted = True
        self.may_write = True
        self.told = 0
        #: The watch shows what was written before the answer to the write is read.
        self.watch_is_first = False
        self.labeller = NodeLabeller(
            "s",
            lambda: self,  # type: ignore[arg-type,return-value]
            lambda: self.inventory,
            wanted=lambda: self.wanted,
            may_write=lambda: self.may_write,
            on_state=self._tell,
            clock=clock,
        )

    def _tell(self) -> None:
        self.told += 1

    def put(self, name: str, chips: int = 8) -> None:
        """A node appears or changes; the watch tells."""
        made = msgspec.to_builtins(node(name, chips))
        made["metadata"]["labels"] |= self.foreign | self.labels.get(name, {})
        self.inventory.on_node(None, msgspec.convert(made, Node))
        self.labeller.notify()

    async def apply(
        self, path: str, body: dict[str, Any], *, field_manager: str, force: bool
    ) -> bytes:
        name = path.rpartition("/")[2]
        assert (field_manager, force) == (MANAGER_LABELLER, False)
        assert body["metadata"]["uid"] == name
        assert all(
            key.startswith("accelerator.tradewind.dev/") for key in body["metadata"]["labels"]
        )
        self.writes.append((name, body["metadata"]["labels"], self.clock.monotonic()))
        if self.fault is not None:
            raise self.fault
        self.labels[name] = dict(body["metadata"]["labels"])
        if self.watch_is_first:
            self.put(name)
        there = {"other": "x"} | self.foreign | self.labels[name]
        return msgspec.json.encode({"metadata": {"labels": there}})

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Nodes"]:
        task = asyncio.create_task(self.labeller.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def started(clock: FakeClock, **nodes: int) -> Nodes:
    server = Nodes(clock)
    for name, chips in nodes.items():
        server.put(name, chips)
    return server


async def test_a_node_is_labelled_once_and_again_only_on_change() -> None:
    clock = FakeClock()
    server = await started(clock, a=8)
    async with server.running():
        await clock.step(1)
        assert [(name, labels[CLASS]) for name, labels, _ in server.writes] == [
            ("a", "nvidia-h100-sxm")
        ]
        for _ in range(3):  # heartbeats
            server.put("a")
        await clock.step(5)
        assert len(server.writes) == 1
        server.put("a", 4)
        await clock.step(1)
        assert [labels["accelerator.tradewind.dev/units"] for _, labels, _ in server.writes] == [
            "8",
            "4",
        ]
    assert server.labeller.state.owed == 0


async def test_labels_go_when_the_hardware_goes_or_nobody_wants_them() -> None:
    clock = FakeClock()
    server = await started(clock, a=8, b=8, bare=0)
    async with server.running():
        await clock.step(1)
        assert set(server.labels) == {"a", "b"}
        server.put("a", 0)
        await clock.step(1)
        assert server.labels["a"] == {}
        server.put("a", 0)
        server.put("b")
        server.wanted = False
        server.labeller.resync()
        assert server.labeller.state.owed == 1
        await clock.step(1)
        assert server.labels["b"] == {}
        assert server.labeller.state.owed == 0
        assert server.told >= 2


async def test_the_end_is_told_when_the_watch_is_faster_than_the_answer() -> None:
    clock = FakeClock()
    server = await started(clock, a=8, b=8)
    server.watch_is_first = True
    async with server.running():
        await clock.step(5)
    assert (server.labeller.state.owed, server.told) == (0, 1)


async def test_the_end_is_told_when_the_last_node_vanishes() -> None:
    clock = FakeClock()
    server = await started(clock, a=8)
    async with server.running():
        server.fault = ApiError(404, "NotFound", "nodes a not found")
        await clock.step(5)
    assert (server.labeller.state.owed, server.told) == (0, 1)


async def test_nodes_are_written_one_after_the_other_at_a_pace() -> None:
    clock = FakeClock()
    server = await started(clock, **{f"n{i}": 8 for i in range(12)})
    async with server.running():
        await clock.step(60)
    times = [at for _, _, at in server.writes]
    assert len(times) == 12
    assert all(later - sooner >= PACE_S - 1e-9 for sooner, later in pairwise(times))


async def test_a_site_that_forbids_is_asked_seldom_and_told_of() -> None:
    clock = FakeClock()
    server = await started(clock, a=8, b=8)
    server.fault = ApiError(403, "Forbidden", "may not patch nodes")
    async with server.running():
        await clock.step(REFUSED_CHECK_S - 1)
        assert len(server.writes) <= 2
        assert "may not patch" in server.labeller.state.forbidden
        server.fault = None
        await clock.step(2 * REFUSED_CHECK_S)
    assert set(server.labels) == {"a", "b"}
    assert server.labeller.state.forbidden == ""


async def test_what_somebody_else_manages_is_left_and_told_of() -> None:
    clock = FakeClock()
    server = await started(clock, a=8)
    server.fault = ApiError(409, "Conflict", "conflict with kubectl-label")
    async with server.running():
        await clock.step(CONFLICT_CHECK_S / 2)
        assert len(server.writes) == 1
        assert server.labeller.state.conflicts == ("a",)
        server.fault = None
        await clock.step(CONFLICT_CHECK_S)
    assert server.labeller.state.conflicts == ()


async def test_labels_of_another_hand_are_asked_for_once_not_for_ever() -> None:
    clock = FakeClock()
    server = Nodes(clock)
    server.wanted = False
    server.foreign = {CLASS: "nvidia-h100-sxm"}  # NFD's own, which stays whatever we take away
    async with server.running():
        for _ in range(3):
            server.put("a")
            await clock.step(60)
    assert [labels for _, labels, _ in server.writes] == [{}]


async def test_nothing_is_written_while_another_leads() -> None:
    clock = FakeClock()
    server = await started(clock, a=8)
    server.may_write = False
    async with server.running():
        await clock.step(10)
        assert server.writes == []
        server.may_write = True
        await clock.step(10)
    assert set(server.labels) == {"a"}


async def test_a_node_that_is_gone_is_forgotten() -> None:
    clock = FakeClock()
    server = await started(clock, a=8)
    server.inventory.on_node(msgspec.convert(msgspec.to_builtins(node("a")), Node), None)
    server.labeller.notify()
    async with server.running():
        await clock.step(5)
    assert server.writes == []
    assert server.labeller.state.owed == 0
