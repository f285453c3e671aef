"""How are the simulator's CSV files read? Row by row, with errors that name file, line and column.

A file that cannot be read whole is refused whole: half a trace would give figures of another one.
"""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tradewind.base.errors import InputFileError


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a CSV file; cells are read by the methods, which name their place in errors."""

    file: Path
    line: int
    cells: Mapping[str, str]

    def text(self, column: str, default: str = "") -> str:
        """The cell without blanks around it; the default where it is empty or not there."""
        return (self.cells.get(column) or "").strip() or default

    def number(self, column: str, default: float | None = None, *, least: float = 0.0) -> float:
        """A finite number that is not below the least.

        Raises:
            InputFileError: it is none, or it is missing and there is no default.
        """
        text = self.text(column)
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(
                column, f"{text[:40]!r} is not a number", "write a number such as 12.5"
            )
        if value < least:
            raise self.error(column, f"{value:g} is below {least:g}", "mend or leave out the line")
        return value

    def error(self, column: str, what: str, hint: str) -> InputFileError:
        """An error that tells where in the file it is."""
        return InputFileError(
            f"{self.file}, line {self.line}, column {column!r}: {what}", hint=hint
        )


def header_of(file: Path) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        InputFileError: the file is missing, unreadable or empty, or names a column twice.
    """
    for row in _lines(file):
        header = tuple(cell.strip() for cell in row)
        if twice := sorted({name for name in header if header.count(name) > 1}):
            raise InputFileError(
                f"{file}, line 1: two columns are called {twice[0]!r}", hint="rename one of them"
            )
        return header
    raise InputFileError(f"{file} is empty", hint="its first line names the columns")


def rows_of(file: Path, needed: Sequence[str] = ()) -> Iterator[Row]:
    """The lines below the header; blank ones are passed over.

    Args:
        file: CSV in UTF-8 with a header.
        needed: columns that must be there.

    Raises:
        InputFileError: the file cannot be read, a column is missing, or a line has more or fewer
            cells than the header.
    """
    header = header_of(file)
    missing = [name for name in needed if name not in header]
    if missing:
        raise InputFileError(
            f"{file}, line 1: no column {', '.join(map(repr, missing))}",
            hint=f"it has {', '.join(header[:12])}",
        )
    for line, cells in enumerate(_lines(file), start=1):
        if line == 1 or not any(cells):
            continue
        if len(cells) != len(header):
            raise InputFileError(
                f"{file}, line {line}: {len(cells)} cells under {len(header)} columns",
                hint="quote cells that hold a comma",
            )
        yield Row(file, line, dict(zip(header, cells, strict=True)))


def _lines(file: Path) -> Iterator[list[str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            yield from csv.reader(stream)
    except OSError as error:
        raise InputFileError(
            f"{file} cannot be read: {error.strerror}", hint="is the path right?"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(
            f"{file} is not CSV in UTF-8: {error}", hint="save it as CSV, UTF-8"
        ) from error
