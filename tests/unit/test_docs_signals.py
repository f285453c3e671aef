"""docs/signals.md tells of every signal, its bounds and every source."""

from pathlib import Path

import pytest

from tradewind.telemetry.candidates import ASKED, KEPLER_HOSTS
from tradewind.telemetry.signals import BOUNDS

PAGE = (Path(__file__).parents[2] / "docs" / "signals.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]


def row_of(signal: str) -> str:
    [row] = [row for row in ROWS if f"`{signal}`" in row.split("|")[1]]
    return row


@pytest.mark.parametrize("signal", BOUNDS)
def test_each_signal_has_a_row_with_its_bounds(signal: str) -> None:
    low, high = (f"{bound:,.6f}".rstrip("0").rstrip(".") for bound in BOUNDS[signal])
    told = row_of(signal).split("|")[3].replace("\N{MINUS SIGN}", "-").replace(",", "")
    assert low.replace(",", "") in told
    assert high.replace(",", "") in told


@pytest.mark.parametrize("signal", ASKED)
def test_each_source_is_named(signal: str) -> None:
    sources = {source for source, _ in ASKED[signal].candidates} - {KEPLER_HOSTS}
    page = row_of(signal) if not signal.startswith("accelerator") else PAGE
    assert [source for source in sorted(sources) if source not in page] == []
