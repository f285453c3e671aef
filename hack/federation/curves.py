"""The values of signals over time: documented curves, or columns of hourly CSV files."""

import bisect
import csv
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from federation.processes import FederationError
from federation.spec import Curve

#: The value at a time.
Value = Callable[[datetime], float]

_HOUR_S: Final = 3600.0
_SUNRISE, _SUNSET = 6.0, 18.0
_SATURDAY: Final = 5


def value_of(curve: Curve, folder: Path) -> Value:
    """A curve as a function of time; paths of CSV files are relative to the folder."""
    return _from_csv(folder / curve.csv, curve.column) if curve.csv else _synthetic(curve)


def _synthetic(curve: Curve) -> Value:
    def value(at: datetime) -> float:
        local = at + timedelta(hours=curve.offset)
        hour = local.hour + local.minute / 60 + local.second / _HOUR_S
        daily = curve.swing * math.cos(2 * math.pi * (hour - curve.peak) / 24)
        sunlight = max(0.0, math.sin(math.pi * (hour - _SUNRISE) / (_SUNSET - _SUNRISE)))
        weekend = curve.weekend if local.weekday() >= _SATURDAY else 0.0
        return (curve.base + daily - curve.solar * sunlight) * (1 + weekend)

    return value


def _utc(text: str) -> datetime:
    """A time of ISO 8601, UTC unless it says otherwise."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _from_csv(path: Path, column: str) -> Value:
    """The row that holds at a time; beyond the file's span it begins anew."""
    found: dict[float, float] = {}
    try:
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            name = (rows.fieldnames or [""])[0]
            for row in rows:
                if row[column]:
                    found[_utc(row[name]).timestamp()] = float(row[column])
    except (OSError, ValueError, KeyError) as error:
        raise FederationError(f"{path}: column {column!r} cannot be read: {error!r}") from error
    if not found:
        raise FederationError(f"{path}: column {column!r} holds no value")
    times = sorted(found)
    span = times[-1] - times[0] + _HOUR_S

    def value(at: datetime) -> float:
        moment = times[0] + (at.astimezone(UTC).timestamp() - times[0]) % span
        return found[times[bisect.bisect_right(times, moment) - 1]]

    return value
