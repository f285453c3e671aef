"""What the operator knows: the hub's objects as last seen, and what was decided on top of them.

Everything here runs in the event loop and does no I/O. A `Record` keeps two statuses: `status`, as
decided, and `written`, as the hub is known to hold it. Dispatch goes by `written` alone, so that
nothing is started at a site before its placement would survive a crash.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tradewind.api.accelerator import AcceleratorClass
from tradewind.api.demand import Demand
from tradewind.api.names import FINALIZER
from tradewind.api.policy import PlacementPolicy
from tradewind.api.queue import ComputeQueue
from tradewind.api.site import ComputeSite
from tradewind.api.workload import AIWorkload, WorkloadStatus
from tradewind.base.errors import TradewindError
from tradewind.controller import lifecycle
from tradewind.hardware.catalog import Catalog, builtin_catalog
from tradewind.workloads.demand import demand_of


@dataclass(slots=True)
class Record:
    """One AIWorkload.

    Attributes:
        model: spec and metadata as last seen; its status is not used after the first time.
        resource_version: the newest known, from a watch or from our own write.
        finalized: our finalizer stands on it.
        status: as decided.
        written: as the hub holds it.
        demand: what the template asks for; None while it is refused.
        fault: why the template is refused.
        view: placement's view of its spec, made once for each generation.
        indexed_sites: where the store's index has it.
        bound_s: when its placements became durable here, by the monotonic clock; None: elsewhere.
    """

    model: AIWorkload
    resource_version: int
    finalized: bool
    status: WorkloadStatus
    written: WorkloadStatus
    demand: Demand | None = None
    fault: TradewindError | None = None
    view: Any = None
    indexed_sites: frozenset[str] = frozenset()
    bound_s: float | None = None

    @property
    def uid(self) -> str:
        """The hub's uid."""
        return self.model.metadata.uid

    @property
    def label(self) -> str:
        """Namespace and name, for people."""
        return f"{self.model.metadata.namespace}/{self.model.metadata.name}"

    @property
    def deleting(self) -> bool:
        """A deletion was asked for."""
        return self.model.metadata.deletion_timestamp is not None

    @property
    def pending(self) -> bool:
        """A cycle should look for a place for it."""
        return (
            self.demand is not None
            and not self.deleting
            and not self.model.spec.suspend
            and lifecycle.needs_place(self.status)
        )

    @property
    def deferred(self) -> bool:
        """It is pending by choice: only time, or a change of signals, is a reason to look again."""
        return lifecycle.is_deferred(self.status)


def _as_decided(_: Record, status: WorkloadStatus) -> WorkloadStatus:
    return status


@dataclass(slots=True)
class Store:
    """The hub's objects by kind, and indices over the workloads.

    Attributes:
        settle: sees every decided status before it counts, and may add to it: what ran until then
            is metered, whoever ends it (`meter.py`).
    """

    workloads: dict[str, Record] = field(default_factory=dict)
    sites: dict[str, ComputeSite] = field(default_factory=dict)
    policies: dict[str, PlacementPolicy] = field(default_factory=dict)
    queues: dict[str, ComputeQueue] = field(default_factory=dict)
    classes: dict[str, AcceleratorClass] = field(default_factory=dict)
    catalog: Catalog = field(default_factory=builtin_catalog)
    settle: Callable[[Record, WorkloadStatus], WorkloadStatus] = _as_decided
    _pending: set[str] = field(default_factory=set)
    _at_site: dict[str, set[str]] = field(default_factory=dict)
    _waiting: set[str] = field(default_factory=set)
    _followers: list[set[str]] = field(default_factory=list)

    def follow(self) -> "Changes":
        """The workloads that change, come or go from now on, for one reader."""
        changed = set(self.workloads)
        self._followers.append(changed)
        return Changes(changed)

    def pending(self) -> Iterator[Record]:
        """The workloads that a cycle should look at."""
        return (self.workloads[uid] for uid in self._pending)

    @property
    def has_pending(self) -> bool:
        """Whether a cycle would have anything to do."""
        return bool(self._pending)

    @property
    def has_waiting(self) -> bool:
        """Whether something waits for capacity, and not for its hour."""
        return bool(self._waiting)

    @property
    def has_placements(self) -> bool:
        """Whether anything has a place."""
        return any(self._at_site.values())

    def placed_at(self, site: str) -> list[Record]:
        """The workloads with a placement at a site, of any phase."""
        return [self.workloads[uid] for uid in self._at_site.get(site, ())]

    def sites_with_placements(self) -> Iterable[str]:
        """The sites that any placement names, known or not."""
        return [site for site, uids in self._at_site.items() if uids]

    def take_workload(self, raw: dict[str, Any]) -> Record | None:
        """Take in an AIWorkload as the hub showed it.

        Returns:
            Its record, or None if what is known already is newer.
        """
        metadata = raw["metadata"]
        version = int(metadata["resourceVersion"])
        record = self.workloads.get(metadata["uid"])
        if record is None:
            record = _new_record(AIWorkload.model_validate(raw), version)
            self.workloads[record.uid] = record
        elif version <= record.resource_version:
            return None
        else:
            _refresh(record, raw, version)
        self.reindex(record)
        return record

    def drop_workload(self, uid: str) -> Record | None:
        """Forget an AIWorkload that is gone from the hub."""
        record = self.workloads.pop(uid, None)
        if record is not None:
            self._note(uid)
            self._pending.discard(uid)
            self._waiting.discard(uid)
            for site in record.indexed_sites:
                self._at_site[site].discard(uid)
        return record

    def set_status(self, record: Record, status: WorkloadStatus) -> None:
        """Decide something about a workload."""
        record.status = self.settle(record, status)
        self.reindex(record)

    def reindex(self, record: Record) -> None:
        """Bring the indices up to date with a record."""
        self._note(record.uid)
        pending = record.pending
        _put(self._pending, record.uid, there=pending)
        _put(self._waiting, record.uid, there=pending and not record.deferred)
        here = frozenset(placement.site for placement in record.status.placements)
        for site in here - record.indexed_sites:
            self._at_site.setdefault(site, set()).add(record.uid)
        for site in record.indexed_sites - here:
            self._at_site[site].discard(record.uid)
        record.indexed_sites = here

    def _note(self, uid: str) -> None:
        for changed in self._followers:
            changed.add(uid)

    def take_class(self, name: str, made: AcceleratorClass | None) -> None:
        """Take in an AcceleratorClass, or its end, and rebuild the catalogue."""
        if made is None:
            self.classes.pop(name, None)
        else:
            self.classes[name] = made
        self.catalog = builtin_catalog().with_overrides(self.classes.values())


def _put(uids: set[str], uid: str, *, there: bool) -> None:
    if there:
        uids.add(uid)
    else:
        uids.discard(uid)


class Changes:
    """What one reader has not looked at yet."""

    def __init__(self, changed: set[str]) -> None:
        self._changed = changed

    def __len__(self) -> int:
        return len(self._changed)

    def take(self, most: int | None = None) -> set[str]:
        """The workloads that changed, came or went since the last call; or so many of them."""
        taken = set(itertools.islice(self._changed, most))
        self._changed -= taken
        return taken


def _new_record(model: AIWorkload, version: int) -> Record:
    status = model.status or WorkloadStatus()
    record = Record(
        model=model,
        resource_version=version,
        finalized=FINALIZER in model.metadata.finalizers,
        status=status,
        written=status,
    )
    _read_template(record)
    return record


def _refresh(record: Record, raw: dict[str, Any], version: int) -> None:
    metadata = raw["metadata"]
    record.resource_version = version
    record.finalized = FINALIZER in metadata.get("finalizers", ())
    seen = raw.get("status") or {}
    if int(seen.get("epoch") or 0) > max(record.status.epoch, record.written.epoch):
        # Another leader placed it meanwhile: what stands on the hub is what counts.
        record.status = record.written = WorkloadStatus.model_validate(seen)
    known = record.model.metadata
    if metadata["generation"] == known.generation and not (
        metadata.get("deletionTimestamp") and known.deletion_timestamp is None
    ):
        return  # our own status write, or a label: nothing that placing goes by
    record.model = AIWorkload.model_validate(raw)
    record.view = None
    _read_template(record)


def _read_template(record: Record) -> None:
    try:
        record.demand, record.fault = demand_of(record.model), None
    except TradewindError as error:
        record.demand, record.fault = None, error
