"""Show a page once, or anew until Ctrl-C.

`--watch` asks the hub again at a steady pace instead of holding a watch: a page joins several
kinds, ages move anyway, and a person reads no faster. On a terminal the page is replaced; piped,
it is written again only when it says something new.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tradewind.base.aio import Clock, SystemClock
from tradewind.base.errors import ConfigurationError
from tradewind.cli import answer
from tradewind.cli.ask import Ask, Output
from tradewind.cli.hub import Hub, on_hub
from tradewind.cli.view import Cell, Table

#: Between two looks at the hub, seconds.
PERIOD_S: Final = 2.0

_HOME_AND_CLEAR: Final = "\x1b[H\x1b[2J"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer in both forms.

    Args:
        body: a table, or lines of cells, for people.
        document: the same for programs.
        notes: what explains the marks of the body; for standard error.
    """

    body: Table | Sequence[Sequence[Cell]]
    document: dict[str, Any]
    notes: Sequence[str] = ()

    def lines(self, *, wide: bool) -> Sequence[Sequence[Cell]]:
        """The body as lines of cells."""
        return self.body.styled(wide=wide) if isinstance(self.body, Table) else self.body


Draw = Callable[[Hub, datetime], Awaitable[Page]]


def show_page(ask: Ask, draw: Draw, *, watch: bool = False, clock: Clock | None = None) -> None:
    """Draw a page and write it in the form that was asked for.

    Raises:
        ConfigurationError: a document was to be watched.
    """
    if watch and ask.form.structured:
        raise ConfigurationError(
            "--watch shows tables only", hint="for a stream of objects: kubectl get -w -o json"
        )
    ticking = clock or SystemClock()

    async def run(hub: Hub) -> None:
        page = await draw(hub, ticking.now())
        _write(page, ask.form)
        before = page
        while watch:
            await ticking.sleep(PERIOD_S)
            page = await draw(hub, ticking.now())
            if sys.stdout.isatty():
                sys.stdout.write(_HOME_AND_CLEAR)
                _write(page, ask.form)
            elif page.document != before.document:
                sys.stdout.write("\n")
                _write(page, ask.form)
            sys.stdout.flush()
            before = page

    on_hub(ask, run)


def _write(page: Page, form: Output) -> None:
    if form.structured:
        answer.document(page.document, form)
        return
    answer.lines(page.lines(wide=form is Output.WIDE))
    sys.stdout.flush()
    for text in page.notes:
        answer.note(text)
