"""Which accelerator products there are, and what each can do.

The built-in catalogue is `catalog.csv`, one row a product, every figure dense (not sparse), with
its source and a confidence: A the maker's sheet, B a reputable third party, C press or community.
An AcceleratorClass object of the same name replaces a row, one of another name adds one.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources

from tradewind.api.accelerator import AcceleratorClass
from tradewind.hardware.clean import clean_value
from tradewind.hardware.parts import SEPARATOR, part_of

#: Best matrix multiplication over the dense peak, where nobody measured the product. The measured
#: rows of the catalogue lie between 0.51 and 1.08 of their sheets; 0.7 is near their middle.
UNMEASURED_EFFICIENCY = 0.7


@dataclass(frozen=True, slots=True)
class HardwareClass:
    """One product, or a part of one; figures are for one allocatable unit.

    Attributes:
        name: of the class, as in AcceleratorClass.
        vendor: lower case.
        product: for people.
        resource_names: extended resources by which pods ask for it.
        match: (node label, values that mean this product); an empty tuple of values means any.
        memory_gib: GiB; NaN where a part's name does not tell.
        bf16_tflops: dense BF16, or FP16 where there is no BF16; None when nobody tells.
        fp8_tflops: dense FP8.
        measured_bf16_tflops: best measured matrix multiplication.
        bandwidth_gbs: memory bandwidth, GB/s.
        tdp_watts: greatest draw.
        idle_watts: draw without work.
        interconnect: link between units.
        price_per_hour: reference price, USD.
        source: where the figures come from.
        confidence: A, B or C.
        fp32_tflops: dense TF32, or FP32 where there is no TF32.
        int8_tops: dense INT8.
        measured_fp8_tflops: best measured FP8 matrix multiplication.
        share: of a whole chip, 1 for a chip; NaN where a part's name does not tell.
    """

    name: str
    vendor: str
    product: str
    resource_names: tuple[str, ...]
    match: tuple[tuple[str, tuple[str, ...]], ...]
    memory_gib: float
    bf16_tflops: float | None
    fp8_tflops: float | None
    measured_bf16_tflops: float | None
    bandwidth_gbs: float | None
    tdp_watts: float | None
    idle_watts: float | None
    interconnect: str
    price_per_hour: float | None
    source: str
    confidence: str
    fp32_tflops: float | None = None
    int8_tops: float | None = None
    measured_fp8_tflops: float | None = None
    share: float = 1.0

    @property
    def speed(self) -> float | None:
        """Effective BF16 TFLOPS: measured, else the dense peak × `UNMEASURED_EFFICIENCY`."""
        if self.measured_bf16_tflops is not None:
            return self.measured_bf16_tflops
        return None if self.bf16_tflops is None else self.bf16_tflops * UNMEASURED_EFFICIENCY


# A rule without values takes any; no label has this one.
_ANY = "*"


class Catalog:
    """Products by name, immutable."""

    def __init__(self, classes: Iterable[HardwareClass]) -> None:
        self._classes = {made.name: made for made in classes}
        self._parts: dict[str, HardwareClass | None] = {}

    def __iter__(self) -> Iterator[HardwareClass]:
        return iter(self._classes.values())

    def __len__(self) -> int:
        return len(self._classes)

    def get(self, name: str) -> HardwareClass | None:
        """The product of that name, or the part of one (`hardware.parts`)."""
        found = self._classes.get(name)
        if found is not None or SEPARATOR not in name:
            return found
        if name not in self._parts:
            base, _, profile = name.partition(SEPARATOR)
            whole = self._classes.get(base)
            self._parts[name] = part_of(whole, profile) if whole is not None else None
        return self._parts[name]

    @cached_property
    def match_keys(self) -> tuple[str, ...]:
        """Node labels by which some product is told, sorted."""
        return tuple(sorted(self._by_label))

    def matching(self, key: str, value: str) -> tuple[HardwareClass, ...]:
        """The products that a node label tells, by name."""
        by_value = self._by_label.get(key)
        if by_value is None:
            return ()
        cleaned = clean_value(key, value)
        return (*by_value.get(cleaned, ()), *by_value.get(_ANY, ()))

    @cached_property
    def _by_label(self) -> dict[str, dict[str, list[HardwareClass]]]:
        found: dict[str, dict[str, list[HardwareClass]]] = {}
        for made in sorted(self, key=lambda made: made.name):
            for key, values in made.match:
                cleaned = {clean_value(key, value) for value in values} or {_ANY}
                for value in sorted(cleaned):
                    found.setdefault(key, {}).setdefault(value, []).append(made)
        return found

    def with_overrides(self, overrides: Iterable[AcceleratorClass]) -> "Catalog":
        """A catalogue in which AcceleratorClass objects replace and extend the rows."""
        return Catalog([*self, *(_from_object(made) for made in overrides)])


@lru_cache(maxsize=1)
def builtin_catalog() -> Catalog:
    """The catalogue that ships with the package."""
    text = resources.files(__package__).joinpath("catalog.csv").read_text(encoding="utf-8")
    return Catalog(_from_row(row) for row in csv.DictReader(text.splitlines()))


def _from_row(row: Mapping[str, str]) -> HardwareClass:
    def figure(column: str) -> float | None:
        return float(row[column]) if row[column] else None

    match = []
    for rule in filter(None, row["match"].split(";")):
        key, _, values = rule.partition("=")
        match.append((key, tuple(values.split("|"))))
    return HardwareClass(
        name=row["name"],
        vendor=row["vendor"],
        product=row["product"],
        resource_names=tuple(row["resources"].split("|")),
        match=tuple(match),
        memory_gib=float(row["memory_gib"]),
        bf16_tflops=figure("bf16"),
        fp8_tflops=figure("fp8"),
        measured_bf16_tflops=figure("measured_bf16"),
        bandwidth_gbs=figure("bandwidth"),
        tdp_watts=figure("tdp"),
        idle_watts=figure("idle"),
        interconnect=row["interconnect"],
        price_per_hour=figure("price"),
        source=row["source"],
        confidence=row["confidence"],
        fp32_tflops=figure("fp32"),
        int8_tops=figure("int8"),
        measured_fp8_tflops=figure("measured_fp8"),
    )


def _from_object(made: AcceleratorClass) -> HardwareClass:
    spec = made.spec
    measured = spec.measured_tflops
    return HardwareClass(
        name=made.metadata.name,
        vendor=spec.vendor,
        product=spec.product or made.metadata.name,
        resource_names=spec.resource_names,
        match=tuple((rule.key, rule.values) for rule in spec.match),
        memory_gib=spec.memory_gib,
        bf16_tflops=spec.tflops.bf16,
        fp8_tflops=spec.tflops.fp8,
        measured_bf16_tflops=measured.bf16 if measured else None,
        bandwidth_gbs=spec.bandwidth_gbs,
        tdp_watts=spec.tdp_watts,
        idle_watts=spec.idle_watts,
        interconnect=spec.interconnect,
        price_per_hour=spec.price_per_hour,
        source=spec.source,
        confidence=spec.confidence,
        fp32_tflops=spec.tflops.fp32,
        int8_tops=spec.tflops.int8,
        measured_fp8_tflops=measured.fp8 if measured else None,
    )
