"""What a signal is after each poll: read, kept for a while, unknown, and never a made-up zero."""

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import START

from tradewind.api.site import Signal, SignalState, SiteSignals
from tradewind.placement.views import signal_value
from tradewind.telemetry.signals import BOUNDS, FIELDS, LEAST_STALE_S, STALE_POLLS, Reading, merge

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
    value = (low + high) / 2
    signals = polled(Reading(name, value, "somewhere"))
    assert getattr(signals, field) == Signal(
        value=value, at=START, source="somewhere", state=SignalState.CURRENT
    )
    others = {other: getattr(signals, other) for other in FIELDS.values() if other != field}
    assert set(others.values()) == {None}


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
    region = "de" if name == "latencyMs" else ""

    def read(value: float) -> Signal:
        signals = polled(Reading(name, value, region=region))
        return signals.latency_ms["de"] if region else getattr(signals, FIELDS[name])

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
    for wait_s, batch in polls:
        at_s += wait_s
        signals = polled(*batch, before=signals, at_s=at_s)
        for reading in batch:
            read.setdefault((reading.signal, reading.region), set()).add(round_(reading.value))
        found = {(name, ""): getattr(signals, field) for name, field in FIELDS.items()}
        found |= {("latencyMs", region): one for region, one in signals.latency_ms.items()}
        for key, signal in found.items():
            if signal is None:
                assert not any(r.signal == key[0] and r.region == key[1] for r in batch)
            elif signal.state in (SignalState.CURRENT, SignalState.STALE):
                low, high = BOUNDS[key[0]]
                assert signal.value in read[key]
                assert low <= signal.value <= high
            else:
                assert signal.value is None


def round_(value: float) -> float:
    return round(value, 4) if math.isfinite(value) else value
