"""When things run: the clock, waiting with sense, and tasks that may not die unseen.

Everything takes its time from a `Clock`, so that a test steps it by hand and waits for nothing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from tradewind.base.observe import get_logger

log = get_logger(__name__)


class Clock(Protocol):
    """Wall time for people and statuses, monotonic time for intervals."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait on this clock."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that may

    def monotonic(self) -> float:
        """Seconds of the running event loop."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class Backoff:
    """Exponential waits with jitter, so that many clients do not come back together.

    Args:
        initial_s: the first wait, seconds.
        maximum_s: no wait is longer, before jitter.
        factor: growth from one wait to the next.
        jitter: each wait is scaled by a number from 1 - jitter to 1 + jitter.
        seed: for tests; None takes one from the system.
    """

    def __init__(
        self,
        initial_s: float = 0.2,
        maximum_s: float = 30.0,
        *,
        factor: float = 2.0,
        jitter: float = 0.2,
        seed: int | None = None,
    ) -> None:
        self._initial = initial_s
        self._maximum = maximum_s
        self._factor = factor
        self._jitter = jitter
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
        self._next = initial_s

    def next(self) -> float:
        """The wait before the coming try, seconds."""
        wait = self._next
        self._next = min(self._maximum, wait * self._factor)
        return wait * self._random.uniform(1 - self._jitter, 1 + self._jitter)

    def reset(self) -> None:
        """Begin again after a success."""
        self._next = self._initial


class Batcher:
    """Gather changes into one wake-up: at once when idle, together when they come in a storm.

    The first change after a quiet time wakes the waiter at once, so that a lone workload does not
    pay for batching. Changes close behind it are gathered until none came for `idle_s`, at most
    `max_s` after the first of them.

    Args:
        clock: whose time counts.
        idle_s: a gap this long ends a batch, seconds.
        max_s: no change waits longer, seconds.
    """

    def __init__(self, clock: Clock, *, idle_s: float = 0.010, max_s: float = 0.200) -> None:
        self._clock = clock
        self._idle_s = idle_s
        self._max_s = max_s
        self._changed = asyncio.Event()
        self._last_change = float("-inf")
        self._last_wake = float("-inf")

    def notify(self) -> None:
        """Say that something changed; cheap, and never blocks."""
        self._last_change = self._clock.monotonic()
        self._changed.set()

    async def wait(self) -> None:
        """Return when there is a batch of at least one change."""
        await self._changed.wait()
        opened = self._clock.monotonic()
        if opened - self._last_wake > self._idle_s:
            self._close()
            return
        while True:
            now = self._clock.monotonic()
            due = min(self._last_change + self._idle_s, opened + self._max_s)
            if now >= due:
                self._close()
                return
            await self._clock.sleep(due - now)

    def _close(self) -> None:
        self._changed.clear()
        self._last_wake = self._clock.monotonic()


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    clock: Clock,
    backoff: Backoff | None = None,
) -> None:
    """Run a task for ever: when it fails, log it and start it again after a back-off.

    Returns when `run` returns; cancellation passes through.
    """
    backoff = backoff or Backoff()
    while True:
        started = clock.monotonic()
        try:
            await run()
        except Exception as error:
            if clock.monotonic() - started > STEADY_S:
                backoff.reset()
            wait_s = backoff.next()
            log.warning("task failed", task=name, error=str(error), retry_in_s=round(wait_s, 2))
            log.debug("task failure", task=name, exc_info=True)
            await clock.sleep(wait_s)
        else:
            return


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until each is gone; their errors are theirs."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


#: A task that ran this long before it failed starts its back-off anew, seconds.
STEADY_S = 60.0
