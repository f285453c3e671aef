"""Which sites refuse a workload's object, since when, and for how long do they get nothing of it?

A placement that its site goes on refusing is given up after a while, so that the work may go
elsewhere; most of all work that was moved there, and ran where it was. The site is left out for a
quarter of an hour. In memory: after a restart it is asked once more.
"""

from datetime import datetime, timedelta
from typing import Final

from tradewind.controller.store import Store

#: How long a site that refused a workload gets nothing of it. Shorter: work without another site
#: spends its time being taken back. Longer: a quota that was raised there helps nobody for so long.
SHUNNED_FOR: Final = timedelta(minutes=15)


class Refusals:
    """What sites refused.

    Args:
        store: the workloads; what is gone from it is forgotten.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._since: dict[tuple[str, str], tuple[int, datetime]] = {}
        self._until: dict[str, dict[str, datetime]] = {}
        self._changed: set[str] = set()

    def note(self, uid: str, site: str, epoch: int, now: datetime) -> None:
        """A site refused the object of a placement."""
        known = self._since.get((uid, site))
        if known is None or known[0] != epoch:
            self._since[uid, site] = (epoch, now)

    def clear(self, uid: str, site: str) -> None:
        """The site took the object, or nothing of the workload is placed there any more."""
        self._since.pop((uid, site), None)

    def since(self, uid: str, site: str, epoch: int) -> datetime | None:
        """When a site first refused the object of a placement; None: it does not."""
        known = self._since.get((uid, site))
        return known[1] if known is not None and known[0] == epoch else None

    def shun(self, uid: str, site: str, now: datetime) -> None:
        """Give a site nothing of a workload for a while."""
        self.clear(uid, site)
        self._until.setdefault(uid, {})[site] = now + SHUNNED_FOR
        self._changed.add(uid)

    def sites(self, uid: str) -> frozenset[str]:
        """The sites that get nothing of a workload."""
        return frozenset(self._until.get(uid, ()))

    def begin(self, now: datetime) -> frozenset[str]:
        """A cycle begins: end what is over, and tell for whom that changes since the last one."""
        for uid, site in list(self._since):
            if uid not in self._store.workloads:
                del self._since[uid, site]
        for uid, sites in list(self._until.items()):
            kept = {site: until for site, until in sites.items() if until > now}
            if len(kept) < len(sites):
                self._changed.add(uid)
            if kept and uid in self._store.workloads:
                self._until[uid] = kept
            else:
                del self._until[uid]
        changed, self._changed = frozenset(self._changed), set()
        return changed
