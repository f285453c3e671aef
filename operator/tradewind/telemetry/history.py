"""A series of points as one value for each step, as a forecast wants it. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from tradewind.telemetry.past import DAY, F64

#: A longer gap is filled from the day before rather than by a straight line.
STRAIGHT_STEPS: Final = 3
#: A history with less than this share of its steps known says more of the filling than of the past.
LEAST_KNOWN: Final = 0.5


@dataclass(frozen=True, slots=True)
class History:
    """A regular series.

    Attributes:
        start_s: Unix time of the first step.
        step_s: length of a step.
        values: (N,) all finite.
    """

    start_s: float
    step_s: float
    values: F64

    @property
    def last_s(self) -> float:
        """Unix time at which the last step begins."""
        return self.start_s + (len(self.values) - 1) * self.step_s


def regular(points: Iterable[tuple[float, float]], step_s: float) -> History | None:
    """Points of a series, put on a grid.

    A point counts for the step that it lies in, the newest of a step for all of it. Short gaps are
    filled by a straight line, longer ones from the same hour of the day before, where it is known.

    Args:
        points: Unix time and value; what is not finite is no point.
        step_s: length of a step; steps begin at its multiples.

    Returns:
        None if there is no point, or too many steps are unknown.

    >>> regular([(0, 1.0), (3600, 2.0), (10800, 4.0)], 3600).values.tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    found: dict[int, tuple[float, float]] = {}
    for at, value in points:
        if not (math.isfinite(at) and math.isfinite(value)):
            continue
        step = math.floor(at / step_s)
        if step not in found or at >= found[step][0]:
            found[step] = (at, value)
    if not found:
        return None
    first, last = min(found), max(found)
    if len(found) < LEAST_KNOWN * (last - first + 1):
        return None
    values = np.full(last - first + 1, np.nan)
    for step, (_, value) in found.items():
        values[step - first] = value
    return History(first * step_s, step_s, _filled(values))


def _filled(values: F64) -> F64:
    """The same without NaN; its first and last value are known."""
    known = np.flatnonzero(~np.isnan(values))
    filled = np.interp(np.arange(len(values)), known, values[known])
    for left, right in pairwise(known.tolist()):
        if right - left - 1 > STRAIGHT_STEPS:
            for step in range(left + 1, right):
                if step >= DAY:
                    filled[step] = filled[step - DAY]
    return filled
