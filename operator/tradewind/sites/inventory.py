"""What a site's nodes have left: a fold over nodes and bound pods, one node at a time.

A pod event touches its node's row and nothing else. Rows that are alike are counted together as
node shapes, which is what placement needs in order to say whether eight replicas of eight chips
fit. Nodes that are not ready or are cordoned count for nothing; their taints otherwise go along.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from tradewind.api.fields import Taint, cpu_millis, memory_bytes
from tradewind.api.inventory import HeldPods, NodeShape, Occupied
from tradewind.api.names import LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.base.errors import QuantityError
from tradewind.base.observe import get_logger
from tradewind.hardware.catalog import Catalog
from tradewind.hardware.labels import NodeAccelerators, identify
from tradewind.hardware.translate import SiteHardware
from tradewind.sites.occupied import held_by, occupied
from tradewind.sites.slim import Node, Pod
from tradewind.workloads.requests import pod_requests

log = get_logger(__name__)

_PLAIN: Final = frozenset({"cpu", "memory", "pods", "ephemeral-storage"})

#: What a node may say it has of a resource, in the smallest unit: a pebibyte is beyond any machine.
#: A cycle counts a site's nodes in 64 bits, and one site that lies must not end it for all.
_MOST: Final = 2**50


@dataclass(frozen=True, slots=True)
class ClassTotals:
    """One accelerator class at a site.

    Attributes:
        class_name: of the catalogue, or `unknown`.
        resource_name: by which pods ask for it.
        vendor: lower case.
        memory_gib: of one unit.
        nodes: how many have it.
        allocatable: units.
        requested: units that bound pods ask for.
        free_by_node: number of nodes by their free units; none free is not listed.
        node_labels: label sets that single its nodes out.
    """

    class_name: str
    resource_name: str
    vendor: str
    memory_gib: float | None
    nodes: int
    allocatable: int
    requested: int
    free_by_node: Mapping[int, int]
    node_labels: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def hardware(self) -> SiteHardware:
        """As translation needs it."""
        return SiteHardware(self.class_name, self.vendor, self.resource_name, self.node_labels)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Plain resources.

    Attributes:
        cpu_millis: thousandths of a core.
        memory_bytes: bytes.
        pods: pods.
        accelerators: units of every class.
    """

    cpu_millis: int = 0
    memory_bytes: int = 0
    pods: int = 0
    accelerators: int = 0


@dataclass(frozen=True, slots=True)
class InventoryView:
    """An inventory, frozen.

    Attributes:
        node_shapes: what is free, by node.
        classes: accelerators by class and resource.
        nodes: ready, schedulable nodes.
        allocatable: of those nodes.
        requested: by the pods bound to them.
        foreign: the part of it that pods of others than Tradewind ask for.
        occupied: nodes on which Tradewind's own pods stand, and whose.
    """

    node_shapes: tuple[NodeShape, ...] = ()
    classes: tuple[ClassTotals, ...] = ()
    nodes: int = 0
    allocatable: Amounts = Amounts()
    requested: Amounts = Amounts()
    foreign: Amounts = Amounts()
    occupied: tuple[Occupied, ...] = ()


@dataclass(slots=True)
class _Row:
    """One node: what it has, and what its pods ask for."""

    usable: bool = False
    taints: tuple[Taint, ...] = ()
    allocatable: dict[str, int] = field(default_factory=dict)
    accelerators: tuple[NodeAccelerators, ...] = ()
    pods: dict[str, "_BoundPod"] = field(default_factory=dict)
    requested: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    shape: NodeShape | None = None
    held: tuple[HeldPods, ...] = ()


@dataclass(frozen=True, slots=True)
class _BoundPod:
    node: str
    workload: str
    requests: Mapping[str, int]


class Inventory:
    """The nodes and pods of one site.

    Args:
        catalog: gives the accelerator classes in force.
        hub_id: pods that bear it are Tradewind's own.
    """

    def __init__(self, catalog: Callable[[], Catalog], *, hub_id: str) -> None:
        self._catalog = catalog
        self._hub_id = hub_id
        self._rows: dict[str, _Row] = {}
        self._where: dict[str, _BoundPod] = {}
        self._nodes: dict[str, Node] = {}
        self._shapes: Counter[NodeShape] = Counter()
        self._bound: Counter[str] = Counter()
        self._rebound: set[str] = set()
        self._view: InventoryView | None = None

    def bound(self, workload_uid: str) -> int:
        """How many pods of a workload are bound to nodes here."""
        return self._bound[workload_uid]

    def take_rebound(self) -> set[str]:
        """The workloads whose number of bound pods changed since the last call."""
        rebound, self._rebound = self._rebound, set()
        return rebound

    def on_node(self, old: Node | None, new: Node | None) -> None:
        """Take a change of a node."""
        if new is not None:
            self._nodes[new.metadata.name] = new
            row = self._rows.setdefault(new.metadata.name, _Row())
            self._read_node(row, new)
            self._reshape(row)
        elif old is not None:
            self._nodes.pop(old.metadata.name, None)
            row = self._rows[old.metadata.name]
            row.usable = False
            self._reshape(row)
            if not row.pods:
                del self._rows[old.metadata.name]

    def on_pod(self, old: Pod | None, new: Pod | None) -> None:
        """Take a change of a pod."""
        pod = new or old
        if pod is None:
            return
        uid = pod.metadata.uid
        was = self._where.get(uid)
        if new is None or not new.spec.node_name or new.status.phase in ("Succeeded", "Failed"):
            if was is not None:
                self._unbind(uid, was)
        elif was is None or was.node != new.spec.node_name:
            if was is not None:
                self._unbind(uid, was)
            self._bind(uid, new)

    def reclassify(self) -> None:
        """Read every node again; the catalogue changed."""
        for name, node in self._nodes.items():
            self._read_node(self._rows[name], node)
            self._reshape(self._rows[name])

    def view(self) -> InventoryView:
        """The inventory, frozen; the same object until something changes."""
        if self._view is None:
            self._view = self._freeze()
        return self._view

    def _bind(self, uid: str, pod: Pod) -> None:
        labels = pod.metadata.labels or {}
        ours = labels.get(LABEL_HUB_ID) == self._hub_id
        workload = labels.get(LABEL_WORKLOAD_UID, "") if ours else ""
        try:
            requests = pod_requests(msgspec.to_builtins(pod.spec))
        except QuantityError as error:
            log.warning("pod request was not read", pod=pod.metadata.name, error=str(error))
            requests = {}
        bound = _BoundPod(pod.spec.node_name, workload, requests)
        self._where[uid] = bound
        row = self._rows.setdefault(bound.node, _Row())
        row.pods[uid] = bound
        row.requested.update(requests)
        if not workload:
            row.foreign.update(requests)
        else:
            self._bound[workload] += 1
            self._rebound.add(workload)
        self._reshape(row)

    def _unbind(self, uid: str, bound: _BoundPod) -> None:
        del self._where[uid]
        row = self._rows[bound.node]
        del row.pods[uid]
        row.requested.subtract(bound.requests)
        if bound.workload:
            self._rebound.add(bound.workload)
            self._bound[bound.workload] -= 1
            if not self._bound[bound.workload]:
                del self._bound[bound.workload]
        else:
            row.foreign.subtract(bound.requests)
        self._reshape(row)
        if not row.pods and bound.node not in self._nodes:
            del self._rows[bound.node]

    def _read_node(self, row: _Row, node: Node) -> None:
        ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or ())
        row.usable = ready and not node.spec.unschedulable
        row.taints = tuple(
            Taint(key=taint.key, value=taint.value, effect=taint.effect)
            for taint in node.spec.taints or ()
            if taint.effect == "NoSchedule" or taint.effect == "NoExecute"  # noqa: PLR1714 - typed
        )
        row.allocatable = _read_allocatable(node)
        annotations = node.metadata.annotations
        row.accelerators = identify(
            node.metadata.labels or {},
            row.allocatable,
            self._catalog(),
            annotations.override if annotations else "",
        )

    def _reshape(self, row: _Row) -> None:
        self._view = None
        if row.shape is not None:
            self._shapes[row.shape] -= 1
            if not self._shapes[row.shape]:
                del self._shapes[row.shape]
        row.shape = _shape_of(row) if row.usable else None
        row.held = held_by((pod.workload, pod.requests) for pod in row.pods.values())
        if row.shape is not None:
            self._shapes[row.shape] += 1

    def _freeze(self) -> InventoryView:
        rows = [row for row in self._rows.values() if row.usable]
        shapes = sorted(self._shapes.items(), key=lambda item: repr(item[0]))
        return InventoryView(
            node_shapes=tuple(replace(shape, nodes=count) for shape, count in shapes),
            classes=_totals(rows),
            nodes=len(rows),
            allocatable=_sum(rows, lambda row: row.allocatable),
            requested=_sum(rows, lambda row: row.requested, pods=True),
            foreign=_sum(rows, lambda row: row.foreign),
            occupied=occupied((row.shape, row.held) for row in rows),
        )


def _read_allocatable(node: Node) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for resource, text in (node.status.allocatable or {}).items():
        try:
            amount = cpu_millis(text) if resource == "cpu" else memory_bytes(text)
            amounts[resource] = min(amount, _MOST)
        except QuantityError:
            log.warning("node amount was not read", node=node.metadata.name, resource=resource)
    return amounts


def _shape_of(row: _Row) -> NodeShape:
    def free(resource: str) -> int:
        return max(0, row.allocatable.get(resource, 0) - row.requested[resource])

    counted = {found.resource_name for found in row.accelerators}
    others = sorted(row.allocatable.keys() - counted - _PLAIN)
    return NodeShape(
        free_cpu_millis=free("cpu"),
        free_memory_bytes=free("memory"),
        free_pods=max(0, row.allocatable.get("pods", 0) - len(row.pods)),
        accelerators=tuple(
            (found.class_name, found.resource_name, free(found.resource_name))
            for found in row.accelerators
        ),
        taints=row.taints,
        other_resources=tuple((name, free(name)) for name in others if "/" in name),
    )


def _totals(rows: list[_Row]) -> tuple[ClassTotals, ...]:
    found: dict[tuple[str, str], list[tuple[_Row, NodeAccelerators]]] = {}
    for row in rows:
        for part in row.accelerators:
            found.setdefault((part.class_name, part.resource_name), []).append((row, part))
    totals = []
    for (class_name, resource_name), parts in sorted(found.items()):
        free = Counter(max(0, part.count - row.requested[resource_name]) for row, part in parts)
        totals.append(
            ClassTotals(
                class_name=class_name,
                resource_name=resource_name,
                vendor=parts[0][1].vendor,
                memory_gib=parts[0][1].memory_gib,
                nodes=len(parts),
                allocatable=sum(part.count for _, part in parts),
                requested=sum(row.requested[resource_name] for row, _ in parts),
                free_by_node={units: n for units, n in sorted(free.items()) if units},
                node_labels=tuple(sorted({part.selector for _, part in parts if part.selector})),
            )
        )
    return tuple(totals)


def _sum(
    rows: list[_Row], of: Callable[[_Row], Mapping[str, int]], *, pods: bool = False
) -> Amounts:
    return Amounts(
        cpu_millis=sum(of(row).get("cpu", 0) for row in rows),
        memory_bytes=sum(of(row).get("memory", 0) for row in rows),
        pods=sum(len(row.pods) if pods else of(row).get("pods", 0) for row in rows),
        accelerators=sum(
            of(row).get(part.resource_name, 0) for row in rows for part in row.accelerators
        ),
    )
