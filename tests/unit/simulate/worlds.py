"""Small worlds whose figures can be worked out by hand.

One core draws 1 kW and costs nothing, PUE is 1: an hour of one core in a place takes exactly the
intensity in grams and the price in thousandths of a dollar.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tradewind.api.policy import PolicySpec
from tradewind.simulate.fleet import SiteNodes, build_fleet
from tradewind.simulate.jobs import Job
from tradewind.simulate.meter import Metered, meter
from tradewind.simulate.replay import Chooser, Replay
from tradewind.simulate.scenario import Scenario
from tradewind.simulate.series import SeriesFile
from tradewind.simulate.world import World

START = datetime(2022, 1, 1, tzinfo=UTC)
HOUR = 3600.0
#: A USD for each kg CO2e: costs read as kilograms.
CARBON_ONLY = PolicySpec(carbonPerTonne=1000)


def job(name: str = "a", **given: object) -> Job:
    """An hour of one core from second 0, at home at the first site."""
    plain: dict[str, object] = {
        "arrival_s": 0.0,
        "length_s": HOUR,
        "cpu_millis": 1000,
        "home": "s0",
    }
    return Job(name, **(plain | given))  # type: ignore[arg-type]


def world(
    *carbon: Sequence[float],
    cores: int = 100,
    prices: Sequence[Sequence[float]] = (),
    believed: Sequence[Sequence[float]] = (),
    latency: Path | None = None,
    **more: object,
) -> tuple[World, list[SiteNodes]]:
    """Sites s0, s1 …, one for each series of hourly intensities."""
    scenario = Scenario.model_validate(
        {
            "start": "2022-01-01T00:00:00Z",
            "power": {"cpuWatts": 1000, "memoryWatts": 0},
            "restart": "0s",
            "pricing": {"cpuHour": 0, "memoryGiBHour": 0},
            "sites": [
                {
                    "name": f"s{i}",
                    "location": {"gridZone": f"z{i}", "region": f"r{i}", "jurisdiction": f"J{i}"},
                    "energy": {"pue": 1, "pricePerMWh": 0},
                    "nodes": [{"cpu": cores, "memory": "1Ti"}],
                }
                for i in range(len(carbon))
            ],
        }
        | more
    )
    fleet = build_fleet(scenario, Path())
    made = World(
        scenario,
        fleet,
        carbon=_file(carbon),
        price=_file(prices) if prices else None,
        latency=latency,
        forecast=_file(believed) if believed else None,
    )
    return made, fleet


def _file(series: Sequence[Sequence[float]]) -> SeriesFile:
    zones = {f"z{i}": np.array(values, np.float64) for i, values in enumerate(series)}
    return SeriesFile(Path("hand.csv"), START, HOUR, zones)


def replayed(
    chooser: Chooser,
    made: tuple[World, list[SiteNodes]],
    jobs: Sequence[Job],
    prices: PolicySpec = CARBON_ONLY,
) -> Metered:
    """Replay and meter."""
    there, fleet = made
    runs = Replay(there, fleet, jobs, chooser).run()
    return meter(chooser.name, there, jobs, runs, prices)


def windows(found: Metered) -> list[tuple[float, float]]:
    """Hours from and to of all runs."""
    return [(run.start_s / HOUR, run.end_s / HOUR) for run in found.runs]
