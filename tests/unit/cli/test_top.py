"""How sites are now and where they go, on any terminal."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.cli import objects

from tradewind.api.site import ComputeSite
from tradewind.cli import sparkline as lines
from tradewind.cli.sparkline import sparkline
from tradewind.cli.top import document, shows_blocks, table, without_trend


def site(**status: Any) -> ComputeSite:
    found = objects.ulanqab()
    found["status"]["signals"] |= {
        "latencyMs": {
            "beijing": {"value": 12.4, "state": "Current"},
            "shanghai": {"value": 31.0, "state": "Stale"},
            "nowhere": {"state": "Unknown"},
        },
        "powerKW": {"value": 88.25, "state": "Current"},
    }
    found["status"] |= {
        "forecast": {
            "carbonIntensity": {
                "start": "2026-11-24T12:00:00Z", "step": "1h", "values": list(range(24)),
            }
        },
        **status,
    }  # fmt: skip
    return ComputeSite.model_validate(found)


def test_a_site_s_line_has_its_figures_their_marks_and_their_trends() -> None:
    _, line = table([site()], ascii_only=False).plain().splitlines()
    assert line.split() == [
        "ulanqab", "yes", "80/144", "42", "-", "512~", "▁▂▂▃▄▄▅▅▆▇▇█", "45*", "-", "beijing", "12",
    ]  # fmt: skip


def test_a_terminal_without_blocks_gets_characters_that_every_one_has() -> None:
    text = table([site()], ascii_only=True).plain()
    assert text.isascii()
    assert "_..-::==+**#" in text


def test_a_site_without_a_forecast_or_a_status_is_shown_all_the_same() -> None:
    bare = objects.ulanqab()
    del bare["status"]
    _, line = table([ComputeSite.model_validate(bare)], ascii_only=True).plain().splitlines()
    assert line.split()[:5] == ["ulanqab", "?", "0/0", "?", "-"]


def test_a_site_whose_next_hours_are_not_told_yet_says_what_they_take() -> None:
    prometheus = {"url": "https://prometheus.example"}
    asked = ComputeSite.model_validate(
        objects.paris() | {"spec": objects.paris()["spec"] | {"prometheus": prometheus}}
    )
    [note] = without_trend([site(), asked])
    assert note.startswith("no forecast of paris yet: it takes some seconds")
    assert without_trend([site(), ComputeSite.model_validate(objects.paris())]) == []


def test_a_site_that_is_down_says_no() -> None:
    down = ComputeSite.model_validate(objects.paris())
    _, line = table([down], ascii_only=True).plain().splitlines()
    assert line.split()[1] == "no"


def test_the_table_fits_into_120_columns() -> None:
    series = {"start": "2026-11-24T12:00:00Z", "step": "1h", "values": list(range(24))}
    wide = site(forecast={"load": series, "carbonIntensity": series, "pricePerMWh": series})
    text = table([wide], ascii_only=False).plain()
    assert max(map(len, text.splitlines())) <= 120, text


def test_programs_get_the_forecast_s_own_figures() -> None:
    (told,) = document([site()])["items"]
    assert told["now"]["carbonIntensity"]["state"] == "Stale"
    assert told["forecast"]["carbonIntensity"]["values"][-1] == 23
    assert told["accelerators"] == {"free": 80, "all": 144}


def test_blocks_are_for_terminals_that_can_show_them() -> None:
    assert shows_blocks("UTF-8", "xterm-256color")
    assert not shows_blocks("latin-1", "xterm")
    assert not shows_blocks(None, "xterm")
    assert not shows_blocks("utf-8", "dumb")


@given(st.lists(st.floats(), max_size=60), st.integers(1, 40), st.booleans())
def test_any_figures_make_a_line_of_at_most_that_width(
    values: list[float], width: int, ascii_only: bool
) -> None:
    line = sparkline(values, width=width, ascii_only=ascii_only)
    assert len(line) <= width
    assert set(line) <= {*(lines.ASCII if ascii_only else lines.BLOCKS), " "}


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=12, unique=True))
def test_the_least_is_the_lowest_and_the_greatest_the_highest(values: list[float]) -> None:
    line = sparkline(values)
    assert line[values.index(min(values))] == lines.BLOCKS[0]
    assert line[values.index(max(values))] == lines.BLOCKS[-1]
