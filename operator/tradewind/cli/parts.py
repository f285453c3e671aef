"""How the parts of a split read: one line each."""

from collections.abc import Sequence

from tradewind.api.workload import PlacementPhase, WorkloadStatus
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone, usd
from tradewind.placement.plan import Assignment

Line = Sequence[Cell]

_INDENT = Cell("  ")


def standing(status: WorkloadStatus) -> list[Line]:
    """Where the parts of a workload are, and how they fare; nothing for work that is whole."""
    parts = status.placements
    if not status.desired_replicas or not parts:
        return []
    shown = Table([Column("SITE"), Column("ACCELERATOR"), Column("PHASE"), Column("READY")])
    for part in parts:
        lost = part.phase is PlacementPhase.LOST
        shown.rows.append(
            [
                part.site,
                part.accelerator_class or NOTHING,
                Cell(part.phase.value, Tone.BAD if lost else Tone.PLAIN),
                NOTHING if lost else f"{part.ready_replicas or 0}/{part.replicas}",
            ]
        )
    lacks = status.desired_replicas - status.replicas
    if lacks > 0:
        shown.rows.append([NOTHING, NOTHING, Cell("no site", Tone.WAITING), f"0/{lacks}"])
    return _titled("Its parts", shown)


def planned(parts: Sequence[Assignment]) -> list[Line]:
    """What the parts of a plan would cost; nothing for work that would be whole."""
    if len(parts) < 2:  # noqa: PLR2004 - one part is the whole
        return []
    terms = list(dict.fromkeys(name for part in parts for name in part.cost.as_dict()))
    shown = Table(
        [
            Column("SITE"),
            Column("ACCELERATOR"),
            Column("PODS", right=True),
            *(Column(term.upper(), right=True) for term in terms),
            Column("TOTAL", right=True),
        ]
    )
    for part in parts:
        costs = part.cost.as_dict()
        shown.rows.append(
            [
                part.site,
                part.class_name or NOTHING,
                str(part.replicas),
                *(usd(costs.get(term, 0.0)) for term in terms),
                Cell(usd(part.cost.total), Tone.STRONG),
            ]
        )
    return _titled("Its parts, USD", shown)


def _titled(title: str, shown: Table) -> list[Line]:
    rows = ([_INDENT, *line] for line in shown.styled())
    return [(Cell(""),), [Cell(title, Tone.STRONG)], *rows]
