"""Windows over forecasts, and the slots that may be chosen."""

import doctest
import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.builders import NOW

from tradewind.placement import deferral
from tradewind.placement.deferral import (
    Profile,
    exposure,
    mean_over_runs,
    start_slots,
)

HOURS = np.arange(5) * 3600.0


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(deferral).failed == 0


@example(mean_s=2.3e-308, exponential=True, starts=[0.0])
@given(st.floats(0, 1e6), st.booleans(), st.lists(st.floats(0, 14400), min_size=1, max_size=4))
def test_every_second_of_a_run_is_somewhere(
    mean_s: float, exponential: bool, starts: list[float]
) -> None:
    found = exposure(Profile(mean_s, exponential), HOURS, np.array(starts))
    assert (found >= -1e-6).all()
    assert found.sum(axis=1) == pytest.approx(mean_s)


def test_a_run_of_unknown_length_is_weighted_by_how_likely_it_still_runs() -> None:
    price = np.array([[100.0, 0.0, 0.0, 0.0]])
    edges, start = HOURS, np.zeros(1)
    known = mean_over_runs(price, np.zeros(1), Profile(7200), edges, start)
    vague = mean_over_runs(price, np.zeros(1), Profile(7200, exponential=True), edges, start)
    assert known.item() == pytest.approx(50)
    # Short runs are likelier than long ones: the first hour weighs less than half of 2 h, but
    # S(t) = exp(-t/2h) has run 2 h (1 - exp(-1/2)) in it.
    assert vague.item() == pytest.approx(100 * (1 - math.exp(-0.5)))


def test_a_run_of_no_length_meets_the_price_of_its_start() -> None:
    price = np.array([[7.0, 9.0, 1.0, 1.0]])
    found = mean_over_runs(price, np.zeros(1), Profile(0), HOURS, HOURS[:2])
    assert found.tolist() == [[7.0, 9.0]]


def test_slots_hang_on_the_clock() -> None:
    now = NOW + timedelta(minutes=59)
    assert start_slots(now, 3600, 7200, 9).tolist() == [0.0, 60.0, 3660.0]
    assert start_slots(NOW, 3600, 0, 9).tolist() == [0.0]
    assert start_slots(NOW, 3600, math.nan, 9).tolist() == [0.0]
    assert start_slots(NOW, 3600, math.inf, 9).tolist() == [0.0]
    assert len(start_slots(NOW, 3600, 1e9, 24)) == 24
