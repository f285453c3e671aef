"""Which pending workloads are alike, and who comes first?

Workloads of a shape have the same refusals and the same costs everywhere, so both are worked out
once for all of them. The order is strict: priority, then age, then UID, so that luck never decides.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter

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
    refused_sites: frozenset[SiteName]

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
        refused_sites=workload.refused_sites,
    )


def _left(workload: WorkloadView) -> RuntimeNeed:
    """How long it has to run: what its checkpoints hold is behind it.

    Where only the mean is known, what is behind it tells nothing of what is to come
    (`stopping.py`): the rest lasts as long on average as the whole did.
    """
    runtime, done_s = workload.runtime, workload.done_s
    if runtime.mean_only or runtime.duration_s is None or not 0 < done_s < math.inf:
        return runtime
    # Never nothing: what its checkpoints do not tell takes a moment still.
    return replace(runtime, duration_s=max(1.0, runtime.duration_s - done_s))


# Shapes that are not looked over.
_FEW = 1000


class Shapes:
    """The shapes of workloads, found once for each view: views that did not change are the same.

    Equal shapes are one object here, so that they may be told apart by `id`.
    """

    def __init__(self) -> None:
        self._of_view: dict[int, tuple[WorkloadView, Shape]] = {}
        self._last: dict[int, tuple[WorkloadView, Shape]] = {}
        self._alike: dict[Shape, Shape] = {}
        # From so many shapes on it is worth looking which of them anything still has.
        self._many = _FEW

    def begin(self) -> None:
        """A new cycle: what the last one did not ask for is forgotten."""
        self._last, self._of_view = self._of_view, {}
        if len(self._alike) > self._many:
            distinct = {id(shape): shape for _, shape in self._last.values()}
            self._alike = {shape: shape for shape in distinct.values()}
            self._many = max(_FEW, 2 * len(distinct))

    def of_each(self, workloads: Iterable[WorkloadView]) -> list[Shape]:
        """The shapes that workloads belong to; as `of`, many in less time."""
        last, views, found = self._last, self._of_view, []
        for workload in workloads:
            key = id(workload)
            known = last.get(key)
            if known is None or known[0] is not workload:
                found.append(self.of(workload))
            else:
                views[key] = known
                found.append(known[1])
        return found

    def of(self, workload: WorkloadView) -> Shape:
        """The shape a workload belongs to."""
        key = id(workload)
        known = self._last.get(key)
        if known is None or known[0] is not workload:
            shape = shape_of(workload)
            known = (workload, self._alike.setdefault(shape, shape))
        self._of_view[key] = known
        return known[1]


def in_order(workloads: Iterable[WorkloadView]) -> list[WorkloadView]:
    """Workloads in the order in which they choose: higher priority, older, smaller UID first.

    As a sort by `order_of`, in a third of the time: creation times have whole seconds, so that
    those who come in a storm share them.
    """
    by_priority: dict[int, dict[datetime, list[WorkloadView]]] = {}
    for workload in workloads:
        alike = by_priority.setdefault(workload.priority, {})
        known = alike.get(workload.created)
        if known is None:
            alike[workload.created] = [workload]
        else:
            known.append(workload)
    found: list[WorkloadView] = []
    for _, by_age in sorted(by_priority.items(), reverse=True):
        for created in sorted(by_age):
            group = by_age[created]
            if len(group) > 1:
                group.sort(key=_uid_of)
            found += group
    return found


_uid_of = attrgetter("uid")


def order_of(workload: WorkloadView) -> tuple[int, datetime, str]:
    """Key of the order in which workloads choose."""
    return (-workload.priority, workload.created, workload.uid)
