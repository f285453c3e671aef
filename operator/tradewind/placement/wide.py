"""Rounds with very many candidates: prices by matrix products, and a choice that looks at few rows.

A thousand sites times three classes are 3,000 candidates for each of 2,000 groups, and nearly all
of them are never chosen. Prices are annealed as in `prices.py`, in single precision, a block of
groups at a time so that a block stays in the processor's cache. While it is hot, every eighth group
speaks for eight: which group costs what on which row hardly matters yet, only the level of prices.

Only without later starts; see `later.py` for those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewind.placement.board import Board
from tradewind.placement.lines import UNITS
from tradewind.placement.market import Lines, Market
from tradewind.placement.prices import Best, Cooling, Steps, joint_usage, tight_sorts
from tradewind.placement.solver import by_size
from tradewind.placement.table import F64, I64

F32 = NDArray[np.float32]

#: As good as the best: so much of its scale a group may lose by taking what it finds first. More
#: than in `solver.py`: prices are less sure, and nothing is repaired.
NEAR = 0.03

#: How many of a group's best rows are looked at before all of them are.
SHORT_LIST = 48

#: While a part of the groups speaks for all of them, and after that.
ROUGH = Cooling(steps=36, hottest=1.0, coldest=0.02, hold=0)
FINE = Cooling(steps=20, hottest=0.02, coldest=0.003, hold=60)
_SPOKESMEN = 8
# Groups in a block: with 3,000 rows in single precision 0.8 MB.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Wide:
    """A market of all rows, at one start.

    Args:
        count: (G,) workloads.
        wait: (G,) USD: what leaving one unplaced counts.
        usage: (G, Q).
        rows: (M,) places on R, rising: rows that are nobody's candidate are left out.
        cost: (G, M) USD, single precision; infinite where there is no candidate.
        lines: capacity, (L, 1).
        sorts: places on Q of the lines that may run short; None: all may.
        blocks: B slices of M; none: all of it is one.
        lasts: (G, B) how often a workload takes `usage` in a block; none: once.
    """

    count: F64
    wait: F64
    usage: F64
    rows: I64
    cost: NDArray[Any]
    lines: Lines
    sorts: I64 | None = None
    blocks: Sequence[slice] = ()
    lasts: F64 | None = None

    @property
    def of_row(self) -> I64:
        """(Q, M) the line of each sort that a candidate takes from."""
        return self.lines.of_row[:, self.rows]

    @property
    def tight(self) -> I64:
        """Places on Q of the lines that may run short."""
        found: I64 = np.flatnonzero(self.usage.any(axis=0)) if self.sorts is None else self.sorts
        return found

    @property
    def market(self) -> Market:
        """The same as a market whose candidates are the rows; nothing is copied."""
        shape = self.cost.shape
        one = np.ones((1, 1), np.int64)
        return Market(
            count=self.count,
            wait=self.wait,
            usage=self.usage,
            row=np.broadcast_to(self.rows, shape),
            slot=np.broadcast_to(0 * one, shape),
            end=np.broadcast_to(one, shape),
            cost=self.cost,
            lines=self.lines,
        )


class Prices:
    """Anneals the prices of a wide market.

    Args:
        wide: the market.
    """

    def __init__(self, wide: Wide) -> None:
        self._wide = wide
        self._capacity = wide.lines.capacity
        self._of_row = wide.of_row
        least = np.minimum(wide.wait, wide.cost.min(axis=1, initial=np.inf))
        self._scale = np.maximum(np.abs(least), 1e-9)
        self._sorts = wide.tight

    def run(self, fine: Cooling = FINE) -> F64:
        """Prices (L, 1) at which what is wanted fits, nearly.

        Args:
            fine: the schedule in which all groups are looked at.
        """
        wide = self._wide
        prices = np.zeros(self._capacity.shape)
        # In the order of what they cost at best: whoever speaks for others is like them.
        alike = np.lexsort((self._scale, *wide.usage.T))
        some, everybody = alike[_SPOKESMEN // 2 :: _SPOKESMEN], np.arange(len(wide.count))
        if len(some) >= _BLOCK:
            share = wide.count.sum() / max(1.0, wide.count[some].sum())
            prices = self.anneal(some, share, ROUGH, prices)
        else:
            prices = self.anneal(everybody, 1.0, ROUGH, prices)
        return self.anneal(everybody, 1.0, fine, prices)

    def anneal(self, groups: I64, share: float, cooling: Cooling, start: F64) -> F64:
        """Go on from some prices.

        Args:
            groups: (G',) places on G of those that are looked at.
            share: how many stand behind each workload of theirs.
            cooling: the schedule.
            start: (L, 1) USD.

        Returns:
            (L, 1) the prices of the highest bound seen.
        """
        wide = self._wide
        steps = Steps(start, self._capacity)
        usage = wide.usage[groups][:, self._sorts]
        lasts = np.ones((len(groups), 1)) if wide.lasts is None else wide.lasts[groups]
        blocks = wide.blocks or (slice(None),)
        of_row = self._of_row[self._sorts]
        active = (steps.prices[of_row, 0] > 0).any(axis=1)
        usual = usage * lasts.mean(axis=1, keepdims=True)
        joint = joint_usage(usual, active)
        count, wait, scale = wide.count[groups] * share, wide.wait[groups], self._scale[groups]
        whole = len(groups) == len(wide.count)
        cost = wide.cost if whole else wide.cost[groups]
        best = Best(start)
        # One piece of memory for all blocks: to be given a new one takes as long as a sum over it.
        space = np.empty((min(_BLOCK, len(groups)), cost.shape[1]), np.float32)
        for tau in cooling.taus():
            if tau == cooling.coldest and best.settled and not cooling.patient:
                break
            heat = tau * scale
            floor = -float((self._capacity * steps.prices).sum())
            rents = steps.prices[of_row, 0].astype(np.float32)
            taken = np.zeros((2 * len(self._sorts), cost.shape[1]), np.float32)
            for first in range(0, len(groups), _BLOCK):
                block = slice(first, first + _BLOCK)
                reduced = space[: len(count[block])]
                for b, columns in enumerate(blocks):
                    each = (usage[block] * lasts[block, b : b + 1]).astype(np.float32)
                    np.matmul(each, rents[:, columns], out=reduced[:, columns])
                reduced += cost[block]
                least = np.minimum(wait[block], reduced.min(axis=1))
                floor += float(count[block] @ least)
                np.subtract(least[:, None].astype(np.float32), reduced, out=reduced)
                reduced *= (1 / heat[block])[:, None].astype(np.float32)
                np.exp(reduced, out=reduced)
                out = np.exp((least - wait[block]) / heat[block])
                each = (count[block] / (reduced.sum(axis=1) + out))[:, None]
                weights = (usage[block] * each, joint[block] * (each / heat[block, None]))
                for b, columns in enumerate(blocks):
                    both = np.concatenate(
                        [weight * lasts[block, b : b + 1] for weight in weights], axis=1
                    )
                    taken[:, columns] += both.T.astype(np.float32) @ reduced[:, columns]
            best.see(floor, steps.prices)
            wanted, curvature = self._by_line(taken.astype(np.float64))
            steps.turn(wanted, curvature)
            tight = tight_sorts(wide.lines, steps.prices, wanted)[self._sorts]
            if not np.array_equal(tight, active):
                active, joint = tight, joint_usage(usual, tight)
        return best.prices

    def _by_line(self, taken: F64) -> tuple[F64, F64]:
        """(L, 1) each: what is taken, and its curvature."""
        found = np.zeros((2, len(self._capacity)))
        for place, q in enumerate(self._sorts.tolist()):
            line = self._of_row[q]
            for kind in (0, 1):
                amounts = taken[kind * len(self._sorts) + place]
                found[kind] += np.bincount(line, weights=amounts, minlength=found.shape[1])
        return found[0][:, None], found[1][:, None]


class Choosing:
    """Places the groups of a wide market on a board, by prices.

    Args:
        wide: the market.
        board: of `wide.market`, empty.
        prices: (L, 1) USD.
    """

    def __init__(self, wide: Wide, board: Board, prices: F64) -> None:
        self._wide = wide
        self._board = board
        self._of_row = wide.of_row
        rents = prices[self._of_row, 0].astype(np.float32)
        self._reduced: F32 = wide.usage.astype(np.float32) @ rents
        self._reduced += wide.cost
        self._left: list[int] = wide.count.astype(np.int64).tolist()
        # Plain numbers for the many questions of one row, arrays for those of all rows.
        self._room = wide.lines.capacity[:, 0].copy()
        self._lines: list[list[int]] = self._of_row.T.tolist()
        tight = wide.tight.tolist()
        self._takes = [[(q, row[q]) for q in tight if row[q] > 0] for row in wide.usage.tolist()]

    def run(self) -> None:
        """Near-best rows first, then whatever is better than waiting, then whatever has room."""
        if not self._reduced.shape[1]:
            return
        order = self._near_best()
        gain = self._wide.wait - self._reduced.min(axis=1)
        share = gain / np.maximum(np.abs(self._wide.wait), 1e-9)
        rank = {group: place for place, group in enumerate(order)}
        for group in order:
            if self._left[group] and gain[group] > 0:
                self._anywhere(group, float(self._wide.wait[group]))
        left = [group for group, count in enumerate(self._left) if count]
        for group in sorted(left, key=lambda g: (-share[g], rank[g])):
            self._anywhere(group, np.inf)

    def _near_best(self) -> list[int]:
        """Let groups have what is as good as their best; the order in which they chose."""
        wide, width = self._wide, min(SHORT_LIST, self._reduced.shape[1])
        rows = np.argpartition(self._reduced, width - 1, axis=1)[:, :width]
        values = np.take_along_axis(self._reduced, rows, axis=1)
        # By value, then by row: equal costs are told apart by name only.
        ranks = np.lexsort((rows, values), axis=1)
        rows = np.take_along_axis(rows, ranks, axis=1)
        values = np.take_along_axis(values, ranks, axis=1)
        near = np.minimum(values[:, 0], wide.wait) + NEAR * self._wide.market.scale
        reach = (values <= near[:, None]).sum(axis=1).tolist()
        # Of groups of a size those go first that lose most, a unit, by coming late.
        loses = np.minimum(values[:, -1], 2 * wide.wait) - np.minimum(values[:, 0], wide.wait)
        order = by_size(wide.market, loses / np.maximum(1.0, wide.usage[:, UNITS]))
        for group in order:
            for row in rows[group, : reach[group]].tolist():
                if not self._left[group]:
                    break
                self._put(group, row)
        return order

    def _anywhere(self, group: int, below: float) -> None:
        """Let a group have what is left, up to a reduced cost."""
        there = self._reduced[group] < below
        there &= np.isfinite(self._wide.cost[group])
        for q, amount in self._takes[group]:
            there &= self._room[self._of_row[q]] >= amount
        rows = np.flatnonzero(there)
        for row in rows[np.argsort(self._reduced[group, rows], kind="stable")].tolist():
            if not self._left[group]:
                break
            self._put(group, row)

    def _put(self, group: int, row: int) -> None:
        lines, room = self._lines[row], self._room
        for q, amount in self._takes[group]:
            if room[lines[q]] < amount:
                return
        count = self._board.put(group, row, self._left[group])
        if count:
            self._left[group] -= count
            for q, amount in self._takes[group]:
                room[lines[q]] -= count * amount
