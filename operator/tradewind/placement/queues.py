"""What does each queue hold, what is it entitled to, and how large is its share?

A quota is a promise: as much is the queue's own, whatever others' priorities. What has no quota has
no promise and no limit: work without a queue, of a queue without quotas, or on hardware that none
of the queue's quotas speaks of. A queue that holds more than its own borrows.

Shares are weighted dominant-resource (Ghodsi et al., "Dominant Resource Fairness", NSDI 2011): of
each accelerator class, of CPU and of memory, a queue holds a share of what the federation can give;
the greatest of these, over the queue's weight, is its share. What the federation can give is what
is free and what queues hold; the sites' own users are left out.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tradewind.api.demand import Demand
from tradewind.api.queue import QueueSpec, Quota
from tradewind.hardware.catalog import Catalog
from tradewind.hardware.labels import vendor_of
from tradewind.placement.budgets import WARNING_SHARE, Purse, purse_of, used_share
from tradewind.placement.chips import is_of_class
from tradewind.placement.plan import NO_SITE, Refusal, RefusalReason
from tradewind.placement.snapshot import Assumed, QueueView, SiteView, Snapshot, WorkloadView
from tradewind.placement.table import accelerators_of

#: Names of the resources that are no accelerator classes, on the axis of shares.
CPU, MEMORY = "cpu", "memory"

#: The queue of work without a queue.
NO_QUEUE_NAME = ""

#: More accelerators than any queue holds.
PLENTY = 2**40


@dataclass(frozen=True, slots=True)
class Takes:
    """What a placed workload takes of its queue.

    Args:
        class_name: AcceleratorClass; None without accelerators.
        vendor: of that class.
        units: accelerators.
        cpu_millis: thousandths of a core.
        memory_bytes: bytes.
    """

    class_name: str | None
    vendor: str
    units: int
    cpu_millis: int
    memory_bytes: int

    def amounts(self) -> dict[str, float]:
        """By resource, as on the axis of shares."""
        found: dict[str, float] = {CPU: self.cpu_millis, MEMORY: self.memory_bytes}
        if self.class_name is not None:
            found[self.class_name] = self.units
        return found


def units_of(demand: Demand, resource_name: str | None) -> int:
    """Accelerators that the pods of a demand take where a class goes by this resource name."""
    if resource_name is None:
        return 0
    return sum(
        pod.count
        * (
            pod.accelerators
            + sum(amount for name, amount in pod.vendor_resources if name == resource_name)
        )
        for pod in demand.pods
    )


@dataclass(slots=True)
class Line:
    """One quota of a queue, and what is held of it.

    Args:
        quota: as the user wrote it.
        held: accelerators.
    """

    quota: Quota
    held: int = 0

    @property
    def limit(self) -> int:
        """The most that may be held, borrowed units included."""
        lends = self.quota.borrowing_limit
        return PLENTY if lends is None else self.quota.nominal + lends

    def covers(self, class_name: str | None, vendor: str, catalog: Catalog) -> bool:
        """Whether accelerators of a class count against this quota."""
        if class_name is None:
            return False
        if self.quota.class_name:
            return is_of_class(class_name, self.quota.class_name, catalog)
        return not self.quota.vendor or self.quota.vendor == vendor


@dataclass(slots=True)
class Standing:
    """A queue while a cycle plans: what it holds grows as its work is placed.

    Args:
        name: of the ComputeQueue; empty for work without a queue.
        spec: as the user wrote it.
        lines: its quotas.
        held: by resource, on the axis of shares.
        purse: what it may still spend.
        may_borrow: False near the end of its budget.
    """

    name: str
    spec: QueueSpec
    lines: tuple[Line, ...]
    held: dict[str, float]
    purse: Purse
    may_borrow: bool = True

    @property
    def weight(self) -> float:
        """Above 0; a weight that is none counts as next to nothing."""
        weight = self.spec.weight
        return weight if math.isfinite(weight) and weight > 0 else 1e-9

    def most(self, line: Line, *, promised: bool) -> int:
        """How many units of a quota it may hold; of what it is promised, or at all."""
        return line.quota.nominal if promised or not self.may_borrow else line.limit

    def lines_of(self, takes: Takes, catalog: Catalog) -> list[Line]:
        """The quotas that work with these accelerators counts against."""
        if takes.units <= 0:
            return []
        return [line for line in self.lines if line.covers(takes.class_name, takes.vendor, catalog)]

    def add(self, takes: Takes, catalog: Catalog, sign: int = 1) -> None:
        """Count a placement, or with the sign -1 its end."""
        for line in self.lines_of(takes, catalog):
            line.held += sign * takes.units
        for resource, amount in takes.amounts().items():
            self.held[resource] = self.held.get(resource, 0.0) + sign * amount

    def spend(self, usd: float, carbon_kg: float) -> None:
        """Count what a placement is expected to spend."""
        self.purse = self.purse.less(usd, carbon_kg)

    def copy(self) -> "Standing":
        """A trial: what it counts leaves this one as it is."""
        lines = tuple(Line(line.quota, line.held) for line in self.lines)
        return Standing(self.name, self.spec, lines, dict(self.held), self.purse, self.may_borrow)


class Queues:
    """All queues of a cycle.

    Args:
        snapshot: whose queues, sites and catalogue count.

    Attributes:
        catalog: for families and vendors of classes.
        standings: by name; the name "" is always there.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.catalog = snapshot.catalog
        self._sites = snapshot.sites
        self._assumed = snapshot.assumed
        self._views = {NO_QUEUE_NAME: QueueView(QueueSpec()), **snapshot.queues}
        self._vendors: dict[str, str] = {}
        self.standings = {name: self._standing(name, view) for name, view in self._views.items()}

    @cached_property
    def totals(self) -> Mapping[str, float]:
        """What the federation can give, by resource; what is not there cannot be shared."""
        return _totals(self._sites, self._assumed, self._views)

    @cached_property
    def accelerators(self) -> tuple[tuple[str, str], ...]:
        """(class, resource name) of all accelerators of the federation, sorted."""
        found = {
            (accelerator.class_name, accelerator.resource_name)
            for site in self._sites
            for accelerator in accelerators_of(site)
        }
        return tuple(sorted(found))

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Accelerator classes of the federation, sorted."""
        return tuple(sorted({class_name for class_name, _ in self.accelerators}))

    def free(self) -> dict[str, float]:
        """What no queue holds, by resource; what this cycle placed is held."""
        left = dict(self.totals)
        for queue in self.standings.values():
            for resource, amount in queue.held.items():
                left[resource] = left.get(resource, 0.0) - amount
        return left

    def _standing(self, name: str, view: QueueView) -> Standing:
        lines = tuple(Line(quota) for quota in view.spec.quotas)
        for class_name, units in view.held_units.items():
            for line in lines:
                if units > 0 and line.covers(class_name, self.vendor(class_name), self.catalog):
                    line.held += units
        return Standing(
            name=name,
            spec=view.spec,
            lines=lines,
            held=_held(view),
            purse=purse_of(name, view),
            may_borrow=used_share(view) < WARNING_SHARE,
        )

    def refusal(self, workload: WorkloadView) -> Refusal | None:
        """Why a workload may not compete at all; None when its queue admits it."""
        if not workload.queue:
            return None
        queue = self.standings.get(workload.queue)
        if queue is None:
            return Refusal(
                NO_SITE, RefusalReason.NO_QUEUE, f"there is no ComputeQueue {workload.queue!r}"
            )
        if queue.spec.namespaces and workload.namespace not in queue.spec.namespaces:
            admitted = ", ".join(queue.spec.namespaces)
            return Refusal(
                NO_SITE,
                RefusalReason.NAMESPACE,
                f"queue {workload.queue!r} admits {admitted}; the workload is in"
                f" {workload.namespace!r}",
            )
        return None

    def takes(
        self, demand: Demand, class_name: str | None, resource_name: str | None, share: float = 1.0
    ) -> Takes:
        """What a placement of a demand takes.

        Args:
            demand: of the workload.
            class_name: on what.
            resource_name: by which its pods ask for it there.
            share: of its pods, for a part of a split.
        """
        pods = demand.pods
        return Takes(
            class_name=class_name,
            vendor=self.vendor(class_name, resource_name),
            units=math.ceil(share * units_of(demand, resource_name)),
            cpu_millis=math.ceil(share * sum(pod.count * pod.cpu_millis for pod in pods)),
            memory_bytes=math.ceil(share * sum(pod.count * pod.memory_bytes for pod in pods)),
        )

    def vendor(self, class_name: str | None, resource_name: str | None = None) -> str:
        """Maker of a class; empty when not known."""
        if class_name is None:
            return ""
        known = self._vendors.get(class_name)
        if known is None:
            found = self.catalog.get(class_name)
            known = found.vendor if found else vendor_of(resource_name or "")
            self._vendors[class_name] = known
        return known

    def share(self, held: Mapping[str, float], weight: float) -> float:
        """Weighted dominant share of what is held, 0 to 1 over the weight."""
        greatest = 0.0
        for resource, amount in held.items():
            total = self.totals.get(resource, 0.0)
            if total > 0 and amount > 0:
                greatest = max(greatest, amount / total)
        return greatest / weight


def _held(view: QueueView) -> dict[str, float]:
    held: dict[str, float] = {
        CPU: max(0, view.held_cpu_millis),
        MEMORY: max(0, view.held_memory_bytes),
    }
    for class_name, units in view.held_units.items():
        held[class_name] = held.get(class_name, 0.0) + max(0, units)
    return held


def _totals(
    sites: tuple[SiteView, ...], assumed: tuple[Assumed, ...], views: Mapping[str, QueueView]
) -> dict[str, float]:
    """What sites have free, less what is assumed there, and what queues hold.

    What is assumed is held already, and would else count as free, too.
    """
    totals: Counter[str] = Counter()
    answering = [site for site in sites if site.reachable and site.synced]
    for site in answering:
        for node in site.node_shapes:
            totals[CPU] += max(0, node.free_cpu_millis) * node.nodes
            totals[MEMORY] += max(0, node.free_memory_bytes) * node.nodes
            for class_name, _, free in node.accelerators:
                totals[class_name] += max(0, free) * node.nodes
    names = {site.name for site in answering}
    for one in assumed:
        if one.site in names:
            totals.subtract(_assumed(one))
    found = {resource: float(amount) for resource, amount in totals.items()}
    for view in views.values():
        for resource, amount in _held(view).items():
            found[resource] = found.get(resource, 0.0) + amount
    return {resource: max(0.0, amount) for resource, amount in found.items()}


def _assumed(one: Assumed) -> dict[str, int]:
    pods = one.demand.pods
    found = {
        CPU: sum(pod.count * pod.cpu_millis for pod in pods),
        MEMORY: sum(pod.count * pod.memory_bytes for pod in pods),
    }
    if one.class_name is not None:
        found[one.class_name] = sum(pod.count * pod.accelerators for pod in pods)
    return found
