"""Rounds with very many candidates: dense prices first, then short lists of what matters.

A thousand sites times three classes are 3,000 candidates for each of 2,000 groups, and nearly all
of them are never chosen. Prices are annealed over all of them in single precision, by matrix
products, until they tell what is cheap; then each group's best go into a `Market` that is solved as
any other. Groups that did not get room there compete again, for what is left, by prices that know
it is gone.

Only without later starts; see `contest.py` for those.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradewind.placement.market import Lines, Market
from tradewind.placement.prices import Cooling, Steps
from tradewind.placement.table import F64, I64

F32 = NDArray[np.float32]

#: Wide enough that what a group loses by the rest is below a thousandth of its cost.
SHORT_LIST = 64

#: Over all candidates: so much that short lists can be drawn from it.
COARSE = Cooling(steps=24, hottest=1.0, coldest=0.01, momentum=0.7, hold=0)
#: On the short lists, from there on.
FINE = Cooling(steps=24, hottest=0.02, coldest=0.003, momentum=0.7, hold=24)


@dataclass(frozen=True, slots=True)
class Wide:
    """A market of all rows, at one start.

    Args:
        count: (G,) workloads of each group that have no place yet.
        wait: (G,) USD: what leaving one unplaced counts.
        usage: (G, Q).
        cost: (G, R) USD, single precision; infinite where there is no candidate.
        lines: capacity, (L, 1).
    """

    count: F64
    wait: F64
    usage: F64
    cost: F32
    lines: Lines

    def rents(self, prices: F64) -> F32:
        """(G, R) USD, at prices (L, 1)."""
        of_rows = prices[self.lines.of_row, 0].astype(np.float32)
        used = self.usage.any(axis=0) & of_rows.any(axis=1)
        rents: F32 = self.usage[:, used].astype(np.float32) @ of_rows[used]
        return rents

    def only(self, groups: I64) -> "Wide":
        """Some of the groups, by their places on G."""
        return Wide(
            self.count[groups],
            self.wait[groups],
            self.usage[groups],
            self.cost[groups],
            self.lines,
        )

    def left(self, lines: Lines) -> "Wide":
        """The same where the lines have less left: without rows that have no room for one more."""
        cost = self.cost
        for g in np.flatnonzero(self.count > 0).tolist():
            for q in np.flatnonzero(self.usage[g]).tolist():
                cost[g, lines.capacity[lines.of_row[q], 0] < self.usage[g, q]] = np.inf
        return Wide(self.count, self.wait, self.usage, cost, lines)


def coarse_prices(wide: Wide, cooling: Cooling = COARSE) -> F64:
    """Prices (L, 1) at which what is wanted fits, roughly; see `prices.clearing_prices`."""
    lines, (groups, rows) = wide.lines, wide.cost.shape
    scale = np.maximum(np.abs(np.minimum(wide.wait, wide.cost.min(axis=1))), 1e-9)
    joint = wide.usage * wide.usage.sum(axis=1, keepdims=True)
    sorts = np.flatnonzero(wide.usage.any(axis=0))
    steps = Steps(np.zeros(lines.capacity.shape), lines.capacity, cooling.momentum)
    reduced = np.empty((groups, rows), np.float32)
    for tau in cooling.taus():
        heat = tau * scale
        np.add(wide.cost, wide.rents(steps.prices), out=reduced)
        least = np.minimum(wide.wait, reduced.min(axis=1))
        np.subtract(least[:, None].astype(np.float32), reduced, out=reduced)
        reduced *= (1 / heat)[:, None].astype(np.float32)
        np.exp(reduced, out=reduced)
        out = np.exp((least - wide.wait) / heat)
        each = wide.count / (reduced.sum(axis=1) + out)
        weights = np.concatenate(
            (wide.usage[:, sorts] * each[:, None], joint[:, sorts] * (each / heat)[:, None]), axis=1
        )
        by_row = (weights.T.astype(np.float32) @ reduced).astype(np.float64)
        taken = np.zeros((2, len(lines.capacity)))
        for place, q in enumerate(sorts.tolist()):
            for kind in (0, 1):
                taken[kind] += np.bincount(
                    lines.of_row[q],
                    weights=by_row[kind * len(sorts) + place],
                    minlength=len(lines.capacity),
                )
        steps.turn(taken[0][:, None], taken[1][:, None])
    return steps.prices


def short_list(wide: Wide, prices: F64, width: int = SHORT_LIST) -> Market:
    """Each group's best candidates, as a market.

    Args:
        wide: all candidates.
        prices: (L, 1).
        width: how many candidates each has at most.
    """
    reduced = wide.cost + wide.rents(prices)
    width = min(width, reduced.shape[1])
    rows = np.argpartition(reduced, width - 1, axis=1)[:, :width] if width else reduced[:, :0]
    rows = np.sort(rows, axis=1).astype(np.int64)
    return Market(
        count=wide.count,
        wait=wide.wait,
        usage=wide.usage,
        row=rows,
        slot=np.zeros(rows.shape, np.int64),
        end=np.ones(rows.shape, np.int64),
        cost=np.take_along_axis(wide.cost, rows, axis=1).astype(np.float64),
        lines=wide.lines,
    )
