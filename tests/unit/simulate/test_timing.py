"""Rules for when, each against figures worked out by hand."""

import pytest
from tests.unit.simulate.worlds import HOUR, job, replayed, windows, world

from tradewind.simulate.timing import (
    Booked,
    Rule,
    carbon_time,
    ecovisor,
    lets_wait_awhile,
    lowest_slot,
    lowest_window,
    wait_awhile,
)

#: By the hour; 24 of them, so that the day repeats.
DAY = [400, 300, 100, 500, 150, 150, 350, *[600] * 17]


def ran(rule: Rule, **given: object) -> list[tuple[float, float]]:
    return windows(replayed(Booked("rule", rule), world(DAY), [job(**given)]))


def test_lowest_slot_looks_at_single_hours() -> None:
    assert ran(lowest_slot, max_delay_s=6 * HOUR, length_s=2 * HOUR) == [(2, 4)]


def test_lowest_slot_may_look_as_far_as_the_job_may_wait_and_no_further() -> None:
    assert ran(lowest_slot, max_delay_s=1.9 * HOUR) == [(1, 2)]


def test_lowest_slot_starts_with_the_hour_and_not_with_the_arrival() -> None:
    assert ran(lowest_slot, arrival_s=0.5 * HOUR, max_delay_s=6 * HOUR) == [(2, 3)]


def test_lowest_window_looks_at_the_whole_run() -> None:
    # Two hours from 2: 600 g; from 4: 300 g.
    assert ran(lowest_window, max_delay_s=6 * HOUR, length_s=2 * HOUR) == [(4, 6)]


def test_lowest_window_believes_the_length_that_is_stated() -> None:
    found = ran(lowest_window, max_delay_s=6 * HOUR, length_s=4 * HOUR, expected_s=HOUR)
    assert found == [(2, 6)]


def test_lowest_window_counts_hours_from_the_arrival() -> None:
    # From 1.5: 50 + 150 = 200 g; from 3.5: 250 + 75 = 325 g; from 4.5: 75 + 75 = 150 g, which is
    # three hours after 1.5.
    found = ran(lowest_window, arrival_s=1.5 * HOUR, max_delay_s=6 * HOUR, length_s=HOUR)
    assert found == [(4.5, 5.5)]


def test_carbon_time_sets_what_is_saved_against_the_time_until_done() -> None:
    # Starts at 1, 2, 4: (400 - 300) / 2 = 50, (400 - 100) / 3 = 100, (400 - 150) / 5 = 50.
    assert ran(carbon_time, max_delay_s=6 * HOUR) == [(2, 3)]
    # Two hours: now 700; at 2: 100 / 4 = 25; at 4: 400 / 6 = 67; at 1: 300 / 3 = 100.
    assert ran(carbon_time, max_delay_s=6 * HOUR, length_s=2 * HOUR) == [(1, 3)]


def test_ecovisor_runs_below_the_quantile_of_a_day_while_it_can_wait() -> None:
    # Of 24 hours 30% are 7.2: the limit is the eighth of 100 150 150 300 350 400 500 600: 600.
    found = ran(ecovisor, max_delay_s=6 * HOUR, length_s=2 * HOUR, checkpoint_s=1.0)
    assert found == [(0, 2)]
    dirty = windows(
        replayed(
            Booked("rule", ecovisor),
            world([900, 900, 900, 100, 900, *[100] * 10, *[900] * 9]),
            [job(max_delay_s=2 * HOUR, length_s=3 * HOUR, checkpoint_s=1.0)],
        )
    )
    # Two hours of waiting are used up before the first clean hour.
    assert dirty == [(2, 5)]


def test_a_threshold_pauses_through_dirty_hours() -> None:
    series = [900, 100, 900, 100, 100, *[900] * 19]
    found = replayed(
        Booked("rule", lets_wait_awhile),
        world(series),
        [job(max_delay_s=4 * HOUR, length_s=2 * HOUR, checkpoint_s=1.0)],
    )
    # Its own time is six hours, 30% of them 1.8: the limit is 100, and nothing is below it; with
    # four hours waited it runs.
    assert windows(found) == [(4, 6)]
    looser = replayed(
        Booked("rule", lets_wait_awhile),
        world([900, 100, 900, 200, 200, *[900] * 19]),
        [job(max_delay_s=4 * HOUR, length_s=2 * HOUR, checkpoint_s=1.0)],
    )
    assert windows(looser) == [(1, 2), (5, 6)]
    assert looser.pauses == 1


def test_wait_awhile_takes_the_cleanest_hours_until_its_latest_end() -> None:
    found = replayed(
        Booked("rule", wait_awhile),
        world(DAY),
        [job(max_delay_s=4 * HOUR, length_s=2.5 * HOUR, checkpoint_s=1.0)],
    )
    # Until 6.5: the hours 2 (100), 4 and 5 (150), of which half an hour is too much.
    assert windows(found) == [(2, 3), (4, 5.5)]
    assert found.overall.usage.carbon_kg == pytest.approx(0.1 + 1.5 * 0.15)


def test_work_without_a_checkpoint_is_never_paused() -> None:
    found = replayed(
        Booked("rule", wait_awhile), world(DAY), [job(max_delay_s=4 * HOUR, length_s=2 * HOUR)]
    )
    assert windows(found) == [(2, 4)]
    assert found.violations["stopped"] == 0


def test_a_window_without_room_waits_for_room() -> None:
    found = replayed(
        Booked("rule", lowest_slot),
        world(DAY, cores=1),
        [job("a", max_delay_s=6 * HOUR), job("b", max_delay_s=6 * HOUR)],
    )
    assert windows(found) == [(2, 3), (3, 4)]


def test_only_those_with_perfect_knowledge_see_the_truth() -> None:
    believed = [DAY[::-1]]
    dark = replayed(
        Booked("rule", lowest_slot),
        world(DAY, believed=believed),
        [job(max_delay_s=6 * HOUR)],
    )
    assert windows(dark) == [(0, 1)]  # all the same, as it believes
    seen = replayed(
        Booked("rule", wait_awhile),
        world(DAY, believed=believed),
        [job(max_delay_s=6 * HOUR, checkpoint_s=1.0)],
    )
    assert windows(seen) == [(2, 3)]
