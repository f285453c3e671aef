"""KeyedQueue: each key by one worker at a time, and again when it failed."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.clock import FakeClock, settle

from tradewind.base.errors import SiteUnreachableError
from tradewind.base.queue import KeyedQueue


@asynccontextmanager
async def serving(
    handle: Callable[[str], Awaitable[None]], clock: FakeClock, workers: int = 2
) -> AsyncIterator[KeyedQueue[str]]:
    queue = KeyedQueue(handle, clock=clock, workers=workers, name="test")
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_key_that_is_added_often_before_its_turn_is_handled_once() -> None:
    handled: list[str] = []

    async def handle(key: str) -> None:
        handled.append(key)

    async with serving(handle, FakeClock()) as queue:
        for _ in range(5):
            queue.add("a")
        await settle()
    assert handled == ["a"]


async def test_a_key_added_while_it_is_handled_is_handled_once_more_and_never_beside_itself() -> (
    None
):
    gate, running, peak, handled = asyncio.Event(), 0, 0, 0

    async def handle(_: str) -> None:
        nonlocal running, peak, handled
        running += 1
        peak = max(peak, running)
        await gate.wait()
        running -= 1
        handled += 1

    async with serving(handle, FakeClock(), workers=4) as queue:
        queue.add("a")
        await settle()
        queue.add("a")
        queue.add("a")
        await settle()
        gate.set()
        await settle()
    assert (peak, handled) == (1, 2)


async def test_a_key_that_hangs_does_not_stop_the_others() -> None:
    handled: list[str] = []

    async def handle(key: str) -> None:
        if key == "hangs":
            await asyncio.Event().wait()
        handled.append(key)

    async with serving(handle, FakeClock()) as queue:
        queue.add("hangs")
        for key in "abc":
            queue.add(key)
        await settle()
    assert handled == ["a", "b", "c"]


async def test_a_failed_key_comes_back_after_ever_longer_waits_until_it_succeeds() -> None:
    clock = FakeClock()
    at: list[float] = []

    async def handle(_: str) -> None:
        at.append(clock.monotonic())
        if len(at) < 4:
            raise SiteUnreachableError("s1 did not answer")

    async with serving(handle, clock) as queue:
        queue.add("a")
        for _ in range(100):
            await clock.step(0.1)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert len(at) == 4
    assert gaps == sorted(gaps)
    assert gaps[0] >= 0.08


async def test_an_unexpected_exception_is_retried_like_an_expected_one() -> None:
    clock = FakeClock()
    tries = 0

    async def handle(_: str) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError

    async with serving(handle, clock) as queue:
        queue.add("a")
        await clock.step(1)
    assert tries == 2


async def test_a_later_key_is_brought_forward_but_never_put_off() -> None:
    clock = FakeClock()
    at: list[float] = []

    async def handle(_: str) -> None:
        at.append(clock.monotonic())

    async with serving(handle, clock) as queue:
        queue.add_after("a", 60)
        queue.add_after("a", 1)
        queue.add_after("a", 30)
        await clock.step(100)
    assert at == [1]


async def test_a_forgotten_key_does_not_come_back() -> None:
    clock = FakeClock()
    handled: list[str] = []

    async def handle(key: str) -> None:
        handled.append(key)

    async with serving(handle, clock) as queue:
        queue.add_after("a", 5)
        queue.forget("a")
        await clock.step(10)
    assert handled == []


async def test_what_came_due_later_gives_way_to_new_keys_but_is_never_starved() -> None:
    clock, handled = FakeClock(), []
    gate = asyncio.Event()

    async def handle(key: str) -> None:
        if key == "first":
            await gate.wait()
        handled.append(key)

    async with serving(handle, clock, workers=1) as queue:
        queue.add("first")
        queue.add_after("late", 1)
        await clock.step(2)
        for number in range(20):
            queue.add(f"new-{number}")
        gate.set()
        await settle()
        await settle()
    assert 2 <= handled.index("late") <= 8
    assert len(handled) == 22
