"""Which pending workloads are alike, and who comes first?

Workloads of a shape have the same refusals and the same costs everywhere, so both are worked out
once for all of them. The order is strict: priority, then age, then UID, so that luck never decides.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from tradewind.api.demand import Demand
from tradewind.placement.snapshot import (
    AcceleratorNeed,
    PlacementNeed,
    RuntimeNeed,
    SiteName,
    WorkloadView,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """All that decides where a workload may go and what it costs there."""

    demand: Demand
    accelerator: AcceleratorNeed
    placement: PlacementNeed
    runtime: RuntimeNeed
    workload_class: str
    policy: str
    queue: str
    priority: int
    excluded_sites: frozenset[SiteName]

    @property
    def pods(self) -> int:
        """Pods of the whole gang."""
        return sum(pod.count for pod in self.demand.pods)


def shape_of(workload: WorkloadView) -> Shape:
    """The shape a workload belongs to."""
    return Shape(
        demand=workload.demand,
        accelerator=workload.accelerator,
        placement=workload.placement,
        runtime=_left(workload),
        workload_class=workload.workload_class,
        policy=workload.policy,
        queue=workload.queue,
        priority=workload.priority,
        excluded_sites=workload.excluded_sites,
    )


def _left(workload: WorkloadView) -> RuntimeNeed:
    """How long it has to run: what its checkpoints hold is behind it."""
    runtime, done_s = workload.runtime, workload.done_s
    if runtime.duration_s is None or not 0 < done_s < math.inf:
        return runtime
    # Never nothing: what its checkpoints do not tell takes a moment still.
    return replace(runtime, duration_s=max(1.0, runtime.duration_s - done_s))


def in_order(workloads: Iterable[WorkloadView]) -> list[WorkloadView]:
    """Workloads in the order in which they choose: higher priority, older, smaller UID first."""
    return sorted(workloads, key=order_of)


def order_of(workload: WorkloadView) -> tuple[int, datetime, str]:
    """Key of the order in which workloads choose."""
    return (-workload.priority, workload.created, workload.uid)
