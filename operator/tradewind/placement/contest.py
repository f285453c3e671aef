"""From the groups of a round to the arrays of its market.

What leaving a workload unplaced counts is stated here, because it decides who waits where capacity
is short: three times what its cheapest candidate with room costs, and twice more of that cost with
each doubling of its age beyond a day. So what is dear to run is dear to leave, small work does not
crowd out large, and nobody waits for ever. A candidate dearer than that still beats waiting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewind.placement.capacity import Ledger
from tradewind.placement.feasibility import Evaluation, Evaluator
from tradewind.placement.groups import Group
from tradewind.placement.limits import Closed, Limits, Lot, lot_of
from tradewind.placement.lines import Sorts
from tradewind.placement.market import Carried, Lines
from tradewind.placement.plan import TERM_INDEX, LazySequence, Term
from tradewind.placement.priced import START_NOW, Costs, joined
from tradewind.placement.table import F64, I64, Mask

#: Least that leaving a workload unplaced counts above its cheapest candidate, USD.
_LEAST_SPAN_USD = 0.02
#: Of rows and starts, a group's best so many compete.
WIDEST = 4096
# Groups that are looked at together, so that they stay in the processor's cache.
_BLOCK = 64
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
        starts_s: (T,) seconds after now, its start slots.
        costs: T costs on its rows, by start.
        counts: (R', T) USD that a candidate counts; infinite where its deadline forbids it. None:
            worked out when somebody asks, see `counted`.
        planned: the site that the last cycle meant for it, on S, and how much of its energy's cost
            its planned start is preferred by; None: not deferred.
        pairs: what some rows cost at some starts, where `costs` are too many to be worked out.
    """

    group: Group
    found: Evaluation
    lot: Lot | None
    room: I64
    closed: Closed | None
    starts_s: F64
    costs: Sequence[Costs]
    counts: F64 | None = None
    planned: tuple[int, float] | None = None
    pairs: Callable[[I64, I64], Costs] | None = None
    _felt: tuple[F64, float] | None = None

    @property
    def counted(self) -> F64:
        """(R', T) see `counts`."""
        if self.counts is None:
            self.counts = np.column_stack([cost.total for cost in self.costs])
            if len(self.starts_s) > 1:
                self.counts = _in_time(self.found, self.starts_s, self.counts) - self.kept
        return self.counts

    def costs_at(self, places: I64, slots: I64) -> Costs:
        """Costs of so many pairs of a place on R' and a start slot."""
        if self.pairs is not None:
            return self.pairs(places, slots)
        every = zip(places.tolist(), slots.tolist(), strict=True)
        return joined([self.costs[slot].only(np.array([place])) for place, slot in every])

    @property
    def kept(self) -> F64:
        """(R', T) USD by which the planned start is preferred."""
        kept = np.zeros((len(self.found.rows), len(self.starts_s)))
        if self.group.planned is None or self.planned is None:
            return kept
        lead_s = (self.group.planned.start - self.found.now).total_seconds()
        slot = int(np.abs(self.starts_s - max(0.0, lead_s)).argmin())
        here = self.found.row_site == self.planned[0]
        energy = [TERM_INDEX[Term.ELECTRICITY], TERM_INDEX[Term.CARBON]]
        kept[here, slot] = self.planned[1] * self.costs[slot].terms[energy].sum(axis=0)[here]
        return kept

    @property
    def felt(self) -> tuple[F64, float]:
        """(R', T) USD that each candidate counts, see `felt`; USD that waiting counts."""
        if self._felt is None:
            cost = counts = self.counted
            if cost.shape[1] == 1:
                cost = np.full_like(cost, np.inf)
                cost[self.open] = counts[self.open]
            avoided = np.repeat(self.found.avoided[self.found.row_site], cost.shape[1])
            urgency = np.array([self.group.urgency])
            counted, wait = felt(cost.reshape(1, -1), avoided[None, :], urgency)
            self._felt = counted.reshape(cost.shape), float(wait[0])
        return self._felt

    @property
    def is_open(self) -> Mask:
        """(R',) whether a row is to be had at once."""
        there: Mask = self.room > 0
        return there if self.closed is None else there & ~self.closed.where

    @property
    def open(self) -> I64:
        """Places on R' that are to be had at once, the best first."""
        fits = self.found.order[self.room[self.found.order] > 0]
        return fits if self.closed is None else fits[~self.closed.where[fits]]

    def options(self, *, roomy: bool) -> tuple[I64, I64]:
        """Candidates, the best first: places on R', and start slots.

        Args:
            roomy: only rows that have room now; else later starts may hope for room.
        """
        if len(self.starts_s) == 1:
            return self.open, np.zeros(len(self.open), np.int64)
        there = self._there()
        if roomy:
            there[self.room <= 0] = False
        return self._best(self.felt[0], there, WIDEST)

    def short_list(
        self, most: int, sorts: Sorts, lines: Lines, carried: Carried | None
    ) -> tuple[I64, I64]:
        """The best candidates that lines have room for, at most so many, as `options`.

        Args:
            most: how many, of rows and starts.
            sorts: of lines.
            lines: what is left.
            carried: prices of lines, by which rent is counted; None: there are none yet.
        """
        slots = len(self.starts_s)
        if slots == 1:
            return self.open[:most], np.zeros(len(self.open[:most]), np.int64)
        there, values = self._there(), self.felt[0]
        usage = sorts.usage(self.found.needs[0]) if self.found.needs else []
        for q, amount in enumerate(usage):
            if amount > 0:
                left = lines.capacity[lines.of_row[q, self.found.rows], :slots]
                there &= left >= amount
        if carried is not None:
            values = values + carried.rents(
                tuple(usage), self.found.rows, self.ends(carried.starts_s)
            )
        return self._best(values, there, most)

    def ends(self, starts_s: F64) -> I64:
        """(R', T) the slot, of these starts, before which each candidate has ended."""
        ends_s = self.starts_s[None, :] + self.found.costs.run_s[:, None]
        last = np.searchsorted(starts_s, ends_s.ravel(), side="left").reshape(ends_s.shape)
        found: I64 = np.maximum(np.arange(1, len(self.starts_s) + 1), last)
        return found

    def _there(self) -> Mask:
        """(R', T) candidates; starts now only where there is room."""
        there = np.isfinite(self.counted)
        free = np.zeros(len(self.room), bool)
        free[self.open] = True
        there[~free, 0] = False
        return there

    def _best(self, values: F64, there: Mask, most: int) -> tuple[I64, I64]:
        place, slot = np.nonzero(there)
        found = values[place, slot]
        if len(place) > most:
            # All up to the value of the last: equals must not be told apart here.
            near = found <= np.partition(found, most - 1)[most - 1]
            place, slot, found = place[near], slot[near], found[near]
        order = np.lexsort((place, slot, found))[:most]
        return place[order], slot[order]

    def site_of(self, places: I64) -> I64:
        """(len(places),) the site of each place on R', on S."""
        return self.found.row_site[places]


def case_of(
    group: Group,
    found: Evaluation,
    evaluator: Evaluator,
    ledger: Ledger,
    limits: Limits,
) -> Case:
    """A group as the round finds it."""
    queue = group.shape.queue
    lot = lot_of(found.rows, found.needs, found.costs) if limits.any(queue) else None
    closed = limits.closed(queue, lot) if lot else None
    room = found.room(ledger.view())
    if group.slots == 1:
        return Case(group, found, lot, room, closed, START_NOW, (found.costs,))
    starts_s = evaluator.slots(group.slots)
    costs = LazySequence[Costs](lambda: _over_time(found, group.slots, evaluator))
    case = Case(group, found, lot, room, closed, starts_s, costs)
    if group.planned is not None:
        case.planned = (
            evaluator.table.index.get(group.planned.site, -1),
            evaluator.config.keep_plan,
        )
    return case


def _over_time(
    found: Evaluation, slots: int, evaluator: Evaluator
) -> tuple[int, Callable[[int], Costs]]:
    costs = evaluator.starts_of(found, slots)[1]
    return len(costs), costs.__getitem__


def _in_time(found: Evaluation, starts_s: F64, counts: F64) -> F64:
    """(R', T) the same, infinite where work would end after its deadline."""
    deadline = found.shape.runtime.deadline
    if deadline is None:
        return counts
    left_s = (deadline - found.now).total_seconds()
    takes_s = found.costs.transfer_s + found.costs.run_s
    if found.shape.runtime.duration_s is None:
        takes_s = np.zeros(len(takes_s))
    return np.where(takes_s[:, None] + starts_s[None, :] > left_s, np.inf, counts)


def felt(
    cost: NDArray[Any], avoided: Mask, urgency: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What candidates count in the market, and what leaving a workload unplaced counts.

    Args:
        cost: (G, M) USD, of either precision; infinite where there is no candidate.
        avoided: (G, M) or (1, 1) where a soft taint is to be avoided.
        urgency: (G,) of the groups.

    Returns:
        (G, M) USD below the second, in the order of the costs, avoided candidates last; (G,) USD, 0
        for a group without candidates.

    >>> counts, wait = felt(np.array([[2.0, 3.0, 90.0]]), np.zeros((1, 1), bool), np.ones(1))
    >>> counts.round(2).tolist(), wait.tolist()
    ([[2.0, 3.0, 5.95]], [6.0])
    """
    some = bool(avoided.any())
    least = cost.min(axis=1, initial=np.inf)
    if some:
        wanted = np.where(avoided, np.inf, cost).min(axis=1, initial=np.inf)
        least = np.where(np.isfinite(wanted), wanted, least)
    there = np.isfinite(least)
    least = np.where(there, least, 0.0).astype(cost.dtype)
    span = (2 * urgency * np.maximum(np.abs(least), _LEAST_SPAN_USD / 2)).astype(cost.dtype)
    wait = np.where(there, least + span, 0.0)
    counts = cost.copy()
    for first in range(0, len(cost), _BLOCK):
        block = slice(first, first + _BLOCK)
        over = cost[block] - least[block, None]
        most, room = (_FULL * span[block])[:, None], (0.9 * (1 - _FULL) * span[block])[:, None]
        far = over > most
        if far.any():
            far &= np.isfinite(over)
            beyond = least[block, None] + most + room * (1 - most / np.where(far, over, most))
            np.copyto(counts[block], beyond, where=far)
    if some:
        # Nearly like waiting; among such candidates the cheaper goes first.
        over = 0.99 * span[:, None] + 0.009 * np.maximum(0.0, counts - least[:, None])
        counts = np.where(avoided & np.isfinite(cost), least[:, None] + over, counts)
    return counts, wait
