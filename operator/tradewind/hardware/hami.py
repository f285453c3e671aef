"""What HAMi tells of a node's cards, in the annotations that its device plugins write. Pure.

HAMi offers each card several times over (ten times, unless told otherwise): a node with eight cards
has 80 of `nvidia.com/gpu`. Whoever asks for n of them and names no memory gets n cards whole, with
all of their memory. So the cards count, not the slots; what others take a slot of is taken whole.

Forms: a JSON array of devices; before HAMi 2.5 devices with a colon behind each, of fields with
commas between: id, slots, memory in MiB, cores in percent, type, NUMA node, health, and more
(Project-HAMi/HAMi, `pkg/util`, and its protocol document).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from tradewind.hardware.clean import AMD_PRODUCT, NVIDIA_PRODUCT

#: The makers whose annotation is read, the label that tells of the same, and how types begin.
ANNOTATIONS: Final[Mapping[str, str]] = {
    "nvidia": "hami.io/node-nvidia-register",
    "amd": "hami.io/node-amd-register",
}
PRODUCT_KEYS: Final[Mapping[str, str]] = {"nvidia": NVIDIA_PRODUCT, "amd": AMD_PRODUCT}

#: Fields of a device in the older form that are read, by their place.
_TYPE, _HEALTH, _FIELDS = 4, 6, 7
#: No node has more cards; a longer list is no register.
_MOST_CARDS: Final = 1024


@dataclass(frozen=True, slots=True)
class Register:
    """A maker's cards on a node.

    Attributes:
        cards: that are well.
        types: their products, each once, in the maker's words.
    """

    cards: int
    types: tuple[str, ...]


class _Card(msgspec.Struct):
    type: str = ""
    health: bool = True


def registered(vendor: str, text: str) -> Register | None:
    """Read a maker's annotation.

    Returns:
        None if it is empty, of another form, or tells of no card that is well.

    >>> registered("nvidia", "GPU-0a,10,81559,100,NVIDIA-NVIDIA H100 80GB HBM3,0,true,0,hami-core:")
    Register(cards=1, types=('NVIDIA H100 80GB HBM3',))
    """
    cards = _from_json(text) if text.lstrip().startswith("[") else _from_fields(text)
    well = [card for card in cards if card.health]
    if not 0 < len(well) <= _MOST_CARDS:
        return None
    types = dict.fromkeys(_without_maker(vendor, card.type) for card in well)
    return Register(len(well), tuple(types))


def _from_json(text: str) -> list[_Card]:
    try:
        return msgspec.json.decode(text, type=list[_Card])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []


def _from_fields(text: str) -> list[_Card]:
    devices = [device.split(",") for device in text.split(":") if device.strip()]
    if any(len(fields) < _FIELDS for fields in devices):
        return []
    return [_Card(fields[_TYPE], fields[_HEALTH].lower() == "true") for fields in devices]


def _without_maker(vendor: str, text: str) -> str:
    """HAMi puts the maker before the name that the driver gives, which may have it once more."""
    head, dash, rest = text.partition("-")
    return rest.strip() if dash and head.lower() == vendor else text.strip()
