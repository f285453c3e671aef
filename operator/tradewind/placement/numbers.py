"""Arrays of placement, and which numbers can be counted with.

Numbers from outside are cleaned here and nowhere else: what is unknown is NaN in arrays.
"""

import math

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


def clean(value: float | None, *, low: float = 0.0, high: float = 1e9) -> float:
    """A number that can be counted with, or NaN for one that is missing or cannot be true.

    >>> clean(-1.0), clean(float("inf")), clean(None), clean(3)
    (nan, nan, nan, 3.0)
    """
    if value is None or not math.isfinite(value) or not low <= value <= high:
        return math.nan
    return float(value)


def electricity(value: float | None) -> float:
    """USD/MWh, or NaN where unknown; below zero counts as 0.

    Wholesale prices do fall below zero for some hours. Such an hour counts as free and no more:
    nobody's work should go where it is paid to burn, and a broken feed must not win.
    """
    if value is None or not math.isfinite(value):
        return math.nan
    return clean(max(0.0, value))
