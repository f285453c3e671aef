"""`tradewind workloads`: how far each workload is, where it is, and what it costs.

The rows are pure functions of the hub's objects; the demo shows the same table while it waits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from tradewind.api.fields import condition_of
from tradewind.api.workload import AIWorkload, PlacementPhase, WorkloadPhase, WorkloadStatus
from tradewind.cli import answer, hub
from tradewind.cli.ask import Ask
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone, age, carbon, usd
from tradewind.cli.watching import Page, show_page

_TONES: Final = {
    WorkloadPhase.RUNNING: Tone.GOOD,
    WorkloadPhase.SUCCEEDED: Tone.GOOD,
    WorkloadPhase.FAILED: Tone.BAD,
    WorkloadPhase.PENDING: Tone.WAITING,
    WorkloadPhase.DEFERRED: Tone.WAITING,
    WorkloadPhase.SUSPENDED: Tone.FAINT,
    WorkloadPhase.DELETING: Tone.FAINT,
}

#: The reason of a split of which a part has no site.
PARTLY: Final = "PartlyPlaced"

#: Phases of which the reader asks why.
_ASKS_WHY: Final = frozenset(
    {WorkloadPhase.PENDING, WorkloadPhase.DEFERRED, WorkloadPhase.PLACED, WorkloadPhase.FAILED}
)

_COLUMNS: Final = (
    Column("NAME"),
    Column("CLASS"),
    Column("PHASE"),
    Column("SITE"),
    Column("ACCELERATOR"),
    Column("READY"),
    Column("COST", right=True),
    Column("CARBON", right=True),
    Column("AGE"),
    Column("REASON"),
    Column("POLICY", wide=True),
    Column("PRIORITY", wide=True, right=True),
    Column("MESSAGE", wide=True),
)


def show(ask: Ask, *, watch: bool) -> None:
    """Run the command."""
    namespace = None if ask.all_namespaces else hub.namespace_of(ask)

    async def page(there: hub.Hub, now: datetime) -> Page:
        items = await there.list(hub.WORKLOADS, namespace)
        where = "in any namespace" if namespace is None else f"in namespace {namespace}"
        shown = table(items, now, namespaces=namespace is None, empty=f"no workloads {where}")
        return Page(shown, answer.object_list(items))

    show_page(ask, page, watch=watch)


def table(
    items: Sequence[dict[str, Any]], now: datetime, *, namespaces: bool, empty: str = "no workloads"
) -> Table:
    """The table of AIWorkload objects.

    Args:
        items: as the API server gives them.
        now: ages are counted to here.
        namespaces: with a column for the namespace.
        empty: what to say when there is none.
    """
    columns = (Column("NAMESPACE"), *_COLUMNS) if namespaces else _COLUMNS
    shown = Table(columns, empty=empty)
    for item in items:
        workload = AIWorkload.model_validate(item)
        row = _row(workload, now)
        shown.rows.append([workload.metadata.namespace, *row] if namespaces else row)
    return shown


def _row(workload: AIWorkload, now: datetime) -> list[Cell | str]:
    spec, status = workload.spec, workload.status or WorkloadStatus()
    reason, message = why(status)
    return [
        workload.metadata.name,
        spec.class_name.value,
        Cell(status.phase.value, _TONES.get(status.phase, Tone.PLAIN)),
        status.sites or NOTHING,
        accelerators(status) or NOTHING,
        _ready(status),
        usd(_cost_usd(status)),
        carbon(status.estimate.carbon_kg if status.estimate else None),
        age_of(workload.created, now),
        Cell(reason or NOTHING, Tone.WAITING if reason else Tone.PLAIN),
        spec.policy or (status.decision.policy if status.decision else "") or NOTHING,
        str(spec.priority),
        message or NOTHING,
    ]


def why(status: WorkloadStatus) -> tuple[str, str]:
    """Reason and message of what keeps a workload from running; empty when nothing does."""
    placed = condition_of(status.conditions, "Placed")
    if placed is not None and placed.reason == PARTLY:
        return placed.reason, placed.message
    if status.phase not in _ASKS_WHY:
        return "", ""
    kind = {WorkloadPhase.FAILED: "Failed", WorkloadPhase.PLACED: "Ready"}.get(
        status.phase, "Placed"
    )
    condition = condition_of(status.conditions, kind)
    if condition is not None:
        return condition.reason, condition.message
    if status.decision is not None:
        return status.decision.reason, status.decision.message
    return "", ""


def accelerators(status: WorkloadStatus) -> str:
    """The accelerator classes that the live placements run on."""
    live = (part for part in status.placements if part.phase is not PlacementPhase.LOST)
    return ",".join(dict.fromkeys(p.accelerator_class for p in live if p.accelerator_class))


def age_of(created: datetime | None, now: datetime) -> str:
    """Age of an object, or a dash."""
    return NOTHING if created is None else age((now - created).total_seconds())


def _ready(status: WorkloadStatus) -> str:
    """Ready pods of all; finished work has none, and none is missing."""
    if not status.replicas or status.phase is WorkloadPhase.SUCCEEDED:
        return NOTHING
    return f"{status.ready_replicas}/{max(status.replicas, status.desired_replicas)}"


def _cost_usd(status: WorkloadStatus) -> float | None:
    if status.decision is not None and status.decision.cost_usd is not None:
        return status.decision.cost_usd
    return status.estimate.cost_usd if status.estimate else None
