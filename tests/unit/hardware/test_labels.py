"""Nodes of each maker, as their own plugins label them, and what is told of each."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.api.accelerator import AcceleratorClass
from tradewind.hardware import (
    clean,
    evidence,
    instances,
    parts,
    pci,
    resources,
    runtimes,
    standard,
)
from tradewind.hardware.catalog import builtin_catalog
from tradewind.hardware.labels import UNKNOWN, NodeAccelerators, identify, vendor_of

CATALOG = builtin_catalog()


def one(labels: dict[str, str], allocatable: dict[str, int]) -> NodeAccelerators:
    (found,) = identify(labels, allocatable, CATALOG)
    return found


def test_examples_in_the_docs_hold() -> None:
    for module in (clean, evidence, instances, parts, pci, resources, runtimes, standard):
        assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("labels", "resource", "name"),
    [
        ({"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}, "nvidia.com/gpu", "nvidia-h100-sxm"),
        ({"nvidia.com/gpu.product": "Tesla-T4"}, "nvidia.com/gpu", "nvidia-t4"),
        (
            {"cloud.google.com/gke-accelerator": "nvidia-h100-80gb"},
            "nvidia.com/gpu",
            "nvidia-h100-sxm",
        ),
        ({"karpenter.k8s.aws/instance-gpu-name": "l4"}, "nvidia.com/gpu", "nvidia-l4"),
        ({"amd.com/gpu.device-id": "74a1"}, "amd.com/gpu", "amd-mi300x"),
        (
            {"node.kubernetes.io/npu.chip.name": "910B3"},
            "huawei.com/Ascend910",
            "huawei-ascend-910b3",
        ),
        (
            {"cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice"},
            "google.com/tpu",
            "google-tpu-v5e",
        ),
    ],
)
def test_a_makers_own_labels_tell_the_class(
    labels: dict[str, str], resource: str, name: str
) -> None:
    found = one(labels, {resource: 8, "cpu": 96_000})
    assert (found.class_name, found.count) == (name, 8)
    assert dict(found.selector).items() <= labels.items()


def test_a_shared_device_is_of_the_class_that_it_is_a_share_of() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4-SHARED"}
    found = one(labels, {"nvidia.com/gpu": 80})
    assert found.class_name == "nvidia-l4/shared"
    assert found.memory_gib is None  # nobody tells of how many
    assert found.selector == (("nvidia.com/gpu.product", "NVIDIA-L4-SHARED"),)


@pytest.mark.parametrize(
    ("labels", "resource"),
    [
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb"}, "nvidia.com/gpu"),
        ({"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}, "nvidia.com/mig-3g.40gb"),
    ],
)
def test_a_mig_instance_has_its_own_memory(labels: dict[str, str], resource: str) -> None:
    found = one(labels, {resource: 2})
    assert (found.class_name, found.memory_gib) == ("nvidia-a100-sxm-80gb/mig-3g.40gb", 40)


@pytest.mark.parametrize(
    "resource",
    [
        "aws.amazon.com/neuroncore",
        "aws.amazon.com/neurondevice",
        "gpu.intel.com/monitoring",
        "vpc.amazonaws.com/efa",
        "nvidia.com/gpumem",
        "example.com/gpu",
        "cpu",
        "hugepages-2Mi",
    ],
)
def test_what_is_no_chip_or_the_same_chip_again_is_not_counted(resource: str) -> None:
    assert vendor_of(resource) == ""
    assert identify({}, {resource: 8}, CATALOG) == ()


def test_a_chip_that_no_label_names_is_unknown_but_counted() -> None:
    found = one({"nvidia.com/gpu.product": "NVIDIA-Z9000"}, {"nvidia.com/gpu": 4})
    assert (found.class_name, found.vendor, found.count) == (UNKNOWN, "nvidia", 4)
    assert (found.memory_gib, found.selector) == (None, ())


def test_one_label_for_two_products_is_settled_by_memory_or_not_at_all() -> None:
    labels = {"karpenter.k8s.aws/instance-gpu-name": "a100"}
    ambiguous = [made for made in CATALOG if ("a100",) in dict(made.match).values()]
    found = one(labels | {"nvidia.com/gpu.memory": "81920"}, {"nvidia.com/gpu": 8})
    if len(ambiguous) > 1:
        assert found.class_name == "nvidia-a100-sxm-80gb"
        assert one(labels, {"nvidia.com/gpu": 8}).class_name == UNKNOWN
    else:
        assert found.class_name in (UNKNOWN, *(made.name for made in ambiguous))


def test_an_object_makes_a_resource_an_accelerator() -> None:
    added = AcceleratorClass.model_validate(
        {
            "metadata": {"name": "acme-x1"},
            "spec": {
                "vendor": "acme",
                "resourceNames": ["acme.com/chip"],
                "match": [{"key": "acme.com/model", "values": ["X1"]}],
                "memoryGiB": 64,
            },
        }
    )
    catalog = CATALOG.with_overrides([added])
    (found,) = identify({"acme.com/model": "X1"}, {"acme.com/chip": 4}, catalog)
    assert (found.class_name, found.vendor, found.memory_gib) == ("acme-x1", "acme", 64)
    assert identify({"acme.com/model": "X1"}, {"acme.com/chip": 4}, CATALOG) == ()


def test_two_resources_of_a_node_are_told_apart() -> None:
    found = identify(
        {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"},
        {"nvidia.com/mig-1g.10gb": 7, "nvidia.com/gpu": 7, "cpu": 1},
        CATALOG,
    )
    assert [part.resource_name for part in found] == ["nvidia.com/gpu", "nvidia.com/mig-1g.10gb"]


@given(
    st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4),
    st.dictionaries(
        st.sampled_from(["nvidia.com/gpu", "amd.com/gpu", "google.com/tpu", "cpu"]) | st.text(),
        st.integers(0, 2**50),
        max_size=4,
    ),
)
def test_no_label_or_resource_makes_it_fail(
    labels: dict[str, str], allocatable: dict[str, int]
) -> None:
    for found in identify(labels, allocatable, CATALOG):
        assert found.count == allocatable[found.resource_name]
        assert found.vendor
