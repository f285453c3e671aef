"""What comes next, from a signal's own past: seasonal profile, latest error, then what is learnt.

Pure. For each horizon h the forecast has three layers, each of which corrects the one before:

1. the profile: the same hour of the days before, newer days weighing more (`DECAY` a day);
2. the latest error: how far the signal now is from its own profile, fading by `FADE` a step;
3. a ridge regression on what the first two left over in the history: latest slopes, yesterday,
   last week, the day's mean against the week's. Half of its correction is taken (`TRUST`), since it
   is learnt from four weeks: on real carbon intensity, whole corrections were worse from a day on.

All of it is fitted anew at each call, on the history alone. A signal that is always above zero is
handled by its logarithm, so that errors are relative. Quantiles are those of the errors that the
same forecast would have made in the history, by horizon; docs/forecasts.md has their coverage.

Ridge: Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems",
Technometrics 12 (1970). The figures below were chosen on hourly carbon intensity of 16 grid zones;
`tradewind forecast-backtest` measures them on any series.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

F64: TypeAlias = npt.NDArray[np.float64]
I64: TypeAlias = npt.NDArray[np.int64]

DAY: Final = 24
WEEK: Final = 7 * DAY
#: Steps of history that are looked at: four weeks.
MEMORY: Final = 28 * DAY
#: Less than two days have no profile.
LEAST: Final = 2 * DAY
#: The furthest step that is forecast.
HORIZONS: Final = 48

DECAY: Final = 0.8
FADE: Final = 0.97
RIDGE: Final = 200.0
TRUST: Final = 0.5
#: Fewer rows than this teach nothing that the profile does not know.
LEAST_ROWS: Final = 96
#: Errors are kept from the fit by this share: in-sample errors are smaller than those to come.
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
    positive = bool(seen.min() > 0)
    scaled = np.log(seen) if positive else seen
    center, spread = float(scaled.mean()), float(scaled.std())
    if spread <= 1e-9 * max(1.0, abs(center)):
        same = np.full(len(horizons), float(seen[-1]))
        return Bands(same, same, same)
    past = _Past((scaled - center) / spread)
    bands: F64 = np.array([past.ahead(steps) for steps in horizons]) * spread + center
    if positive:
        bands = np.exp(bands)
    return Bands(bands[:, 0], bands[:, 1], bands[:, 2])


class _Past:
    """A scaled history, and what it says of each horizon."""

    def __init__(self, x: F64) -> None:
        self._x = x
        self._sums = np.concatenate([[0.0], np.cumsum(x)])

    def ahead(self, steps: int) -> tuple[float, float, float]:
        """The value so many steps after the last, with its quantiles; scaled."""
        x, newest = self._x, len(self._x) - 1
        back = -(-steps // DAY)  # days from the target to the newest of its hour that is known
        days = min(7, (len(x) + steps - 1) // DAY - back, len(x) // DAY - 1)
        weekly = len(x) > WEEK + DAY
        first = max(DAY * days, DAY * (back + days - 1) - steps, (WEEK if weekly else 0))
        origins = np.arange(min(first, newest), newest + 1)
        targets = origins + steps
        base, profile = self._base(origins, steps, back, days)
        taught = targets <= newest
        missed = x[targets[taught]] - base[taught]
        if weekly and len(missed) >= LEAST_ROWS:
            clues = self._clues(origins, targets, profile, back)
            learnt = TRUST * (clues @ _ridge(clues[taught], missed))
            base, missed = base + learnt, missed - learnt[taught]
        value = float(base[-1])
        low, high = _errors(missed, steps)
        return value, value + min(0.0, low), value + max(0.0, high)

    def _base(self, origins: I64, steps: int, back: int, days: int) -> tuple[F64, F64]:
        """Profile at the targets with the latest error on top, and the profile alone."""
        x = self._x
        weights = DECAY ** np.arange(days)
        weights /= weights.sum()
        ages = DAY * np.arange(days)
        profile: F64 = x[(origins + steps - DAY * back)[:, None] - ages] @ weights
        usual = x[(origins - DAY)[:, None] - ages] @ weights
        base: F64 = profile + FADE**steps * (x[origins] - usual)
        return base, profile

    def _clues(self, origins: I64, targets: I64, profile: F64, back: int) -> F64:
        """(O, K) what may tell how the base will err; nothing in it is newer than the origin."""
        x, sums = self._x, self._sums
        day = (sums[origins + 1] - sums[origins + 1 - DAY]) / DAY
        week = (sums[origins + 1] - sums[origins + 1 - WEEK]) / WEEK
        return np.stack(
            [
                x[origins] - profile,
                x[origins] - x[origins - 1],
                x[origins - 1] - x[origins - 2],
                x[origins] - x[origins - DAY],
                x[origins - DAY] - x[origins - DAY - 1],
                x[targets - DAY * back] - profile,
                x[targets - DAY * (back + 1)] - profile,
                x[targets - WEEK] - profile,
                profile,
                day - profile,
                day - week,
            ],
            axis=1,
        )


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


def _ridge(clues: F64, missed: F64) -> F64:
    """(K,) weights of the clues that tell best what was missed, kept small."""
    gram = clues.T @ clues + RIDGE * np.eye(clues.shape[1])
    return np.asarray(np.linalg.solve(gram, clues.T @ missed), np.float64)
