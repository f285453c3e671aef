"""What a ComputeSite's conditions say of its hardware, and that they name the mend."""

from typing import Any

import pytest
from tests.unit.sites.test_inventory import HUB, node

from tradewind.controller.hardwarestatus import labelled, recognised
from tradewind.hardware.catalog import builtin_catalog
from tradewind.sites.inventory import Inventory
from tradewind.sites.labeller import LabellerState


def told(*nodes: tuple[str, dict[str, str], dict[str, str]]) -> tuple[Any, str, str]:
    """The condition of a site with these nodes: name, labels, allocatable."""
    seen = Inventory(builtin_catalog, hub_id=HUB)
    for name, labels, allocatable in nodes:
        made = node(name, 0)
        made.metadata.labels = labels
        assert made.status.allocatable is not None
        made.status.allocatable |= allocatable
        seen.on_node(None, made)
    return recognised(seen.view())


H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
R100 = {"nvidia.com/gpu.product": "NVIDIA-R100"}
GPU = {"nvidia.com/gpu": "8"}


def test_what_is_known_needs_no_words() -> None:
    assert told(("a", H100, GPU), ("b", {}, {})) == ("True", "Recognised", "")


def test_an_unknown_product_is_told_with_the_class_to_create() -> None:
    status, reason, message = told(("a", R100, GPU), ("b", R100, GPU), ("c", H100, GPU))
    assert (status, reason) == ("False", "UnknownAccelerators")
    assert message == (
        "2 node(s), such as a, b: nvidia.com/gpu.product=NVIDIA-R100 is no product of the "
        "catalogue; create an AcceleratorClass with spec.vendor: nvidia, "
        "resourceNames: [nvidia.com/gpu], "
        "match: [{key: nvidia.com/gpu.product, values: [NVIDIA-R100]}], and memoryGiB"
    )


def test_without_a_telling_label_one_is_asked_for() -> None:
    _, _, message = told(("a", {"hygon.com/dcu": "true"}, {"hygon.com/dcu": "8"}))
    assert "no label tells the product behind hygon.com/dcu by hygon; label the nodes" in message


def test_a_conflict_goes_before_an_unknown_product_and_says_what_contradicts_what() -> None:
    torn = H100 | {"cloud.google.com/gke-accelerator": "nvidia-l4"}
    _, reason, message = told(("a", R100, GPU), ("b", torn, GPU))
    assert reason == "ConflictingLabels"
    assert "gke-accelerator=nvidia-l4 tells nvidia-l4" in message
    assert "accelerator.tradewind.dev/override" in message


def test_hardware_without_a_plugin_is_told_and_is_no_capacity() -> None:
    status, reason, message = told(
        ("a", {"feature.node.kubernetes.io/pci-1200_19e5.present": "true"}, {})
    )
    assert (status, reason) == ("False", "NoDevicePlugin")
    assert "1 node(s) have a PCI device by huawei" in message


def test_a_resource_that_nobody_knows_is_no_fault_but_is_told_with_the_class_to_create() -> None:
    unheard = {"acme.example/chip": "8"}
    network = {"vpc.amazonaws.com/efa": "4", "rdma/hca": "2", "hugepages-1Gi": "0"}
    status, reason, message = told(
        ("a", {}, unheard), ("b", {}, unheard | network), ("c", H100, GPU)
    )
    assert (status, reason) == ("True", "Recognised")
    assert message == (
        "acme.example/chip on 2 node(s): no class names that resource; if it counts accelerators, "
        "create an AcceleratorClass that lists it in resourceNames"
    )
    assert told(("a", {}, network)) == ("True", "Recognised", "")


def test_many_doubts_are_told_in_few_words() -> None:
    nodes = [(f"n{i}", {"nvidia.com/gpu.product": f"NVIDIA-Z{i}"}, GPU) for i in range(50)]
    _, _, message = told(*nodes)
    assert "and 47 more" in message
    assert len(message) < 2000


@pytest.mark.parametrize(
    ("state", "status", "reason"),
    [
        (None, "Unknown", "NotListed"),
        (LabellerState(wanted=True), "True", "Applied"),
        (LabellerState(wanted=True, owed=3), "Unknown", "Writing"),
        (LabellerState(wanted=False, owed=3, forbidden="no"), "False", "NotWanted"),
        (LabellerState(wanted=True, owed=3, forbidden="may not"), "False", "Forbidden"),
        (LabellerState(wanted=True, conflicts=("a",)), "False", "ForeignLabels"),
    ],
)
def test_labels_are_told_by_what_stands_in_their_way(
    state: LabellerState | None, status: str, reason: str
) -> None:
    assert labelled(state)[:2] == (status, reason)
