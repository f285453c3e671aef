"""How far is a study, and how long will it take? One line on standard error, only for people."""

import time
from typing import TextIO

_BAR = 24
_MINUTE = 60
#: Below this share of the work what is left is a guess, most often many times too long.
_TOLD_FROM = 0.02


class Progress:
    """A bar over the jobs of all replays, with the time that is left.

    Args:
        replays: names.
        jobs: of each.
        stream: where it is drawn; nothing is drawn where no person watches.
    """

    def __init__(self, replays: tuple[str, ...], jobs: int, stream: TextIO) -> None:
        self._done = dict.fromkeys(replays, 0)
        self._jobs = jobs
        self._stream = stream
        self._watched = stream.isatty()
        self._began = time.monotonic()

    def tell(self, name: str, done: int) -> None:
        """Take in how many jobs of a replay are done, and draw."""
        self._done[name] = max(done, self._done.get(name, 0))
        if self._watched:
            elapsed_s = time.monotonic() - self._began
            self._stream.write(f"\r{self.line(name, elapsed_s)}\x1b[K")
            self._stream.flush()

    def line(self, name: str, elapsed_s: float) -> str:
        """The bar as text.

        >>> import io
        >>> bar = Progress(("balanced", "home"), 100, io.StringIO())
        >>> bar.tell("balanced", 50)
        >>> bar.line("balanced", 30.0)
        '[######..................]  25%  balanced 50/100  1m30s left'
        """
        whole = max(1, self._jobs * len(self._done))
        share = min(1.0, sum(self._done.values()) / whole)
        bar = "#" * round(share * _BAR)
        told = share >= _TOLD_FROM
        left = _duration(elapsed_s / share - elapsed_s) + " left" if told else ""
        count = f"{name} {self._done[name]}/{self._jobs}"
        return f"[{bar:.<{_BAR}}] {share:4.0%}  {count}  {left}".rstrip()

    def close(self) -> None:
        """Leave an empty line."""
        if self._watched:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
