"""A table for each maker: nodes as their own labellers and plugins describe them.

Label keys and values are those of the makers' sources (docs/hardware.md names them).
"""

from typing import Any

import pytest

from tradewind.hardware.catalog import builtin_catalog
from tradewind.hardware.labels import NodeAccelerators, Recognition, identify

CATALOG = builtin_catalog()
GPU = "nvidia.com/gpu"
Row = tuple[dict[str, str], dict[str, int], list[tuple[str, int, float | None]]]


def gfd(product: str, mib: int, count: int = 8, **more: str) -> dict[str, str]:
    """What GPU Feature Discovery writes; `gpu_x_y` becomes `gpu.x-y`."""
    labels = {
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.memory": str(mib),
        "nvidia.com/gpu.count": str(count),
        "nvidia.com/gpu.replicas": "1",
        "nvidia.com/gpu.sharing-strategy": "none",
        "nvidia.com/gpu.present": "true",
    }
    return labels | {f"nvidia.com/{key}": value for key, value in more.items()}


NVIDIA: dict[str, Row] = {
    "an H100 of a DGX": (
        gfd("NVIDIA-H100-80GB-HBM3", 81559) | {"nvidia.com/gpu.family": "hopper"},
        {GPU: 8},
        [("nvidia-h100-sxm", 8, 80)],
    ),
    "an old driver, without its maker's name": (
        gfd("A100-SXM4-40GB", 39538), {GPU: 8}, [("nvidia-a100-sxm-40gb", 8, 40)],
    ),
    "the CPU's memory in the name is not the GPU's": (
        gfd("NVIDIA-GH200-480GB", 97871, 1), {GPU: 1}, [("nvidia-gh200-96gb", 1, 96)],
    ),
    "a T4 of the Tesla days": (gfd("Tesla-T4", 15360, 4), {GPU: 4}, [("nvidia-t4", 4, 16)]),
    "time slicing, ten-fold": (
        gfd("NVIDIA-L4-SHARED", 23034, 8)
        | {"nvidia.com/gpu.replicas": "10", "nvidia.com/gpu.sharing-strategy": "time-slicing"},
        {GPU: 80},
        [("nvidia-l4/shared-10", 80, 2.4)],
    ),
    "MPS, renamed": (
        gfd("NVIDIA-L4", 23034, 2)
        | {"nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.sharing-strategy": "mps"},
        {"nvidia.com/gpu.shared": 8, GPU: 0},
        [("nvidia-l4/shared-4", 0, 6), ("nvidia-l4/shared-4", 8, 6)],
    ),
    "MIG, single strategy": (
        gfd("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", 9728, 56) | {"nvidia.com/mig.strategy": "single"},
        {GPU: 56},
        [("nvidia-a100-sxm-80gb/mig-1g.10gb", 56, 10)],
    ),
    "MIG, mixed strategy: a pool for each profile": (
        gfd("NVIDIA-A100-SXM4-80GB", 81920, 8)
        | {
            "nvidia.com/mig.strategy": "mixed",
            "nvidia.com/mig-1g.10gb.count": "7",
            "nvidia.com/mig-1g.10gb.memory": "9728",
            "nvidia.com/gpu.replicas": "0",
        },
        {GPU: 6, "nvidia.com/mig-1g.10gb": 7, "nvidia.com/mig-3g.40gb": 2},
        [
            ("nvidia-a100-sxm-80gb", 6, 80),
            ("nvidia-a100-sxm-80gb/mig-1g.10gb", 7, 10),
            ("nvidia-a100-sxm-80gb/mig-3g.40gb", 2, 40),
        ],
    ),
    "MIG instances, shared": (
        gfd("NVIDIA-A100-SXM4-80GB", 81920, 1)
        | {"nvidia.com/mig-1g.10gb.replicas": "2",
           "nvidia.com/mig-1g.10gb.sharing-strategy": "time-slicing"},
        {"nvidia.com/mig-1g.10gb.shared": 14},
        [("nvidia-a100-sxm-80gb/mig-1g.10gb.shared-2", 14, 5)],
    ),
    "an invalid MIG configuration": (
        gfd("NVIDIA-A100-SXM4-80GB-MIG-INVALID", 0, 0), {GPU: 0}, [("unknown", 0, None)],
    ),
    "GPUs of two models: the labels tell of one": (
        gfd("NVIDIA-L4", 23034, 2), {GPU: 6}, [("unknown", 6, 23034 / 1024)],
    ),
    "GKE": (
        {"cloud.google.com/gke-accelerator": "nvidia-h100-mega-80gb",
         "cloud.google.com/gke-accelerator-count": "8"},
        {GPU: 8},
        [("nvidia-h100-sxm", 8, 80)],
    ),
    "EKS with Karpenter: one name, two memories": (
        {"karpenter.k8s.aws/instance-gpu-name": "a100",
         "karpenter.k8s.aws/instance-gpu-memory": "40960"},
        {GPU: 8},
        [("nvidia-a100-sxm-40gb", 8, 40)],
    ),
    "EKS, by the instance's type alone": (
        {"node.kubernetes.io/instance-type": "p5en.48xlarge"}, {GPU: 8},
        [("nvidia-h200-sxm", 8, 141)],
    ),
    "Azure tells the maker only; the type tells the rest": (
        {"kubernetes.azure.com/accelerator": "nvidia",
         "node.kubernetes.io/instance-type": "Standard_ND96isr_H100_v5"},
        {GPU: 8},
        [("nvidia-h100-sxm", 8, 80)],
    ),
    "a product of tomorrow": (gfd("NVIDIA-R100", 294912), {GPU: 8}, [("unknown", 8, 288)]),
}  # fmt: skip

AMD: dict[str, Row] = {
    "by device id": (
        {"amd.com/gpu.device-id": "74a1", "amd.com/gpu.vram": "192G", "amd.com/gpu.family": "AI",
         "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"},
        {"amd.com/gpu": 8},
        [("amd-mi300x", 8, 192)],
    ),
    "by name alone": (
        {"amd.com/gpu.product-name": "Instinct_MI210"}, {"amd.com/gpu": 4}, [("amd-mi210", 4, 64)],
    ),
    "partitions under the mixed strategy": (
        {"amd.com/gpu.device-id": "74a1"},
        {"amd.com/cpx_nps4": 64},
        [("amd-mi300x/cpx-nps4", 64, 24)],
    ),
    "partitions under the single strategy": (
        {"amd.com/gpu.device-id": "74a1", "amd.com/gpu.compute-memory-partition": "cpx_nps1"},
        {"amd.com/gpu": 64},
        [("amd-mi300x/cpx-nps1", 64, 24)],
    ),
    "one partition is the whole chip": (
        {"amd.com/gpu.device-id": "74a1", "amd.com/gpu.compute-memory-partition": "spx_nps1"},
        {"amd.com/gpu": 8},
        [("amd-mi300x", 8, 192)],
    ),
    "the old labeller, one sort": (
        {"beta.amd.com/gpu.device-id.740f": "4", "beta.amd.com/gpu.family.AI": "4"},
        {"amd.com/gpu": 4},
        [("amd-mi210", 4, 64)],
    ),
    "chips of two sorts": (
        {"amd.com/gpu.device-id.740f": "2", "amd.com/gpu.device-id.74a1": "2"},
        {"amd.com/gpu": 4},
        [("unknown", 4, None)],
    ),
}  # fmt: skip

INTEL: dict[str, Row] = {
    "Max 1550": (
        {"intel.feature.node.kubernetes.io/gpu": "true", "gpu.intel.com/product": "Max_1550",
         "gpu.intel.com/family": "Max_Series", "gpu.intel.com/device.count": "4"},
        {"gpu.intel.com/i915": 4, "gpu.intel.com/monitoring": 1},
        [("intel-max-1550", 4, 128)],
    ),
    "the newer driver, shared": (
        {"gpu.intel.com/product": "Max_1550", "gpu.intel.com/device.count": "4"},
        {"gpu.intel.com/xe": 8},
        [("intel-max-1550/shared-2", 8, 64)],
    ),
    "Gaudi 3 by its PCI id": (
        {"intel.feature.node.kubernetes.io/gaudi": "true",
         "feature.node.kubernetes.io/pci-1200_1da3_1062.present": "true"},
        {"habana.ai/gaudi": 8},
        [("intel-gaudi3", 8, 128)],
    ),
    "a Gaudi of which nobody tells": (
        {"intel.feature.node.kubernetes.io/gaudi": "true"},
        {"habana.ai/gaudi": 8},
        [("unknown", 8, None)],
    ),
}  # fmt: skip

ASCEND: dict[str, Row] = {
    "910B3": (
        {"node.kubernetes.io/npu.chip.name": "910B3", "accelerator": "huawei-Ascend910",
         "accelerator-type": "module-910b-8", "servertype": "Ascend910-20"},
        {"huawei.com/Ascend910": 8},
        [("huawei-ascend-910b3", 8, 64)],
    ),
    "910B4 of 32 GiB": (
        {"node.kubernetes.io/npu.chip.name": "910B4"}, {"huawei.com/Ascend910": 8},
        [("huawei-ascend-910b4", 8, 32)],
    ),
    "910B4 of 64 GiB": (
        {"node.kubernetes.io/npu.chip.name": "910B4", "mind-cluster/npu-chip-memory": "64G"},
        {"huawei.com/Ascend910": 8},
        [("huawei-ascend-910b4-1", 8, 64)],
    ),
    "910C: a die is a unit, and only the type tells": (
        {"node.kubernetes.io/npu.chip.name": "Ascend910",
         "accelerator-type": "module-a3-16-super-pod"},
        {"huawei.com/Ascend910": 16},
        [("huawei-ascend-910c", 16, 64)],
    ),
    "Ascend910 without a type may be anything": (
        {"node.kubernetes.io/npu.chip.name": "Ascend910"}, {"huawei.com/Ascend910": 8},
        [("unknown", 8, None)],
    ),
    "310P": (
        {"node.kubernetes.io/npu.chip.name": "310P3", "accelerator": "huawei-Ascend310P"},
        {"huawei.com/Ascend310P": 8},
        [("huawei-ascend-310p", 8, 24)],
    ),
    "static vNPUs": (
        {"node.kubernetes.io/npu.chip.name": "910B3"},
        {"huawei.com/Ascend910": 4, "huawei.com/Ascend910-5c.1cpu.16g": 16},
        [("huawei-ascend-910b3", 4, 64), ("huawei-ascend-910b3/vnpu-5c.1cpu.16g", 16, 16)],
    ),
    "HAMi's name tells the chip; its units are slots": (
        {"ascend": "on"}, {"huawei.com/Ascend910B3": 32},
        [("huawei-ascend-910b3/shared", 32, None)],
    ),
    "950": (
        {"node.kubernetes.io/npu.chip.name": "Ascend950DT"}, {"huawei.com/npu": 8},
        [("huawei-ascend-950dt", 8, 96)],
    ),
    "Huawei Cloud's own name": (
        {"node.kubernetes.io/npu.chip.name": "910B2"}, {"huawei.com/ascend-1980": 8},
        [("huawei-ascend-910b2", 8, 64)],
    ),
}  # fmt: skip

OTHERS: dict[str, Row] = {
    "Cambricon": (
        {"Model": "MLU370-X8"}, {"cambricon.com/mlu": 8}, [("cambricon-mlu370-x8", 8, 48)],
    ),
    "Cambricon with the type in the resource": (
        {"Model": "MLU370-X8"}, {"cambricon.com/mlu370": 8}, [("cambricon-mlu370-x8", 8, 48)],
    ),
    "Cambricon, instances and shares": (
        {"Model": "MLU370-X8", "cambricon.com/real-mlu-counts": "4"},
        {"cambricon.com/mlu370.mim-2m.8gb": 4, "cambricon.com/mlu370.share": 16,
         "cambricon.com/mlu370.smlu.vcore": 400},
        [("cambricon-mlu370-x8/mim-2m.8gb", 4, 8), ("cambricon-mlu370-x8/shared-4", 16, 12)],
    ),
    "`Model` without Cambricon's resource means nothing": (
        {"Model": "MLU370-X8"}, {GPU: 1}, [("unknown", 1, None)],
    ),
    "Hygon tells no model": (
        {"hygon.com/dcu": "true", "dcu": "on"}, {"hygon.com/dcu": 8}, [("unknown", 8, None)],
    ),
    "HAMi's slots of other makers are shares": (
        {}, {"hygon.com/dcunum": 32, "hygon.com/dcumem": 262144, "mthreads.com/vgpu": 16},
        [("unknown/shared", 32, None), ("unknown/shared", 16, None)],
    ),
    "Cambricon's under HAMi": (
        {"Model": "MLU370-X8"}, {"cambricon.com/vmlu": 40},
        [("cambricon-mlu370-x8/shared", 40, None)],
    ),
    "Volcano's shares of NVIDIA": (
        gfd("NVIDIA-L4", 23034, 2), {"volcano.sh/vgpu-number": 20, "volcano.sh/vgpu-memory": 46068},
        [("nvidia-l4/shared-10", 20, 2.4)],
    ),
    "TPU v5e on GKE": (
        {"cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
         "cloud.google.com/gke-tpu-topology": "2x4"},
        {"google.com/tpu": 8},
        [("google-tpu-v5e", 8, 16)],
    ),
    "TPU v7": (
        {"cloud.google.com/gke-tpu-accelerator": "tpu7x"}, {"google.com/tpu": 4},
        [("google-tpu-v7", 4, 192)],
    ),
    "TPU by its vendor-neutral label": (
        {"tpu.google.com/accelerator": "tpu-v6e-slice"}, {"google.com/tpu": 4},
        [("google-tpu-v6e", 4, 32)],
    ),
    "Neuron on EKS: one chip under three names": (
        {"node.kubernetes.io/instance-type": "trn2.48xlarge",
         "karpenter.k8s.aws/instance-accelerator-name": "trainium2"},
        {"aws.amazon.com/neuron": 16, "aws.amazon.com/neuroncore": 128,
         "aws.amazon.com/neurondevice": 16},
        [("aws-trainium2", 16, 96)],
    ),
    "Neuron by the instance's type": (
        {"node.kubernetes.io/instance-type": "inf2.48xlarge"}, {"aws.amazon.com/neuron": 12},
        [("aws-inferentia2", 12, 32)],
    ),
    "two makers on one node": (
        gfd("NVIDIA-L4", 23034, 2) | {"amd.com/gpu.device-id": "740f"},
        {GPU: 2, "amd.com/gpu": 4},
        [("amd-mi210", 4, 64), ("nvidia-l4", 2, 24)],
    ),
    "two sorts of one maker on one node": (
        {"gpu.intel.com/product": "Max_1550",
         "feature.node.kubernetes.io/pci-1200_1da3_1020.present": "true"},
        {"habana.ai/gaudi": 2, "gpu.intel.com/i915": 1},
        [("intel-max-1550", 1, 128), ("intel-gaudi2", 2, 96)],
    ),
}  # fmt: skip

CASES = {
    f"{vendor}: {name}": row
    for vendor, rows in (("nvidia", NVIDIA), ("amd", AMD), ("intel", INTEL), ("ascend", ASCEND),
                         ("others", OTHERS))
    for name, row in rows.items()
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_node_is_what_its_maker_says(name: str) -> None:
    labels, allocatable, want = CASES[name]
    found = identify(labels, allocatable, CATALOG)
    assert [(part.class_name, part.count, part.memory_gib) for part in found] == want
    for part in found:
        assert dict(part.selector).items() <= labels.items()


def one(labels: dict[str, str], resource: str = GPU, **more: Any) -> NodeAccelerators:
    (found,) = identify(labels, {resource: 8}, CATALOG, **more)
    return found


def test_contradicting_labels_leave_the_class_open_and_say_why() -> None:
    labels = gfd("NVIDIA-H100-80GB-HBM3", 81559) | {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    found = one(labels)
    assert (found.class_name, found.state) == ("unknown", Recognition.CONFLICT)
    assert found.message == (
        "nvidia.com/gpu.product=NVIDIA-H100-80GB-HBM3 tells nvidia-h100-sxm, but "
        "cloud.google.com/gke-accelerator=nvidia-l4 tells nvidia-l4"
    )


def test_a_memory_that_the_product_does_not_have_is_a_conflict() -> None:
    found = one(gfd("NVIDIA-H100-80GB-HBM3", 40960))
    assert found.state is Recognition.CONFLICT
    assert "80 GiB and a memory of 40.0 GiB" in found.message


def test_the_operators_own_word_about_a_node_wins() -> None:
    labels = gfd("NVIDIA-H100-80GB-HBM3", 81559) | {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    found = one(labels, override="nvidia-h100-sxm")
    assert (found.class_name, found.rule) == ("nvidia-h100-sxm", "r0")
    assert one(labels, override="amd-mi300x").class_name == "unknown"
    assert one(labels, override="no-such-class").class_name == "unknown"


def test_the_most_trusted_label_is_named_as_the_source() -> None:
    labels = gfd("NVIDIA-H100-80GB-HBM3", 81559) | {
        "node.kubernetes.io/instance-type": "p5.48xlarge"
    }
    assert one(labels).rule == "r2"
    assert one({"node.kubernetes.io/instance-type": "p5.48xlarge"}).rule == "r8"


def test_an_unknown_product_is_told_with_its_label() -> None:
    found = one(gfd("NVIDIA-R100", 294912))
    assert (found.state, found.vendor) == (Recognition.UNCLASSIFIED, "nvidia")
    assert found.told == ("nvidia.com/gpu.product", "NVIDIA-R100")
