"""Which devices do a site's nodes have by DRA, and which of them are taken?

ResourceSlices say what there is: of each pool only the newest generation counts, and of slices only
those of one node. ResourceClaims say what is allocated; administrators' access takes nothing away.
Devices whose DeviceClass the site does not have cannot be asked for, and do not count.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from tradewind.api.fields import memory_bytes
from tradewind.api.names import LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.base.errors import QuantityError
from tradewind.hardware.catalog import Catalog
from tradewind.hardware.devices import Device, DeviceKind, kind_of
from tradewind.hardware.labels import NodeAccelerators
from tradewind.sites.slim import DeviceClass, ResourceClaim, ResourceSlice, SliceDevice
from tradewind.sites.totals import BoundPod, device_account

#: (driver, pool, device).
_Id = tuple[str, str, str]
#: (driver, pool).
_Pool = tuple[str, str]


@dataclass(frozen=True, slots=True)
class NodeDevices:
    """The devices of a node.

    Attributes:
        parts: by class and DeviceClass, with their number.
        selectors: CEL expressions by class and resource.
    """

    parts: tuple[NodeAccelerators, ...] = ()
    selectors: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)


class Devices:
    """The ResourceSlices, DeviceClasses and ResourceClaims of one site.

    Args:
        catalog: gives the accelerator classes in force.
        hub_id: claims that bear it are of Tradewind's own work.
    """

    def __init__(self, catalog: Callable[[], Catalog], *, hub_id: str) -> None:
        self._catalog = catalog
        self._hub_id = hub_id
        self._slices: dict[str, dict[str, ResourceSlice]] = {}
        self._kinds: dict[str, dict[_Id, DeviceKind]] = {}
        self._home: dict[_Pool, str] = {}
        self._classes: set[str] = set()
        self._claims: dict[str, ResourceClaim] = {}
        self._claims_at: dict[_Pool, set[str]] = {}

    def on_slice(self, old: ResourceSlice | None, new: ResourceSlice | None) -> set[str]:
        """Take a change of a slice; returns the nodes concerned."""
        if old is not None:
            self._slices.get(old.spec.node_name, {}).pop(old.metadata.uid, None)
        if new is not None and new.spec.node_name:
            self._slices.setdefault(new.spec.node_name, {})[new.metadata.uid] = new
            self._home[_pool(new)] = new.spec.node_name
        return {item.spec.node_name for item in (old, new) if item and item.spec.node_name}

    def on_class(self, old: DeviceClass | None, new: DeviceClass | None) -> set[str]:
        """Take a change of a DeviceClass; returns the nodes concerned."""
        if new is not None:
            if new.metadata.name in self._classes:
                return set()
            self._classes.add(new.metadata.name)
        elif old is not None:
            self._classes.discard(old.metadata.name)
        return set(self._slices)

    def on_claim(self, old: ResourceClaim | None, new: ResourceClaim | None) -> set[str]:
        """Take a change of a claim; returns its uid, if what it holds may have changed."""
        claim = new or old
        if claim is None or (old is not None and new is not None and old.status == new.status):
            return set()
        uid = claim.metadata.uid
        before = self._claims.pop(uid, None)
        for pool in _pools(before):
            self._claims_at[pool].discard(uid)
        if new is not None and new.status.allocation is not None:
            self._claims[uid] = new
            for pool in _pools(new):
                self._claims_at.setdefault(pool, set()).add(uid)
        return {uid} if before is not None or uid in self._claims else set()

    def of(self, node: str) -> NodeDevices:
        """The devices of a node, as of now."""
        counts: Counter[tuple[str, str]] = Counter()
        first: dict[tuple[str, str], NodeAccelerators] = {}
        selectors: dict[tuple[str, str], set[str]] = {}
        kinds = self._kinds[node] = {}
        for item in self._newest(node):
            for device in item.spec.devices or ():
                kind = kind_of(_read(item.spec.driver, device), self._catalog())
                if kind is None or kind.device_class not in self._classes:
                    continue
                key = (kind.part.class_name, kind.part.resource_name)
                counts[key] += 1
                first.setdefault(key, kind.part)
                selectors.setdefault(key, set()).add(kind.selector)
                kinds[item.spec.driver, item.spec.pool.name, device.name] = kind
        if not kinds:
            del self._kinds[node]
        return NodeDevices(
            tuple(_counted(first[key], counts[key]) for key in sorted(first)),
            {key: tuple(sorted(found)) for key, found in selectors.items()},
        )

    def claims_at(self, nodes: Iterable[str]) -> set[str]:
        """The claims that may hold devices of these nodes."""
        pools = {_pool(item) for node in nodes for item in self._slices.get(node, {}).values()}
        return {uid for pool in pools for uid in self._claims_at.get(pool, ())}

    def held(self, claim_uids: Iterable[str]) -> dict[str, list[BoundPod]]:
        """What claims hold, by their uid: an entry for each node; an empty list holds nothing."""
        return {uid: self._holdings(self._claims.get(uid)) for uid in claim_uids}

    def _holdings(self, claim: ResourceClaim | None) -> list[BoundPod]:
        if claim is None or claim.status.allocation is None:
            return []
        labels = claim.metadata.labels or {}
        ours = labels.get(LABEL_HUB_ID) == self._hub_id
        workload = labels.get(LABEL_WORKLOAD_UID, "") if ours else ""
        taken: dict[str, Counter[str]] = {}
        for result in claim.status.allocation.devices.results or ():
            node = self._home.get((result.driver, result.pool), "")
            device = (result.driver, result.pool, result.device)
            kind = self._kinds.get(node, {}).get(device)
            if result.admin_access or kind is None:
                continue
            account = device_account(kind.part.class_name, kind.part.resource_name)
            taken.setdefault(node, Counter())[account] += 1
        return [BoundPod(node, workload, dict(amounts)) for node, amounts in taken.items()]

    def _newest(self, node: str) -> list[ResourceSlice]:
        mine = list(self._slices.get(node, {}).values())
        newest: dict[_Pool, int] = {}
        for item in mine:
            newest[_pool(item)] = max(newest.get(_pool(item), 0), item.spec.pool.generation)
        return [item for item in mine if item.spec.pool.generation == newest[_pool(item)]]


def _pool(item: ResourceSlice) -> _Pool:
    return item.spec.driver, item.spec.pool.name


def _pools(claim: ResourceClaim | None) -> set[_Pool]:
    if claim is None or claim.status.allocation is None:
        return set()
    return {
        (result.driver, result.pool) for result in claim.status.allocation.devices.results or ()
    }


def _counted(part: NodeAccelerators, count: int) -> NodeAccelerators:
    return replace(part, count=count, devices=count if part.devices is not None else None)


def _read(driver: str, device: SliceDevice) -> Device:
    attributes = {}
    for name, attribute in (device.attributes or {}).items():
        text = attribute.text
        if text is not None:
            attributes[name.removeprefix(f"{driver}/")] = text
    memory = (device.capacity or {}).get("memory") or (device.capacity or {}).get(
        f"{driver}/memory"
    )
    return Device(
        driver=driver,
        attributes=attributes,
        memory_bytes=_bytes(memory.value) if memory else None,
        shares_counters=bool(device.consumes_counters),
    )


def _bytes(text: str) -> int | None:
    try:
        return memory_bytes(text) or None
    except QuantityError:
        return None
