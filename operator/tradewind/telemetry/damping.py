"""A signal that flaps is held, so that decisions do not flap with it. Pure, but for its memory.

Two kinds of flapping, judged over the last `WINDOW` polls:

- It comes and goes: `FLIPS` changes between a usable reading and none. It is withheld (and so turns
  Stale, which placement does not go by) until it has come `STEADY` times in a row.
- It jumps: `FLIPS` swings back and forth, each of `SWING` of the greater value at least. Its value
  is then the median of the window, of an even number of readings: what alternates rests midway.

Anything less passes at once and unchanged: a true change of the grid is one swing, and the next
decision goes by it.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Final

from tradewind.telemetry.signals import BOUNDS, Reading, fault_of

WINDOW: Final = 8
FLIPS: Final = 4
STEADY: Final = 3
SWING: Final = 0.25
#: Near zero every step is a large share: less than this is no swing. Shares of a whole: 0.05.
_LEAST: Final = {"pricePerMWh": 5.0, "latencyMs": 2.0, "queueDepth": 5.0, "requestsWaiting": 5.0}
#: What is told of a value that was replaced, and why one is withheld.
JUMPS: Final = f"jumps back and forth; the median of {WINDOW} readings"
COMES_AND_GOES: Final = "comes and goes"

Key = tuple[str, str]


class Damper:
    """The last readings of a site's signals."""

    def __init__(self) -> None:
        self._past: dict[Key, deque[float | None]] = {}

    def calm(self, readings: Iterable[Reading]) -> list[Reading]:
        """A poll's readings, flapping ones held; to be called once for each poll."""
        found: dict[Key, list[Reading]] = {}
        for reading in readings:
            found.setdefault((reading.signal, reading.key), []).append(reading)
        calmed: list[Reading] = []
        for key in self._past.keys() | found.keys():
            came = found.get(key, [])
            past = self._past.setdefault(key, deque(maxlen=WINDOW))
            past.append(came[0].value if fault_of(came) is None else None)
            if all(value is None for value in past):
                del self._past[key]
            calmed += self._held(key, came, past)
        return calmed

    def _held(self, key: Key, came: list[Reading], past: Sequence[float | None]) -> list[Reading]:
        if past[-1] is None:
            return came
        (reading,) = came
        if _flips(past) >= FLIPS and None in list(past)[-STEADY:]:
            return [replace(reading, withheld=COMES_AND_GOES)]
        values = [value for value in past if value is not None]
        if _swings(values, key[0]) >= FLIPS:
            return [replace(reading, value=median(values), note=JUMPS)]
        return came


def _flips(past: Iterable[float | None]) -> int:
    """How often it came or went.

    >>> _flips([1.0, None, 2.0, 2.0, None])
    3
    """
    return sum((a is None) != (b is None) for a, b in pairwise(past))


def _swings(values: Sequence[float], signal: str) -> int:
    """How often it turned round by much.

    >>> _swings([100, 400, 100, 400, 410], "carbonIntensity"), _swings([0.1, 0.14, 0.1], "load")
    (3, 0)
    """
    least = 0.05 if BOUNDS[signal] == (0.0, 1.0) else _LEAST.get(signal, 0.0)
    turns, way = 0, 0
    for before, after in pairwise(values):
        if abs(after - before) < max(least, SWING * max(abs(before), abs(after))):
            continue
        now = 1 if after > before else -1
        turns += now != way
        way = now
    return turns
