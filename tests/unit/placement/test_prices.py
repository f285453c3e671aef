"""Annealed prices reach the bound that HiGHS finds for the same market, and never exceed it."""

import highspy
import numpy as np
import pytest

from tradewind.placement.lines import short_sorts
from tradewind.placement.market import Lines, Market
from tradewind.placement.prices import Cooling, bound, clearing_prices
from tradewind.placement.solver import THOROUGH
from tradewind.placement.wide import Prices, Wide

#: Longer than a planning cycle takes: what is looked for is whether they get there.
LONG = Cooling(steps=150, hottest=1.0, coldest=0.0002, hold=500, patient=True)


def market(seed: int, slots: int) -> Market:
    """Groups of gangs, more than the rows hold; with several slots in time, too."""
    luck = np.random.default_rng(seed)
    groups, rows = 24, 10
    pods = luck.choice([1, 1, 2, 4], groups)
    chips = luck.choice([1, 2, 4, 8], groups)
    whole = (chips == 8) * pods  # lines of single chips, and of nodes with eight
    row = np.repeat(np.arange(rows), slots)
    slot = np.tile(np.arange(slots), rows)
    lasts = luck.integers(1, 4, (groups, 1))
    hourly = luck.uniform(1, 3, rows)[row]
    cost = (pods * chips)[:, None] * lasts * hourly * luck.uniform(0.9, 1.1, (groups, rows * slots))
    nodes = luck.integers(1, 6, rows)
    capacity = np.concatenate((nodes * 8 + luck.integers(0, 16, rows), nodes)).astype(float)
    return Market(
        count=luck.integers(1, 8, groups).astype(float),
        wait=3 * cost.min(axis=1),
        usage=np.stack((pods * chips, whole), axis=1).astype(float),
        row=np.broadcast_to(row, cost.shape),
        slot=np.broadcast_to(slot, cost.shape),
        end=np.minimum(slots, slot + lasts),
        cost=cost,
        lines=Lines(
            np.stack((np.arange(rows), np.arange(rows) + rows)),
            np.repeat(capacity[:, None], slots, axis=1),
        ),
    )


def by_highs(asked: Market) -> float:
    """USD at the optimum of the placement LP."""
    model = highspy.Highs()
    model.silent()
    lines: dict[tuple[int, int], list[object]] = {}
    objective: list[object] = []
    for g, count in enumerate(asked.count.tolist()):
        left = model.addVariable(lb=0)
        objective.append(float(asked.wait[g]) * left)
        parts = [left]
        for m in range(asked.cost.shape[1]):
            x = model.addVariable(lb=0)
            parts.append(x)
            objective.append(float(asked.cost[g, m]) * x)
            for q, amount in enumerate(asked.usage[g].tolist()):
                line = int(asked.lines.of_row[q, asked.row[g, m]])
                for t in range(asked.slot[g, m], asked.end[g, m]) if amount else ():
                    lines.setdefault((line, t), []).append(amount * x)
        model.addConstr(model.qsum(parts) == count)
    for (line, t), takes in lines.items():
        model.addConstr(model.qsum(takes) <= float(asked.lines.capacity[line, t]))
    model.minimize(model.qsum(objective))
    assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(model.getInfo().objective_function_value)


@pytest.mark.parametrize("slots", [1, 5])
@pytest.mark.parametrize("seed", range(6))
def test_prices_reach_the_bound_of_the_lp(seed: int, slots: int) -> None:
    asked = market(seed, slots)
    best = by_highs(asked)
    found = bound(asked, clearing_prices(asked, LONG))
    assert best * 0.998 <= found <= best * (1 + 1e-9)
    quick = bound(asked, clearing_prices(asked, THOROUGH))
    assert best * 0.98 <= quick <= best * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_prices_by_matrices_reach_it_too(seed: int) -> None:
    asked = market(seed, 1)
    wide = Wide(
        count=asked.count,
        wait=asked.wait,
        usage=asked.usage,
        rows=np.arange(asked.cost.shape[1]),
        cost=asked.cost.astype(np.float32),
        lines=asked.lines,
    )
    prices = Prices(wide)
    found = prices.anneal(np.arange(len(asked.count)), 1.0, LONG, prices.run())
    best = by_highs(asked)
    assert best * 0.998 <= bound(asked, found) <= best * (1 + 1e-9)


def test_lines_that_chips_outlast_are_left_out() -> None:
    # Sorts: CPU, memory and chips of a site, chips of a row. In `short` a site has too little CPU.
    of_row = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    usage = np.array([[12.0, 64.0, 1.0, 1.0], [24.0, 64.0, 2.0, 2.0]])
    plenty = Lines(of_row, np.array([[120.0, 120, 900, 900, 1e15, 1e15, 8, 8]]).T)
    short = Lines(of_row, np.array([[120.0, 60, 900, 900, 1e15, 1e15, 8, 8]]).T)
    rows, sites = np.arange(2), np.arange(2)
    assert short_sorts(plenty, usage, rows, sites).tolist() == [3]
    assert short_sorts(short, usage, rows, sites).tolist() == [0, 3]
