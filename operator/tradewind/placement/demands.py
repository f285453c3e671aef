"""What does one pod of a shape take from a node, once a class of accelerators is chosen?

A pod asks for chips by the neutral resource, or by a vendor's own resource name, which is taken at
its word. Both become `units` of the row's resource; extended resources that are no accelerators of
the row stay `others`.
"""

from dataclasses import dataclass

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.fields import Taint
from tradewind.hardware.resources import own_taints
from tradewind.placement.snapshot import SiteAccelerator
from tradewind.placement.taints import untolerated


@dataclass(frozen=True, slots=True)
class PodNeed:
    """Equal pods, and what each takes.

    Args:
        count: how many pods.
        cpu_millis: of one pod.
        memory_bytes: of one pod.
        units: accelerators of the row's resource, of one pod.
        others: further extended resources of one pod.
        resource_name: the row's resource; empty without accelerators.
        pod: whose tolerations count.
    """

    count: int
    cpu_millis: int
    memory_bytes: int
    units: int
    others: tuple[tuple[str, int], ...]
    resource_name: str
    pod: PodDemand

    def tolerates(self, taints: tuple[Taint, ...]) -> bool:
        """Whether such a pod may stand on nodes with these taints.

        A taint named like the resource keeps pods away that do not ask for it. Pods that ask for
        chips neutrally are given its toleration when they are rendered, so it does not count;
        a template that names the resource itself brings its own tolerations.
        """
        return self.blocking(taints) is None

    def blocking(self, taints: tuple[Taint, ...]) -> Taint | None:
        """The taint that keeps such a pod away, if any."""
        own = own_taints(self.resource_name) if self.pod.accelerators > 0 else frozenset()
        others = (taint for taint in taints if taint.key not in own)
        return untolerated(others, self.pod.tolerations)


def wants_accelerators(demand: Demand, accelerator_resources: frozenset[str]) -> bool:
    """Whether some pod asks for chips, neutrally or by a resource that some site's chips have."""
    return any(
        pod.accelerators > 0
        or any(name in accelerator_resources for name, _ in pod.vendor_resources)
        for pod in demand.pods
    )


def named_resources(demand: Demand) -> frozenset[str]:
    """The extended resources that the template names itself."""
    return frozenset(name for pod in demand.pods for name, _ in pod.vendor_resources)


def needs_on(demand: Demand, accelerator: SiteAccelerator | None) -> tuple[PodNeed, ...]:
    """What the pods take in a row, the hardest to fit first.

    Args:
        demand: of the shape.
        accelerator: of the row; None: the row without accelerators.
    """
    resource = accelerator.resource_name if accelerator else ""
    needs = []
    for pod in demand.pods:
        if pod.count <= 0:
            continue
        units = pod.accelerators if accelerator else 0
        units += sum(amount for name, amount in pod.vendor_resources if name == resource)
        others = tuple((name, n) for name, n in pod.vendor_resources if name != resource)
        needs.append(
            PodNeed(pod.count, pod.cpu_millis, pod.memory_bytes, units, others, resource, pod)
        )
    return tuple(sorted(needs, key=lambda n: (-n.units, -n.cpu_millis, -n.memory_bytes, n.count)))
