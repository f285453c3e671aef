"""The catalogue that ships, and what objects change of it."""

import math
from collections import Counter
from typing import Any

import pytest

from tradewind.api.accelerator import AcceleratorClass
from tradewind.hardware.catalog import UNMEASURED_EFFICIENCY, HardwareClass, builtin_catalog
from tradewind.hardware.labels import vendor_of

ROWS = list(builtin_catalog())


def made(name: str, **spec: Any) -> AcceleratorClass:
    return AcceleratorClass.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "vendor": "acme",
                "resourceNames": ["acme.com/chip"],
                "memoryGiB": 64,
                **spec,
            },
        }
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_whole_and_within_reason(row: HardwareClass) -> None:
    assert row.source
    assert row.confidence in ("A", "B", "C")
    assert row.match or row.vendor not in ("nvidia", "amd", "google")
    assert 4 <= row.memory_gib <= 512
    for figure in (row.bf16_tflops, row.bandwidth_gbs, row.tdp_watts, row.price_per_hour):
        assert figure is None or (math.isfinite(figure) and figure > 0)
    if row.tdp_watts is not None and row.idle_watts is not None:
        assert row.idle_watts < row.tdp_watts


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_its_resources_are_known_to_be_its_vendors(row: HardwareClass) -> None:
    assert row.resource_names
    assert {vendor_of(name) for name in row.resource_names} == {row.vendor}


def test_measured_speed_wins_over_the_sheet() -> None:
    for row in ROWS:
        if row.measured_bf16_tflops is not None:
            assert row.speed == row.measured_bf16_tflops
        elif row.bf16_tflops is not None:
            assert row.speed == row.bf16_tflops * UNMEASURED_EFFICIENCY
        else:
            assert row.speed is None


def test_measured_rows_lie_where_the_fallback_says() -> None:
    shares = [
        row.measured_bf16_tflops / row.bf16_tflops
        for row in ROWS
        if row.measured_bf16_tflops is not None and row.bf16_tflops is not None
    ]
    assert round(min(shares), 2) == 0.51
    assert round(max(shares), 2) == 1.08
    assert min(shares) < UNMEASURED_EFFICIENCY < max(shares)


def test_names_are_told_once() -> None:
    assert max(Counter(row.name for row in ROWS).values()) == 1


def test_an_object_adds_a_class_and_replaces_one_of_its_name() -> None:
    catalog = builtin_catalog().with_overrides(
        [made("acme-x1"), made("nvidia-h100-sxm", vendor="nvidia", memoryGiB=81)]
    )
    assert len(catalog) == len(ROWS) + 1
    added, replaced = catalog.get("acme-x1"), catalog.get("nvidia-h100-sxm")
    assert added is not None
    assert added.product == "acme-x1"
    assert added.speed is None
    assert replaced is not None
    assert replaced.memory_gib == 81
    assert builtin_catalog().get("acme-x1") is None
