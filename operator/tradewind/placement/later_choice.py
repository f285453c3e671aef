"""Who gets which start, by prices, where very many candidates compete?

As `wide.Choosing`, with time: groups have what is as good as their best, those that lose most by
coming late first; then whatever listed start is better than waiting; then whatever there is. What
starts now must fit the ledger. A later start only promises, so it is held against what the lines
have left in each slot until it has ended.
"""

import numpy as np
from numpy.typing import NDArray

from tradewind.placement.board import Board
from tradewind.placement.later import F32, Later, Listed
from tradewind.placement.later_prices import Tight
from tradewind.placement.lines import UNITS
from tradewind.placement.table import F64, I64, Mask

#: As good as the best: so much of its scale a group may lose by taking what it finds first. More
#: than in `solver.py`: prices over time are less sure.
NEAR = 0.08
# Runs of so many slots are long; of less, so many slots are alike.
_LONG_SLOTS, _ALIKE_SLOTS = 12, 3
#: How many of a group's best starts are looked at before all of them are.
_SHORT_LIST = 192
# In float64 a line may come out a hair above what it has.
_SLACK = 1e-6

#: A column, a start slot, and how many workloads of a group.
Chosen = tuple[int, int, int]


class LaterChoosing:
    """Places the groups of a round.

    Args:
        later: the candidates.
        listed: of all groups, those that are looked at first.
        tight: the lines.
        prices: (L', T) USD.
        board: for what starts now: its candidates are the columns.

    Attributes:
        chosen: of each group.
    """

    def __init__(
        self, later: Later, listed: Listed, tight: Tight, prices: F64, board: Board
    ) -> None:
        self._later = later
        self._listed = listed
        self._of_column = tight.of_column
        self._board = board
        self._usage = later.usage[:, tight.sorts]
        self._sizes = later.usage
        slots = prices.shape[1]
        until = np.zeros((len(prices), slots + 1), np.float32)
        np.cumsum(prices, axis=1, out=until[:, 1:])
        self._until: F32 = until[tight.of_column]  # (Q', M, T + 1)
        self._free = tight.capacity + _SLACK
        self._lines = tight.of_column.T.copy()  # (M, Q')
        self._left: list[int] = later.count.astype(np.int64).tolist()
        self._takes = [np.flatnonzero(row) for row in self._usage]
        self.chosen: list[list[Chosen]] = [[] for _ in self._left]

    def run(self) -> None:
        """Near-best starts first, then whatever is better than waiting, then whatever there is."""
        if not self._listed.cost.size:
            return
        order, gain = self._near_best()
        for group in order:
            if self._left[group]:
                self._among_listed(group)
        rank = {group: place for place, group in enumerate(order)}
        left = [group for group, count in enumerate(self._left) if count]
        for group in sorted(left, key=lambda g: (-gain[g], rank[g])):
            self._anywhere(group)

    def _near_best(self) -> tuple[list[int], F64]:
        listed = self._listed
        groups = len(listed.cost)
        reduced = np.empty((groups, listed.cost[0].size), np.float32)
        for group in range(groups):
            reduced[group] = self._reduced(group, listed.columns[group], listed, group).ravel()
        self._priced = reduced
        width = min(_SHORT_LIST, reduced.shape[1])
        places = np.argpartition(reduced, width - 1, axis=1)[:, :width]
        values = np.take_along_axis(reduced, places, axis=1)
        # By value, then by column and slot: equal costs are told apart by name and time only.
        ranks = np.lexsort((places, values), axis=1)
        places = np.take_along_axis(places, ranks, axis=1)
        values = np.take_along_axis(values, ranks, axis=1)
        least = np.minimum(values[:, 0], listed.wait)
        near = least + NEAR * np.maximum(np.abs(least), 1e-9)
        reach = (values <= near[:, None]).sum(axis=1).tolist()
        loses = np.minimum(values[:, -1], 2 * listed.wait) - least
        each = loses / np.maximum(1.0, self._sizes[:, UNITS])
        # The longest first: short runs fill the gaps, in time as in room.
        lasts = np.minimum(self._later.slots_held().max(axis=1), _LONG_SLOTS) // _ALIKE_SLOTS
        sizes = self._sizes[:, [UNITS, -1]]
        order: list[int] = np.lexsort((-each, *-sizes.T, -lasts)).tolist()
        slots = listed.cost.shape[2]
        for group in order:
            open_ = places[group, : reach[group]]
            if len(open_):
                fits = self._fits(group, listed.columns[group], listed.end[group]).ravel()
                self._take_in_turn(group, open_[fits[open_]], slots)
        gain: F64 = (listed.wait - values[:, 0]) / np.maximum(np.abs(listed.wait), 1e-9)
        return order, gain

    def _among_listed(self, group: int) -> None:
        """Let a group have what is left of its list, where that is better than waiting."""
        listed = self._listed
        there = self._fits(group, listed.columns[group], listed.end[group]).ravel()
        there &= self._priced[group] < listed.wait[group]
        places = np.flatnonzero(there)
        order = np.argsort(self._priced[group, places], kind="stable")
        self._take_in_turn(group, places[order], listed.cost.shape[2])

    def _anywhere(self, group: int) -> None:
        """Let a group have what is left anywhere."""
        columns = np.flatnonzero(self._later.place[group] >= 0)
        if not len(columns):
            return
        free = self._fits(group, columns, self._later.ends(group, columns))
        there = free.any(axis=1)
        columns, free = columns[there], free[there]
        if not len(columns):
            return
        listed = self._later.listed(np.array([group]), columns[None, :])
        free &= np.isfinite(listed.cost[0])
        reduced = self._reduced(group, columns, listed, 0).ravel()
        places = np.flatnonzero(free)
        slots = free.shape[1]
        for place in places[np.argsort(reduced[places], kind="stable")].tolist():
            if not self._left[group]:
                return
            at, slot = divmod(place, slots)
            self._put(group, int(columns[at]), slot, int(listed.end[0, at, slot]))

    def _take_in_turn(self, group: int, places: I64, slots: int) -> None:
        columns, ends = self._listed.columns[group], self._listed.end[group]
        for place in places.tolist():
            if not self._left[group]:
                return
            at, slot = divmod(place, slots)
            self._put(group, int(columns[at]), slot, int(ends[at, slot]))

    def _reduced(self, group: int, columns: I64, listed: Listed, at: int) -> F32:
        """(N, T) cost and rent."""
        usage = self._usage[group].astype(np.float32)
        rent = np.tensordot(usage, self._until[:, columns], axes=1)
        found: F32 = np.take_along_axis(rent, listed.end[at].astype(np.int64), axis=1)
        found -= rent[:, :-1]
        found += listed.cost[at]
        return found

    def _fits(self, group: int, columns: I64, end: NDArray[np.int32]) -> Mask:
        """(N, T) whether the lines have room for one from each slot until it has ended."""
        slots = end.shape[1]
        free = np.ones((len(columns), slots), bool)
        for q in self._takes[group].tolist():
            free &= self._free[self._of_column[q, columns]] >= self._usage[group, q]
        count = np.zeros((len(columns), slots + 1), np.int32)
        np.cumsum(free, axis=1, out=count[:, 1:])
        there = np.take_along_axis(count, end.astype(np.int64), axis=1) - count[:, :-1]
        found: Mask = there == end - np.arange(slots)
        return found

    def _put(self, group: int, column: int, slot: int, end: int) -> None:
        sorts = self._takes[group]
        limit = self._left[group]
        lines, amounts = self._lines[column, sorts], self._usage[group, sorts]
        if len(sorts):
            window = self._free[lines, slot:end].min(axis=1) // amounts
            limit = min(limit, int(window.min()))
        if limit > 0 and slot == 0:
            limit = self._board.put(group, column, limit)
        if limit <= 0:
            return
        if len(sorts):
            self._free[lines, slot:end] -= limit * amounts[:, None]
        self._left[group] -= limit
        self.chosen[group].append((column, slot, limit))
