"""Every default query on a real Prometheus: each exporter's page gives the value it means."""

import time
from collections.abc import Iterator

import pytest
from tests.integration.exporters import SCENARIOS
from tests.unit.telemetry.test_forecast import grid_like

from federation.lone import LonePrometheus, lone_prometheus
from tradewind.api.site import PrometheusSpec
from tradewind.base.aio import SystemClock
from tradewind.telemetry.candidates import ASKED
from tradewind.telemetry.foresight import Foresight
from tradewind.telemetry.poll import Questions
from tradewind.telemetry.prometheus import Access, Prometheus
from tradewind.telemetry.signals import KEYED, Reading, fault_of

pytestmark = pytest.mark.integration

#: Of the past that rates and medians look at, and between two samples of it, seconds.
_SPAN_S, _STEP_S = 900, 15
_PROBES = (
    ('probe_icmp_duration_seconds{site="far",region="de",instance="i",phase="rtt"}', 0.012),
    ('probe_success{site="far",region="de",instance="i"}', 1),
    ('probe_icmp_duration_seconds{site="far",region="us",instance="j",phase="rtt"}', 0.001),
    ('probe_success{site="far",region="us",instance="j"}', 0),
    ('probe_http_duration_seconds{site="far",region="us",instance="k",phase="connect"}', 0.09),
    ('probe_success{site="far",region="us",instance="k"}', 1),
)


def _past() -> Iterator[str]:
    """Samples of the last quarter of an hour, and one signal's last four weeks."""
    now = int(time.time())  # noqa: TID251 - the real Prometheus has the real time
    times = range(now - _SPAN_S, now + 60, _STEP_S)
    for name, scenario in SCENARIOS.items():
        for line in scenario.lines:
            series, value = line.rsplit(" ", 1)
            series = series.replace("{c", f'{{cluster="{name}"', 1)
            for at in times:
                told = float(value[1:]) * (at - times[0]) if value.startswith("@") else float(value)
                yield f"{series} {told} {at}"
    for series, told in _PROBES:
        yield from (f"{series} {told} {at}" for at in times)
    hour = now // 3600 * 3600
    for number, value in enumerate(grid_like(4)):
        at = hour - 3600 * (671 - number)
        yield f'carbon_aware_intensity{{cluster="past"}} {value} {at}'
    yield from _forecasts(now, times)
    # The last hour's sample is seen for five minutes: then the exporter's next one.
    yield from (f'carbon_aware_intensity{{cluster="past"}} 300 {at}' for at in times if at > hour)


def _forecasts(now: int, times: range) -> Iterator[str]:
    """Forecast series: in our own form, issued ten minutes ago, and in the British exporter's."""
    for signal in ("carbon", "price"):
        told = f'cluster="told",signal="{signal}"'
        for at in times:
            yield f"tradewind_forecast_issued_timestamp_seconds{{{told}}} {now - 600} {at}"
        for hours in range(25):
            for quantile, factor in (("0.1", 0.9), ("0.5", 1.0), ("0.9", 1.2)):
                labels = f'{told},horizon_seconds="{3600 * hours}",quantile="{quantile}"'
                for at in times:
                    yield f"tradewind_forecast{{{labels}}} {(100 + hours) * factor} {at}"
    for minutes in (0, 30, 60):
        labels = f'cluster="gb",time="+{minutes // 60:02}:{minutes % 60:02}"'
        yield from (f"carbon_intensity_forecast{{{labels}}} {200 - minutes} {at}" for at in times)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LonePrometheus]:
    folder = tmp_path_factory.mktemp("prometheus") / "it"
    with lone_prometheus(folder, past=_past()) as made:
        yield made


@pytest.fixture
def server(prometheus: LonePrometheus) -> Iterator[Prometheus]:
    made = Prometheus(Access(prometheus.url), allow_loopback=True)
    yield made
    made.close()


def readings(server: Prometheus, cluster: str, site: str = "nowhere") -> list[Reading]:
    spec = PrometheusSpec(url="unused", matchers={"cluster": cluster})
    polled = Questions(site, spec).ask(server)
    assert polled.refused == ()
    return polled.readings


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_exporter_is_read_for_what_it_means(server: Prometheus, name: str) -> None:
    found: dict[str | tuple[str, str], tuple[float, str]] = {}
    for reading in readings(server, name):
        assert fault_of([reading]) is None, reading
        key = (reading.signal, reading.key) if reading.signal in KEYED else reading.signal
        assert key not in found
        found[key] = (reading.value, reading.source)
    for key, (value, source) in SCENARIOS[name].reads.items():
        assert found.get(key) == (pytest.approx(value, rel=0.02), source), found
    if not SCENARIOS[name].reads:
        assert found == {}


def test_every_signal_has_a_scenario() -> None:
    read = {
        key if isinstance(key, str) else key[0]
        for scenario in SCENARIOS.values()
        for key in scenario.reads
    }
    assert read >= ASKED.keys() - {"latencyMs"}


def test_each_region_has_its_best_prober_and_failed_probes_tell_nothing(
    server: Prometheus,
) -> None:
    found = {one.key: one for one in readings(server, "nobody", site="far")}
    assert found["de"].value == pytest.approx(12)
    assert found["us"].value == pytest.approx(90)


def test_a_site_that_nobody_knows_has_no_signal(server: Prometheus) -> None:
    assert readings(server, "nobody") == []


def test_the_past_becomes_a_forecast(server: Prometheus) -> None:
    spec = PrometheusSpec(url="unused", matchers={"cluster": "past"})
    now = SystemClock().now()
    told = Foresight("s", spec).look(server, {"carbonIntensity": "carbon-aware-sdk"}, now)
    forecast = told["carbonIntensity"]
    assert forecast.source == "history"
    assert len(forecast.values) == 49
    assert 0 <= (now - forecast.start).total_seconds() < 3600
    assert forecast.low[12] < forecast.values[12] < forecast.high[12]


def test_a_forecast_series_is_read_with_its_quantiles_from_the_step_that_runs(
    server: Prometheus,
) -> None:
    spec = PrometheusSpec(url="unused", matchers={"cluster": "told"})
    told = Foresight("s", spec).look(server, {}, SystemClock().now())
    assert told.keys() == {"carbonIntensity", "pricePerMWh"}
    carbon = told["carbonIntensity"]
    assert (carbon.source, carbon.step_s) == ("tradewind", 3600)
    assert carbon.values == tuple(100.0 + hours for hours in range(25))
    assert carbon.low[4] == pytest.approx(93.6)
    assert carbon.high[4] == pytest.approx(124.8)


def test_the_british_exporters_forecast_is_read(server: Prometheus) -> None:
    spec = PrometheusSpec(url="unused", matchers={"cluster": "gb"})
    told = Foresight("s", spec).look(server, {}, SystemClock().now())["carbonIntensity"]
    assert (told.source, told.step_s) == ("carbon-intensity-exporter", 1800)
    assert told.values == (200, 170, 140)
