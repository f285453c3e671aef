"""Forecasts of a site: from its series where it has one, else from its own past."""

import doctest
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from tests.unit.telemetry.fake_prometheus import FakePrometheus, serving
from tests.unit.telemetry.test_forecast import grid_like

from tradewind.api.site import PrometheusSpec
from tradewind.telemetry import foresight
from tradewind.telemetry.foresight import Foresight, from_line, from_samples
from tradewind.telemetry.prometheus import Access, Line, Prometheus, Sample

NOW = datetime(2026, 11, 24, 8, 20, tzinfo=UTC)
NOW_S = NOW.timestamp()
HOUR = 3600.0
MARK_S = NOW_S - 1200


def ahead(values: dict[int, float], quantile: str = "") -> list[Sample]:
    extra = {"quantile": quantile} if quantile else {}
    return [
        Sample({"horizon_seconds": str(s), "source": "tradewind", **extra}, value)
        for s, value in values.items()
    ]


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(foresight).failed == 0


def test_a_series_by_horizon_counts_from_its_issue() -> None:
    told = from_samples(ahead({0: 300, 3600: 250, 7200: 200}), "carbonIntensity", NOW_S, NOW_S)
    assert told is not None
    assert (told.start, told.step_s, told.values) == (NOW, HOUR, (300, 250, 200))
    assert (told.low, told.high, told.source) == ((), (), "tradewind")


def test_steps_that_are_over_are_left_out_and_the_running_one_is_first() -> None:
    hours = {3600 * number: 100.0 + number for number in range(24)}
    told = from_samples(ahead(hours), "carbonIntensity", NOW_S - 5.5 * HOUR, NOW_S)
    assert told is not None
    assert told.start == NOW - timedelta(hours=0.5)
    assert told.values[0] == 105
    assert len(told.values) == 19


def test_a_forecast_that_is_all_over_is_none() -> None:
    hours = {0: 300.0, 3600: 250.0}
    assert from_samples(ahead(hours), "carbonIntensity", NOW_S - 48 * HOUR, NOW_S) is None


def test_quantiles_are_taken_when_they_are_whole() -> None:
    middle, wide = {0: 300.0, 3600: 200.0}, {0: 320.0, 3600: 260.0}
    low = {0: 280.0, 3600: 150.0}
    samples = [*ahead(middle, "0.5"), *ahead(low, "0.1"), *ahead(wide, "0.9")]
    told = from_samples(samples, "carbonIntensity", NOW_S, NOW_S)
    assert told is not None
    assert (told.low, told.high) == ((280, 150), (320, 260))
    partial = from_samples(samples[:-1], "carbonIntensity", NOW_S, NOW_S)
    assert partial is not None
    assert (partial.low, partial.high) == ((), ())


@pytest.mark.parametrize(
    "labels",
    [
        [{"time": "+00:00"}, {"time": "+00:30"}],
        [{"forecast_time": str(NOW_S)}, {"forecast_time": str(NOW_S + 1800)}],
        [{"forecast_time": "2026-11-24T08:20:00Z"}, {"forecast_time": "2026-11-24T08:50:00+00:00"}],
    ],
    ids=["hours and minutes", "Unix time", "ISO 8601"],
)
def test_times_are_read_in_each_form(labels: list[dict[str, str]]) -> None:
    samples = [Sample(one, 100.0) for one in labels]
    told = from_samples(samples, "carbonIntensity", NOW_S, NOW_S)
    assert told is not None
    assert (told.start, told.step_s, len(told.values)) == (NOW, 1800, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.3, 9999.0])
def test_one_value_that_cannot_be_spoils_the_forecast(value: float) -> None:
    hours = {0: 300.0, 3600: value, 7200: 200.0}
    assert from_samples(ahead(hours), "carbonIntensity", NOW_S, NOW_S) is None


def test_one_value_is_no_forecast() -> None:
    assert from_samples(ahead({0: 300.0}), "carbonIntensity", NOW_S, NOW_S) is None
    assert from_samples([Sample({}, 1.0)], "carbonIntensity", NOW_S, NOW_S) is None


def past(hours: int, end_s: float = MARK_S) -> Line:
    values = grid_like(4)[-hours:]
    return Line({}, tuple((end_s - HOUR * (hours - 1 - k), v) for k, v in enumerate(values)))


def test_a_history_gives_the_running_hour_and_48_more() -> None:
    line = past(672)
    told = from_line(line, "carbonIntensity", HOUR, NOW_S)
    assert told is not None
    assert told.start == datetime.fromtimestamp(MARK_S, UTC)
    assert (len(told.values), len(told.low), len(told.high)) == (49, 49, 49)
    assert told.values[0] == told.low[0] == told.high[0] == round(line.points[-1][1], 4)
    assert told.source == "history"


def test_a_history_that_ended_two_hours_ago_tells_of_now_all_the_same() -> None:
    late = from_line(past(672, MARK_S - 2 * HOUR), "carbonIntensity", HOUR, NOW_S)
    assert late is not None
    assert late.start == datetime.fromtimestamp(MARK_S, UTC)
    assert len(late.values) == 49
    assert late.low[0] < late.values[0] < late.high[0]


def test_a_history_that_ended_long_ago_or_began_just_now_tells_nothing() -> None:
    assert from_line(past(672, MARK_S - 6 * HOUR), "carbonIntensity", HOUR, NOW_S) is None
    assert from_line(past(47), "carbonIntensity", HOUR, NOW_S) is None


def test_a_forecast_stays_within_what_is_plausible() -> None:
    values = np.clip(np.tile(np.linspace(-0.4, 1.4, 24), 8), 0, 1)
    line = Line({}, tuple((MARK_S - HOUR * (191 - k), v) for k, v in enumerate(values.tolist())))
    told = from_line(line, "load", HOUR, NOW_S)
    assert told is not None
    assert min(told.low) >= 0
    assert max(told.high) <= 1


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serving() as server:
        yield server


def look(fake: FakePrometheus, sources: dict[str, str], **spec: Any) -> dict[str, Any]:
    made = PrometheusSpec(url=fake.url, matchers={"cluster": "a"}, **spec)
    server = Prometheus(Access(fake.url), allow_loopback=True)
    try:
        return Foresight("a", made, 60.0).look(server, sources, NOW)
    finally:
        server.close()


def test_the_history_is_asked_of_the_source_that_answers_and_no_other(fake: FakePrometheus) -> None:
    fake.says()
    assert look(fake, {"carbonIntensity": "carbon-aware-sdk", "pue": "x"}) == {}
    series, history = fake.queries
    assert "tradewind_forecast" in series
    assert history == 'avg(carbon_aware_intensity{cluster="a"} > 0)'
    form = fake.forms[1]
    assert (form["step"], form["end"]) == (["60"], [str(int(NOW_S))])
    assert int(form["end"][0]) - int(form["start"][0]) == 671 * 60


def test_a_series_is_taken_before_the_history(fake: FakePrometheus) -> None:
    carbon = {"signal": "carbonIntensity", "source": "tradewind"}
    fake.says(
        ({**carbon, "horizon_seconds": "0"}, "300"),
        ({**carbon, "horizon_seconds": "3600"}, "200"),
        ({"source": "issued", "signal": "carbon"}, str(NOW_S - 1800)),
    )
    told = look(fake, {"carbonIntensity": "tradewind"})
    assert told["carbonIntensity"].values == (300, 200)
    assert told["carbonIntensity"].start == NOW - timedelta(minutes=30)
    assert len(fake.queries) == 1


def test_queries_of_the_sites_own_replace_both(fake: FakePrometheus) -> None:
    fake.says()
    own = {"carbonForecast": "mine{$M}", "load": "busy{$M}"}
    look(fake, {"carbonIntensity": "tradewind", "load": "spec.prometheus.queries"}, queries=own)
    series, mine, carbon, load = fake.queries
    assert 'signal="carbon"' not in series
    assert 'label_replace((mine{cluster="a"}), "signal", "carbonIntensity"' in mine
    assert carbon.startswith("avg(tradewind_carbon_intensity_g_per_kwh")
    assert load == 'busy{cluster="a"}'


def test_a_refused_forecast_query_takes_no_other_along(fake: FakePrometheus) -> None:
    fake.says()
    fake.refuses = "mine{"
    assert look(fake, {}, queries={"carbonForecast": "mine{$M}"}) == {}
