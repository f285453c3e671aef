"""A node's labels in one language for all makers, under `accelerator.tradewind.dev/`.

They speak of one sort of accelerators: of several on a node, that with the most compute. Numbers
are whole, since node affinity compares nothing else. Pure.
"""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from tradewind.api.names import (
    ACCELERATOR_LABEL_PREFIX,
    LABEL_ACCELERATOR_CLASS,
    LABEL_ACCELERATOR_VENDOR,
)
from tradewind.hardware.catalog import Catalog, HardwareClass
from tradewind.hardware.clean import label_value
from tradewind.hardware.labels import UNKNOWN, NodeAccelerators, Recognition
from tradewind.hardware.parts import base_class

_KEY: Final = f"{ACCELERATOR_LABEL_PREFIX}/"
FAMILY: Final = f"{_KEY}family"
PRODUCT: Final = f"{_KEY}product"
MEMORY: Final = f"{_KEY}memory-gib"
COUNT: Final = f"{_KEY}count"
UNITS: Final = f"{_KEY}units"
SHARING: Final = f"{_KEY}sharing"
PARTITION: Final = f"{_KEY}partition"
BF16: Final = f"{_KEY}bf16-tflops"
FP8: Final = f"{_KEY}fp8-tflops"
INTERCONNECT: Final = f"{_KEY}interconnect"
DOMAIN: Final = f"{_KEY}domain"
SOURCE: Final = f"{_KEY}source"
STATE: Final = f"{_KEY}state"

#: Labels that name the group of nodes whose chips are linked with each other.
_DOMAINS: Final = ("nvidia.com/gpu.clique", "huawei.com/topotree.superpodid")

#: What comes behind the name of a generation: memory, form factor, variant.
_VARIANT: Final = re.compile(r"-(sxm|pcie|nvl|oam|\d+gb)\b")
_ASCEND: Final = re.compile(r"(huawei-ascend-\d+b)\d(-\d)?")


def own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of a node's labels that stand under our prefix."""
    return {key: value for key, value in labels.items() if key.startswith(_KEY)}


def standard_labels(
    found: Sequence[NodeAccelerators], labels: Mapping[str, str], catalog: Catalog
) -> dict[str, str]:
    """The labels that a node with these accelerators should have; empty without accelerators.

    Args:
        found: what the node has.
        labels: the node's own, for its link domain.
        catalog: the products.
    """
    if not found:
        return {}
    main = max(found, key=lambda part: _weight(part, catalog))
    profile = main.class_name.partition("/")[2]
    known = catalog.get(main.class_name)
    made = {
        LABEL_ACCELERATOR_VENDOR: main.vendor,
        MEMORY: _whole(main.memory_gib),
        COUNT: _whole(_devices(main)),
        UNITS: str(main.count),
        SHARING: main.way,
        PARTITION: profile,
        SOURCE: main.rule,
        STATE: _state(main, found).value,
        DOMAIN: _domain(labels),
    }
    if known is not None:
        made |= class_labels(known)
    valid = {key: label_value(value) for key, value in made.items()}
    return {key: value for key, value in valid.items() if value}


def class_labels(known: HardwareClass) -> dict[str, str]:
    """The labels that a class or a part of one stands for, on whatever node; empty values too."""
    name = base_class(known.name)
    return {
        LABEL_ACCELERATOR_CLASS: label_value(name),
        LABEL_ACCELERATOR_VENDOR: label_value(known.vendor),
        FAMILY: label_value(family_of(name)),
        PRODUCT: label_value(known.product.partition(",")[0]),
        MEMORY: _whole(known.memory_gib),
        BF16: _whole(known.bf16_tflops),
        FP8: _whole(known.fp8_tflops),
        INTERCONNECT: label_value(known.interconnect),
    }


def selector_for(part: NodeAccelerators) -> tuple[tuple[str, str], ...]:
    """The standard labels that single out nodes with these accelerators."""
    base, _, profile = part.class_name.partition("/")
    if base == UNKNOWN:
        told = ((STATE, part.state.value), (LABEL_ACCELERATOR_VENDOR, part.vendor))
    else:
        told = ((LABEL_ACCELERATOR_CLASS, label_value(base)), (SHARING, part.way))
    return (*told, (PARTITION, label_value(profile))) if profile else told


def family_of(name: str) -> str:
    """The generation that a class belongs to.

    >>> [family_of(name) for name in ("nvidia-a100-sxm-80gb", "huawei-ascend-910b4-1")]
    ['nvidia-a100', 'huawei-ascend-910b']
    """
    ascend = _ASCEND.fullmatch(name)
    if ascend is not None:
        return ascend[1]
    cut = _VARIANT.search(name)
    return name[: cut.start()] if cut else name


def _weight(part: NodeAccelerators, catalog: Catalog) -> tuple[bool, float, int, str]:
    known = catalog.get(part.class_name)
    tflops = (known.bf16_tflops or 0.0) if known else 0.0
    return part.count > 0, tflops * part.count, part.count, part.resource_name


def _devices(part: NodeAccelerators) -> int | None:
    """Physical devices: as the label says, else the units where these are whole chips."""
    if part.devices is not None:
        return part.devices
    return None if "/" in part.class_name or part.state is Recognition.MIXED else part.count


def _state(main: NodeAccelerators, found: Sequence[NodeAccelerators]) -> Recognition:
    classes = {base_class(part.class_name) for part in found if part.count > 0}
    if main.state is Recognition.CLASSIFIED and len(classes) > 1:
        return Recognition.MIXED
    return main.state


def _domain(labels: Mapping[str, str]) -> str:
    name = next((labels[key] for key in _DOMAINS if labels.get(key)), "")
    return hashlib.sha256(name.encode()).hexdigest()[:16] if name else ""


def _whole(figure: float | None) -> str:
    """A figure rounded down; empty where nobody knows, or where nothing would be left."""
    if figure is None or not math.isfinite(figure) or figure < 1:
        return ""
    return str(math.floor(figure))
