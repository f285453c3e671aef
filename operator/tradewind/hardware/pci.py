"""Whose accelerators are in a node by its PCI ids, where no device plugin offers them? Pure.

Node Feature Discovery's labels are the last resort: they tell the maker, not the product, and
hardware without a plugin is no capacity. Makers of ordinary chips are left out: their id proves
nothing (Google's is also a NIC, AWS's a disk, AMD's and Intel's anything).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

#: PCI vendor ids (the PCI ID database, 2026-08).
VENDORS: Final[Mapping[str, str]] = {
    "10de": "nvidia",
    "1da3": "intel",  # Habana
    "19e5": "huawei",
    "cabc": "cambricon",
    "1d94": "hygon",
    "1ed5": "mthreads",
    "9999": "metax",
    "1e3e": "iluvatar",
    "1e36": "enflame",
    "1d22": "kunlunxin",
    "1ed2": "furiosa",
    "1eff": "rebellions",
    "1e52": "tenstorrent",
    "1ec6": "vastai",
    "1ded": "thead",
    "17cb": "qualcomm",
}
# Classes of displays, co-processors and accelerators; without a class the vendor alone is told.
_LABEL: Final = re.compile(
    r"feature\.node\.kubernetes\.io/pci-(?:(?:03\w\w|0b40|12\w\w)_)?([0-9a-f]{4})(?:_\w+)?\.present"
)


def bare_vendors(labels: Mapping[str, str], offered: Iterable[str]) -> tuple[str, ...]:
    """Makers whose devices a node has, and of whom it offers nothing, sorted.

    Args:
        labels: the node's.
        offered: makers of what the node offers.

    >>> bare_vendors({"feature.node.kubernetes.io/pci-1200_19e5.present": "true"}, ["nvidia"])
    ('huawei',)
    """
    seen = set()
    for key, value in labels.items():
        match = _LABEL.fullmatch(key) if value == "true" else None
        if match is not None and match[1] in VENDORS:
            seen.add(VENDORS[match[1]])
    return tuple(sorted(seen - set(offered)))
