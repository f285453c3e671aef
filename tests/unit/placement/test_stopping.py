"""Waiting with work of unknown length, against hand-worked figures and every other way to wait."""

from itertools import product
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.placement.stopping import TAIL_SLOTS, expected_cost, waits, with_pauses

RATES = st.lists(st.floats(0.0, 10.0), min_size=2, max_size=6).map(np.array)


def test_a_start_is_priced_by_the_chance_to_be_still_running() -> None:
    rate = np.array([10.0, *[1.0] * TAIL_SLOTS])
    cost = expected_cost(rate, np.ones(1 + TAIL_SLOTS), 2.0)
    # Two hours are expected in all; of those 2 (1 - exp(-1/2)) = 0.787 fall into the first slot.
    first_h = 2 * (1 - exp(-0.5))
    assert cost[0] == pytest.approx(10 * first_h + (2 - first_h))
    assert cost[1] == pytest.approx(2.0)


def test_a_slot_that_has_begun_counts_for_what_is_left_of_it() -> None:
    rate = np.array([10.0, *[1.0] * TAIL_SLOTS])
    cost = expected_cost(rate, np.array([0.25, *[1.0] * TAIL_SLOTS]), 2.0)
    first_h = 2 * (1 - exp(-0.125))
    assert cost[0] == pytest.approx(10 * first_h + (2 - first_h))


def test_sites_are_priced_beside_each_other() -> None:
    rate = np.array([[1.0, 5.0, 2.0], [4.0, 4.0, 4.0]])
    both = expected_cost(rate, np.ones(3), 3.0)
    for one, alone in zip(both, rate, strict=True):
        np.testing.assert_allclose(one, expected_cost(alone, np.ones(3), 3.0))


def test_a_price_on_waiting_shortens_it() -> None:
    rate = np.array([3.0, 2.0, 1.0, 3.0, 3.0])
    at = {
        price: waits(rate, np.ones(5), mean_h=1.0, budget_h=3.0, wait_usd_per_hour=price)
        for price in (0.0, 5.0)
    }
    assert at == {0.0: 2, 5.0: 0}


def test_a_forecast_that_is_no_number_makes_nobody_wait() -> None:
    rate = np.array([9.0, np.nan, 1.0])
    assert waits(rate, np.ones(3), mean_h=1.0, budget_h=2.0, wait_usd_per_hour=0.0) == 0


@given(RATES, st.floats(0.0, 8.0), st.floats(0.05, 1.0), st.floats(0.0, 1.0))
def test_waiting_never_overruns_what_may_be_waited(
    rate: np.ndarray, budget_h: float, first_h: float, price: float
) -> None:
    slot_h = np.array([first_h, *[1.0] * (len(rate) - 1)])
    waited = waits(rate, slot_h, mean_h=2.0, budget_h=budget_h, wait_usd_per_hour=price)
    assert slot_h[:waited].sum() <= budget_h


@given(RATES, st.integers(0, 3), st.floats(0.3, 5.0), st.floats(0.0, 2.0))
def test_no_other_way_to_wait_is_expected_to_cost_less(
    rate: np.ndarray, budget: int, mean_h: float, price: float
) -> None:
    """Follow the rule slot by slot, and compare with every pattern of waits that is allowed.

    While the work is still running nothing is learnt, so a pattern fixed in advance is general.
    """
    slots = len(rate)

    def cost(pattern: tuple[bool, ...]) -> float:
        alive, total = 1.0, 0.0
        for waiting, usd in zip(pattern, rate, strict=True):
            if waiting:
                total += alive * price
            else:
                total += alive * mean_h * (1 - exp(-1 / mean_h)) * usd
                alive *= exp(-1 / mean_h)
        return total + alive * mean_h * float(rate.mean())

    def followed() -> tuple[bool, ...]:
        left, pattern = budget, []
        padded = np.concatenate((rate, np.full(TAIL_SLOTS, rate.mean())))
        for t in range(slots):
            waited = waits(
                padded[t:],
                np.ones(len(padded) - t),
                mean_h=mean_h,
                budget_h=left,
                wait_usd_per_hour=price,
            )
            pattern.append(waited > 0)
            left -= waited > 0
        return tuple(pattern)

    best = min(cost(p) for p in product((False, True), repeat=slots) if sum(p) <= budget)
    assert cost(followed()) <= best + 1e-9


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

    found = with_pauses(
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
        assert found.usd[0, start] == pytest.approx(min(cost(p, start) for p in patterns))
    # The parts make up the whole, and it runs for its mean whatever happens.
    np.testing.assert_allclose(found.usd, found.met[0] + price * found.waits_h, atol=1e-9)
    np.testing.assert_allclose(found.met[1], mean_h)


@given(RATES, st.floats(0.3, 5.0), st.floats(0.0, 2.0))
def test_the_best_start_is_where_the_rule_would_stop_waiting(
    rate: np.ndarray, mean_h: float, price: float
) -> None:
    budget = len(rate) - 1
    found = with_pauses(
        rate[None],
        rate[None, None],
        np.ones(len(rate)),
        mean_h=np.array([mean_h]),
        slots_to_wait=budget,
        wait_usd_per_hour=price,
    )
    until = price * np.arange(budget + 1)
    first = waits(rate, np.ones(len(rate)), mean_h=mean_h, budget_h=budget, wait_usd_per_hour=price)
    best = (found.usd[0] + until).min()
    assert found.usd[0, min(first, budget)] + until[min(first, budget)] == pytest.approx(best)
