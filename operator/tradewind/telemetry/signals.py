"""From readings to signals: what is plausible, how old it is, and what stands in for it.

Pure. A reading outside its bounds is Implausible and never used. A reading that does not come keeps
its last value as Stale for `STALE_POLLS` polls at least, and is Unknown after that. Unknown is
never zero; where the site's spec states a figure, placement takes that, as Fallback.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tradewind.api.site import Signal, SignalState, SiteSignals

#: Least and greatest plausible value of each signal, in its unit; see docs/signals.md.
BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "load": (0.0, 1.0),
    "acceleratorUtilisation": (0.0, 1.0),
    "carbonIntensity": (1.0, 1200.0),
    "pricePerMWh": (-500.0, 5000.0),
    "powerKW": (0.0, 1e6),
    "pue": (1.0, 3.0),
    "queueDepth": (0.0, 1e7),
    "tokensPerSecond": (0.0, 1e9),
    "latencyMs": (0.0, 5000.0),
}

#: The field of `SiteSignals` that holds a signal.
FIELDS: Final[Mapping[str, str]] = {
    "load": "load",
    "acceleratorUtilisation": "accelerator_utilisation",
    "carbonIntensity": "carbon_intensity",
    "pricePerMWh": "price_per_mwh",
    "powerKW": "power_kw",
    "pue": "pue",
    "queueDepth": "queue_depth",
    "tokensPerSecond": "tokens_per_second",
}

STALE_POLLS: Final = 10
#: A signal is Stale for this long at least, so that a restart of Prometheus costs nothing, seconds.
LEAST_STALE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One series of an answer.

    Attributes:
        signal: its name, as in `BOUNDS`.
        value: as Prometheus gave it; may be NaN or infinite.
        source: what it was taken from.
        region: consumer region, for latencies.
    """

    signal: str
    value: float
    source: str = ""
    region: str = ""


def merge(
    before: SiteSignals, readings: Iterable[Reading], now: datetime, *, poll_s: float
) -> SiteSignals:
    """The signals after a poll.

    Args:
        before: the signals after the poll before.
        readings: what came, perhaps nothing.
        now: the time of the answer.
        poll_s: between two polls, seconds.

    Returns:
        `before` itself when nothing that anybody goes by has changed but the time.
    """
    stale_for = timedelta(seconds=max(LEAST_STALE_S, STALE_POLLS * poll_s))
    found: dict[tuple[str, str], list[Reading]] = {}
    for reading in readings:
        found.setdefault((reading.signal, reading.region), []).append(reading)
    changes: dict[str, object] = {}
    for signal, name in FIELDS.items():
        old: Signal | None = getattr(before, name)
        new = _next(signal, old, found.get((signal, ""), []), now, stale_for)
        if new is not old:
            changes[name] = new
    latency = _latencies(before.latency_ms, found, now, stale_for)
    if latency != before.latency_ms:
        changes["latency_ms"] = latency
    return before.model_copy(update=changes) if changes else before


def _latencies(
    before: Mapping[str, Signal],
    found: Mapping[tuple[str, str], list[Reading]],
    now: datetime,
    stale_for: timedelta,
) -> dict[str, Signal]:
    regions = {region for signal, region in found if signal == "latencyMs" and region}
    result = {}
    for region in sorted(regions | before.keys()):
        readings = found.get(("latencyMs", region), [])
        signal = _next("latencyMs", before.get(region), readings, now, stale_for)
        if signal is not None:
            result[region] = signal
    return result


def _next(
    name: str, old: Signal | None, readings: list[Reading], now: datetime, stale_for: timedelta
) -> Signal | None:
    """One signal after a poll; None while it has never been heard of."""
    if not readings:
        return _aged(old, now, stale_for)
    if len(readings) > 1:
        return _bad(old, SignalState.UNKNOWN, readings[0].source, "several series for one value")
    reading = readings[0]
    low, high = BOUNDS[name]
    if not math.isfinite(reading.value):
        return _bad(old, SignalState.UNKNOWN, reading.source, f"reads {reading.value}")
    if not low <= reading.value <= high:
        text = f"{reading.value:g} is not between {low:g} and {high:g}"
        return _bad(old, SignalState.IMPLAUSIBLE, reading.source, text)
    value = round(reading.value, 4)
    new = Signal(value=value, at=now, source=reading.source, state=SignalState.CURRENT)
    if old is None or old.at is None or now - old.at >= stale_for / 2:
        return new
    # The time alone is worth a write now and then, not at every poll.
    return old if new.model_copy(update={"at": old.at}) == old else new


def _aged(old: Signal | None, now: datetime, stale_for: timedelta) -> Signal | None:
    if old is None or old.state in (SignalState.UNKNOWN, SignalState.IMPLAUSIBLE):
        return old
    # `at` may be half of `stale_for` older than the last reading: see `_next`.
    if old.value is None or old.at is None or now - old.at > stale_for * 1.5:
        text = "no reading for too long"
        return Signal(at=old.at, source=old.source, state=SignalState.UNKNOWN, message=text)
    if old.state is SignalState.STALE:
        return old
    return old.model_copy(update={"state": SignalState.STALE, "message": "no reading"})


def _bad(old: Signal | None, state: SignalState, source: str, message: str) -> Signal:
    if old is not None and (old.state, old.source, old.message) == (state, source, message):
        return old
    return Signal(source=source, state=state, message=message)
