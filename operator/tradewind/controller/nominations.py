"""For whom is room being made or kept, and where? In memory: after a restart it is decided anew.

Room is made for the workload that an eviction names, and kept for one that is sent to another site.
A nomination holds while a victim of it still has pods at the site, and for one whole cycle after
that: the first one that sees the room. Whoever is not placed then competes like everybody else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tradewind.controller import lifecycle
from tradewind.controller.store import Record, Store
from tradewind.placement.plan import Eviction
from tradewind.sites.runtime import SiteRuntime


@dataclass(slots=True)
class _Nomination:
    site: str
    victims: set[tuple[str, str]] = field(default_factory=set)
    room_seen: bool = False


class Nominations:
    """Workloads that wait for their victims.

    Args:
        store: where victims stand.
        runtime: the engaged site of a name.
    """

    def __init__(self, store: Store, runtime: Callable[[str], SiteRuntime | None]) -> None:
        self._store = store
        self._runtime = runtime
        self._by_uid: dict[str, _Nomination] = {}
        self._changed: set[str] = set()

    def site(self, uid: str) -> str | None:
        """Where room is made for a workload."""
        nomination = self._by_uid.get(uid)
        return nomination.site if nomination else None

    def note(self, evictions: Iterable[Eviction]) -> None:
        """Take over for whom a plan makes room."""
        for eviction in evictions:
            if eviction.by is not None:
                self._nominate(eviction.by, eviction.site, eviction)
            if eviction.target is not None:
                self._nominate(eviction.uid, eviction.target, eviction)

    def _nominate(self, uid: str, site: str, eviction: Eviction) -> None:
        nomination = self._by_uid.get(uid)
        if nomination is None or nomination.site != site:
            nomination = self._by_uid[uid] = _Nomination(site)
            self._changed.add(uid)
        nomination.victims.add((eviction.uid, eviction.site))
        nomination.room_seen = False

    def begin(self) -> frozenset[str]:
        """A cycle begins: end what is over, and tell whose nomination changed since the last one.

        Called right before the snapshot, which holds what is still nominated.
        """
        for uid, nomination in list(self._by_uid.items()):
            record = self._store.workloads.get(uid)
            if record is None or not _still_waits(record) or nomination.room_seen:
                del self._by_uid[uid]
                self._changed.add(uid)
            else:
                nomination.room_seen = not self._victims_left(nomination)
        changed, self._changed = frozenset(self._changed), set()
        return changed

    def _victims_left(self, nomination: _Nomination) -> bool:
        return any(self._is_left(uid, site) for uid, site in nomination.victims)

    def _is_left(self, uid: str, site: str) -> bool:
        """Whether a victim may still have pods at its site."""
        runtime = self._runtime(site)
        if runtime is None or runtime.state.reachable is False:
            return False
        record = self._store.workloads.get(uid)
        part = lifecycle.placement_at(record.status, site) if record else None
        if part is not None and part.phase is lifecycle.EVICTING:
            return True
        return runtime.inventory.bound(uid) > 0


def _still_waits(record: Record) -> bool:
    """Whether a workload is without a place, or about to be."""
    if record.pending:
        return True
    return any(part.phase is lifecycle.EVICTING for part in record.status.placements)
