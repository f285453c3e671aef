"""Which few rows does each group of a large round look at? Those that are cheap, rent included.

Rent is known roughly from a market without time: a line has the sum of its slots, a run takes of it
in as many slots as it lasts on average over its starts, and a price is by the slot. Prices in time
begin there (`later_prices.py`). The rows that would be cheapest without any rent are looked at too:
what waiting counts is reckoned from them.
"""

from dataclasses import dataclass

import numpy as np

from tradewind.placement.later import F32, Later
from tradewind.placement.later_prices import Tight
from tradewind.placement.market import Lines
from tradewind.placement.prices import Cooling
from tradewind.placement.table import F64, I64
from tradewind.placement.wide import Prices, Wide

#: How many rows a group looks at, and how many of them are the cheapest without rent.
LISTED = 48
_CHEAPEST = 4
#: Prices that lists are drawn by need not be exact.
DRAWN = Cooling(steps=10, hottest=0.02, coldest=0.005, hold=0)
#: A group would rather wait than pay so many times what its cheapest row costs; as `contest.felt`.
_MOST = 3.0


@dataclass(frozen=True, slots=True)
class Lists:
    """Columns of all groups, and prices to begin with.

    Args:
        columns: (G, N) places on M, rising.
        prices: (L', T) USD.
    """

    columns: I64
    prices: F64


def lists_of(later: Later, tight: Tight, most: int = LISTED) -> Lists:
    """The rows that each group looks at, at most so many."""
    cost, lasts = later.usual(), later.slots_held()
    least = cost.min(axis=1, initial=np.inf).astype(np.float64)
    wide = Wide(
        count=later.count,
        wait=np.where(np.isfinite(least), _MOST * np.abs(least), 0.0),
        usage=later.usage[:, tight.sorts],
        rows=np.arange(len(later.rows)),
        cost=cost,
        lines=Lines(tight.of_column, tight.capacity.sum(axis=1, keepdims=True)),
        blocks=later.blocks,
        lasts=lasts,
    )
    prices = Prices(wide).run(fine=DRAWN)
    reduced = cost.copy()
    rents = prices[tight.of_column, 0].astype(np.float32)
    for b, columns in enumerate(later.blocks):
        each = (wide.usage * lasts[:, b : b + 1]).astype(np.float32)
        reduced[:, columns] += each @ rents[:, columns]
    over_time = np.repeat(prices, tight.capacity.shape[1], axis=1)
    return Lists(best_columns(reduced, cost, most), over_time)


def best_columns(reduced: F32, cost: F32, most: int) -> I64:
    """(G, N) the best columns by cost and rent, and the cheapest by cost; each once, rising."""
    width = min(most, reduced.shape[1])
    few = min(_CHEAPEST, width)
    if width == reduced.shape[1]:
        return np.broadcast_to(np.arange(width), reduced.shape).copy()
    reduced = reduced.copy()
    cheapest = np.argpartition(cost, few - 1, axis=1)[:, :few]
    np.put_along_axis(reduced, cheapest, np.float32(-np.inf), axis=1)
    found = np.argpartition(reduced, width - 1, axis=1)[:, :width]
    return np.sort(found, axis=1)
