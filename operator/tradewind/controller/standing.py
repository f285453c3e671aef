"""Views of workloads for the engine, kept between cycles: a cycle costs what changed, not what is.

Two tuples, of what waits and of what stands. A view is made anew when its workload changed, and a
tuple when one of its views did.
"""

from collections.abc import Callable
from dataclasses import replace

from tradewind.api.workload import Placement
from tradewind.controller import lifecycle
from tradewind.controller.splits import remainder_view
from tradewind.controller.store import Record, Store
from tradewind.placement.snapshot import CurrentPart, SiteName, WorkloadView
from tradewind.placement.views import workload_view
from tradewind.workloads.shares import may_split

Views = tuple[WorkloadView, ...]


class WorkloadViews:
    """The views of everything that is pending or at work.

    Args:
        store: the records.
        nominated: where victims make room for a workload; None for most.
        default_policy: for workloads that name none.
    """

    def __init__(
        self,
        store: Store,
        *,
        nominated: Callable[[str], str | None],
        default_policy: str,
    ) -> None:
        self._store = store
        self._changes = store.follow()
        self._nominated = nominated
        self._default_policy = default_policy
        self._pending: dict[str, WorkloadView] = {}
        self._running: dict[str, WorkloadView] = {}
        self._made: tuple[Views, Views] = ((), ())
        self._waits_changed = self._stands_changed = False

    def warm(self, most: int) -> bool:
        """Make some of the views that a start with many workloads needs; whether any are left."""
        self._look(self._changes.take(most))
        return len(self._changes) > 0

    def take(self, stale: frozenset[str] = frozenset()) -> tuple[Views, Views]:
        """What is pending, and what is placed and not finished; the same tuples until a change.

        Args:
            stale: uids to look at although the store knows of no change.
        """
        self._look(self._changes.take() | stale)
        pending, running = self._made
        if self._waits_changed:
            pending = tuple(self._pending.values())
        if self._stands_changed:
            running = tuple(self._running.values())
        self._waits_changed = self._stands_changed = False
        self._made = pending, running
        return self._made

    def _look(self, uids: set[str]) -> None:
        for uid in uids:
            record = self._store.workloads.get(uid)
            self._waits_changed |= _put(self._pending, uid, self._pending_view(record))
            self._stands_changed |= _put(self._running, uid, self._running_view(record))

    def _pending_view(self, record: Record | None) -> WorkloadView | None:
        if record is None or not record.pending:
            return None
        status = record.status
        plan = status.decision if record.deferred else None
        view = replace(
            self._spec_view(record),
            epoch=status.epoch,
            excluded_sites=frozenset(
                SiteName(part.site) for part in status.placements if part.phase is lifecycle.LOST
            ),
            done_s=status.done_seconds,
            moved_at=status.moved_at,
            nominated_site=_site(self._nominated(record.uid)),
            planned_start=plan.start_at if plan else None,
            planned_site=_site(plan.site) if plan else None,
        )
        return remainder_view(view, status)

    def _running_view(self, record: Record | None) -> WorkloadView | None:
        if record is None or record.demand is None or record.deleting:
            return None
        status = record.status
        parts = [part for part in status.placements if part.phase in lifecycle.ACTIVE]
        if not parts:
            return None
        return replace(
            self._spec_view(record),
            epoch=status.epoch,
            done_s=status.done_seconds,
            moved_at=status.moved_at,
            current=tuple(_current(part) for part in parts),
        )

    def _spec_view(self, record: Record) -> WorkloadView:
        """What its spec says; made once for each generation."""
        view: WorkloadView | None = record.view
        if view is not None:
            return view
        if record.demand is None:
            raise AssertionError(f"{record.label} is looked at without a demand")
        view = workload_view(record.model, record.demand, default_policy=self._default_policy)
        if view.placement.max_sites > 1 and not may_split(record.model.spec.template):
            view = replace(view, placement=replace(view.placement, max_sites=1))
        record.view = view = replace(view, current=())
        return view


def _put(views: dict[str, WorkloadView], uid: str, view: WorkloadView | None) -> bool:
    """Put a view in its place, or take it out; whether that changed anything."""
    if view is None:
        return views.pop(uid, None) is not None
    if views.get(uid) == view:
        return False
    views[uid] = view
    return True


def _site(name: str | None) -> SiteName | None:
    return SiteName(name) if name else None


def _current(part: Placement) -> CurrentPart:
    return CurrentPart(
        SiteName(part.site), part.accelerator_class, part.replicas, part.epoch, part.started_at
    )
