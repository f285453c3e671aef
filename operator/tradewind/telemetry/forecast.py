"""What comes next, from a signal's own past (`past.py`), in the way that has served best lately.

Pure. Errors grow with some signals (carbon intensity that is three times as high varies three times
as much) and not with others; prices fall to zero and below; load has days on which it just stays.
So each horizon is foretold in several ways, and that one is taken whose forecasts were nearest to
the truth in the same history, newer errors weighing more. The ways: the signal as it is, and its
inverse hyperbolic sine, which is a logarithm far from zero and straight near it, for two notions of
near; for the next hours each of these also drawn back to the last value.

Quantiles are those of the errors that the same forecast would have made in the history, by horizon;
docs/forecasts.md has their coverage.

Inverse hyperbolic sine: Burbidge, Magee and Robb, "Alternative Transformations to Handle Extreme
Values of the Dependent Variable", JASA 83 (1988); on electricity prices: Uniejewski, Weron and
Ziel, "Variance Stabilizing Transformations for Electricity Spot Price Forecasting", IEEE
Transactions on Power Systems 33 (2018). The figures below were chosen on hourly carbon intensity of
16 grid zones and day-ahead prices of 10; `tradewind forecast-backtest` measures any series.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tradewind.telemetry.past import DAY, F64, FADE, WEEK, Ahead, Past

#: Steps of history that are looked at: four weeks.
MEMORY: Final = 28 * DAY
#: Less than two days have no profile.
LEAST: Final = 2 * DAY
#: The furthest step that is forecast.
HORIZONS: Final = 48

#: Where the inverse hyperbolic sine bends, as shares of the median size.
BENDS: Final = (0.3, 0.03)
#: Errors are judged relative to the value with this share of the median size on top: hours with
#: values near zero would else decide alone.
FLOOR: Final = 0.3
#: An error counts half as much as one that is so many steps younger.
HALF_LIFE: Final = 100
#: So many steps ahead, habits may count less than how the signal is: forecasts are also tried drawn
#: back by these shares of the way to the last value.
NEAR: Final = 5
HELD: Final = (0.5, 1.0)
#: A forecast is no further outside of what was seen than this share of the range that was seen.
BEYOND: Final = 1.0
#: Errors to come are larger by this share than those of the history.
WIDENING: Final = 1.15
LOW, HIGH = 0.1, 0.9
#: The same quantiles of a normal distribution with the spread of the scaled history, which is 1.
NORMAL_BAND: Final = np.array([-1.2816, 1.2816])


@dataclass(frozen=True, slots=True)
class Bands:
    """Expected values and their 10% and 90% quantiles, each (H,) in the order of the horizons."""

    values: F64
    low: F64
    high: F64


def predict(history: F64, horizons: Sequence[int] = range(1, HORIZONS + 1)) -> Bands | None:
    """Forecast a signal.

    Args:
        history: (N,) one value for each step, the newest last, 24 steps a day, all finite; what is
            older than `MEMORY` is not looked at.
        horizons: steps ahead, from 1 to a week.

    Returns:
        None if the history is shorter than `LEAST`.

    >>> days = np.tile(np.arange(24.0) + 1, 7)
    >>> predict(days, [1, 25]).values.round(6).tolist()
    [1.0, 1.0]
    """
    seen = history[-MEMORY:]
    if len(seen) < LEAST:
        return None
    size = float(np.median(np.abs(seen)))
    bends = [math.inf, *(share * size for share in BENDS if size > 0)]
    scales = [scale for bend in bends if (scale := _Scale(seen, bend)).moves]
    if not scales:
        same = np.full(len(horizons), float(seen[-1]))
        return Bands(same, same, same)
    bands: F64 = np.array([_best(seen, scales, steps) for steps in horizons])
    return Bands(bands[:, 0], bands[:, 1], bands[:, 2])


class _Scale:
    """A history on one scale, of mean 0 and spread 1 there.

    Args:
        seen: (N,) the history.
        bend: values beyond it are on a logarithm, smaller ones are not; infinite: none are.

    Attributes:
        moves: False if all of it is the same, but for rounding; nothing else can be asked then.
        x: (N,) the scaled history.
        past: what it says.
    """

    def __init__(self, seen: F64, bend: float) -> None:
        self._bend = bend
        scaled = self._to(seen)
        self._center, spread = float(scaled.mean()), float(scaled.std())
        self.moves = spread > 1e-9 * max(1.0, abs(self._center))
        self._spread = spread if self.moves else 1.0
        low, high = float(seen.min()), float(seen.max())
        beyond = BEYOND * (high - low)
        self._ends = self._to(np.array([low - beyond, high + beyond]))
        self.x: F64 = (scaled - self._center) / self._spread
        self.past = Past(self.x)

    def unscaled(self, told: F64) -> F64:
        """Forecasts in the signal's own unit."""
        scaled = np.clip(told * self._spread + self._center, *self._ends)
        return scaled if math.isinf(self._bend) else self._bend * np.sinh(scaled)

    def _to(self, values: F64) -> F64:
        return values if math.isinf(self._bend) else np.arcsinh(values / self._bend)


def _best(seen: F64, scales: Sequence[_Scale], steps: int) -> tuple[float, float, float]:
    """Value, low and high of one horizon, in the way that has served it best."""
    tried = [(scale, scale.past.ahead(steps)) for scale in scales]
    if steps <= NEAR:
        tried += [(scale, scale.past.held(told, by)) for scale, told in tried for by in HELD]
    scale, ahead = min(tried, key=lambda one: _error(seen, *one))
    low, high = _errors(scale.x[ahead.targets] - ahead.told, steps)
    told = np.array([ahead.value, ahead.value + min(0.0, low), ahead.value + max(0.0, high)])
    value, low, high = scale.unscaled(told).tolist()
    return value, low, high


def _error(seen: F64, scale: _Scale, ahead: Ahead) -> float:
    """How far the forecasts of this horizon were from the truth; 0 if there was none."""
    if not len(ahead.targets):
        return 0.0
    truth = seen[ahead.targets]
    size = np.abs(truth) + FLOOR * float(np.median(np.abs(seen)))
    missed = np.abs(scale.unscaled(ahead.told) - truth) / np.where(size > 0, size, 1.0)
    weights = 0.5 ** ((ahead.targets[-1] - ahead.targets) / HALF_LIFE)
    return float(np.average(missed, weights=weights))


def _errors(missed: F64, steps: int) -> tuple[float, float]:
    """Low and high quantile of the errors to come; scaled.

    Less than a week of errors tells too little: the rest is as wide as the history's own swing, as
    far as the latest error has faded by then.
    """
    known = min(1.0, len(missed) / WEEK)
    found = np.quantile(missed, [LOW, HIGH]) if len(missed) else np.zeros(2)
    guessed = NORMAL_BAND * np.sqrt(1 - FADE ** (2 * steps))
    low, high = known * WIDENING * found + (1 - known) * guessed
    return float(low), float(high)
