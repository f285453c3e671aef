"""What is one allocatable unit: a whole chip, a partition of one, or a share? What can it do?

A part's name is that of its class, a slash, and how it was made: `nvidia-h100-sxm/mig-3g.40gb`,
`amd-mi300x/cpx-nps4`, `huawei-ascend-910b3/vnpu-5c.1cpu.8g`, `nvidia-l4/shared-10`. No class can
bear such a name. A partition has hardware of its own; a share only takes turns on a whole chip, so
that of all its figures none is better than a part in so many. Pure.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tradewind.api.accelerator import Sharing

if TYPE_CHECKING:
    from tradewind.hardware.catalog import HardwareClass

SEPARATOR: Final = "/"

#: Compute slices that a GPU is cut into by MIG; 7 unless it is here (NVIDIA's MIG user guide).
_MIG_SLICES: Final[Mapping[str, int]] = {"nvidia-a30": 4, "nvidia-rtx-pro-6000": 4}

#: Into how many an AMD compute mode cuts a chip: an MI300X has eight dies.
_AMD_MODES: Final[Mapping[str, int]] = {"spx": 1, "dpx": 2, "tpx": 3, "qpx": 4, "cpx": 8}

#: AI cores of a chip, by which an Ascend vNPU is measured (HAMi's chart; a 910A has 30 to 32).
_AI_CORES: Final[Mapping[str, int]] = {
    "huawei-ascend-310p": 8,
    "huawei-ascend-910a": 32,
    "huawei-ascend-910b1": 24,
    "huawei-ascend-910b2": 24,
    "huawei-ascend-910b3": 20,
    "huawei-ascend-910b4": 20,
    "huawei-ascend-910b4-1": 20,
    "huawei-ascend-910c": 20,
}

_SHARED: Final = re.compile(r"(?:^|\.)shared(?:-([1-9]\d*))?$")
_MIG: Final = re.compile(r"mig-([1-9]\d*)g\.([1-9]\d*)gb(?:\.|$)")
_AMD: Final = re.compile(r"([a-z]+px)-nps\d$")
_VNPU: Final = re.compile(r"vnpu-([1-9]\d*)c(?:\.\d+cpu\.([1-9]\d*)g)?")
_BY_MEMORY: Final = re.compile(r"(?:mim-\d+m\.|vdcu-(?:\d+[a-z]-)?)([1-9]\d*)gb?$")


def base_class(name: str) -> str:
    """The class of which a part is one; a whole chip's is its own.

    >>> base_class("nvidia-a100-sxm-80gb/mig-3g.40gb")
    'nvidia-a100-sxm-80gb'
    """
    return name.partition(SEPARATOR)[0]


def part_name(class_name: str, profile: str) -> str:
    """The name of a part; an empty profile is the whole chip."""
    return f"{class_name}{SEPARATOR}{profile}" if profile else class_name


@lru_cache(maxsize=4096)
def sharing_of(name: str) -> Sharing:
    """How the units of a class or part are cut from chips.

    >>> [sharing_of(name).value for name in ("nvidia-l4", "nvidia-l4/shared-10", "x/mig-1g.10gb")]
    ['Exclusive', 'Shared', 'Partition']
    """
    profile = name.partition(SEPARATOR)[2]
    if not profile:
        return Sharing.EXCLUSIVE
    return Sharing.SHARED if _SHARED.search(profile) else Sharing.PARTITION


def part_of(whole: "HardwareClass", profile: str) -> "HardwareClass":
    """The figures of one part of a product.

    Args:
        whole: the product.
        profile: what follows the slash of the part's name.

    Returns:
        Figures in proportion to the compute of the part, memory as its name says. What the name
        does not tell is unknown: NaN memory, None for the rest.
    """
    share, memory_gib = _cut(whole, profile)

    def scaled(figure: float | None) -> float | None:
        return None if figure is None or share is None else figure * share

    return replace(
        whole,
        name=part_name(whole.name, profile),
        product=f"{whole.product}, {profile}",
        memory_gib=memory_gib,
        share=math.nan if share is None else share,
        fp32_tflops=scaled(whole.fp32_tflops),
        bf16_tflops=scaled(whole.bf16_tflops),
        fp8_tflops=scaled(whole.fp8_tflops),
        int8_tops=scaled(whole.int8_tops),
        measured_bf16_tflops=scaled(whole.measured_bf16_tflops),
        measured_fp8_tflops=scaled(whole.measured_fp8_tflops),
        bandwidth_gbs=scaled(whole.bandwidth_gbs),
        tdp_watts=scaled(whole.tdp_watts),
        idle_watts=scaled(whole.idle_watts),
        price_per_hour=scaled(whole.price_per_hour),
    )


def _cut(whole: "HardwareClass", profile: str) -> tuple[float | None, float]:
    """The part's share of the compute, None if not known, and its memory in GiB, else NaN."""
    share: float | None = 1.0
    memory_gib = whole.memory_gib
    turns = _SHARED.search(profile)
    cut = profile[: turns.start()] if turns else profile
    if cut:
        share, memory_gib = _partition(whole, cut)
    if turns:
        times = int(turns[1]) if turns[1] else None
        share = share / times if share is not None and times else None
        memory_gib = memory_gib / times if times else math.nan
    return share, memory_gib


def _partition(whole: "HardwareClass", cut: str) -> tuple[float | None, float]:
    for pattern, read in _PARTITIONS:
        match = pattern.match(cut)
        if match is not None:
            return read(whole, match)
    return None, math.nan


def _mig(whole: "HardwareClass", match: re.Match[str]) -> tuple[float | None, float]:
    return min(1.0, int(match[1]) / _MIG_SLICES.get(whole.name, 7)), float(match[2])


def _amd(whole: "HardwareClass", match: re.Match[str]) -> tuple[float | None, float]:
    pieces = _AMD_MODES.get(match[1])
    return (1 / pieces, whole.memory_gib / pieces) if pieces else (None, math.nan)


def _vnpu(whole: "HardwareClass", match: re.Match[str]) -> tuple[float | None, float]:
    cores = _AI_CORES.get(whole.name)
    share = min(1.0, int(match[1]) / cores) if cores else None
    if match[2]:
        return share, float(match[2])
    return share, math.nan if share is None else whole.memory_gib * share


def _by_memory(whole: "HardwareClass", match: re.Match[str]) -> tuple[float | None, float]:
    memory_gib = float(match[1])
    return min(1.0, memory_gib / whole.memory_gib), memory_gib


_PARTITIONS: Final[
    tuple[
        tuple[
            re.Pattern[str],
            Callable[["HardwareClass", re.Match[str]], tuple[float | None, float]],
        ],
        ...,
    ]
] = ((_MIG, _mig), (_AMD, _amd), (_VNPU, _vnpu), (_BY_MEMORY, _by_memory))
