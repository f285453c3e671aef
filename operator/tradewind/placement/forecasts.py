"""What do the sites' forecasts say for the steps of one grid? All sites at once.

Most forecasts have equal steps, and equally many, so those that do are read as one matrix: a
thousand sites in some milliseconds, where one at a time would take a quarter of a second of every
cycle.

Axes: N forecasts, F steps of theirs, H steps of the grid. Times are seconds after the cycle's
`now`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import numpy as np

from tradewind.placement.numbers import F64
from tradewind.placement.snapshot import Forecast

#: From the 10% to the 90% quantile of a normal distribution, in standard deviations.
DECILES_APART = 2.5631
#: No signal comes near; sums of such values stay finite.
_BROKEN = 1e15


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A forecast as arrays.

    Args:
        start: of the first step, aware.
        step_s: length of a step, seconds.
        values: (F,) in the unit of the signal; NaN where broken.
        low, high: (F',) quantiles of the steps, likewise; of no length: it does not tell.
    """

    start: datetime
    step_s: float
    values: F64
    low: F64
    high: F64

    @property
    def like(self) -> tuple[float, int, int, int]:
        """What is equal for forecasts that are read as one matrix."""
        return self.step_s, len(self.values), len(self.low), len(self.high)


def table_of(forecast: Forecast | None) -> Table | None:
    """A forecast as arrays."""
    if forecast is None:
        return None
    return Table(
        forecast.start,
        forecast.step_s,
        *(_numbers(row) for row in (forecast.values, forecast.low, forecast.high)),
    )


def _numbers(row: Sequence[float | None]) -> F64:
    found = np.array([np.nan if value is None else value for value in row], np.float64)
    found[~(np.abs(found) < _BROKEN)] = np.nan
    return found


def on_grid(
    forecasts: Sequence[Table], now: datetime, edges_s: F64, *, error_per_root_hour: float
) -> tuple[F64, F64]:
    """Forecasts as means over the steps of a grid, and how unsure they are.

    Args:
        forecasts: N of them.
        now: second 0 of the grid.
        edges_s: (H+1,) ends of the steps.
        error_per_root_hour: for want of quantiles: standard error as a share of the value after an
            hour; it grows with the root of the lead time, as that of a random walk does.

    Returns:
        (N, H) in the unit of the signal, NaN in steps that a forecast does not cover whole, or that
        hold a broken value; (N, H) standard deviations, never negative, 0 where nothing is known.

    >>> now = datetime.fromisoformat("2026-11-25T12:00:00+00:00")
    >>> found = table_of(Forecast(now, 1800, (10.0, 30.0, 50.0)))
    >>> on_grid([found], now, np.array([0.0, 3600, 7200]), error_per_root_hour=0)[0].tolist()
    [[20.0, nan]]
    >>> flat = table_of(Forecast(now, 3600, (100.0, 100.0)))
    >>> _, error = on_grid([flat], now, np.array([0.0, 3600, 7200]), error_per_root_hour=0.1)
    >>> error.round(2).tolist()
    [[7.07, 12.25]]
    """
    shape = (len(forecasts), len(edges_s) - 1)
    means, errors = np.full(shape, np.nan), np.zeros(shape)
    order = sorted(range(len(forecasts)), key=lambda n: forecasts[n].like)
    for _, group in groupby(order, key=lambda n: forecasts[n].like):
        places = list(group)
        alike = [forecasts[n] for n in places]
        first = alike[0]
        begins_s = np.array([(one.start - now).total_seconds() for one in alike])
        values = np.stack([one.values for one in alike])
        means[places] = _means(values, begins_s, first.step_s, edges_s)
        if told := min(len(first.low), len(first.high)):
            apart = np.stack([one.high[:told] - one.low[:told] for one in alike])
            spread = _means(apart, begins_s, first.step_s, edges_s) / DECILES_APART
        else:
            lead_h = (edges_s[:-1] + edges_s[1:]) / 7200
            spread = np.abs(means[places]) * error_per_root_hour * np.sqrt(lead_h)
        errors[places] = np.nan_to_num(np.maximum(0.0, spread), nan=0.0, posinf=0.0)
    return means, errors


def _means(values: F64, begins_s: F64, step_s: float, edges_s: F64) -> F64:
    """(N, H) means of (N, F) values over the steps of a grid; NaN as `on_grid` says.

    Args:
        values: of each forecast.
        begins_s: (N,) of its first step.
        step_s: length of the steps of all.
        edges_s: (H+1,).
    """
    rows, count = values.shape
    if not count or not step_s > 0:
        return np.full((rows, len(edges_s) - 1), np.nan)
    # Between the ends of steps sums grow evenly; written like this, one that stays stays exactly.
    at = np.clip((edges_s - begins_s[:, None]) / step_s, 0, count)
    step = np.minimum(at.astype(np.int64), count - 1)
    part = at - step
    step += (count + 1) * np.arange(rows)[:, None]

    def sums(amounts: F64) -> F64:
        until = np.zeros((rows, count + 1))
        np.cumsum(amounts, axis=1, out=until[:, 1:])
        flat = until.ravel()
        here = flat[step]
        found: F64 = np.diff(here + part * (flat[step + 1] - here), axis=1)
        return found

    bad = np.isnan(values)
    broken = bad.any()
    totals = sums(np.where(bad, 0.0, values) if broken else values)
    ends_s = begins_s + step_s * count
    whole = (edges_s[:-1] >= begins_s[:, None] - 1e-6) & (edges_s[1:] <= ends_s[:, None] + 1e-6)
    if broken:
        whole &= sums(bad.astype(np.float64)) <= 0
    means: F64 = np.where(whole, totals * (step_s / np.diff(edges_s)), np.nan)
    return means
