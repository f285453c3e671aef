"""`tradewind forecast-backtest`: how good the forecast is on a series of one's own."""

import csv
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import Progress

from tradewind.base.errors import ConfigurationError
from tradewind.cli import answer
from tradewind.cli.ask import Ask
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone
from tradewind.telemetry.backtest import HORIZONS, Score, origins, score, walk
from tradewind.telemetry.forecast import F64, MEMORY
from tradewind.telemetry.history import regular

_HOUR_S: Final = 3600.0
_COLUMNS: Final = (
    Column("SERIES"),
    Column("HOURS AHEAD", right=True),
    Column("MAPE %", right=True),
    Column("PERSISTENCE %", right=True),
    Column("SEASONAL NAIVE %", right=True),
    Column("BEATS BOTH"),
    Column("WITHIN 10-90 %", right=True),
    Column("ORIGINS", right=True, wide=True),
)
_MEAN: Final = "mean"


def run(ask: Ask, path: Path, columns: Sequence[str], every: int) -> None:
    """Run the command.

    Raises:
        ConfigurationError: the file cannot be read, or a series is too short.
    """
    found = read(path, columns)
    for name, series in found.items():
        if not origins(len(series), HORIZONS, every):
            raise ConfigurationError(
                f"{path}: column {name}: {len(series)} hours are too few",
                hint=f"at least {MEMORY + max(HORIZONS)} hours are needed",
            )
    scores = _scores(found, every)
    if ask.form.structured:
        answer.document(document(scores), ask.form)
    else:
        answer.table(table(scores), ask.form)


def read(path: Path, columns: Sequence[str]) -> dict[str, F64]:
    """The named columns, or all, of a CSV file whose first column holds times.

    Raises:
        ConfigurationError: names file, and line or column.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    try:
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            names = list(rows.fieldnames or [])
            wanted = list(columns) or names[1:]
            if missing := [name for name in wanted if name not in names[1:]]:
                raise ConfigurationError(
                    f"{path}: no column {missing[0]!r}", hint=f"there are {', '.join(names[1:])}"
                )
            for row in rows:
                at = _time(path, rows.line_num, row[names[0]])
                for name in wanted:
                    value = _number(path, rows.line_num, name, row[name])
                    points.setdefault(name, []).append((at, value))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    found = {}
    for name, series in points.items():
        history = regular(series, _HOUR_S)
        if history is None:
            raise ConfigurationError(
                f"{path}: column {name}: no hourly series", hint="one row for each hour is expected"
            )
        found[name] = history.values
    if not found:
        raise ConfigurationError(
            f"{path}: no values", hint="a header and one row for each hour are needed"
        )
    return found


def _time(path: Path, line: int, text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{path}, line {line}: {text!r} is no time",
            hint="the first column holds times such as 2022-01-01T00:00:00Z",
        ) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _number(path: Path, line: int, name: str, text: str | None) -> float:
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{path}, line {line}: column {name}: {text!r} is no number",
            hint="name the columns to read with --column",
        ) from error


def _scores(found: Mapping[str, F64], every: int) -> dict[str, Score]:
    total = sum(len(origins(len(series), HORIZONS, every)) for series in found.values())
    scores = {}
    # On standard error, so that standard output stays the answer's alone.
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("forecasting", total=total)
        for name, series in found.items():
            walked = []
            for step in walk(series, HORIZONS, every):
                walked.append(step)
                progress.advance(task)
            scores[name] = score(walked)
    return scores


def mean(scores: Mapping[str, Score]) -> Score:
    """The mean over the series, each counting the same."""

    def over(part: str) -> F64:
        values: F64 = np.mean([getattr(one, part) for one in scores.values()], axis=0)
        return values

    return Score(
        origins=sum(one.origins for one in scores.values()),
        model=over("model"),
        persistence=over("persistence"),
        seasonal=over("seasonal"),
        coverage=over("coverage"),
    )


def table(scores: Mapping[str, Score]) -> Table:
    """The mean by horizon, and each series if there are several."""
    shown = Table(_COLUMNS)
    rows = {**scores, _MEAN: mean(scores)} if len(scores) > 1 else dict(scores)
    for name, one in rows.items():
        for place, hours in enumerate(HORIZONS):
            best = min(one.persistence[place], one.seasonal[place])
            beats = one.model[place] < best
            shown.rows.append(
                [
                    name,
                    str(hours),
                    _percent(one.model[place]),
                    _percent(one.persistence[place]),
                    _percent(one.seasonal[place]),
                    Cell("yes", Tone.GOOD) if beats else Cell("no", Tone.WAITING),
                    _percent(100 * one.coverage[place]),
                    str(one.origins),
                ]
            )
    return shown


def _percent(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else NOTHING


def document(scores: Mapping[str, Score]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "horizonsHours": list(HORIZONS),
        "mean": _score(mean(scores)),
        "series": {name: _score(one) for name, one in scores.items()},
    }


def _score(one: Score) -> dict[str, Any]:
    def plain(values: F64) -> list[float | None]:
        return [round(value, 4) if math.isfinite(value) else None for value in values.tolist()]

    return {
        "origins": one.origins,
        "mapePercent": plain(one.model),
        "persistencePercent": plain(one.persistence),
        "seasonalNaivePercent": plain(one.seasonal),
        "coverage": plain(one.coverage),
    }
