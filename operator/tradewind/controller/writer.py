"""Write what was decided about workloads to the hub, in the order that survives a crash.

For each workload, by one worker at a time: our finalizer, then the status with its placements, and
only when that is answered is the site's dispatcher told. A deletion goes the other way: children
first, then the usage is put where it outlives the workload, the finalizer last. A status is written
by server-side apply, and only when it differs from what the hub holds. A status that brings a new
placement carries the resource version it was decided on: if somebody else wrote meanwhile, the
write fails and is decided anew.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from prometheus_client import Counter, Histogram

from tradewind.api.names import (
    API_VERSION,
    FINALIZER,
    GROUP,
    MANAGER_FINALIZER,
    MANAGER_STATUS,
    VERSION,
)
from tradewind.api.workload import WorkloadStatus
from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError
from tradewind.base.faults import (
    AFTER_EVICTION,
    AFTER_FINALIZER,
    AFTER_RELEASE,
    AFTER_STATUS,
    fault_point,
)
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.base.queue import KeyedQueue
from tradewind.controller.lifecycle import EVICTING
from tradewind.controller.store import Record, Store
from tradewind.controller.summary import summarise
from tradewind.sites.client import ApiSession

log = get_logger(__name__)

STATUS_WRITES = Counter(
    "tradewind_status_writes_total",
    "Statuses of AIWorkloads written to the hub.",
    registry=REGISTRY,
)
PLACED_AFTER = Histogram(
    "tradewind_placed_after_seconds",
    "From an AIWorkload's creation, by the API server's clock in whole seconds, to its placement "
    "in the status.",
    buckets=(1, 2, 5, 10, 30, 60, 300, 1800, 7200, 43200),
    registry=REGISTRY,
)

# What a site reports is written this much later, so that the quick steps of a young workload
# (created, pending, running) make one write. People watch at this scale, nothing waits for it.
OBSERVED_DELAY_S = 0.25

# While placements are being written, reports of what sites show give way to them: for so long after
# the last placement, and for so long in all, seconds.
REPORT_QUIET_S = 0.3
REPORT_PATIENCE_S = 5.0

# With so many placements waiting to be written, each one's first write holds only what binds. Why
# it was decided costs the hub as much again, and follows with the report.
BACKLOG = 16


async def _keep_nothing(_: Record) -> None:
    """Without a ledger, what a workload took goes with it."""


class WorkloadWriter:
    """The queue of workloads whose hub objects differ from what was decided.

    Args:
        session: the hub.
        store: the records.
        may_write: False while leadership is in doubt.
        on_written: told of each site whose placements just became durable.
        clock: whose time counts.
        workers: objects written at once.
        keep: makes a workload's usage outlive it; it is let go only after that.
    """

    def __init__(
        self,
        session: ApiSession,
        store: Store,
        *,
        may_write: Callable[[], bool],
        on_written: Callable[[str, str], None],
        clock: Clock,
        workers: int,
        keep: Callable[[Record], Awaitable[None]] = _keep_nothing,
    ) -> None:
        self._session = session
        self._store = store
        self._keep = keep
        self._may_write = may_write
        self._on_written = on_written
        self._clock = clock
        self._urgent: set[str] = set()
        self._seen_at: dict[str, float] = {}
        self._placed_at = float("-inf")
        self._queue: KeyedQueue[str] = KeyedQueue(
            self._reconcile, clock=clock, workers=workers, name="hub/workloads"
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._queue.run()

    def add(self, uid: str) -> None:
        """Write now what was decided."""
        self._urgent.add(uid)
        self._queue.add(uid)

    def add_later(self, uid: str) -> None:
        """Write soon what was seen."""
        self._seen_at.setdefault(uid, self._clock.monotonic())
        self._queue.add_after(uid, OBSERVED_DELAY_S)

    def _gives_way(self, uid: str) -> bool:
        """Whether a report should wait, since placements are being written."""
        now = self._clock.monotonic()
        return (
            uid not in self._urgent
            and now - self._placed_at < REPORT_QUIET_S
            and now - self._seen_at.get(uid, float("-inf")) < REPORT_PATIENCE_S
        )

    async def _reconcile(self, uid: str) -> None:
        record = self._store.workloads.get(uid)
        if record is None or not self._may_write():
            self._forget(uid)
            return
        if self._gives_way(uid):
            self._queue.add_after(uid, REPORT_QUIET_S)
            return
        self._urgent.discard(uid)
        self._seen_at.pop(uid, None)
        try:
            await self._write(record)
        except ApiError as error:
            if error.not_found:
                return  # deleted meanwhile; the watch brings the rest
            raise

    def _forget(self, uid: str) -> None:
        self._queue.forget(uid)
        self._urgent.discard(uid)
        self._seen_at.pop(uid, None)

    async def _write(self, record: Record) -> None:
        self._store.set_status(record, summarise(record.model, record.status, self._clock.now()))
        if record.deleting and not record.status.placements:
            if record.finalized:
                await self._keep(record)
                await self._release(record)
            return
        if record.status.placements and not (record.finalized or record.deleting):
            await self._finalize(record, [FINALIZER])
            fault_point(AFTER_FINALIZER)
        if record.status is not record.written and record.status != record.written:
            await self._write_status(record)

    async def _release(self, record: Record) -> None:
        """Take our finalizer away; those of others are not ours to touch."""
        left = await self._finalize(record, [])
        if FINALIZER in left:
            # It came at admission and is no field manager's: made ours, it can be given up.
            await self._finalize(record, [FINALIZER])
            await self._finalize(record, [])

    async def _finalize(self, record: Record, finalizers: list[str]) -> list[str]:
        """Own exactly these finalizers; returns all that stand on the object then."""
        body = _identity(record)
        body["metadata"] = body["metadata"] | {"finalizers": finalizers}
        answer = await self._session.apply(
            _path(record), body, field_manager=MANAGER_FINALIZER, force=True
        )
        left = self._note_version(record, answer)
        record.finalized = FINALIZER in left
        return left

    async def _write_status(self, record: Record) -> None:
        status = record.status
        before = {(part.site, part.epoch) for part in record.written.placements}
        new = [part for part in status.placements if (part.site, part.epoch) not in before]
        body = _identity(record)
        if new:
            body["metadata"]["resourceVersion"] = str(record.resource_version)
            self._placed_at = self._clock.monotonic()
        storm = new and len(self._urgent) >= BACKLOG and _says_nothing(record.written)
        shown = _binding(status) if storm else status
        body["status"] = _dump(shown)
        answer = await self._session.apply(
            f"{_path(record)}/status", body, field_manager=MANAGER_STATUS, force=True
        )
        _pass_fault_points(record.written, status)
        self._note_version(record, answer)
        touched = {part.site for part in [*record.written.placements, *status.placements]}
        record.written = shown
        STATUS_WRITES.inc()
        if new:
            record.bound_s = self._clock.monotonic()
            self._report_placed(record)
        for site in touched:
            self._on_written(site, record.uid)
        if record.status is not status:  # decided anew while this one was on its way
            self.add(record.uid)
        elif shown is not status:
            self.add_later(record.uid)

    def _report_placed(self, record: Record) -> None:
        decision = record.status.decision
        log.info(
            "workload placed",
            workload=record.label,
            uid=record.uid,
            site=record.status.sites,
            epoch=record.status.epoch,
            cost_usd=decision.cost_usd if decision else None,
        )
        created = record.model.metadata.creation_timestamp
        if created is not None:
            PLACED_AFTER.observe(max(0.0, (self._clock.now() - created).total_seconds()))

    def _note_version(self, record: Record, answer: bytes) -> list[str]:
        """Remember the answer's version; returns its finalizers."""
        metadata = msgspec.json.decode(answer, type=_Versioned).metadata
        record.resource_version = max(record.resource_version, int(metadata.resourceVersion))
        return metadata.finalizers


class _VersionedMetadata(msgspec.Struct):
    resourceVersion: str  # noqa: N815 - the API's own spelling
    finalizers: list[str] = []


class _Versioned(msgspec.Struct):
    metadata: _VersionedMetadata


def _pass_fault_points(before: WorkloadStatus, after: WorkloadStatus) -> None:
    """Where a test may break the operator: after any status, and at the ends of an eviction."""
    left, leaves = _evicting(before), _evicting(after)
    if leaves - left:
        fault_point(AFTER_EVICTION)
    if left - {part.site for part in after.placements}:
        fault_point(AFTER_RELEASE)
    fault_point(AFTER_STATUS)


def _evicting(status: WorkloadStatus) -> set[str]:
    return {part.site for part in status.placements if part.phase is EVICTING}


def _says_nothing(status: WorkloadStatus) -> bool:
    """Whether there is nothing in a status that would vanish for a while."""
    return status.decision is None and not status.conditions and not status.history


def _binding(status: WorkloadStatus) -> WorkloadStatus:
    """What a restart needs: where, under which epoch, and how far; not why."""
    return status.model_copy(update={"decision": None, "conditions": (), "history": ()})


def _dump(status: WorkloadStatus) -> dict[str, Any]:
    """The status as JSON, without what says nothing: each byte is decoded at every later write."""
    body = status.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    body["phase"] = status.phase.value
    body["readyReplicas"] = status.ready_replicas
    return body


def _identity(record: Record) -> dict[str, Any]:
    """What an apply must say of the object; with the uid it can never create one."""
    metadata = record.model.metadata
    return {
        "apiVersion": API_VERSION,
        "kind": "AIWorkload",
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
    }


def _path(record: Record) -> str:
    metadata = record.model.metadata
    return f"/apis/{GROUP}/{VERSION}/namespaces/{metadata.namespace}/aiworkloads/{metadata.name}"
