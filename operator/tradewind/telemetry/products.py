"""Which AcceleratorClass does an exporter mean by its product name? Pure.

Exporters and node labels spell the same product with blanks, dashes or neither; the catalogue knows
the labels' spellings.
"""

import re
from functools import lru_cache
from typing import Final

from tradewind.hardware.catalog import Catalog, builtin_catalog

#: Labels whose values are products; others tell of zones and counts.
_PRODUCT_LABELS: Final = re.compile(r"product|chip\.name|accelerator|instance-type|card|model|name")


def class_of(product: str, catalog: Catalog | None = None) -> str:
    """The class of that product, else the product's own name, 63 characters at most.

    >>> class_of("NVIDIA A100-SXM4-80GB")
    'nvidia-a100-sxm-80gb'
    >>> class_of("Ascend910B3")
    'huawei-ascend-910b3'
    >>> class_of("Wonderchip 3")
    'Wonderchip 3'
    """
    known = _by_spelling(catalog or builtin_catalog())
    return known.get(_plain(product)) or product[:63]


@lru_cache(maxsize=8)
def _by_spelling(catalog: Catalog) -> dict[str, str]:
    """Class by every spelling; one that two classes share names neither."""
    found: dict[str, str] = {}
    for made in catalog:
        spellings = {_plain(made.name), _plain(made.product)}
        for label, values in made.match:
            if _PRODUCT_LABELS.search(label):
                spellings |= {_plain(value) for value in values}
                if made.vendor == "huawei":
                    spellings |= {_plain(f"ascend{value}") for value in values}
        for spelling in spellings:
            found[spelling] = made.name if found.get(spelling, made.name) == made.name else ""
    return found


def _plain(product: str) -> str:
    """Without blanks, dashes and case, and without the maker's name in front."""
    text = re.sub(r"[^a-z0-9]", "", product.lower())
    return re.sub(r"^(nvidia|tesla|amd|instinct|huawei|intel|google)+", "", text)
