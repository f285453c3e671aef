"""The optimum of each job, and that nothing comes below the bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulate.worlds import CARBON_ONLY, HOUR, job, replayed, windows, world

from tradewind.api.policy import PolicySpec
from tradewind.simulate.clairvoyant import Clairvoyant, best_run, bound_usd
from tradewind.simulate.rules import at_random, lowest_carbon, run_at_home
from tradewind.simulate.timing import Booked, ecovisor, lowest_slot, lowest_window, wait_awhile


def test_the_best_start_may_end_with_an_hour_instead_of_beginning_with_one() -> None:
    there, _ = world([500, 100, 300, *[900] * 21])
    best = best_run(job(length_s=1.5 * HOUR, max_delay_s=6 * HOUR), there, CARBON_ONLY)
    assert best is not None
    # From 1.0: 100 + 150; from 0.5, ending with hour 2: 250 + 100; so 1.0 it is.
    assert (best.start_s, best.usd) == (HOUR, pytest.approx(0.25))
    there, _ = world([300, 100, 500, *[900] * 21])
    best = best_run(job(length_s=1.5 * HOUR, max_delay_s=6 * HOUR), there, CARBON_ONLY)
    assert best is not None
    # From 0.5: 150 + 100; from 1.0: 100 + 250.
    assert (best.start_s, best.usd) == (0.5 * HOUR, pytest.approx(0.25))


def test_waiting_has_its_price() -> None:
    there, _ = world([300, 100, *[300] * 22])
    cheap = PolicySpec(carbonPerTonne=1000, waitPerHour=0.1)
    dear = PolicySpec(carbonPerTonne=1000, waitPerHour=0.3)
    wants = job(max_delay_s=6 * HOUR)
    assert best_run(wants, there, cheap).usd == pytest.approx(0.2)  # type: ignore[union-attr]
    assert best_run(wants, there, dear).start_s == 0  # type: ignore[union-attr]


def test_a_deadline_bounds_the_start() -> None:
    there, _ = world([300, 200, 100, *[300] * 21])
    best = best_run(job(max_delay_s=9 * HOUR, deadline_s=2.5 * HOUR), there, CARBON_ONLY)
    assert best is not None
    assert best.start_s == 1.5 * HOUR


def test_work_that_may_stop_is_bounded_by_the_cheapest_hours_of_all_places() -> None:
    there, _ = world([300, 100, 300, 100, *[300] * 20], [200] * 24)
    wants = [job(length_s=3 * HOUR, max_delay_s=HOUR, checkpoint_s=1.0)]
    # Four hours, of them 100 and 100 at s0 and one of 200 at s1.
    assert bound_usd(wants, there, CARBON_ONLY) == pytest.approx(0.4)


def test_the_clairvoyant_replay_reaches_its_bound_where_there_is_room() -> None:
    made = world([300, 100, 400, *[300] * 21], [250] * 24)
    jobs = [job("a", max_delay_s=3 * HOUR), job("b", arrival_s=2 * HOUR, home="s1")]
    found = replayed(Clairvoyant(CARBON_ONLY), made, jobs)
    assert windows(found) == [(1, 2), (2, 3)]
    assert found.overall.total_usd == pytest.approx(bound_usd(jobs, made[0], CARBON_ONLY))


@given(
    st.lists(st.floats(1, 1000), min_size=24, max_size=24),
    st.lists(
        st.tuples(
            st.floats(0, 20 * HOUR), st.floats(60, 9 * HOUR), st.integers(0, 9), st.booleans()
        ),
        min_size=1,
        max_size=6,
    ),
    st.floats(0, 0.5),
)
def test_no_way_of_choosing_comes_below_the_bound(
    series: list[float], asked: list[tuple[float, float, int, bool]], wait: float
) -> None:
    prices = PolicySpec(carbonPerTonne=1000, waitPerHour=wait)
    jobs = sorted(
        (
            job(
                f"job-{i}",
                arrival_s=arrival,
                length_s=length,
                max_delay_s=delay * HOUR,
                checkpoint_s=1e-3 if stops else None,
            )
            for i, (arrival, length, delay, stops) in enumerate(asked)
        ),
        key=lambda one: (one.arrival_s, one.name),
    )
    there, _ = world(series, series[::-1])
    bound = bound_usd(jobs, there, prices)
    for make in (
        run_at_home,
        lowest_carbon,
        lambda: at_random(1),
        lambda: Booked("slot", lowest_slot),
        lambda: Booked("window", lowest_window),
        lambda: Booked("ecovisor", ecovisor),
        lambda: Booked("wait-awhile", wait_awhile),
        lambda: Clairvoyant(prices),
    ):
        found = replayed(make(), world(series, series[::-1]), jobs, prices)
        assert found.overall.total_usd >= bound * (1 - 1e-6) - 1e-9, found.name
    assert np.isfinite(bound)
