"""What is capacity worth? Prices of lines at which as much is wanted as there is.

The dual of the placement LP (workloads of a group to candidates, lines as capacities, leaving a
workload unplaced at a stated cost): prices y >= 0 that maximise

    sum over groups of count * min(wait, min over candidates of cost + rent(y))  -  capacity * y

Every y is a lower bound on what any plan can cost (weak duality). The minimum is smoothed to a
softmin of temperature tau * scale, and tau is lowered step by step (annealing): the derivative of
a smoothed dual is what is taken of a line less what it has, so prices of lines that are overdrawn
go up and others go down, by

    scale of the line * log(taken / capacity)

and momentum; near the optimum that is a Newton step on the diagonal. The curvature that divides it
counts the other lines that the same workloads pay (Gershgorin), else the lines of one row would all
answer to the same excess, and overshoot together. HiGHS finds the same optimum, in a hundred times
the time (`tests/unit/placement/test_prices.py` holds them together).
"""

import math
from dataclasses import dataclass

import numpy as np

from tradewind.placement.market import Lines, Market, taken
from tradewind.placement.table import F64, Mask

#: How cold it gets: below a third of a percent of a group's cost nobody chooses by price.
COLDEST = 0.003

_MOST_STEP = 2.0
_MOST_MOMENTUM = 0.9
# So many steps that raise the bound by less than a two-thousandth are the last.
_SETTLED_STEPS = 6
_SETTLED = 5e-4
# A bound that is lower by so much of it is far below: waves on the way are smaller.
_ASTRAY = 0.02
# Gershgorin's bound is wide: a step may reach somewhat further. Twice as far it diverges.
_REACH = 1.25
_NOTHING = 1e-9
_FADES = 0.7
# Lines without a price are looked at in every so manieth step.
_LOOK_AROUND = 6


@dataclass(frozen=True, slots=True)
class Cooling:
    """An annealing schedule.

    Args:
        steps: how often prices are changed.
        hottest: tau of the first step.
        coldest: tau of the last.
        hold: further steps at the coldest.
        patient: whether to go on where steps gain next to nothing.
    """

    steps: int = 40
    hottest: float = 1.0
    coldest: float = COLDEST
    hold: int = 40
    patient: bool = False

    def taus(self) -> list[float]:
        """The temperatures, in order."""
        falling = np.geomspace(self.hottest, self.coldest, self.steps).tolist()
        return [*falling, *[self.coldest] * self.hold]


def bound(market: Market, prices: F64) -> float:
    """USD that no plan of these candidates can be below."""
    reduced = (market.cost + market.rents(prices)).min(axis=1, initial=np.inf)
    least = np.minimum(market.wait, reduced)
    return float(market.count @ least - (market.lines.capacity * prices).sum())


def joint_usage(usage: F64, active: Mask) -> F64:
    """What a workload takes of a line, times all that it takes of lines that can run short.

    Args:
        usage: (G, Q).
        active: (Q,) sorts of lines of which some have a price, or are overdrawn. Others do not
            answer to the same excess, and would only make every step smaller.

    Returns:
        (G, Q) for the curvature: Gershgorin's bound, with each sort in units of its usual use.

    >>> joint_usage(np.array([[2.0, 8.0]]), np.array([True, True])).tolist()
    [[8.0, 128.0]]
    """
    asked = np.maximum(1, (usage > 0).sum(axis=0))
    usual = np.maximum(usage.sum(axis=0) / asked, 1e-12)
    relative = usage / usual
    together = relative[:, active].sum(axis=1, keepdims=True)
    joint: F64 = usage * usual * np.where(active, together, together + relative)
    return joint


def tight_sorts(lines: Lines, prices: F64, wanted: F64) -> Mask:
    """(Q,) sorts of lines of which some have a price, or are overdrawn."""
    tight = np.any((prices > 0) | (wanted > lines.capacity), axis=1)
    found: Mask = tight[lines.of_row].any(axis=1)
    return found


class Steps:
    """Changes prices by what is taken; accelerated (Nesterov), and restarted where that overshoots.

    The restart is by O'Donoghue and Candes, "Adaptive restart for accelerated gradient schemes",
    Foundations of Computational Mathematics 15 (2015): when a step points against the momentum.

    Args:
        prices: (L, T) to begin with.
        capacity: (L, T).

    Attributes:
        prices: (L, T) at which what is taken is to be told next.
    """

    def __init__(self, prices: F64, capacity: F64) -> None:
        self.prices = prices
        self._capacity = np.maximum(capacity, _NOTHING)
        self._last = prices
        self._age = 1.0

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
        step = _REACH * size * np.clip(excess, -_MOST_STEP, _MOST_STEP)
        # What nobody asks for at this price may be wanted by many at none.
        after = np.where(asked, np.maximum(0.0, self.prices + step), _FADES * self.prices)
        moved = after - self._last
        age = (1 + math.sqrt(1 + 4 * self._age**2)) / 2
        share = min(_MOST_MOMENTUM, (self._age - 1) / age)
        if float((step * moved).sum()) < 0:
            age, share = 1.0, 0.0
        self.prices = np.maximum(0.0, after + share * moved)
        self._last, self._age = after, age


class Best:
    """The prices of the highest bound seen, and whether more steps are worth their time."""

    def __init__(self, prices: F64) -> None:
        self.prices = prices
        self._bounds: list[float] = []

    def see(self, bound: float, prices: F64) -> None:
        """Take note of the bound of some prices."""
        if not self._bounds or bound >= max(self._bounds):
            self.prices = prices
        self._bounds.append(bound)

    @property
    def lost(self) -> bool:
        """Whether the last bound is far below an earlier one: the steps went astray."""
        return bool(self._bounds) and self._bounds[-1] < max(self._bounds) * (1 - _ASTRAY)

    @property
    def settled(self) -> bool:
        """Whether the last steps have raised the bound by next to nothing."""
        before, last = self._bounds[:-_SETTLED_STEPS], self._bounds[-_SETTLED_STEPS:]
        return bool(before) and max(last) <= max(before) + _SETTLED * abs(max(before))


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
    steps = Steps(begin, capacity)
    scale = market.scale
    lasts = market.end - market.slot
    best = Best(begin)
    usage = joint = market.usage
    for step, tau in enumerate(cooling.taus()):
        if tau == cooling.coldest and best.settled and not cooling.patient:
            break
        heat = tau * scale
        reduced = market.cost + market.rents(steps.prices)
        least = np.minimum(market.wait, reduced.min(axis=1))
        best.see(float(market.count @ least - (capacity * steps.prices).sum()), steps.prices)
        weight = np.exp((least[:, None] - reduced) / heat[:, None])
        out = np.exp((least - market.wait) / heat)
        amounts = weight * (market.count / (weight.sum(axis=1) + out))[:, None]
        if step % _LOOK_AROUND == 0:  # at lines that were not short so far, too
            wanted = taken(market, amounts, market.usage)
            active = tight_sorts(market.lines, steps.prices, wanted)
            usage = np.where(active, market.usage, 0.0)
            joint = joint_usage(usage, active)
        else:
            wanted = taken(market, amounts, usage)
        steps.turn(wanted, taken(market, amounts * lasts, joint / heat[:, None]))
    return best.prices
