"""Which rows do the snapshot's node shapes serve, and how many pods would each take?

The frozen half of the capacity ledger, as columns: all sites are asked at once. `capacity.py` lays
over it what a cycle takes.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from tradewind.placement.demands import PodNeed
from tradewind.placement.table import I64, Column, SiteTable

# More units than any node has: the entry of a row without accelerators is never the limit.
_UNLIMITED = 2**40


class Entries:
    """Which node shape can serve which row, as columns; from the snapshot, never changed.

    Each node shape has an entry for its site's row without accelerators, and one for each of its
    accelerators.

    Attributes:
        node: (E,) place on the axis N.
        row: (E,) place on the axis R.
        units: (E,) free accelerators on each node.
        cpu, memory, pods, nodes: (N,) free on each node; how many nodes are alike.
        taints: (N,) column.
        shapes: the node shapes, N.
        free: (S,) each: millicores, bytes and accelerators free at a site, in all.
    """

    def __init__(self, table: SiteTable) -> None:
        parts = table.parts
        shapes = [site.node_shapes for site in table.sites]
        self.shapes = tuple(chain.from_iterable(shapes))
        held = np.concatenate([part.nodes for part in parts] or [np.zeros((0, 4), np.int64)])
        columns: I64 = np.ascontiguousarray(held.T)
        self.cpu, self.memory = columns[0], columns[1]
        self.pods, self.nodes = columns[2], columns[3]
        self.taints = Column([node.taints for node in self.shapes])
        counts = np.fromiter(map(len, shapes), np.int64, len(shapes))
        first_node = np.concatenate(([0], np.cumsum(counts)))[:-1]
        site_of_node = np.repeat(np.arange(len(parts)), counts)
        chips = np.concatenate([part.chips for part in parts] or [np.zeros((0, 3), np.int64)])
        site_of_chip = np.repeat(
            np.arange(len(parts)), np.fromiter((len(p.chips) for p in parts), np.int64, len(parts))
        )
        nodes = len(self.shapes)
        self.node: I64 = np.concatenate(
            (np.arange(nodes), first_node[site_of_chip] + chips[:, 0])
        ).astype(np.int64)
        self.row: I64 = np.concatenate(
            (site_of_node, table.first_row[site_of_chip] + chips[:, 1])
        ).astype(np.int64)
        self.units: I64 = np.concatenate((np.full(nodes, _UNLIMITED), chips[:, 2])).astype(np.int64)
        self._rows = table.rows
        sites = len(parts)
        self.free = (
            _totals(site_of_node, self.cpu * self.nodes, sites),
            _totals(site_of_node, self.memory * self.nodes, sites),
            _totals(site_of_chip, chips[:, 2] * self.nodes[self.node[nodes:]], sites),
        )
        reserves = [site.reserved for site in table.sites]
        self._reserved = (
            _column([reserve.cpu_millis for reserve in reserves]),
            _column([reserve.memory_bytes for reserve in reserves]),
            _column([reserve.accelerators for reserve in reserves]),
        )

    def room(self, need: PodNeed, entries: I64) -> I64:
        """(len(entries),) pods that the nodes of each entry take together."""
        node = self.node[entries]
        fits: I64 = self.pods[node].copy()
        if need.cpu_millis > 0:
            np.minimum(fits, self.cpu[node] // need.cpu_millis, out=fits)
        if need.memory_bytes > 0:
            np.minimum(fits, self.memory[node] // need.memory_bytes, out=fits)
        if need.units > 0:
            np.minimum(fits, self.units[entries] // need.units, out=fits)
        for name, amount in need.others:
            if amount > 0:
                np.minimum(fits, self._other(name)[node] // amount, out=fits)
        fits *= self.nodes[node]
        fits[~self.taints.where(need.tolerates)[node]] = 0
        return fits

    def bound(self, rows: I64, sites: I64, needs: Sequence[PodNeed]) -> I64:
        """(len(rows),) gangs that fit if each pod set had the site to itself: never too few."""
        found = np.full(len(rows), _UNLIMITED, np.int64)
        for need in needs:
            # Pods without chips may stand on any node of the site, whatever the row's class.
            asked = rows if need.units > 0 else sites
            wanted = np.zeros(self._rows, bool)
            wanted[asked] = True
            entries = np.flatnonzero(wanted[self.row])
            pods = np.bincount(
                self.row[entries], weights=self.room(need, entries), minlength=self._rows
            )
            np.minimum(found, pods[asked].astype(np.int64) // need.count, out=found)
        return found

    def spare(self, sites: I64, needs: Sequence[PodNeed]) -> I64:
        """(len(sites),) gangs that fit beside what is reserved; as `packing.beyond_reserve`."""
        found = np.full(len(sites), _UNLIMITED, np.int64)
        asked = (
            sum(need.count * need.cpu_millis for need in needs),
            sum(need.count * need.memory_bytes for need in needs),
            sum(need.count * need.units for need in needs),
        )
        for amount, kept, free in zip(asked, self._reserved, self.free, strict=True):
            if amount > 0 and kept.any():
                gangs_left = np.maximum(0, free[sites] - kept[sites]) // amount
                found = np.where(kept[sites] > 0, np.minimum(found, gangs_left), found)
        return found

    def _other(self, resource: str) -> I64:
        return _column(
            [max(0, dict(node.other_resources).get(resource, 0)) for node in self.shapes]
        )


def _column(values: Sequence[int]) -> I64:
    return np.array(values, np.int64)


def _totals(place: I64, amounts: I64, length: int) -> I64:
    # Sums in float64 are exact below 2**53: eight petabytes of memory at one site.
    return np.bincount(place, weights=amounts, minlength=length).astype(np.int64)
