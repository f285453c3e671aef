"""The hub's side of dispatch: what each site should hold, and what to make of what it says.

Implements `dispatch.intents.Intents` on the store. Answers go by what is durably written; reports
change what is decided, and the writer carries that to the hub.
"""

from collections.abc import Callable

from prometheus_client import Histogram

from tradewind.api.workload import ObjectReference, Placement, WorkloadStatus
from tradewind.base.aio import Clock
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.controller import lifecycle
from tradewind.controller.refusals import Refusals
from tradewind.controller.store import Record, Store
from tradewind.controller.writer import WorkloadWriter
from tradewind.dispatch.children import Child
from tradewind.dispatch.intents import Hold, Keep, Remove, Wanted
from tradewind.hardware.site import SiteHardware

log = get_logger(__name__)

DISPATCHED_AFTER = Histogram(
    "tradewind_dispatch_seconds",
    "From a placement's being durable on the hub to its object's being applied at the site.",
    ["site"],
    buckets=(0.01, 0.05, 0.2, 1, 5, 30, 120),
    registry=REGISTRY,
)


MOVED_AFTER = Histogram(
    "tradewind_move_seconds",
    "From the decision that work leaves its site for another until it runs again.",
    ["reason"],
    buckets=(2, 10, 30, 120, 600, 3600, 21600),
    registry=REGISTRY,
)


class StoreIntents:
    """Intents by the store.

    Args:
        store: the records.
        writer: told of every change.
        hardware: how a site serves a class, by a resource if one is named; None when the site
            has none of it any more.
        loaded: whether the whole hub has been listed; before that, absence means nothing.
        on_capacity: told when something ended and a cycle may be worth it.
        on_clean: told that nothing of a workload is left at a site.
        clock: whose time counts.
        refusals: told of what sites refuse; None: nobody is.
    """

    def __init__(
        self,
        store: Store,
        writer: WorkloadWriter,
        *,
        hardware: Callable[[str, str, str], SiteHardware | None],
        loaded: Callable[[], bool],
        on_capacity: Callable[[], None],
        on_clean: Callable[[str, str], None],
        clock: Clock,
        refusals: Refusals | None = None,
    ) -> None:
        self._clock = clock
        self._refusals = refusals or Refusals(store)
        self._store = store
        self._writer = writer
        self._hardware = hardware
        self._loaded = loaded
        self._on_capacity = on_capacity
        self._on_clean = on_clean

    def wanted(self, site: str, workload_uid: str) -> Wanted:
        """What should be at the site for the workload."""
        if not self._loaded():
            return Hold()
        record = self._store.workloads.get(workload_uid)
        decided = lifecycle.placement_at(record.status, site) if record else None
        if record is None or record.deleting or decided is None:
            return Remove(record.model if record is not None else None)
        written = lifecycle.placement_at(record.written, site)
        if written is None or written.epoch != decided.epoch:
            return Hold()
        if decided.phase in (lifecycle.EVICTING, lifecycle.LOST):
            durable = written.phase is decided.phase
            return Remove(record.model, whole=True) if durable else Hold()
        if decided.phase in lifecycle.FINAL:
            return Hold()  # finished for ever; what is left of it is the user's to read
        return self._keep(record, decided, site)

    def _keep(self, record: Record, placement: Placement, site: str) -> Wanted:
        hardware = None
        if placement.accelerator_class:
            hardware = self._hardware(
                site, placement.accelerator_class, placement.resource_name or ""
            )
            if hardware is None:
                return Hold()  # the site's nodes are not listed yet, or all of the class left
        return Keep(record.model, placement, hardware)

    def on_applied(self, site: str, workload_uid: str, epoch: int, ref: ObjectReference) -> None:
        """The object was created or updated."""
        self._refusals.clear(workload_uid, site)
        record = self._at(site, workload_uid, epoch)
        if record is not None:
            self._time(record, site)
            self._change(record, lifecycle.record_object(record.status, site, ref))

    def _time(self, record: Record, site: str) -> None:
        """Note how long the first sign of the object took."""
        placement = lifecycle.placement_at(record.status, site)
        first = placement is not None and placement.phase is lifecycle.ASSIGNED
        if first and record.bound_s is not None:
            DISPATCHED_AFTER.labels(site).observe(self._clock.monotonic() - record.bound_s)

    def on_observed(self, site: str, child: Child) -> None:
        """A child of the wanted epoch was seen."""
        record = self._at(site, child.workload_uid, child.epoch)
        if record is None:
            return
        self._time(record, site)  # the watch may be faster than the answer to the apply
        ref = _ref(child)
        self._change(record, lifecycle.record_observed(record.status, site, ref, child.observed))

    def on_ended(self, site: str, child: Child) -> None:
        """It finished before its eviction reached it: then it is not to run again."""
        record = self._at(site, child.workload_uid, child.epoch)
        if record is not None:
            ref = _ref(child)
            self._change(
                record, lifecycle.record_finished(record.status, site, ref, child.observed)
            )

    def on_vanished(self, site: str, workload_uid: str, epoch: int) -> None:
        """The object was deleted at the site before it was seen to finish: never run it again."""
        record = self._at(site, workload_uid, epoch)
        placement = lifecycle.placement_at(record.status, site) if record else None
        if record is None or placement is None or placement.phase not in lifecycle.ACTIVE:
            return  # decided otherwise while the site was asked
        log.warning("object vanished", site=site, workload=record.label, epoch=epoch)
        self._change(
            record,
            lifecycle.step(
                record.status,
                site,
                lifecycle.FAILED,
                message="its object was deleted at the site before it was seen to finish; it may "
                "have run, so it is not started again: create the workload anew to repeat it",
            ),
        )

    def on_refused(
        self, site: str, workload_uid: str, epoch: int, reason: str, message: str
    ) -> None:
        """The object was refused; the placement stands, and says so."""
        record = self._at(site, workload_uid, epoch)
        placement = lifecycle.placement_at(record.status, site) if record else None
        if record is None or placement is None or placement.phase not in lifecycle.ACTIVE:
            return
        self._refusals.note(workload_uid, site, epoch, self._clock.now())
        text = f"{reason}: {message}"[:1024]
        if placement.message != text:
            log.warning("object refused", site=site, workload=record.label, reason=reason)
            self._change(record, lifecycle.step(record.status, site, placement.phase, message=text))

    def on_gone(self, site: str, workload_uid: str) -> None:
        """Nothing of the workload is at the site any more."""
        self._on_clean(site, workload_uid)
        record = self._store.workloads.get(workload_uid)
        if record is None or lifecycle.placement_at(record.status, site) is None:
            return
        status = lifecycle.drop(record.status, site, final=record.deleting)
        self._change(record, status, now=True)
        self._on_capacity()

    def _at(self, site: str, uid: str, epoch: int) -> Record | None:
        record = self._store.workloads.get(uid)
        placement = lifecycle.placement_at(record.status, site) if record else None
        return record if placement is not None and placement.epoch == epoch else None

    def _change(self, record: Record, status: WorkloadStatus, *, now: bool = False) -> None:
        if status is record.status:
            return
        self._time_move(record.status, status)
        finished = lifecycle.is_finished(status)
        self._store.set_status(record, status)
        if now or finished:
            self._writer.add(record.uid)
            self._on_capacity()
        else:
            self._writer.add_later(record.uid)

    def _time_move(self, before: WorkloadStatus, after: WorkloadStatus) -> None:
        """Note how long a move took, once its work runs."""
        if after.moved_at is None or not any(
            part.phase is lifecycle.RUNNING for part in after.placements
        ):
            return
        if (reason := lifecycle.sent_elsewhere(before)) is not None:
            took_s = (self._clock.now() - after.moved_at).total_seconds()
            MOVED_AFTER.labels(reason).observe(max(0.0, took_s))


def _ref(child: Child) -> ObjectReference:
    api_version, _, kind = child.kind.rpartition("/")
    return ObjectReference(
        api_version=api_version,
        kind=kind,
        namespace=child.namespace,
        name=child.name,
        uid=child.uid,
    )
