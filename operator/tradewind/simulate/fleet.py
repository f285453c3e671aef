"""What do the simulated sites have free, and on which node does a pod stand?

The part of the members' own schedulers: Tradewind chooses a site, and here its pods are bound to
nodes, each to the node that fits it most closely. A site never has more bound than it has.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tradewind.api.fields import cpu_millis, memory_bytes
from tradewind.api.inventory import NodeShape
from tradewind.base.errors import InputFileError
from tradewind.hardware.catalog import Catalog
from tradewind.placement.snapshot import SiteAccelerator
from tradewind.simulate.files import rows_of
from tradewind.simulate.jobs import Job
from tradewind.simulate.scenario import NodeFile, Scenario

_MIB = 2**20
#: Of a kubelet as it comes; a node of "unlimited" size has a kubelet like that too.
_PODS = 110
_PODS_OF_ONE_NODE = 10**9


@dataclass(slots=True)
class Node:
    """One node, and what it has free. A node has accelerators of one class at most."""

    cpu_millis: int
    memory_bytes: int
    pods: int
    class_name: str = ""
    units: int = 0

    def fits(self, job: Job, class_name: str) -> bool:
        """Whether a pod of the job fits."""
        return (
            self.cpu_millis >= job.cpu_millis
            and self.memory_bytes >= job.memory_bytes
            and self.pods > 0
            and (not job.units or (self.class_name == class_name and self.units >= job.units))
        )

    def take(self, job: Job, sign: int) -> None:
        """Bind a pod of the job (1), or free what it had (-1)."""
        self.cpu_millis -= sign * job.cpu_millis
        self.memory_bytes -= sign * job.memory_bytes
        self.pods -= sign
        self.units -= sign * job.units


@dataclass(slots=True)
class SiteNodes:
    """The nodes of one site.

    Attributes:
        nodes: each with what is free.
        total: accelerators by class, free or not.
        cpu_millis: of all nodes, free or not.
        version: grows with each change.
    """

    nodes: list[Node]
    resource: Mapping[str, str]
    total: dict[str, int] = field(default_factory=dict)
    cpu_millis: int = 0
    version: int = 0
    _shapes: tuple[int, tuple[NodeShape, ...]] = (-1, ())

    def __post_init__(self) -> None:
        for node in self.nodes:
            self.cpu_millis += node.cpu_millis
            if node.class_name:
                self.total[node.class_name] = self.total.get(node.class_name, 0) + node.units

    def bind(self, job: Job, class_name: str | None) -> tuple[int, ...] | None:
        """Bind all pods of a job, or none.

        Returns:
            The places of their nodes; None when they do not fit.
        """
        name, bound = class_name or "", list[int]()
        for _ in range(job.pods):
            best, key = -1, (0, 0)
            for place, node in enumerate(self.nodes):
                if node.fits(job, name):
                    # CPU pods stay off accelerator nodes while others have room.
                    rank = (node.units if job.units else len(node.class_name), node.cpu_millis)
                    if best < 0 or rank < key:
                        best, key = place, rank
            if best < 0:
                self.release(job, bound)
                return None
            self.nodes[best].take(job, 1)
            bound.append(best)
        self.version += 1
        return tuple(bound)

    def release(self, job: Job, bound: tuple[int, ...] | list[int]) -> None:
        """Free what a job's pods had."""
        for place in bound:
            self.nodes[place].take(job, -1)
        self.version += 1

    def fits(self, job: Job, class_name: str | None) -> bool:
        """Whether the whole job would fit now."""
        bound = self.bind(job, class_name)
        if bound is None:
            return False
        self.release(job, bound)
        return True

    @property
    def load(self) -> float:
        """Share of the accelerators in use; of the cores where there are none."""
        if units := sum(self.total.values()):
            return 1 - sum(node.units for node in self.nodes) / units
        free = sum(node.cpu_millis for node in self.nodes)
        return 1 - free / self.cpu_millis if self.cpu_millis else 1.0

    @property
    def shapes(self) -> tuple[NodeShape, ...]:
        """Free capacity as placement reads it."""
        if self._shapes[0] != self.version:
            counted = Counter(
                (n.cpu_millis, n.memory_bytes, n.pods, n.class_name, n.units) for n in self.nodes
            )
            made = tuple(
                NodeShape(
                    cpu,
                    memory,
                    pods,
                    ((name, self.resource[name], units),) if name else (),
                    nodes=nodes,
                )
                for (cpu, memory, pods, name, units), nodes in sorted(counted.items())
            )
            self._shapes = (self.version, made)
        return self._shapes[1]

    @property
    def accelerators(self) -> tuple[SiteAccelerator, ...]:
        """The classes that the site has."""
        return tuple(
            SiteAccelerator(name, self.resource[name], allocatable=units)
            for name, units in sorted(self.total.items())
        )


def build_fleet(scenario: Scenario, folder: Path) -> list[SiteNodes]:
    """The sites' nodes, all free, in the order of the scenario's sites.

    Args:
        scenario: whose sites count.
        folder: from which a node list is read.
    """
    catalog = scenario.catalog
    nodes: list[list[Node]] = [[] for _ in scenario.sites]
    for place, site in enumerate(scenario.sites):
        for group in site.nodes:
            nodes[place] += _nodes(group.count, group.cpu, group.memory, group.accelerators)
    if scenario.nodes_from:
        _deal(scenario.nodes_from, folder, nodes)
    resource = {name: _resource(catalog, name) for name in _classes(nodes)}
    return [SiteNodes(own, resource) for own in nodes]


def _nodes(count: int, cpu: str | int, memory: str | int, chips: Mapping[str, int]) -> list[Node]:
    pods = _PODS if count > 1 or chips else _PODS_OF_ONE_NODE
    made = []
    for name, units in chips.items() or {"": 0}.items():
        made += [
            Node(cpu_millis(cpu), memory_bytes(memory), pods, name, units) for _ in range(count)
        ]
    return made


def _deal(source: NodeFile, folder: Path, nodes: list[list[Node]]) -> None:
    """Deal a list of nodes out: of each kind of node the first to the first site, and so on."""
    turn: Counter[tuple[str, ...]] = Counter()
    for row in rows_of(folder / source.file, ("cpu_milli", "memory_mib", "gpu", "model")):
        model = row.text("model")
        if model not in source.models:
            raise row.error(
                "model", f"{model!r} has no class", "name one under `nodesFrom.models` in the sites"
            )
        kind = (model, row.text("gpu"), row.text("cpu_milli"), row.text("memory_mib"))
        nodes[turn[kind] % len(nodes)].append(
            Node(
                int(row.number("cpu_milli")),
                int(row.number("memory_mib") * _MIB),
                _PODS,
                source.models[model],
                int(row.number("gpu")),
            )
        )
        turn[kind] += 1


def _classes(nodes: list[list[Node]]) -> set[str]:
    return {node.class_name for own in nodes for node in own if node.class_name}


def _resource(catalog: Catalog, name: str) -> str:
    found = catalog.get(name)
    if found is None or not found.resource_names:
        raise InputFileError(
            f"the AcceleratorClass {name!r} has no resourceNames",
            hint="say by which resource pods ask for it",
        )
    return found.resource_names[0]
