"""How much is there of what competes? The lines of a cycle, from what the ledger has left.

Sorts of lines, on the axis Q: CPU and memory of a site; accelerators of a site, where some are
reserved; and for each size of pod that is asked for, the largest last, what a row's nodes have for
pods of that size (see `market.py`).
"""

from collections.abc import Sequence

import numpy as np

from tradewind.placement.capacity import Ledger
from tradewind.placement.demands import PodNeed
from tradewind.placement.market import Lines
from tradewind.placement.packing import all_units_free, cpu_free, memory_free, units_free
from tradewind.placement.table import F64, I64, SiteTable

_GIB = 2**30

# Lines of which there is more than enough have so much.
_ENDLESS = 1e15

#: Place of a site's accelerators on the axis Q.
UNITS = 2


class Sorts:
    """The sorts of lines that matter to some groups.

    Args:
        table: the sites.
        sizes: accelerators of one pod that are asked for, rising, without 0.
    """

    def __init__(self, table: SiteTable, sizes: Sequence[int]) -> None:
        self._table = table
        self.sizes = tuple(sorted({1, *sizes})) if sizes else ()

    @property
    def row_site(self) -> I64:
        """(R,) the site of each row."""
        return self._table.row_site

    def usage(self, needs: Sequence[PodNeed]) -> list[float]:
        """(Q,) what one gang takes."""
        return [
            sum(need.count * need.cpu_millis for need in needs) / 1000,
            sum(need.count * need.memory_bytes for need in needs) / _GIB,
            sum(need.count * need.units for need in needs),
            *(float(sum(n.count * (n.units // size) for n in needs)) for size in self.sizes),
        ]

    def lines(self, ledger: Ledger) -> Lines:
        """What is left now; (L, 1)."""
        table = self._table
        sites, rows = len(table.sites), table.rows
        of_row: list[I64] = [table.row_site + place * sites for place in range(3)]
        of_row += [np.arange(rows) + 3 * sites + k * rows for k in range(len(self.sizes))]
        site_lines, row_lines = self._frozen(ledger)
        for site in ledger.touched:
            groups = ledger.groups(site)
            site_lines[:, site] = (
                cpu_free(groups) / 1000,
                memory_free(groups) / _GIB,
                all_units_free(groups),
            )
            for row in np.flatnonzero(table.row_site == site).tolist():
                accelerator = table.row_accelerator[row]
                if accelerator is not None:
                    free = [(max(0, units_free(n, accelerator)), n.nodes) for n in groups]
                    row_lines[:, row] = [
                        sum(units // size * nodes for units, nodes in free) for size in self.sizes
                    ]
        kept = np.array(
            [(s.reserved.cpu_millis / 1000, s.reserved.memory_bytes / _GIB) for s in table.sites],
            np.float64,
        ).reshape(sites, 2)
        site_lines[:2] -= kept.T
        units_kept = np.array([s.reserved.accelerators for s in table.sites], np.float64)
        # Without a reserve the lines of the rows say it all.
        site_lines[2] = np.where(units_kept > 0, site_lines[2] - units_kept, np.inf)
        capacity = np.concatenate((np.maximum(0.0, site_lines).ravel(), row_lines.ravel()))
        finite = np.where(np.isfinite(capacity), capacity, _ENDLESS)
        return Lines(np.array(of_row, np.int64).reshape(-1, rows), finite[:, None])

    def _frozen(self, ledger: Ledger) -> tuple[F64, F64]:
        """(3, S) and (K, R) of the snapshot's node shapes."""
        entries, table = ledger.entries, self._table
        sites, rows = len(table.sites), table.rows
        cpu, memory, units = entries.free
        nodes = entries.nodes[entries.node]
        chips = entries.row >= sites
        found = np.zeros((len(self.sizes), rows))
        for k, size in enumerate(self.sizes):
            offers = np.where(chips, entries.units // size * nodes, 0)
            found[k] = np.bincount(entries.row, weights=offers, minlength=rows)
        per_site = np.array([cpu / 1000, memory / _GIB, units], np.float64).reshape(3, sites)
        return per_site, found


def short_sorts(lines: Lines, usage: F64, rows: I64, site: I64) -> I64:
    """Sorts of lines that may run short: the others only cost time.

    Where whoever takes CPU takes chips, and a site has the CPU for all of its chips, the chips are
    short first.

    Args:
        lines: capacity.
        usage: (G, Q).
        rows: (M,) rows that somebody may have.
        site: (M,) of these rows.

    Returns:
        Places on the axis Q, rising.
    """
    used = np.flatnonzero(usage.any(axis=0)).tolist()
    return np.array([q for q in used if not _never_short(lines, usage, q, rows, site)], np.int64)


def _never_short(lines: Lines, usage: F64, q: int, rows: I64, site: I64) -> bool:
    """Whether whoever takes of a sort takes chips, and these are short first, at every site."""
    chips = UNITS + 1
    if (lines.capacity[lines.of_row[q, rows]] >= _ENDLESS).all():
        return True
    if q >= UNITS or usage.shape[1] <= chips:
        return False
    takers = usage[:, q] > 0
    if not (usage[takers, chips] > 0).all():
        return False
    most = float((usage[takers, q] / usage[takers, chips]).max(initial=0.0))
    sites = int(site.max(initial=-1)) + 1
    offered = np.zeros((sites, lines.slots))
    np.add.at(offered, site, lines.capacity[lines.of_row[chips, rows]])
    line = np.full(sites, -1, np.int64)
    line[site] = lines.of_row[q, rows]
    there = line >= 0
    return bool((lines.capacity[line[there]] >= most * offered[there]).all())
