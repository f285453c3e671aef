"""What is true in the simulated world: where a job may run, how fast, and what each second takes.

Formulas are those of placement (`placement/cost.py`), worked out here on their own from the true
series: what a run takes is metered, whatever the planner believed when it chose.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tradewind.api.policy import PolicySpec
from tradewind.base.errors import InputFileError
from tradewind.hardware.catalog import Catalog
from tradewind.placement.chips import draw_watts, is_of_class
from tradewind.placement.config import EngineConfig
from tradewind.simulate.files import header_of, rows_of
from tradewind.simulate.fleet import SiteNodes
from tradewind.simulate.jobs import Job
from tradewind.simulate.scenario import Scenario, SimulatedSite
from tradewind.simulate.series import F64, Series, SeriesFile

_GIB = 2**30
#: Work of this class is not shortened by faster chips.
_SERVICE = "Inference"


@dataclass(frozen=True, slots=True)
class Place:
    """A site, and one of its accelerator classes or none: what can be chosen.

    Args:
        index: of the place.
        site: index of the site.
        class_name: None without accelerators.
        speed: effective BF16 TFLOPS; 0 without accelerators.
        watts: of one unit at work.
        unit_usd_per_hour: price of one unit.
    """

    index: int
    site: int
    class_name: str | None
    speed: float = 0.0
    watts: float = 0.0
    unit_usd_per_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run took; usages add up.

    Args:
        hours: of running.
        unit_hours: accelerators times hours.
        core_hours: cores times hours.
        energy_kwh: at the meter, PUE included.
        carbon_kg: CO2e, by the true intensity.
        electricity_usd: by the true price.
        hardware_usd: by the sites' prices.
        latency_ms_hours: round trip to the home's region times hours.
    """

    hours: float = 0.0
    unit_hours: float = 0.0
    core_hours: float = 0.0
    energy_kwh: float = 0.0
    carbon_kg: float = 0.0
    electricity_usd: float = 0.0
    hardware_usd: float = 0.0
    latency_ms_hours: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.hours + other.hours,
            self.unit_hours + other.unit_hours,
            self.core_hours + other.core_hours,
            self.energy_kwh + other.energy_kwh,
            self.carbon_kg + other.carbon_kg,
            self.electricity_usd + other.electricity_usd,
            self.hardware_usd + other.hardware_usd,
            self.latency_ms_hours + other.latency_ms_hours,
        )


class World:
    """Sites, their signals, and the physics of running there.

    Args:
        scenario: the sites.
        fleet: their nodes, which tell the classes.
        carbon: true intensity by zone, gCO2e/kWh.
        price: true price by zone, USD/MWh; a zone that is missing has the site's own figure.
        latency: file with round trips between regions, ms; None: no latency is known.
        forecast: what is believed of carbon; None: the truth.
    """

    def __init__(
        self,
        scenario: Scenario,
        fleet: Sequence[SiteNodes],
        *,
        carbon: SeriesFile,
        price: SeriesFile | None,
        latency: Path | None,
        forecast: SeriesFile | None = None,
    ) -> None:
        self.scenario = scenario
        self.sites: tuple[SimulatedSite, ...] = scenario.sites
        self.index = {site.name: place for place, site in enumerate(self.sites)}
        self.config: EngineConfig = scenario.config
        self.catalog: Catalog = scenario.catalog
        start, hours = scenario.start, scenario.hours
        zones = [site.location.grid_zone for site in self.sites]
        self.carbon = [carbon.series(zone, start, hours) for zone in zones]
        self.believed_carbon = self.carbon
        if forecast is not None:
            self.believed_carbon = [forecast.series(zone, start, hours) for zone in zones]
        self.price = [self._price(site, price) for site in self.sites]
        self.pue = [site.energy.pue or self.config.fallbacks.pue for site in self.sites]
        self.latency_ms = self._latency(latency)
        self.places = tuple(self._places(fleet))
        self.places_at: list[list[Place]] = [
            [place for place in self.places if place.site == site]
            for site in range(len(self.sites))
        ]
        self._allowed: dict[tuple[object, ...], tuple[Place, ...]] = {}
        self._worthwhile: dict[tuple[object, ...], tuple[Place, ...]] = {}

    def _price(self, site: SimulatedSite, price: SeriesFile | None) -> Series:
        zone, start, hours = site.location.grid_zone, self.scenario.start, self.scenario.hours
        if price is not None and price.has(zone):
            found = price.series(zone, start, hours)
            # As placement counts it: an hour below zero is free, nobody is paid to burn.
            return Series(np.maximum(0.0, found.values), found.step_s)
        if site.energy.price_per_mwh is None:
            raise InputFileError(
                f"no electricity price for the zone {zone!r} of site {site.name!r}",
                hint="add its column to the prices, or `energy.pricePerMWh` to the site",
            )
        return Series(np.full(24, max(0.0, site.energy.price_per_mwh)), 3600.0)

    def _latency(self, file: Path | None) -> F64:
        """(S, S) round trip from the region of a home to that of a site, ms; NaN where unknown."""
        count = len(self.sites)
        found = np.full((count, count), math.nan)
        if file is None:
            return found
        regions = [site.location.region for site in self.sites]
        origin = header_of(file)[0]
        for row in rows_of(file, (origin,)):
            for home in (i for i, region in enumerate(regions) if region == row.text(origin)):
                for site, region in enumerate(regions):
                    if region in row.cells:
                        found[home, site] = row.number(region)
        return found

    def _places(self, fleet: Sequence[SiteNodes]) -> list[Place]:
        made: list[Place] = []
        for site, nodes in enumerate(fleet):
            made.append(Place(len(made), site, None))
            for name in sorted(nodes.total):
                made.append(self._chip_place(len(made), site, name))
        return made

    def _chip_place(self, index: int, site: int, name: str) -> Place:
        found = self.catalog.get(name)
        stated = self.sites[site].pricing.accelerator_hour
        shared = self.scenario.pricing.accelerator_hour
        price = stated.get(name, shared.get(name, found.price_per_hour if found else None))
        if found is None or price is None or found.speed is None:
            raise InputFileError(
                f"what {name!r} costs an hour, or how fast it is, nobody knows",
                hint="state `pricing.acceleratorHour` and `accelerators.*.tflops.bf16`",
            )
        watts = draw_watts(found, self.config)
        if math.isnan(watts):
            watts = self.config.fallbacks.draw_watts
        return Place(index, site, name, found.speed, watts, price)

    def allowed(self, job: Job) -> tuple[Place, ...]:
        """Where a job may run by its hard rules (law, latency, hardware), room or not."""
        key = (job.home, bool(job.units), job.classes, job.max_latency_ms, job.jurisdictions)
        found = self._allowed.get(key)
        if found is None:
            found = tuple(
                place
                for place in self.places
                if not self.breaks(job, place.site) and self._serves(job, place)
            )
            self._allowed[key] = found
        return found

    def worthwhile(self, job: Job) -> tuple[Place, ...]:
        """Where a job may run, without places that another class of the same site always beats.

        One that is as fast, draws as little for the whole job and costs as little can only win.
        """
        key = (job.home, job.classes, job.max_latency_ms, job.jurisdictions, job.kind, *_size(job))
        found = self._worthwhile.get(key)
        if found is None:
            offers = [(place, self._needs(job, place)) for place in self.allowed(job)]
            found = self._worthwhile[key] = tuple(
                place
                for place, needs in offers
                if not any(
                    other.site == place.site
                    and all(a <= b for a, b in zip(theirs, needs, strict=True))
                    and (theirs != needs or other.index < place.index)
                    for other, theirs in offers
                )
            )
        return found

    def _needs(self, job: Job, place: Place) -> tuple[float, float, float]:
        stretch = self.stretch(job, place)
        return (
            stretch,
            stretch * self.kilowatts(job, place),
            stretch * self.hardware_usd_per_hour(job, place),
        )

    def breaks(self, job: Job, site: int) -> str:
        """Which hard rule running there would break: `latency`, `residency`, or none (empty)."""
        if job.max_latency_ms is not None and not (
            self.round_trip_ms(job, site) <= job.max_latency_ms
        ):
            return "latency"
        law = self.sites[site].location.jurisdiction
        if job.jurisdictions and not any(
            law == j or law.startswith(f"{j}-") for j in job.jurisdictions
        ):
            return "residency"
        return ""

    def _serves(self, job: Job, place: Place) -> bool:
        if not job.units:
            return place.class_name is None
        if place.class_name is None:
            return False
        name, catalog = place.class_name, self.catalog
        return not job.classes or any(is_of_class(name, asked, catalog) for asked in job.classes)

    def round_trip_ms(self, job: Job, site: int) -> float:
        """From a job's home to a site; NaN where unknown."""
        home = self.index.get(job.home)
        return math.nan if home is None else float(self.latency_ms[home, site])

    def stretch(self, job: Job, place: Place) -> float:
        """Seconds of running there for each second on the reference class."""
        if not job.units or job.kind == _SERVICE:
            return 1.0
        reference = self.catalog.get(job.reference_class or self.config.reference_class)
        speed = reference.speed if reference else None
        return (speed or self.config.fallbacks.speed_tflops) / place.speed

    def kilowatts(self, job: Job, place: Place) -> float:
        """Draw of the whole job at the meter, kW."""
        config = self.config
        watts = job.units * place.watts
        watts += job.cpu_millis / 1000 * config.cpu_watts
        watts += job.memory_bytes / _GIB * config.memory_watts
        return job.pods * watts / 1000 * self.pue[place.site]

    def hardware_usd_per_hour(self, job: Job, place: Place) -> float:
        """What the site charges for an hour of the whole job, electricity apart."""
        own, shared = self.sites[place.site].pricing, self.scenario.pricing
        stated = self.config.fallbacks
        cpu = _first(own.cpu_hour, shared.cpu_hour, stated.cpu_hour)
        memory = _first(own.memory_gib_hour, shared.memory_gib_hour, stated.memory_gib_hour)
        one = job.units * place.unit_usd_per_hour
        one += job.cpu_millis / 1000 * cpu + job.memory_bytes / _GIB * memory
        return job.pods * one

    def usage(self, job: Job, place: Place, start_s: float, end_s: float) -> Usage:
        """What a run took, metered from the true series."""
        hours = (end_s - start_s) / 3600
        power = self.kilowatts(job, place)
        grams = power * self.carbon[place.site].integral(start_s, end_s) / 3600
        trip = self.round_trip_ms(job, place.site) if job.has_users else 0.0
        return Usage(
            hours=hours,
            unit_hours=hours * job.pods * job.units,
            core_hours=hours * job.pods * job.cpu_millis / 1000,
            energy_kwh=power * hours,
            carbon_kg=grams / 1000,
            electricity_usd=power * self.price[place.site].integral(start_s, end_s) / 3.6e6,
            hardware_usd=self.hardware_usd_per_hour(job, place) * hours,
            latency_ms_hours=hours * trip if math.isfinite(trip) else 0.0,
        )

    def running_usd(self, job: Job, place: Place, prices: PolicySpec, at_s: F64) -> F64:
        """(...) USD that running from the start of the simulation to each time would cost.

        The difference of two is what a run between them costs, waiting apart.
        """
        power = self.kilowatts(job, place)
        energy = self.price[place.site].integrals(at_s) / 3.6e6
        energy += self.carbon[place.site].integrals(at_s) / 3.6e9 * prices.carbon_per_tonne
        trip = self.round_trip_ms(job, place.site) if job.has_users else 0.0
        steady = self.hardware_usd_per_hour(job, place)
        if math.isfinite(trip):
            steady += trip * prices.latency_per_millisecond_hour
        total: F64 = power * energy + steady * at_s / 3600
        return total


def value_usd(usage: Usage, wait_s: float, prices: PolicySpec) -> dict[str, float]:
    """What a run cost at the prices of a policy, term by term, USD."""
    return {
        "hardware": usage.hardware_usd,
        "electricity": usage.electricity_usd,
        "carbon": usage.carbon_kg / 1000 * prices.carbon_per_tonne,
        "latency": usage.latency_ms_hours * prices.latency_per_millisecond_hour,
        "waiting": wait_s / 3600 * prices.wait_per_hour,
    }


def _size(job: Job) -> tuple[object, ...]:
    return (job.pods, job.cpu_millis, job.memory_bytes, job.units, job.reference_class)


def _first(*values: float | None) -> float:
    return next((value for value in values if value is not None), 0.0)
