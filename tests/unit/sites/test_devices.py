"""Devices that exist only by DRA: what a node has of them, and what claims take."""

from typing import Any

import msgspec
from tests.unit.sites.test_inventory import HUB, node

from tradewind.api.names import LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.hardware.catalog import builtin_catalog
from tradewind.sites.inventory import Inventory
from tradewind.sites.slim import DeviceClass, ResourceClaim, ResourceSlice

DRIVER = "gpu.nvidia.com"
RESOURCE = f"deviceclass.resource.kubernetes.io/{DRIVER}"
H100 = "NVIDIA H100 80GB HBM3"


def device(name: str, product: str = H100, sort: str = "gpu", **more: str) -> dict[str, Any]:
    told = {"type": sort, "productName": product, **more}
    return {
        "name": name,
        "attributes": {key: {"string": value} for key, value in told.items()},
        "capacity": {"memory": {"value": "81559Mi"}},
    }


def resource_slice(
    on: str, *devices: dict[str, Any], driver: str = DRIVER, generation: int = 1, uid: str = ""
) -> ResourceSlice:
    return msgspec.convert(
        {
            "metadata": {"name": uid or on, "uid": uid or f"{on}-{generation}"},
            "spec": {
                "driver": driver,
                "nodeName": on,
                "pool": {"name": on, "generation": generation},
                "devices": list(devices),
            },
        },
        ResourceSlice,
    )


def claim(uid: str, *devices: tuple[str, str], workload: str = "", admin: bool = False) -> Any:
    labels = {LABEL_HUB_ID: HUB, LABEL_WORKLOAD_UID: workload} if workload else {}
    results = [
        {"driver": DRIVER, "pool": pool, "device": name, "adminAccess": admin}
        for pool, name in devices
    ]
    status = {"allocation": {"devices": {"results": results}}} if devices else {}
    return msgspec.convert(
        {"metadata": {"name": uid, "uid": uid, "labels": labels}, "status": status}, ResourceClaim
    )


def gpus(count: int) -> list[dict[str, Any]]:
    return [device(f"gpu-{index}") for index in range(count)]


def inventory(*classes: str) -> Inventory:
    seen = Inventory(builtin_catalog, hub_id=HUB)
    for name in classes or (DRIVER,):
        made = msgspec.convert({"metadata": {"name": name, "uid": name}}, DeviceClass)
        seen.on_device_class(None, made)
    return seen


def test_devices_are_counted_by_node_and_class() -> None:
    seen = inventory()
    seen.on_node(None, node("a", 0))
    seen.on_slice(None, resource_slice("a", *gpus(8)))
    (found,) = seen.view().classes
    assert (found.class_name, found.resource_name) == ("nvidia-h100-sxm", RESOURCE)
    assert (found.allocatable, found.requested, found.free_by_node) == (8, 0, {8: 1})
    assert seen.view().node_shapes[0].accelerators == (("nvidia-h100-sxm", RESOURCE, 8),)
    (way,) = seen.served("nvidia-h100-sxm")
    assert (way.device_class, way.device_selectors) == (
        DRIVER, (f'device.attributes["{DRIVER}"].productName == "{H100}"',),
    )  # fmt: skip
    assert seen.claims_devices


def test_slices_may_come_before_their_node_and_their_class() -> None:
    seen = Inventory(builtin_catalog, hub_id=HUB)
    seen.on_slice(None, resource_slice("a", *gpus(2)))
    seen.on_claim(None, claim("c", ("a", "gpu-0")))
    seen.on_node(None, node("a", 0))
    assert seen.view().classes == ()
    made = msgspec.convert({"metadata": {"name": DRIVER, "uid": DRIVER}}, DeviceClass)
    seen.on_device_class(None, made)
    (found,) = seen.view().classes
    assert (found.allocatable, found.requested) == (2, 1)
    seen.on_device_class(made, None)
    assert seen.view().classes == ()


def test_claims_take_devices_and_give_them_back() -> None:
    seen = inventory()
    for name in ("a", "b"):
        seen.on_node(None, node(name, 0))
        seen.on_slice(None, resource_slice(name, *gpus(4)))
    theirs = claim("c1", ("a", "gpu-0"), ("a", "gpu-1"))
    seen.on_claim(None, theirs)
    seen.on_claim(None, claim("c2", ("b", "gpu-0"), workload="w"))
    seen.on_claim(None, claim("c3", ("b", "gpu-1"), admin=True))
    (found,) = seen.view().classes
    assert (found.requested, found.free_by_node) == (3, {2: 1, 3: 1})
    assert seen.view().foreign.accelerators == 2
    assert seen.view().requested.accelerators == 3
    assert seen.view().allocatable.accelerators == 8
    freed = claim("c1")
    seen.on_claim(theirs, freed)
    seen.on_claim(freed, None)
    assert seen.view().classes[0].free_by_node == {3: 1, 4: 1}


def test_only_the_newest_generation_of_a_pool_counts() -> None:
    seen = inventory()
    seen.on_node(None, node("a", 0))
    old = resource_slice("a", *gpus(8), generation=1)
    seen.on_slice(None, old)
    seen.on_slice(None, resource_slice("a", *gpus(6), generation=2))
    assert seen.view().classes[0].allocatable == 6
    seen.on_slice(old, None)
    assert seen.view().classes[0].allocatable == 6


def test_the_same_silicon_is_not_counted_twice() -> None:
    seen = inventory(DRIVER, "mig.nvidia.com")
    seen.on_node(None, node("plugged", 8))
    seen.on_slice(None, resource_slice("plugged", *gpus(8)))
    assert [found.resource_name for found in seen.view().classes] == ["nvidia.com/gpu"]
    seen.on_node(None, node("a", 0))
    possible = device("gpu-0-mig-1", sort="mig", profile="1g.10gb") | {
        "consumesCounters": [{"counterSet": "gpu-0"}]
    }
    seen.on_slice(None, resource_slice("a", *gpus(1), possible, device("v", sort="vfio")))
    ways = [way.resource_name for way in seen.served("nvidia-h100-sxm")]
    assert ways == ["nvidia.com/gpu", RESOURCE]
    by_resource = {found.resource_name: found.allocatable for found in seen.view().classes}
    assert by_resource == {"nvidia.com/gpu": 8, RESOURCE: 1}


def test_static_mig_devices_are_partitions() -> None:
    seen = inventory(DRIVER, "mig.nvidia.com")
    seen.on_node(None, node("a", 0))
    seen.on_slice(
        None,
        resource_slice("a", *(device(f"m{i}", sort="mig", profile="1g.10gb") for i in range(7))),
    )
    (found,) = seen.view().classes
    assert (found.class_name, found.allocatable) == ("nvidia-h100-sxm/mig-1g.10gb", 7)
    assert seen.served(found.class_name)[0].device_class == "mig.nvidia.com"


def test_devices_of_other_makers_are_told_by_their_drivers_attributes() -> None:
    cases: dict[str, tuple[str, dict[str, str], str]] = {
        "amd": ("gpu.amd.com", {"deviceID": "0x74A1", "productName": "AMD Instinct MI300X OAM"},
                "amd-mi300x"),
        "amd, partitioned": ("gpu.amd.com", {"deviceID": "74a1", "partitionProfile": "cpx_nps4"},
                             "amd-mi300x/cpx-nps4"),
        "intel": ("gpu.intel.com", {"model": "Max 1550"}, "intel-max-1550"),
        "gaudi": ("gaudi.intel.com", {"model": "Gaudi2"}, "intel-gaudi2"),
        "tpu": ("tpu.google.com", {"accelerator": "tpu-v6e-slice"}, "google-tpu-v6e"),
        "neuron": ("neuron.aws.com", {"instanceType": "trn2.48xlarge",
                                      "resourceType": "neuron_device"}, "aws-trainium2"),
        "ascend": ("npu.huawei.com", {"deviceType": "Ascend910B3"}, "huawei-ascend-910b3"),
    }  # fmt: skip
    for driver, attributes, class_name in cases.values():
        seen = inventory(driver)
        seen.on_node(None, node("a", 0))
        made = {
            "name": "d",
            "attributes": {key: {"string": value} for key, value in attributes.items()},
        }
        seen.on_slice(None, resource_slice("a", made, driver=driver))
        assert [found.class_name for found in seen.view().classes] == [class_name]


def test_labels_of_a_dra_node_say_what_it_has() -> None:
    seen = inventory()
    seen.on_node(None, node("a", 0))
    assert seen.take_relabelled() == {"a"}
    seen.on_slice(None, resource_slice("a", *gpus(8)))
    assert seen.take_relabelled() == {"a"}
    labels = seen.node_labels("a")
    assert labels is not None
    assert labels.want["accelerator.tradewind.dev/class"] == "nvidia-h100-sxm"
    assert labels.want["accelerator.tradewind.dev/units"] == "8"
