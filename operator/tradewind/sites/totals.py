"""A site's nodes, summed up: what placement, status and dispatch read of an inventory."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tradewind.api.fields import Taint
from tradewind.api.inventory import HeldPods, NodeShape, Occupied
from tradewind.hardware.labels import NodeAccelerators
from tradewind.hardware.resources import (
    DEVICE_CLASS_PREFIX,
    device_class_of,
    may_be_an_accelerator,
)
from tradewind.hardware.site import SiteHardware
from tradewind.sites.occupied import ACCOUNT_MARK, occupied

_PLAIN = frozenset({"cpu", "memory", "pods", "ephemeral-storage"})

#: So many nodes are named for each thing that is wrong.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class ClassTotals:
    """One accelerator class at a site.

    Attributes:
        class_name: of the catalogue, a part of one, or `unknown`.
        resource_name: by which pods ask for it; for devices that only DRA serves, the name that
            their DeviceClass implies.
        vendor: lower case.
        memory_gib: of one unit.
        nodes: how many have it.
        allocatable: units.
        requested: units that bound pods ask for.
        free_by_node: number of nodes by their free units; none free is not listed.
    """

    class_name: str
    resource_name: str
    vendor: str
    memory_gib: float | None
    nodes: int
    allocatable: int
    requested: int
    free_by_node: Mapping[int, int]


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
class Doubt:
    """Accelerators whose product is not known, alike on some nodes.

    Attributes:
        part: of one of the nodes.
        nodes: how many nodes.
        examples: names of some of them.
    """

    part: NodeAccelerators
    nodes: int
    examples: tuple[str, ...]


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
        doubts: accelerators whose product is not known.
        without_plugin: nodes with a maker's PCI device and none of its resources, by maker.
        unnamed: nodes with a resource that no class names and that may count accelerators, by name.
    """

    node_shapes: tuple[NodeShape, ...] = ()
    classes: tuple[ClassTotals, ...] = ()
    nodes: int = 0
    allocatable: Amounts = Amounts()
    requested: Amounts = Amounts()
    foreign: Amounts = Amounts()
    occupied: tuple[Occupied, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    without_plugin: tuple[tuple[str, int], ...] = ()
    unnamed: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BoundPod:
    """What a bound pod, or an allocated claim, takes from its node."""

    node: str
    workload: str
    requests: Mapping[str, int]


@dataclass(slots=True)
class Row:
    """One node: what it has, and what its pods ask for.

    Attributes:
        accelerators: what its plugins and drivers offer.
        selectors: label sets, one for each of `accelerators`; empty where no label tells.
        devices: CEL expressions that single out its devices, by class and resource.
        bare: makers whose PCI devices it has without a resource.
        occupants: which of Tradewind's workloads hold what of it.
    """

    usable: bool = False
    taints: tuple[Taint, ...] = ()
    allocatable: dict[str, int] = field(default_factory=dict)
    accelerators: tuple[NodeAccelerators, ...] = ()
    selectors: tuple[tuple[tuple[str, str], ...], ...] = ()
    devices: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    bare: tuple[str, ...] = ()
    pods: dict[str, BoundPod] = field(default_factory=dict)
    claims: dict[str, BoundPod] = field(default_factory=dict)
    requested: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)
    shape: NodeShape | None = None
    occupants: tuple[HeldPods, ...] = ()

    @property
    def in_use(self) -> bool:
        """Whether something still takes from it."""
        return bool(self.pods or self.claims)


def shape_of(row: Row) -> NodeShape:
    """What a node has left."""

    def free(resource: str) -> int:
        return max(0, row.allocatable.get(resource, 0) - row.requested[resource])

    counted = {found.resource_name for found in row.accelerators}
    others = sorted(row.allocatable.keys() - counted - _PLAIN)
    return NodeShape(
        free_cpu_millis=free("cpu"),
        free_memory_bytes=free("memory"),
        free_pods=max(0, row.allocatable.get("pods", 0) - len(row.pods)),
        accelerators=tuple(
            (found.class_name, found.resource_name, _free_of(row, found))
            for found in row.accelerators
        ),
        taints=row.taints,
        other_resources=tuple((name, free(name)) for name in others if "/" in name),
    )


def _free_of(row: Row, part: NodeAccelerators) -> int:
    return max(0, part.count - row.requested[_account(part)])


def _account(part: NodeAccelerators) -> str:
    """Under what name its use is counted: devices of several classes share a DeviceClass."""
    if part.resource_name.startswith(DEVICE_CLASS_PREFIX):
        return device_account(part.class_name, part.resource_name)
    return part.resource_name


def device_account(class_name: str, resource_name: str) -> str:
    """The name under which the use of a node's DRA devices is counted."""
    return f"{resource_name}{ACCOUNT_MARK}{class_name}"


def summed(rows: Mapping[str, Row], shapes: tuple[NodeShape, ...]) -> InventoryView:
    """The view of a site's rows, by node name."""
    usable = {name: row for name, row in rows.items() if row.usable}
    parts = list(usable.values())
    bare = Counter(vendor for row in parts for vendor in row.bare)
    return InventoryView(
        node_shapes=shapes,
        classes=_classes(parts),
        nodes=len(parts),
        allocatable=_sum(parts, lambda row: row.allocatable, lambda _row, part: part.count),
        requested=_sum(
            parts,
            lambda row: row.requested,
            lambda row, part: row.requested[_account(part)],
            pods=True,
        ),
        foreign=_sum(parts, lambda row: row.foreign, lambda row, part: row.foreign[_account(part)]),
        occupied=occupied((row.shape, row.occupants) for row in parts),
        doubts=_doubts(usable),
        without_plugin=tuple(sorted(bare.items())),
        unnamed=tuple(sorted(Counter(name for row in parts for name in _unnamed(row)).items())),
    )


def _unnamed(row: Row) -> set[str]:
    counted = {part.resource_name for part in row.accelerators}
    names = {name for name, amount in row.allocatable.items() if amount > 0} - counted
    return {name for name in names if may_be_an_accelerator(name)}


def _classes(rows: Iterable[Row]) -> tuple[ClassTotals, ...]:
    found: dict[tuple[str, str], list[tuple[Row, NodeAccelerators]]] = {}
    for row in rows:
        for part in row.accelerators:
            found.setdefault((part.class_name, part.resource_name), []).append((row, part))
    totals = []
    for (class_name, resource_name), parts in sorted(found.items()):
        free = Counter(_free_of(row, part) for row, part in parts)
        totals.append(
            ClassTotals(
                class_name=class_name,
                resource_name=resource_name,
                vendor=parts[0][1].vendor,
                memory_gib=parts[0][1].memory_gib,
                nodes=len(parts),
                allocatable=sum(part.count for _, part in parts),
                requested=sum(row.requested[_account(part)] for row, part in parts),
                free_by_node={units: n for units, n in sorted(free.items()) if units},
            )
        )
    return tuple(totals)


def served(rows: Iterable[Row]) -> dict[str, tuple[SiteHardware, ...]]:
    """How each class is served on usable nodes: as translation needs it, the best way first.

    Where a plugin and a driver both serve a class, the plugin's way is the simpler one.
    """
    units: Counter[tuple[str, str]] = Counter()
    vendors: dict[tuple[str, str], str] = {}
    labels: dict[tuple[str, str], set[tuple[tuple[str, str], ...]]] = {}
    devices: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        for part, selector in zip(row.accelerators, row.selectors, strict=True):
            key = (part.class_name, part.resource_name)
            units[key] += part.count
            vendors[key] = part.vendor
            labels.setdefault(key, set()).update({selector} if selector else ())
            devices.setdefault(key, set()).update(row.devices.get(key, ()))
    made: dict[str, list[SiteHardware]] = {}
    for key in sorted(vendors, key=lambda key: (device_class_of(key[1]) != "", -units[key], key)):
        class_name, resource_name = key
        made.setdefault(class_name, []).append(
            SiteHardware(
                class_name,
                vendors[key],
                resource_name,
                tuple(sorted(labels[key])),
                device_class=device_class_of(resource_name),
                device_selectors=tuple(sorted(devices[key])),
            )
        )
    return {class_name: tuple(ways) for class_name, ways in made.items()}


def _doubts(rows: Mapping[str, Row]) -> tuple[Doubt, ...]:
    found: dict[tuple[str, ...], list[tuple[str, NodeAccelerators]]] = {}
    for name in sorted(rows):
        for part in rows[name].accelerators:
            if part.class_name.partition("/")[0] == "unknown":
                key = (part.resource_name, part.state.value, *part.told)
                found.setdefault(key, []).append((name, part))
    return tuple(
        Doubt(places[0][1], len(places), tuple(name for name, _ in places[:_NAMED]))
        for _, places in sorted(found.items())
    )


def _sum(
    rows: list[Row],
    of: Callable[[Row], Mapping[str, int]],
    units: Callable[[Row, NodeAccelerators], int],
    *,
    pods: bool = False,
) -> Amounts:
    return Amounts(
        cpu_millis=sum(of(row).get("cpu", 0) for row in rows),
        memory_bytes=sum(of(row).get("memory", 0) for row in rows),
        pods=sum(len(row.pods) if pods else of(row).get("pods", 0) for row in rows),
        accelerators=sum(units(row, part) for row in rows for part in row.accelerators),
    )
