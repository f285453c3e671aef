"""A site's forecasts: a forecast series of its Prometheus, else a model on the signal's history.

Blocks, so it runs in a thread; nothing here is asked at every poll. A forecast series has one
sample for each horizon, told by one of these labels:

    horizon_seconds="3600"                  seconds after the time of issue
    time="+01:30"                           hours and minutes after it
    forecast_time="1764057600"              Unix time, or ISO 8601

and, if it tells how sure it is, `quantile` of "0.1", "0.5" and "0.9". The time of issue is that of
`tradewind_forecast_issued_timestamp_seconds`, else now.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import numpy as np

from tradewind.api.site import PrometheusSpec
from tradewind.telemetry.forecast import HORIZONS, MEMORY, predict
from tradewind.telemetry.history import regular
from tradewind.telemetry.outlook import SignalForecast
from tradewind.telemetry.past import F64
from tradewind.telemetry.poll import OWN
from tradewind.telemetry.prometheus import Line, Prometheus, PrometheusError, Sample
from tradewind.telemetry.queries import FORECASTS, fill, history_query, tagged
from tradewind.telemetry.signals import BOUNDS

#: So many samples of one series' forecast are read; a year of hours is no forecast.
_MOST_STEPS: Final = 1000
#: A last point older than this says nothing of now.
_LATEST_STEPS: Final = 3
_ISSUED: Final = "issued"

_SERIES: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "carbonIntensity": (
        (
            "tradewind",
            'max by (horizon_seconds, quantile) (tradewind_forecast{signal="carbon",$M})',
        ),
        ("carbon-intensity-exporter", "avg by (time) (carbon_intensity_forecast{$M})"),
    ),
    "pricePerMWh": (
        (
            "tradewind",
            'max by (horizon_seconds, quantile) (tradewind_forecast{signal="price",$M})',
        ),
    ),
    "load": (
        (
            "tradewind",
            'max by (horizon_seconds, quantile) (tradewind_forecast{signal="load",$M})',
        ),
    ),
}
_ISSUED_QUERY: Final = (
    'label_replace(max by (signal) (tradewind_forecast_issued_timestamp_seconds{$M}), "source",'
    f' "{_ISSUED}", "", "")'
)
#: The label `signal` of the contract, by ours.
_SHORT: Final = {"carbonIntensity": "carbon", "pricePerMWh": "price", "load": "load"}


@dataclass(frozen=True, slots=True)
class Foresight:
    """How a site's signals are forecast.

    Attributes:
        site: its name.
        spec: its Prometheus.
        step_s: length of a step of the history; a day has 24 of them.
        memory: steps of history; 0: no model.
    """

    site: str
    spec: PrometheusSpec
    step_s: float = 3600.0
    memory: int = MEMORY

    def look(
        self, server: Prometheus, sources: Mapping[str, str], now: datetime
    ) -> dict[str, SignalForecast]:
        """The forecasts of those signals that can be foretold.

        Args:
            server: whom to ask.
            sources: of the signals that are current, the source that answers.
            now: the time.

        Raises:
            PrometheusError: it does not answer.
        """
        now_s = now.timestamp()
        found = self._from_series(server, now_s)
        for signal, source in sources.items():
            if signal in FORECASTS and signal not in found and self.memory:
                made = self._from_history(server, signal, source, now_s)
                if made is not None:
                    found[signal] = made
        return found

    def _from_series(self, server: Prometheus, now_s: float) -> dict[str, SignalForecast]:
        queries, own = [_ISSUED_QUERY], []
        for signal, name in FORECASTS.items():
            if name in self.spec.queries:
                own.append(tagged(f"({self.spec.queries[name]})", signal, OWN))
            else:
                tags = [tagged(query, signal, source) for source, query in _SERIES[signal]]
                queries.append("(" + " or on () ".join(tags) + ")")
        samples = server.query(*(self._filled(query) for query in queries))
        for query in own:
            samples += _unless_refused(server, self._filled(query))
        issued = {
            sample.labels.get("signal"): sample.value
            for sample in samples
            if sample.labels.get("source") == _ISSUED and math.isfinite(sample.value)
        }
        found = {}
        for signal in FORECASTS:
            mine = [
                sample
                for sample in samples
                if sample.labels.get("signal") == signal and sample.labels.get("source") != _ISSUED
            ]
            made = from_samples(mine, signal, issued.get(_SHORT[signal], now_s), now_s)
            if made is not None:
                found[signal] = made
        return found

    def _from_history(
        self, server: Prometheus, signal: str, source: str, now_s: float
    ) -> SignalForecast | None:
        own = self.spec.queries.get(signal)
        queries = [own] if own else [q for name, q in history_query(signal) if name == source]
        end_s = math.floor(now_s / self.step_s) * self.step_s
        start_s = end_s - (self.memory - 1) * self.step_s
        for query in queries:
            try:
                lines = server.query_range(self._filled(query), start_s, end_s, self.step_s)
            except PrometheusError as error:
                if not error.query_refused:
                    raise
                continue
            if len(lines) == 1:
                return from_line(lines[0], signal, self.step_s, now_s)
        return None

    def _filled(self, query: str) -> str:
        return fill(query, self.spec.matchers, self.site)


def from_samples(
    samples: Iterable[Sample], signal: str, issued_s: float, now_s: float
) -> SignalForecast | None:
    """A forecast series as a forecast.

    Args:
        samples: one for each horizon and quantile.
        signal: whose bounds hold.
        issued_s: Unix time from which horizons count.
        now_s: Unix time; steps that are over are left out.

    Returns:
        None if nothing is told of the time from now on, or a value is not plausible.
    """
    told: dict[float, dict[float, float]] = {}
    source = ""
    for sample in samples:
        at_s = _time(sample.labels, issued_s)
        quantile = _number(sample.labels.get("quantile") or "0.5")
        if at_s is not None and quantile is not None:
            told.setdefault(quantile, {})[at_s] = sample.value
            source = sample.labels.get("source", "")
    middle = told.get(0.5, {})
    low, high = BOUNDS[signal]
    if not 1 < len(middle) <= _MOST_STEPS:
        return None
    if not all(low <= value <= high for many in told.values() for value in many.values()):
        return None  # NaN fails here, too
    times = sorted(middle)
    step_s = max(1.0, round(min(later - earlier for earlier, later in pairwise(times)), 3))
    # From the step that runs now; before the first of the series, from the first.
    first = times[0] + step_s * max(0, math.floor((now_s - times[0]) / step_s))
    grid = np.arange(first, times[-1] + step_s / 2, step_s)
    if not len(grid):
        return None
    sure = all(len(told.get(quantile, {})) == len(middle) for quantile in (0.1, 0.9))
    return SignalForecast(
        start=datetime.fromtimestamp(first, UTC),
        step_s=step_s,
        values=_on(grid, middle),
        low=_on(grid, told[0.1]) if sure else (),
        high=_on(grid, told[0.9]) if sure else (),
        source=source,
    )


def from_line(line: Line, signal: str, step_s: float, now_s: float) -> SignalForecast | None:
    """A history as a forecast: the step that runs now, and the 48 after it.

    Returns:
        None if the history is too short, too full of holes, or ended a while ago.
    """
    low, high = BOUNDS[signal]
    history = regular(((at, value) for at, value in line.points if low <= value <= high), step_s)
    if history is None or now_s - history.last_s > (_LATEST_STEPS + 1) * step_s:
        return None
    late = math.floor(now_s / step_s) - round(history.last_s / step_s)
    bands = predict(history.values, range(1, HORIZONS + 1 + late))
    if bands is None:
        return None
    values, lows, highs = (
        _rounded(np.clip(np.concatenate([[history.values[-1]], part])[late:], low, high))
        for part in (bands.values, bands.low, bands.high)
    )
    start_s = history.last_s + late * step_s
    return SignalForecast(
        datetime.fromtimestamp(start_s, UTC), step_s, values, lows, highs, "history"
    )


def _unless_refused(server: Prometheus, query: str) -> list[Sample]:
    try:
        return server.query(query)
    except PrometheusError as error:
        if not error.query_refused:
            raise
        return []


def _on(grid: F64, told: Mapping[float, float]) -> tuple[float, ...]:
    times = sorted(told)
    return _rounded(np.interp(grid, times, [told[at] for at in times]))


def _rounded(values: F64) -> tuple[float, ...]:
    found: list[float] = np.round(values, 4).tolist()
    return tuple(found)


def _time(labels: Mapping[str, str], issued_s: float) -> float | None:
    """The Unix time that a sample of a forecast is for.

    >>> _time({"time": "+01:30"}, 0.0), _time({"forecast_time": "1970-01-01T01:00:00Z"}, 0.0)
    (5400.0, 3600.0)
    """
    ahead_s = _number(labels.get("horizon_seconds", ""))
    if ahead_s is not None:
        return issued_s + ahead_s
    if clock := re.fullmatch(r"\+?(\d{1,3}):(\d{2})", labels.get("time", "")):
        return issued_s + 3600.0 * int(clock[1]) + 60.0 * int(clock[2])
    text = labels.get("forecast_time", "")
    at_s = _number(text)
    if at_s is None and text:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            return None
        at_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return at_s


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
