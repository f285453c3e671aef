"""What is still free in this cycle? A ledger of trial capacity, site by site.

The snapshot's node shapes are never changed. What the cycle takes, and what earlier cycles took
that no watch shows yet (assumed), lies over them as new node shapes of the sites concerned; a site
is put back by its earlier node shapes. `survey` asks all untouched sites at once with numpy, and
the touched ones, a few, by `packing`, whose word is final.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from tradewind.placement.demands import PodNeed, named_resources, needs_on
from tradewind.placement.entries import Entries
from tradewind.placement.packing import (
    NO_RESERVE,
    Groups,
    beyond_reserve,
    gangs,
    pack,
    pack_many,
)
from tradewind.placement.repacking import squeeze
from tradewind.placement.snapshot import Assumed, SiteAccelerator
from tradewind.placement.table import I64, SiteTable, accelerators_of


class CapacityView:
    """Free node shapes as they were at one moment of a cycle; for explanations."""

    __slots__ = ("_table", "_touched")

    def __init__(self, table: SiteTable, touched: Mapping[int, Groups]) -> None:
        self._table = table
        self._touched = touched

    @property
    def touched(self) -> Collection[int]:
        """Sites that are not as the snapshot has them."""
        return self._touched.keys()

    def groups(self, site: int) -> Groups:
        """Node shapes of a site with what is left of them."""
        touched = self._touched.get(site)
        return self._table.sites[site].node_shapes if touched is None else touched

    def fits(self, row: int, needs: Sequence[PodNeed], *, limit: int = 1) -> int:
        """How many whole gangs a row takes; for gangs of unlike pods up to `limit`."""
        site = int(self._table.row_site[row])
        groups = self.groups(site)
        reserve = self._table.sites[site].reserved
        accelerator = self._table.row_accelerator[row]
        count = gangs(groups, needs, accelerator, limit=limit)
        if not count and squeeze(groups, needs, accelerator) is not None:
            count = 1
        return min(count, beyond_reserve(groups, needs, reserve)) if count else 0

    def survey(self, entries: Entries, rows: I64, needs: Sequence[PodNeed]) -> I64:
        """How many whole gangs each of many rows takes.

        Args:
            entries: the node shapes of the snapshot, as columns.
            rows: (R',) places on the axis R, all of one resource name.
            needs: what the gang takes in each of them.

        Returns:
            (R',) gangs; for gangs of unlike pods 1 stands for "at least one".
        """
        if not needs:
            return np.ones(len(rows), np.int64)
        site = self._table.row_site[rows]
        found = np.minimum(entries.bound(rows, site, needs), entries.spare(site, needs))
        exact = np.zeros(len(rows), bool) if len(needs) == 1 else found > 0
        if self._touched:
            exact |= np.isin(site, list(self._touched))
        for i in np.flatnonzero(exact).tolist():
            found[i] = self.fits(int(rows[i]), needs)
        return found


class Ledger:
    """Free capacity while a cycle plans.

    Args:
        table: the sites.
        assumed: placements to subtract first.
        entries: of the table, when they are made already.

    Attributes:
        entries: the node shapes of the snapshot, as columns.
        version: (S,) counts what has been taken from each site.
    """

    def __init__(
        self,
        table: SiteTable,
        assumed: Iterable[Assumed] = (),
        entries: Entries | None = None,
    ) -> None:
        self._table = table
        self.entries = Entries(table) if entries is None else entries
        self._touched: dict[int, Groups] = {}
        self._now = CapacityView(table, self._touched)
        self.version: I64 = np.zeros(len(table.sites), np.int64)
        for placement in assumed:
            self._assume(placement)

    def copy(self) -> Self:
        """A trial: what it takes leaves this ledger as it is."""
        trial = object.__new__(type(self))
        trial._table = self._table
        trial.entries = self.entries
        trial._touched = dict(self._touched)
        trial._now = CapacityView(self._table, trial._touched)
        trial.version = self.version.copy()
        return trial

    def view(self) -> CapacityView:
        """What is free now, for later reading."""
        return CapacityView(self._table, dict(self._touched))

    @property
    def touched(self) -> Collection[int]:
        """Sites that are not as the snapshot has them."""
        return self._touched.keys()

    def groups(self, site: int) -> Groups:
        """Node shapes of a site with what is left of them."""
        return self._now.groups(site)

    def fits(self, row: int, needs: Sequence[PodNeed], *, limit: int = 1) -> int:
        """How many whole gangs a row still takes; for gangs of unlike pods up to `limit`."""
        return self._now.fits(row, needs, limit=limit)

    def survey(self, rows: I64, needs: Sequence[PodNeed]) -> I64:
        """How many whole gangs each of many rows takes; see `CapacityView.survey`."""
        return self._now.survey(self.entries, rows, needs)

    def take(self, row: int, needs: Sequence[PodNeed]) -> bool:
        """Take one whole gang from a row; False, and nothing taken, when it does not fit."""
        return self.take_up_to(row, needs, 1) == 1

    def take_up_to(self, row: int, needs: Sequence[PodNeed], limit: int) -> int:
        """Take as many whole gangs from a row as fit, up to `limit`; how many they were."""
        if not needs:
            return limit
        site = int(self._table.row_site[row])
        groups = self.groups(site)
        reserve = self._table.sites[site].reserved
        if reserve != NO_RESERVE:
            limit = min(limit, beyond_reserve(groups, needs, reserve))
        accelerator = self._table.row_accelerator[row]
        count, left = pack_many(groups, needs, accelerator, limit)
        if not count and limit > 0 and (found := squeeze(groups, needs, accelerator)) is not None:
            count, left = 1, found
        if count:
            self._touched[site] = left
            self.version[site] += 1
        return count

    def swap(self, site: int, groups: Groups, needs: Sequence[PodNeed]) -> bool:
        """Take node shapes that a search has left of a site, if its reserve allows.

        Args:
            site: which.
            groups: what is left with the new gang on it.
            needs: of the new gang.
        """
        if beyond_reserve(self.groups(site), needs, self._table.sites[site].reserved) < 1:
            return False
        self._touched[site] = groups
        self.version[site] += 1
        return True

    def put_back(self, site: int, groups: Groups) -> None:
        """Make a site again what it was, with node shapes that `groups` gave."""
        if groups is self._table.sites[site].node_shapes:
            self._touched.pop(site, None)
        else:
            self._touched[site] = groups
        self.version[site] += 1

    def restore(self, earlier: CapacityView) -> None:
        """Make all sites again what they were when `earlier` was seen."""
        for site in {*self._touched, *earlier.touched}:
            groups = earlier.groups(site)
            if groups is not self.groups(site):
                self.put_back(site, groups)

    def _assume(self, placement: Assumed) -> None:
        site = self._table.index.get(placement.site)
        if site is None:
            return
        accelerator = self._accelerator(site, placement)
        needs = needs_on(placement.demand, accelerator)
        if len(needs) == 1:  # only equal pods are split over sites
            needs = (replace(needs[0], count=min(placement.replicas, needs[0].count)),)
        for need in needs:
            groups = self.groups(site)
            # More may be assumed than is free, when the site's own users were faster.
            possible = min(need.count, gangs(groups, (replace(need, count=1),), accelerator))
            left = pack(groups, (replace(need, count=possible),), accelerator)
            if possible > 0 and left is not None:
                self._touched[site] = left
                self.version[site] += 1

    def _accelerator(self, site: int, placement: Assumed) -> SiteAccelerator | None:
        if placement.class_name is None:
            return None
        named = named_resources(placement.demand)
        offered = [
            accelerator
            for accelerator in accelerators_of(self._table.sites[site])
            if accelerator.class_name == placement.class_name
        ]
        if placement.resource_name:
            named = frozenset({placement.resource_name})
        offered.sort(key=lambda accelerator: accelerator.resource_name not in named)
        return offered[0] if offered else None
