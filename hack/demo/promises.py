"""What the demo promises of each of its workloads, and whether it came true.

Pure: it reads the hub's objects and gives back what is still missing, in words. The demo waits
until nothing is missing and fails when something cannot come true any more. No promise names a
site: where the work goes is the operator's to decide, and only what must hold of it is checked.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tradewind.api.fields import condition_of
from tradewind.api.site import ComputeSite
from tradewind.api.workload import AIWorkload, WorkloadPhase, WorkloadStatus

Sites = Mapping[str, ComputeSite]
Check = Callable[[AIWorkload, WorkloadStatus, Sites], str]

#: A number that is not part of a name such as h100.
_FIGURE: Final = re.compile(r"(?<![\w-])\d")

#: An empty text: it holds.
HOLDS: Final = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """What must become of one workload.

    Args:
        name: of the AIWorkload.
        phase: that it must reach.
        story: what a newcomer sees in it.
        check: what else must hold; gives back what does not, or an empty text.
    """

    name: str
    phase: WorkloadPhase
    story: str
    check: Check


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is still missing, and what can no longer come true."""

    missing: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def kept(self) -> bool:
        """All promises came true."""
        return not (self.missing or self.broken)


def judge(
    promises: Sequence[Promise],
    workloads: Sequence[Mapping[str, Any]],
    sites: Sequence[Mapping[str, Any]],
) -> Outcome:
    """Hold the promises against AIWorkload and ComputeSite objects of the hub."""
    known = {site.metadata.name: site for site in map(ComputeSite.model_validate, sites)}
    found = {w.metadata.name: w for w in map(AIWorkload.model_validate, workloads)}
    missing: list[str] = []
    broken: list[str] = []
    for promise in promises:
        workload = found.get(promise.name)
        status = (workload.status if workload else None) or WorkloadStatus()
        if workload is None:
            missing.append(f"{promise.name} is not on the hub")
        elif status.phase is not promise.phase:
            text = f"{promise.name} is {status.phase.value}, to become {promise.phase.value}"
            (broken if _is_final(status.phase) else missing).append(text)
        else:
            problem = promise.check(workload, status, known)
            if problem:
                # A finished workload never changes again: what is wrong with it stays wrong.
                (broken if _is_final(status.phase) else missing).append(
                    f"{promise.name}: {problem}"
                )
    return Outcome(tuple(missing), tuple(broken))


def _is_final(phase: WorkloadPhase) -> bool:
    return phase in (WorkloadPhase.SUCCEEDED, WorkloadPhase.FAILED)


def runs_on_class(class_name: str, replicas: int) -> Check:
    """The whole gang stands at one site, on one class of accelerators."""

    def check(workload: AIWorkload, status: WorkloadStatus, sites: Sites) -> str:
        del workload, sites
        if len(status.placements) != 1:
            return f"has {len(status.placements)} placements, a gang has one"
        part = status.placements[0]
        if part.accelerator_class != class_name:
            return f"runs on {part.accelerator_class}, not on {class_name}"
        if part.replicas != replicas:
            return f"has {part.replicas} pods, not {replicas}"
        return HOLDS

    return check


def runs_on_vendor(vendor: str) -> Check:
    """Every part stands on chips of one maker, whatever its site calls them."""

    def check(workload: AIWorkload, status: WorkloadStatus, sites: Sites) -> str:
        del workload
        for part in status.placements:
            site = sites[part.site].status if part.site in sites else None
            rows = site.accelerators if site else ()
            makers = {row.vendor for row in rows if row.class_name == part.accelerator_class}
            if makers != {vendor}:
                return f"runs on {part.accelerator_class} of {sorted(makers)}, not of {vendor}"
        return HOLDS if status.placements else "has no placement"

    return check


def stays_in(jurisdiction: str) -> Check:
    """Every part stands where its data may be."""

    def check(workload: AIWorkload, status: WorkloadStatus, sites: Sites) -> str:
        del workload
        for part in status.placements:
            where = sites[part.site].spec.location.jurisdiction if part.site in sites else "?"
            if where != jurisdiction:
                return f"runs at {part.site} in {where}, not in {jurisdiction}"
        return HOLDS if status.placements else "has no placement"

    return check


def is_ready(replicas: int) -> Check:
    """All replicas are up."""

    def check(workload: AIWorkload, status: WorkloadStatus, sites: Sites) -> str:
        del workload, sites
        if status.ready_replicas != replicas:
            return f"{status.ready_replicas} of {replicas} replicas are ready"
        return HOLDS

    return check


def every_site_says_why(workload: AIWorkload, status: WorkloadStatus, sites: Sites) -> str:
    """It is nowhere, and each site of the federation is named with its own numbers."""
    del workload
    if status.placements:
        return f"was placed at {status.sites}, though nothing can hold it"
    stalled = condition_of(status.conditions, "Stalled")
    if stalled is None or stalled.status != "True":
        return "does not say yet that waiting is in vain"
    refused = status.decision.refused if status.decision else ()
    alone = (refusal.sites for refusal in refused if len(refusal.sites) == 1)
    silent = set(sites).difference(*alone)
    if silent:
        return f"does not say why not at {', '.join(sorted(silent))}"
    bare = [refusal.reason for refusal in refused if not _FIGURE.search(refusal.example)]
    if bare:
        return f"does not say how much is missing: {', '.join(bare)}"
    return HOLDS


def is_nowhere(workload: AIWorkload, status: WorkloadStatus, sites: Sites) -> str:
    """It has no placement and asks nothing of any site."""
    del workload, sites
    return f"was placed at {status.sites}" if status.placements else HOLDS
