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
from tradewind.cli.scales import Measure
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone
from tradewind.telemetry.backtest import HORIZONS, Errors, Score, origins, score, walk
from tradewind.telemetry.forecast import MEMORY
from tradewind.telemetry.history import regular
from tradewind.telemetry.past import F64

_HOUR_S: Final = 3600.0
_MEAN: Final = "mean"
#: Hours whose value is less than this share of the mean size decide a MAPE alone.
_NEAR_ZERO: Final = 0.01


def run(ask: Ask, path: Path, columns: Sequence[str], every: int, measure: Measure) -> None:
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
        answer.table(table(scores, measure), ask.form)
        if measure is Measure.MAPE and (names := near_zero(found)):
            answer.note(
                f"{', '.join(names)}: a few values near zero, and the percentages of these, decide"
                " the mean; --measure wape relates errors to the mean size instead"
            )


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
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(
            f"{path}: cannot be read: {why}", hint="a CSV file with a header is expected"
        ) from error
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


def near_zero(found: Mapping[str, F64]) -> list[str]:
    """The series of which a mean of percentages says little."""
    return [
        name
        for name, series in found.items()
        if (np.abs(series) < _NEAR_ZERO * np.abs(series).mean()).any()
    ]


def mean(scores: Mapping[str, Score]) -> Score:
    """The mean over the series, each counting the same."""
    many = list(scores.values())

    def over(measure: Measure) -> Errors:
        parts = [_errors(one, measure) for one in many]
        return Errors(
            model=np.mean([one.model for one in parts], axis=0),
            persistence=np.mean([one.persistence for one in parts], axis=0),
            seasonal=np.mean([one.seasonal for one in parts], axis=0),
        )

    return Score(
        origins=sum(one.origins for one in many),
        mape=over(Measure.MAPE),
        wape=over(Measure.WAPE),
        coverage=np.mean([one.coverage for one in many], axis=0),
    )


def table(scores: Mapping[str, Score], measure: Measure = Measure.MAPE) -> Table:
    """The mean by horizon, and each series if there are several."""
    shown = Table(
        (
            Column("SERIES"),
            Column("HOURS AHEAD", right=True),
            Column(f"{measure.upper()} %", right=True),
            Column("PERSISTENCE %", right=True),
            Column("SEASONAL NAIVE %", right=True),
            Column("BEATS BOTH"),
            Column("WITHIN 10-90 %", right=True),
            Column("ORIGINS", right=True, wide=True),
        )
    )
    rows = {**scores, _MEAN: mean(scores)} if len(scores) > 1 else dict(scores)
    for name, one in rows.items():
        errors = _errors(one, measure)
        for place, hours in enumerate(HORIZONS):
            best = min(errors.persistence[place], errors.seasonal[place])
            beats = errors.model[place] < best
            shown.rows.append(
                [
                    name,
                    str(hours),
                    _percent(errors.model[place]),
                    _percent(errors.persistence[place]),
                    _percent(errors.seasonal[place]),
                    Cell("yes", Tone.GOOD) if beats else Cell("no", Tone.WAITING),
                    _percent(100 * one.coverage[place]),
                    str(one.origins),
                ]
            )
    return shown


def _errors(one: Score, measure: Measure) -> Errors:
    return one.mape if measure is Measure.MAPE else one.wape


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

    def errors(told: Errors) -> dict[str, Any]:
        return {
            "model": plain(told.model),
            "persistence": plain(told.persistence),
            "seasonalNaive": plain(told.seasonal),
        }

    return {
        "origins": one.origins,
        "mapePercent": errors(one.mape),
        "wapePercent": errors(one.wape),
        "coverage": plain(one.coverage),
    }
