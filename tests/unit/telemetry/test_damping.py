"""What flaps is held; what truly changes passes at once."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.telemetry import damping
from tradewind.telemetry.damping import COMES_AND_GOES, JUMPS, WINDOW, Damper
from tradewind.telemetry.signals import Reading


def carbon(value: float) -> Reading:
    return Reading("carbonIntensity", value, "tradewind")


def run(damper: Damper, values: list[float | None]) -> list[Reading | None]:
    """What each poll gives; None for a poll without a reading."""
    told = []
    for value in values:
        calmed = damper.calm([] if value is None else [carbon(value)])
        told.append(calmed[0] if calmed else None)
    return told


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(damping).failed == 0


def test_a_change_for_good_passes_at_once() -> None:
    values = [100.0, 100, 600, 600, 600]
    assert run(Damper(), values) == [carbon(value) for value in values]


def test_a_day_of_ups_and_downs_passes_unchanged() -> None:
    values = [300.0, 280, 250, 180, 120, 180, 260, 310, 390, 400, 380, 350]
    assert run(Damper(), values) == [carbon(value) for value in values]


def test_what_jumps_to_and_fro_rests_midway_and_says_so() -> None:
    told = run(Damper(), [100.0, 500.0] * 8)
    assert told[2] == carbon(100)
    rested = told[-4:]
    assert {(one.value, one.note) for one in rested if one} == {(300.0, JUMPS)}


def test_what_has_calmed_down_is_taken_at_its_word_again() -> None:
    told = run(Damper(), [100.0, 500.0] * 8 + [500.0] * WINDOW)
    assert told[-1] == carbon(500)


def test_noise_is_not_flapping() -> None:
    values = [400.0, 410.0] * 8
    assert run(Damper(), values) == [carbon(value) for value in values]


def test_what_comes_and_goes_is_withheld_until_it_has_stayed() -> None:
    damper = Damper()
    told = run(damper, [300.0, None, 300.0, None, 300.0])
    assert told[2] == carbon(300)
    assert told[-1] is not None
    assert told[-1].withheld == COMES_AND_GOES
    steady = run(damper, [300.0, 300.0])
    assert [one.withheld for one in steady if one] == [COMES_AND_GOES, ""]


@pytest.mark.parametrize("bad", [float("nan"), 0.4, 99_999.0])
def test_a_bad_reading_counts_as_gone_and_is_passed_on(bad: float) -> None:
    told = run(Damper(), [300.0, bad, 300.0, bad, 300.0])
    assert told[1] is not None
    assert str(told[1].value) == str(bad)
    assert told[-1] is not None
    assert told[-1].withheld == COMES_AND_GOES


def test_each_key_is_held_for_itself() -> None:
    damper = Damper()
    for number in range(9):
        here, there = Reading("latencyMs", 10, key="de"), Reading("latencyMs", 90, key="us")
        told = damper.calm([here, there] if number % 2 else [here])
    assert here in told


def test_what_is_gone_is_forgotten() -> None:
    damper = Damper()
    run(damper, [300.0] + [None] * WINDOW)
    assert damper._past == {}


@given(st.lists(st.none() | st.floats(1, 1200), max_size=40))
def test_a_held_value_lies_among_those_that_came(values: list[float | None]) -> None:
    for number, one in enumerate(run(Damper(), values)):
        came = [value for value in values[max(0, number + 1 - WINDOW) : number + 1] if value]
        assert one is None or min(came) <= one.value <= max(came)
