"""Parts of chips: names, figures, and who may have them."""

import math

import pytest
from tests.builders import NOW, assigned, node, outcome, site, snapshot, workload

from tradewind.api.accelerator import Sharing
from tradewind.hardware.catalog import builtin_catalog
from tradewind.hardware.parts import base_class, part_name, sharing_of
from tradewind.placement.chips import Chips
from tradewind.placement.config import EngineConfig
from tradewind.placement.engine import plan
from tradewind.placement.table import SiteTable

CATALOG = builtin_catalog()


@pytest.mark.parametrize(
    ("name", "sharing", "memory_gib", "share"),
    [
        ("nvidia-h100-sxm", Sharing.EXCLUSIVE, 80, 1),
        ("nvidia-h100-sxm/mig-3g.40gb", Sharing.PARTITION, 40, 3 / 7),
        ("nvidia-a30/mig-1g.6gb", Sharing.PARTITION, 6, 1 / 4),
        ("amd-mi300x/cpx-nps4", Sharing.PARTITION, 24, 1 / 8),
        ("amd-mi300x/dpx-nps1", Sharing.PARTITION, 96, 1 / 2),
        ("huawei-ascend-910b3/vnpu-5c.1cpu.16g", Sharing.PARTITION, 16, 1 / 4),
        ("huawei-ascend-310p/vnpu-4c", Sharing.PARTITION, 12, 1 / 2),
        ("hygon-k100-ai/vdcu-30c-16g", Sharing.PARTITION, 16, 1 / 4),
        ("cambricon-mlu370-x8/mim-2m.8gb", Sharing.PARTITION, 8, 1 / 6),
        ("nvidia-l4/shared-10", Sharing.SHARED, 2.4, 1 / 10),
        ("nvidia-h100-sxm/mig-1g.10gb.shared-2", Sharing.SHARED, 5, 1 / 14),
    ],
)
def test_a_part_has_its_share_of_the_chip(
    name: str, sharing: Sharing, memory_gib: float, share: float
) -> None:
    assert sharing_of(name) is sharing
    found, whole = CATALOG.get(name), CATALOG.get(base_class(name))
    assert found is not None
    assert whole is not None
    assert found.memory_gib == pytest.approx(memory_gib)
    assert found.share == pytest.approx(share)
    assert whole.bf16_tflops is not None
    assert found.bf16_tflops == pytest.approx(whole.bf16_tflops * share)
    assert CATALOG.get(name) is found


def test_what_a_parts_name_does_not_tell_is_unknown() -> None:
    for name in ("nvidia-l4/shared", "nvidia-l4/quarter", "amd-mi300x/zpx-nps1"):
        found = CATALOG.get(name)
        assert found is not None
        assert math.isnan(found.memory_gib)
        assert (found.bf16_tflops, found.tdp_watts, found.price_per_hour) == (None, None, None)
    assert CATALOG.get("no-such-class/mig-1g.10gb") is None
    assert part_name("nvidia-l4", "") == "nvidia-l4"


L4, MIG, SHARED = "nvidia-l4", "nvidia-h100-sxm/mig-3g.40gb", "nvidia-l4/shared-10"


def planned(class_name: str, chips: int = 1, **need: object) -> str:
    """Where one pod goes that may have this class's units, or why nowhere."""
    here = site("s")
    here = here.but(node_shapes=(node(**{class_name: 8}),))
    work = workload("w").gang(1, chips=chips).chips(**need)
    done = plan(snapshot([here], [work]), NOW, EngineConfig())
    if "w" in assigned(done):
        return "placed"
    (refused,) = outcome(done, "w").explanation.refused
    return f"{refused.reason.value}: {refused.message}"


@pytest.mark.parametrize(
    ("sharing", "takes"),
    [
        (Sharing.EXCLUSIVE, {L4}),
        (Sharing.PARTITION, {MIG}),
        (Sharing.SHARED, {SHARED}),
        (Sharing.ANY, {L4, MIG, SHARED}),
    ],
)
def test_a_workload_gets_the_sort_of_units_that_it_asks_for(
    sharing: Sharing, takes: set[str]
) -> None:
    for class_name in (L4, MIG, SHARED):
        said = planned(class_name, sharing=sharing)
        assert (said == "placed") == (class_name in takes), said
        assert said == "placed" or said.startswith("SharingMismatch: needs ")


def test_a_class_named_as_a_part_asks_for_that_part() -> None:
    assert planned(MIG, classes=(MIG,)) == "placed"
    assert planned(MIG, classes=("nvidia-h100-sxm",)).startswith("SharingMismatch")
    assert planned(MIG, classes=("nvidia-h100",), sharing=Sharing.PARTITION) == "placed"
    assert planned("nvidia-h100-sxm", classes=(MIG,)).startswith("AcceleratorClassMismatch")


def test_two_shares_are_no_more_than_one() -> None:
    said = planned(SHARED, chips=2, sharing=Sharing.SHARED)
    assert said == (
        "SharingMismatch: needs 2 accelerators in a pod, which shares of a chip are not; "
        "site has nvidia-l4/shared-10"
    )


def test_the_memory_of_the_part_counts_not_that_of_the_chip() -> None:
    assert planned(MIG, sharing=Sharing.PARTITION, min_memory_gib=40) == "placed"
    said = planned(MIG, sharing=Sharing.PARTITION, min_memory_gib=64)
    assert said.startswith("AcceleratorMemoryTooSmall")


def test_a_part_costs_its_share_of_the_sites_price() -> None:
    here = site("s").charges(**{"nvidia-h100-sxm": 7.0})
    here = here.nodes(**{"nvidia-h100-sxm": 8, MIG: 2, "nvidia-h100-sxm/other": 1})
    table = SiteTable([here.view])
    chips = Chips(table, CATALOG, EngineConfig())
    prices = dict(
        zip(
            [found.class_name for found in table.row_accelerator if found],
            chips.price_hour[1:].tolist(),
            strict=True,
        )
    )
    assert prices["nvidia-h100-sxm"] == 7.0
    assert prices[MIG] == pytest.approx(3.0)
    assert math.isnan(prices["nvidia-h100-sxm/other"])
