"""What room is there at a site, now and once those who leave it have left?

Room that is made for a workload is kept for it: it is gone from the ledger for whoever chooses
after it, although some of it is not free yet. What is left over of it may serve the next one that
has room made.
"""

from collections.abc import Sequence

from tradewind.placement.capacity import Ledger
from tradewind.placement.demands import PodNeed
from tradewind.placement.feasibility import Evaluation
from tradewind.placement.packing import Groups, beyond_reserve, gangs, pack
from tradewind.placement.release import Leaving, freed, now_and_later
from tradewind.placement.snapshot import SiteName, Snapshot, Uid
from tradewind.placement.table import I64, SiteTable


class Room:
    """Present and coming room, while a cycle makes some.

    Args:
        snapshot: who is leaving already.
        table: the sites.
        ledger: what is free now; what is kept is taken from it.

    Attributes:
        version: counts what changed of the coming room.
    """

    def __init__(self, snapshot: Snapshot, table: SiteTable, ledger: Ledger) -> None:
        self._snapshot = snapshot
        self._table = table
        self._ledger = ledger
        self.version = 0
        self._later: dict[int, Groups] = {}
        self._whose: dict[int, Leaving] = {}
        for workload in snapshot.evicting:
            for part in workload.current:
                site = table.index.get(part.site)
                if site is not None:
                    here = dict(self._whose.get(site, {}))
                    here[workload.uid] = (workload, part)
                    self._whose[site] = here

    @property
    def sites(self) -> frozenset[int]:
        """Sites, on the axis S, at which something leaves."""
        return frozenset(self._whose) | frozenset(self._later)

    def add_strays(self, name: SiteName) -> None:
        """Count pods at a site as leaving that belong to nothing which runs: eviction's last."""
        site = self._table.index.get(name)
        if site is None:
            return
        held = {Uid(one.uid) for here in self._table.sites[site].occupied for one in here.held}
        known = {workload.uid for workload in (*self._snapshot.running, *self._snapshot.evicting)}
        strays: dict[Uid, None] = dict.fromkeys(sorted(held - known))
        if strays:
            self.version += 1
            self._whose[site] = {**strays, **self._whose.get(site, {})}

    def free(self, found: Evaluation) -> I64:
        """(R',) whole gangs of a shape that fit now."""
        return found.room(self._ledger.view())

    def groups(self, site: int, victims: Leaving | None = None) -> Groups:
        """Node shapes of a site as they will be, without some victims too."""
        leaving = {**self._whose.get(site, {}), **(victims or {})}
        now = freed(self._ledger.groups(site), self._table.sites[site], leaving)
        return (*now, *self._later.get(site, ()))

    def holds(self, row: int, needs: Sequence[PodNeed], victims: Leaving | None = None) -> bool:
        """Whether a gang will fit on a row, without some victims too."""
        site = int(self._table.row_site[row])
        groups = self.groups(site, victims)
        reserve = self._table.sites[site].reserved
        if beyond_reserve(groups, needs, reserve) < 1:
            return False
        return gangs(groups, needs, self._table.row_accelerator[row]) > 0

    def keep(self, row: int, needs: Sequence[PodNeed], victims: Leaving | None = None) -> None:
        """Keep the room of a gang for it, once the victims and who leaves anyway have left."""
        site = int(self._table.row_site[row])
        left = pack(self.groups(site, victims), needs, self._table.row_accelerator[row])
        if left is None:
            raise AssertionError("room was kept that does not hold the gang")
        self.version += 1
        now, self._later[site] = now_and_later(left)
        self._whose.pop(site, None)
        self._ledger.put_back(site, now)
