"""The forecast beats what is simple where there is something to learn, and is sane where not."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.telemetry import backtest, forecast, history, past
from tradewind.telemetry.backtest import HORIZONS, score, walk
from tradewind.telemetry.forecast import LEAST, MEMORY, predict
from tradewind.telemetry.history import regular
from tradewind.telemetry.past import DAY, WEEK, Past


def grid_like(weeks: int, *, seed: int = 1) -> np.ndarray:
    """A made-up carbon intensity: day, weekend, solar noon of changing strength, drifting wind."""
    random = np.random.default_rng(seed)
    hours = np.arange(weeks * 7 * DAY)
    day = 40 * np.cos(2 * np.pi * (hours - 19) / DAY)
    sun = np.maximum(0, np.sin(np.pi * (hours % DAY - 6) / 12))
    strength = np.repeat(random.uniform(30, 90, weeks * 7), DAY)
    weekend = np.where(hours // DAY % 7 >= 5, -25, 0)
    wind = np.zeros(len(hours))
    for hour in range(1, len(hours)):
        wind[hour] = 0.97 * wind[hour - 1] + random.normal(0, 8)
    return np.maximum(20, 350 + day - strength * sun + weekend + wind)


def test_examples_in_the_docs_hold() -> None:
    for module in (forecast, past, history, backtest):
        assert doctest.testmod(module).failed == 0


def price_like(weeks: int) -> np.ndarray:
    """A made-up price: what the grid would have, dear evenings, and nothing on sunny noons."""
    random = np.random.default_rng(2)
    hours = np.arange(weeks * 7 * DAY)
    level = np.exp(0.15 * np.repeat(random.normal(size=weeks * 7), DAY))
    sun = np.maximum(0, np.sin(np.pi * (hours % DAY - 6) / 12))
    sunny = np.repeat(random.uniform(0.5, 1.4, weeks * 7), DAY)
    evening = np.exp(-0.5 * ((hours % DAY - 19) / 2) ** 2)
    made = 60 * level * (1 + 2 * evening) - 60 * sunny * sun + random.normal(0, 2, len(hours))
    return np.maximum(-5, made)


SERIES = {
    "above zero": grid_like(20),
    "around zero": grid_like(20) - 350,
    "prices that fall to zero and below": price_like(20),
}


@pytest.mark.parametrize("name", SERIES)
def test_it_beats_persistence_and_seasonal_naive_at_each_horizon(name: str) -> None:
    found = score(list(walk(SERIES[name], HORIZONS, 13))).wape
    assert (found.model < np.minimum(found.persistence, found.seasonal)).all(), found


def test_what_has_no_habits_is_hardly_told_worse_than_that_it_stays() -> None:
    load = 0.5 + 0.1 * np.tanh(np.cumsum(np.random.default_rng(3).normal(0, 0.05, 20 * WEEK)))
    found = score(list(walk(load, (1, 2, 3), 13))).wape
    assert (found.model < 1.05 * found.persistence).all(), found


def test_nobody_is_judged_by_what_it_was_fitted_to() -> None:
    noise = np.random.default_rng(4).normal(size=4 * WEEK)
    noise = (noise - noise.mean()) / noise.std()
    ahead = Past(noise).ahead(1)
    fitted = np.var(noise[ahead.targets] - ahead.told)
    changed = noise.copy()
    changed[-WEEK:] = np.random.default_rng(5).permutation(changed[-WEEK:])
    other = Past(changed).ahead(1)
    early = ahead.targets < 2 * WEEK  # told by weights of the later half alone, which has changed
    assert not np.allclose(ahead.told[early], other.told[early])
    assert fitted > 1  # noise cannot be told; a fit that judges itself would say less


def test_four_values_of_five_lie_between_the_quantiles() -> None:
    found = score(list(walk(grid_like(20), HORIZONS, 13)))
    assert (found.coverage >= 0.72).all(), found.coverage
    assert (found.coverage <= 0.9).all(), found.coverage


def test_what_repeats_each_day_is_told_as_it_will_be() -> None:
    day = 200 + 50 * np.sin(np.arange(DAY))
    told = predict(np.tile(day, 10))
    assert told is not None
    assert np.allclose(told.values, np.tile(day, 2), rtol=1e-6)


def test_a_signal_that_never_moved_stays_and_is_sure() -> None:
    told = predict(np.full(100, 42.0))
    assert told is not None
    assert (told.values == 42).all()
    assert (told.low == told.high).all()


def test_less_than_two_days_are_no_history() -> None:
    assert predict(np.arange(LEAST - 1.0)) is None
    assert predict(np.arange(float(LEAST))) is not None


def test_what_is_older_than_four_weeks_changes_nothing() -> None:
    long = grid_like(8)
    short, whole = predict(long[-MEMORY:]), predict(long)
    assert short is not None
    assert whole is not None
    assert (short.values == whole.values).all()


def test_the_further_the_less_sure() -> None:
    told = predict(grid_like(6))
    assert told is not None
    width = told.high - told.low
    assert width[0] < width[5] < width[20]


@given(
    st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=LEAST, max_size=300),
    st.sampled_from([(1,), (24, 25), (48,), (168,)]),
)
def test_any_history_gives_finite_values_between_their_quantiles(
    values: list[float], horizons: tuple[int, ...]
) -> None:
    told = predict(np.array(values), horizons)
    assert told is not None
    assert len(told.values) == len(horizons)
    assert np.isfinite([told.values, told.low, told.high]).all()
    assert (told.low <= told.values).all()
    assert (told.values <= told.high).all()


def test_points_count_for_the_step_they_lie_in_and_the_newest_wins() -> None:
    made = regular([(7300, 5.0), (10, 1.0), (3599, 2.0), (3700, 3.0)], 3600)
    assert made is not None
    assert made.values.tolist() == [2.0, 3.0, 5.0]
    assert (made.start_s, made.last_s) == (0, 7200)


def test_a_long_gap_is_filled_from_the_day_before() -> None:
    hours = [hour for hour in range(3 * DAY) if not 30 <= hour < 40]
    made = regular([(hour * 3600.0, float(hour % DAY)) for hour in hours], 3600)
    assert made is not None
    assert made.values.tolist() == [float(hour % DAY) for hour in range(3 * DAY)]


def test_what_is_mostly_unknown_or_not_finite_is_no_history() -> None:
    assert regular([], 60) is None
    assert regular([(0, float("nan")), (60, float("inf"))], 60) is None
    assert regular([(0, 1.0), (6000, 2.0)], 60) is None
