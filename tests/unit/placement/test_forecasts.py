"""Forecasts on a grid: of one site by hand, of many as of each alone."""

import doctest
import math
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.builders import NOW

from tradewind.placement import forecasts
from tradewind.placement.deferral import grid_edges
from tradewind.placement.forecasts import Table, on_grid, table_of
from tradewind.placement.snapshot import Forecast

HOURS = np.arange(5) * 3600.0


def read(*found: Forecast) -> list[Table]:
    return [table for one in found if (table := table_of(one)) is not None]


def means(found: Forecast, edges: np.ndarray = HOURS, now: datetime = NOW) -> list[float]:
    return on_grid(read(found), now, edges, error_per_root_hour=0)[0][0].tolist()


def error(found: Forecast, per_root_hour: float) -> np.ndarray:
    return on_grid(read(found), NOW, HOURS, error_per_root_hour=per_root_hour)[1][0]


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(forecasts).failed == 0


def test_a_forecast_says_nothing_past_its_end_or_where_it_is_broken() -> None:
    for broken in (math.nan, math.inf, -1e300, None):
        found = means(Forecast(NOW, 3600, (1.0, broken, 3.0)))  # type: ignore[arg-type]
        assert np.isnan(found).tolist() == [False, True, False, True]
    assert np.isnan(means(Forecast(NOW, 0.0, ()))).all()
    assert np.isnan(means(Forecast(NOW, math.nan, (1.0,)))).all()


def test_a_forecast_that_began_earlier_is_cut_at_now() -> None:
    old = Forecast(NOW - timedelta(minutes=30), 3600, (10.0, 20.0, 30.0))
    assert means(old, grid_edges(NOW, 1800, 2)) == [10.0, 20.0]


def test_quantiles_speak_before_the_stated_error() -> None:
    sure = Forecast(NOW, 3600, (50.0,) * 4, low=(50.0,) * 4, high=(50.0,) * 4)
    wide = Forecast(NOW, 3600, (50.0,) * 4, low=(30.0,) * 4, high=(70.0,) * 4)
    assert error(sure, 1).tolist() == [0.0] * 4
    assert error(wide, 0) == pytest.approx(40 / 2.5631)


VALUES = st.lists(
    st.one_of(st.floats(-1e3, 1e3), st.sampled_from([math.nan, math.inf])), max_size=8
).map(tuple)
FORECASTS = st.lists(
    st.builds(
        lambda ago_m, step_s, values, low, high: Forecast(
            NOW - timedelta(minutes=ago_m), step_s, values, low, high
        ),
        st.sampled_from([0, 30, 90, -45]),
        st.sampled_from([900.0, 3600.0, 5400.0, 0.0, -1.0]),
        VALUES,
        VALUES,
        VALUES,
    ),
    max_size=5,
)


@given(FORECASTS, st.integers(0, 59))
def test_many_are_read_as_each_alone_whatever_they_say(found: list[Forecast], minutes: int) -> None:
    now = NOW + timedelta(minutes=minutes)
    edges = grid_edges(now, 3600, 4)
    together = on_grid(read(*found), now, edges, error_per_root_hour=0.1)
    for n, one in enumerate(found):
        alone = on_grid(read(one), now, edges, error_per_root_hour=0.1)
        for many, single in zip(together, alone, strict=True):
            np.testing.assert_array_equal(many[n], single[0])
        expected = [_mean(one, now, *ends) for ends in pairwise(edges)]
        np.testing.assert_allclose(together[0][n], expected, rtol=1e-9, atol=1e-6)
    assert (together[1] >= 0).all()
    assert np.isfinite(together[1]).all()


def _mean(found: Forecast, now: datetime, begin_s: float, end_s: float) -> float:
    """Of a step of the grid, step of the forecast by step of the forecast."""
    if not found.step_s > 0 or end_s <= begin_s:
        return math.nan
    first_s = (found.start - now).total_seconds()
    total, covered = 0.0, 0.0
    for place, value in enumerate(found.values):
        ends = (first_s + place * found.step_s, first_s + (place + 1) * found.step_s)
        inside = max(0.0, min(end_s, ends[1]) - max(begin_s, ends[0]))
        if inside > 0:
            total += value * inside
            covered += inside
    return (
        total / covered if covered >= end_s - begin_s - 1e-6 and math.isfinite(total) else math.nan
    )
