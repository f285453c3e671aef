"""Who gets what of a round that competes? Small rounds in one market, large ones by matrices."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from tradewind.placement.board import Board
from tradewind.placement.capacity import Ledger
from tradewind.placement.contest import Case
from tradewind.placement.feasibility import Evaluator
from tradewind.placement.later import Later
from tradewind.placement.later_choice import LaterChoosing
from tradewind.placement.later_lists import lists_of
from tradewind.placement.later_prices import LaterPrices, tight_of
from tradewind.placement.limits import Limits
from tradewind.placement.market import Carried
from tradewind.placement.markets import (
    lines_of,
    market_of,
    sorts_of,
    stake_of,
    starts_of,
    wide_of,
    widest,
)
from tradewind.placement.prices import clearing_prices
from tradewind.placement.repacking import Effort
from tradewind.placement.snapshot import WorkloadView
from tradewind.placement.solver import QUICK, REPACK_STEPS, SEARCHED, solve
from tradewind.placement.wide import Choosing, Prices

#: A place on R', a start slot, and how many workloads of a case go there.
Choice = tuple[int, int, int]
Choices = list[list[Choice]]

# With later starts a group's best candidates compete; whoever finds no room there competes again.
_PASSES = 4
# How often short lists are drawn anew, by the prices that the last ones led to.
_GENERATIONS = 2


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
    if is_large(cases, evaluator):
        if at_once:
            return _widely(cases, evaluator, ledger, limits)
        return _widely_over_time(cases, evaluator, ledger, limits, running)
    sorts = sorts_of(cases, evaluator)
    lines = lines_of(cases, sorts, evaluator, ledger, running)
    choices: Choices = [[] for _ in cases]
    left = [len(case.group.members) for case in cases]
    starts = len(starts_of(cases))
    for _ in range(_PASSES):
        places = [place for place, count in enumerate(left) if count]
        part = [cases[place] for place in places]
        counts = [left[place] for place in places]
        carried: Carried | None = None
        for _ in range(_GENERATIONS if starts > 1 else 0):
            market, _, _ = market_of(part, counts, sorts, lines, carried)
            if market.cost.shape[1] < widest(len(part)):
                break  # all there are
            prices = clearing_prices(market, QUICK, carried.prices if carried else None)
            carried = Carried(prices, lines, starts_of(part))
        market, stakes, slots = market_of(part, counts, sorts, lines, carried)
        effort = Effort(REPACK_STEPS) if market.count.sum() <= SEARCHED else None
        board = Board(evaluator.table, ledger, limits, market, stakes, effort=effort)
        solve(market, board, carried.prices if carried else None)
        for (group, candidate), count in board.placed.items():
            place, slot = int(stakes[group].places[candidate]), int(slots[group][candidate])
            choices[places[group]].append((place, slot, count))
            left[places[group]] -= count
        if not any(left) or not board.placed or market.cost.shape[1] < widest(len(part)):
            break
        lines = board.left
    return choices


def is_large(cases: Sequence[Case], evaluator: Evaluator) -> bool:
    """Whether matrices are worth their while."""
    return len(cases) * evaluator.table.rows >= evaluator.config.large_round


def _widely(cases: Sequence[Case], evaluator: Evaluator, ledger: Ledger, limits: Limits) -> Choices:
    sorts = sorts_of(cases, evaluator)
    rows = evaluator.table.rows
    wide = wide_of(cases, sorts, sorts.lines(ledger), rows)
    if not len(wide.rows):
        return [[] for _ in cases]
    market = wide.market
    stakes = []
    for case in cases:
        places = np.zeros(rows, np.int64)
        places[case.found.rows] = np.arange(len(case.found.rows))
        stakes.append(stake_of(case, places[wide.rows]))
    board = Board(evaluator.table, ledger, limits, market, stakes)
    Choosing(wide, board, Prices(wide).run()).run()
    choices: Choices = [[] for _ in cases]
    for (group, row), count in board.placed.items():
        choices[group].append((int(stakes[group].places[row]), 0, count))
    return choices


def _widely_over_time(
    cases: Sequence[Case],
    evaluator: Evaluator,
    ledger: Ledger,
    limits: Limits,
    running: Sequence[WorkloadView],
) -> Choices:
    sorts = sorts_of(cases, evaluator)
    lines = lines_of(cases, sorts, evaluator, ledger, running)
    if not any(len(case.found.rows) for case in cases):
        return [[] for _ in cases]
    later = Later(cases, evaluator, sorts, lines)
    tight = tight_of(later)
    lists = lists_of(later, tight)
    everybody = np.arange(len(cases))
    listed = later.listed(everybody, lists.columns)
    prices = LaterPrices(later, listed, tight).run(lists.prices)
    stakes = [
        stake_of(case, np.maximum(0, places))
        for case, places in zip(cases, later.place, strict=True)
    ]
    board = Board(evaluator.table, ledger, limits, later.present(listed.wait), stakes)
    choosing = LaterChoosing(later, listed, tight, prices, board)
    choosing.run()
    for case in cases:
        case.pairs = partial(evaluator.at_starts, case.found, len(case.starts_s))
    return [
        [(int(later.place[g, column]), slot, count) for column, slot, count in chosen]
        for g, chosen in enumerate(choosing.chosen)
    ]
