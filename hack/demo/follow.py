"""Watch the workloads until every promise came true, and show how they fare meanwhile.

On a terminal the table of `tradewind workloads` is drawn anew in place; piped, each change of a
workload is a line. Both end the same way: all promises kept, one broken, or the time is up.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.live import Live
from rich.text import Text

from demo.programs import CommandFailedError
from demo.promises import Outcome
from demo.say import Narrator
from tradewind.api.workload import AIWorkload, WorkloadStatus
from tradewind.base.aio import Clock
from tradewind.cli import workloads as view
from tradewind.cli.view import Cell

Objects = Sequence[Mapping[str, Any]]
Show = Callable[[Objects], None]

_EVERY_S: Final = 0.5


def follow(
    narrator: Narrator,
    clock: Clock,
    look: Callable[[], tuple[Objects, Outcome]],
    *,
    limit_s: float,
    fault: Callable[[], str],
) -> None:
    """Show the workloads until the outcome is kept.

    Args:
        narrator: where to.
        clock: ages are counted by it.
        look: the AIWorkload objects now, and what of the promises is missing.
        limit_s: how long it may take.
        fault: why going on makes no sense, such as an operator that died; empty while it does.

    Raises:
        CommandFailedError: a promise was broken, or not kept in time, or there is a fault.
    """
    deadline = time.monotonic() + limit_s
    with _display(narrator, clock) as show:
        while True:
            found, outcome = look()
            show(found)
            if outcome.kept:
                return
            if outcome.broken:
                raise CommandFailedError("not as promised:\n  " + "\n  ".join(outcome.broken))
            problem = fault()
            if problem:
                raise CommandFailedError(problem)
            if time.monotonic() > deadline:
                missing = "\n  ".join(outcome.missing)
                raise CommandFailedError(f"not within {limit_s:.0f} s:\n  {missing}")
            time.sleep(_EVERY_S)


@contextmanager
def _display(narrator: Narrator, clock: Clock) -> Iterator[Show]:
    if not narrator.console.is_terminal:
        yield _Changes(narrator).show
        return
    with Live(console=narrator.console, auto_refresh=False, vertical_overflow="visible") as live:

        def show(found: Objects) -> None:
            items = [dict(item) for item in found]
            table = view.table(items, clock.now(), namespaces=True)
            lines = [[Cell("      "), *line] for line in table.styled()]
            text = Text("\n").join(
                Text.assemble(*((cell.text, str(cell.tone)) for cell in line)) for line in lines
            )
            text.no_wrap = True
            live.update(text, refresh=True)

        yield show


class _Changes:
    """A line for each change of what a reader would call the state of a workload."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self._before: dict[str, str] = {}

    def show(self, found: Objects) -> None:
        for item in found:
            workload = AIWorkload.model_validate(item)
            status = workload.status or WorkloadStatus()
            now = status.phase.value
            if status.sites:
                now += f" at {status.sites}, {status.ready_replicas}/{status.replicas} ready"
            reason, _ = view.why(status)
            now += f" ({reason})" if reason and not status.sites else ""
            name = workload.metadata.name
            if self._before.get(name) != now:
                self._before[name] = now
                seconds = f"{self._narrator.elapsed_s:6.1f} s"
                self._narrator.fact(f"{seconds}  {name:<18} {now}")
