"""The standard labels: what they say, and that they are always valid."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.hardware.catalog import builtin_catalog
from tradewind.hardware.clean import label_value
from tradewind.hardware.labels import identify
from tradewind.hardware.standard import (
    class_labels,
    family_of,
    own_labels,
    selector_for,
    standard_labels,
)

CATALOG = builtin_catalog()
PREFIX = "accelerator.tradewind.dev/"
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
NUMBERS = ("memory-gib", "count", "units", "bf16-tflops", "fp8-tflops")


def told(labels: dict[str, str], **allocatable: int) -> dict[str, str]:
    resources = {key.replace("__", "/").replace("_", "."): n for key, n in allocatable.items()}
    found = identify(labels, resources, CATALOG)
    made = standard_labels(found, labels, CATALOG)
    return {key.removeprefix(PREFIX): value for key, value in made.items()}


def test_a_whole_node_of_one_product() -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-GB200",
        "nvidia.com/gpu.count": "4",
        "nvidia.com/gpu.clique": "7b968a6d-c8aa-45e1-9e07-e1e51be99c31.1",
    }
    assert told(labels, nvidia_com__gpu=4) == {
        "class": "nvidia-gb200",
        "family": "nvidia-gb200",
        "vendor": "nvidia",
        "product": "NVIDIA-GB200",
        "memory-gib": "186",
        "count": "4",
        "units": "4",
        "sharing": "none",
        "bf16-tflops": "2500",
        "fp8-tflops": "5000",
        "interconnect": "nvlink",
        "domain": "30f5874b09080ff0",
        "source": "r2",
        "state": "Classified",
    }


def test_a_part_tells_its_chips_class_and_its_own_figures() -> None:
    labels = {
        "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
        "nvidia.com/gpu.count": "2",
        "nvidia.com/gpu.replicas": "4",
        "nvidia.com/gpu.sharing-strategy": "time-slicing",
    }
    found = told(labels, nvidia_com__gpu=8)
    assert (found["class"], found["partition"], found["sharing"]) == (
        "nvidia-l4", "shared-4", "time-slicing",
    )  # fmt: skip
    assert (found["count"], found["units"], found["memory-gib"]) == ("2", "8", "6")
    assert found["bf16-tflops"] == "30"


def test_an_unknown_product_tells_maker_count_and_memory() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-R100", "nvidia.com/gpu.memory": "294912"}
    assert told(labels, nvidia_com__gpu=8) == {
        "vendor": "nvidia", "memory-gib": "288", "count": "8", "units": "8", "sharing": "none",
        "source": "r10", "state": "Unclassified",
    }  # fmt: skip


def test_of_two_makers_that_with_the_most_compute_is_told() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-L4", "amd.com/gpu.device-id": "74a1"}
    found = told(labels, nvidia_com__gpu=2, amd_com__gpu=8)
    assert (found["class"], found["state"], found["units"]) == ("amd-mi300x", "Mixed", "8")


def test_a_node_without_accelerators_bears_none() -> None:
    assert told({"nvidia.com/gpu.product": "NVIDIA-L4"}, cpu=8) == {}


@pytest.mark.parametrize("made", list(CATALOG), ids=lambda made: made.name)
def test_every_class_of_the_catalogue_makes_valid_labels(made: object) -> None:
    for key, value in class_labels(made).items():  # type: ignore[arg-type]
        assert VALUE.fullmatch(value), (key, value)
        assert len(value) <= 63
    assert family_of(made.name) in made.name  # type: ignore[attr-defined]


texts = st.text(max_size=200)


@given(texts)
def test_any_text_becomes_a_valid_value(text: str) -> None:
    value = label_value(text)
    assert len(value) <= 63
    assert VALUE.fullmatch(value)
    assert label_value(value) == value


@given(
    st.dictionaries(
        st.sampled_from(
            ["nvidia.com/gpu.product", "nvidia.com/gpu.memory", "nvidia.com/gpu.count",
             "nvidia.com/gpu.replicas", "nvidia.com/gpu.clique", "amd.com/gpu.device-id",
             "amd.com/gpu.compute-memory-partition", "node.kubernetes.io/npu.chip.name"]
        ),
        texts | st.sampled_from(["NVIDIA-L4", "74a1", "910B3", "8", "cpx_nps4", "L4-MIG-1g.5gb"]),
    ),
    st.dictionaries(
        st.sampled_from(
            ["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "amd.com/gpu", "huawei.com/Ascend910",
             "huawei.com/Ascend910-2c", "google.com/tpu"]
        ),
        st.integers(0, 2**50),
    ),
)  # fmt: skip
def test_no_node_makes_an_invalid_label(
    labels: dict[str, str], allocatable: dict[str, int]
) -> None:
    found = identify(labels, allocatable, CATALOG)
    made = standard_labels(found, labels, CATALOG)
    assert own_labels(made) == made
    for key, value in made.items():
        assert NAME.fullmatch(key.removeprefix(PREFIX))
        assert value
        assert VALUE.fullmatch(value), (key, value)
        assert len(value) <= 63
        if key.removeprefix(PREFIX) in NUMBERS:
            assert value == str(int(value))
    for part in found:
        assert all(VALUE.fullmatch(value) for _, value in selector_for(part))
