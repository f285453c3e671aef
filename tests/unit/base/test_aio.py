"""The batcher, the back-off and the supervisor, on a clock that a test steps."""

import asyncio
import itertools

import pytest
from tests.clock import FakeClock, settle

from tradewind.base.aio import Backoff, Batcher, supervise


async def _wakes(batcher: Batcher, clock: FakeClock, into: list[float]) -> None:
    while True:
        await batcher.wait()
        into.append(clock.monotonic())


async def test_a_lone_change_after_a_quiet_time_wakes_at_once() -> None:
    clock = FakeClock()
    batcher, wakes = Batcher(clock, idle_s=0.01, max_s=0.2), []
    task = asyncio.create_task(_wakes(batcher, clock, wakes))
    await clock.step(5)
    batcher.notify()
    await settle()
    assert wakes == [5]
    task.cancel()


async def test_changes_in_a_storm_are_gathered_but_none_waits_longer_than_the_maximum() -> None:
    clock = FakeClock()
    batcher, wakes = Batcher(clock, idle_s=0.01, max_s=0.2), []
    task = asyncio.create_task(_wakes(batcher, clock, wakes))
    await clock.step(1)
    for _ in range(200):  # one each 5 ms: never 10 ms of silence
        batcher.notify()
        await clock.step(0.005)
    gaps = [later - earlier for earlier, later in itertools.pairwise(wakes)]
    assert 4 <= len(wakes) <= 8
    assert max(gaps) <= 0.21
    task.cancel()


async def test_no_change_is_lost_between_two_batches() -> None:
    clock = FakeClock()
    batcher, wakes = Batcher(clock), []
    task = asyncio.create_task(_wakes(batcher, clock, wakes))
    await clock.step(1)
    batcher.notify()
    await settle()
    batcher.notify()  # right behind the wake-up
    await clock.step(1)
    assert len(wakes) == 2
    task.cancel()


def test_a_backoff_grows_to_its_maximum_and_begins_anew() -> None:
    backoff = Backoff(1, 8, jitter=0)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 8, 8]
    backoff.reset()
    assert backoff.next() == 1


def test_jitter_stays_within_its_share() -> None:
    backoff = Backoff(10, 10, jitter=0.2, seed=1)
    waits = [backoff.next() for _ in range(200)]
    assert min(waits) >= 8
    assert max(waits) <= 12
    assert len(set(waits)) > 100


async def test_a_supervised_task_starts_again_after_each_failure() -> None:
    clock, starts = FakeClock(), []

    async def run() -> None:
        starts.append(clock.monotonic())
        if len(starts) < 3:
            raise RuntimeError("broke")

    task = asyncio.create_task(
        supervise("test", run, clock=clock, backoff=Backoff(1, 10, jitter=0))
    )
    await clock.step(10)
    assert starts == [0, 1, 3]
    assert task.done()


async def test_cancelling_a_supervised_task_ends_it() -> None:
    async def run() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(supervise("test", run, clock=FakeClock()))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
