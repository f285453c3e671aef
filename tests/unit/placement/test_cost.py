"""Each term of a cost, against figures worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.builders import (
    A100,
    H100,
    NOW,
    SiteBuilder,
    WorkloadBuilder,
    outcome,
    site,
    snapshot,
    workload,
)

from tradewind.api.policy import PolicySpec
from tradewind.hardware.catalog import builtin_catalog
from tradewind.placement.config import EngineConfig
from tradewind.placement.engine import plan
from tradewind.placement.inputs import filled
from tradewind.placement.plan import Assignment, Candidate, Term
from tradewind.placement.priced import MOST_USD
from tradewind.placement.snapshot import Pricing, SiteName
from tradewind.placement.waits import queue_hours

FIGURES = EngineConfig()
FREE = PolicySpec()
GANG = workload("w").gang(2, chips=8, cpu=0, memory_gib=0)
PLACE = site("s").nodes(8, h100=8).has(H100, 64)


def chosen(
    place: SiteBuilder, work: WorkloadBuilder, prices: PolicySpec = FREE, *others: SiteBuilder
) -> Candidate:
    found = outcome(plan(snapshot([place, *others], [work], prices=prices), NOW), "w")
    assert isinstance(found, Assignment)
    assert found.explanation.chosen is not None
    return found.explanation.chosen


def speed(name: str) -> float:
    made = builtin_catalog().get(name)
    assert made is not None
    assert made.speed is not None
    return made.speed


HOURS = speed(A100) / speed(H100)  # one hour on an A100


def test_faster_chips_shorten_the_run() -> None:
    assert chosen(PLACE, GANG).run_s == pytest.approx(HOURS * 3600)
    assert chosen(site("s").nodes(2, a100=8), GANG).run_s == pytest.approx(3600)


def test_a_service_runs_for_the_horizon_on_any_chip() -> None:
    served = chosen(PLACE, GANG.lasts(None).but(workload_class="Inference"))
    assert served.run_s == 24 * 3600
    assert "horizon" in served.cost.assumed_inputs


def test_hardware_is_charged_by_the_hour() -> None:
    work = workload("w").gang(2, chips=8, cpu=4, memory_gib=16)
    place = PLACE.charges(cpu=0.05, memory=0.01, h100=2.0)
    # 16 chips at 2 USD, 8 cores at 5 cents, 32 GiB at a cent.
    want = HOURS * (16 * 2.0 + 8 * 0.05 + 32 * 0.01)
    assert chosen(place, work).cost[Term.HARDWARE] == pytest.approx(want, abs=1e-6)


def test_energy_counts_idle_power_utilisation_and_pue() -> None:
    made = builtin_catalog().get(H100)
    assert made is not None
    assert made.idle_watts is not None
    assert made.tdp_watts == 700
    watts = made.idle_watts + 0.76 * (700 - made.idle_watts)
    kwh = 16 * watts / 1000 * 1.5 * HOURS
    found = chosen(
        PLACE.costs(power=80, carbon=500, pue=1.5), GANG, PolicySpec(carbon_per_tonne=100)
    )
    assert found.energy_kwh == pytest.approx(kwh)
    assert found.carbon_kg == pytest.approx(kwh * 0.5)
    assert found.cost[Term.ELECTRICITY] == pytest.approx(kwh * 0.080, abs=1e-6)
    assert found.cost[Term.CARBON] == pytest.approx(kwh * 0.5 / 1000 * 100, abs=1e-6)


def test_work_without_chips_draws_by_core_and_memory() -> None:
    work = workload("w").gang(1, cpu=10, memory_gib=100)
    found = chosen(site("s").nodes(1).costs(pue=1.0), work)
    assert found.energy_kwh == pytest.approx((10 * 2.12 + 100 * 0.42) / 1000)


def test_distance_is_priced_by_the_consumers_share() -> None:
    work = GANG.only(latency_from=(("berlin", 0.75), ("shanghai", 0.25)))
    place = PLACE.but(latency_ms={"berlin": 20.0, "shanghai": 200.0})
    found = chosen(place, work, PolicySpec(latency_per_millisecond_hour=0.01))
    assert found.cost[Term.LATENCY] == pytest.approx(HOURS * 65 * 0.01, abs=1e-6)


def test_data_costs_where_it_does_not_lie() -> None:
    work = GANG.only(data=((SiteName("s"), 900.0), (SiteName("far"), 100.0)))
    found = chosen(PLACE, work, PolicySpec(data_per_gib=0.02, wait_per_hour=10))
    hours = 100 * 2**30 * 8 / 10e9 / 3600
    assert found.cost[Term.DATA] == pytest.approx(100 * 0.02 + hours * 10, abs=1e-6)


def test_queueing_follows_the_load_and_the_servers() -> None:
    # The site holds 64 chips: four such gangs at a time.
    rho, c = 0.5, 4
    wait = HOURS * rho ** (math.sqrt(2 * (c + 1)) - 1) / (c * (1 - rho))
    found = chosen(PLACE.costs(load=rho), GANG, PolicySpec(wait_per_hour=10))
    assert found.cost[Term.QUEUEING] == pytest.approx(wait * 10, abs=1e-6)
    assert found.cost[Term.WAITING] == 0


def test_queueing_grows_with_the_load_and_stays_finite() -> None:
    load = np.minimum(np.linspace(0, 1, 101), FIGURES.load_cap)
    waits = queue_hours(np.ones(101), load, np.full(101, 3.0))
    assert np.isfinite(waits).all()
    assert (np.diff(waits) >= 0).all()
    assert waits[0] == 0


def test_what_is_not_known_is_priced_at_the_dearer_of_fallback_and_worst() -> None:
    assert filled(np.array([900.0, np.nan]), 480.0).values.tolist() == [900.0, 900.0]
    assert filled(np.array([100.0, np.nan]), 480.0).values.tolist() == [100.0, 480.0]
    slow = filled(np.array([5.0, np.nan]), 30.0, high_is_dear=False)
    assert slow.values.tolist() == [5.0, 5.0]


def test_assumed_inputs_are_named_and_known_ones_are_not() -> None:
    known = PLACE.charges(h100=2)
    work = workload("w").gang(2, chips=8, cpu=1, memory_gib=1)
    everything = PolicySpec(carbon_per_tonne=1, wait_per_hour=1, latency_per_millisecond_hour=1)
    assert chosen(known, work, everything).cost.assumed_inputs == ()
    silent = known.costs(carbon=None, power=None, load=None, pue=None).but(pricing=Pricing())
    away = work.only(latency_from=(("berlin", 1.0),)).lasts(None)
    away = away.but(runtime=replace(away.view.runtime, reference_class=""))
    assert chosen(silent, away, everything).cost.assumed_inputs == (
        "acceleratorHour",
        "carbonIntensity",
        "cpuHour",
        "duration",
        "latency",
        "load",
        "memoryGiBHour",
        "pricePerMWh",
        "pue",
        "referenceClass",
    )


def test_a_site_does_not_gain_by_falling_silent() -> None:
    dirty = site("dirty").nodes(2, h100=8).costs(carbon=900)
    silent = site("silent").nodes(2, h100=8).costs(carbon=None)
    found = chosen(dirty, GANG, PolicySpec(carbon_per_tonne=100), silent)
    assert found.site == "dirty"


def test_a_negative_electricity_price_counts_as_free() -> None:
    assert chosen(PLACE.costs(power=-70), GANG).cost[Term.ELECTRICITY] == 0


def test_a_cost_beyond_all_measure_is_capped_not_infinite() -> None:
    found = chosen(PLACE.charges(h100=1e8), GANG)
    assert found.cost[Term.HARDWARE] == MOST_USD
    assert math.isfinite(found.cost.total)
