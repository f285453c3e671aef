"""Workloads and placements for tests of dispatch."""

from typing import Any

from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.api.workload import AIWorkload, ObjectReference, Placement, PlacementPhase
from tradewind.hardware.site import SiteHardware

UID = "uid-train"
SITE = "ulanqab"
JOB_PATH = "/apis/batch/v1/namespaces/research/jobs/train"
DEPLOYMENT_PATH = "/apis/apps/v1/namespaces/research/deployments/train"
H100 = SiteHardware(
    "nvidia-h100-sxm",
    "nvidia",
    "nvidia.com/gpu",
    ((("nvidia.com/gpu.product", "NVIDIA-H100-80GB-HBM3"),),),
)


def pods(chips: int = 0, image: str = "registry.example/train:1") -> dict[str, Any]:
    container: dict[str, Any] = {"name": "main", "image": image}
    if chips:
        container["resources"] = {"limits": {NEUTRAL_ACCELERATOR: str(chips)}}
    return {"spec": {"containers": [container], "restartPolicy": "Never"}}


def job(**kwargs: Any) -> dict[str, Any]:
    spec = {"parallelism": 2, "completions": 2, "template": pods(**kwargs)}
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}


def deployment(**kwargs: Any) -> dict[str, Any]:
    labels = {"app": "train"}
    template = pods(**kwargs) | {"metadata": {"labels": labels}}
    template["spec"]["restartPolicy"] = "Always"
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}


def workload(template: dict[str, Any] | None = None, **spec: Any) -> AIWorkload:
    return AIWorkload.model_validate(
        {
            "metadata": {"name": "train", "namespace": "research", "uid": UID, "generation": 1},
            "spec": {"template": template or job(), **spec},
        }
    )


def placement(epoch: int = 1, *, created: bool = False, **changes: Any) -> Placement:
    """A placement; `created`: its object was seen once."""
    ref = ObjectReference(
        api_version="batch/v1", kind="Job", namespace="research", name="train", uid="was-there"
    )
    return Placement(
        site=SITE,
        epoch=epoch,
        replicas=2,
        phase=PlacementPhase.DISPATCHED if created else PlacementPhase.ASSIGNED,
        object=ref if created else None,
        **changes,
    )
