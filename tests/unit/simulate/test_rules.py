"""Rules for where, each against figures worked out by hand."""

from pathlib import Path

from tests.unit.simulate.worlds import HOUR, job, replayed, windows, world

from tradewind.simulate.meter import Metered
from tradewind.simulate.rules import (
    at_random,
    lowest_carbon,
    lowest_price,
    most_available,
    round_robin,
    run_at_home,
)

FLAT = ([500.0] * 24, [300.0] * 24, [400.0] * 24)


def sites(found: Metered) -> list[int]:
    """Where each job ran, in the order of the trace."""
    return [outcome.sites[0] for outcome in found.outcomes]


def test_home_stays_at_home_and_waits_for_it() -> None:
    jobs = [job("a", home="s1"), job("b", home="s1"), job("c", home="s2")]
    found = replayed(run_at_home(), world(*FLAT, cores=1), jobs)
    assert sites(found) == [1, 1, 2]
    assert sorted(windows(found)) == [(0, 1), (0, 1), (1, 2)]


def test_round_robin_goes_around_and_passes_over_what_is_full() -> None:
    jobs = [job(name, length_s=10 * HOUR) for name in "abc"]
    assert sites(replayed(round_robin(), world(*FLAT), jobs)) == [0, 1, 2]
    wide = [job("a", cpu_millis=100_000), job("b"), job("c"), job("d"), job("e")]
    assert sites(replayed(round_robin(), world(*FLAT), wide)) == [0, 1, 2, 1, 2]


def test_most_available_takes_the_site_with_the_most_free_cores() -> None:
    jobs = [job("a", cpu_millis=3000), job("b", cpu_millis=2000), job("c"), job("d"), job("e")]
    assert sites(replayed(most_available(), world(*FLAT), jobs)) == [0, 1, 2, 2, 1]


def test_lowest_carbon_and_lowest_price_look_at_the_hour() -> None:
    made = world([500, 100, *[500] * 22], [300] * 24, prices=[[10.0] * 24, [20.0, 5, *[20] * 22]])
    jobs = [job("a"), job("b", arrival_s=HOUR)]
    assert sites(replayed(lowest_carbon(), made, jobs)) == [1, 0]
    made = world([500, 100, *[500] * 22], [300] * 24, prices=[[10.0] * 24, [20.0, 5, *[20] * 22]])
    assert sites(replayed(lowest_price(), made, jobs)) == [0, 1]


def test_dice_are_seeded() -> None:
    jobs = [job(f"job-{i}") for i in range(40)]
    thrown = [sites(replayed(at_random(seed), world(*FLAT), jobs)) for seed in (1, 1, 2)]
    assert thrown[0] == thrown[1] != thrown[2]
    assert set(thrown[0]) == {0, 1, 2}


def test_hard_rules_hold_for_baselines_too(tmp_path: Path) -> None:
    latency = tmp_path / "latency.csv"
    latency.write_text("origin,r0,r1,r2\nr0,5,80,20\nr1,80,5,80\nr2,20,80,5\n")
    jobs = [job("near", max_latency_ms=50), job("law", jurisdictions=("J0",)), job("free")]
    found = replayed(lowest_carbon(), world(*FLAT, latency=latency), jobs)
    assert sites(found) == [2, 0, 1]
    assert not any(found.violations.values())


def test_a_job_that_finds_no_room_starts_as_soon_as_there_is_some() -> None:
    jobs = [job("a", length_s=3 * HOUR), job("b", length_s=2 * HOUR), job("c")]
    found = replayed(lowest_carbon(), world([100] * 24, [200] * 24, cores=1), jobs)
    assert sites(found) == [0, 1, 1]
    assert windows(found) == [(0, 2), (0, 3), (2, 3)]
    assert found.outcomes[2].wait_s == 2 * HOUR
