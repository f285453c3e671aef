"""Which key is handled next: level-triggered work, one worker per key, again after a failure.

What is queued is a key, not a change: the handler looks at how things stand and mends what
differs, so a lost or doubled trigger does no harm.
"""

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from tradewind.base.aio import Backoff, Clock
from tradewind.base.errors import TradewindError
from tradewind.base.observe import get_logger

log = get_logger(__name__)

K = TypeVar("K", bound=Hashable)

#: Each so many turns belong to what came due later, however much else there is.
LOW_TURN = 8


class KeyedQueue(Generic[K]):
    """A queue of keys in which each key stands once and is handled by one worker at a time.

    A key that is added while it is being handled is handled once more afterwards. A handler that
    raises has its key tried again after an exponential back-off; a success forgets the failures.

    Args:
        handle: called with a key; an exception means "again later".
        clock: whose time counts.
        workers: how many keys are handled at once.
        name: for logs.
        maximum_backoff_s: the longest wait after failures, seconds.
    """

    def __init__(
        self,
        handle: Callable[[K], Awaitable[None]],
        *,
        clock: Clock,
        workers: int,
        name: str,
        maximum_backoff_s: float = 30.0,
    ) -> None:
        self._handle = handle
        self._clock = clock
        self._workers = workers
        self._name = name
        self._maximum_backoff_s = maximum_backoff_s
        self._ready: deque[K] = deque()
        self._low: deque[K] = deque()
        self._turns = itertools.count(1)
        self._queued: set[K] = set()
        self._active: set[K] = set()
        self._again: set[K] = set()
        self._backoffs: dict[K, Backoff] = {}
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._order = itertools.count()
        self._wake = asyncio.Semaphore(0)
        self._timer_changed = asyncio.Event()

    def add(self, key: K) -> None:
        """Handle the key soon; at once if a worker is free."""
        self._enqueue(key, self._ready)

    def _enqueue(self, key: K, line: deque[K]) -> None:
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            line.append(key)
            self._wake.release()
        elif line is self._ready and key in self._low:
            self._low.remove(key)
            line.append(key)

    def _next(self) -> K:
        """The key whose turn it is: what came due later gives way, but is never starved."""
        low_first = next(self._turns) % LOW_TURN == 0
        first, second = (self._low, self._ready) if low_first else (self._ready, self._low)
        return (first or second).popleft()

    def add_after(self, key: K, seconds: float) -> None:
        """Handle the key after a wait, unless it is due sooner already.

        When its time has come it stands behind what was added at once.
        """
        due = self._clock.monotonic() + seconds
        if self._due.get(key, float("inf")) <= due:
            return
        self._due[key] = due
        heapq.heappush(self._later, (due, next(self._order), key))
        if self._later[0][2] == key:
            self._timer_changed.set()

    def forget(self, key: K) -> None:
        """Drop what is remembered of a key that will not come back."""
        self._backoffs.pop(key, None)
        self._again.discard(key)
        self._due.pop(key, None)

    def __len__(self) -> int:
        return len(self._ready) + len(self._low) + len(self._active)

    @property
    def idle(self) -> bool:
        """Nothing is queued or being handled; later keys may still come due."""
        return not len(self)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._serve_timer())
            for _ in range(self._workers):
                tasks.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            await self._wake.acquire()
            key = self._next()
            self._queued.discard(key)
            self._active.add(key)
            try:
                await self._handle(key)
            except Exception as error:  # noqa: BLE001 - one key's fault must not stop the others
                self._retry(key, error)
            else:
                self._backoffs.pop(key, None)
            finally:
                self._active.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    def _retry(self, key: K, error: Exception) -> None:
        backoff = self._backoffs.get(key)
        if backoff is None:
            backoff = self._backoffs[key] = Backoff(0.1, self._maximum_backoff_s)
        wait_s = backoff.next()
        expected = isinstance(error, TradewindError)
        log.warning(
            "key failed",
            queue=self._name,
            key=str(key),
            error=str(error) if expected else repr(error),
            retry_in_s=round(wait_s, 2),
            exc_info=not expected,
        )
        self.add_after(key, wait_s)

    async def _serve_timer(self) -> None:
        while True:
            now = self._clock.monotonic()
            while self._later and self._later[0][0] <= now:
                due, _, key = heapq.heappop(self._later)
                if self._due.get(key) == due:  # else it was brought forward, or forgotten
                    del self._due[key]
                    self._enqueue(key, self._low)
            self._timer_changed.clear()
            if not self._later:
                await self._timer_changed.wait()
                continue
            due_in = max(0.0, self._later[0][0] - now)
            sleep = asyncio.ensure_future(self._clock.sleep(due_in))
            changed = asyncio.ensure_future(self._timer_changed.wait())
            try:
                await asyncio.wait({sleep, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleep.cancel()
                changed.cancel()
