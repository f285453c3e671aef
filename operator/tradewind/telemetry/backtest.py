"""How good is the forecast? Walk through a series, forecast at each origin, compare with what came.

Pure. At an origin the forecast sees what the operator would: the steps up to then, four weeks at
most. The baselines see the same: persistence says that everything stays as it is; seasonal naive
says that it will be as at the same hour of the newest day that is known whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tradewind.telemetry.forecast import DAY, F64, MEMORY, predict

HORIZONS: Final = (1, 6, 12, 24, 48)
#: Steps between two origins: no divisor of a day, so that every hour of the day has its turn.
EVERY: Final = 29


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of one series, each (H,) in the order of the horizons.

    Attributes:
        origins: at so many origins.
        model, persistence, seasonal: mean absolute percentage error, percent. Values of 0 are left
            out, for there is no percentage of them; NaN where nothing is left.
        coverage: share of the values between the 10% and the 90% quantile; 0.8 is true.
    """

    origins: int
    model: F64
    persistence: F64
    seasonal: F64
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

    >>> one = np.array([10.0])
    >>> score([(one, one * 1.1, one * 0.9, one * 1.2, one * 2, one / 2)]).model.round(6).tolist()
    [10.0]
    """
    truth, model, low, high, stays, seasonal = np.array(walked).transpose(1, 0, 2)
    return Score(
        origins=len(walked),
        model=_mape(truth, model),
        persistence=_mape(truth, stays),
        seasonal=_mape(truth, seasonal),
        coverage=((low <= truth) & (truth <= high)).mean(axis=0),
    )


def _mape(truth: F64, told: F64) -> F64:
    """(H,) mean absolute percentage error of (O, H)."""
    counts = truth != 0
    share = np.abs(told - truth) / np.where(counts, np.abs(truth), 1.0)
    found: F64 = np.where(counts, share, 0.0).sum(axis=0)
    return 100 * found / np.where(counts.any(axis=0), counts.sum(axis=0), np.nan)
