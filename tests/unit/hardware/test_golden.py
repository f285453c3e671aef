"""One neutral template at a site of each maker: exactly what its pods look like there.

The files in `golden/` were read and agreed with once; a difference is a change of what sites get.
`python -m tests.unit.hardware.test_golden` writes them anew, for reading again.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.unit.sites.test_devices import gpus, inventory, resource_slice

from tradewind.api.workload import Variant
from tradewind.hardware.catalog import builtin_catalog
from tradewind.hardware.runtimes import runtime_class_for
from tradewind.hardware.site import SiteHardware
from tradewind.hardware.translate import draw_to_nodes, translate
from tradewind.sites.inventory import Inventory
from tradewind.sites.slim import Node

FOLDER = Path(__file__).parent / "golden"
TEMPLATE = {
    "metadata": {"labels": {"app": "train"}},
    "spec": {
        "restartPolicy": "Never",
        "nodeSelector": {"pool": "gpu"},
        "containers": [
            {
                "name": "main",
                "image": "registry.example/train:cuda",
                "env": [{"name": "BACKEND", "value": "nccl"}],
                "resources": {"limits": {"cpu": "8", "tradewind.dev/accelerator": "4"}},
            }
        ],
    },
}
VARIANTS = [
    Variant.model_validate(
        {
            "when": {"vendor": vendor},
            "containers": [
                {"name": "main", "image": f"registry.example/train:{toolkit}",
                 "env": [{"name": "BACKEND", "value": backend}],
                 "volumeMounts": [{"name": "cache", "mountPath": f"/var/cache/{toolkit}"}]}
            ],
            "volumes": [{"name": "cache", "emptyDir": {}}],
        }
    )
    for vendor, toolkit, backend in (("amd", "rocm", "rccl"), ("huawei", "cann", "hccl"),
                                     ("google", "xla", "xla"), ("aws", "neuron", "neuron"))
]  # fmt: skip
RUNTIMES = {"nvidia", "habana", "ascend"}
P = "accelerator.tradewind.dev"

#: Maker: labels of a node, the resource that it offers.
NODES: dict[str, tuple[dict[str, str], str]] = {
    "nvidia": ({"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}, "nvidia.com/gpu"),
    "nvidia-labelled": (
        {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", f"{P}/class": "nvidia-h100-sxm",
         f"{P}/sharing": "none"},
        "nvidia.com/gpu",
    ),
    "nvidia-mig": (
        {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", f"{P}/class": "nvidia-h100-sxm",
         f"{P}/sharing": "mig", f"{P}/partition": "mig-1g.10gb"},
        "nvidia.com/mig-1g.10gb",
    ),
    "nvidia-shared": (
        {"nvidia.com/gpu.product": "NVIDIA-L4-SHARED", "nvidia.com/gpu.replicas": "4",
         "nvidia.com/gpu.sharing-strategy": "time-slicing"},
        "nvidia.com/gpu",
    ),
    "amd": ({"amd.com/gpu.device-id": "74a1"}, "amd.com/gpu"),
    "amd-partitioned": ({"amd.com/gpu.device-id": "74a1"}, "amd.com/cpx_nps4"),
    "intel-gaudi": (
        {"feature.node.kubernetes.io/pci-1200_1da3_1062.present": "true"}, "habana.ai/gaudi",
    ),
    "intel-gpu": ({"gpu.intel.com/product": "Max_1550"}, "gpu.intel.com/i915"),
    "huawei": ({"node.kubernetes.io/npu.chip.name": "910B3"}, "huawei.com/Ascend910"),
    "cambricon": ({"Model": "MLU370-X8"}, "cambricon.com/mlu370"),
    "hygon": ({"hygon.com/dcu": "true"}, "hygon.com/dcu"),
    "mthreads": ({}, "mthreads.com/gpu"),
    "google": (
        {"cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice"}, "google.com/tpu",
    ),
    "aws": ({"node.kubernetes.io/instance-type": "trn2.48xlarge"}, "aws.amazon.com/neuron"),
}  # fmt: skip
CASES = (*NODES, "nvidia-dra")


def hardware_of(case: str) -> SiteHardware:
    """How a site with one such node serves its class."""
    labels, resource = NODES.get(case, ({}, ""))
    seen = inventory() if case == "nvidia-dra" else Inventory(builtin_catalog, hub_id="h")
    seen.on_node(
        None,
        msgspec.convert(
            {
                "metadata": {"name": "n", "uid": "n", "labels": labels},
                "status": {
                    "allocatable": {resource: "8"} if resource else {},
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            },
            Node,
        ),
    )
    if case == "nvidia-dra":
        seen.on_slice(None, resource_slice("n", *gpus(8)))
    (found,) = seen.view().classes
    (way,) = seen.served(found.class_name)
    return way


def translated(case: str) -> dict[str, Any]:
    """The pods, and the specs of the claims that they name."""
    way = hardware_of(case)
    runtime = runtime_class_for(way.resource_name, RUNTIMES)
    way = SiteHardware(
        way.class_name, way.vendor, way.resource_name, way.node_labels,
        way.device_class, way.device_selectors, runtime,
    )  # fmt: skip
    made = translate(TEMPLATE, way, VARIANTS, claim_name=lambda _: "train-0123456789")
    draw_to_nodes(made.template, way)
    result = {"class": way.class_name, "pods": made.template}
    if made.claims:
        result["claims"] = {need.template_name: dict(need.spec) for need in made.claims}
    return result


@pytest.mark.parametrize("case", CASES)
def test_a_neutral_template_becomes_exactly_this(case: str) -> None:
    before = deepcopy(TEMPLATE)
    want = yaml.safe_load((FOLDER / f"{case}.yaml").read_text(encoding="utf-8"))
    assert translated(case) == want
    assert before == TEMPLATE


def test_there_is_a_case_for_each_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(CASES)


if __name__ == "__main__":
    for name in CASES:
        text = yaml.safe_dump(translated(name), sort_keys=False, width=100)
        (FOLDER / f"{name}.yaml").write_text(text, encoding="utf-8")
