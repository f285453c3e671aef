"""Who gets what of a round that competes? Small rounds in one market, large ones by short lists."""

from collections.abc import Sequence
from itertools import count as count_from

import numpy as np

from tradewind.placement.board import Board
from tradewind.placement.capacity import Ledger
from tradewind.placement.contest import Case, market_of, sorts_of, stake_of, wide_of
from tradewind.placement.feasibility import Evaluator
from tradewind.placement.limits import Limits
from tradewind.placement.repacking import Effort
from tradewind.placement.snapshot import WorkloadView
from tradewind.placement.solver import REPACK_STEPS, SEARCHED, solve
from tradewind.placement.wide import FINE, coarse_prices, short_list

#: A place on R', a start slot, and how many workloads of a case go there.
Choice = tuple[int, int, int]
Choices = list[list[Choice]]

#: Groups times rows from which short lists are drawn.
_LARGE = 40_000
# Each pass takes what is left of the one before. After so many, groups may have what nobody wanted,
# pass by pass, until nobody is left for whom there is room.
_BY_PRICE = 2


def divide(
    cases: Sequence[Case],
    evaluator: Evaluator,
    ledger: Ledger,
    limits: Limits,
    *,
    running: Sequence[WorkloadView] = (),
) -> Choices:
    """Place the cases of a round on the ledger.

    Args:
        cases: as the round finds them.
        evaluator: of the cycle.
        ledger: what starts now is taken from it.
        limits: likewise.
        running: what may have ended before a later start.
    """
    at_once = all(len(case.starts_s) == 1 for case in cases)
    if at_once and len(cases) * evaluator.table.rows >= _LARGE:
        return _by_short_lists(cases, evaluator, ledger, limits)
    market, stakes, slots = market_of(cases, evaluator, ledger, running)
    effort = Effort(REPACK_STEPS) if market.count.sum() <= SEARCHED else None
    board = Board(evaluator.table, ledger, limits, market, stakes, effort=effort)
    solve(market, board)
    choices: Choices = [[] for _ in cases]
    for (group, candidate), count in board.placed.items():
        place, slot = int(stakes[group].places[candidate]), int(slots[group][candidate])
        choices[group].append((place, slot, count))
    return choices


def _by_short_lists(
    cases: Sequence[Case], evaluator: Evaluator, ledger: Ledger, limits: Limits
) -> Choices:
    sorts = sorts_of(cases, evaluator)
    wide = wide_of(cases, sorts, sorts.lines(ledger), evaluator.table.rows)
    found: list[dict[int, int]] = [{} for _ in cases]
    for turn in count_from(0):
        groups = np.flatnonzero((wide.count > 0) & np.isfinite(wide.cost).any(axis=1))
        if not groups.size:
            break
        part = wide.only(groups)
        prices = coarse_prices(part)
        market = short_list(part, prices)
        stakes = [
            stake_of(cases[g], np.searchsorted(cases[g].found.rows, rows))
            for g, rows in zip(groups.tolist(), market.row, strict=True)
        ]
        board = Board(evaluator.table, ledger, limits, market, stakes)
        solve(market, board, cooling=FINE, start=prices, fill=turn >= _BY_PRICE)
        for (group, candidate), count in board.placed.items():
            g = int(groups[group])
            place = int(stakes[group].places[candidate])
            found[g][place] = found[g].get(place, 0) + count
            wide.count[g] -= count
        if turn >= _BY_PRICE:  # whoever is left has tried all of these
            wide.cost[groups[:, None], market.row] = np.inf
        wide = wide.left(sorts.lines(ledger))
    return [[(place, 0, count) for place, count in chosen.items()] for chosen in found]
