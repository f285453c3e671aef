"""What a site charges: what it states, else what its Prometheus knows."""

from tradewind.api.site import Pricing, Signal, SignalState, SiteSignals
from tradewind.placement.views import pricing_of


def current(value: float) -> Signal:
    return Signal(value=value, state=SignalState.CURRENT)


READ = SiteSignals(
    cpu_hour=current(0.03),
    memory_gib_hour=Signal(value=0.004, state=SignalState.STALE),
    accelerator_hour={"p5.48xlarge": current(4.0), "nvidia-l4": current(0.7)},
)


def test_what_is_read_stands_where_nothing_is_stated() -> None:
    told = pricing_of(Pricing(), READ, ["nvidia-l4", "nvidia-t4"])
    assert told.cpu_hour == 0.03
    assert told.accelerator_hour == {"nvidia-l4": 0.7}


def test_a_stale_price_is_not_used() -> None:
    assert pricing_of(Pricing(), READ, []).memory_gib_hour is None


def test_what_is_stated_wins_zero_included() -> None:
    stated = Pricing(cpu_hour=0.0, accelerator_hour={"nvidia-l4": 1.0})
    told = pricing_of(stated, READ, ["nvidia-l4"])
    assert (told.cpu_hour, told.accelerator_hour) == (0.0, {"nvidia-l4": 1.0})


def test_prices_by_instance_type_are_those_of_a_sites_only_class_and_of_no_other() -> None:
    read = SiteSignals(accelerator_hour={"a": current(2.0), "b": current(4.0)})
    assert pricing_of(Pricing(), read, ["nvidia-h100-sxm"]).accelerator_hour == {
        "nvidia-h100-sxm": 3.0
    }
    assert pricing_of(Pricing(), read, ["nvidia-h100-sxm", "nvidia-l4"]).accelerator_hour == {}
