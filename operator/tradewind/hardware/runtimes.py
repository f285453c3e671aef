"""Which RuntimeClass do pods need to see a maker's chips, where the site has one for that? Pure.

Operators that leave the node its default runtime bring a RuntimeClass, and pods without it
find no devices: NVIDIA's GPU operator (`nvidia`), Habana's (`habana`), Ascend's MindCluster
(`ascend`), AMD's container toolkit (`amd`). DRA drivers and plugins by CDI need none.
"""

from collections.abc import Set as AbstractSet
from typing import Final

from tradewind.hardware.resources import DEVICE_CLASS_PREFIX, unit_of

_BY_RESOURCE: Final = {
    "nvidia.com/gpu": "nvidia",
    "habana.ai/gaudi": "habana",
    "huawei.com/Ascend910": "ascend",
    "huawei.com/Ascend310P": "ascend",
    "huawei.com/Ascend310": "ascend",
    "huawei.com/npu": "ascend",
    "amd.com/gpu": "amd",
}


def runtime_class_for(resource_name: str, there: AbstractSet[str]) -> str:
    """The RuntimeClass for pods that ask for a resource; empty when none is needed or there.

    Args:
        resource_name: by which they ask.
        there: names of the site's RuntimeClasses.

    >>> runtime_class_for("nvidia.com/mig-1g.10gb", {"nvidia", "kata"})
    'nvidia'
    >>> runtime_class_for("google.com/tpu", {"nvidia"})
    ''
    """
    if resource_name.startswith(DEVICE_CLASS_PREFIX):
        return ""
    unit = unit_of(resource_name)
    name = _BY_RESOURCE.get(unit.whole, "") if unit is not None else ""
    return name if name in there else ""
