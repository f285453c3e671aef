"""What nodes have left, as sites report it and placement reads it."""

from dataclasses import dataclass

from tradewind.api.fields import Taint


@dataclass(frozen=True, slots=True)
class NodeShape:
    """Nodes of a site that have exactly the same left, for pods that ask.

    Attributes:
        free_cpu_millis: allocatable less what bound pods request, on each node.
        free_memory_bytes: likewise.
        free_pods: pods that the kubelet still takes.
        accelerators: (class, resource name, free units), one entry for each resource of the node.
        taints: the nodes' taints; cordoned and unready nodes are in no node shape at all.
        nodes: how many nodes are alike.
        other_resources: further extended resources, such as NICs: (resource name, free units).
    """

    free_cpu_millis: int
    free_memory_bytes: int
    free_pods: int
    accelerators: tuple[tuple[str, str, int], ...] = ()
    taints: tuple[Taint, ...] = ()
    nodes: int = 1
    other_resources: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class HeldPods:
    """What the pods of one Tradewind workload hold on a node, all of them together.

    Attributes:
        uid: of the AIWorkload.
        pods: how many.
        cpu_millis: they request.
        memory_bytes: they request.
        resources: (extended resource, amount) they request, sorted.
    """

    uid: str
    pods: int
    cpu_millis: int
    memory_bytes: int
    resources: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Occupied:
    """Nodes, all alike, on which pods of Tradewind's workloads stand.

    Attributes:
        node: what is left on them, and how many there are; they are among the site's node shapes.
        held: by whom, sorted by uid.
    """

    node: NodeShape
    held: tuple[HeldPods, ...]
