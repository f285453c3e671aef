"""The federation's accelerators: how many, free, where, how strong."""

from typing import Any

import pytest
from tests.unit.cli import objects

from tradewind.api.site import ComputeSite
from tradewind.cli.hardware import document, is_open, rows_of, table
from tradewind.cli.scales import HardwareBy
from tradewind.hardware.catalog import builtin_catalog

CATALOG = builtin_catalog()
H100, ASCEND = "nvidia-h100-sxm", "huawei-ascend-910b"


def accelerator(
    class_name: str, vendor: str, allocatable: int, requested: int = 0
) -> dict[str, Any]:
    return {"class": class_name, "vendor": vendor, "resourceName": f"{vendor}.com/x",
            "allocatable": allocatable, "requested": requested}  # fmt: skip


def guizhou(**spec: Any) -> ComputeSite:
    found = objects.site("guizhou", region="cn-gz", jurisdiction="CN", accelerators=[
        accelerator(H100, "nvidia", 16, 4), accelerator("unknown", "acme", 8),
    ])  # fmt: skip
    found["spec"] |= spec
    return ComputeSite.model_validate(found)


def speed(name: str) -> float:
    found = CATALOG.get(name)
    assert found is not None
    assert found.speed is not None
    return found.speed


ULANQAB = ComputeSite.model_validate(objects.ulanqab())


def test_one_class_at_two_sites_is_one_row_with_both() -> None:
    rows = rows_of([ULANQAB, guizhou()], HardwareBy.CLASS, CATALOG)
    (row,) = (row for row in rows if row.name == H100)
    assert (row.units, row.free) == (144, 76)
    assert row.places == {"ulanqab": (64, 128), "guizhou": (12, 16)}
    assert row.tflops == pytest.approx(144 * speed(H100))
    assert row.free_tflops == pytest.approx(76 * speed(H100))


def test_what_nobody_knows_has_no_strength_and_is_not_zero() -> None:
    lines = table(rows_of([guizhou()], HardwareBy.CLASS, CATALOG), HardwareBy.CLASS, set()).plain()
    unknown = next(line for line in lines.splitlines() if line.startswith("unknown")).split()
    assert unknown[:6] == ["unknown", "acme", "8", "8", "?", "?"]
    total = lines.splitlines()[-1]
    assert total.startswith("all")
    assert f"{16 * speed(H100):,.0f}+?" in total


def test_nothing_is_free_where_no_work_may_go() -> None:
    for closed in (guizhou(unschedulable=True), ComputeSite.model_validate(objects.paris())):
        assert not is_open(closed)
    row = rows_of([guizhou(unschedulable=True)], HardwareBy.CLASS, CATALOG)[0]
    assert (row.free, row.units) == (0, 16)
    text = table([row], HardwareBy.CLASS, {"guizhou"}).plain()
    assert "guizhou! 0/16" in text


def test_makers_are_summed_and_the_strongest_stands_first() -> None:
    rows = rows_of([ULANQAB, guizhou()], HardwareBy.VENDOR, CATALOG)
    assert [row.name for row in rows] == ["nvidia", "huawei", "acme"]
    assert {row.name: row.units for row in rows} == {"nvidia": 144, "huawei": 16, "acme": 8}


def test_sites_are_summed_over_their_classes() -> None:
    rows = rows_of([ULANQAB, guizhou()], HardwareBy.SITE, CATALOG)
    assert {row.name: (row.free, row.units) for row in rows} == {
        "ulanqab": (80, 144),
        "guizhou": (20, 24),
    }


def test_the_table_fits_into_120_columns() -> None:
    sites = [ULANQAB, guizhou()]
    for number in range(6):
        found = objects.site(f"site-{number}", region="r", jurisdiction="CN",
                             accelerators=[accelerator(H100, "nvidia", 1024, 24)])  # fmt: skip
        sites.append(ComputeSite.model_validate(found))
    for by in HardwareBy:
        text = table(rows_of(sites, by, CATALOG), by, {"ulanqab"}).plain()
        assert max(map(len, text.splitlines())) <= 120, text


def test_programs_get_numbers_by_site() -> None:
    told = document(rows_of([ULANQAB], HardwareBy.CLASS, CATALOG), HardwareBy.CLASS)
    assert told["items"][0]["sites"] == {"ulanqab": {"free": 64, "all": 128}}


def test_no_accelerators_are_said() -> None:
    assert table([], HardwareBy.CLASS, set()).plain().startswith("no accelerators")
