"""What the hub shows comes in here: into the store, and on to whoever has to act.

Called for each object of a list and each event of a watch, in any order, more than once. A standby
only keeps the store; after `lead()` the parts that act are told too.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from tradewind.api.accelerator import AcceleratorClass
from tradewind.api.policy import PlacementPolicy
from tradewind.api.queue import ComputeQueue
from tradewind.api.site import ComputeSite
from tradewind.api.workload import Decision
from tradewind.base.errors import TradewindError
from tradewind.base.observe import get_logger
from tradewind.controller import lifecycle
from tradewind.controller.engaged import EngagedSites
from tradewind.controller.queuestatus import QueueStatusWriter
from tradewind.controller.sitestatus import SiteStatusWriter
from tradewind.controller.store import Record, Store
from tradewind.controller.writer import WorkloadWriter
from tradewind.telemetry.registry import TelemetryRegistry

log = get_logger(__name__)


class Intake:
    """The store's entrance.

    Args:
        store: takes everything in.
        sites: told of ComputeSites.
        telemetry: likewise.
        writer: told of workloads that need a write without a cycle.
        site_status: told of ComputeSites.
        queue_status: told of ComputeQueues.
        notify: wakes the planning loop.
        now: the wall clock.
        on_dropped: told of a workload that is gone from the hub.
    """

    def __init__(
        self,
        store: Store,
        sites: EngagedSites,
        telemetry: TelemetryRegistry,
        writer: WorkloadWriter,
        site_status: SiteStatusWriter,
        *,
        queue_status: QueueStatusWriter,
        notify: Callable[[], None],
        now: Callable[[], datetime],
        on_dropped: Callable[[Record], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._sites = sites
        self._telemetry = telemetry
        self._writer = writer
        self._site_status = site_status
        self._queue_status = queue_status
        self._notify = notify
        self._now = now
        self._on_dropped = on_dropped
        self._leading = False
        self._uids: dict[str, dict[str, str]] = {}
        self._versions: dict[str, str] = {}

    def known(self) -> dict[str, set[str]]:
        """Uids held, by plural name."""
        known = {plural: set(uids) for plural, uids in self._uids.items()}
        known["aiworkloads"] = set(self._store.workloads)
        return known

    def lead(self) -> None:
        """Begin to act on everything that is known."""
        self._leading = True
        self._ask_terms()
        for site in self._store.sites.values():
            self._engage(site)
        for record in self._store.workloads.values():
            self._act(record)
        self._notify()

    def take(self, plural: str, raw: dict[str, Any], deleted: bool) -> None:  # noqa: FBT001
        """Take in one object, or its end."""
        try:
            if plural == "aiworkloads":
                self._take_workload(raw, deleted=deleted)
            elif deleted:
                self._drop(plural, raw["metadata"]["uid"])
            else:
                self._take_other(plural, raw)
        except ValidationError as error:
            # Admission should have refused it; one odd object must not stop the others.
            metadata = raw.get("metadata", {})
            log.warning(
                "object was not read",
                kind=plural,
                object=f"{metadata.get('namespace', '')}/{metadata.get('name', '')}",
                faults=error.error_count(),
                first=str(error.errors(include_url=False, include_input=False)[0]),
            )

    def _take_workload(self, raw: dict[str, Any], *, deleted: bool) -> None:
        if deleted:
            record = self._store.drop_workload(raw["metadata"]["uid"])
            if record is not None and self._leading:
                self._on_dropped(record)
                for placement in record.status.placements:
                    self._sites.add(placement.site, record.uid)
                self._notify()
            return
        taken = self._store.take_workload(raw)
        if taken is None:
            return
        if latency := taken.model.spec.placement.latency:
            self._telemetry.note_regions(origin.region for origin in latency.from_)
        if self._leading:
            self._act(taken)

    def _act(self, record: Record) -> None:
        if record.fault is not None and lifecycle.is_unplaced(record.status):
            self._refuse(record, record.fault)
        elif record.pending:
            self._notify()
        stale = record.status.observed_generation != record.model.metadata.generation
        if record.deleting:
            for placement in record.status.placements:
                self._sites.add(placement.site, record.uid)
            self._writer.add(record.uid)
        elif record.status != record.written or (stale and not record.pending):
            self._writer.add(record.uid)
            for placement in record.status.placements:
                self._sites.add(placement.site, record.uid)

    def _refuse(self, record: Record, fault: TradewindError) -> None:
        """Say why a template cannot be dispatched anywhere."""
        before = record.status.decision
        message = fault.sentence[:4096]
        if before is not None and before.message == message:
            return
        decision = Decision(at=self._now(), reason="TemplateRefused", message=message)
        self._store.set_status(record, record.status.model_copy(update={"decision": decision}))
        self._writer.add(record.uid)

    def _take_other(self, plural: str, raw: dict[str, Any]) -> None:
        metadata = raw["metadata"]
        uid, name = metadata["uid"], metadata["name"]
        if self._versions.get(uid) == metadata["resourceVersion"]:
            return
        self._versions[uid] = metadata["resourceVersion"]
        self._uids.setdefault(plural, {})[uid] = name
        match plural:
            case "computesites":
                self._take_site(ComputeSite.model_validate(raw))
            case "placementpolicies":
                self._store.policies[name] = PlacementPolicy.model_validate(raw)
                self._ask_terms()
                self._notify()
            case "computequeues":
                self._take_queue(ComputeQueue.model_validate(raw))
            case "acceleratorclasses":
                self._store.take_class(name, AcceleratorClass.model_validate(raw))
                self._sites.reclassify()

    def _take_queue(self, queue: ComputeQueue) -> None:
        name = queue.metadata.name
        before = self._store.queues.get(name)
        if (
            before is not None
            and before.metadata.uid == queue.metadata.uid
            and before.metadata.generation == queue.metadata.generation
        ):
            return  # its status alone changed, by our own hand
        self._store.queues[name] = queue
        self._notify()
        if self._leading:
            self._queue_status.add(name)

    def _ask_terms(self) -> None:
        """Have the terms of all policies evaluated; only the leader polls."""
        if self._leading:
            policies = self._store.policies.values()
            self._telemetry.ask_terms(term.query for made in policies for term in made.spec.terms)

    def _take_site(self, site: ComputeSite) -> None:
        before = self._store.sites.get(site.metadata.name)
        if before is not None and _same_site(before, site):
            return  # its status alone changed, by our own hand
        self._store.sites[site.metadata.name] = site
        if self._leading:
            self._engage(site)
            self._site_status.add(site.metadata.name)
            self._notify()

    def _engage(self, site: ComputeSite) -> None:
        self._sites.engage(site)
        self._telemetry.sync(site)

    def _drop(self, plural: str, uid: str) -> None:
        name = self._uids.get(plural, {}).pop(uid, None)
        self._versions.pop(uid, None)
        if name is None:
            return
        match plural:
            case "computesites":
                self._store.sites.pop(name, None)
                self._sites.disengage(name)
                self._telemetry.drop(name)
                self._site_status.add(name)
            case "placementpolicies":
                self._store.policies.pop(name, None)
                self._ask_terms()
            case "computequeues":
                self._store.queues.pop(name, None)
                self._queue_status.add(name)
            case "acceleratorclasses":
                self._store.take_class(name, None)
                self._sites.reclassify()
        self._notify()


def _same_site(before: ComputeSite, after: ComputeSite) -> bool:
    return (
        before.metadata.generation == after.metadata.generation
        and before.metadata.uid == after.metadata.uid
        and before.metadata.labels == after.metadata.labels
        and before.metadata.annotations == after.metadata.annotations
        and before.metadata.finalizers == after.metadata.finalizers
        and before.metadata.deletion_timestamp == after.metadata.deletion_timestamp
    )
