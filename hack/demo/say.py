"""What the demo tells its reader: numbered steps with the time they took, in plain words.

On a terminal with colour and a spinner; piped, one line for each thing that happened.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.text import Text


class Narrator:
    """Tells steps and keeps their time.

    Args:
        steps: how many there will be.
        stream: where to; standard output by default.
    """

    def __init__(self, steps: int, stream: TextIO | None = None) -> None:
        self.console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=True)
        self._steps = steps
        self._step = 0
        self._began = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self._began

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A numbered step; says how long it took when it went well."""
        self._step += 1
        began = time.monotonic()
        self.console.print()
        self.console.print(Text(f"[{self._step}/{self._steps}] {title}", style="bold"))
        yield
        self.fact(f"done in {time.monotonic() - began:.1f} s", style="green")

    def fact(self, text: str, *, style: str = "") -> None:
        """One thing that happened or that the reader should know."""
        self.console.print(Text(f"      {text}", style=style))

    def command(self, text: str) -> None:
        """A command, as the reader could type it."""
        self.console.print(Text(f"      $ {text}", style="cyan"))

    def block(self, text: str) -> None:
        """The answer of a program, as it is."""
        for line in text.rstrip("\n").splitlines():
            self.console.print(Text(f"      {line}".rstrip()))

    def plain(self, text: str = "", *, style: str = "") -> None:
        """A line at the margin."""
        self.console.print(Text(text, style=style))
