"""Which accelerator is a device that a DRA driver announces, and how is it asked for? Pure.

A driver tells of each device by attributes and capacities. They are put into the words of the
maker's node labels, so that one set of rules serves both. What a driver is not known for can still
be named: an AcceleratorClass may match `DRIVER/ATTRIBUTE`.

Drivers, classes and attributes: their repositories, as in docs/hardware.md.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tradewind.hardware.catalog import Catalog
from tradewind.hardware.clean import AMD_PRODUCT, NVIDIA_PRODUCT
from tradewind.hardware.evidence import AMD_DEVICE, AMD_MEMORY, ASCEND_CHIP, NVIDIA_MEMORY
from tradewind.hardware.instances import INSTANCE_TYPE
from tradewind.hardware.labels import NodeAccelerators, identify
from tradewind.hardware.resources import DEVICE_CLASS_PREFIX

Attributes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a ResourceSlice.

    Attributes:
        driver: its driver's name.
        attributes: text by name; those of the driver's own domain without it.
        memory_bytes: capacity `memory`; None when not told.
        shares_counters: it is one way of several to use the same silicon.
    """

    driver: str
    attributes: Attributes
    memory_bytes: int | None = None
    shares_counters: bool = False


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """Devices that are asked for alike.

    Attributes:
        device_class: name of the DeviceClass.
        part: the accelerators they are, one device each; `resource_name` is that of the class.
        selector: CEL expression that singles them out in their class.
    """

    device_class: str
    part: NodeAccelerators
    selector: str


@dataclass(frozen=True, slots=True)
class _Read:
    """A device in the words of node labels."""

    device_class: str
    resource: str
    labels: dict[str, str]
    telling: tuple[str, ...]


def kind_of(device: Device, catalog: Catalog) -> DeviceKind | None:
    """What a device is; None for what is no accelerator, or another view of one."""
    read = _DRIVERS.get(device.driver, _other)(device)
    if read is None:
        return None
    named = {f"{device.driver}/{name}": text for name, text in device.attributes.items()}
    resource = f"{DEVICE_CLASS_PREFIX}{read.device_class}"
    found = identify({**named, **read.labels}, {read.resource or resource: 1}, catalog)
    if not found:
        return None
    told = found[0].told
    telling = [name for name in read.telling if name in device.attributes]
    if not told[0] and found[0].class_name.startswith("unknown") and telling:
        told = (f"{device.driver}/{telling[0]}", device.attributes[telling[0]])
    part = NodeAccelerators(
        resource_name=resource,
        class_name=found[0].class_name,
        vendor=found[0].vendor,
        count=1,
        memory_gib=found[0].memory_gib,
        state=found[0].state,
        rule="r1",
        way=found[0].way,
        devices=1 if found[0].way == "none" else None,
        told=told,
        message=found[0].message,
    )
    return DeviceKind(read.device_class, part, _cel(device, telling))


def _cel(device: Device, telling: list[str]) -> str:
    terms = [
        f"device.attributes[{json.dumps(device.driver)}].{name} == "
        f"{json.dumps(device.attributes[name])}"
        for name in telling
    ]
    return " && ".join(terms)


def _nvidia(device: Device) -> _Read | None:
    told = device.attributes
    sort = told.get("type", "gpu")
    labels = {NVIDIA_PRODUCT: told.get("productName", "").replace(" ", "-")}
    if sort == "gpu":
        if device.memory_bytes:
            labels[NVIDIA_MEMORY] = str(device.memory_bytes // 2**20)
        return _Read("gpu.nvidia.com", "nvidia.com/gpu", labels, ("productName",))
    if sort == "mig" and not device.shares_counters:
        profile = told.get("profile", "").replace("+", ".")
        return _Read(
            "mig.nvidia.com", f"nvidia.com/mig-{profile}", labels, ("productName", "profile")
        )
    return None  # vfio is the same GPU; a MIG device that shares counters exists when asked for


def _amd(device: Device) -> _Read | None:
    told = device.attributes
    labels = {
        AMD_DEVICE: told.get("deviceID", "").lower().removeprefix("0x"),
        AMD_PRODUCT: told.get("productName", ""),
        "amd.com/gpu.compute-memory-partition": told.get("partitionProfile", "").lower(),
    }
    if device.memory_bytes and not told.get("partitionProfile"):
        labels[AMD_MEMORY] = f"{round(device.memory_bytes / 2**30)}G"
    labels = {key: text for key, text in labels.items() if text}
    telling = tuple(
        name for name in ("deviceID", "productName", "partitionProfile") if told.get(name)
    )
    if "deviceID" in telling and "productName" in telling:
        telling = tuple(name for name in telling if name != "productName")
    return _Read("gpu.amd.com", "amd.com/gpu", labels, telling)


def _intel(device: Device) -> _Read | None:
    labels = {"gpu.intel.com/product": device.attributes.get("model", "")}
    return _Read("gpu.intel.com", "gpu.intel.com/i915", labels, ("model",))


def _gaudi(_device: Device) -> _Read | None:
    return _Read("gaudi.intel.com", "habana.ai/gaudi", {}, ("model",))


def _tpu(device: Device) -> _Read | None:
    labels = {"tpu.google.com/accelerator": device.attributes.get("accelerator", "")}
    return _Read("tpu.google.com", "google.com/tpu", labels, ("accelerator", "tpuGen"))


def _neuron(device: Device) -> _Read | None:
    if device.attributes.get("resourceType", "neuron_device") != "neuron_device":
        return None  # a whole node of them, once more
    labels = {INSTANCE_TYPE: device.attributes.get("instanceType", "")}
    return _Read("neuron.aws.com", "aws.amazon.com/neuron", labels, ("instanceType",))


def _ascend(device: Device) -> _Read | None:
    chip = device.attributes.get("deviceType", "")
    short = chip.removeprefix("Ascend")
    labels = {ASCEND_CHIP: short if short[:3] in {"910", "310"} and short[3:] else chip}
    return _Read("npu.huawei.com", "huawei.com/Ascend910", labels, ("deviceType",))


def _other(device: Device) -> _Read | None:
    """A driver that is not known: an accelerator if an AcceleratorClass names its DeviceClass."""
    if device.shares_counters:
        return None
    names = [name for name in ("productName", "model", "type") if name in device.attributes]
    return _Read(device.driver, "", {}, tuple(names[:1]))


_DRIVERS: Final[Mapping[str, Callable[[Device], _Read | None]]] = {
    "gpu.nvidia.com": _nvidia,
    "gpu.amd.com": _amd,
    "gpu.intel.com": _intel,
    "gaudi.intel.com": _gaudi,
    "tpu.google.com": _tpu,
    "neuron.aws.com": _neuron,
    "npu.huawei.com": _ascend,
}
