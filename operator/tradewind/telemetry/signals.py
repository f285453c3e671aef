"""From readings to signals: what is plausible, how old it is, and what stands in for it.

Pure. A reading outside its bounds is Implausible and never used. A reading that does not come keeps
its last value as Stale for `STALE_POLLS` polls at least, and is Unknown after that. Unknown is
never zero; where the site's spec states a figure, placement takes that, as Fallback.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from tradewind.api.site import Signal, SignalState, SiteSignals
from tradewind.telemetry.candidates import ASKED, KEPLER_HOSTS

#: Least and greatest plausible value of each signal, in its unit; see docs/signals.md.
BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "load": (0.0, 1.0),
    "cpuLoad": (0.0, 1.0),
    "memoryLoad": (0.0, 1.0),
    "acceleratorUtilisation": (0.0, 1.0),
    "acceleratorUtilisationByClass": (0.0, 1.0),
    "acceleratorAllocation": (0.0, 1.0),
    "acceleratorPowerKW": (0.0, 1e6),
    "carbonIntensity": (1.0, 1200.0),
    "pricePerMWh": (-500.0, 5000.0),
    "acceleratorHour": (0.001, 1000.0),
    "cpuHour": (1e-5, 10.0),
    "memoryGiBHour": (1e-6, 10.0),
    "powerKW": (0.0, 1e6),
    "pue": (1.0, 3.0),
    "queueDepth": (0.0, 1e7),
    "requestsWaiting": (0.0, 1e9),
    "tokensPerSecond": (0.0, 1e9),
    "latencyMs": (0.0, 5000.0),
}

#: The field of `SiteSignals` that holds a signal of one value.
FIELDS: Final[Mapping[str, str]] = {
    "load": "load",
    "cpuLoad": "cpu_load",
    "memoryLoad": "memory_load",
    "acceleratorUtilisation": "accelerator_utilisation",
    "acceleratorPowerKW": "accelerator_power_kw",
    "carbonIntensity": "carbon_intensity",
    "pricePerMWh": "price_per_mwh",
    "cpuHour": "cpu_hour",
    "memoryGiBHour": "memory_gib_hour",
    "powerKW": "power_kw",
    "pue": "pue",
    "queueDepth": "queue_depth",
    "requestsWaiting": "requests_waiting",
    "tokensPerSecond": "tokens_per_second",
}
#: The field that holds a signal of several values, by region or class.
KEYED: Final[Mapping[str, str]] = {
    "acceleratorUtilisationByClass": "accelerator_utilisation_by_class",
    "acceleratorAllocation": "accelerator_allocation",
    "acceleratorHour": "accelerator_hour",
    "latencyMs": "latency_ms",
}
#: A signal has so many values at most: more would swell every ComputeSite.
MAX_KEYS: Final = 64

STALE_POLLS: Final = 10
#: A signal is Stale for this long at least, so that a restart of Prometheus costs nothing, seconds.
LEAST_STALE_S: Final = 120.0

#: Prices of a core hour need more digits than anything else.
_DECIMALS: Final = {"cpuHour": 6, "memoryGiBHour": 6}
_SHARES: Final = frozenset(name for name, bounds in BOUNDS.items() if bounds == (0.0, 1.0))
#: Makers and servers stand beside each other at a site: what each counts is added.
_SUMMED: Final = frozenset(
    name for name, asked in ASKED.items() if asked.together and not asked.key
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One series of an answer.

    Attributes:
        signal: its name, as in `BOUNDS`.
        value: as Prometheus gave it; may be NaN or infinite.
        source: what it was taken from.
        key: consumer region or accelerator class, for signals of several values.
        note: told beside the value, which is used.
        withheld: why the value is not used though it came; it counts as not come.
        refused: why there is no value: the server dislikes the query.
    """

    signal: str
    value: float
    source: str = ""
    key: str = ""
    note: str = ""
    withheld: str = ""
    refused: str = ""


def derived(readings: Iterable[Reading]) -> list[Reading]:
    """Readings with what follows from several of them.

    What each maker or server counts is added, `load` is the fuller of CPU and memory, and the power
    of hosts that Kepler tells becomes the site's by adding what the accelerators take.
    """
    result: list[Reading] = []
    summed: dict[str, list[Reading]] = {}
    one: dict[str, Reading] = {}
    for reading in readings:
        if reading.signal in _SUMMED:
            summed.setdefault(reading.signal, []).append(reading)
        elif reading.signal == "powerKW" and reading.source == KEPLER_HOSTS:
            one[KEPLER_HOSTS] = reading
        else:
            one.setdefault(reading.signal, reading)
            result.append(reading)
    for signal, parts in summed.items():
        source = "+".join(dict.fromkeys(part.source for part in parts))
        refused = next((part.refused for part in parts if part.refused), "")
        total = Reading(signal, sum(part.value for part in parts), source, refused=refused)
        one[signal] = total
        result.append(total)
    if "load" not in one:
        parts = [one[name] for name in ("cpuLoad", "memoryLoad") if name in one]
        usable = [part for part in parts if fault_of([part]) is None]
        result += [replace(max(usable, key=_value), signal="load")] if usable else []
    hosts, chips = one.get(KEPLER_HOSTS), one.get("acceleratorPowerKW")
    if hosts is not None and chips is not None and "powerKW" not in one:
        result.append(Reading("powerKW", hosts.value + chips.value, f"kepler+{chips.source}"))
    return result


def merge(
    before: SiteSignals,
    readings: Iterable[Reading],
    now: datetime,
    *,
    poll_s: float,
    least_stale_s: float = LEAST_STALE_S,
) -> SiteSignals:
    """The signals after a poll.

    Args:
        before: the signals after the poll before.
        readings: what came, perhaps nothing.
        now: the time of the answer.
        poll_s: between two polls, seconds.
        least_stale_s: how long a signal is Stale at least.

    Returns:
        `before` itself when nothing that anybody goes by has changed but the time.
    """
    stale_for = timedelta(seconds=max(least_stale_s, STALE_POLLS * poll_s))
    found: dict[str, dict[str, list[Reading]]] = {}
    for reading in readings:
        found.setdefault(reading.signal, {}).setdefault(reading.key, []).append(reading)
    changes: dict[str, object] = {}
    for signal, name in FIELDS.items():
        old: Signal | None = getattr(before, name)
        came = [reading for many in found.get(signal, {}).values() for reading in many]
        new = _next(signal, old, came, now, stale_for)
        if new is not old:
            changes[name] = new
    for signal, name in KEYED.items():
        olds: Mapping[str, Signal] = getattr(before, name)
        came_by = {key: many for key, many in found.get(signal, {}).items() if key}
        news = {}
        for key in sorted(came_by.keys() | olds.keys())[:MAX_KEYS]:
            one = _next(signal, olds.get(key), came_by.get(key, []), now, stale_for)
            if one is not None:
                news[key] = one
        if news != olds:
            changes[name] = news
    return before.model_copy(update=changes) if changes else before


def missing(signals: SiteSignals) -> list[str]:
    """What was read once and is not known now, each with its state and message."""
    shown = {signal: getattr(signals, name) for signal, name in FIELDS.items()}
    for signal, name in KEYED.items():
        shown |= {f"{signal} {key}": one for key, one in getattr(signals, name).items()}
    ill = (SignalState.STALE, SignalState.UNKNOWN, SignalState.IMPLAUSIBLE)
    return [
        f"{name} is {one.state}: {one.message}"
        for name, one in shown.items()
        if one is not None and one.state in ill
    ]


def fault_of(readings: Sequence[Reading]) -> tuple[SignalState, str] | None:
    """What is wrong with the readings of one value; None: one that can be used.

    >>> fault_of([Reading("carbonIntensity", 0.45)])[1]
    '0.45 is not between 1 and 1200; kg/kWh, or a share? gCO2e/kWh is expected'
    """
    if not readings:
        return SignalState.UNKNOWN, "no reading"
    reading = readings[0]
    if reading.refused:
        return SignalState.UNKNOWN, reading.refused
    if len(readings) > 1:
        return SignalState.UNKNOWN, "several series for one value"
    if not math.isfinite(reading.value):
        return SignalState.UNKNOWN, f"reads {reading.value}"
    low, high = BOUNDS.get(reading.signal, (-math.inf, math.inf))
    if not low <= reading.value <= high:
        text = f"{reading.value:g} is not between {low:g} and {high:g}"
        return SignalState.IMPLAUSIBLE, text + _unit_hint(reading)
    return None


def _unit_hint(reading: Reading) -> str:
    """What unit it may be in, where a usual mistake explains the value."""
    value = reading.value
    if reading.signal == "carbonIntensity" and 0 <= value < BOUNDS["carbonIntensity"][0]:
        return "; kg/kWh, or a share? gCO2e/kWh is expected"
    if reading.signal == "carbonIntensity" and value > 0:
        return "; g/MWh, or lb/MWh? gCO2e/kWh is expected"
    if reading.signal in _SHARES and 1 < value <= 100:  # noqa: PLR2004 - percent
        return "; percent? a share from 0 to 1 is expected"
    return ""


def _value(reading: Reading) -> float:
    return reading.value


def _next(
    name: str, old: Signal | None, readings: list[Reading], now: datetime, stale_for: timedelta
) -> Signal | None:
    """One signal after a poll; None while it has never been heard of."""
    if not readings:
        return _aged(old, now, stale_for, "no reading")
    reading = readings[0]
    if fault := fault_of(readings):
        return _bad(old, fault[0], reading.source, fault[1])
    if reading.withheld:
        return _aged(old, now, stale_for, reading.withheld)
    new = Signal(
        value=round(reading.value, _DECIMALS.get(name, 4)),
        at=now,
        source=reading.source,
        state=SignalState.CURRENT,
        message=reading.note,
    )
    if old is None or old.at is None or now - old.at >= stale_for / 2:
        return new
    # The time alone is worth a write now and then, not at every poll.
    return old if new.model_copy(update={"at": old.at}) == old else new


def _aged(old: Signal | None, now: datetime, stale_for: timedelta, why: str) -> Signal | None:
    if old is None or old.state in (SignalState.UNKNOWN, SignalState.IMPLAUSIBLE):
        return old
    # `at` may be half of `stale_for` older than the last reading: see `_next`.
    if old.value is None or old.at is None or now - old.at > stale_for * 1.5:
        text = "no reading for too long"
        return Signal(at=old.at, source=old.source, state=SignalState.UNKNOWN, message=text)
    if old.state is SignalState.STALE and old.message == why:
        return old
    return old.model_copy(update={"state": SignalState.STALE, "message": why})


def _bad(old: Signal | None, state: SignalState, source: str, message: str) -> Signal:
    if old is not None and (old.state, old.source, old.message) == (state, source, message):
        return old
    return Signal(source=source, state=state, message=message)
