"""What a ComputeSite's conditions say: does it answer, is what is known current, is it empty?"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from tradewind.api.fields import Condition, ConditionStatus, set_condition
from tradewind.api.site import ComputeSite
from tradewind.controller.lifecycle import ACTIVE, EVICTING
from tradewind.controller.store import Record
from tradewind.sites.runtime import SiteRuntime

#: Phases in which something of a workload may be running.
_AT_WORK: Final = ACTIVE | {EVICTING}

_Told = tuple[ConditionStatus, str, str]

#: A message names so many workloads.
_NAMED: Final = 5


def site_conditions(  # noqa: PLR0917 - what they are made of
    site: ComputeSite,
    runtime: SiteRuntime | None,
    telemetry: _Told | None,
    placed: Sequence[Record],
    conditions: list[Condition],
    now: datetime,
    *,
    hardware: Mapping[str, _Told] | None = None,
) -> list[Condition]:
    """The conditions of a ComputeSite.

    Args:
        site: from the hub.
        runtime: of the engaged site; None before that.
        telemetry: status, reason and message of TelemetryCurrent; None without a Prometheus.
        placed: the workloads with a placement there.
        conditions: as they were; transition times are kept.
        now: for those that change.
        hardware: those that `hardwarestatus` tells.
    """
    reachable = _reachable(runtime)
    inventory = _inventory(runtime)
    told: dict[str, _Told] = {
        "Reachable": reachable,
        "InventoryCurrent": inventory,
        "Ready": _ready(site, reachable, inventory),
        **(hardware or {}),
    }
    if telemetry is not None:
        told["TelemetryCurrent"] = telemetry
    if site.spec.drain:
        told["Drained"] = _drained(site.metadata.name, placed)
    conditions = [known for known in conditions if known.type != "Drained" or site.spec.drain]
    for kind, (status, reason, message) in told.items():
        conditions = set_condition(
            conditions,
            type=kind,
            status=status,
            reason=reason,
            message=message,
            observed_generation=site.metadata.generation,
            now=now,
        )
    return conditions


def _reachable(runtime: SiteRuntime | None) -> _Told:
    if runtime is None:
        return "Unknown", "NotEngaged", "no leader has engaged the site yet"
    fault = runtime.state.fault
    if fault is not None:
        return "False", fault.reason, fault.sentence
    if runtime.state.reachable is None:
        return "Unknown", "Connecting", runtime.state.detail or "waits for the first answer"
    if runtime.state.reachable:
        return "True", "Answering", ""
    return "False", "NoAnswer", runtime.state.detail


def _inventory(runtime: SiteRuntime | None) -> _Told:
    if runtime is None or not runtime.state.inventory_synced:
        return "False", "NotListed", "nodes and pods have not been listed yet"
    fault = runtime.state.fault
    if fault is not None:
        return "False", fault.reason, "as it was before access was refused"
    if runtime.state.reachable is False:
        return "False", "SiteUnreachable", "as it was when the site last answered"
    return "True", "Watching", ""


def _ready(site: ComputeSite, reachable: _Told, inventory: _Told) -> _Told:
    if site.metadata.deletion_timestamp is not None:
        return "False", "Leaving", "the ComputeSite is being deleted"
    for status, reason, message in (reachable, inventory):
        if status != "True":
            return "False", reason, message
    if site.spec.drain:
        return "True", "Ready", "draining: gets no new work, and what may be moved leaves"
    return "True", "Ready", "cordoned: gets no new work" if site.spec.unschedulable else ""


def _drained(name: str, placed: Sequence[Record]) -> _Told:
    """What is left at a site that is being drained, and what of it stays until it ends."""
    left = [
        record
        for record in placed
        if any(p.site == name and p.phase in _AT_WORK for p in record.status.placements)
    ]
    if not left:
        return "True", "Empty", "nothing is at work here any more"
    message = f"{len(left)} at work: {_names(left)}"
    stay = [record for record in left if record.model.spec.runtime.checkpoint is None]
    if stay:
        message += f"; without a checkpoint, and so staying to their end: {_names(stay)}"
    return "False", "Draining", message


def _names(records: Sequence[Record]) -> str:
    names = sorted(record.label for record in records)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
