"""At which rates is a part of a workload charged at its site, now? Pure.

Power is the placement engine's own formula (`placement/power.py`). Where the site's Prometheus
measures power, that power is shared among all that the site has in proportion to what the formula
says each draws: idle accelerators keep their share, and what a neighbour draws is not charged to
the work. A measurement that is further from the formula than `PLAUSIBLE_SCALE` is of something else
and is not used.

What is not known stands at the site's own stated figure, else at the engine's stated fallback, and
is then named. Unlike placement, no site is charged at the dearest figure of another.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tradewind.api.demand import Demand
from tradewind.api.site import ComputeSite, Signal, SignalState, SiteSignals
from tradewind.controller.metering import Rates
from tradewind.hardware.catalog import Catalog
from tradewind.hardware.labels import vendor_of
from tradewind.placement.chips import chip_of, draw_watts
from tradewind.placement.config import EngineConfig
from tradewind.placement.demands import needs_on
from tradewind.placement.power import kilowatts
from tradewind.placement.snapshot import Pricing, SiteAccelerator
from tradewind.placement.table import clean
from tradewind.placement.views import pricing_of, signal_value
from tradewind.sites.inventory import InventoryView

#: Sources of `acceleratorPowerKW`, and whose accelerators they see.
ACCELERATORS_ONLY: Final[Mapping[str, str]] = {
    "dcgm-exporter": "nvidia",
    "device-metrics-exporter": "amd",
    "npu-exporter": "huawei",
    "xpumd": "intel",
    "gaudi-exporter": "intel",
    "mlu-exporter": "cambricon",
    "dcu-exporter": "hygon",
    "mx-exporter": "metax",
    "mtgpu-exporter": "mthreads",
    "ix-exporter": "iluvatar",
    "gcu-exporter": "enflame",
    "xpu-exporter": "kunlunxin",
}
#: Measured over modelled power. Real accelerators draw from a tenth of their rated power when idle
#: to all of it, and hosts draw beside them.
PLAUSIBLE_SCALE: Final = (0.2, 4.0)

_GIB = 2**30
#: Stands for every maker, and for the hosts.
_ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class SiteFigures:
    """What a site charges and draws.

    Args:
        pricing: as its spec states it.
        carbon_intensity: gCO2e/kWh; NaN: unknown.
        price_per_mwh: USD; NaN: unknown.
        pue: NaN: unknown.
        accelerators: by class, as its inventory knows them.
        power_scale: measured over modelled power, by the maker whose accelerators it covers; `*`
            covers whole servers.
    """

    pricing: Pricing = field(default_factory=Pricing)
    carbon_intensity: float = math.nan
    price_per_mwh: float = math.nan
    pue: float = math.nan
    accelerators: Mapping[str, SiteAccelerator] = field(default_factory=dict)
    power_scale: Mapping[str, float] = field(default_factory=dict)


def figures_of(
    site: ComputeSite,
    signals: SiteSignals,
    inventory: InventoryView,
    catalog: Catalog,
    config: EngineConfig,
) -> SiteFigures:
    """The figures of a site as they are now."""
    energy = site.spec.energy
    accelerators: dict[str, SiteAccelerator] = {}
    for found in sorted(inventory.classes, key=lambda totals: totals.allocatable):
        accelerators[found.class_name] = SiteAccelerator(
            class_name=found.class_name,
            resource_name=found.resource_name,
            vendor=found.vendor,
            memory_gib=found.memory_gib,
        )
    return SiteFigures(
        pricing=pricing_of(site.spec.pricing, signals, accelerators),
        carbon_intensity=_known(signals.carbon_intensity, energy.carbon_intensity),
        price_per_mwh=_known(signals.price_per_mwh, energy.price_per_mwh, low=-math.inf),
        pue=_known(signals.pue, energy.pue, low=1.0),
        accelerators=accelerators,
        power_scale=_power_scale(signals, inventory, catalog, config),
    )


def rates_of(
    demand: Demand,
    site: SiteFigures,
    *,
    pods: int,
    class_name: str | None,
    catalog: Catalog,
    config: EngineConfig,
) -> Rates:
    """The rates of a part.

    Args:
        demand: of the whole workload.
        site: where it runs.
        pods: of this part that are at work.
        class_name: that it runs on; None: without accelerators.
        catalog: the accelerator classes in force.
        config: the engine's stated figures.
    """
    accelerator = _accelerator(demand, class_name, site)
    share = pods / demand.replicas if demand.replicas else 0.0
    needs = needs_on(demand, accelerator)
    units = share * sum(need.count * need.units for need in needs)
    cores = share * sum(need.count * need.cpu_millis for need in needs) / 1000
    memory_gib = share * sum(need.count * need.memory_bytes for need in needs) / _GIB
    stated, assumed = config.fallbacks, set[str]()

    def known(name: str, value: float, fallback: float) -> float:
        if math.isnan(value):
            assumed.add(name)
            return fallback
        return value

    draw, unit_price, vendor = 0.0, 0.0, ""
    if accelerator is not None and units > 0:
        chip = chip_of(accelerator, catalog, config)
        vendor = chip.vendor
        draw = known("acceleratorPower", chip.draw_watts, stated.draw_watts)
        own = clean(site.pricing.accelerator_hour.get(accelerator.class_name))
        listed = stated.accelerator_hour if math.isnan(chip.price_hour) else chip.price_hour
        unit_price = known("acceleratorHour", own, listed)
    hardware = units * unit_price
    if cores > 0:
        hardware += cores * known("cpuHour", clean(site.pricing.cpu_hour), stated.cpu_hour)
    if memory_gib > 0:
        price = known("memoryGiBHour", clean(site.pricing.memory_gib_hour), stated.memory_gib_hour)
        hardware += memory_gib * price
    pue = known("pue", site.pue, stated.pue)
    whole, chips, measured = _scale(vendor, site)
    power = kilowatts(units, draw * chips, pue, cores=cores, memory_gib=memory_gib, config=config)
    return Rates(
        units=units,
        kilowatts=power * whole,
        measured=measured,
        carbon_g_per_kwh=known("carbonIntensity", site.carbon_intensity, stated.carbon_intensity),
        usd_per_mwh=known("pricePerMWh", site.price_per_mwh, stated.price_per_mwh),
        hardware_usd_per_hour=hardware,
        assumed=tuple(sorted(assumed)),
    )


def _scale(vendor: str, site: SiteFigures) -> tuple[float, float, bool]:
    """Factors for the whole and for the accelerators alone, and whether anything was measured."""
    if _ALL in site.power_scale:
        return site.power_scale[_ALL], 1.0, True
    return 1.0, site.power_scale.get(vendor, 1.0), vendor in site.power_scale


def _accelerator(
    demand: Demand, class_name: str | None, site: SiteFigures
) -> SiteAccelerator | None:
    """What the site knows of the class; before it is listed, by what the template asks for."""
    if class_name is None:
        return None
    known = site.accelerators.get(class_name)
    if known is not None:
        return known
    named = (name for pod in demand.pods for name, _ in pod.vendor_resources if vendor_of(name))
    return SiteAccelerator(class_name=class_name, resource_name=next(named, ""))


def _known(signal: Signal | None, stated: float | None, *, low: float = 0.0) -> float:
    """A signal that can be trusted, else what the spec states, else NaN."""
    return clean(signal_value(signal, stated).value, low=low)


def _measured(
    signals: SiteSignals, inventory: InventoryView
) -> tuple[float, frozenset[str]] | None:
    """Measured power, kW, and what it covers: whole servers, else the accelerators of makers.

    A source that is no exporter of one maker's, such as a site's own query, covers all makers.
    """
    whole, chips = signals.power_kw, signals.accelerator_power_kw
    if whole is not None and whole.state is SignalState.CURRENT and whole.value is not None:
        return whole.value, frozenset({_ALL})
    if chips is not None and chips.state is SignalState.CURRENT and chips.value is not None:
        sources = chips.source.split("+")
        if all(source in ACCELERATORS_ONLY for source in sources):
            return chips.value, frozenset(ACCELERATORS_ONLY[source] for source in sources)
        return chips.value, frozenset(found.vendor for found in inventory.classes)
    return None


def _power_scale(
    signals: SiteSignals, inventory: InventoryView, catalog: Catalog, config: EngineConfig
) -> Mapping[str, float]:
    """Measured over modelled power, by what the measurement covers; empty without one."""
    measured = _measured(signals, inventory)
    if measured is None:
        return {}
    kilowatts_measured, covered = measured
    idle = replace(config, utilisation=0.0)
    watts = 0.0
    for found in inventory.classes:
        if not covered & {_ALL, found.vendor}:
            continue
        hardware = catalog.get(found.class_name)
        if hardware is None:
            return {}  # a maker's chips of which nobody knows the draw: no share can be told
        busy = min(found.requested, found.allocatable)
        watts += busy * draw_watts(hardware, config)
        watts += (found.allocatable - busy) * draw_watts(hardware, idle)
    if _ALL in covered:
        asked = inventory.requested
        watts += asked.cpu_millis / 1000 * config.cpu_watts
        watts += asked.memory_bytes / _GIB * config.memory_watts
    scale = clean(kilowatts_measured) * 1000 / watts if watts > 0 else math.nan
    low, high = PLAUSIBLE_SCALE
    return dict.fromkeys(covered, scale) if low <= scale <= high else {}
