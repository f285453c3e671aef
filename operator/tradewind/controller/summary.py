"""What a workload's status says for people and programs: phase, counts and conditions.

All of it is derived from the placements and the decision, by `summarise` alone: right before each
write, so that no step of a placement has to think of it.
"""

import re
from datetime import datetime
from typing import Final

from tradewind.api.fields import ConditionStatus, set_condition
from tradewind.api.workload import AIWorkload, WorkloadPhase, WorkloadStatus
from tradewind.controller.lifecycle import (
    ACTIVE,
    EVICTING,
    FAILED,
    HOLDING,
    LOST,
    RUNNING,
    SUCCEEDED,
    is_deferred,
    missing,
    replace_part,
)
from tradewind.controller.splits import rescaled
from tradewind.placement.plan import RefusalReason
from tradewind.workloads.registry import ADAPTERS


def summarise(workload: AIWorkload, status: WorkloadStatus, now: datetime) -> WorkloadStatus:
    """Derive phase, counts and conditions from the placements and the decision.

    The same status comes back, as the same object, when nothing differs: callers compare by
    identity to save a write.
    """
    status = _follow_template(workload, status)
    phase, ready = _phase(workload, status), _ready(workload, status)
    generation = workload.metadata.generation
    told = _conditions(phase, status, ready=ready)
    if workload.spec.queue:
        told["QuotaReserved"] = _quota(status)
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
    """Count the replicas that a scaled template asks for; parts of a split grow and shrink alike.

    Kinds that finish are never applied again, and so keep the number they were placed with.
    """
    template = workload.spec.template
    adapter = ADAPTERS.get(f"{template.get('apiVersion')}/{template.get('kind')}")
    placed = [part for part in status.placements if part.phase in ACTIVE]
    if adapter is None or adapter.finishes or not placed:
        return status
    replicas = sum(pods.count for pods in adapter.pod_sets(template))
    if status.desired_replicas:
        change = replicas - status.desired_replicas
        if not change:
            return status
        # Fewer are asked for: first those that have no place anyway.
        if change < 0:  # first those that have no place anyway
            change = min(0, change + missing(status))
        parts = rescaled(status.placements, change)
        return status.model_copy(update={"placements": tuple(parts), "desired_replicas": replicas})
    if len(placed) != 1 or replicas == placed[0].replicas:
        return status
    return replace_part(status, placed[0].model_copy(update={"replicas": replicas}))


def _phase(workload: AIWorkload, status: WorkloadStatus) -> WorkloadPhase:
    phases = {part.phase for part in status.placements if part.phase is not LOST}
    if workload.metadata.deletion_timestamp is not None:
        return WorkloadPhase.DELETING
    if FAILED in phases:
        return WorkloadPhase.FAILED
    if phases and phases <= {SUCCEEDED} and not missing(status):
        return WorkloadPhase.SUCCEEDED
    if phases & {RUNNING, SUCCEEDED}:
        return WorkloadPhase.RUNNING
    return WorkloadPhase.PLACED if phases & ACTIVE else _waiting(workload, status)


def _waiting(workload: AIWorkload, status: WorkloadStatus) -> WorkloadPhase:
    if workload.spec.suspend:
        return WorkloadPhase.SUSPENDED
    return WorkloadPhase.DEFERRED if is_deferred(status) else WorkloadPhase.PENDING


def _ready(workload: AIWorkload, status: WorkloadStatus) -> bool:
    parts = [part for part in status.placements if part.phase is not LOST]
    if not parts or missing(status) or workload.metadata.deletion_timestamp is not None:
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
    leaving = bool(live) and all(part.phase is EVICTING for part in live)
    placed = bool(live) and not leaving
    dispatched = placed and all(part.object is not None for part in live)
    told: dict[str, _Verdict] = {
        "Placed": ("True", "Placed", "") if placed else ("False", reason, message),
        "Ready": ("True", phase.value, "") if ready else ("False", phase.value, trouble),
    }
    if lack := missing(status):
        told["Placed"] = "False", "PartlyPlaced", _partly(status, lack, message)
    if placed:
        told["Dispatched"] = ("True", "Applied", "") if dispatched else _why_not_applied(trouble)
    if phase in (WorkloadPhase.SUCCEEDED, WorkloadPhase.FAILED):
        told[phase.value] = ("True", "Finished", trouble)
    elif not placed and reason in _STALLED:
        told["Stalled"] = ("True", reason, "")
    elif not ready and phase is not WorkloadPhase.SUSPENDED:
        told["Reconciling"] = ("True", phase.value, trouble)
    return told


def _partly(status: WorkloadStatus, lack: int, message: str) -> str:
    text = f"{lack} of {status.desired_replicas} pods have no site"
    return f"{text}: {message}" if message else text


def _quota(status: WorkloadStatus) -> _Verdict:
    """Whether the queue's quota and budget are held for it; a refusal has the numbers."""
    if any(part.phase in HOLDING for part in status.placements):
        return "True", "QuotaReserved", ""
    for refusal in status.decision.refused if status.decision else ():
        if refusal.reason in _QUOTA_REASONS:
            return "False", refusal.reason, refusal.example
    if is_deferred(status):
        return "False", "Deferred", "nothing is held until it starts"
    return "False", "Pending", "nothing is held until it has a place"


def _why_not_applied(trouble: str) -> _Verdict:
    """A refusal begins with its reason; what the site's API server calls it may be anything."""
    reason, separator, message = trouble.partition(": ")
    if separator and _REASON.fullmatch(reason):
        return "False", reason, message
    return "False", "NotApplied", trouble


#: Refusals by the workload's queue, not by a site.
_QUOTA_REASONS: Final = frozenset(
    reason.value
    for reason in (
        RefusalReason.NO_QUEUE,
        RefusalReason.NAMESPACE,
        RefusalReason.QUOTA,
        RefusalReason.BUDGET,
    )
)

_REASON: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")

#: Reasons that only a changed spec or another site will mend.
_STALLED: Final = frozenset({"Unplaceable", "TemplateRefused"})


def _why_not_placed(phase: WorkloadPhase, status: WorkloadStatus) -> tuple[str, str]:
    if leaving := next((part for part in status.placements if part.phase is EVICTING), None):
        why = f"{leaving.message}; " if leaving.message else ""
        return "Evicting", f"{why}waits until its pods are gone from {leaving.site}"
    if phase is WorkloadPhase.SUSPENDED:
        return "Suspended", "spec.suspend is true"
    if status.decision is not None and status.decision.reason:
        return status.decision.reason, status.decision.message or ""
    return "NotPlanned", "waits for its first planning cycle"
