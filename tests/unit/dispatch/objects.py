"""AIWorkloads and placements in a line each, as the hub's API shows them."""

from typing import Any

from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.api.workload import AIWorkload, ObjectReference, Placement, PlacementPhase
from tradewind.hardware.site import SiteHardware

SITE = "ulanqab"
ASCEND_NODES = (
    (("accelerator/huawei-npu", "ascend-910b"),),
    (("node.kubernetes.io/npu.chip.name", "910B1"),),
)
ASCEND = SiteHardware(
    "huawei-ascend-910b1", "huawei", "huawei.com/Ascend910", node_labels=ASCEND_NODES
)
H100 = SiteHardware("nvidia-h100-sxm", "nvidia", "nvidia.com/gpu")


def pods(*, chips: int = 0, cpu: str = "1", **spec: Any) -> dict[str, Any]:
    """A pod template of one container, `main`, that asks for chips by the neutral name."""
    requests: dict[str, Any] = {"cpu": cpu}
    if chips:
        requests[NEUTRAL_ACCELERATOR] = str(chips)
    container = {"name": "main", "image": "train:1", "resources": {"requests": requests}}
    return {"spec": {"restartPolicy": "Never", "containers": [container], **spec}}


def job(*, parallelism: int = 1, **kwargs: Any) -> dict[str, Any]:
    """A Job; see `pods`."""
    spec = {"parallelism": parallelism, "completions": parallelism, "template": pods(**kwargs)}
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": spec}


def deployment(*, replicas: int = 1, **kwargs: Any) -> dict[str, Any]:
    """A Deployment; see `pods`."""
    template = pods(restartPolicy="Always", **kwargs)
    template["metadata"] = {"labels": {"app": "serve"}}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "serve"}},
        "template": template,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}


def raw_workload(
    name: str = "train",
    template: dict[str, Any] | None = None,
    *,
    version: int = 1,
    generation: int = 1,
    status: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """An AIWorkload as a watch brings it; further fields of spec in camelCase."""
    return {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "AIWorkload",
        "metadata": {
            "name": name,
            "namespace": "research",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "generation": generation,
            "creationTimestamp": "2026-11-24T07:59:00Z",
            **(metadata or {}),
        },
        "spec": {"template": template or job(), **spec},
        **({"status": status} if status is not None else {}),
    }


def aiworkload(
    name: str = "train", template: dict[str, Any] | None = None, **kwargs: Any
) -> AIWorkload:
    """The same, read."""
    return AIWorkload.model_validate(raw_workload(name, template, **kwargs))


def placement(
    site: str = SITE,
    *,
    epoch: int = 1,
    phase: PlacementPhase = PlacementPhase.ASSIGNED,
    class_name: str | None = None,
    replicas: int = 1,
    object_uid: str = "",
) -> Placement:
    """A part of a workload at a site; with an object once its uid is given."""
    made = ObjectReference(
        api_version="batch/v1", kind="Job", namespace="research", name="train", uid=object_uid
    )
    return Placement(
        site=site,
        epoch=epoch,
        replicas=replicas,
        accelerator_class=class_name,
        phase=phase,
        object=made if object_uid else None,
    )
