"""Divide capacity among groups: by price, then by hand, and exactly where little competes.

1. Prices of lines at which what is wanted fits, nearly (`prices.py`).
2. Groups choose by reduced cost, cost plus rent: the largest gangs first, because small ones fill
   the gaps. First what is as good as their best, then whatever still has room.
3. Repair: workloads go over to cheaper candidates that have room after all.
4. Where few workloads compete, a search improves on that until nothing better is left, or its
   budget is spent. It cuts branches by the bound that the prices give.

Order and names decide between equals only.
"""

from dataclasses import dataclass

import numpy as np

from tradewind.placement.board import Board, Moment
from tradewind.placement.lines import UNITS
from tradewind.placement.market import Market
from tradewind.placement.prices import Cooling, bound, clearing_prices
from tradewind.placement.table import F64, I64

#: As good as the best: so much of its scale a group may lose by taking what it finds first.
NEAR = 0.01

#: The search looks at so many placements at most; 1 costs about 30 µs.
SEARCH_STEPS = 4000
#: Where few compete, sites are packed anew for a gang that does not fit at once; 1 costs 10 µs.
REPACK_STEPS = 10000
#: How many moves are tried, and how many candidates for each group; most have no room, at 20 µs.
REPAIR_TRIES = 2000
REPAIR_WIDTH = 8
_NOTHING_USD = 1e-9
#: More workloads than this are not searched: the steps would not reach round once.
SEARCHED = 40

#: Prices of small markets are cheap: they may take their time.
THOROUGH = Cooling(steps=60, hottest=2.0, coldest=0.001, hold=60)
#: From prices that are nearly right.
REFINED = Cooling(steps=20, hottest=0.03, coldest=0.002, hold=40)
#: Only to draw short lists by.
QUICK = Cooling(steps=30, hottest=1.0, coldest=0.02, hold=0)


def solve(market: Market, board: Board, start: F64 | None = None) -> F64:
    """Place the groups of a market on the board.

    Args:
        market: its candidates.
        board: empty.
        start: (L, T) USD, prices that are nearly right already; None: there are none.

    Returns:
        (L, T) USD, the prices of the lines.
    """
    prices = clearing_prices(market, THOROUGH if start is None else REFINED, start)
    reduced = np.round(market.cost + market.rents(prices), 9)
    empty = board.now()
    choose(market, board, reduced)
    fill_up(market, board, reduced)
    repair(market, board)
    if market.count.sum() <= SEARCHED:
        _Search(market, board, reduced, bound(market, prices)).run(empty)
    return prices


def by_size(market: Market, urgency: F64 | None = None) -> list[int]:
    """Groups in the order in which they choose: those that need the rarest room first.

    Args:
        market: of the groups.
        urgency: (G,) of groups of one size the greatest goes first; None: in their own order.
    """
    # The last sorts of lines are those of the largest pods; see `lines.py`.
    keys = [-market.usage[:, q] for q in range(market.usage.shape[1])]
    if urgency is not None:
        keys = [-urgency, -market.usage[:, UNITS], keys[-1]]
    order: list[int] = np.lexsort(keys).tolist() if keys else list(range(len(market.count)))
    return order


def choose(market: Market, board: Board, reduced: F64) -> None:
    """Let groups take what is as good as their best, rent included, or better than waiting."""
    near = np.minimum(reduced.min(axis=1, initial=np.inf), market.wait) + NEAR * market.scale
    order = np.argsort(reduced, axis=1, kind="stable")
    reach = (reduced <= near[:, None]).sum(axis=1)
    left = market.count.astype(np.int64)
    for group in by_size(market):
        for candidate in order[group, : reach[group]].tolist():
            if not left[group]:
                break
            left[group] -= board.put(group, candidate, int(left[group]))


def fill_up(market: Market, board: Board, reduced: F64) -> None:
    """Let groups take whatever still has room; first those for which waiting would be dearest."""
    left = board.unplaced()
    gain = (market.wait - reduced.min(axis=1, initial=np.inf)) / market.scale
    rank = {group: place for place, group in enumerate(by_size(market))}
    for group in sorted(np.flatnonzero(left).tolist(), key=lambda g: (-gain[g], rank[g])):
        for candidate in np.argsort(reduced[group], kind="stable").tolist():
            if not left[group] or not np.isfinite(market.cost[group, candidate]):
                break
            left[group] -= board.put(group, candidate, int(left[group]))


def repair(market: Market, board: Board) -> None:
    """Move workloads to cheaper candidates that have room; those that lose most go first."""
    least = market.cost.min(axis=1, initial=np.inf)
    losses = sorted(
        (float(least[group] - market.cost[group, candidate]), group, candidate)
        for group, candidate in board.placed
    )
    tries = REPAIR_TRIES
    for loss, group, candidate in losses:
        if tries <= 0 or loss >= -_NOTHING_USD:
            return
        cost = market.cost[group, candidate]
        better = np.flatnonzero(market.cost[group] < cost - 1e-9)
        order = better[np.argsort(market.cost[group, better], kind="stable")]
        for other in order[:REPAIR_WIDTH].tolist():
            if tries <= 0 or (group, candidate) not in board.placed:
                break
            tries -= 1
            board.move(group, candidate, other)


@dataclass(slots=True)
class _Best:
    """The cheapest plan that has been seen."""

    cost: float
    moment: Moment


class _Search:
    """Depth first over workloads, the largest first; equals are tried in one order only.

    Args:
        market: with few workloads.
        board: with a plan on it; the better one is on it in the end.
        reduced: (G, M) cost and rent.
        floor: USD that no plan is below.
    """

    def __init__(self, market: Market, board: Board, reduced: F64, floor: float) -> None:
        self._market = market
        self._board = board
        self._reduced = reduced
        self._floor = floor
        self._least = np.minimum(market.wait, reduced.min(axis=1, initial=np.inf))
        self._order: I64 = np.argsort(reduced, axis=1, kind="stable")
        self._queue = [group for group in by_size(market) for _ in range(int(market.count[group]))]
        self._steps = SEARCH_STEPS
        self._best = _Best(board.cost(), board.now())

    def run(self, empty: Moment) -> None:
        """Search, and leave the best plan on the board."""
        if self._best.cost <= self._floor + self._tolerance:
            return
        self._board.restore(empty)
        self._look(0, 0, self._floor, 0.0)
        self._board.restore(self._best.moment)

    @property
    def _tolerance(self) -> float:
        return 1e-4 * abs(self._best.cost) + 1e-9

    def _look(self, depth: int, first: int, floor: float, cost: float) -> None:
        """Place workload `depth` and those after it; the first `first` candidates are behind it."""
        if depth == len(self._queue):
            if cost < self._best.cost - 1e-9:
                self._best = _Best(cost, self._board.now())
            return
        group = self._queue[depth]
        same = depth + 1 < len(self._queue) and self._queue[depth + 1] == group
        wait, least = float(self._market.wait[group]), float(self._least[group])
        waited = False
        for place in range(first, self._order.shape[1]):
            candidate = int(self._order[group, place])
            excess = float(self._reduced[group, candidate]) - least
            if not waited and wait - least < excess:
                waited = True
                self._leave(depth, floor, cost, group)
            if floor + excess >= self._best.cost - self._tolerance or self._steps <= 0:
                break
            self._steps -= 1
            moment = self._board.now()
            if self._board.put(group, candidate, 1) == 1:
                self._look(
                    depth + 1,
                    place if same else 0,
                    floor + excess,
                    cost + float(self._market.cost[group, candidate]),
                )
                self._board.restore(moment)
        if not waited:
            self._leave(depth, floor, cost, group)

    def _leave(self, depth: int, floor: float, cost: float, group: int) -> None:
        """Leave this workload and its equals that come after it unplaced."""
        count = 1
        while depth + count < len(self._queue) and self._queue[depth + count] == group:
            count += 1
        wait, least = float(self._market.wait[group]), float(self._least[group])
        floor += count * (wait - least)
        if floor < self._best.cost - self._tolerance:
            self._look(depth + count, 0, floor, cost + count * wait)
