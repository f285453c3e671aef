"""Makers' label values in one spelling, and texts that may stand as label values. Pure.

Labellers write one product in several ways: `NVIDIA-H100-80GB-HBM3`, without its maker's name by an
old driver, with `-SHARED` or `-MIG-3g.40gb` behind it; `AMD_Instinct_MI300X_OAM` or
`Instinct_MI300X`. Both sides of a comparison go through `clean_value`.
"""

import re
from functools import lru_cache
from typing import Final

NVIDIA_PRODUCT: Final = "nvidia.com/gpu.product"
AMD_PRODUCT: Final = "amd.com/gpu.product-name"

#: The longest value a label may have.
VALUE_LENGTH: Final = 63

# GPU Feature Discovery marks shared and partitioned devices in the product's own name.
_SUFFIX: Final = re.compile(r"(-mig-.*)?(-shared)?$")
_INSTINCT: Final = re.compile(r"mi\d+[a-z]*")
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]+")
_EDGE: Final = re.compile(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$")


@lru_cache(maxsize=4096)
def clean_value(key: str, value: str) -> str:
    """A label's value as it is compared.

    >>> clean_value("nvidia.com/gpu.product", "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb")
    'a100-sxm4-80gb'
    >>> clean_value("amd.com/gpu.product-name", "AMD_Instinct_MI300X_OAM")
    'mi300x'
    """
    text = value.strip().lower().replace("_", "-").replace(" ", "-")
    if key == NVIDIA_PRODUCT:
        return _SUFFIX.sub("", text, count=1).removeprefix("nvidia-")
    if key == AMD_PRODUCT:
        found = _INSTINCT.search(text)
        return found[0] if found else text
    return text


def label_value(text: str) -> str:
    """A text as a label's value: 63 characters at most, letters or digits at both ends.

    >>> label_value("NVIDIA H100 (SXM5) 80GB!")
    'NVIDIA-H100-SXM5-80GB'
    """
    folded = _EDGE.sub("", _FOREIGN.sub("-", text))
    return _EDGE.sub("", folded[:VALUE_LENGTH])
