"""What a site's nodes have left: a fold over nodes and bound pods, one node at a time.

A pod event touches its node's row and nothing else. Rows that are alike are counted together as
node shapes, which is what placement needs in order to say whether eight replicas of eight chips
fit. Nodes that are not ready or are cordoned count for nothing; their taints otherwise go along.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from tradewind.api.fields import Taint, cpu_millis, memory_bytes
from tradewind.api.inventory import NodeShape
from tradewind.api.names import LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.base.errors import QuantityError
from tradewind.base.observe import get_logger
from tradewind.hardware.catalog import Catalog
from tradewind.hardware.labels import NO_REGISTERS, NodeAccelerators, identify
from tradewind.hardware.pci import bare_vendors
from tradewind.hardware.site import SiteHardware
from tradewind.hardware.standard import own_labels, selector_for, standard_labels
from tradewind.sites.devices import Devices
from tradewind.sites.occupied import held_by
from tradewind.sites.slim import DeviceClass, Node, Pod, ResourceClaim, ResourceSlice
from tradewind.sites.totals import (
    Amounts,
    BoundPod,
    ClassTotals,
    InventoryView,
    Row,
    served,
    shape_of,
    summed,
)
from tradewind.workloads.requests import pod_requests

__all__ = ["Amounts", "ClassTotals", "Inventory", "InventoryView", "NodeLabels"]

log = get_logger(__name__)

#: What a node may say it has of a resource, in the smallest unit: a pebibyte is beyond any machine.
#: A cycle counts a site's nodes in 64 bits, and one site that lies must not end it for all.
_MOST: Final = 2**50


@dataclass(frozen=True, slots=True)
class NodeLabels:
    """Standard labels of a node.

    Attributes:
        uid: of the node.
        have: those that it bears.
        want: those that it should bear.
    """

    uid: str
    have: dict[str, str]
    want: dict[str, str]


class Inventory:
    """The nodes and pods of one site.

    Args:
        catalog: gives the accelerator classes in force.
        hub_id: pods that bear it are Tradewind's own.
    """

    def __init__(self, catalog: Callable[[], Catalog], *, hub_id: str) -> None:
        self._catalog = catalog
        self._hub_id = hub_id
        self._devices = Devices(catalog, hub_id=hub_id)
        self._rows: dict[str, Row] = {}
        self._where: dict[str, BoundPod] = {}
        self._claims: dict[str, list[BoundPod]] = {}
        self._relabel: set[str] = set()
        self._nodes: dict[str, Node] = {}
        self._shapes: Counter[NodeShape] = Counter()
        self._bound: Counter[str] = Counter()
        self._rebound: set[str] = set()
        self._view: InventoryView | None = None
        self._served: dict[str, tuple[SiteHardware, ...]] | None = None

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
            known = new.metadata.name in self._rows
            self._reread(new.metadata.name)
            if not known:
                self._hold(self._devices.claims_at((new.metadata.name,)))
        elif old is not None:
            self._nodes.pop(old.metadata.name, None)
            row = self._rows[old.metadata.name]
            row.usable = False
            self._served = None
            self._relabel.add(old.metadata.name)
            self._reshape(row)
            if not row.in_use:
                del self._rows[old.metadata.name]

    def on_slice(self, old: ResourceSlice | None, new: ResourceSlice | None) -> None:
        """Take a change of a ResourceSlice."""
        self._redevice(self._devices.on_slice(old, new))

    def on_device_class(self, old: DeviceClass | None, new: DeviceClass | None) -> None:
        """Take a change of a DeviceClass."""
        self._redevice(self._devices.on_class(old, new))

    def on_claim(self, old: ResourceClaim | None, new: ResourceClaim | None) -> None:
        """Take a change of a ResourceClaim."""
        changed = self._devices.on_claim(old, new)
        if changed:
            self._hold(changed)

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
        for name in self._nodes:
            self._reread(name)
        self._hold(self._devices.claims_at(self._nodes))

    def take_relabelled(self) -> set[str]:
        """The nodes that were read since the last call, gone ones too."""
        relabel, self._relabel = self._relabel, set()
        return relabel

    def node_names(self) -> Iterable[str]:
        """The nodes that there are."""
        return tuple(self._nodes)

    def node_labels(self, name: str) -> NodeLabels | None:
        """The standard labels of a node; None if there is no such node."""
        node, row = self._nodes.get(name), self._rows.get(name)
        if node is None or row is None:
            return None
        labels = node.metadata.labels or {}
        want = standard_labels(row.accelerators, labels, self._catalog())
        return NodeLabels(node.metadata.uid, own_labels(labels), want)

    def served(self, class_name: str) -> tuple[SiteHardware, ...]:
        """How the site serves a class, the best way first; empty if it does not.

        Pods do not change it: it costs nothing in a storm of them.
        """
        if self._served is None:
            self._served = served(row for row in self._rows.values() if row.usable)
        return self._served.get(class_name, ())

    @property
    def claims_devices(self) -> bool:
        """Whether some class is served by DRA here."""
        return any(row.devices for row in self._rows.values())

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
        bound = BoundPod(pod.spec.node_name, workload, requests)
        self._where[uid] = bound
        row = self._rows.setdefault(bound.node, Row())
        row.pods[uid] = bound
        row.requested.update(requests)
        if not workload:
            row.foreign.update(requests)
        else:
            self._bound[workload] += 1
            self._rebound.add(workload)
        self._reshape(row)

    def _unbind(self, uid: str, bound: BoundPod) -> None:
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
        if not row.in_use and bound.node not in self._nodes:
            del self._rows[bound.node]

    def _redevice(self, nodes: Iterable[str]) -> None:
        """Read the devices of some nodes again, and who holds them."""
        names = [name for name in nodes if name in self._nodes]
        for name in names:
            self._reread(name)
        self._hold(self._devices.claims_at(names))

    def _hold(self, claim_uids: Iterable[str]) -> None:
        """Book what claims hold."""
        for uid, held in self._devices.held(claim_uids).items():
            for bound in self._claims.pop(uid, ()):
                row = self._rows[bound.node]
                row.claims.pop(uid, None)
                _book(row, bound, -1)
                self._reshape(row)
                if not row.in_use and bound.node not in self._nodes:
                    del self._rows[bound.node]
            for bound in held:
                row = self._rows.setdefault(bound.node, Row())
                row.claims[uid] = bound
                _book(row, bound, 1)
                self._reshape(row)
            if held:
                self._claims[uid] = held

    def _reread(self, name: str) -> None:
        row = self._rows.setdefault(name, Row())
        self._read_node(row, self._nodes[name])
        self._reshape(row)
        self._relabel.add(name)
        self._served = None

    def _read_node(self, row: Row, node: Node) -> None:
        ready = any(c.type == "Ready" and c.status == "True" for c in node.status.conditions or ())
        row.usable = ready and not node.spec.unschedulable
        row.taints = tuple(
            Taint(key=taint.key, value=taint.value, effect=taint.effect)
            for taint in node.spec.taints or ()
            if taint.effect == "NoSchedule" or taint.effect == "NoExecute"  # noqa: PLR1714 - typed
        )
        row.allocatable = _read_allocatable(node)
        labels, annotations = node.metadata.labels or {}, node.metadata.annotations
        offered = identify(
            labels,
            row.allocatable,
            self._catalog(),
            annotations.override if annotations else "",
            annotations.registers() if annotations else NO_REGISTERS,
        )
        # The same silicon twice: where a plugin offers a maker's chips, its DRA devices are those.
        plugged = {part.vendor for part in offered if part.count > 0}
        devices = self._devices.of(node.metadata.name)
        driven = tuple(part for part in devices.parts if part.vendor not in plugged)
        row.accelerators = (*offered, *driven)
        row.selectors = (*(_selector(part, labels) for part in offered), *(() for _ in driven))
        row.devices = devices.selectors
        row.bare = bare_vendors(labels, (part.vendor for part in row.accelerators))

    def _reshape(self, row: Row) -> None:
        self._view = None
        if row.shape is not None:
            self._shapes[row.shape] -= 1
            if not self._shapes[row.shape]:
                del self._shapes[row.shape]
        row.shape = shape_of(row) if row.usable else None
        row.occupants = held_by(
            ((pod.workload, pod.requests) for pod in row.pods.values()),
            ((claim.workload, claim.requests) for claim in row.claims.values()),
        )
        if row.shape is not None:
            self._shapes[row.shape] += 1

    def _freeze(self) -> InventoryView:
        shapes = sorted(self._shapes.items(), key=lambda item: repr(item[0]))
        return summed(self._rows, tuple(replace(shape, nodes=count) for shape, count in shapes))


def _selector(part: NodeAccelerators, labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The labels that single the node out: our own where it bears them, else its maker's."""
    standard = selector_for(part)
    if all(labels.get(key) == value for key, value in standard):
        return standard
    return part.selector


def _book(row: Row, bound: BoundPod, sign: int) -> None:
    for account, amount in bound.requests.items():
        row.requested[account] += sign * amount
        if not bound.workload:
            row.foreign[account] += sign * amount


def _read_allocatable(node: Node) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for resource, text in (node.status.allocatable or {}).items():
        try:
            amount = cpu_millis(text) if resource == "cpu" else memory_bytes(text)
            amounts[resource] = min(amount, _MOST)
        except QuantityError:
            log.warning("node amount was not read", node=node.metadata.name, resource=resource)
    return amounts
