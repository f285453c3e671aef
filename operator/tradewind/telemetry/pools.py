"""Threads for calls that block, so divided that slow servers hold up none but each other.

Whoever was slow last waits in a small pool of its own until it is well again. Each call ends by
itself within the limits of `session.py`, so a pool is never lost for good.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_Result = TypeVar("_Result")

SLOW_THREADS: Final = 4


class Pools:
    """The threads of all polls.

    Args:
        threads: for those that answer.
    """

    def __init__(self, threads: int) -> None:
        self._quick = ThreadPoolExecutor(threads, thread_name_prefix="prometheus")
        self._slow = ThreadPoolExecutor(SLOW_THREADS, thread_name_prefix="prometheus-slow")

    async def run(self, call: Callable[[], _Result], *, slow: bool) -> _Result:
        """Have it called in a thread."""
        pool = self._slow if slow else self._quick
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    def close(self) -> None:
        """Begin no further call; those under way end by themselves."""
        for pool in (self._quick, self._slow):
            pool.shutdown(wait=False, cancel_futures=True)
