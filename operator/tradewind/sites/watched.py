"""Which kinds are watched at a site, and which of them it need not have."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tradewind.api.names import LABEL_HUB_ID, LABEL_MANAGED_BY, MANAGED_BY
from tradewind.sites.slim import (
    DeviceClass,
    Dispatched,
    Node,
    Pod,
    ResourceClaim,
    ResourceSlice,
    RuntimeClass,
)
from tradewind.workloads.registry import ADAPTERS

_DRA: Final = "/apis/resource.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Watched:
    """One kind at a site.

    Attributes:
        path: of its collection.
        item: what is read of an object.
        selectors: query parameters that leave out what nobody asks for.
        optional: a site need not have it, nor let us read it.
    """

    path: str
    item: type[Any]
    selectors: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False


NODES: Final = Watched("/api/v1/nodes", Node)
PODS: Final = Watched(
    "/api/v1/pods", Pod, {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
)
SLICES: Final = Watched(f"{_DRA}/resourceslices", ResourceSlice, optional=True)
DEVICE_CLASSES: Final = Watched(f"{_DRA}/deviceclasses", DeviceClass, optional=True)
CLAIMS: Final = Watched(f"{_DRA}/resourceclaims", ResourceClaim, optional=True)
RUNTIME_CLASSES: Final = Watched("/apis/node.k8s.io/v1/runtimeclasses", RuntimeClass, optional=True)

#: What has to be listed before anything is placed by it: unread claims would look like free chips.
INVENTORY: Final = frozenset(
    what.path for what in (NODES, PODS, SLICES, DEVICE_CLASSES, CLAIMS, RUNTIME_CLASSES)
)


def ours_of(kind: str, hub_id: str) -> Watched:
    """The objects of a template kind, `apiVersion/Kind`, that this hub made."""
    adapter = ADAPTERS[kind]
    selector = f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_HUB_ID}={hub_id}"
    path = f"/apis/{adapter.api_version}/{adapter.plural}"
    return Watched(path, Dispatched, {"labelSelector": selector})
