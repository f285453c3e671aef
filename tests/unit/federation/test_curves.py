"""Signals over time: curves as documented, files row by row, and a clock that runs faster."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from federation.curves import value_of
from federation.processes import FederationError
from federation.signals import SignalCollector, simulated
from federation.spec import Clock, Curve, FederationSpec

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def at(curve: Curve, hour: float, day: int = 0) -> float:
    return value_of(curve, Path())(MONDAY + timedelta(days=day, hours=hour))


def test_a_curve_swings_about_its_base_and_peaks_when_it_says() -> None:
    curve = Curve(base=100, swing=20, peak=19)
    assert at(curve, 19) == pytest.approx(120)
    assert at(curve, 7) == pytest.approx(80)
    assert at(curve, 1) == pytest.approx(100)


def test_the_sun_lowers_it_by_day_only() -> None:
    curve = Curve(base=100, solar=50)
    assert at(curve, 12) == pytest.approx(50)
    assert at(curve, 0) == at(curve, 6) == pytest.approx(100)


def test_offset_is_local_time_and_the_weekend_is_local_too() -> None:
    assert at(Curve(base=100, solar=50, offset=8), 4) == pytest.approx(50)
    weekend = Curve(base=100, weekend=-0.2, offset=8)
    assert at(weekend, 17, day=4) == pytest.approx(80)  # Friday in London, Saturday in China
    assert at(weekend, 12, day=4) == pytest.approx(100)


def csv(folder: Path, *rows: str) -> Curve:
    (folder / "c.csv").write_text("\n".join(["datetime_utc,FR,DE", *rows, ""]))
    return Curve(csv=Path("c.csv"), column="FR")


def test_a_row_holds_until_the_next_and_the_file_begins_anew(tmp_path: Path) -> None:
    curve = csv(
        tmp_path,
        "2022-01-01T00:00:00Z,10,1",
        "2022-01-01T01:00:00Z,,1",
        "2022-01-01T02:00:00Z,30,1",
    )
    value = value_of(curve, tmp_path)
    start = datetime(2022, 1, 1, tzinfo=UTC)
    seen = [value(start + timedelta(minutes=minutes)) for minutes in (0, 59, 61, 120, 179, 180)]
    assert seen == [10, 10, 10, 30, 30, 10]
    assert value(start + timedelta(hours=3 * 10_000)) == 10


def test_times_without_a_zone_are_utc_and_need_no_order(tmp_path: Path) -> None:
    value = value_of(csv(tmp_path, "2022-01-01 01:00,20,1", "2022-01-01 00:00,10,1"), tmp_path)
    assert value(datetime(2022, 1, 1, 0, 30, tzinfo=UTC)) == 10
    assert value(datetime(2022, 1, 1, 2, 30, tzinfo=timezone(timedelta(hours=1)))) == 20


@pytest.mark.parametrize(
    "rows",
    [
        ["2022-01-01T00:00:00Z,ten,1"],
        ["yesterday,10,1"],
        ["2022-01-01T00:00:00Z"],
        [],
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_column(
    tmp_path: Path, rows: list[str]
) -> None:
    with pytest.raises(FederationError, match=r"c\.csv: column 'FR'"):
        value_of(csv(tmp_path, *rows), tmp_path)


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    csv(tmp_path, "2022-01-01T00:00:00Z,10,1")
    with pytest.raises(FederationError, match="'PL'"):
        value_of(Curve(csv=Path("c.csv"), column="PL"), tmp_path)


def test_the_clock_runs_as_fast_as_it_says() -> None:
    clock = Clock(speed=60, start=MONDAY)
    assert simulated(clock, 90) == MONDAY + timedelta(minutes=90)


def test_a_forecast_says_what_the_curve_will_be_by_the_clock_of_the_real_prometheus() -> None:
    spec = FederationSpec.model_validate(
        {
            "clock": {"speed": 60, "start": "2026-11-23T00:00:00Z"},
            "members": [
                {
                    "name": "m",
                    "signals": {
                        "carbon": {"base": 100, "swing": 20, "peak": 3},
                        "forecast": {"hours": 4, "error": 0.2},
                    },
                }
            ],
        }
    )
    told = {
        tuple(sample.labels[name] for name in ("horizon_seconds", "quantile")): sample.value
        for metric in SignalCollector(spec, Path()).collect()
        for sample in metric.samples
        if sample.name == "tradewind_forecast"
    }
    assert len(told) == 5 * 3
    # Three hours are three minutes there; the error grows to 20% at the fourth hour.
    assert told["180", "0.5"] == pytest.approx(120, rel=1e-3)
    assert told["240", "0.1"] == pytest.approx(0.8 * told["240", "0.5"])
    assert told["0", "0.1"] == told["0", "0.9"] == told["0", "0.5"]
