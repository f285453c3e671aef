"""The signal source: what exporters at the members would say, on one page for one Prometheus.

Run as a program of the federation: `python -m federation.signals SPEC PORT`. Each series carries
the label `cluster`, the member's name, as a central Prometheus has it. Names are those of the usual
exporters; docs/local-federation.md has the table.
"""

import math
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from federation.curves import Value, value_of
from federation.spec import Clock, FederationSpec, ForecastSpec, Member, load_spec

_CORES = 100.0
_HOUR_S = 3600.0


@dataclass(slots=True)
class _Source:
    """A member's signals as functions of time, and the counters that its load has driven."""

    zone: str
    curves: Mapping[str, Value]
    pue: float | None
    round_trips: Mapping[str, float]
    forecast: ForecastSpec | None = None
    busy_s: float = 0.0
    idle_s: float = 0.0
    counted: float = field(default_factory=time.monotonic)

    def count(self, load: float, now: float) -> None:
        passed = (now - self.counted) * _CORES
        self.busy_s += passed * load
        self.idle_s += passed * (1 - load)
        self.counted = now


class SignalCollector(Collector):
    """All members' series at the time of a scrape.

    Args:
        spec: whose members and clock.
        folder: that CSV paths are relative to.
    """

    def __init__(self, spec: FederationSpec, folder: Path) -> None:
        self._clock = spec.clock
        self._began = time.monotonic()
        self._sources = {member.name: _source(member, folder) for member in spec.members}
        self._lock = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        """The series now."""
        seconds = time.monotonic()
        at = simulated(self._clock, seconds - self._began)
        with self._lock:
            yield from self._gauges(at)
            yield self._cpu(at, seconds)
            yield from self._round_trips()
            yield from self._forecasts(at)

    def _gauges(self, at: datetime) -> Iterator[Metric]:
        carbon = GaugeMetricFamily(
            "tradewind_carbon_intensity_g_per_kwh",
            "Average carbon intensity of the grid.",
            labels=["cluster", "zone", "kind"],
        )
        price = GaugeMetricFamily(
            "tradewind_electricity_price_usd_per_mwh",
            "Price of electricity.",
            labels=["cluster", "zone"],
        )
        pue = GaugeMetricFamily(
            "tradewind_power_usage_effectiveness",
            "Power of the site for each watt of its computers.",
            labels=["cluster"],
        )
        for name, source in self._sources.items():
            if "carbon" in source.curves:
                value = max(0.0, source.curves["carbon"](at))
                carbon.add_metric([name, source.zone, "average"], value)
            if "price" in source.curves:
                price.add_metric([name, source.zone], source.curves["price"](at))
            if source.pue is not None:
                pue.add_metric([name], source.pue)
        yield from (carbon, price, pue)

    def _cpu(self, at: datetime, seconds: float) -> Metric:
        cpu = CounterMetricFamily(
            "node_cpu_seconds_total", "Seconds the CPUs spent.", labels=["cluster", "mode"]
        )
        for name, source in self._sources.items():
            if "load" in source.curves:
                source.count(min(1.0, max(0.0, source.curves["load"](at))), seconds)
                cpu.add_metric([name, "user"], source.busy_s)
                cpu.add_metric([name, "idle"], source.idle_s)
        return cpu

    def _forecasts(self, at: datetime) -> Iterator[Metric]:
        """One sample for each hour of the signals' clock; horizons are of the real one."""
        ahead = GaugeMetricFamily(
            "tradewind_forecast",
            "What a signal is expected to be.",
            labels=["cluster", "signal", "horizon_seconds", "quantile"],
        )
        issued = GaugeMetricFamily(
            "tradewind_forecast_issued_timestamp_seconds",
            "When that was said.",
            labels=["cluster", "signal"],
        )
        for name, source in self._sources.items():
            told = source.forecast
            for signal, curve in source.curves.items() if told else ():
                issued.add_metric([name, signal], time.time())  # noqa: TID251 - Prometheus' clock
                for hour in range(told.hours + 1 if told else 0):
                    value = curve(at + timedelta(hours=hour))
                    horizon = f"{hour * _HOUR_S / self._clock.speed:g}"
                    for quantile, share in _quantiles(told, hour):
                        ahead.add_metric(
                            [name, signal, horizon, quantile], value + share * abs(value)
                        )
        yield from (ahead, issued)

    def _round_trips(self) -> Iterator[Metric]:
        rtt = GaugeMetricFamily(
            "probe_icmp_duration_seconds",
            "Round trip from a region of consumers.",
            labels=["site", "region", "instance", "phase"],
        )
        success = GaugeMetricFamily(
            "probe_success", "Whether the probe got there.", labels=["site", "region", "instance"]
        )
        for name, source in self._sources.items():
            for region, milliseconds in source.round_trips.items():
                rtt.add_metric([name, region, name, "rtt"], milliseconds / 1000)
                success.add_metric([name, region, name], 1)
        yield from (rtt, success)


def _quantiles(told: ForecastSpec | None, hour: int) -> list[tuple[str, float]]:
    """Quantiles, and how far they lie from the value, as a share of it."""
    if told is None:
        return []
    off = told.error * math.sqrt(hour / told.hours)
    return [("0.5", 0.0), ("0.1", -off), ("0.9", off)] if told.error else [("0.5", 0.0)]


def simulated(clock: Clock, passed_s: float) -> datetime:
    """The time of the signals after so many seconds of ours."""
    return clock.start + timedelta(seconds=passed_s * clock.speed)


def _source(member: Member, folder: Path) -> _Source:
    signals = member.signals
    given = {"carbon": signals.carbon, "price": signals.price, "load": signals.load}
    return _Source(
        zone=member.grid_zone,
        curves={name: value_of(curve, folder) for name, curve in given.items() if curve},
        pue=signals.pue,
        round_trips=signals.latency_ms,
        forecast=signals.forecast,
    )


def main() -> None:
    """Serve until killed."""
    path, port = Path(sys.argv[1]), int(sys.argv[2])
    registry = CollectorRegistry()
    registry.register(SignalCollector(load_spec(path), path.parent))
    start_http_server(port, "127.0.0.1", registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
