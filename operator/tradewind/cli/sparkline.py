"""A row of figures as a row of characters: how it goes up and down, not how much it is. Pure."""

import math
from collections.abc import Sequence
from typing import Final

#: From low to high.
BLOCKS: Final = "▁▂▃▄▅▆▇█"
#: For terminals without block characters; each level is darker than the one before.
ASCII: Final = "_.-:=+*#"


def sparkline(values: Sequence[float], *, width: int = 12, ascii_only: bool = False) -> str:
    """At most `width` characters, each the mean of as many figures as the next.

    The least figure is the lowest character and the greatest the highest; when all are equal they
    stand in the middle. What is no number is a blank.

    >>> sparkline([1, 2, 3, 4, 5, 6, 7, 8])
    '▁▂▃▄▅▆▇█'
    >>> sparkline([0, 0, 10, 10], width=2, ascii_only=True), sparkline([5, 5]), sparkline([])
    ('_#', '▄▄', '')
    """
    levels = ASCII if ascii_only else BLOCKS
    means = [_mean(part) for part in _parts(values, width)]
    known = [mean for mean in means if mean is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    text = ""
    for mean in means:
        if mean is None:
            text += " "
        elif span <= 0 or not math.isfinite(span):
            text += levels[len(levels) // 2 - 1]
        else:
            text += levels[round((mean - low) / span * (len(levels) - 1))]
    return text


def _parts(values: Sequence[float], width: int) -> list[Sequence[float]]:
    size = max(1, math.ceil(len(values) / width))
    return [values[at : at + size] for at in range(0, len(values), size)]


def _mean(part: Sequence[float]) -> float | None:
    known = [value for value in part if math.isfinite(value)]
    return sum(known) / len(known) if known else None
