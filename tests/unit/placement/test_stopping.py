"""Waiting with work of unknown length, by hand-worked figures and every other way to wait."""

from itertools import product
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.placement.stopping import TAIL_SLOTS, Paused, with_pauses

RATES = st.lists(st.floats(0.0, 10.0), min_size=2, max_size=6).map(np.array)


def found(rate: np.ndarray, *, mean_h: float, most: int, price: float = 0.0) -> Paused:
    """One site, whose only signal is what it costs."""
    return with_pauses(
        rate[None],
        rate[None, None],
        np.ones(len(rate)),
        mean_h=np.array([mean_h]),
        slots_to_wait=most,
        wait_usd_per_hour=price,
    )


def test_without_pauses_a_start_is_priced_by_the_chance_to_be_still_running() -> None:
    rate = np.array([10.0, *[1.0] * TAIL_SLOTS])
    # Two hours are expected in all; of those 2 (1 - exp(-1/2)) = 0.787 fall into the first slot.
    first_h = 2 * (1 - exp(-0.5))
    assert found(rate, mean_h=2.0, most=0).usd.item() == pytest.approx(10 * first_h + 2 - first_h)


def test_a_slot_that_has_begun_counts_for_what_is_left_of_it() -> None:
    rate = np.array([[10.0, *[1.0] * TAIL_SLOTS]])
    slot_h = np.array([0.25, *[1.0] * TAIL_SLOTS])
    cost = with_pauses(
        rate, rate[None], slot_h, mean_h=np.array([2.0]), slots_to_wait=0, wait_usd_per_hour=0.0
    )
    first_h = 2 * (1 - exp(-0.125))
    assert cost.usd.item() == pytest.approx(10 * first_h + 2 - first_h)


def test_sites_are_priced_beside_each_other() -> None:
    rate = np.array([[1.0, 5.0, 2.0], [4.0, 4.0, 4.0]])
    both = with_pauses(
        rate,
        rate[None],
        np.ones(3),
        mean_h=np.array([3.0, 5.0]),
        slots_to_wait=2,
        wait_usd_per_hour=0.1,
    )
    for row, mean_h in enumerate((3.0, 5.0)):
        alone = found(rate[row], mean_h=mean_h, most=2, price=0.1)
        np.testing.assert_allclose(both.usd[row], alone.usd[0])
        np.testing.assert_allclose(both.waits_h[row], alone.waits_h[0])


def test_a_price_on_waiting_shortens_it() -> None:
    rate = np.array([3.0, 2.0, 1.0, 3.0, 3.0])

    def start(price: float) -> int:
        until = price * np.arange(4)
        return int((found(rate, mean_h=1.0, most=3, price=price).usd[0] + until).argmin())

    assert [start(0.0), start(5.0)] == [2, 0]


def test_a_forecast_that_is_no_number_pauses_nothing() -> None:
    cost = found(np.array([9.0, np.nan, 1.0]), mean_h=1.0, most=2)
    assert cost.waits_h[0, 0] == 0.0


@given(RATES, st.integers(0, 3), st.floats(0.3, 5.0), st.floats(0.0, 2.0))
def test_pauses_after_each_start_are_the_best_there_are(
    rate: np.ndarray, budget: int, mean_h: float, price: float
) -> None:
    """Each start against every pattern of runs and waits that begins with it."""
    budget = min(budget, len(rate) - 1)
    slots, alive_h = len(rate), mean_h * (1 - exp(-1 / mean_h))

    def cost(pattern: tuple[bool, ...], start: int) -> float:
        alive, total = 1.0, 0.0
        for t, usd in enumerate(rate):
            if t < start:
                continue
            if pattern[t]:
                total += alive * price
            else:
                total += alive * alive_h * usd
                alive *= exp(-1 / mean_h)
        return total + alive * mean_h * float(rate.mean())

    paused = with_pauses(
        rate[None],
        np.stack((rate, np.ones(slots)))[:, None],
        np.ones(slots),
        mean_h=np.array([mean_h]),
        slots_to_wait=budget,
        wait_usd_per_hour=price,
    )
    for start in range(budget + 1):
        patterns = (
            (*[True] * start, False, *rest)
            for rest in product((False, True), repeat=slots - start - 1)
            if start + sum(rest) <= budget
        )
        assert paused.usd[0, start] == pytest.approx(min(cost(p, start) for p in patterns))
    # The parts make up the whole, and it runs for its mean whatever happens.
    np.testing.assert_allclose(paused.usd, paused.met[0] + price * paused.waits_h, atol=1e-9)
    np.testing.assert_allclose(paused.met[1], mean_h)
