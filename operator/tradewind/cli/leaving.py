"""How a what-if tells which running work would leave its site: for another one, or for a pause."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone
from tradewind.placement.plan import Eviction

Line = Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Leaving:
    """Running work that would leave its site in the next cycle.

    Args:
        workload: namespace and name.
        eviction: from where, to where, and why.
    """

    workload: str
    eviction: Eviction

    def document(self) -> dict[str, Any]:
        """For programs."""
        made = self.eviction
        to = {"to": made.target} if made.target else {}
        return {
            "workload": self.workload,
            "from": made.site,
            **to,
            "reason": made.reason,
            "message": made.message,
        }


def leaving_lines(leaving: Sequence[Leaving]) -> list[Line]:
    """What would leave now; more may follow, as policies bound what moves at once."""
    if not leaving:
        return [[Cell("No running work would move or pause now")]]
    shown = Table([Column("WORKLOAD"), Column("FROM"), Column("TO"), Column("REASON"), Column("")])
    for one in leaving:
        made = one.eviction
        shown.rows.append(
            [one.workload, made.site, made.target or NOTHING, made.reason, made.message]
        )
    title = [Cell("Running work that would leave its site now", Tone.STRONG)]
    return [title, *shown.styled()]
