"""Changes to placed work that need no planning: looked at once a second.

- A site that did not answer for `failover.after` loses its work, if the work may be made again.
- Suspended work leaves its site, and so does work at a site that is being removed, or that bears a
  NoExecute taint which the work does not tolerate.
- A placement whose object its site has refused for as long is taken back.
- A finished workload goes when its time to live is over.
- A workload that is being deleted while a site of it is silent does not wait for that site: what is
  left there is noted on the ComputeSite, and removed when the site answers again.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from tradewind.api.site import ComputeSite
from tradewind.api.workload import FailoverMode, Placement, WorkloadStatus
from tradewind.base.observe import get_logger
from tradewind.controller import lifecycle
from tradewind.controller.evictions import Evictor
from tradewind.controller.refusals import Refusals
from tradewind.controller.store import Record, Store
from tradewind.controller.writer import WorkloadWriter

log = get_logger(__name__)

#: On a ComputeSite that will not come back: let go of its work without waiting for it.
ANNOTATION_FORGET = "tradewind.dev/forget"

#: What a silent site may still be running; an eviction that it does not answer ends nothing.
_LOSABLE = lifecycle.ACTIVE | {lifecycle.EVICTING}


class Housekeeper:
    """Looks over all sites that hold work.

    Args:
        store: the records.
        writer: carries changes to the hub.
        unreachable_since: when a site stopped answering; None while it answers.
        on_orphan: notes an object that is left at a silent site.
        expire: deletes a finished workload from the hub.
        evictor: ends work at a site that answers.
        refusals: what sites refused; None: nothing.
    """

    def __init__(
        self,
        store: Store,
        writer: WorkloadWriter,
        *,
        unreachable_since: Callable[[str], datetime | None],
        on_orphan: Callable[[str, Record, Placement], None],
        expire: Callable[[Record], None],
        evictor: Evictor,
        refusals: Refusals | None = None,
    ) -> None:
        self._refusals = refusals or Refusals(store)
        self._store = store
        self._writer = writer
        self._unreachable_since = unreachable_since
        self._on_orphan = on_orphan
        self._expire = expire
        self._evictor = evictor

    def run(self, now: datetime) -> None:
        """Look once."""
        for name in list(self._store.sites_with_placements()):
            site = self._store.sites.get(name)
            since = self._unreachable_since(name)
            gone = site is None or ANNOTATION_FORGET in site.metadata.annotations
            for record in self._store.placed_at(name):
                placement = lifecycle.placement_at(record.status, name)
                if placement is not None:
                    self._look(record, placement, site, since, now, gone=gone)

    def _look(
        self,
        record: Record,
        placement: Placement,
        site: ComputeSite | None,
        since: datetime | None,
        now: datetime,
        *,
        gone: bool,
    ) -> None:
        if record.deleting and (since is not None or gone):
            self._on_orphan(placement.site, record, placement)
            self._set(record, lifecycle.drop(record.status, placement.site, final=True))
        elif placement.phase in lifecycle.FINAL:
            self._end(record, now)
        elif gone and placement.phase is not lifecycle.LOST:
            self._lose(record, placement, "SiteRemoved")
        elif placement.phase in _LOSABLE and since is not None:
            if _fails_over(record, since, now):
                self._lose(record, placement, "SiteLost")
        elif placement.phase in lifecycle.ACTIVE:
            if reason := _eviction(record, site):
                self._evictor.evict(record, placement, *reason, now)
            else:
                self._give_up(record, placement, now)
        elif gone and placement.phase is lifecycle.LOST and not record.pending:
            self._set(record, lifecycle.drop(record.status, placement.site))

    def _give_up(self, record: Record, placement: Placement, now: datetime) -> None:
        """Take a placement back whose object its site has refused for too long."""
        if placement.phase is not lifecycle.ASSIGNED or placement.object is not None:
            return
        since = self._refusals.since(record.uid, placement.site, placement.epoch)
        if since is None or not _fails_over(record, since, now):
            return
        self._refusals.shun(record.uid, placement.site, now)
        message = f"{placement.site} refused its object, {placement.message}"
        self._evictor.evict(record, placement, "Refused", message, now)

    def _lose(self, record: Record, placement: Placement, reason: str) -> None:
        log.warning(
            "placement lost",
            workload=record.label,
            site=placement.site,
            epoch=placement.epoch,
            reason=reason,
        )
        self._set(
            record, lifecycle.step(record.status, placement.site, lifecycle.LOST, message=reason)
        )

    def _end(self, record: Record, now: datetime) -> None:
        ttl_s = record.model.spec.ttl_after_finished
        if ttl_s is None or record.deleting or not lifecycle.is_finished(record.status):
            return
        ends = [part.finished_at for part in record.status.placements if part.finished_at]
        if ends and now - max(ends) >= timedelta(seconds=ttl_s):
            self._expire(record)

    def _set(self, record: Record, status: WorkloadStatus) -> None:
        self._store.set_status(record, status)
        self._writer.add(record.uid)


def _fails_over(record: Record, since: datetime, now: datetime) -> bool:
    failover = record.model.spec.failover
    return failover.mode is FailoverMode.RECREATE and now - since >= timedelta(
        seconds=failover.after
    )


def _eviction(record: Record, site: ComputeSite | None) -> tuple[str, str] | None:
    """Reason and message why a reachable site must give the work up; None if it need not."""
    if record.model.spec.suspend:
        return "Suspended", ""
    if site is None:
        return None
    if site.metadata.deletion_timestamp is not None:
        return "SiteRemoved", ""
    tolerations = record.model.spec.placement.tolerations
    for taint in site.spec.taints:
        if taint.effect == "NoExecute" and not any(t.tolerates(taint) for t in tolerations):
            return "TaintNotTolerated", taint.key
    return None
