"""How good is the forecast? Walk through a series, forecast at each origin, compare with what came.

Pure. At an origin the forecast sees what the operator would: the steps up to then, four weeks at
most. The baselines see the same: persistence says that everything stays as it is; seasonal naive
says that it will be as at the same hour of the newest day that is known whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tradewind.telemetry.forecast import MEMORY, predict
from tradewind.telemetry.past import DAY, F64

HORIZONS: Final = (1, 6, 12, 24, 48)
#: Steps between two origins: no divisor of a day, so that every hour of the day has its turn.
EVERY: Final = 29


@dataclass(frozen=True, slots=True)
class Errors:
    """How far forecasts were from the truth, percent, each (H,) in the order of the horizons."""

    model: F64
    persistence: F64
    seasonal: F64


@dataclass(frozen=True, slots=True)
class Score:
    """What came of one series.

    Attributes:
        origins: at so many origins.
        mape: mean absolute percentage error. Values of 0 are left out, for there is no percentage
            of them; NaN where nothing is left.
        wape: mean absolute error as a share of the mean size of the values (weighted absolute
            percentage error). An hour near zero weighs as any other, and not a thousand times as
            much; NaN where all are 0.
        coverage: (H,) share of the values between the 10% and the 90% quantile; 0.8 is true.
    """

    origins: int
    mape: Errors
    wape: Errors
    coverage: F64


def origins(length: int, horizons: Sequence[int], every: int) -> range:
    """Where a series of this length is forecast from: after four weeks, while truth is left."""
    return range(MEMORY - 1, length - max(horizons), every)


def walk(series: F64, horizons: Sequence[int], every: int) -> Iterator[tuple[F64, ...]]:
    """For each origin: truth, model, low, high, persistence and seasonal naive, each (H,).

    Args:
        series: (N,) hourly, finite.
        horizons: steps ahead.
        every: steps between two origins.
    """
    ahead = np.asarray(horizons)
    seasonal = ahead - DAY * -(-ahead // DAY)
    for origin in origins(len(series), horizons, every):
        bands = predict(series[max(0, origin + 1 - MEMORY) : origin + 1], horizons)
        if bands is None:
            raise AssertionError("four weeks are enough to forecast from")
        stays = np.full(len(ahead), series[origin])
        truth = series[origin + ahead]
        yield truth, bands.values, bands.low, bands.high, stays, series[origin + seasonal]


def score(walked: Sequence[tuple[F64, ...]]) -> Score:
    """The errors of a walk.

    >>> one, ten = np.array([1.0]), np.array([10.0])
    >>> walked = [(one, one * 3, one, one * 3, one, one), (ten, ten, one, ten, ten, ten)]
    >>> found = score(walked)
    >>> found.mape.model.round(1).tolist(), found.wape.model.round(1).tolist()
    ([100.0], [18.2])
    """
    truth, model, low, high, stays, seasonal = np.array(walked).transpose(1, 0, 2)
    return Score(
        origins=len(walked),
        mape=Errors(*(_mape(truth, told) for told in (model, stays, seasonal))),
        wape=Errors(*(_wape(truth, told) for told in (model, stays, seasonal))),
        coverage=((low <= truth) & (truth <= high)).mean(axis=0),
    )


def _mape(truth: F64, told: F64) -> F64:
    """(H,) mean absolute percentage error of (O, H)."""
    counts = truth != 0
    share = np.abs(told - truth) / np.where(counts, np.abs(truth), 1.0)
    found: F64 = np.where(counts, share, 0.0).sum(axis=0)
    return 100 * found / np.where(counts.any(axis=0), counts.sum(axis=0), np.nan)


def _wape(truth: F64, told: F64) -> F64:
    """(H,) mean absolute error of (O, H), as a percentage of the mean size."""
    size = np.abs(truth).mean(axis=0)
    found: F64 = 100 * np.abs(told - truth).mean(axis=0) / np.where(size > 0, size, np.nan)
    return found
