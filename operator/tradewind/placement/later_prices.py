"""What is capacity worth in each slot, where very many candidates compete for it?

As `prices.py`, over lists of columns at all starts. Groups that take the same of each line (a kind)
are looked at together: the rent from now until each slot is worked out once for a kind and a
column, and what a run pays is the difference of two of these sums. What is taken is gathered the
same way: each start adds to its slot, each end subtracts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradewind.placement.later import Later, Listed
from tradewind.placement.lines import short_sorts
from tradewind.placement.prices import Best, Cooling, Steps, joint_usage
from tradewind.placement.table import F64, I64, Mask

F32 = NDArray[np.float32]

#: While a part of the groups speaks for all of them, and after that.
ROUGH = Cooling(steps=30, hottest=0.3, coldest=0.02, hold=0)
FINE = Cooling(steps=10, hottest=0.02, coldest=0.004, hold=25)
_SPOKESMEN = 4
# Fewer speak for nobody.
_FEW = 64
# Workloads that are none.
_RESIDUE = 1e-3


@dataclass(frozen=True, slots=True)
class Tight:
    """The lines that may run short, and nothing else.

    Args:
        sorts: (Q',) places on Q.
        of_column: (Q', M) the line of each column.
        capacity: (L', T).
        lines: (L',) their places on L.
    """

    sorts: I64
    of_column: I64
    capacity: F64
    lines: I64


def tight_of(later: Later) -> Tight:
    """Leave out sorts of lines that are never short before the accelerators of their site are."""
    lines, usage = later.lines, later.usage
    sorts = short_sorts(lines, usage, later.rows, later.site)
    distinct, codes = np.unique(lines.of_row[sorts][:, later.rows], return_inverse=True)
    of_column = codes.reshape(len(sorts), len(later.rows)).astype(np.int64)
    return Tight(sorts, of_column, lines.capacity[distinct], distinct.astype(np.int64))


class LaterPrices:
    """Anneals prices over lists.

    Args:
        later: the candidates.
        listed: of all groups.
        tight: the lines.
    """

    def __init__(self, later: Later, listed: Listed, tight: Tight) -> None:
        self._count = later.count
        self._usage = later.usage[:, tight.sorts]
        self._tight = tight
        self._listed = listed
        least = np.minimum(listed.wait, _least(listed.cost))
        self.scale: F64 = np.maximum(np.abs(least), 1e-9)
        lines = len(tight.capacity)
        self._alone = [len(np.unique(of_column)) == len(of_column) for of_column in tight.of_column]
        self._lines = lines

    def spokesmen(self, every: int) -> I64:
        """Groups that speak for others like them."""
        alike = np.lexsort((self.scale, *self._usage.T))
        return np.sort(alike[every // 2 :: every])

    def run(self, start: F64) -> F64:
        """Prices (L', T) at which what is wanted fits, nearly; from prices without time."""
        if not self._listed.cost.size or not len(self._tight.sorts):
            return start
        everybody = np.arange(len(self._count))
        some = self.spokesmen(_SPOKESMEN)
        rough = self.anneal(some if len(some) >= _FEW else everybody, ROUGH, start)
        return self.anneal(everybody, FINE, rough)

    def anneal(self, groups: I64, cooling: Cooling, start: F64) -> F64:
        """Go on from some prices.

        Args:
            groups: (G',) places on G of those that are looked at; they speak for all.
            cooling: the schedule.
            start: (L', T) USD.

        Returns:
            (L', T) the prices of the highest bound seen.
        """
        tight = self._tight
        share = self._count.sum() / max(1.0, self._count[groups].sum())
        kinds = [
            _Kind(members, self._listed, self._count * share, self.scale)
            for members in _alike(self._usage, groups)
        ]
        usage = np.array([self._usage[kind.groups[0]] for kind in kinds])
        steps = Steps(start, tight.capacity)
        best = Best(start)
        active = np.ones(len(tight.sorts), bool)
        columns, slots = tight.of_column.shape[1], tight.capacity.shape[1]
        for tau in cooling.taus():
            if tau == cooling.coldest and best.settled and not cooling.patient:
                break
            until = np.zeros((self._lines, slots + 1), np.float32)
            until[:, 1:] = np.cumsum(steps.prices, axis=1)
            by_column = until[tight.of_column].reshape(len(tight.sorts), -1)
            joint = joint_usage(usage, active)
            floor = -float((tight.capacity * steps.prices).sum())
            held = np.empty((len(kinds), columns * slots), np.float32)
            stiff = np.empty(len(kinds))
            for k, kind in enumerate(kinds):
                rent = usage[k].astype(np.float32) @ by_column
                least, stiff[k] = kind.take(rent, tau, held[k].reshape(columns, slots))
                floor += least
            best.see(floor, steps.prices)
            if best.lost:
                steps = Steps(best.prices, tight.capacity)
                continue
            wanted = self._by_line(usage.T.astype(np.float32) @ held)
            weights = (joint * stiff[:, None]).T.astype(np.float32)
            steps.turn(wanted, self._by_line(weights @ held))
            active = self._active(steps.prices, wanted)
        return best.prices

    def _by_line(self, amounts: F32) -> F64:
        """(L', T) from (Q', M * T)."""
        tight = self._tight
        slots = tight.capacity.shape[1]
        found = np.zeros((self._lines, slots))
        for q, alone in enumerate(self._alone):
            here = amounts[q].reshape(-1, slots)
            if alone:
                found[tight.of_column[q]] += here
            else:
                np.add.at(found, tight.of_column[q], here)
        return found

    def _active(self, prices: F64, wanted: F64) -> Mask:
        tight = np.any((prices > 0) | (wanted > self._tight.capacity), axis=1)
        found: Mask = tight[self._tight.of_column].any(axis=1)
        return found


class _Kind:
    """Groups that take the same of each line, and what their softmin needs."""

    def __init__(self, groups: I64, listed: Listed, count: F64, scale: F64) -> None:
        self.groups = groups
        self._count = count[groups]
        self._wait = listed.wait[groups]
        self._scale = scale[groups]
        self._cost = listed.cost[groups]
        slots = self._cost.shape[2]
        columns = listed.columns[groups]
        base = (columns * (slots + 1))[:, :, None]
        end = listed.end[groups]
        self._start = base + np.arange(slots)
        self._end = base + end
        self._lasts = (end - np.arange(slots)).astype(np.float32)
        # Ends at the last slot free nothing that is looked at.
        flat = columns.ravel()
        self._order = np.argsort(flat, kind="stable")
        self._columns, self._first = np.unique(flat[self._order], return_index=True)

    def take(self, rent: F32, tau: float, held: F32) -> tuple[float, float]:
        """What its workloads take at some prices.

        Args:
            rent: (M * (T + 1),) USD until each slot.
            tau: temperature.
            held: (M, T) to be filled: how many stand on each column in each slot.

        Returns:
            USD of the groups at best; how strongly what is held answers to prices, 1/USD.
        """
        groups, _, slots = self._cost.shape
        reduced = rent[self._end]
        reduced -= rent[self._start]
        reduced += self._cost
        flat = reduced.reshape(groups, -1)
        least = np.minimum(self._wait, flat.min(axis=1))
        heat = tau * self._scale
        np.subtract(least[:, None].astype(np.float32), flat, out=flat)
        flat *= (1 / heat)[:, None].astype(np.float32)
        np.exp(flat, out=flat)
        out = np.exp((least - self._wait) / heat)
        each = self._count / (flat.sum(axis=1, dtype=np.float64) + out)
        flat *= each[:, None].astype(np.float32)
        total = np.einsum("gnt,gnt->g", reduced, self._lasts)
        stiff = float((total / heat).sum() / max(1e-30, float(total.sum())))
        lasts = np.einsum("gnt,gnt->", reduced, self._lasts * self._lasts)
        stiff *= float(lasts) / max(1e-30, float(total.sum()))
        begun = np.add.reduceat(reduced.reshape(-1, slots)[self._order], self._first, axis=0)
        over = np.bincount(self._end.ravel(), weights=flat.ravel(), minlength=len(rent))
        change = -over.reshape(-1, slots + 1)[:, :slots]
        change[self._columns] += begun
        # Starts and ends do not cancel to the last digit in single precision.
        held[:] = np.cumsum(change, axis=1)
        held[held < _RESIDUE] = 0.0
        return float(self._count @ least), stiff


def _alike(usage: F64, groups: I64) -> list[I64]:
    _, codes = np.unique(usage[groups], axis=0, return_inverse=True)
    codes = codes.ravel()
    order = np.argsort(codes, kind="stable")
    parts = np.split(groups[order], np.flatnonzero(np.diff(codes[order])) + 1)
    return [part for part in parts if len(part)]


def _least(cost: F32) -> F64:
    least: F64 = cost.reshape(len(cost), -1).min(axis=1, initial=np.inf).astype(np.float64)
    return least
