"""What may become of a placement and of a workload: pure steps from one status to the next.

A placement walks one way along these edges; every other step is a fault of ours and raises:

    (new) ──► Assigned ──► Dispatched ──► Running ──► Succeeded | Failed
                 │              │            │
                 └──────────────┴────────────┴──► Evicting ──► (gone)
                 └──────────────┴────────────┴──► Lost ─────► (gone)

Assigned: written on the hub, perhaps not yet at the site. Dispatched: the object is there.
Evicting: to be removed there, by our own wish. Lost: its site did not answer for
`failover.after`; the work may start elsewhere under a higher epoch, and what comes back is removed.

Succeeded and Failed are for ever: nothing that a site says or forgets later starts the work again.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from tradewind.api.fields import ConditionStatus, set_condition
from tradewind.api.workload import (
    AIWorkload,
    Decision,
    Estimate,
    HistoryEntry,
    ObjectReference,
    Placement,
    PlacementPhase,
    WorkloadPhase,
    WorkloadStatus,
)
from tradewind.workloads.adapter import Observed, ObservedState
from tradewind.workloads.registry import ADAPTERS

ASSIGNED = PlacementPhase.ASSIGNED
DISPATCHED = PlacementPhase.DISPATCHED
RUNNING = PlacementPhase.RUNNING
SUCCEEDED = PlacementPhase.SUCCEEDED
FAILED = PlacementPhase.FAILED
EVICTING = PlacementPhase.EVICTING
LOST = PlacementPhase.LOST

#: Phases in which the work may be using the site.
ACTIVE: Final = frozenset({ASSIGNED, DISPATCHED, RUNNING})
#: Phases that never change again.
FINAL: Final = frozenset({SUCCEEDED, FAILED})
#: Phases in which nothing else of the workload may be placed.
HOLDING: Final = ACTIVE | FINAL | {EVICTING}

_EDGES: Final[Mapping[PlacementPhase, frozenset[PlacementPhase]]] = {
    # A site may report any later phase first: watches tell the present, not each step to it.
    ASSIGNED: frozenset({DISPATCHED, RUNNING, SUCCEEDED, FAILED, EVICTING, LOST}),
    # Back to Dispatched: a Deployment whose pods are gone, a Job that is suspended.
    DISPATCHED: frozenset({RUNNING, SUCCEEDED, FAILED, EVICTING, LOST}),
    RUNNING: frozenset({DISPATCHED, SUCCEEDED, FAILED, EVICTING, LOST}),
    # It finished before the removal reached it.
    EVICTING: frozenset({LOST}),
    LOST: frozenset({EVICTING}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
}

#: `status.history` keeps so many entries, the newest.
HISTORY_LIMIT: Final = 10

_OBSERVED_PHASE: Final = {
    ObservedState.PENDING: DISPATCHED,
    ObservedState.SUSPENDED: DISPATCHED,
    ObservedState.RUNNING: RUNNING,
    ObservedState.SUCCEEDED: SUCCEEDED,
    ObservedState.FAILED: FAILED,
}


class IllegalStepError(AssertionError):
    """A placement was to take a step that is not in the table."""


def placement_at(status: WorkloadStatus, site: str) -> Placement | None:
    """The placement at a site, whatever its phase."""
    for placement in status.placements:
        if placement.site == site:
            return placement
    return None


def is_finished(status: WorkloadStatus) -> bool:
    """Whether the work ended; then nothing is ever placed again."""
    parts = [placement for placement in status.placements if placement.phase is not LOST]
    return bool(parts) and (
        any(part.phase is FAILED for part in parts)
        or all(part.phase is SUCCEEDED for part in parts)
    )


def is_unplaced(status: WorkloadStatus) -> bool:
    """Whether nothing of it is, or may still be, at work anywhere that answers."""
    return not any(placement.phase in HOLDING for placement in status.placements)


def assign(
    status: WorkloadStatus,
    parts: Iterable[Placement],
    *,
    decision: Decision,
    estimate: Estimate | None,
    now: datetime,
    reason: str,
) -> WorkloadStatus:
    """Give an unplaced workload its placements, under the next epoch.

    Args:
        status: as it stands; lost placements stay in it until their objects are gone.
        parts: with the epoch `status.epoch + 1`.
        decision: why there.
        estimate: what it will take.
        now: for the history.
        reason: PascalCase: Placed, Failover, Evicted.
    """
    if not is_unplaced(status):
        raise IllegalStepError("a placed workload was placed again")
    epoch = status.epoch + 1
    new = list(parts)
    if any(part.epoch != epoch for part in new):
        raise IllegalStepError(f"a placement does not carry the next epoch, {epoch}")
    taken = {part.site for part in new}
    lost = [part for part in status.placements if part.phase is LOST and part.site not in taken]
    was = status.history[-1].to if status.history else ""
    entry = HistoryEntry(at=now, from_=was, to=",".join(sorted(taken)), reason=reason)
    return status.model_copy(
        update={
            "epoch": epoch,
            "placements": (*lost, *new),
            "decision": decision,
            "estimate": estimate,
            "history": (*status.history, entry)[-HISTORY_LIMIT:],
        }
    )


def step(
    status: WorkloadStatus, site: str, phase: PlacementPhase, **changes: object
) -> WorkloadStatus:
    """Move the placement at a site along an edge of the table, with other changes to it.

    Raises:
        IllegalStepError: there is no such edge, or no placement.
    """
    placement = placement_at(status, site)
    if placement is None:
        raise IllegalStepError(f"no placement at {site}")
    if phase is not placement.phase and phase not in _EDGES[placement.phase]:
        raise IllegalStepError(f"{site}: {placement.phase.value} cannot become {phase.value}")
    return _replace(status, placement.model_copy(update={"phase": phase, **changes}))


def record_object(status: WorkloadStatus, site: str, ref: ObjectReference) -> WorkloadStatus:
    """Note the object that runs the placement; unchanged if it is known already."""
    placement = placement_at(status, site)
    if placement is None or placement.phase not in ACTIVE:
        return status
    phase = DISPATCHED if placement.phase is ASSIGNED else placement.phase
    if placement.object == ref and placement.phase is phase:
        return status
    return step(status, site, phase, object=ref, message="")


def record_observed(
    status: WorkloadStatus, site: str, ref: ObjectReference, observed: Observed
) -> WorkloadStatus:
    """Take over what a site says of the object; unchanged if it says nothing new.

    A placement that is final stays as it is, and one that is being evicted is not brought back.
    """
    placement = placement_at(status, site)
    if placement is None or placement.phase not in ACTIVE:
        return status
    changed = placement.model_copy(
        update={
            "phase": _OBSERVED_PHASE[observed.state],
            "object": ref,
            "ready_replicas": observed.ready,
            "started_at": observed.started_at or placement.started_at,
            "finished_at": observed.finished_at,
            "message": observed.message,
        }
    )
    return status if changed == placement else _replace(status, changed)


def drop(status: WorkloadStatus, site: str, *, final: bool = False) -> WorkloadStatus:
    """Forget a placement whose object is gone: one that was evicted or lost.

    Args:
        status: as it stands.
        site: where the object was.
        final: the workload itself is being deleted, so that any phase may end.
    """
    placement = placement_at(status, site)
    if placement is None:
        return status
    if not final and placement.phase not in (EVICTING, LOST):
        raise IllegalStepError(f"{site}: dropped while {placement.phase.value}")
    rest = tuple(other for other in status.placements if other.site != site)
    return status.model_copy(update={"placements": rest})


def _replace(status: WorkloadStatus, placement: Placement) -> WorkloadStatus:
    placements = tuple(
        placement if other.site == placement.site else other for other in status.placements
    )
    return status.model_copy(update={"placements": placements})


def summarise(workload: AIWorkload, status: WorkloadStatus, now: datetime) -> WorkloadStatus:
    """Derive phase, counts and conditions from the placements and the decision.

    The same status comes back, as the same object, when nothing differs: callers compare by
    identity to save a write.
    """
    status = _follow_template(workload, status)
    phase, ready = _phase(workload, status), _ready(workload, status)
    generation = workload.metadata.generation
    told = _conditions(phase, status, ready=ready)
    # Those that are no longer told are left out: Reconciling, Stalled, Succeeded and Failed are
    # there only while they hold, which is what kstatus expects of conditions that are not normal.
    conditions = [known for known in status.conditions if known.type in told]
    for kind, (value, reason, message) in told.items():
        conditions = set_condition(
            conditions,
            type=kind,
            status=value,
            reason=reason,
            message=message,
            observed_generation=generation,
            now=now,
        )
    live = [part for part in status.placements if part.phase is not LOST]
    changes = {
        "phase": phase,
        "observed_generation": generation,
        "conditions": tuple(conditions),
        "sites": ",".join(part.site for part in live),
        "ready_replicas": sum(part.ready_replicas or 0 for part in live),
        "replicas": sum(part.replicas for part in live),
    }
    if all(getattr(status, name) == value for name, value in changes.items()):
        return status
    return status.model_copy(update=changes)


def _follow_template(workload: AIWorkload, status: WorkloadStatus) -> WorkloadStatus:
    """Count the replicas that a scaled template asks for, while one site has them all.

    Kinds that finish are never applied again, and so keep the number they were placed with.
    """
    template = workload.spec.template
    adapter = ADAPTERS.get(f"{template.get('apiVersion')}/{template.get('kind')}")
    placed = [part for part in status.placements if part.phase in ACTIVE]
    if adapter is None or adapter.finishes or len(placed) != 1:
        return status
    replicas = sum(pods.count for pods in adapter.pod_sets(template))
    if replicas == placed[0].replicas:
        return status
    return _replace(status, placed[0].model_copy(update={"replicas": replicas}))


def _phase(workload: AIWorkload, status: WorkloadStatus) -> WorkloadPhase:
    phases = {part.phase for part in status.placements if part.phase is not LOST}
    if workload.metadata.deletion_timestamp is not None:
        return WorkloadPhase.DELETING
    if FAILED in phases:
        return WorkloadPhase.FAILED
    if phases and phases <= {SUCCEEDED}:
        return WorkloadPhase.SUCCEEDED
    if phases & {RUNNING, SUCCEEDED}:
        return WorkloadPhase.RUNNING
    if phases & ACTIVE:
        return WorkloadPhase.PLACED
    return WorkloadPhase.SUSPENDED if workload.spec.suspend else WorkloadPhase.PENDING


def _ready(workload: AIWorkload, status: WorkloadStatus) -> bool:
    parts = [part for part in status.placements if part.phase is not LOST]
    if not parts or workload.metadata.deletion_timestamp is not None:
        return False
    return all(
        part.phase is SUCCEEDED
        or (part.phase is RUNNING and (part.ready_replicas or 0) >= part.replicas)
        for part in parts
    )


_Verdict = tuple[ConditionStatus, str, str]


def _conditions(
    phase: WorkloadPhase, status: WorkloadStatus, *, ready: bool
) -> dict[str, _Verdict]:
    """Each condition's status, reason and message; kstatus and Argo CD read these."""
    live = [part for part in status.placements if part.phase is not LOST]
    trouble = next((part.message for part in live if part.message), "")
    reason, message = _why_not_placed(phase, status)
    placed = bool(live)
    dispatched = placed and all(part.object is not None for part in live)
    told: dict[str, _Verdict] = {
        "Placed": ("True", "Placed", "") if placed else ("False", reason, message),
        "Ready": ("True", phase.value, "") if ready else ("False", phase.value, trouble),
    }
    if placed:
        told["Dispatched"] = ("True", "Applied", "") if dispatched else _why_not_applied(trouble)
    if phase in (WorkloadPhase.SUCCEEDED, WorkloadPhase.FAILED):
        told[phase.value] = ("True", "Finished", trouble)
    elif not placed and reason in _STALLED:
        told["Stalled"] = ("True", reason, "")
    elif not ready and phase is not WorkloadPhase.SUSPENDED:
        told["Reconciling"] = ("True", phase.value, trouble)
    return told


def _why_not_applied(trouble: str) -> _Verdict:
    """A refusal begins with its reason; what the site's API server calls it may be anything."""
    reason, separator, message = trouble.partition(": ")
    if separator and _REASON.fullmatch(reason):
        return "False", reason, message
    return "False", "NotApplied", trouble


_REASON: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")

#: Reasons that only a changed spec or another site will mend.
_STALLED: Final = frozenset({"Unplaceable", "TemplateRefused"})


def _why_not_placed(phase: WorkloadPhase, status: WorkloadStatus) -> tuple[str, str]:
    if any(part.phase is EVICTING for part in status.placements):
        return "Evicting", "waits until its object is gone from the site"
    if phase is WorkloadPhase.SUSPENDED:
        return "Suspended", "spec.suspend is true"
    if status.decision is not None and status.decision.reason:
        return status.decision.reason, status.decision.message or ""
    return "NotPlanned", "waits for its first planning cycle"
