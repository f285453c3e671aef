"""The catalogue that ships, and what objects change of it."""

import csv
import math
import re
from collections import Counter
from importlib import resources
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


COLUMNS = (
    "name,vendor,product,resources,match,memory_gib,fp32,bf16,fp8,int8,measured_bf16,measured_fp8,"
    "bandwidth,tdp,idle,interconnect,price,confidence,source"
)
LINKS = {
    "nvlink", "xgmi", "hccs", "ub", "ici", "neuronlink", "ethernet", "xe-link", "mlu-link",
    "mtlink", "metaxlink", "xpu-link", "pcie",
}  # fmt: skip
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def raw_rows() -> list[dict[str, str]]:
    file = resources.files("tradewind.hardware").joinpath("catalog.csv")
    text = file.read_text(encoding="utf-8")
    assert text.splitlines()[0] == COLUMNS
    return list(csv.DictReader(text.splitlines()))


def test_there_are_products_of_every_maker() -> None:
    assert len(ROWS) >= 45
    assert {
        "nvidia", "amd", "intel", "huawei", "cambricon", "hygon", "mthreads", "google", "aws",
    } <= {row.vendor for row in ROWS}  # fmt: skip


@pytest.mark.parametrize("raw", raw_rows(), ids=lambda raw: raw["name"])
def test_every_row_makes_an_accelerator_class_that_the_hub_would_take(raw: dict[str, str]) -> None:
    assert None not in raw, "more fields than columns"
    assert NAME.fullmatch(raw["name"])
    assert raw["name"].startswith(f"{raw['vendor']}-")
    match = [
        {"key": key, "values": values.split("|")}
        for key, _, values in (rule.partition("=") for rule in raw["match"].split(";") if rule)
    ]

    def figures(**columns: str) -> dict[str, float]:
        return {key: float(raw[column]) for key, column in columns.items() if raw[column]}

    spec: dict[str, Any] = {
        "vendor": raw["vendor"],
        "product": raw["product"],
        "resourceNames": raw["resources"].split("|"),
        "match": match,
        "tflops": figures(fp32="fp32", bf16="bf16", fp8="fp8", int8="int8"),
        "measuredTflops": figures(bf16="measured_bf16", fp8="measured_fp8") or None,
        "interconnect": raw["interconnect"],
        "source": raw["source"],
        "confidence": raw["confidence"],
        **figures(memoryGiB="memory_gib", bandwidthGBs="bandwidth", tdpWatts="tdp",
                  idleWatts="idle", pricePerHour="price"),
    }  # fmt: skip
    given = AcceleratorClass.model_validate({"metadata": {"name": raw["name"]}, "spec": spec})
    (replaced,) = [
        row for row in builtin_catalog().with_overrides([given]) if row.name == raw["name"]
    ]
    (row,) = [row for row in ROWS if row.name == raw["name"]]
    assert replaced == row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_figure_is_within_reason(row: HardwareClass) -> None:
    assert row.source
    assert row.confidence in ("A", "B", "C")
    assert row.match or row.vendor not in ("nvidia", "amd", "google", "aws")
    assert row.interconnect in LINKS or (row.interconnect == "" and row.confidence == "C")
    assert 8 <= row.memory_gib <= 512
    within = {
        "bf16": (row.bf16_tflops, 10, 5000),
        "bandwidth": (row.bandwidth_gbs, 150, 10_000),
        "tdp": (row.tdp_watts, 30, 2000),
        "price": (row.price_per_hour, 0.1, 50),
    }
    for name, (figure, low, high) in within.items():
        assert figure is None or (math.isfinite(figure) and low <= figure <= high), name
    if row.tdp_watts is not None and row.idle_watts is not None:
        assert 0.03 <= row.idle_watts / row.tdp_watts <= 0.35
    if row.bandwidth_gbs is not None:
        # A memory is read whole at least every few hundred milliseconds, and at most every few.
        assert 8 <= row.bandwidth_gbs / row.memory_gib <= 70


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_throughput_is_dense(row: HardwareClass) -> None:
    """A figure with sparsity is twice what its neighbours say it should be."""
    bf16, fp8, int8, fp32 = row.bf16_tflops, row.fp8_tflops, row.int8_tops, row.fp32_tflops
    if bf16 is not None and row.vendor in ("nvidia", "amd"):
        # Half the width is twice the rate, and no more, on all of their tensor cores.
        assert fp8 is None or fp8 == pytest.approx(2 * bf16, rel=0.02)
        halves = row.name in ("amd-mi210", "amd-mi250x")  # whose INT8 is no faster than BF16
        assert int8 is None or int8 == pytest.approx(bf16 * (1 if halves else 2), rel=0.02)
        if fp32 is not None:
            assert fp32 <= 0.51 * bf16
    if bf16 is not None and row.tdp_watts is not None:
        # The best of today give 2.3 dense TFLOPS a watt; sparse ones would be above 3.
        assert bf16 / row.tdp_watts <= 2.6
    for measured, peak in ((row.measured_bf16_tflops, bf16), (row.measured_fp8_tflops, fp8)):
        if measured is not None:
            assert peak is not None
            assert 0.4 <= measured / peak <= 1.1


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
