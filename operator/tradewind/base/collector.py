"""When does Python's collector look for cycles? Not in the middle of work that only makes values.

A plan of 100,000 workloads is a million objects, none of them garbage: to look through them while
they are made takes a sixth of its time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collector() -> Iterator[None]:
    """The collector does not run inside; it goes on afterwards if it was on."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
