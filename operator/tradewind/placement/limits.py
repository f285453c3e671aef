"""How many workloads of a queue may each row still take in this round, quotas and budgets?

Asked for all rows of a shape at once, counted down as work is placed. The solver asks `most` beside
what the ledger says of room, and tells `take` of each placement.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tradewind.hardware.catalog import Catalog
from tradewind.placement.budgets import BILLED, SLACK, Purse
from tradewind.placement.chips import Chips, is_of_class
from tradewind.placement.demands import PodNeed
from tradewind.placement.plan import TERM_INDEX, Refusal, RefusalReason
from tradewind.placement.priced import Costs
from tradewind.placement.queues import PLENTY
from tradewind.placement.rounds import Allowance, Round
from tradewind.placement.snapshot import SiteName
from tradewind.placement.table import F64, I64, Mask


@dataclass(frozen=True, slots=True)
class Lot:
    """What one workload of a shape takes of its queue, on each of its rows.

    Args:
        rows: (R',) places on the axis R.
        units: (R',) accelerators.
        usd: (R',) what will be billed.
        carbon_kg: (R',) kg CO2e.
    """

    rows: I64
    units: I64
    usd: F64
    carbon_kg: F64


def lot_of(rows: I64, needs: Sequence[Sequence[PodNeed]], costs: Costs) -> Lot:
    """What one workload of a shape takes of its queue.

    Args:
        rows: (R',) places on the axis R.
        needs: for each row, what the gang takes there.
        costs: on these rows.
    """
    units = [sum(need.count * need.units for need in pods) for pods in needs]
    billed = [TERM_INDEX[term] for term in BILLED]
    return Lot(rows, np.array(units, np.int64), costs.terms[billed].sum(axis=0), costs.carbon_kg)


@dataclass(frozen=True, slots=True)
class _Line:
    """An allowance with the rows that it speaks of, and what is left of it."""

    allowance: Allowance
    rows: Mask
    left: int

    def less(self, units: int) -> "_Line":
        return _Line(self.allowance, self.rows, self.left - units)


@dataclass(frozen=True, slots=True)
class Closed:
    """Rows that a queue may not take at one moment of a round; for the choice and its explanation.

    Args:
        where: (R',) rows on which not even one workload is allowed.
        lot: what it would take there.
        lines: of the queue, as they stood.
        purse: of the queue, as it stood.
    """

    where: Mask
    lot: Lot
    lines: tuple[_Line, ...]
    purse: Purse | None

    def refusal(self, place: int, site: SiteName) -> Refusal:
        """Why a closed row is closed.

        Args:
            place: of the row on R'.
            site: of the row.
        """
        row, units = int(self.lot.rows[place]), int(self.lot.units[place])
        for line in self.lines:
            if line.rows[row] and units > line.left:
                return _over_quota(line, units, site)
        purse = self.purse or Purse("")
        usd, carbon_kg = float(self.lot.usd[place]), float(self.lot.carbon_kg[place])
        if purse.usd <= 0 or usd > purse.usd + SLACK:
            return _over_budget(site, purse.queue, "USD", usd, (purse.usd, purse.most_usd))
        left = (purse.carbon_kg, purse.most_carbon_kg)
        return _over_budget(site, purse.queue, "kg CO2e", carbon_kg, left)


Saved = tuple[dict[str, tuple[_Line, ...]], dict[str, Purse]]


class Limits:
    """What a round's queues may still take.

    Args:
        competing: the round.
        chips: tells the class and vendor of each row.
        catalog: tells families of classes.
    """

    def __init__(self, competing: Round, chips: Chips, catalog: Catalog) -> None:
        self._lines: dict[str, tuple[_Line, ...]] = {}
        self._purses: dict[str, Purse] = {purse.queue: purse for purse in competing.purses}
        for allowance in competing.allowances:
            line = _Line(allowance, _rows_of(allowance, chips, catalog), max(0, allowance.units))
            self._lines[allowance.queue] = (*self._lines.get(allowance.queue, ()), line)

    def any(self, queue: str) -> bool:
        """Whether there is any limit on a queue in this round."""
        return queue in self._lines or queue in self._purses

    def most(self, queue: str, lot: Lot) -> I64:
        """(R',) workloads of a lot that each row may still take, if no other row took any."""
        found = np.full(len(lot.rows), PLENTY, np.int64)
        for line in self._lines.get(queue, ()):
            counts = line.rows[lot.rows] & (lot.units > 0)
            most = np.where(counts, line.left // np.maximum(1, lot.units), PLENTY)
            np.minimum(found, most, out=found)
        purse = self._purses.get(queue)
        if purse is not None:
            if purse.empty:
                return np.zeros(len(lot.rows), np.int64)
            np.minimum(found, _affordable(purse.usd, lot.usd), out=found)
            np.minimum(found, _affordable(purse.carbon_kg, lot.carbon_kg), out=found)
        return found

    def bounds(self, queue: str, lot: Lot) -> list[tuple[F64, float]]:
        """What lots on all rows together may take: (R',) of each one, and how much there is."""
        found = [
            (np.where(line.rows[lot.rows], lot.units, 0).astype(np.float64), float(line.left))
            for line in self._lines.get(queue, ())
        ]
        purse = self._purses.get(queue)
        if purse is not None:
            pairs = ((lot.usd, purse.usd), (lot.carbon_kg, purse.carbon_kg))
            found += [(each, left + SLACK) for each, left in pairs if math.isfinite(left)]
        return found

    def closed(self, queue: str, lot: Lot) -> Closed | None:
        """Rows that are closed to a workload of a lot now; None where a queue has no limit."""
        if not self.any(queue):
            return None
        lines = self._lines.get(queue, ())
        return Closed(self.most(queue, lot) < 1, lot, lines, self._purses.get(queue))

    def take(self, queue: str, lot: Lot, place: int, count: int = 1) -> None:
        """Count placements on one row, by its place on R'."""
        row, units = int(lot.rows[place]), int(lot.units[place]) * count
        self._lines[queue] = tuple(
            line.less(units) if line.rows[row] else line for line in self._lines.get(queue, ())
        )
        purse = self._purses.get(queue)
        if purse is not None:
            self._purses[queue] = purse.less(
                float(lot.usd[place]) * count, float(lot.carbon_kg[place]) * count
            )

    def saved(self) -> Saved:
        """What is left now, for `restore`."""
        return dict(self._lines), dict(self._purses)

    def restore(self, saved: Saved) -> None:
        """Make it again what it was."""
        self._lines, self._purses = dict(saved[0]), dict(saved[1])


def _rows_of(allowance: Allowance, chips: Chips, catalog: Catalog) -> Mask:
    """(R,) rows whose accelerators count against an allowance."""
    if allowance.class_name:
        asked = allowance.class_name
        return chips.known.where(
            lambda chip: chip is not None and is_of_class(chip.class_name, asked, catalog)
        )
    vendor = allowance.vendor
    return chips.known.where(
        lambda chip: chip is not None and (not vendor or chip.vendor == vendor)
    )


def _affordable(left: float, each: F64) -> I64:
    """(R',) how many of a price the money is enough for."""
    if math.isinf(left):
        return np.full(len(each), PLENTY, np.int64)
    price = np.where(each > 0, each, 1.0)
    times = np.minimum(np.floor((left + SLACK) / price), PLENTY)
    return np.where(each > 0, times, PLENTY).astype(np.int64)


def _over_quota(line: _Line, units: int, site: SiteName) -> Refusal:
    allowance = line.allowance
    what = allowance.class_name or f"{allowance.vendor} accelerators".strip()
    held = allowance.held + allowance.units - line.left
    return Refusal(
        site,
        RefusalReason.QUOTA,
        f"needs {units} {what}; queue {allowance.queue!r} holds {held} and may hold"
        f" {allowance.most}",
        units,
        max(0, line.left),
    )


def _over_budget(
    site: SiteName, queue: str, unit: str, needs: float, left: tuple[float, float]
) -> Refusal:
    """A budget's no; `left` is what is left and the whole."""
    return Refusal(
        site,
        RefusalReason.BUDGET,
        f"needs {needs:.2f} {unit}; queue {queue!r} has {left[0]:.2f} of {left[1]:.2f} left"
        " this month",
        needs,
        left[0],
    )
