"""What is capacity worth? Prices of lines at which as much is wanted as there is.

The dual of the placement LP (workloads of a group to candidates, lines as capacities, leaving a
workload unplaced at a stated cost): prices y >= 0 that maximise

    sum over groups of count * min(wait, min over candidates of cost + rent(y))  -  capacity * y

Every y is a lower bound on what any plan can cost (weak duality). The minimum is smoothed to a
softmin of temperature tau * scale, and tau is lowered step by step (annealing): the derivative of
a smoothed dual is what is taken of a line less what it has, so prices of lines that are overdrawn
go up and others go down, by

    scale of the line * log(taken / capacity) + momentum,

which near the optimum is a Newton step on the diagonal. The curvature that divides it counts the
other lines that the same workloads pay (Gershgorin), else the lines of one row would all answer to
the same excess, and overshoot together. HiGHS finds the same optimum (designs/0002-prices.md), in a
hundred times the time.
"""

from dataclasses import dataclass

import numpy as np

from tradewind.placement.market import Market, taken
from tradewind.placement.table import F64

#: How cold it gets: below a third of a percent of a group's cost nobody chooses by price.
COLDEST = 0.003

_MOST_STEP = 2.0
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Cooling:
    """An annealing schedule.

    Args:
        steps: how often prices are changed.
        hottest: tau of the first step.
        coldest: tau of the last.
        momentum: share of the last step that is taken again.
        hold: further steps at the coldest.
    """

    steps: int = 40
    hottest: float = 1.0
    coldest: float = COLDEST
    momentum: float = 0.7
    hold: int = 40

    def taus(self) -> list[float]:
        """The temperatures, in order."""
        falling = np.geomspace(self.hottest, self.coldest, self.steps).tolist()
        return [*falling, *[self.coldest] * self.hold]


def bound(market: Market, prices: F64) -> float:
    """USD that no plan of these candidates can be below."""
    reduced = (market.cost + market.rents(prices)).min(axis=1, initial=np.inf)
    least = np.minimum(market.wait, reduced)
    return float(market.count @ least - (market.lines.capacity * prices).sum())


class Steps:
    """Changes prices by what is taken; keeps the momentum.

    Args:
        prices: (L, T) to begin with.
        capacity: (L, T).
        momentum: see `Cooling`.
    """

    def __init__(self, prices: F64, capacity: F64, momentum: float) -> None:
        self.prices = prices
        self._capacity = np.maximum(capacity, _NOTHING)
        self._momentum = momentum
        self._last = np.zeros_like(prices)

    def turn(self, wanted: F64, curvature: F64) -> None:
        """One step.

        Args:
            wanted: (L, T) what is taken at these prices.
            curvature: (L, T) how much less is taken for each USD more, an upper bound.
        """
        asked = wanted > _NOTHING
        with np.errstate(over="ignore"):
            size = np.where(asked, wanted / np.maximum(curvature, 1e-300), 0.0)
        excess = np.log(np.maximum(wanted, _NOTHING) / self._capacity)
        step = size * np.clip(excess, -_MOST_STEP, _MOST_STEP) + self._momentum * self._last
        after = np.where(asked, np.maximum(0.0, self.prices + step), 0.0)
        self._last = after - self.prices
        self.prices = after


def clearing_prices(market: Market, cooling: Cooling, start: F64 | None = None) -> F64:
    """Prices (L, T) of the lines at which what is wanted fits, nearly.

    Args:
        market: its candidates; all of them, or a short list.
        cooling: the schedule.
        start: prices to begin with; None: zero.
    """
    capacity = market.lines.capacity
    begin = np.zeros(capacity.shape) if start is None else start
    if not market.cost.size:
        return begin
    steps = Steps(begin, capacity, cooling.momentum)
    scale = market.scale
    joint = market.usage * market.usage.sum(axis=1, keepdims=True)
    lasts = market.end - market.slot
    for tau in cooling.taus():
        heat = tau * scale
        reduced = market.cost + market.rents(steps.prices)
        least = np.minimum(market.wait, reduced.min(axis=1))
        weight = np.exp((least[:, None] - reduced) / heat[:, None])
        out = np.exp((least - market.wait) / heat)
        amounts = weight * (market.count / (weight.sum(axis=1) + out))[:, None]
        steps.turn(
            taken(market, amounts, market.usage),
            taken(market, amounts * lasts, joint / heat[:, None]),
        )
    return steps.prices
