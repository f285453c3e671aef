"""How things look: tables, ages, money and the certainty of a signal.

Pure: facts in, text out. On a terminal a table has colours; piped it is plain columns as kubectl
prints them, so that `awk` and people read the same. Nothing here knows a kind of the API.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_GAP = "   "
_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 31_536_000
#: Below so many seconds: a unit, and a second unit if the first alone is too coarse.
_AGE_STEPS: Final = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
)
_GRAMS_BELOW_KG, _TONNE_KG = 0.1, 10_000.0
_CENT = 0.01

#: Stands where nothing is known or nothing applies.
NOTHING: Final = "-"


class Tone(StrEnum):
    """What a cell means; the value is its style on a terminal."""

    PLAIN = ""
    GOOD = "green"
    WAITING = "yellow"
    BAD = "red"
    FAINT = "dim"
    STRONG = "bold"


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with its meaning."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column.

    Args:
        title: in capitals, as kubectl has it.
        wide: shown with `-o wide` only.
        right: numbers stand under each other by their last digit.
    """

    title: str
    wide: bool = False
    right: bool = False


@dataclass(slots=True)
class Table:
    """Rows under columns, and what to say when there is none."""

    columns: Sequence[Column]
    rows: list[Sequence[Cell | str]] = field(default_factory=list)
    empty: str = "nothing found"

    def lines(self, *, wide: bool = False) -> list[list[Cell]]:
        """The shown cells, padded to equal widths; the first line is the header.

        Trailing blanks are left out, and nothing is cut: a program reads this too.
        """
        shown = [index for index, column in enumerate(self.columns) if wide or not column.wide]
        header: list[Cell | str] = [Cell(column.title, Tone.STRONG) for column in self.columns]
        grid = [[as_cell(row[index]) for index in shown] for row in [header, *self.rows]]
        widths = [max(len(row[at].text) for row in grid) for at in range(len(shown))]
        last = len(shown) - 1
        for row in grid:
            for at, index in enumerate(shown):
                text = row[at].text
                if self.columns[index].right:
                    text = text.rjust(widths[at])
                elif at != last:
                    text = text.ljust(widths[at])
                row[at] = Cell(text, row[at].tone)
        return grid

    def plain(self, *, wide: bool = False) -> str:
        """The table as text without colour, or its `empty` line."""
        if not self.rows:
            return self.empty
        lines = self.lines(wide=wide)
        return "\n".join(_GAP.join(cell.text for cell in line).rstrip() for line in lines)

    def styled(self, *, wide: bool = False) -> list[list[Cell]]:
        """The table with its gaps as cells, for a painter that knows colours."""
        if not self.rows:
            return [[Cell(self.empty)]]
        spaced: list[list[Cell]] = []
        for line in self.lines(wide=wide):
            out: list[Cell] = []
            for cell in line:
                out += [cell, Cell(_GAP)]
            spaced.append(out[:-1])
        return spaced


def as_cell(value: Cell | str) -> Cell:
    """A bare string is a plain cell."""
    return value if isinstance(value, Cell) else Cell(value)


#: How a signal that is not current is marked in a table, and the note that explains the mark.
MARKS: Final = {
    "Fallback": ("*", "* not measured: the fallback of the site's spec"),
    "Stale": ("~", "~ stale: the last value, older than it should be"),
}


def signal(value: float | None, state: str, *, digits: int = 0, scale: float = 1.0) -> Cell:
    """A signal's value with a mark for how sure it is.

    Unknown is never shown as a number, least of all as zero.

    >>> signal(640.0, "Fallback").text, signal(None, "Unknown").text
    ('640*', '?')
    """
    if value is None or state in ("Unknown", "Implausible"):
        return Cell("?", Tone.WAITING)
    mark, tone = MARKS[state][0] if state in MARKS else "", Tone.PLAIN
    if mark:
        tone = Tone.FAINT
    return Cell(f"{value * scale:.{digits}f}{mark}", tone)


def notes(states: Iterable[str]) -> list[str]:
    """The explanations of the marks that these signal states put into a table."""
    seen = set(states)
    found = [text for state, (_, text) in MARKS.items() if state in seen]
    return [*found, "? unknown"] if seen & {"Unknown", "Implausible"} else found


def age(seconds: float) -> str:
    """A span in at most two units, coarser with length.

    >>> [age(s) for s in (-3, 45, 200, 1234, 20_000, 100_000, 5e8)]
    ['0s', '45s', '3m20s', '20m', '5h33m', '27h', '15y']
    """
    whole = max(0, int(seconds))
    for below, large, unit, small, small_unit in _AGE_STEPS:
        if whole < below:
            rest = whole % large // small if small else 0
            return f"{whole // large}{unit}" + (f"{rest}{small_unit}" if rest else "")
    return f"{whole // _YEAR}y"


def usd(amount: float | None) -> str:
    """Money with cents; less than a cent keeps two digits that count.

    >>> usd(1234.5), usd(0.00042), usd(0), usd(-0.5), usd(None)
    ('1,234.50', '0.00042', '0.00', '-0.50', '-')
    """
    if amount is None:
        return NOTHING
    if 0 < abs(amount) < _CENT:
        return f"{amount:.2g}" if abs(amount) >= _CENT / 100 else f"{amount:.0e}"
    return f"{amount:,.2f}"


def carbon(kilograms: float | None) -> str:
    """Emissions, CO2e, in the unit that keeps the number short.

    >>> carbon(0.0123), carbon(3.456), carbon(25_000.0), carbon(None)
    ('12g', '3.5kg', '25.0t', '-')
    """
    if kilograms is None:
        return NOTHING
    if kilograms < _GRAMS_BELOW_KG:
        return f"{kilograms * 1000:.0f}g"
    if kilograms < _TONNE_KG:
        return f"{kilograms:.1f}kg"
    return f"{kilograms / 1000:.1f}t"


def sentence(words: Sequence[str], *, limit: int = 6) -> str:
    """Names in a row, cut with a count.

    >>> sentence(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    if len(words) <= limit:
        return ", ".join(words)
    return f"{', '.join(words[:limit])} and {len(words) - limit} more"
