"""What was a signal at a time, and how much of it came together over a run?

A series is constant from one timestamp to the next, as grid operators publish it. It is held as its
running integral, so that a run is metered exactly, however it lies across the steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tradewind.base.errors import InputFileError
from tradewind.simulate.files import Row, header_of, rows_of

F64 = NDArray[np.float64]

#: Past its end a series goes on as a repetition of its last day.
_TAIL_S = 86_400.0


class Series:
    """A signal over simulated time, in steps of equal length.

    Args:
        values: (T,) of each step, in the unit of the signal.
        step_s: length of a step, seconds.

    >>> series = Series(np.array([100.0, 300.0]), 3600.0)
    >>> series.at(3599.0), series.at(3600.0), series.integral(1800.0, 5400.0) / 3600
    (100.0, 300.0, 200.0)
    """

    def __init__(self, values: F64, step_s: float) -> None:
        self.values = values
        self.step_s = step_s
        self.tail = max(1, min(len(values), round(_TAIL_S / step_s)))
        self._sums: F64 = np.concatenate(([0.0], np.cumsum(values) * step_s))

    def at(self, at_s: float) -> float:
        """The value at a time, seconds from the start."""
        return float(self.values[self._place(int(at_s // self.step_s))])

    def window(self, at_s: float, steps: int) -> F64:
        """(steps,) The values from the step that holds a time on."""
        first = int(at_s // self.step_s)
        return self.values[[self._place(i) for i in range(first, first + steps)]]

    def integral(self, start_s: float, end_s: float) -> float:
        """The integral from one time to another, in units of the signal times seconds."""
        return float(self.integrals(np.array([start_s, end_s])) @ (-1.0, 1.0))

    def integrals(self, at_s: F64) -> F64:
        """(...) The integral from the start up to each time."""
        length = len(self.values)
        step = np.floor_divide(at_s, self.step_s).astype(np.int64)
        beyond = np.maximum(step - length, 0) // self.tail + (step >= length)
        shifted = step - beyond * self.tail
        last_day = self._sums[length] - self._sums[length - self.tail]
        inside = (at_s - step * self.step_s) * self.values[shifted]
        total: F64 = self._sums[shifted] + beyond * last_day + inside
        return total

    def _place(self, step: int) -> int:
        length = len(self.values)
        return step if step < length else length - self.tail + (step - length) % self.tail


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """A CSV file of series: a column of UTC times, and one column for each zone.

    Args:
        file: where it was read from, for errors.
        start: of the first step.
        step_s: length of a step, seconds.
        zones: values by zone.
    """

    file: Path
    start: datetime
    step_s: float
    zones: dict[str, F64]

    def has(self, zone: str) -> bool:
        """Whether there is a column of that zone."""
        return zone in self.zones

    def series(self, zone: str, start: datetime, hours: float | None = None) -> Series:
        """A zone's series from a time on.

        Raises:
            InputFileError: there is no such zone, or the file does not hold that time.
        """
        if zone not in self.zones:
            raise InputFileError(
                f"{self.file} has no column {zone!r}",
                hint=f"zones there: {', '.join(sorted(self.zones))}",
            )
        steps = (start - self.start).total_seconds() / self.step_s
        values = self.zones[zone]
        if not 0 <= steps < len(values) or steps != int(steps):
            raise InputFileError(
                f"{self.file} has no step that begins at {start:%Y-%m-%dT%H:%M:%SZ}",
                hint=f"it begins at {self.start:%Y-%m-%dT%H:%M:%SZ}, in steps of {self.step_s:g} s",
            )
        cut = values[int(steps) :]
        return Series(cut if hours is None else cut[: int(hours * 3600 / self.step_s)], self.step_s)


def read_series(file: Path, *, least: float = 0.0) -> SeriesFile:
    """Read a CSV file whose first column is a time and whose other columns are zones.

    Args:
        file: of the series.
        least: below which no value can be.

    Raises:
        InputFileError: with file, line and column.
    """
    header = header_of(file)
    if len(header) < 2:  # noqa: PLR2004 - a time and one zone
        raise InputFileError(f"{file}, line 1: no zone", hint="a column of times, then the zones")
    times: list[datetime] = []
    columns: list[list[float]] = [[] for _ in header[1:]]
    for row in rows_of(file):
        times.append(_time(row, header[0]))
        for values, zone in zip(columns, header[1:], strict=True):
            values.append(row.number(zone, least=least))
    if len(times) < 2:  # noqa: PLR2004 - a step has two ends
        raise InputFileError(f"{file} has fewer than two lines", hint="one line for each step")
    step_s = (times[1] - times[0]).total_seconds()
    _check_steps(file, times, step_s)
    arrays = (np.array(values, np.float64) for values in columns)
    return SeriesFile(file, times[0], step_s, dict(zip(header[1:], arrays, strict=True)))


def _time(row: Row, column: str) -> datetime:
    text = row.text(column)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise row.error(
            column, f"{text[:40]!r} is not a time", "write 2022-01-01T00:00:00Z"
        ) from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _check_steps(file: Path, times: Sequence[datetime], step_s: float) -> None:
    step = timedelta(seconds=step_s)
    for place, (before, after) in enumerate(pairwise(times)):
        if after - before != step or step_s <= 0:
            raise InputFileError(
                f"{file}, line {place + 3}: {after:%Y-%m-%dT%H:%M:%SZ} follows "
                f"{before:%Y-%m-%dT%H:%M:%SZ}, where steps are {step_s:g} s",
                hint="steps are equal and rise; fill gaps with the value before",
            )
