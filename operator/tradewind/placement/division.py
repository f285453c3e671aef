"""Who gets what of a round that competes? Small rounds in one market, large ones by matrices."""

from collections.abc import Sequence

import numpy as np

from tradewind.placement.board import Board
from tradewind.placement.capacity import Ledger
from tradewind.placement.contest import Case, market_of, sorts_of, stake_of, wide_of
from tradewind.placement.feasibility import Evaluator
from tradewind.placement.limits import Limits
from tradewind.placement.repacking import Effort
from tradewind.placement.snapshot import WorkloadView
from tradewind.placement.solver import REPACK_STEPS, SEARCHED, solve
from tradewind.placement.wide import Choosing, Prices

#: A place on R', a start slot, and how many workloads of a case go there.
Choice = tuple[int, int, int]
Choices = list[list[Choice]]

#: Groups times rows from which matrices are worth their while.
_LARGE = 40_000


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
        return _widely(cases, evaluator, ledger, limits)
    market, stakes, slots = market_of(cases, evaluator, ledger, running)
    effort = Effort(REPACK_STEPS) if market.count.sum() <= SEARCHED else None
    board = Board(evaluator.table, ledger, limits, market, stakes, effort=effort)
    solve(market, board)
    choices: Choices = [[] for _ in cases]
    for (group, candidate), count in board.placed.items():
        place, slot = int(stakes[group].places[candidate]), int(slots[group][candidate])
        choices[group].append((place, slot, count))
    return choices


def _widely(cases: Sequence[Case], evaluator: Evaluator, ledger: Ledger, limits: Limits) -> Choices:
    sorts = sorts_of(cases, evaluator)
    rows = evaluator.table.rows
    wide = wide_of(cases, sorts, sorts.lines(ledger), rows)
    market = wide.market
    stakes = []
    for case in cases:
        places = np.zeros(rows, np.int64)
        places[case.found.rows] = np.arange(len(case.found.rows))
        stakes.append(stake_of(case, places))
    board = Board(evaluator.table, ledger, limits, market, stakes)
    Choosing(wide, board, Prices(wide).run()).run()
    choices: Choices = [[] for _ in cases]
    for (group, row), count in board.placed.items():
        choices[group].append((int(stakes[group].places[row]), 0, count))
    return choices
