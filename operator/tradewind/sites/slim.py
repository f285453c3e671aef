"""The few fields that are read of members' objects; everything else is skipped while decoding."""

from typing import Any

import msgspec

from tradewind.api.names import ANNOTATION_OVERRIDE
from tradewind.hardware.hami import ANNOTATIONS as HAMI_ANNOTATIONS
from tradewind.hardware.hami import Register, registered


class Slim(msgspec.Struct, rename="camel", kw_only=True):
    """Decodes camelCase, and is blind to fields it does not name."""


class Metadata(Slim):
    """What is read of metadata."""

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletion_timestamp: str | None = None


class NodeTaint(Slim):
    """A taint of a node."""

    key: str
    value: str = ""
    effect: str = ""


class NodeSpec(Slim):
    """What is read of a node's spec."""

    unschedulable: bool = False
    taints: list[NodeTaint] | None = None


class NodeCondition(Slim):
    """A condition of a node."""

    type: str
    status: str


class NodeStatus(Slim):
    """What is read of a node's status."""

    allocatable: dict[str, str] | None = None
    conditions: list[NodeCondition] | None = None


class NodeAnnotations(Slim):
    """The few annotations of a node that are read: others can be long."""

    override: str = msgspec.field(default="", name=ANNOTATION_OVERRIDE)
    nvidia_register: str = msgspec.field(default="", name=HAMI_ANNOTATIONS["nvidia"])
    amd_register: str = msgspec.field(default="", name=HAMI_ANNOTATIONS["amd"])

    def registers(self) -> dict[str, Register]:
        """The cards that HAMi shares out, by maker."""
        texts = (("nvidia", self.nvidia_register), ("amd", self.amd_register))
        found = {vendor: registered(vendor, text) for vendor, text in texts if text}
        return {vendor: made for vendor, made in found.items() if made is not None}


class NodeMetadata(Slim):
    """A node's metadata."""

    name: str
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: NodeAnnotations | None = None


class Node(Slim):
    """A node."""

    metadata: NodeMetadata
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class PodResources(Slim):
    """Requests and limits."""

    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class PodContainer(Slim):
    """What is read of a container."""

    name: str = ""
    restart_policy: str | None = None
    resources: PodResources | None = None


class PodSpec(Slim):
    """What is read of a pod's spec."""

    node_name: str = ""
    containers: list[PodContainer] | None = None
    init_containers: list[PodContainer] | None = None
    overhead: dict[str, str] | None = None
    resources: PodResources | None = None


class PodStatus(Slim):
    """What is read of a pod's status."""

    phase: str = ""


class PodMetadata(Slim):
    """A pod's metadata, without annotations."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None


class Pod(Slim):
    """A pod."""

    metadata: PodMetadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class ReplicaSpec(Slim):
    """What a kind's adapter reads of a spec."""

    parallelism: int | None = None
    completions: int | None = None
    replicas: int | None = None


class Dispatched(Slim):
    """An object that Tradewind made, of any kind; the adapter reads its status."""

    metadata: Metadata
    spec: ReplicaSpec = msgspec.field(default_factory=ReplicaSpec)
    status: dict[str, Any] | None = None


class DeviceAttribute(Slim):
    """An attribute of a device; one of them is set."""

    string: str | None = None
    int_: int | None = msgspec.field(default=None, name="int")
    bool_: bool | None = msgspec.field(default=None, name="bool")
    version: str | None = None

    @property
    def text(self) -> str | None:
        """Its value as text; numbers and truths are none that tell a product."""
        return self.string if self.string is not None else self.version


class DeviceCapacity(Slim):
    """A capacity of a device."""

    value: str = ""


class SliceDevice(Slim):
    """A device of a ResourceSlice."""

    name: str = ""
    attributes: dict[str, DeviceAttribute] | None = None
    capacity: dict[str, DeviceCapacity] | None = None
    consumes_counters: list[Any] | None = None


class SlicePool(Slim):
    """The pool that a ResourceSlice belongs to."""

    name: str = ""
    generation: int = 0


class ResourceSliceSpec(Slim):
    """What is read of a ResourceSlice."""

    driver: str = ""
    node_name: str = ""
    pool: SlicePool = msgspec.field(default_factory=SlicePool)
    devices: list[SliceDevice] | None = None


class PlainMetadata(Slim):
    """Name, version and labels."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None


class ResourceSlice(Slim):
    """Devices that a DRA driver announces."""

    metadata: PlainMetadata
    spec: ResourceSliceSpec = msgspec.field(default_factory=ResourceSliceSpec)


class DeviceClass(Slim):
    """A class of devices; its name is all that is read."""

    metadata: PlainMetadata


class ClaimedDevice(Slim):
    """A device that a claim holds."""

    driver: str = ""
    pool: str = ""
    device: str = ""
    admin_access: bool | None = None


class ClaimDevices(Slim):
    """The devices that a claim holds."""

    results: list[ClaimedDevice] | None = None


class ClaimAllocation(Slim):
    """What a claim holds."""

    devices: ClaimDevices = msgspec.field(default_factory=ClaimDevices)


class ClaimStatus(Slim):
    """What is read of a claim's status."""

    allocation: ClaimAllocation | None = None


class ResourceClaim(Slim):
    """A claim to devices."""

    metadata: PlainMetadata
    status: ClaimStatus = msgspec.field(default_factory=ClaimStatus)


class RuntimeClass(Slim):
    """A RuntimeClass; its name is all that is read."""

    metadata: PlainMetadata
