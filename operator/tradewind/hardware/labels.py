"""Which accelerators a node has, told from its vendor's labels and its allocatable resources.

A resource name says whose chip it is, by table and never by pattern on `gpu` alone; the vendor's
labels say which product. What no label tells stays of class `unknown`, with vendor and count: it
can still be asked for by vendor, and an AcceleratorClass object can name it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from tradewind.hardware.catalog import Catalog, HardwareClass

UNKNOWN: Final = "unknown"

#: Vendor by resource name. Names that count the same silicon again (neuroncore), or no capacity at
#: all (monitoring), are left out on purpose.
_VENDORS: Final = (
    (re.compile(r"nvidia\.com/(gpu(\.shared)?|mig-\d+g\.\d+gb(\.shared)?)"), "nvidia"),
    (re.compile(r"amd\.com/(gpu|[a-z]+_nps\d)"), "amd"),
    (re.compile(r"habana\.ai/gaudi|gpu\.intel\.com/(i915|xe)"), "intel"),
    (re.compile(r"google\.com/tpu"), "google"),
    (re.compile(r"aws\.amazon\.com/neuron"), "aws"),
    (re.compile(r"huawei\.com/(npu|Ascend\w+|ascend-(1980|310))"), "huawei"),
    (re.compile(r"cambricon\.com/mlu\d*"), "cambricon"),
    (re.compile(r"hygon\.com/dcu"), "hygon"),
    (re.compile(r"mthreads\.com/gpu"), "mthreads"),
    (re.compile(r"metax-tech\.com/gpu"), "metax"),
    (re.compile(r"iluvatar\.com/gpu"), "iluvatar"),
    (re.compile(r"enflame\.com/gcu"), "enflame"),
    (re.compile(r"kunlunxin\.com/xpu"), "kunlunxin"),
    (re.compile(r"birentech\.com/gpu"), "biren"),
    (re.compile(r"furiosa\.ai/(rngd|npu)"), "furiosa"),
    (re.compile(r"rebellions\.ai/(ATOM|REBEL|npu)"), "rebellions"),
    (re.compile(r"qualcomm\.com/qaic"), "qualcomm"),
)

# GPU Feature Discovery marks shared and partitioned devices in the product's own name.
_SUFFIX = re.compile(r"-(SHARED|MIG-.*)$")
_MIG_MEMORY = re.compile(r"(?:mig-\d+g\.|-MIG-\d+g\.)(\d+)gb")

#: Makers of whom some products differ in nothing but memory in the labels that name them.
_AMBIGUOUS_MEMORY_LABEL: Final = "nvidia.com/gpu.memory"


@dataclass(frozen=True, slots=True)
class NodeAccelerators:
    """Accelerators of one resource on a node.

    Attributes:
        resource_name: by which pods ask for them.
        class_name: of the catalogue, or `unknown`.
        vendor: lower case.
        count: allocatable units.
        memory_gib: of one unit; None when nobody tells.
        selector: node labels that single out nodes of this class; empty when none does.
    """

    resource_name: str
    class_name: str
    vendor: str
    count: int
    memory_gib: float | None
    selector: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=1024)
def vendor_of(resource_name: str) -> str:
    """The maker of what a resource counts; empty if it counts no accelerators."""
    for pattern, vendor in _VENDORS:
        if pattern.fullmatch(resource_name):
            return vendor
    return ""


def identify(
    labels: Mapping[str, str], allocatable: Mapping[str, int], catalog: Catalog
) -> tuple[NodeAccelerators, ...]:
    """The accelerators of a node.

    Args:
        labels: the node's.
        allocatable: units by resource name.
        catalog: the products.

    Returns:
        One entry for each resource that counts accelerators, zero units included, by name.
    """
    found = []
    for resource_name in sorted(allocatable):
        vendor = vendor_of(resource_name) or _vendor_by_class(resource_name, catalog)
        if vendor:
            found.append(_one(resource_name, vendor, allocatable[resource_name], labels, catalog))
    return tuple(found)


def _vendor_by_class(resource_name: str, catalog: Catalog) -> str:
    """A vendor that only an AcceleratorClass object knows."""
    if "/" not in resource_name:
        return ""
    return next((made.vendor for made in catalog if resource_name in made.resource_names), "")


def _one(
    resource_name: str, vendor: str, count: int, labels: Mapping[str, str], catalog: Catalog
) -> NodeAccelerators:
    matches = [
        (made, rule)
        for made in catalog
        if made.vendor == vendor and (rule := _matching_label(made, labels)) is not None
    ]
    if len({made.name for made, _ in matches}) > 1:
        matches = _settle_by_memory(matches, labels)
    memory_gib = _partition_memory(resource_name, labels)
    if not matches:
        return NodeAccelerators(resource_name, UNKNOWN, vendor, count, memory_gib)
    made, (key, value) = matches[0]
    return NodeAccelerators(
        resource_name=resource_name,
        class_name=made.name,
        vendor=vendor,
        count=count,
        memory_gib=memory_gib if memory_gib is not None else made.memory_gib,
        selector=((key, value),),
    )


def _matching_label(made: HardwareClass, labels: Mapping[str, str]) -> tuple[str, str] | None:
    """The label of the node that says it is this product, as it stands on the node."""
    for key, values in made.match:
        value = labels.get(key)
        if value is not None and (not values or _SUFFIX.sub("", value) in values):
            return key, value
    return None


def _settle_by_memory(
    matches: list[tuple[HardwareClass, tuple[str, str]]], labels: Mapping[str, str]
) -> list[tuple[HardwareClass, tuple[str, str]]]:
    """Of products with the same label, the one whose memory the node reports; else none."""
    reported = labels.get(_AMBIGUOUS_MEMORY_LABEL, "")
    if not reported.isdecimal():
        return []
    gib = int(reported) / 1024
    near = [match for match in matches if abs(match[0].memory_gib - gib) <= 0.1 * gib]
    return near if len({made.name for made, _ in near}) == 1 else []


def _partition_memory(resource_name: str, labels: Mapping[str, str]) -> float | None:
    """Memory of a MIG instance, which is what one unit is then."""
    match = _MIG_MEMORY.search(resource_name) or _MIG_MEMORY.search(
        labels.get("nvidia.com/gpu.product", "")
    )
    return float(match[1]) if match else None
