"""What a workload asks of a site, in plain numbers: the same for every kind of template."""

from dataclasses import dataclass

from tradewind.api.fields import Toleration


@dataclass(frozen=True, slots=True)
class PodDemand:
    """Equal pods of a workload, and what each of them asks for.

    Attributes:
        count: how many run at once.
        cpu_millis: thousandths of a core.
        memory_bytes: bytes.
        accelerators: units of `tradewind.dev/accelerator`, of whatever class is chosen.
        vendor_resources: extended resources that the template names itself, sorted.
        tolerations: of node taints.
    """

    count: int
    cpu_millis: int
    memory_bytes: int
    accelerators: int = 0
    vendor_resources: tuple[tuple[str, int], ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """All pods of a workload; equal demands are planned as one.

    Attributes:
        kind: `apiVersion/Kind` of the template, such as `batch/v1/Job`.
        pods: one entry for each sort of pod.
    """

    kind: str
    pods: tuple[PodDemand, ...]

    @property
    def replicas(self) -> int:
        """Pods in all."""
        return sum(pod.count for pod in self.pods)
