"""What is known of each row's accelerators, and which of them will do for a shape?

Facts come from the catalogue; a site's own word on memory and vendor goes first. An accelerator
that nobody recognised serves work that asks for a vendor or for nothing: what is not known of it
is never taken as enough.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from tradewind.api.accelerator import Sharing
from tradewind.hardware.catalog import Catalog, HardwareClass
from tradewind.hardware.labels import vendor_of
from tradewind.hardware.parts import SEPARATOR, base_class, sharing_of
from tradewind.placement.config import EngineConfig
from tradewind.placement.plan import RefusalReason
from tradewind.placement.shapes import Shape
from tradewind.placement.snapshot import Pricing, SiteAccelerator
from tradewind.placement.table import F64, Column, SiteTable, clean


@dataclass(frozen=True, slots=True)
class Chip:
    """One class of accelerators as a site has it; None and NaN: not known.

    Args:
        class_name: of the catalogue, or `unknown`.
        resource_name: by which pods ask for it.
        vendor: empty when not known.
        memory_gib: of one unit.
        tflops: dense BF16, what `minTFLOPS` speaks of.
        speed: effective BF16 TFLOPS, what run times are scaled by.
        draw_watts: of one unit at work.
        price_hour: the catalogue's reference price, USD.
    """

    class_name: str
    resource_name: str
    vendor: str
    memory_gib: float
    tflops: float
    speed: float
    draw_watts: float
    price_hour: float


def chip_of(accelerator: SiteAccelerator, catalog: Catalog, config: EngineConfig) -> Chip:
    """What is known of a site's accelerator."""
    found = catalog.get(accelerator.class_name)
    listed = clean(accelerator.memory_gib)
    unknown = math.nan
    return Chip(
        class_name=accelerator.class_name,
        resource_name=accelerator.resource_name,
        vendor=accelerator.vendor
        or (found.vendor if found else vendor_of(accelerator.resource_name)),
        memory_gib=clean(found.memory_gib) if found and math.isnan(listed) else listed,
        tflops=clean(found.bf16_tflops) if found else unknown,
        speed=clean(found.speed, low=1e-9) if found else unknown,
        draw_watts=draw_watts(found, config) if found else unknown,
        price_hour=clean(found.price_per_hour) if found else unknown,
    )


def draw_watts(hardware: HardwareClass, config: EngineConfig) -> float:
    """What one unit at work draws, watts: idle power plus its share of the way to rated power.

    Rated power alone would be a cap, not a draw.
    """
    most = clean(hardware.tdp_watts, low=1e-9)
    idle = clean(hardware.idle_watts)
    if math.isnan(idle):
        idle = config.idle_share * most
    return idle + config.utilisation * max(0.0, most - idle)


class Chips:
    """The accelerators of all rows, as columns; NaN where unknown or without accelerators.

    Attributes:
        known: (R,) column; None for the rows without accelerators.
        speed: (R,) effective BF16 TFLOPS.
        draw_watts: (R,) of one unit at work.
        price_hour: (R,) USD per unit; the site's price, else the catalogue's.
        price_stated: (R,) whether the site states it.
    """

    def __init__(self, table: SiteTable, catalog: Catalog, config: EngineConfig) -> None:
        made: dict[tuple[str, str, str, float | None], Chip] = {}
        known: list[Chip | None] = []
        for accelerator in table.row_accelerator:
            if accelerator is None:
                known.append(None)
                continue
            # What a site has of it is no part of what it is: sites share these facts.
            key = (
                accelerator.class_name,
                accelerator.resource_name,
                accelerator.vendor,
                accelerator.memory_gib,
            )
            if key not in made:
                made[key] = chip_of(accelerator, catalog, config)
            known.append(made[key])
        self.known = Column(known)
        self.speed = _column([math.nan if c is None else c.speed for c in known])
        self.draw_watts = _column([math.nan if c is None else c.draw_watts for c in known])
        stated = _column(
            [
                *repeat(math.nan, len(table.sites)),
                *(
                    _stated_price(site.pricing, accelerator.class_name, catalog)
                    for site, part in zip(table.sites, table.parts, strict=True)
                    for accelerator in part.accelerators
                ),
            ]
        )
        listed = _column([math.nan if c is None else c.price_hour for c in known])
        self.price_stated = ~np.isnan(stated)
        self.price_hour = np.where(self.price_stated, stated, listed)


def _stated_price(pricing: Pricing, class_name: str, catalog: Catalog) -> float:
    """What a site charges for one unit, USD an hour; of a part, its share of the chip's price."""
    own = pricing.accelerator_hour.get(class_name)
    if own is not None or not pricing.accelerator_hour:
        return clean(own)
    found = catalog.get(class_name)
    whole = clean(pricing.accelerator_hour.get(base_class(class_name)))
    return whole * found.share if found else math.nan


def _column(values: Sequence[float]) -> F64:
    return np.array(values, np.float64)


def chip_refusal(  # noqa: PLR0911 - a reason each
    shape: Shape, named: frozenset[str], chip: Chip, catalog: Catalog
) -> RefusalReason | None:
    """Why an accelerator will not do for a shape; None when it will.

    Args:
        shape: whose need counts.
        named: resources that the template names itself.
        chip: the accelerator.
        catalog: tells a class's name from that of a family.
    """
    need = shape.accelerator
    neutral = any(pod.accelerators > 0 for pod in shape.demand.pods)
    if not neutral and chip.resource_name not in named:
        return RefusalReason.RESOURCE
    if need.classes and not any(
        is_of_class(chip.class_name, name, catalog) for name in need.classes
    ):
        return RefusalReason.CLASS
    if need.vendors and chip.vendor not in need.vendors:
        return RefusalReason.VENDOR
    if neutral and not _cut_as_asked(shape, chip):
        return RefusalReason.SHARING
    # Written so that NaN, "not known", refuses.
    if need.min_memory_gib and not chip.memory_gib >= need.min_memory_gib:
        return RefusalReason.CHIP_MEMORY
    if need.min_tflops and not chip.tflops >= need.min_tflops:
        return RefusalReason.CHIP_SPEED
    return None


def _cut_as_asked(shape: Shape, chip: Chip) -> bool:
    """Whether units of this sort will do; a class that is named as a part asks for itself."""
    sharing, need = sharing_of(chip.class_name), shape.accelerator
    if sharing is Sharing.SHARED and any(pod.accelerators > 1 for pod in shape.demand.pods):
        return False  # two shares may be of one chip: they are no more than one
    return need.sharing in {Sharing.ANY, sharing} or chip.class_name in need.classes


def is_of_class(class_name: str, asked: str, catalog: Catalog) -> bool:
    """Whether a class is what was asked for: that very class, or one of the family named so.

    A name that is a class of the catalogue means that class only. Parts are of their chip's class.

    >>> from tradewind.hardware.catalog import builtin_catalog
    >>> is_of_class("huawei-ascend-910b3", "huawei-ascend-910b", builtin_catalog())
    True
    >>> is_of_class("nvidia-a100-sxm-80gb", "nvidia-a10", builtin_catalog())
    False
    """
    class_name = class_name if SEPARATOR in asked else base_class(class_name)
    if class_name == asked:
        return True
    rest = class_name.removeprefix(asked)
    if not asked or rest == class_name or catalog.get(asked) is not None:
        return False
    # 910b | 3, h100 | -sxm, mi300 | x; but never h10 | 0.
    return rest[0] == "-" or rest[0].isdigit() != asked[-1].isdigit()
