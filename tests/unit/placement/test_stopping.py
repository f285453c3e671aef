"""Waiting and pausing, by hand-worked figures and against every other way to wait."""

from dataclasses import dataclass
from itertools import pairwise, product
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.placement.stopping import TAIL_SLOTS, Hours, Paused, Run, with_pauses

RATES = st.lists(st.floats(0.0, 10.0), min_size=2, max_size=6).map(np.array)


def found(
    rate: np.ndarray,
    *,
    run_h: float,
    most: int,
    mean_only: bool = True,
    price: float = 0.0,
    stop: float = 0.0,
    first_h: float = 1.0,
) -> Paused:
    """One site, whose signals are what it costs, and one."""
    slot_h = np.array([first_h, *[1.0] * (len(rate) - 1)])
    hours = Hours(rate[None], np.stack((rate, np.ones(len(rate))))[:, None], slot_h)
    run = Run(np.array([run_h]), mean_only, np.array([most]), price, np.array([stop]))
    return with_pauses(hours, run, most + 1)


def test_without_pauses_a_start_is_priced_by_the_chance_to_be_still_running() -> None:
    rate = np.array([10.0, *[1.0] * TAIL_SLOTS])
    # Two hours are expected in all; of those 2 (1 - exp(-1/2)) = 0.787 fall into the first slot.
    first_h = 2 * (1 - exp(-0.5))
    assert found(rate, run_h=2.0, most=0).usd.item() == pytest.approx(10 * first_h + 2 - first_h)


def test_a_slot_that_has_begun_counts_for_what_is_left_of_it() -> None:
    rate = np.array([10.0, *[1.0] * TAIL_SLOTS])
    first_h = 2 * (1 - exp(-0.125))
    unknown = found(rate, run_h=2.0, most=0, first_h=0.25)
    assert unknown.usd.item() == pytest.approx(10 * first_h + 2 - first_h)
    known = found(rate, run_h=2.0, most=0, first_h=0.25, mean_only=False)
    assert known.usd.item() == pytest.approx(10 * 0.25 + 1.75)


def test_a_run_of_known_length_takes_the_cheapest_hours_that_it_may_wait_for() -> None:
    rate = np.array([3.0, 9.0, 1.0, 9.0, 9.0, 2.0, 9.0, 9.0])
    two = found(rate, run_h=2.0, most=5, mean_only=False)
    # From the first hour: that one, and the cheapest later one; then without it, and so on.
    assert two.usd[0].tolist() == [4.0, 10.0, 3.0, 11.0, 11.0, 11.0]
    assert two.waits_h[0].tolist() == [1.0, 0.0, 2.0, 1.0, 0.0, 0.0]
    # A stop that loses more than the hour saves is not made.
    dear = found(rate, run_h=2.0, most=5, mean_only=False, stop=7.5)
    assert dear.usd[0, 2] == 10.0
    assert dear.stops_usd[0, 2] == 0.0
    fair = found(rate, run_h=2.0, most=5, mean_only=False, stop=6.5)
    assert (fair.usd[0, 2], fair.stops_usd[0, 2]) == (9.5, 6.5)


def test_rows_are_priced_beside_each_other() -> None:
    rate = np.array([[1.0, 5.0, 2.0], [4.0, 4.0, 4.0]])
    hours = Hours(rate, rate[None], np.ones(3))
    for mean_only in (True, False):
        run = Run(np.array([3.0, 1.5]), mean_only, np.array([2, 1]), 0.1, np.array([0.2, 0.0]))
        both = with_pauses(hours, run, 3)
        for row, (run_h, most, stop) in enumerate(((3.0, 2, 0.2), (1.5, 1, 0.0))):
            alone = found(
                rate[row], run_h=run_h, most=most, mean_only=mean_only, price=0.1, stop=stop
            )
            np.testing.assert_allclose(both.usd[row, : most + 1], alone.usd[0])
            np.testing.assert_allclose(both.waits_h[row, : most + 1], alone.waits_h[0])


def test_a_price_on_waiting_shortens_it() -> None:
    rate = np.array([3.0, 2.0, 1.0, 3.0, 3.0])

    def start(price: float) -> int:
        until = price * np.arange(4)
        return int((found(rate, run_h=1.0, most=3, price=price).usd[0] + until).argmin())

    assert [start(0.0), start(5.0)] == [2, 0]


def test_a_forecast_that_is_no_number_pauses_nothing() -> None:
    cost = found(np.array([9.0, np.nan, 1.0]), run_h=1.0, most=2)
    assert cost.waits_h[0, 0] == 0.0


@dataclass(frozen=True)
class Setting:
    rate: np.ndarray
    most: int
    run_h: float
    mean_only: bool
    price: float
    stop: float
    first_h: float

    def cost(self, pattern: tuple[bool, ...], start: int) -> float:
        """USD of a start whose slots are waited (True) and run like that."""
        alive, left, total = 1.0, self.run_h, 0.0
        slot_h = [self.first_h, *[1.0] * (len(self.rate) - 1)]
        for t in range(start, len(self.rate)):
            if pattern[t]:
                going = not pattern[t - 1]
                # Work of known length that is done waits no more.
                waits = self.price * slot_h[t] + self.stop * going
                total += waits * (alive if left > 0 else 0)
            elif self.mean_only:
                outlasts = exp(-slot_h[t] / self.run_h)
                total += alive * self.run_h * (1 - outlasts) * self.rate[t]
                alive *= outlasts
            else:
                total += min(slot_h[t], left) * self.rate[t]
                left = max(0.0, left - slot_h[t])
        rest_h = alive * self.run_h if self.mean_only else left
        return float(total + rest_h * self.rate.mean())


SETTINGS = st.builds(
    Setting,
    RATES,
    st.integers(0, 3),
    st.floats(0.3, 5.0),
    st.booleans(),
    st.floats(0.0, 2.0),
    st.floats(0.0, 3.0),
    st.sampled_from([1.0, 0.25]),
)


@given(SETTINGS)
def test_pauses_after_each_start_are_the_best_there_are(case: Setting) -> None:
    """Each start against every pattern of runs and waits that begins with it.

    While the work is still running nothing is learnt, so a pattern fixed in advance is general.
    """
    slots = len(case.rate)
    budget = min(case.most, slots - 1)
    paused = found(
        case.rate,
        run_h=case.run_h,
        most=budget,
        mean_only=case.mean_only,
        price=case.price,
        stop=case.stop,
        first_h=case.first_h,
    )
    for start in range(budget + 1):
        patterns = (
            (*[True] * start, False, *rest)
            for rest in product((False, True), repeat=slots - start - 1)
            if start + sum(rest) <= budget
        )
        best = min(case.cost(p, start) for p in patterns)
        assert paused.usd[0, start] == pytest.approx(best, abs=1e-9)
    # The parts make up the whole, and it runs as long as it does whatever happens.
    parts = paused.met[0] + case.price * paused.waits_h + paused.stops_usd
    np.testing.assert_allclose(paused.usd, parts, atol=1e-9)
    np.testing.assert_allclose(paused.met[1], case.run_h)


@given(RATES, st.floats(0.3, 5.0), st.booleans())
def test_a_dearer_stop_never_makes_a_start_cheaper(
    rate: np.ndarray, run_h: float, mean_only: bool
) -> None:
    most = len(rate) - 1
    costs = [
        found(rate, run_h=run_h, most=most, mean_only=mean_only, stop=stop).usd[0]
        for stop in (0.0, 1.0, 50.0)
    ]
    assert all((a <= b + 1e-9).all() for a, b in pairwise(costs))
