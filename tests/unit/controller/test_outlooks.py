"""What of a forecast is published, and how seldom it is renewed."""

from datetime import datetime, timedelta

from tests.clock import START

from tradewind.controller.outlooks import published
from tradewind.telemetry.outlook import NO_OUTLOOK, Outlook, SignalForecast

HOUR = timedelta(hours=1)


def outlook(
    start: datetime = START, step_s: float = 3600.0, steps: int = 48, source: str = "history"
) -> Outlook:
    values = tuple(float(step) for step in range(steps))
    return Outlook({"carbonIntensity": SignalForecast(start, step_s, values, source=source)})


def test_two_days_of_hours_are_published() -> None:
    made = published(outlook(steps=100), None, START)
    assert made is not None
    assert made.load is None
    assert made.carbon_intensity is not None
    assert made.carbon_intensity.values == tuple(float(step) for step in range(48))


def test_shorter_steps_are_published_as_they_are_and_renewed_as_often() -> None:
    made = published(outlook(step_s=900), None, START)
    assert made is not None
    assert made.carbon_intensity is not None
    assert (made.carbon_intensity.step, made.carbon_intensity.values[1]) == (900, 1.0)
    assert published(outlook(), made, START + timedelta(minutes=13)) is made
    assert published(outlook(), made, START + timedelta(minutes=14)) is not made


def test_it_stays_the_same_until_it_is_old() -> None:
    first = published(outlook(), None, START)
    again = published(outlook(START + timedelta(minutes=30)), first, START + timedelta(minutes=30))
    assert again is first
    later = published(outlook(START + HOUR), first, START + HOUR)
    assert later is not None
    assert later.carbon_intensity is not None
    assert later.carbon_intensity.start == START + HOUR


def test_a_better_source_is_published_at_once() -> None:
    first = published(outlook(), None, START)
    made = published(outlook(source="grid-forecast"), first, START)
    assert made is not None
    assert made.carbon_intensity is not None
    assert made.carbon_intensity.source == "grid-forecast"


def test_a_restart_keeps_what_is_published_and_a_silence_ends_it() -> None:
    first = published(outlook(), None, START)
    assert published(NO_OUTLOOK, first, START + timedelta(minutes=5)) is first
    assert published(NO_OUTLOOK, first, START + 2 * HOUR) is None


def test_a_forecast_without_values_is_none() -> None:
    assert published(outlook(steps=0), None, START) is None
