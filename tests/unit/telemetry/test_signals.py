"""What a signal is after each poll: read, kept for a while, unknown, and never a made-up zero."""

import doctest
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import START

from tradewind.api.site import Signal, SignalState, SiteSignals
from tradewind.placement.views import signal_value
from tradewind.telemetry import signals as module
from tradewind.telemetry.candidates import KEPLER_HOSTS
from tradewind.telemetry.signals import (
    BOUNDS,
    FIELDS,
    KEYED,
    LEAST_STALE_S,
    MAX_KEYS,
    STALE_POLLS,
    Reading,
    derived,
    merge,
    missing,
)

POLL_S = 30.0
STALE_S = STALE_POLLS * POLL_S
NOTHING = SiteSignals()


def polled(
    *readings: Reading, before: SiteSignals = NOTHING, at_s: float = 0, poll_s: float = POLL_S
) -> SiteSignals:
    return merge(before, readings, START + timedelta(seconds=at_s), poll_s=poll_s)


def load(value: float, source: str = "node_exporter") -> Reading:
    return Reading("load", value, source)


def load_of(signals: SiteSignals) -> Signal:
    assert signals.load is not None
    return signals.load


def silent_from(before: SiteSignals, start_s: float, until_s: float) -> SiteSignals:
    """The signals after polls without a reading, each `POLL_S`, to a time and no further."""
    at_s = start_s + POLL_S
    while at_s <= until_s:
        before = polled(before=before, at_s=at_s)
        at_s += POLL_S
    return before


@pytest.mark.parametrize(("name", "field"), FIELDS.items())
def test_each_signal_has_its_field(name: str, field: str) -> None:
    low, high = BOUNDS[name]
    value = round((low + high) / 2, 4)
    signals = polled(Reading(name, value, "somewhere"))
    assert getattr(signals, field) == Signal(
        value=value, at=START, source="somewhere", state=SignalState.CURRENT
    )
    others = {other: getattr(signals, other) for other in FIELDS.values() if other != field}
    assert set(others.values()) == {None}


@pytest.mark.parametrize(("name", "field"), KEYED.items())
def test_each_signal_of_several_values_has_its_field(name: str, field: str) -> None:
    low, high = BOUNDS[name]
    value = round((low + high) / 2, 4)
    signals = polled(Reading(name, value, "a", "one"), Reading(name, low, "b", "two"))
    found = getattr(signals, field)
    assert {key: one.value for key, one in found.items()} == {"one": value, "two": low}
    assert found["two"].source == "b"


def test_a_flood_of_keys_is_cut() -> None:
    many = [Reading("latencyMs", 1, key=f"r{number:04}") for number in range(1000)]
    assert len(polled(*many).latency_ms) == MAX_KEYS


def test_what_never_came_is_absent() -> None:
    assert polled() is NOTHING
    assert signal_value(polled().load, None).value is None


def test_zero_is_a_value_when_it_was_read() -> None:
    assert load_of(polled(load(0.0))).value == 0.0


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("side", [0, 1])
def test_bounds_belong_to_what_is_plausible(name: str, side: int) -> None:
    bound = BOUNDS[name][side]
    beyond = math.nextafter(bound, math.inf if side else -math.inf)

    def read(value: float) -> Signal:
        signals = polled(Reading(name, value, key="de" if name in KEYED else ""))
        if name in KEYED:
            return getattr(signals, KEYED[name])["de"]
        return getattr(signals, FIELDS[name])

    assert read(bound).state is SignalState.CURRENT
    assert (read(beyond).state, read(beyond).value) == (SignalState.IMPLAUSIBLE, None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_unknown_even_after_a_good_one(value: float) -> None:
    signals = polled(load(value), before=polled(load(0.5)), at_s=30)
    assert (load_of(signals).state, load_of(signals).value) == (SignalState.UNKNOWN, None)


def test_two_series_for_one_value_are_unknown() -> None:
    signals = polled(load(0.2), load(0.9))
    assert (load_of(signals).state, load_of(signals).value) == (SignalState.UNKNOWN, None)
    assert "several" in load_of(signals).message


def test_a_missed_poll_keeps_the_value_as_stale() -> None:
    missed = load_of(polled(before=polled(load(0.5)), at_s=30))
    assert (missed.state, missed.value, missed.at) == (SignalState.STALE, 0.5, START)


def test_placement_does_not_go_by_a_stale_value() -> None:
    stale = polled(before=polled(load(0.5)), at_s=30)
    assert signal_value(stale.load, None).value is None
    assert signal_value(stale.load, 0.7).value == 0.7


def test_a_stale_signal_comes_back() -> None:
    stale = polled(before=polled(load(0.5)), at_s=30)
    again = load_of(polled(load(0.6), before=stale, at_s=60))
    assert (again.state, again.value, again.message) == (SignalState.CURRENT, 0.6, "")


def test_silence_ends_as_unknown_without_a_value() -> None:
    signals = silent_from(polled(load(0.5)), 0, 2 * STALE_S)
    assert load_of(signals).state is SignalState.UNKNOWN
    assert load_of(signals).value is None


@given(reads=st.integers(1, 40), kept=st.integers(1, STALE_POLLS))
def test_it_is_stale_for_ten_polls_however_long_it_was_steady(reads: int, kept: int) -> None:
    """An unchanged reading is not written anew at every poll; its silence counts from the last."""
    signals = NOTHING
    for number in range(reads):
        signals = polled(load(0.5), before=signals, at_s=number * POLL_S)
    last_s = (reads - 1) * POLL_S
    signals = silent_from(signals, last_s, last_s + kept * POLL_S)
    assert load_of(signals).state is SignalState.STALE
    assert load_of(signals).value == 0.5


@given(poll_s=st.floats(0.5, 3600), steady=st.integers(0, 30))
def test_it_is_unknown_after_fifteen_polls(poll_s: float, steady: int) -> None:
    signals = NOTHING
    for number in range(steady + 1):
        signals = polled(load(0.5), before=signals, at_s=number * poll_s, poll_s=poll_s)
    limit_s = 1.5 * max(LEAST_STALE_S, STALE_POLLS * poll_s)
    signals = polled(before=signals, at_s=steady * poll_s + limit_s + 1, poll_s=poll_s)
    assert load_of(signals).state is SignalState.UNKNOWN


def test_a_fast_poll_keeps_a_signal_over_a_restart_of_prometheus() -> None:
    signals = polled(load(0.5), poll_s=1)
    assert load_of(polled(before=signals, at_s=LEAST_STALE_S, poll_s=1)).state is SignalState.STALE


def test_what_was_bad_stays_bad_in_silence() -> None:
    for bad in (load(7), load(math.nan)):
        first = polled(bad)
        assert polled(before=first, at_s=30) is first


def test_the_same_reading_is_the_same_object_until_its_time_is_old() -> None:
    first = polled(load(0.5))
    assert polled(load(0.5), before=first, at_s=30) is first
    later = polled(load(0.5), before=first, at_s=STALE_S / 2)
    assert load_of(later).at == START + timedelta(seconds=STALE_S / 2)


@pytest.mark.parametrize("other", [load(0.51), load(0.5, "elsewhere")])
def test_another_value_or_source_is_told(other: Reading) -> None:
    first = polled(load(0.5))
    second = load_of(polled(other, before=first, at_s=30))
    assert (second.value, second.source) == (other.value, other.source)


def test_latencies_stand_by_region() -> None:
    first = polled(Reading("latencyMs", 11, "probe", "de-he"), Reading("latencyMs", 80, "", "us"))
    assert {name: signal.value for name, signal in first.latency_ms.items()} == {
        "de-he": 11,
        "us": 80,
    }
    second = polled(Reading("latencyMs", 12, "probe", "de-he"), before=first, at_s=30)
    assert second.latency_ms["de-he"].value == 12
    assert second.latency_ms["us"].state is SignalState.STALE


def test_a_latency_from_nowhere_is_not_used() -> None:
    assert polled(Reading("latencyMs", 11)) is NOTHING


@pytest.mark.parametrize(
    ("reading", "hint"),
    [
        (Reading("carbonIntensity", 0.412), "kg/kWh"),
        (Reading("carbonIntensity", 412_000), "g/MWh"),
        (Reading("load", 42), "percent"),
        (Reading("pue", 9), ""),
    ],
    ids=["kilograms", "of a MWh", "percent", "no unit explains it"],
)
def test_a_value_in_another_unit_is_implausible_and_says_which(reading: Reading, hint: str) -> None:
    signal = getattr(polled(reading), FIELDS[reading.signal])
    assert signal.state is SignalState.IMPLAUSIBLE
    assert hint in signal.message


def test_a_share_of_renewables_is_no_carbon_intensity() -> None:
    """A share from 0 to 1 lies below the bounds, which begin where hydropower does."""
    signal = polled(Reading("carbonIntensity", 0.87)).carbon_intensity
    assert signal is not None
    assert (signal.state, signal.value) == (SignalState.IMPLAUSIBLE, None)


def test_a_refused_query_is_unknown_with_the_reason() -> None:
    refused = Reading("load", math.nan, refused="execution: many-to-many")
    assert (load_of(polled(refused)).state, load_of(polled(refused)).message) == (
        SignalState.UNKNOWN,
        "execution: many-to-many",
    )


def test_what_is_withheld_counts_as_not_come_and_says_why() -> None:
    held = Reading("load", 0.7, "node_exporter", withheld="comes and goes")
    signal = load_of(polled(held, before=polled(load(0.5)), at_s=30))
    assert (signal.state, signal.value, signal.message) == (
        SignalState.STALE,
        0.5,
        "comes and goes",
    )
    assert polled(held) is NOTHING


def test_the_load_is_the_fuller_of_cpu_and_memory() -> None:
    cpu, memory = Reading("cpuLoad", 0.3, "a"), Reading("memoryLoad", 0.8, "b")
    assert [r for r in derived([cpu, memory]) if r.signal == "load"] == [Reading("load", 0.8, "b")]
    assert [r for r in derived([cpu]) if r.signal == "load"] == [Reading("load", 0.3, "a")]
    assert [r for r in derived([Reading("cpuLoad", math.nan)]) if r.signal == "load"] == []
    broken = Reading("memoryLoad", 7.0)
    assert [r for r in derived([cpu, broken]) if r.signal == "load"] == [Reading("load", 0.3, "a")]


def test_what_servers_and_makers_count_is_added_and_each_is_named() -> None:
    parts = [Reading("tokensPerSecond", 100, "vllm"), Reading("tokensPerSecond", 20, "sglang")]
    assert derived(parts) == [Reading("tokensPerSecond", 120, "vllm+sglang")]


def test_one_part_that_is_no_number_spoils_the_sum() -> None:
    parts = [Reading("tokensPerSecond", 100, "vllm"), Reading("tokensPerSecond", math.nan, "tgi")]
    signal = polled(*derived(parts)).tokens_per_second
    assert signal is not None
    assert signal.state is SignalState.UNKNOWN


def test_power_is_hosts_and_accelerators_and_never_one_of_them_alone() -> None:
    hosts, chips = Reading("powerKW", 3, KEPLER_HOSTS), Reading("acceleratorPowerKW", 7, "dcgm")

    def power(*readings: Reading) -> list[Reading]:
        return [reading for reading in derived(readings) if reading.signal == "powerKW"]

    assert power(hosts, chips) == [Reading("powerKW", 10, "kepler+dcgm")]
    assert power(hosts) == power(chips) == []
    chassis = Reading("powerKW", 12, "ipmi-exporter")
    assert power(chassis, chips) == [chassis]


def test_what_was_known_and_is_not_is_listed() -> None:
    known = polled(load(0.5), Reading("latencyMs", 11, "probe", "de"))
    assert missing(known) == []
    told = missing(polled(before=known, at_s=30))
    assert told == ["load is Stale: no reading", "latencyMs de is Stale: no reading"]


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_names_that_are_no_signal_are_not_used() -> None:
    assert polled(Reading("mood", 1), Reading("", 1)) is NOTHING


readings = st.lists(
    st.builds(
        Reading,
        st.sampled_from([*BOUNDS, "mood", ""]),
        st.floats() | st.floats(0, 1) | st.floats(1, 1000),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["", "de", "us"]),
    ),
    max_size=8,
)


@given(polls=st.lists(st.tuples(st.floats(0.1, 500), readings), max_size=12))
def test_only_what_was_read_and_is_plausible_is_ever_a_value(
    polls: list[tuple[float, list[Reading]]],
) -> None:
    """Whatever is read in whatever order: values are read ones, and bad ones have none."""
    signals, at_s = NOTHING, 0.0
    read: dict[tuple[str, str], set[float]] = {}
    digits = {"cpuHour": 6, "memoryGiBHour": 6}
    for wait_s, batch in polls:
        at_s += wait_s
        signals = polled(*batch, before=signals, at_s=at_s)
        for reading in batch:
            key = (reading.signal, reading.key if reading.signal in KEYED else "")
            rounded = round_(reading.value, digits.get(reading.signal, 4))
            read.setdefault(key, set()).add(rounded)
        found = {(name, ""): getattr(signals, field) for name, field in FIELDS.items()}
        for name, field in KEYED.items():
            found |= {(name, key): one for key, one in getattr(signals, field).items()}
        for key, signal in found.items():
            if signal is None:
                assert not any(r.signal == key[0] for r in batch)
            elif signal.state in (SignalState.CURRENT, SignalState.STALE):
                low, high = BOUNDS[key[0]]
                assert signal.value in read[key]
                assert low <= signal.value <= high
            else:
                assert signal.value is None


def round_(value: float, digits: int) -> float:
    return round(value, digits) if math.isfinite(value) else value
