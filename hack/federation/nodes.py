"""Nodes that look like real ones: each maker's own labels and resource names.

Label values are those that the makers' own labellers write (docs/hardware.md); the count of chips
in a label is that of the node.
"""

from typing import Any, Final

from federation.processes import FederationError
from federation.spec import Member, NodeGroup

_NVIDIA: Final = {
    "nvidia.com/gpu.present": "true",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.replicas": "1",
    "nvidia.com/gpu.sharing-strategy": "none",
    "nvidia.com/mig.capable": "true",
}


def _nvidia(product: str, family: str, mib: int) -> dict[str, str]:
    return _NVIDIA | {
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.family": family,
        "nvidia.com/gpu.memory": str(mib),
    }


#: Node templates by name: labels and resources of a usual server with these chips.
TEMPLATES: Final[dict[str, NodeGroup]] = {
    "nvidia-h100": NodeGroup(
        cpu="192",
        memory="2Ti",
        labels=_nvidia("NVIDIA-H100-80GB-HBM3", "hopper", 81559),
        resources={"nvidia.com/gpu": 8},
    ),
    "nvidia-a100": NodeGroup(
        cpu="128",
        memory="1Ti",
        labels=_nvidia("NVIDIA-A100-SXM4-80GB", "ampere", 81920),
        resources={"nvidia.com/gpu": 8},
    ),
    "nvidia-l4": NodeGroup(
        cpu="96",
        memory="384Gi",
        labels=_nvidia("NVIDIA-L4", "ada-lovelace", 23034)
        | {"nvidia.com/gpu.count": "4", "nvidia.com/mig.capable": "false"},
        resources={"nvidia.com/gpu": 4},
    ),
    "amd-mi300x": NodeGroup(
        cpu="192",
        memory="2Ti",
        labels={
            "amd.com/gpu.device-id": "74a1",
            "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
            "amd.com/gpu.vram": "192G",
            "amd.com/gpu.family": "AI",
            "amd.com/gpu.cu-count": "304",
        },
        resources={"amd.com/gpu": 8},
    ),
    "huawei-ascend-910b": NodeGroup(
        cpu="192",
        memory="1536Gi",
        labels={
            "node.kubernetes.io/npu.chip.name": "910B3",
            "accelerator": "huawei-Ascend910",
            "accelerator-type": "module-910b-8",
            "servertype": "Ascend910-20",
            "host-arch": "huawei-arm",
            "kubernetes.io/arch": "arm64",
        },
        resources={"huawei.com/Ascend910": 8},
    ),
    "google-tpu-v5e": NodeGroup(
        cpu="112",
        memory="192Gi",
        labels={
            "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
            "cloud.google.com/gke-tpu-topology": "2x4",
            "cloud.google.com/gke-accelerator-count": "8",
        },
        resources={"google.com/tpu": 8},
    ),
    "cpu": NodeGroup(cpu="64", memory="256Gi"),
}


def node_objects(member: Member) -> list[dict[str, Any]]:
    """The Node objects of a member; KWOK plays them if the member has its controllers."""
    objects = []
    for number, group in enumerate(member.nodes):
        kind = group.template or f"group{number}"
        for index in range(group.count):
            name = f"{member.name}-{kind}-{index:03d}"
            objects.append(_node(name, member, _resolve(group)))
    return objects


def _resolve(group: NodeGroup) -> NodeGroup:
    if not group.template:
        return group
    template = TEMPLATES.get(group.template)
    if template is None:
        raise FederationError(
            f"there is no node template {group.template!r}; there are {', '.join(TEMPLATES)}"
        )
    return template


def _node(name: str, member: Member, group: NodeGroup) -> dict[str, Any]:
    amounts: dict[str, str] = {
        "cpu": group.cpu,
        "memory": group.memory,
        "pods": str(group.pods),
        **{resource: str(count) for resource, count in group.resources.items()},
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": member.region or member.name,
                "type": "kwok",
                **group.labels,
            },
        },
        "status": {"allocatable": amounts, "capacity": amounts},
    }
