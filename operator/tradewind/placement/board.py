"""What has been placed in a round, and what is left: ledger, limits and later slots in step.

The solver puts gangs on the board and takes them off again. A start in slot 0 must fit the ledger,
node by node, and the limits of its queue; a later start only promises, so it is held against lines.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tradewind.placement.capacity import CapacityView, Ledger
from tradewind.placement.demands import PodNeed
from tradewind.placement.limits import Limits, Lot, Saved
from tradewind.placement.market import Lines, Market
from tradewind.placement.packing import Groups
from tradewind.placement.repacking import Effort, Item, repack
from tradewind.placement.table import F64, I64, SiteTable

# In float64 a line may come out a hair above what it has.
_SLACK = 1e-6

# More pods than any gang has.
_MANY = 2**40


@dataclass(frozen=True, slots=True)
class Stake:
    """What the board must know of a group.

    Args:
        queue: whose limits count.
        lot: what one workload takes of its queue; None: the queue has no limits.
        needs: for each place on R', what the gang takes there.
        places: (M,) place on R' of each candidate.
        size: sorts what is packed anew at a site, the largest first.
        pod: what one of its pods takes, where all are alike; else None.
        pods: how many they are.
    """

    queue: str
    lot: Lot | None
    needs: Sequence[tuple[PodNeed, ...]]
    places: I64
    size: tuple[int, ...] = ()
    pod: Hashable = None
    pods: int = 0


@dataclass(frozen=True, slots=True)
class Moment:
    """The board at one moment; see `Board.now`."""

    view: CapacityView
    limits: Saved
    left: F64
    placed: dict[tuple[int, int], int]
    at_site: dict[int, tuple[tuple[int, int], ...]]


class Board:
    """The working memory of a round.

    Args:
        table: the sites.
        ledger: what is free; what is put on the board is taken from it.
        limits: of the round's queues.
        market: whose candidates are placed.
        stakes: one for each group.
        effort: for packing sites anew where a gang does not fit at once; None: never.

    Attributes:
        placed: how many workloads are on each (group, candidate).
    """

    def __init__(
        self,
        table: SiteTable,
        ledger: Ledger,
        limits: Limits,
        market: Market,
        stakes: Sequence[Stake],
        *,
        effort: Effort | None = None,
    ) -> None:
        self._table = table
        self._effort = effort
        self._row_site = table.row_site
        self._ledger = ledger
        self._limits = limits
        self._market = market
        self._stakes = stakes
        self._slots = market.lines.slots
        self._left = market.lines.capacity.copy()
        self._base: dict[int, Groups] = {}
        # Rows that had no room for so many such pods. Found out over and over otherwise: groups of
        # the same pods ask for the same rows.
        self._full: dict[tuple[int, Hashable], int] = {}
        self.placed: dict[tuple[int, int], int] = {}
        self._at_site: dict[int, tuple[tuple[int, int], ...]] = {}

    def put(self, group: int, candidate: int, limit: int) -> int:
        """Place as many workloads of a group on a candidate as fit, up to `limit`; how many."""
        count = self._allowed(group, candidate, limit)
        if count > 0 and self._slots > 1:
            count = self._in_time(group, candidate, count)
        if count > 0 and self._market.slot[group, candidate] == 0:
            count = self._take(group, candidate, count)
        if count > 0:
            key = (group, candidate)
            self.placed[key] = self.placed.get(key, 0) + count
            self._count_lines(group, candidate, -count)
        return count

    def move(self, group: int, candidate: int, other: int) -> int:
        """Move as many workloads as fit to another candidate of their group; how many.

        Nothing has changed where that is 0.
        """
        ledger, sites = self._ledger, self._market.row[group, [candidate, other]]
        before = {site: ledger.groups(site) for site in self._row_site[sites].tolist()}
        there = {site: self._at_site.get(site, ()) for site in before}
        count = self.put(group, other, self.placed[group, candidate])
        if not count:
            return 0
        self._full.clear()
        self._remove(group, candidate, count)
        site = int(self._row_site[self._market.row[group, candidate]])
        if self._market.slot[group, candidate] > 0 or self._packs_anew(site):
            return count
        # Fewer gangs may pack worse, in another order: then all is put back as it was.
        self._remove(group, other, count)
        self._remove(group, candidate, -count)
        for site, groups in before.items():
            ledger.put_back(site, groups)
            self._at_site[site] = there[site]
        return 0

    def _remove(self, group: int, candidate: int, count: int) -> None:
        """Uncount workloads; the ledger is the caller's business."""
        key = (group, candidate)
        left = self.placed.get(key, 0) - count
        if left:
            self.placed[key] = left
        else:
            del self.placed[key]
        self._count_lines(group, candidate, count)
        stake = self._stakes[group]
        if self._market.slot[group, candidate] == 0 and stake.lot is not None:
            self._limits.take(stake.queue, stake.lot, int(stake.places[candidate]), -count)

    def _packs_anew(self, site: int) -> bool:
        self._ledger.put_back(site, self._base[site])
        self._at_site[site] = tuple(key for key in self._at_site[site] if key in self.placed)
        there = sorted(self._at_site[site], key=lambda key: (self._stakes[key[0]].size, key))
        return all(
            self._pack(group, candidate, count) == count
            for group, candidate in there
            if (count := self.placed[group, candidate])
        )

    def now(self) -> Moment:
        """What `restore` needs."""
        return Moment(
            self._ledger.view(),
            self._limits.saved(),
            self._left.copy() if self._slots > 1 else self._left,
            dict(self.placed),
            dict(self._at_site),
        )

    def restore(self, moment: Moment) -> None:
        """Make the board again what it was."""
        self._ledger.restore(moment.view)
        self._limits.restore(moment.limits)
        if self._slots > 1:
            self._left = moment.left.copy()
        self.placed = dict(moment.placed)
        self._at_site = dict(moment.at_site)

    @property
    def left(self) -> Lines:
        """The lines, less what is placed; with one slot they do not count, and are as they were."""
        return Lines(self._market.lines.of_row, self._left)

    def cost(self) -> float:
        """USD of all that is placed, and of what leaving the others unplaced counts."""
        left = self._market.count.copy()
        total = 0.0
        for (group, candidate), count in self.placed.items():
            left[group] -= count
            total += count * self._market.cost[group, candidate]
        return float(total + left @ self._market.wait)

    def unplaced(self) -> I64:
        """(G,) workloads that are not on the board."""
        left = self._market.count.astype(np.int64)
        for (group, _), count in self.placed.items():
            left[group] -= count
        return left

    def _allowed(self, group: int, candidate: int, limit: int) -> int:
        stake = self._stakes[group]
        if stake.lot is None or self._market.slot[group, candidate] > 0:
            return limit
        most = self._limits.most(stake.queue, stake.lot)
        return min(limit, int(most[stake.places[candidate]]))

    def _in_time(self, group: int, candidate: int, limit: int) -> int:
        market = self._market
        row = market.row[group, candidate]
        window = slice(market.slot[group, candidate], market.end[group, candidate])
        for q in np.flatnonzero(market.usage[group]).tolist():
            left = self._left[market.lines.of_row[q, row], window].min(initial=np.inf)
            limit = min(limit, int((left + _SLACK) // market.usage[group, q]))
        return limit

    def _count_lines(self, group: int, candidate: int, count: int) -> None:
        if self._slots == 1:
            return
        market = self._market
        row = market.row[group, candidate]
        window = slice(market.slot[group, candidate], market.end[group, candidate])
        for q in np.flatnonzero(market.usage[group]).tolist():
            self._left[market.lines.of_row[q, row], window] += count * market.usage[group, q]

    def _take(self, group: int, candidate: int, limit: int) -> int:
        site = int(self._row_site[self._market.row[group, candidate]])
        self._base.setdefault(site, self._ledger.groups(site))
        stake = self._stakes[group]
        full = (int(self._market.row[group, candidate]), stake.pod)
        if stake.pod is not None and self._full.get(full, _MANY) <= stake.pods:
            return 0
        count = self._pack(group, candidate, limit)
        if count == 0 and stake.pod is not None and self._effort is None:
            self._full[full] = stake.pods
        if count < limit and self._effort is not None:
            while count < limit and self._squeeze(site, group, candidate, count):
                count += 1
        if count <= 0:
            return 0
        key = (group, candidate)
        if key not in self.placed:
            self._at_site[site] = (*self._at_site.get(site, ()), key)
        if stake.lot is not None:
            self._limits.take(stake.queue, stake.lot, int(stake.places[candidate]), count)
        return count

    def _pack(self, group: int, candidate: int, limit: int) -> int:
        stake = self._stakes[group]
        row = int(self._market.row[group, candidate])
        return self._ledger.take_up_to(row, stake.needs[int(stake.places[candidate])], limit)

    def _squeeze(self, site: int, group: int, candidate: int, more: int) -> bool:
        """Make room for one gang by packing the site anew; `more` of the same stand already."""
        there = {key: self.placed[key] for key in self._at_site.get(site, ()) if key in self.placed}
        key = (group, candidate)
        there[key] = there.get(key, 0) + more + 1
        items: list[Item] = []
        for other, count in sorted(
            there.items(), key=lambda item: (self._stakes[item[0][0]].size, item[0])
        ):
            row = int(self._market.row[other])
            needs = self._stakes[other[0]].needs[int(self._stakes[other[0]].places[other[1]])]
            accelerator = self._table.row_accelerator[row]
            items += [(replace(need, count=need.count * count), accelerator) for need in needs]
        left = repack(self._base[site], items, self._effort or Effort(0))
        stake = self._stakes[group]
        needs = stake.needs[int(stake.places[candidate])]
        return left is not None and self._ledger.swap(site, left, needs)
