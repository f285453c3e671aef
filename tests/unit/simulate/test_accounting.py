"""What runs take, against figures worked out by hand, and what is conserved whatever happens."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.simulate.worlds import CARBON_ONLY, HOUR, job, replayed, windows, world

from tradewind.api.policy import PolicySpec, Rebalance
from tradewind.simulate.fleet import build_fleet
from tradewind.simulate.jobs import Job
from tradewind.simulate.meter import meter
from tradewind.simulate.planned import Planned
from tradewind.simulate.replay import Action, Chooser, Desk, Moment, Replay, Start, Stop, Wake
from tradewind.simulate.rules import at_random, lowest_carbon, run_at_home
from tradewind.simulate.scenario import Scenario
from tradewind.simulate.series import SeriesFile
from tradewind.simulate.timing import Booked, ecovisor, wait_awhile
from tradewind.simulate.world import World

T4 = "nvidia-t4"


def chips(**energy: object) -> tuple[World, list[object]]:
    """One site with eight T4 and eight A100 in nodes of their own."""
    scenario = Scenario.model_validate(
        {
            "pricing": {
                "cpuHour": 0.02,
                "memoryGiBHour": 0.001,
                "acceleratorHour": {T4: 0.5, "nvidia-a100-sxm-80gb": 3.0},
            },
            "sites": [
                {
                    "name": "s0",
                    "location": {"gridZone": "z", "region": "r"},
                    "energy": {"pue": 1.5, "pricePerMWh": 80} | energy,
                    "nodes": [
                        {"count": 2, "cpu": 32, "memory": "128Gi", "accelerators": {T4: 4}},
                        {"cpu": 64, "memory": "512Gi", "accelerators": {"nvidia-a100-sxm-80gb": 8}},
                    ],
                }
            ],
        }
    )
    fleet = build_fleet(scenario, Path())
    carbon = SeriesFile(
        Path("c"), datetime(2022, 1, 1, tzinfo=UTC), HOUR, {"z": np.array([200.0, 400.0] * 12)}
    )
    return World(scenario, fleet, carbon=carbon, price=None, latency=None), fleet  # type: ignore[return-value]


def test_energy_is_chips_and_hosts_times_draw_times_time_times_pue() -> None:
    there, _ = chips()
    place = next(p for p in there.places if p.class_name == T4)
    asked = Job(
        "a", 0, 7200, cpu_millis=4000, memory_bytes=16 * 2**30, units=2, pods=2, home="s0",
        reference_class=T4,
    )  # fmt: skip
    took = there.usage(asked, place, 0.0, 7200.0)
    # A T4 idles at 10 W of 70 W and is used at 76% of the way between: 55.6 W. A core draws
    # 2.12 W, a GiB 0.42 W.
    watts = 2 * (2 * 55.6 + 4 * 2.12 + 16 * 0.42)
    assert took.energy_kwh == pytest.approx(watts / 1000 * 1.5 * 2)
    assert took.carbon_kg == pytest.approx(took.energy_kwh * 0.300)  # an hour at 200, one at 400
    assert took.electricity_usd == pytest.approx(took.energy_kwh * 0.080)
    assert took.hardware_usd == pytest.approx(2 * 2 * (2 * 0.5 + 4 * 0.02 + 16 * 0.001))
    assert took.unit_hours == 8.0


def test_faster_chips_shorten_the_run_by_their_measured_speed() -> None:
    there, _ = chips()
    asked = Job("a", 0, 7200, units=1, home="s0", reference_class=T4)
    fast = next(p for p in there.places if p.class_name == "nvidia-a100-sxm-80gb")
    # 65 TFLOPS × 0.7 where nobody measured it, 271.2 measured.
    assert there.stretch(asked, fast) == pytest.approx(65 * 0.7 / 271.2)
    serves = Job("b", 0, 7200, units=1, home="s0", reference_class=T4, kind="Inference")
    assert there.stretch(serves, fast) == 1.0


def test_an_hour_below_zero_is_free_and_pays_nobody() -> None:
    made = world([100.0] * 24, prices=[[-50.0, 30.0] * 12])
    found = replayed(run_at_home(), made, [job(length_s=2 * HOUR)])
    assert found.overall.usage.electricity_usd == pytest.approx(0.030)


def test_the_meter_reads_the_truth_whatever_was_believed() -> None:
    made = world([100.0] * 24, [900.0] * 24, believed=[[900.0] * 24, [100.0] * 24])
    found = replayed(run_at_home(), made, [job()])
    assert found.overall.usage.carbon_kg == pytest.approx(0.1)


def test_waiting_and_distance_have_their_price(tmp_path: Path) -> None:
    latency = tmp_path / "latency.csv"
    latency.write_text("origin,r0,r1\nr0,10,90\nr1,90,10\n")
    made = world([500] * 24, [100] * 24, cores=1, latency=latency)
    prices = PolicySpec(waitPerHour=2, latencyPerMillisecondHour=0.01)
    jobs = [job("a", max_latency_ms=100), job("b", max_latency_ms=50), job("c", max_latency_ms=50)]
    found = replayed(lowest_carbon(), made, jobs, prices)
    # a goes to s1 (90 ms), b to s0, and c waits an hour for s0.
    assert found.overall.terms["latency"] == pytest.approx(0.01 * (90 + 10 + 10))
    assert found.overall.terms["waiting"] == pytest.approx(2.0)
    assert found.overall.total_usd == pytest.approx(sum(s.total_usd for s in found.by_site))


class StopOnce:
    """Starts at the first site, stops after a time, and starts again at once at the last site."""

    name = "stop-once"

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s

    def decide(self, moment: Moment, desk: Desk) -> list[Action]:
        places = [p for p in desk.world.places if p.class_name is None]
        if moment.arrived:
            return [Start(0, places[0]), Wake(self._after_s, (0,))]
        if moment.stopped:
            return [Start(0, places[-1])]
        return [Stop(0, "Moved")] if moment.woken else []


def test_a_stop_loses_what_is_behind_the_last_checkpoint() -> None:
    made = world([100.0] * 24, [300.0] * 24)
    found = replayed(StopOnce(2.5 * HOUR), made, [job(length_s=4 * HOUR, checkpoint_s=HOUR)])
    # Two and a half hours ran, two of them count; two are left.
    assert windows(found) == [(0, 2.5), (2.5, 4.5)]
    assert found.lost_hours == pytest.approx(0.5)
    assert (found.moves, found.pauses) == (1, 0)
    assert found.overall.usage.carbon_kg == pytest.approx(0.25 + 0.6)
    assert found.outcomes[0].wait_s == 0


def test_a_restart_takes_its_time_and_makes_no_progress() -> None:
    made = world([100.0] * 24, [300.0] * 24, restart="15m")
    found = replayed(StopOnce(2.5 * HOUR), made, [job(length_s=4 * HOUR, checkpoint_s=HOUR)])
    assert windows(found) == [(0, 2.5), (2.5, 4.75)]
    assert found.lost_hours == pytest.approx(0.75)


class Hopeful:
    """Starts everything at once, room or not, and what found none when room comes free."""

    name = "hopeful"

    def __init__(self) -> None:
        self._left: list[int] = []

    def decide(self, moment: Moment, desk: Desk) -> list[Action]:
        self._left += moment.unbound
        asked = [*moment.arrived]
        if moment.freed:
            asked, self._left = [*asked, *self._left], []
        return [Start(index, desk.world.places[0]) for index in asked]


def test_a_start_that_the_site_cannot_bind_is_given_back_and_counted() -> None:
    there, fleet = world([100.0] * 24, cores=1)
    replay = Replay(there, fleet, [job("a"), job("b")], Hopeful())
    runs = replay.run()
    assert [(run.start_s, run.end_s) for run in runs] == [(0.0, HOUR), (HOUR, 2 * HOUR)]
    assert replay.unbound == 1


def test_stopping_work_that_has_no_checkpoint_is_a_violation_and_starts_it_anew() -> None:
    found = replayed(StopOnce(HOUR), world([100.0] * 24), [job(length_s=2 * HOUR)])
    assert windows(found) == [(0, 1), (1, 3)]
    assert found.violations["stopped"] == 1


def test_what_misses_its_deadline_or_breaks_a_law_is_counted_by_the_meter_itself() -> None:
    late = job("a", length_s=2 * HOUR, deadline_s=HOUR)
    exiled = job("b", jurisdictions=("J1",))
    there, fleet = world([100.0] * 24, [100.0] * 24)
    home = next(p for p in there.places if p.site == 0)

    class Careless:
        name = "careless"

        def decide(self, moment: Moment, desk: Desk) -> list[Action]:
            return [Start(index, home) for index in moment.arrived]

    runs = Replay(there, fleet, [late, exiled], Careless()).run()
    found = meter("careless", there, [late, exiled], runs, CARBON_ONLY)
    assert {k: v for k, v in found.violations.items() if v} == {"deadline": 1, "residency": 1}


JOBS = st.lists(
    st.builds(
        lambda arrival, length, cores, pods, delay, stops, home: {
            "arrival_s": arrival * 100.0,
            "length_s": length * 100.0,
            "cpu_millis": cores * 1000,
            "pods": pods,
            "max_delay_s": delay * HOUR,
            "checkpoint_s": 1.0 if stops else None,
            "home": f"s{home}",
        },
        st.integers(0, 600),
        st.integers(1, 300),
        st.integers(1, 3),
        st.integers(1, 2),
        st.integers(0, 12),
        st.booleans(),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=12,
)
MOVING = PolicySpec(
    carbonPerTonne=1000, rebalance=Rebalance(minSaving=0.05, cooldown=0, maxConcurrentMoves=3)
)
CHOOSERS = st.sampled_from(
    [
        lambda _: run_at_home(),
        lambda _: lowest_carbon(),
        lambda _: at_random(3),
        lambda _: Booked("ecovisor", ecovisor),
        lambda _: Booked("wait-awhile", wait_awhile),
        lambda there: Planned("carbon", CARBON_ONLY, there),
        lambda there: Planned("moving", MOVING, there),
    ]
)


@given(JOBS, CHOOSERS, st.integers(6, 8), st.sampled_from(["0s", "5m"]))
def test_whatever_happens_nothing_is_lost_run_twice_or_overbooked(
    given_jobs: list[dict[str, object]],
    make: Callable[[World], Chooser],
    cores: int,
    restart: str,
) -> None:
    jobs = sorted(
        (job(f"job-{i}", **fields) for i, fields in enumerate(given_jobs)),
        key=lambda j: (j.arrival_s, j.name),
    )
    series = [[200.0, 500, 100, 400, 300, 600] * 4, [450.0, 150, 350, 250] * 6]
    found, again = (
        replayed(make(made[0]), made, jobs)
        for made in (world(*series, cores=cores, restart=restart) for _ in range(2))
    )
    assert found.runs == again.runs  # deterministic
    for index, one in enumerate(jobs):
        own = sorted((r for r in found.runs if r.job == index), key=lambda r: r.start_s)
        assert own[-1].ended_by == "done"
        assert own[0].start_s >= one.arrival_s
        assert all(a.end_s <= b.start_s for a, b in itertools.pairwise(own))
        # It ran for its length, and for what stops have lost of it.
        ran = sum(r.end_s - r.start_s - r.lost_s for r in own)
        assert ran == pytest.approx(one.length_s, abs=0.01)
    for site in (0, 1):
        runs = [r for r in found.runs if r.place.site == site]
        for at in {r.start_s for r in runs}:
            used = sum(
                jobs[r.job].pods * jobs[r.job].cpu_millis for r in runs if r.start_s <= at < r.end_s
            )
            assert used <= cores * 1000
    # Energy is conserved: 1 kW for each core, summed over sites as over jobs.
    cores_h = sum(
        (r.end_s - r.start_s) / HOUR * jobs[r.job].pods * jobs[r.job].cpu_millis / 1000
        for r in found.runs
    )
    assert found.overall.usage.energy_kwh == pytest.approx(cores_h)
    assert sum(s.usage.energy_kwh for s in found.by_site) == pytest.approx(cores_h)
    assert sum(o.usage.carbon_kg for o in found.outcomes) == pytest.approx(
        found.overall.usage.carbon_kg
    )
    assert found.overall.total_usd == pytest.approx(sum(s.total_usd for s in found.by_site))
