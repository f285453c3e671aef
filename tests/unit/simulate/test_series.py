"""Signals over time, and the files that they come from."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.base.errors import InputFileError
from tradewind.simulate.series import Series, read_series

GOOD = "time,FR,DE\n2022-01-01T00:00:00Z,50,200\n2022-01-01T01:00:00Z,60,210\n"


@given(
    st.lists(st.floats(0, 1000), min_size=1, max_size=60),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
)
def test_an_integral_is_the_sum_of_its_steps_past_the_end_too(
    values: list[float], start: float, length: float
) -> None:
    series = Series(np.array(values), 3600.0)
    end = start + length
    edges = np.unique([start, end, *np.arange(start // 3600 + 1, end // 3600 + 1) * 3600])
    steps = [(b - a) * series.at((a + b) / 2) for a, b in itertools.pairwise(edges)]
    assert series.integral(start, end) == pytest.approx(sum(steps), rel=1e-6, abs=1e-3)


def test_past_its_end_a_series_repeats_its_last_day() -> None:
    series = Series(np.arange(48.0), 3600.0)
    assert series.at(48 * 3600.0) == 24.0
    assert series.at((48 + 25) * 3600.0) == 25.0
    assert series.window(47 * 3600.0, 3).tolist() == [47.0, 24.0, 25.0]


def test_a_file_is_read_by_zone(tmp_path: Path) -> None:
    file = tmp_path / "carbon.csv"
    file.write_text(GOOD)
    read = read_series(file)
    assert read.step_s == 3600
    assert read.series("DE", read.start).values.tolist() == [200.0, 210.0]


@pytest.mark.parametrize(
    ("text", "told"),
    {
        "a cell that is no number": (
            GOOD.replace("210", "much"),
            "line 3, column 'DE': 'much' is not a number",
        ),
        "a time that is none": (
            GOOD.replace("2022-01-01T01:00:00Z", "noon"),
            "line 3, column 'time': 'noon' is not a time",
        ),
        "a gap": (GOOD + "2022-01-01T05:00:00Z,1,1\n", "line 4: 2022-01-01T05:00:00Z follows"),
        "a short line": (GOOD + "2022-01-01T02:00:00Z,1\n", "line 4: 2 cells under 3 columns"),
        "a missing value": (GOOD.replace("210", ""), "line 3, column 'DE': '' is not a number"),
        "a value below zero": (GOOD.replace("210", "-1"), "line 3, column 'DE': -1 is below 0"),
        "a zone that is there twice": (GOOD.replace("FR,DE", "DE,DE"), "two columns are called"),
        "no line": ("time,FR\n", "fewer than two lines"),
        "nothing": ("", "is empty"),
    }.values(),
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "carbon.csv"
    file.write_text(text)
    with pytest.raises(InputFileError) as refused:
        read_series(file)
    assert told in refused.value.message
    assert refused.value.hint


def test_an_unknown_zone_and_a_time_before_the_file_are_named(tmp_path: Path) -> None:
    file = tmp_path / "carbon.csv"
    file.write_text(GOOD)
    read = read_series(file)
    with pytest.raises(InputFileError, match="no column 'PL'"):
        read.series("PL", read.start)
    with pytest.raises(InputFileError, match="no step that begins at 2021"):
        read.series("FR", read.start.replace(year=2021))
    with pytest.raises(InputFileError, match="cannot be read"):
        read_series(tmp_path / "nowhere.csv")
