"""`tradewind forecast-backtest` on files as people have them."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.unit.telemetry.test_forecast import grid_like
from typer.testing import CliRunner

from tradewind.base.errors import ConfigurationError
from tradewind.cli.main import app


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "carbon.csv"
    times = np.datetime64("2026-01-01T00") + np.arange(8 * 168)
    rows = zip(times, grid_like(8), grid_like(8, seed=2), strict=True)
    lines = [f"{at}:00Z,{one:.2f},{other:.2f}" for at, one, other in rows]
    path.write_text("\n".join(["time,FR,DE", *lines]) + "\n")
    return path


def test_the_table_has_each_series_and_their_mean(csv: Path) -> None:
    done = CliRunner().invoke(app, ["forecast-backtest", "--csv", str(csv)])
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [(line[0], line[1]) for line in lines[1:]] == [
        (name, hours) for name in ("FR", "DE", "mean") for hours in ("1", "6", "12", "24", "48")
    ]


def test_json_holds_the_errors_of_each_horizon(csv: Path) -> None:
    arguments = ["forecast-backtest", "--csv", str(csv), "--column", "DE", "-o", "json"]
    done = CliRunner().invoke(app, arguments)
    told = json.loads(done.stdout)
    assert list(told["series"]) == ["DE"]
    assert told["mean"] == told["series"]["DE"]
    for measure in ("mapePercent", "wapePercent"):
        model, stays = told["mean"][measure]["model"], told["mean"][measure]["persistence"]
        assert len(model) == 5
        assert all(a < b for a, b in zip(model, stays, strict=True))


def test_who_has_values_near_zero_is_told_of_the_measure_that_bears_them(
    csv: Path, tmp_path: Path
) -> None:
    path = tmp_path / "prices.csv"
    header, first, *rest = csv.read_text().splitlines()
    path.write_text("\n".join([header, first, *rest[:-1], rest[-1].split(",")[0] + ",0.01,300"]))
    done = CliRunner().invoke(app, ["forecast-backtest", "--csv", str(path)])
    assert done.stderr.splitlines()[-1].startswith("FR: a few values near zero")
    done = CliRunner().invoke(app, ["forecast-backtest", "--csv", str(path), "--measure", "wape"])
    assert "near zero" not in done.stderr
    assert done.stdout.splitlines()[0].split()[3:5] == ["WAPE", "%"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no values"),
        ("time,a\n", "no values"),
        ("time,a\nyesterday,1\n", "line 2: 'yesterday' is no time"),
        ("time,a\n2026-01-01T00:00:00Z,much\n", "line 2: column a: 'much' is no number"),
        ("time,a\n2026-01-01T00:00:00Z,1\n", "column a: 1 hours are too few"),
        ("time,a\n2026-01-01T00:00:00Z,\n", "no hourly series"),
    ],
)
def test_a_file_that_cannot_serve_is_named_with_its_fault(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    done = CliRunner().invoke(app, ["forecast-backtest", "--csv", str(path)])
    assert isinstance(done.exception, ConfigurationError)
    assert says in str(done.exception)
    assert str(path) in str(done.exception)


def test_a_column_that_is_not_there_is_named(csv: Path) -> None:
    done = CliRunner().invoke(app, ["forecast-backtest", "--csv", str(csv), "--column", "PL"])
    assert "no column 'PL'" in str(done.exception)
    assert "FR, DE" in str(done.exception)
