"""From the groups of a round to the arrays of its market.

What leaving a workload unplaced counts is stated here, because it decides who waits where capacity
is short: three times what its cheapest candidate with room costs, and twice more of that cost with
each doubling of its age beyond a day. So what is dear to run is dear to leave, small work does not
crowd out large, and nobody waits for ever. A candidate dearer than that still beats waiting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tradewind.placement.board import Stake
from tradewind.placement.capacity import Ledger
from tradewind.placement.feasibility import Evaluation
from tradewind.placement.groups import Group
from tradewind.placement.limits import Closed, Limits, Lot, lot_of
from tradewind.placement.lines import Sorts
from tradewind.placement.market import Market
from tradewind.placement.table import F64, I64, SiteTable

#: Least that leaving a workload unplaced counts above its cheapest candidate, USD.
_LEAST_SPAN_USD = 0.02
#: From this share of the span on, what a candidate costs more counts less and less.
_FULL = 0.9


@dataclass(slots=True)
class Case:
    """A group, and what holds for it in this round.

    Args:
        group: the workloads.
        found: of their shape.
        lot: what one takes of its queue; None: the queue has no limits.
        room: (R',) whole gangs that fit where the round began.
        closed: rows closed to its queue where the round began.
    """

    group: Group
    found: Evaluation
    lot: Lot | None
    room: I64
    closed: Closed | None

    @property
    def open(self) -> I64:
        """Places on R' that are to be had, the best first."""
        fits = self.found.order[self.room[self.found.order] > 0]
        return fits if self.closed is None else fits[~self.closed.where[fits]]


def case_of(
    group: Group, found: Evaluation, table: SiteTable, ledger: Ledger, limits: Limits
) -> Case:
    """A group as the round finds it."""
    queue = group.shape.queue
    lot = lot_of(found.rows, found.needs, found.costs) if limits.any(queue) else None
    closed = limits.closed(queue, lot) if lot else None
    return Case(group, found, lot, found.room(table, ledger.view()), closed)


def stake_of(case: Case, places: I64) -> Stake:
    """What the board must know of a case."""
    needs = case.found.needs
    pods = needs[int(places[0])] if len(places) else ()
    size = tuple(
        -max((getattr(need, field) for need in pods), default=0)
        for field in ("units", "cpu_millis", "memory_bytes")
    )
    return Stake(case.group.shape.queue, case.lot, needs, places, size)


def felt(cost: F64, avoided: F64, urgency: float) -> tuple[F64, float]:
    """What candidates count in the market, and what leaving the workload unplaced counts.

    Args:
        cost: (M,) USD, finite.
        avoided: (M,) 1 where a soft taint is to be avoided, else 0.
        urgency: of the group.

    Returns:
        (M,) USD below the second, in the order of the costs, avoided candidates last; USD.

    >>> counts, wait = felt(np.array([2.0, 3.0, 90.0]), np.zeros(3), 1.0)
    >>> counts.round(2).tolist(), wait
    ([2.0, 3.0, 5.95], 6.0)
    """
    wanted = cost[avoided < 1] if (avoided < 1).any() else cost
    least = float(wanted.min(initial=np.inf))
    span = 2 * urgency * max(abs(least), _LEAST_SPAN_USD / 2)
    over = np.maximum(0.0, cost - least)
    most = _FULL * span
    flat = most + (1 - _FULL) * 0.9 * span * (1 - most / np.maximum(over, most))
    counts = np.where(over <= most, over, flat)
    # A soft taint counts like nearly the whole span; among such candidates the cheaper goes first.
    counts = np.where(avoided > 0, span * (0.99 + 0.009 * counts / span), counts)
    return least + counts, least + span


def market_of(
    cases: Sequence[Case], table: SiteTable, ledger: Ledger
) -> tuple[Market, list[Stake]]:
    """The market of a round without later slots."""
    opened = [case.open for case in cases]
    width = max((len(places) for places in opened), default=0)
    pods = {
        need.units
        for case, places in zip(cases, opened, strict=True)
        for need in (case.found.needs[int(places[0])] if len(places) else ())
        if need.units
    }
    sorts = Sorts(table, sorted(pods))
    lines = sorts.lines(ledger)
    shape = (len(cases), width)
    row, cost = np.zeros(shape, np.int64), np.full(shape, np.inf)
    wait = np.zeros(len(cases))
    usage = np.zeros((len(cases), len(lines.of_row)))
    for g, (case, places) in enumerate(zip(cases, opened, strict=True)):
        if not len(places):
            continue
        rows = case.found.rows[places]
        row[g, : len(places)] = rows
        avoided = case.found.avoided[table.row_site[rows]].astype(np.float64)
        counts, wait[g] = felt(case.found.costs.total[places], avoided, case.group.urgency)
        cost[g, : len(places)] = counts
        usage[g] = sorts.usage(case.found.needs[int(places[0])])
    market = Market(
        count=np.array([len(case.group.members) for case in cases], np.float64),
        wait=wait,
        usage=usage,
        row=row,
        slot=np.zeros(shape, np.int64),
        end=np.ones(shape, np.int64),
        cost=cost,
        lines=lines,
    )
    return market, [stake_of(case, places) for case, places in zip(cases, opened, strict=True)]
