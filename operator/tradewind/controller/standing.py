"""Views of workloads for the engine, kept between cycles: a cycle costs what changed, not what is.

Three tuples, of what waits, of what stands and of what is being evicted. A view is made anew when
its workload changed, and a tuple when one of its views did.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tradewind.api.workload import Placement, PlacementPhase
from tradewind.controller import lifecycle
from tradewind.controller.splits import finishes, remainder_view
from tradewind.controller.store import Record, Store
from tradewind.placement.snapshot import CurrentPart, SiteName, WorkloadView
from tradewind.placement.views import workload_view
from tradewind.workloads.shares import may_split

Views = tuple[WorkloadView, ...]

#: Phases in which work runs, or ran.
_RAN = frozenset({lifecycle.RUNNING, lifecycle.EVICTING})
#: Phases of an eviction that is under way.
_EVICTING = frozenset({lifecycle.EVICTING})


@dataclass(frozen=True, slots=True)
class Frozen:
    """The workloads of a snapshot, by what they are there for; see `Snapshot`."""

    pending: Views = ()
    running: Views = ()
    evicting: Views = ()


class _Views:
    """Views by uid, and the tuple of them."""

    def __init__(self) -> None:
        self._by_uid: dict[str, WorkloadView] = {}
        self._made: Views | None = ()

    def put(self, uid: str, view: WorkloadView | None) -> None:
        """Put a view in its place, or take it out."""
        if view is None:
            if self._by_uid.pop(uid, None) is not None:
                self._made = None
        elif self._by_uid.get(uid) != view:
            self._by_uid[uid] = view
            self._made = None

    def take(self) -> Views:
        """All of them; the same tuple until one changes."""
        if self._made is None:
            self._made = tuple(self._by_uid.values())
        return self._made


class WorkloadViews:
    """The views of everything that is pending or at work.

    Args:
        store: the records.
        nominated: where victims make room for a workload; None for most.
        refused: sites that refused a workload lately; none for most.
        default_policy: for workloads that name none.
    """

    def __init__(
        self,
        store: Store,
        *,
        nominated: Callable[[str], str | None],
        refused: Callable[[str], frozenset[str]],
        default_policy: str,
    ) -> None:
        self._store = store
        self._changes = store.follow()
        self._nominated = nominated
        self._refused = refused
        self._default_policy = default_policy
        self._pending, self._running, self._evicting = _Views(), _Views(), _Views()

    def warm(self, most: int) -> bool:
        """Make some of the views that a start with many workloads needs; whether any are left."""
        self._look(self._changes.take(most))
        return len(self._changes) > 0

    def take(self, stale: frozenset[str] = frozenset()) -> Frozen:
        """What is pending, what stands, and what is being evicted.

        Args:
            stale: uids to look at although the store knows of no change.
        """
        self._look(self._changes.take() | stale)
        return Frozen(self._pending.take(), self._running.take(), self._evicting.take())

    def _look(self, uids: set[str]) -> None:
        for uid in uids:
            record = self._store.workloads.get(uid)
            self._pending.put(uid, self._pending_view(record))
            self._running.put(uid, self._placed_view(record, lifecycle.ACTIVE))
            self._evicting.put(uid, self._placed_view(record, _EVICTING))

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
            moving=lifecycle.sent_elsewhere(status) is not None,
            nominated_site=_site(self._nominated(record.uid)),
            refused_sites=frozenset(map(SiteName, self._refused(record.uid))),
            planned_start=plan.start_at if plan else None,
            planned_site=_site(plan.site) if plan else None,
        )
        return remainder_view(view, status, grows=not finishes(record.model.spec.template))

    def _placed_view(
        self, record: Record | None, phases: frozenset[PlacementPhase]
    ) -> WorkloadView | None:
        """A view of the parts that are in one of these phases."""
        if record is None or record.demand is None or record.deleting:
            return None
        status = record.status
        parts = [part for part in status.placements if part.phase in phases]
        if not parts:
            return None
        return replace(
            self._spec_view(record),
            epoch=status.epoch,
            done_s=status.done_seconds,
            moved_at=status.moved_at,
            moving=lifecycle.sent_elsewhere(status) is not None,
            nominated_site=_site(self._nominated(record.uid)),
            refused_sites=frozenset(map(SiteName, self._refused(record.uid))),
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


def _site(name: str | None) -> SiteName | None:
    return SiteName(name) if name else None


def _current(part: Placement) -> CurrentPart:
    # A Job has its start time while its pods are pending; that is no progress yet.
    started_at = part.started_at if part.phase in _RAN else None
    return CurrentPart(
        SiteName(part.site), part.accelerator_class, part.replicas, part.epoch, started_at
    )
