"""Tables, ages, money: facts in, text out."""

import io

import pytest

from tradewind.cli import answer
from tradewind.cli.ask import Output
from tradewind.cli.view import Cell, Column, Table, Tone, age, carbon, notes, sentence, signal, usd


@pytest.fixture
def two_sites() -> Table:
    table = Table([Column("NAME"), Column("LOAD", right=True), Column("ZONE", wide=True)])
    table.rows += [
        ["paris", Cell("7", Tone.GOOD), "FR"],
        ["ulanqab", Cell("100", Tone.BAD), "CN-NM"],
    ]
    return table


def test_a_table_is_columns_as_kubectl_prints_them(two_sites: Table) -> None:
    assert two_sites.plain() == ("NAME      LOAD\nparis        7\nulanqab    100")


def test_wide_adds_columns_and_changes_no_other(two_sites: Table) -> None:
    assert two_sites.plain(wide=True).splitlines() == [
        "NAME      LOAD   ZONE",
        "paris        7   FR",
        "ulanqab    100   CN-NM",
    ]


def test_no_line_ends_in_blanks_and_nothing_is_cut(two_sites: Table) -> None:
    two_sites.rows.append(["n" * 200, "1", ""])
    lines = two_sites.plain(wide=True).splitlines()
    assert all(line == line.rstrip() for line in lines)
    assert "n" * 200 in lines[-1]


def test_an_empty_table_says_so_in_words() -> None:
    assert Table([Column("NAME")], empty="no sites yet").plain() == "no sites yet"


def test_a_pipe_gets_no_colour(two_sites: Table) -> None:
    stream = io.StringIO()
    answer.table(two_sites, Output.TABLE, stream)
    assert stream.getvalue() == two_sites.plain() + "\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colour_in_the_same_columns(
    two_sites: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    answer.table(two_sites, Output.TABLE, stream)
    assert "\x1b[32m" in stream.getvalue()


def test_no_color_is_honoured(two_sites: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    answer.table(two_sites, Output.TABLE, stream)
    assert "\x1b[32m" not in stream.getvalue()


AGES = {
    "a clock that runs ahead is no negative age": (-5, "0s"),
    "seconds up to two minutes": (119, "119s"),
    "minutes with seconds below ten": (200, "3m20s"),
    "no empty second unit": (180, "3m"),
    "minutes alone": (1234, "20m"),
    "hours with minutes": (20_000, "5h33m"),
    "days": (20 * 86_400, "20d"),
    "years": (3 * 31_536_000, "3y"),
}


@pytest.mark.parametrize(("seconds", "want"), AGES.values(), ids=AGES)
def test_ages_get_coarser(seconds: float, want: str) -> None:
    assert age(seconds) == want


SIGNALS = {
    "current is bare": (412.4, "Current", "412"),
    "fallback is marked": (640.0, "Fallback", "640*"),
    "stale is marked": (31.0, "Stale", "31~"),
    "unknown is no number": (None, "Unknown", "?"),
    "unknown is no number, whatever value came along": (0.0, "Unknown", "?"),
    "implausible is no number": (1e9, "Implausible", "?"),
}


@pytest.mark.parametrize(("value", "state", "want"), SIGNALS.values(), ids=SIGNALS)
def test_a_signal_says_how_sure_it_is(value: float | None, state: str, want: str) -> None:
    assert signal(value, state).text == want


def test_only_the_marks_that_were_used_are_explained() -> None:
    assert notes(["Current", "Current"]) == []
    assert notes(["Fallback", "Unknown"]) == [
        "* not measured: the fallback of the site's spec",
        "? unknown",
    ]


def test_money_never_rounds_a_cost_to_nothing() -> None:
    assert usd(0.000004) == "4e-06"
    assert usd(0) == "0.00"
    assert usd(1_234_567.891) == "1,234,567.89"


def test_carbon_takes_the_unit_that_reads_well() -> None:
    assert [carbon(kg) for kg in (0.0, 0.05, 12.0, 20_000.0)] == ["0g", "50g", "12.0kg", "20.0t"]


def test_long_lists_are_cut_with_a_count() -> None:
    assert sentence(list("abcdefgh"), limit=3) == "a, b, c and 5 more"
