"""How are a node's chips cut or shared, told from its maker's labels? Pure.

A partition or a share is named as in `hardware.parts`. The way in which it is made (`mig`,
`time-slicing`, …) stands in the label `accelerator.tradewind.dev/sharing`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tradewind.hardware.clean import NVIDIA_PRODUCT
from tradewind.hardware.hami import Register
from tradewind.hardware.resources import Unit

NONE: Final = "none"
#: Whole cards, each of which the node offers several times over.
HAMI: Final = "hami"
_STRATEGY: Final = "nvidia.com/gpu.sharing-strategy"
_REPLICAS: Final = "nvidia.com/gpu.replicas"
_AMD_PARTITION: Final = "amd.com/gpu.compute-memory-partition"
_MIG: Final = re.compile(r"-MIG-(\d+g\.\d+gb\S*?)(-SHARED)?$")
_AMD_MODE: Final = re.compile(r"[a-z]+px_nps\d")


@dataclass(frozen=True, slots=True)
class Cut:
    """How units come from chips.

    Attributes:
        profile: name of the part; empty: whole chips.
        way: none, mig, mps, time-slicing, partition, vnpu, hami or share.
        devices: physical devices on the node; None when nothing tells.
        selector: labels that tell this cut from others of the same resource.
        broken: what is wrong with it; empty when nothing is.
    """

    profile: str = ""
    way: str = NONE
    devices: int | None = None
    selector: tuple[tuple[str, str], ...] = ()
    broken: str = ""


def cut_of(
    unit: Unit,
    resource_name: str,
    units: int,
    labels: Mapping[str, str],
    register: Register | None = None,
) -> Cut:
    """How the units of a resource on a node are cut from chips.

    Args:
        unit: what the resource counts, by its name.
        resource_name: its name.
        units: allocatable.
        labels: the node's.
        register: the maker's cards, where HAMi shares them out.
    """
    if register is not None and not unit.part:
        return Cut(way=HAMI, devices=register.cards)
    read = _BY_VENDOR.get(unit.vendor)
    if read is not None:
        return read(unit, resource_name, units, labels)
    if unit.model:
        return Cut("shared", HAMI)
    if unit.part:
        return Cut(unit.part, "vnpu" if unit.vendor == "huawei" else "partition")
    return Cut("shared", HAMI) if unit.shared else Cut()


def number(labels: Mapping[str, str], key: str) -> int | None:
    """A label's whole number; None where there is none above zero."""
    text = labels.get(key, "")
    return int(text) if text.isdecimal() and len(text) < 10 and int(text) else None  # noqa: PLR2004


def _nvidia(unit: Unit, resource_name: str, units: int, labels: Mapping[str, str]) -> Cut:
    product = labels.get(NVIDIA_PRODUCT, "")
    if product.upper().removesuffix("-SHARED").endswith("-MIG-INVALID"):
        return Cut(broken="its MIG configuration is invalid, or mixed under the single strategy")
    single = _MIG.search(product)
    by_name = unit.part.startswith("mig-")
    part = unit.part or (f"mig-{single[1].lower()}" if single else "")
    root = resource_name.removesuffix(".shared") if by_name else "nvidia.com/gpu"
    way = labels.get(f"{root}.sharing-strategy" if by_name else _STRATEGY, "").lower()
    times = number(labels, f"{root}.replicas" if by_name else _REPLICAS)
    devices = None if part else number(labels, "nvidia.com/gpu.count")
    shared = unit.shared or bool(times and times > 1) or way in {"time-slicing", "mps"}
    if not shared and not by_name:
        shared = product.upper().endswith("-SHARED")
    if not shared:
        return Cut(part, "mig" if part else NONE, devices)
    if times is None or times < 2:  # noqa: PLR2004 - one replica is no share
        times = units // devices if devices and units % devices == 0 and units > devices else None
    share = f"shared-{times}" if times else "shared"
    told = (
        () if by_name else ((_STRATEGY, labels.get(_STRATEGY)), (_REPLICAS, labels.get(_REPLICAS)))
    )
    return Cut(
        profile=f"{part}.{share}" if part else share,
        way=way if way in {"time-slicing", "mps"} else "time-slicing",
        devices=devices,
        selector=tuple((key, value) for key, value in told if value is not None),
    )


def _amd(unit: Unit, _name: str, _units: int, labels: Mapping[str, str]) -> Cut:
    if unit.part:
        return Cut(unit.part, "partition")
    mode = labels.get(_AMD_PARTITION, "")
    if not _AMD_MODE.fullmatch(mode.lower()):
        return Cut()
    selector = ((_AMD_PARTITION, mode),)
    if mode.lower().startswith("spx"):
        return Cut(selector=selector)
    return Cut(mode.lower().replace("_", "-"), "partition", selector=selector)


def _intel(_unit: Unit, _name: str, units: int, labels: Mapping[str, str]) -> Cut:
    return _by_count(units, number(labels, "gpu.intel.com/device.count"), "share")


def _cambricon(unit: Unit, _name: str, units: int, labels: Mapping[str, str]) -> Cut:
    if unit.part:
        return Cut(unit.part, "partition")
    if not unit.shared:
        return Cut()
    cut = _by_count(units, number(labels, "cambricon.com/real-mlu-counts"), "share")
    return cut if cut.profile else Cut("shared", "share")


def _by_count(units: int, devices: int | None, way: str) -> Cut:
    """Shares where the node offers a multiple of the devices that a label counts."""
    if devices is None or units <= devices or units % devices:
        return Cut(devices=devices)
    return Cut(f"shared-{units // devices}", way, devices)


_BY_VENDOR: Final[Mapping[str, Callable[[Unit, str, int, Mapping[str, str]], Cut]]] = {
    "nvidia": _nvidia,
    "amd": _amd,
    "intel": _intel,
    "cambricon": _cambricon,
}
