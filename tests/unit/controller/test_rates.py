"""At what rates work is charged: the engine's formula, measured power, and what is not known."""

import math
from dataclasses import replace

import pytest
from tests.unit.controller.sites import compute_site

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.site import Signal, SignalState, SiteSignals
from tradewind.controller.metering import Rates
from tradewind.controller.rates import figures_of, rates_of
from tradewind.hardware.catalog import builtin_catalog
from tradewind.placement.chips import draw_watts
from tradewind.placement.config import EngineConfig
from tradewind.sites.inventory import Amounts, ClassTotals, InventoryView

CONFIG, CATALOG = EngineConfig(), builtin_catalog()
H100 = "nvidia-h100-sxm"
POD = PodDemand(count=2, cpu_millis=16_000, memory_bytes=64 * 2**30, accelerators=8)
GANG = Demand("batch/v1/Job", (POD,))
SPEC = {
    "energy": {"pue": 1.2, "carbonIntensity": 400, "pricePerMWh": 60},
    "pricing": {"acceleratorHour": {H100: 2.0}, "cpuHour": 0.03, "memoryGiBHour": 0.004},
}


def current(value: float, source: str = "x") -> Signal:
    return Signal(value=value, state=SignalState.CURRENT, source=source)


def totals(
    requested: int, allocatable: int = 32, name: str = H100, vendor: str = "nvidia"
) -> ClassTotals:
    return ClassTotals(name, "nvidia.com/gpu", vendor, 80.0, 4, allocatable, requested, {})


def inventory(*classes: ClassTotals, cores: int = 32, gib: int = 128) -> InventoryView:
    return InventoryView(classes=classes, requested=Amounts(cores * 1000, gib * 2**30))


def rates(
    signals: SiteSignals = SiteSignals(),  # noqa: B008 - frozen
    view: InventoryView = InventoryView(),  # noqa: B008
    demand: Demand = GANG,
    pods: int = 2,
    class_name: str | None = H100,
    **spec: object,
) -> Rates:
    figures = figures_of(
        compute_site("ulanqab", **{**SPEC, **spec}), signals, view, CATALOG, CONFIG
    )
    return rates_of(
        demand, figures, pods=pods, class_name=class_name, catalog=CATALOG, config=CONFIG
    )


def h100_watts() -> float:
    found = CATALOG.get(H100)
    assert found is not None
    return draw_watts(found, CONFIG)


def test_power_and_price_are_the_placement_engine_s() -> None:
    got = rates()
    host = 32 * CONFIG.cpu_watts + 128 * CONFIG.memory_watts
    assert got.units == 16
    assert got.kilowatts == pytest.approx((16 * h100_watts() + host) / 1000 * 1.2)
    assert got.hardware_usd_per_hour == pytest.approx(16 * 2 + 32 * 0.03 + 128 * 0.004)
    assert (got.carbon_g_per_kwh, got.usd_per_mwh) == (400, 60)
    assert (got.measured, got.assumed) == (False, ())


def test_a_part_of_the_pods_takes_its_part() -> None:
    whole, half = rates(), rates(pods=1)
    assert half.units == 8
    assert half.kilowatts == pytest.approx(whole.kilowatts / 2)


def test_chips_that_the_template_names_itself_are_counted() -> None:
    named = replace(POD, accelerators=0, vendor_resources=(("nvidia.com/gpu", 8),))
    assert rates(demand=Demand("batch/v1/Job", (named,))).units == 16


def test_current_signals_win_over_the_spec() -> None:
    signals = SiteSignals(carbon_intensity=current(90), price_per_mwh=current(-5), pue=current(1.5))
    got = rates(signals)
    assert (got.carbon_g_per_kwh, got.usd_per_mwh) == (90, -5)
    assert got.kilowatts == pytest.approx(rates().kilowatts / 1.2 * 1.5)


def test_a_stale_signal_gives_way_to_the_spec() -> None:
    stale = Signal(value=90, state=SignalState.STALE)
    assert rates(SiteSignals(carbon_intensity=stale)).carbon_g_per_kwh == 400


def test_what_nobody_knows_stands_at_its_stated_fallback_and_is_named() -> None:
    got = rates(energy={}, pricing={}, class_name="unknown")
    stated = CONFIG.fallbacks
    assert got.carbon_g_per_kwh == stated.carbon_intensity
    assert got.usd_per_mwh == stated.price_per_mwh
    assert got.assumed == (
        "acceleratorHour", "acceleratorPower", "carbonIntensity", "cpuHour", "memoryGiBHour",
        "pricePerMWh", "pue",
    )  # fmt: skip


def test_the_catalogue_s_price_is_an_assumption_too() -> None:
    got = rates(pricing={"cpuHour": 0, "memoryGiBHour": 0})
    listed = CATALOG.get(H100)
    assert listed is not None
    assert listed.price_per_hour is not None
    assert got.hardware_usd_per_hour == pytest.approx(16 * listed.price_per_hour)
    assert got.assumed == ("acceleratorHour",)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -1.0, 1e12])
def test_an_impossible_signal_charges_nobody(odd: float) -> None:
    signals = SiteSignals(carbon_intensity=current(odd), pue=current(odd), power_kw=current(odd))
    got = rates(signals, inventory(totals(16)))
    for value in (got.kilowatts, got.carbon_g_per_kwh, got.hardware_usd_per_hour):
        assert math.isfinite(value)
        assert value >= 0
    assert not got.measured


def test_measured_server_power_is_shared_by_what_each_draws() -> None:
    """16 of 32 chips are ours and at work, 8 are a neighbour's, 8 idle: nobody pays for others."""
    found = CATALOG.get(H100)
    assert found is not None
    idle_watts = draw_watts(found, replace(CONFIG, utilisation=0.0))
    host = 32 * CONFIG.cpu_watts + 128 * CONFIG.memory_watts
    modelled = 24 * h100_watts() + 8 * idle_watts + host
    signals = SiteSignals(power_kw=current(1.1 * modelled / 1000, "ipmi-exporter"))
    got = rates(signals, inventory(totals(24)))
    assert got.measured
    assert got.kilowatts == pytest.approx(1.1 * rates().kilowatts)


def test_measured_accelerator_power_says_nothing_of_hosts_or_of_other_makers() -> None:
    modelled_kw = 32 * h100_watts() / 1000
    signals = SiteSignals(accelerator_power_kw=current(0.5 * modelled_kw, "dcgm-exporter"))
    view = inventory(totals(32), totals(8, 8, "amd-mi300x", "amd"))
    host_kw = (32 * CONFIG.cpu_watts + 128 * CONFIG.memory_watts) / 1000 * 1.2
    assert rates(signals, view).kilowatts == pytest.approx(
        0.5 * 16 * h100_watts() / 1000 * 1.2 + host_kw
    )
    amd = rates(signals, view, class_name="amd-mi300x")
    assert not amd.measured
    assert amd.kilowatts == rates(view=view, class_name="amd-mi300x").kilowatts


@pytest.mark.parametrize(
    "source", ["dcgm-exporter+device-metrics-exporter", "spec.prometheus.queries"]
)
def test_the_power_of_all_makers_together_is_shared_among_all(source: str) -> None:
    mi300x = CATALOG.get("amd-mi300x")
    assert mi300x is not None
    modelled_kw = (32 * h100_watts() + 8 * draw_watts(mi300x, CONFIG)) / 1000
    signals = SiteSignals(accelerator_power_kw=current(0.8 * modelled_kw, source))
    view = inventory(totals(32), totals(8, 8, "amd-mi300x", "amd"))
    host_kw = (32 * CONFIG.cpu_watts + 128 * CONFIG.memory_watts) / 1000 * 1.2
    for name in (H100, "amd-mi300x"):
        got, model = rates(signals, view, class_name=name), rates(view=view, class_name=name)
        assert got.measured
        assert got.kilowatts - host_kw == pytest.approx(0.8 * (model.kilowatts - host_kw))


def test_the_power_of_whole_servers_goes_before_that_of_accelerators() -> None:
    both = SiteSignals(power_kw=current(20.0), accelerator_power_kw=current(10.0, "dcgm-exporter"))
    servers = SiteSignals(power_kw=current(20.0))
    view = inventory(totals(24))
    assert rates(both, view) == rates(servers, view)
    assert rates(servers, view).measured


def test_prices_that_the_site_s_prometheus_knows_stand_in_for_those_of_the_spec() -> None:
    signals = SiteSignals(accelerator_hour={H100: current(3.0)}, cpu_hour=current(0.1))
    got = rates(signals, inventory(totals(16)), pricing={"memoryGiBHour": 0})
    assert got.hardware_usd_per_hour == pytest.approx(16 * 3.0 + 32 * 0.1)
    assert got.assumed == ()


def test_a_part_of_a_chip_draws_its_part() -> None:
    whole, part = rates(), rates(class_name=f"{H100}/mig-1g.10gb")
    assert 0 < part.kilowatts < whole.kilowatts / 2


@pytest.mark.parametrize("kilowatts", [0.0, 0.05, 1e4])
def test_a_measurement_of_something_else_is_not_used(kilowatts: float) -> None:
    got = rates(SiteSignals(power_kw=current(kilowatts)), inventory(totals(24)))
    assert not got.measured
    assert got.kilowatts == rates().kilowatts


def test_stale_power_is_not_used() -> None:
    stale = Signal(value=20.0, state=SignalState.STALE)
    assert not rates(SiteSignals(power_kw=stale), inventory(totals(24))).measured


def test_work_without_accelerators_pays_for_cores_and_memory() -> None:
    got = rates(class_name=None, demand=Demand("batch/v1/Job", (replace(POD, accelerators=0),)))
    assert got.units == 0
    assert got.hardware_usd_per_hour == pytest.approx(32 * 0.03 + 128 * 0.004)
    assert got.assumed == ()
