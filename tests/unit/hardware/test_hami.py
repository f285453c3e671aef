"""Nodes whose cards HAMi offers ten times over: cards count, by the annotation that it writes."""

import doctest
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.hardware import hami
from tradewind.hardware.catalog import builtin_catalog
from tradewind.hardware.hami import Register, registered
from tradewind.hardware.labels import NodeAccelerators, Recognition, identify

CATALOG = builtin_catalog()
H100 = "NVIDIA-NVIDIA H100 80GB HBM3"


def card(index: int, **told: Any) -> dict[str, Any]:
    """A card as HAMi writes it since 2.5."""
    return {
        "id": f"GPU-{index}", "index": index, "count": 10, "devmem": 81559, "devcore": 100,
        "type": H100, "numa": 0, "mode": "hami-core", "health": True, "devicevendor": "NVIDIA",
    } | told  # fmt: skip


def of_node(text: str, units: int = 80, **labels: str) -> NodeAccelerators:
    register = registered("nvidia", text)
    registers = {"nvidia": register} if register else {}
    keys = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    (found,) = identify(keys, {"nvidia.com/gpu": units}, CATALOG, registers=registers)
    return found


EIGHT = json.dumps([card(index) for index in range(8)])
OLD = "".join(
    f"GPU-{n},10,32768,100,NVIDIA-Tesla V100-PCIE-32GB,0,true,{n},hami-core:" for n in "01"
)
TEXTS: dict[str, tuple[str, str, int]] = {
    "eight cards as JSON": (EIGHT, "nvidia-h100-sxm", 8),
    "two cards in the older form": (OLD, "nvidia-v100-pcie-32gb", 2),
    "the oldest form, without index and mode": (
        "GPU-0,10,23034,100,NVIDIA-NVIDIA L4,0,true:", "nvidia-l4", 1,
    ),
    "a card that is ill does not count": (
        json.dumps([card(0), card(1, health=False)]), "nvidia-h100-sxm", 1,
    ),
    "a product that nobody knows": (json.dumps([card(0, type="NVIDIA-NVIDIA R100")]), "unknown", 1),
}  # fmt: skip


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(hami).failed == 0


@pytest.mark.parametrize("name", TEXTS)
def test_cards_count_and_not_slots(name: str) -> None:
    text, class_name, count = TEXTS[name]
    found = of_node(text)
    assert (found.class_name, found.count, found.devices) == (class_name, count, count)
    assert found.way == "hami"


def test_its_word_is_as_good_as_a_label_and_is_named_as_the_source() -> None:
    assert of_node(EIGHT).rule == "r6"
    assert of_node(EIGHT, nvidia_com__gpu_product="NVIDIA-H100-80GB-HBM3").rule == "r2"
    found = of_node(EIGHT, nvidia_com__gpu_product="NVIDIA-L4", nvidia_com__gpu_count="8")
    assert (found.class_name, found.state) == ("unknown", Recognition.CONFLICT)
    assert found.message.endswith(
        "but HAMi's annotation (NVIDIA H100 80GB HBM3) tells nvidia-h100-sxm"
    )


def test_cards_of_several_products_are_mixed() -> None:
    found = of_node(json.dumps([card(0), card(1, type="NVIDIA-NVIDIA L4")]))
    assert (found.class_name, found.state) == ("unknown", Recognition.MIXED)
    assert found.message == "its cards differ: NVIDIA H100 80GB HBM3, NVIDIA L4"


def test_what_the_node_no_longer_offers_is_not_there() -> None:
    assert of_node(EIGHT, units=0).count == 0


def test_instances_of_the_same_node_are_not_cards() -> None:
    registers = {"nvidia": Register(8, ("NVIDIA H100 80GB HBM3",))}
    (found,) = identify({}, {"nvidia.com/mig-1g.10gb": 7}, CATALOG, registers=registers)
    assert (found.class_name, found.count) == ("nvidia-h100-sxm/mig-1g.10gb", 7)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[{", "[1]", '{"type": "x"}', "GPU-0,10:", '[{"type": 3}]', "[" * 9999,
     json.dumps([card(0, health=False)])],
)  # fmt: skip
def test_what_is_no_register_is_none(text: str) -> None:
    assert registered("nvidia", text) is None


@given(st.text())
def test_any_text_is_read_without_a_fault(text: str) -> None:
    found = registered("nvidia", text)
    assert found is None or found.cards > 0
