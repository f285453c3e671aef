"""What do a node's labels say of its accelerators, and how far is each to be trusted? Pure.

A rule's number is the order in which rules are asked: the operator's own word, then the maker's
labeller, then a cloud, the instance type, the resource's name, and PCI ids as the last resort.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tradewind.hardware.catalog import Catalog, HardwareClass
from tradewind.hardware.clean import AMD_PRODUCT, NVIDIA_PRODUCT
from tradewind.hardware.hami import PRODUCT_KEYS, Register
from tradewind.hardware.instances import INSTANCE_TYPE, class_of_instance
from tradewind.hardware.resources import Unit

ASCEND_CHIP: Final = "node.kubernetes.io/npu.chip.name"
ASCEND_TYPE: Final = "accelerator-type"
ASCEND_MEMORY: Final = "mind-cluster/npu-chip-memory"
AMD_DEVICE: Final = "amd.com/gpu.device-id"
AMD_MEMORY: Final = "amd.com/gpu.vram"
NVIDIA_MEMORY: Final = "nvidia.com/gpu.memory"
KARPENTER_GPU: Final = "karpenter.k8s.aws/instance-gpu-name"
KARPENTER_MEMORY: Final = "karpenter.k8s.aws/instance-gpu-memory"

#: The operator's own word about a node; r1 is that of an AcceleratorClass's own labels.
OVERRIDE_RULE: Final = "r0"
OWN_RULE: Final = "r1"
INSTANCE_RULE: Final = "r8"
HAMI_RULE: Final = "r6"
NAME_RULE: Final = "r9"
VENDOR_RULE: Final = "r10"

_RULES: Final = {
    NVIDIA_PRODUCT: "r2",
    AMD_DEVICE: "r3",
    AMD_PRODUCT: "r3",
    ASCEND_CHIP: "r4",
    ASCEND_TYPE: "r4",
    "gpu.intel.com/product": "r5",
    "Model": "r5",
    "rebellions.ai/npu.product": "r5",
    "cloud.google.com/gke-accelerator": "r7",
    "cloud.google.com/gke-tpu-accelerator": "r7",
    "tpu.google.com/accelerator": "r7",
    KARPENTER_GPU: "r7",
    "karpenter.k8s.aws/instance-accelerator-name": "r7",
}
_PCI_RULE: Final = "r11"
_PCI: Final = "feature.node.kubernetes.io/pci-"

#: Keys that an AMD labeller writes once for each value, where a node's chips differ.
_AMD_EACH: Final = tuple(f"{prefix}{AMD_DEVICE}." for prefix in ("", "beta."))

#: Labels that name a product without being any class's: what a message about an unknown one quotes.
TELLING: Final[Mapping[str, tuple[str, ...]]] = {
    "nvidia": (NVIDIA_PRODUCT, "cloud.google.com/gke-accelerator", KARPENTER_GPU),
    "amd": (AMD_DEVICE, AMD_PRODUCT),
    "intel": ("gpu.intel.com/product",),
    "huawei": (ASCEND_CHIP, "accelerator"),
    "cambricon": ("Model",),
    "google": ("cloud.google.com/gke-tpu-accelerator", "tpu.google.com/accelerator"),
    "aws": ("karpenter.k8s.aws/instance-accelerator-name",),
    "rebellions": ("rebellions.ai/npu.product",),
}

_GIB: Final = re.compile(r"(\d+)\s*Gi?B?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that tells the product.

    Attributes:
        rule: its number.
        key: of the node's label; empty when it is no label.
        value: as it stands on the node.
        classes: the products that it may mean.
    """

    rule: str
    key: str
    value: str
    classes: tuple[HardwareClass, ...]

    @property
    def words(self) -> str:
        """What tells it, for people."""
        if self.key:
            return f"{self.key}={self.value}"
        where = "HAMi's annotation" if self.rule == HAMI_RULE else "the resource's name"
        return f"{where} ({self.value})"

    @property
    def selector(self) -> tuple[tuple[str, str], ...]:
        """The label, for an affinity; empty when it is none."""
        return ((self.key, self.value),) if self.key else ()


def rule_of(key: str) -> str:
    """The number of the rule that a label belongs to."""
    if key.startswith(_PCI):
        return _PCI_RULE
    return _RULES.get(key, OWN_RULE)


def evidence_for(
    unit: Unit,
    resource_name: str,
    labels: Mapping[str, str],
    catalog: Catalog,
    register: Register | None = None,
) -> list[Evidence]:
    """All that tells the product behind a resource, the most trusted first.

    Args:
        unit: what the resource counts.
        resource_name: its name.
        labels: the node's.
        catalog: the products.
        register: the maker's cards, where HAMi shares them out.
    """
    names = {unit.whole, resource_name}
    found = []
    for rule, key, value, classes in _all(unit, labels, catalog, register):
        mine = tuple(
            made
            for made in classes
            if made.vendor == unit.vendor and not names.isdisjoint(made.resource_names)
        )
        if mine:
            found.append(Evidence(rule, key, value, mine))
    found.sort(key=lambda item: (int(item.rule[1:]), item.key))
    return found


def _all(
    unit: Unit, labels: Mapping[str, str], catalog: Catalog, register: Register | None
) -> Iterator[tuple[str, str, str, tuple[HardwareClass, ...]]]:
    for key in catalog.match_keys:
        value = labels.get(key)
        if value is not None:
            told = _ascend_chip(value, labels) if key == ASCEND_CHIP else value
            yield rule_of(key), key, value, catalog.matching(key, told)
    if unit.vendor == "amd" and AMD_DEVICE not in labels:
        for key in amd_device_keys(labels):
            device_id = key.rpartition(".")[2]
            yield "r3", key, labels[key], catalog.matching(AMD_DEVICE, device_id)
    for text in register.types if register is not None else ():
        yield HAMI_RULE, "", text, catalog.matching(PRODUCT_KEYS[unit.vendor], text)
    instance = labels.get(INSTANCE_TYPE, "")
    by_type = catalog.get(class_of_instance(instance)) if instance else None
    if by_type is not None:
        yield INSTANCE_RULE, INSTANCE_TYPE, instance, (by_type,)
    if unit.model:
        named = catalog.get(f"huawei-ascend-{unit.model.lower()}")
        classes = (named,) if named is not None else catalog.matching(ASCEND_CHIP, unit.model)
        yield NAME_RULE, "", unit.model, classes


def _ascend_chip(value: str, labels: Mapping[str, str]) -> str:
    """The chip's name; a 910B4 of 64 GiB calls itself like the one of 32."""
    reported = memory_gib("huawei", labels)
    return "910B4-1" if value == "910B4" and reported and reported > 48 else value  # noqa: PLR2004


def amd_device_keys(labels: Mapping[str, str]) -> list[str]:
    """The labels that name an AMD device each; one for each sort where a node has several."""
    return sorted(key for key in labels if key.startswith(_AMD_EACH))


def memory_gib(vendor: str, labels: Mapping[str, str]) -> float | None:
    """Memory of one whole device as a label reports it, GiB; None when none does.

    >>> memory_gib("nvidia", {"nvidia.com/gpu.memory": "81559"})
    79.6474609375
    >>> memory_gib("amd", {"amd.com/gpu.vram": "192G"})
    192.0
    """
    if vendor == "nvidia":
        for key in (NVIDIA_MEMORY, KARPENTER_MEMORY):
            text = labels.get(key, "")
            if text.isdecimal() and len(text) < 12 and int(text) > 0:  # noqa: PLR2004 - MiB
                return int(text) / 1024
        return None
    text = labels.get({"amd": AMD_MEMORY, "huawei": ASCEND_MEMORY}.get(vendor, ""), "")
    match = _GIB.fullmatch(text)
    return float(match[1]) if match and len(match[1]) < 12 and int(match[1]) > 0 else None  # noqa: PLR2004
