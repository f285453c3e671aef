"""What is still free in this cycle? A ledger of trial capacity, site by site.

The snapshot's node shapes are never changed. What the cycle takes, and what earlier cycles took
that no watch shows yet (assumed), lies over them as new node shapes of the sites concerned; a copy
of the ledger shares everything else. `survey` asks all untouched sites at once with numpy, and
the touched ones, a few, by `packing`, whose word is final.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from tradewind.placement.demands import PodNeed, named_resources, needs_on
from tradewind.placement.entries import Entries
from tradewind.placement.packing import Groups, beyond_reserve, gangs, pack
from tradewind.placement.snapshot import Assumed, SiteAccelerator
from tradewind.placement.table import I64, SiteTable, accelerators_of


class CapacityView:
    """Free node shapes as they were at one moment of a cycle; for explanations."""

    __slots__ = ("_table", "_touched")

    def __init__(self, table: SiteTable, touched: Mapping[int, Groups]) -> None:
        self._table = table
        self._touched = touched

    def groups(self, site: int) -> Groups:
        """Node shapes of a site with what is left of them."""
        touched = self._touched.get(site)
        return self._table.sites[site].node_shapes if touched is None else touched


class Ledger:
    """Free capacity while a cycle plans.

    Args:
        table: the sites.
        assumed: placements to subtract first.

    Attributes:
        entries: the node shapes of the snapshot, as columns.
        version: (S,) counts what has been taken from each site.
    """

    def __init__(self, table: SiteTable, assumed: Iterable[Assumed] = ()) -> None:
        self._table = table
        self.entries = Entries(table)
        self._touched: dict[int, Groups] = {}
        self.version: I64 = np.zeros(len(table.sites), np.int64)
        for placement in assumed:
            self._assume(placement)

    def copy(self) -> Self:
        """A trial: what it takes leaves this ledger as it is."""
        trial = object.__new__(type(self))
        trial._table = self._table
        trial.entries = self.entries
        trial._touched = dict(self._touched)
        trial.version = self.version.copy()
        return trial

    def view(self) -> CapacityView:
        """What is free now, for later reading."""
        return CapacityView(self._table, dict(self._touched))

    def groups(self, site: int) -> Groups:
        """Node shapes of a site with what is left of them."""
        touched = self._touched.get(site)
        return self._table.sites[site].node_shapes if touched is None else touched

    def fits(self, row: int, needs: Sequence[PodNeed], *, limit: int = 1) -> int:
        """How many whole gangs a row still takes; for gangs of unlike pods up to `limit`."""
        site = int(self._table.row_site[row])
        groups = self.groups(site)
        accelerator = self._table.row_accelerator[row]
        reserve = self._table.sites[site].reserved
        return min(
            gangs(groups, needs, accelerator, limit=limit), beyond_reserve(groups, needs, reserve)
        )

    def survey(self, rows: I64, needs: Sequence[PodNeed]) -> I64:
        """How many whole gangs each of many rows takes.

        Args:
            rows: (R',) places on the axis R, all of one resource name.
            needs: what the gang takes in each of them.

        Returns:
            (R',) gangs; for gangs of unlike pods 1 stands for "at least one".
        """
        if not needs:
            return np.ones(len(rows), np.int64)
        site = self._table.row_site[rows]
        found = np.minimum(self.entries.bound(rows, site, needs), self.entries.spare(site, needs))
        exact = np.zeros(len(rows), bool) if len(needs) == 1 else found > 0
        if self._touched:
            exact |= self.version[site] > 0
        for i in np.flatnonzero(exact).tolist():
            found[i] = self.fits(int(rows[i]), needs)
        return found

    def take(self, row: int, needs: Sequence[PodNeed]) -> bool:
        """Take one whole gang from a row; False, and nothing taken, when it does not fit."""
        site = int(self._table.row_site[row])
        groups = self.groups(site)
        if beyond_reserve(groups, needs, self._table.sites[site].reserved) < 1:
            return False
        return self._take(site, groups, needs, self._table.row_accelerator[row])

    def _take(
        self,
        site: int,
        groups: Groups,
        needs: Sequence[PodNeed],
        accelerator: SiteAccelerator | None,
    ) -> bool:
        left = pack(groups, needs, accelerator)
        if left is None:
            return False
        self._touched[site] = left
        self.version[site] += 1
        return True

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
            if possible > 0:
                self._take(site, groups, (replace(need, count=possible),), accelerator)

    def _accelerator(self, site: int, placement: Assumed) -> SiteAccelerator | None:
        if placement.class_name is None:
            return None
        named = named_resources(placement.demand)
        offered = [
            accelerator
            for accelerator in accelerators_of(self._table.sites[site])
            if accelerator.class_name == placement.class_name
        ]
        offered.sort(key=lambda accelerator: accelerator.resource_name not in named)
        return offered[0] if offered else None
