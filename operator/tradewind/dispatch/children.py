"""Which objects at a site are ours, and whose they are.

A child says by its own labels which hub, workload and epoch it belongs to, so that orphans are
known without a look at the hub. The index is filled by the site's informers and asked by workload.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tradewind.api.names import (
    ANNOTATION_SPEC_HASH,
    LABEL_EPOCH,
    LABEL_HUB_ID,
    LABEL_WORKLOAD_UID,
)
from tradewind.workloads.adapter import Observed


@dataclass(frozen=True, slots=True)
class Child:
    """One object at a site that Tradewind made.

    Attributes:
        kind: `apiVersion/Kind`, as in `batch/v1/Job`.
        epoch: the fencing number it was made under.
        spec_hash: of what was rendered then; tells whether the hub's template changed since.
        deleting: its deletion is under way at the site.
        observed: what its status says.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    workload_uid: str
    epoch: int
    spec_hash: str
    deleting: bool
    observed: Observed


def child_of(
    kind: str,
    metadata: Any,
    observed: Observed,
    *,
    hub_id: str,
) -> Child | None:
    """The child an object is, or None if it is not one of this hub's.

    Args:
        kind: `apiVersion/Kind` of the informer it came from.
        metadata: with `name, namespace, uid, labels, annotations, deletion_timestamp`.
        observed: its status, read by the kind's adapter.
        hub_id: ours.
    """
    labels = metadata.labels or {}
    workload_uid = labels.get(LABEL_WORKLOAD_UID, "")
    if labels.get(LABEL_HUB_ID) != hub_id or not workload_uid:
        return None
    epoch = labels.get(LABEL_EPOCH, "")
    return Child(
        kind=kind,
        namespace=metadata.namespace or "",
        name=metadata.name,
        uid=metadata.uid,
        workload_uid=workload_uid,
        epoch=int(epoch) if epoch.isdecimal() else -1,  # a damaged label belongs to no epoch
        spec_hash=(metadata.annotations or {}).get(ANNOTATION_SPEC_HASH, ""),
        deleting=bool(metadata.deletion_timestamp),
        observed=observed,
    )


class ChildIndex:
    """The children at one site, by workload."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Child] = {}
        self._by_workload: dict[str, dict[str, Child]] = {}

    def __len__(self) -> int:
        return len(self._by_uid)

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._by_uid.values()))

    def of(self, workload_uid: str) -> Iterable[Child]:
        """All children of a workload here, of any epoch."""
        return tuple(self._by_workload.get(workload_uid, {}).values())

    def workloads(self) -> Iterable[str]:
        """The workloads that have children here."""
        return tuple(self._by_workload)

    def put(self, child: Child) -> None:
        """Add or replace a child."""
        self.drop(child.uid)
        self._by_uid[child.uid] = child
        self._by_workload.setdefault(child.workload_uid, {})[child.uid] = child

    def drop(self, uid: str) -> Child | None:
        """Take a child out; None if it was not known."""
        child = self._by_uid.pop(uid, None)
        if child is not None:
            siblings = self._by_workload[child.workload_uid]
            del siblings[uid]
            if not siblings:
                del self._by_workload[child.workload_uid]
        return child
