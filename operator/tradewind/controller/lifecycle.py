"""What may become of a placement and of a workload: pure steps from one status to the next.

A placement walks one way along these edges; every other step is a fault of ours and raises:

    (new) ──► Assigned ──► Dispatched ──► Running ──► Succeeded | Failed
                 │              │            │            ▲
                 └──────────────┴────────────┴──► Evicting ──► (gone)
                 └──────────────┴────────────┴──► Lost ─────► (gone)

Assigned: written on the hub, perhaps not yet at the site. Dispatched: the object is there.
Evicting: to be removed there, by our own wish; it may finish before the removal reaches it. Lost:
its site did not answer for `failover.after`; the work may start elsewhere under a higher epoch, and
what comes back is removed.

Succeeded and Failed are for ever: nothing that a site says or forgets later starts the work again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from tradewind.api.workload import (
    Decision,
    Estimate,
    HistoryEntry,
    ObjectReference,
    Placement,
    PlacementPhase,
    WorkloadStatus,
)
from tradewind.workloads.adapter import Observed, ObservedState

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
    EVICTING: frozenset({LOST, SUCCEEDED, FAILED}),
    LOST: frozenset({EVICTING}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
}

#: Evictions that send work to another site, and entries of the history that do not end that.
SENT: Final = frozenset({"Moved", "Drained"})
_ON_ITS_WAY: Final = frozenset({"Placed", "Failover"})

#: The reason of a decision to start later.
DEFERRED: Final = "Deferred"

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
        or (all(part.phase is SUCCEEDED for part in parts) and not missing(status))
    )


def missing(status: WorkloadStatus) -> int:
    """Pods of a split that have no place: those of a part that was evicted or lost."""
    parts = [part for part in status.placements if part.phase in HOLDING]
    if not status.desired_replicas or not parts or any(part.phase is FAILED for part in parts):
        return 0
    return max(0, status.desired_replicas - sum(part.replicas for part in parts))


def is_unplaced(status: WorkloadStatus) -> bool:
    """Whether nothing of it is, or may still be, at work anywhere that answers."""
    return not any(placement.phase in HOLDING for placement in status.placements)


def needs_place(status: WorkloadStatus) -> bool:
    """Whether a cycle should look for a place for it, or for what is missing of it."""
    return is_unplaced(status) or missing(status) > 0


def is_deferred(status: WorkloadStatus) -> bool:
    """Whether it waits by choice for a better hour."""
    return (
        status.decision is not None and status.decision.reason == DEFERRED and is_unplaced(status)
    )


def _ran(part: Placement) -> bool:
    """Whether a placement runs or ran; a Job has its start time while its pods are pending."""
    if part.phase in (ASSIGNED, DISPATCHED):
        return False
    return part.phase is RUNNING or part.started_at is not None


def sent_elsewhere(status: WorkloadStatus) -> str | None:
    """Why it was sent to another site, while it has not run since; None: it is not on its way.

    Each placement since then raised the epoch by one, which tells its runs from the one before.
    """
    since = 0
    for entry in reversed(status.history):
        if entry.reason in _ON_ITS_WAY:
            since += 1
        elif entry.reason not in SENT or any(
            part.epoch > status.epoch - since and _ran(part) for part in status.placements
        ):
            return None
        else:
            return entry.reason
    return None


def assign(
    status: WorkloadStatus,
    parts: Iterable[Placement],
    *,
    decision: Decision,
    estimate: Estimate | None,
    now: datetime,
    reason: str,
) -> WorkloadStatus:
    """Give a workload its placements, or a split what is missing of it, under the next epoch.

    Args:
        status: as it stands; lost placements stay in it until their objects are gone.
        parts: with the epoch `status.epoch + 1`; or one that is at work, with more pods.
        decision: why there.
        estimate: what it will take.
        now: for the history.
        reason: PascalCase: Placed or Failover.
    """
    if not needs_place(status):
        raise IllegalStepError("a placed workload was placed again")
    epoch, parts = status.epoch + 1, list(parts)
    new = [part for part in parts if not _is_growth(part, status)]
    if any(part.epoch != epoch for part in new):
        raise IllegalStepError(f"a placement does not carry the next epoch, {epoch}")
    if any(
        part.site in {p.site for p in new} and part.phase in HOLDING for part in status.placements
    ):
        raise IllegalStepError("a part was placed where another part is")
    taken = {part.site for part in parts}
    kept = [part for part in status.placements if part.site not in taken]
    standing = [part for part in status.placements if part.phase in HOLDING]
    placed = [*(part for part in kept if part.phase in HOLDING), *parts]
    desired = sum(part.replicas for part in placed) if any(p.partial for p in placed) else 0
    to = ",".join(sorted(part.site for part in placed))
    return status.model_copy(
        update={
            "epoch": epoch if new else status.epoch,
            "placements": (*kept, *parts),
            "desired_replicas": max(desired, status.desired_replicas if standing else 0),
            "decision": decision,
            "estimate": estimate,
            "history": _told(status, now, to, reason),
        }
    )


def _is_growth(part: Placement, status: WorkloadStatus) -> bool:
    """Whether it is a part that is at work already, with more pods and else the same."""
    before = placement_at(status, part.site)
    if before is None or before.phase not in ACTIVE or part.replicas <= before.replicas:
        return False
    return part == before.model_copy(update={"replicas": part.replicas})


def evict(
    status: WorkloadStatus,
    site: str,
    *,
    reason: str,
    message: str = "",
    now: datetime,
    **changes: object,
) -> WorkloadStatus:
    """End the work at a site: the placement is Evicting until its object is gone.

    Args:
        status: as it stands.
        site: where it is.
        reason: PascalCase: Preempted, Reclaimed, Moved, Drained, Paused, Suspended, …
        message: for people, with the numbers.
        now: for the history.
        changes: further fields of the status, such as `done_seconds`.
    """
    told = f"{reason}: {message}" if message else reason
    stepped = step(status, site, EVICTING, message=told[:1024])
    others = (p.site for p in status.placements if p.phase in HOLDING and p.site != site)
    decision = status.decision
    if decision is not None:
        # What was decided when it was placed no longer tells why it has no place.
        decision = decision.model_copy(
            update={"reason": reason, "message": message, "site": "", "start_at": None}
        )
    history = _told(status, now, ",".join(sorted(others)), reason)
    return stepped.model_copy(update={"decision": decision, "history": history, **changes})


def _told(status: WorkloadStatus, now: datetime, to: str, reason: str) -> tuple[HistoryEntry, ...]:
    was = status.history[-1].to if status.history else ""
    entry = HistoryEntry(at=now, from_=was, to=to, reason=reason)
    return (*status.history, entry)[-HISTORY_LIMIT:]


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
    return replace_part(status, placement.model_copy(update={"phase": phase, **changes}))


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
    return status if changed == placement else replace_part(status, changed)


def record_finished(
    status: WorkloadStatus, site: str, ref: ObjectReference, observed: Observed
) -> WorkloadStatus:
    """Take over that work ended by itself before its removal came; it is not to run again."""
    placement = placement_at(status, site)
    phase = _OBSERVED_PHASE[observed.state]
    if placement is None or placement.phase is not EVICTING or phase not in FINAL:
        return status
    return step(
        status,
        site,
        phase,
        object=ref,
        started_at=observed.started_at or placement.started_at,
        finished_at=observed.finished_at,
        message=observed.message,
    )


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
    changes: dict[str, object] = {"placements": rest}
    if status.desired_replicas and not any(part.phase in HOLDING for part in rest):
        changes["desired_replicas"] = 0  # no split any more: it is planned as a whole
    return status.model_copy(update=changes)


def replace_part(status: WorkloadStatus, placement: Placement) -> WorkloadStatus:
    """The status with one placement in the stead of the one at the same site."""
    placements = tuple(
        placement if other.site == placement.site else other for other in status.placements
    )
    return status.model_copy(update={"placements": placements})
