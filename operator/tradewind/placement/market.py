"""Who competes for what, in arrays: groups of equal workloads, candidates, and capacity in lines.

A line is one thing of which there is only so much: the accelerators of a row, the CPU or the memory
of a site. Totals alone would promise too much, since 64 free chips on 40 nodes are not eight nodes
with eight. So a row has a line for each size of pod k that is asked for: a pod of u chips takes
floor(u / k) of it, a node with f free chips offers floor(f / k). No packing exceeds such a line
(floor is superadditive), and the line of k = 8 is what makes whole nodes dear when they are scarce.

Lines guide the solver; what is placed at once must fit the ledger all the same. Over time a line
has so much in each slot: what runs is expected to end.

Axes: G groups, M candidates of a group, Q sorts of lines, L lines, T start slots.
"""

from dataclasses import dataclass

import numpy as np

from tradewind.placement.table import F64, I64, Mask


@dataclass(frozen=True, slots=True)
class Lines:
    """Capacity.

    Args:
        of_row: (Q, R) the line of each sort that a row takes from.
        capacity: (L, T) what each line has in each slot.
    """

    of_row: I64
    capacity: F64

    @property
    def slots(self) -> int:
        """How many start slots there are, T."""
        return int(self.capacity.shape[1])


@dataclass(frozen=True, slots=True)
class Market:
    """What is to be divided, and among whom.

    Args:
        count: (G,) workloads of each group.
        wait: (G,) USD: what leaving one unplaced counts.
        usage: (G, Q) what one workload takes of a line of each sort, the same on all its rows.
        row: (G, M) place on the axis R.
        slot: (G, M) start slot.
        end: (G, M) the slot before which it has ended, at most T.
        cost: (G, M) USD, at most `wait`; infinite where there is no candidate.
        lines: capacity.
    """

    count: F64
    wait: F64
    usage: F64
    row: I64
    slot: I64
    end: I64
    cost: F64
    lines: Lines

    @property
    def scale(self) -> F64:
        """(G,) USD, above 0: what is much and what is little for a group."""
        least: F64 = np.minimum(self.wait, self.cost.min(axis=1, initial=np.inf))
        return np.maximum(np.abs(least), 1e-9)

    def rents(self, prices: F64) -> F64:
        """(G, M) USD that a candidate takes in capacity, at prices (L, T) of the lines."""
        return rents(self, prices)


def rents(market: Market, prices: F64) -> F64:
    """(G, M) USD that a candidate takes in capacity, at prices (L, T) of the lines."""
    found = np.zeros(market.cost.shape)
    priced: Mask = np.any(prices, axis=1)
    used = market.usage.any(axis=0) & priced[market.lines.of_row].any(axis=1)
    if market.lines.slots == 1:
        flat = prices[:, 0]
        for q in np.flatnonzero(used).tolist():
            found += market.usage[:, q, None] * flat[market.lines.of_row[q][market.row]]
        return found
    until = np.concatenate((np.zeros((len(prices), 1)), np.cumsum(prices, axis=1)), axis=1)
    for q in np.flatnonzero(used).tolist():
        line = market.lines.of_row[q][market.row]
        found += market.usage[:, q, None] * (until[line, market.end] - until[line, market.slot])
    return found


def taken(market: Market, amounts: F64, weights: F64) -> F64:
    """What fractional placements take of each line.

    Args:
        market: whose candidates are placed.
        amounts: (G, M) workloads on each candidate.
        weights: (G, Q) what each takes of a line of each sort.

    Returns:
        (L, T).
    """
    count, slots = market.lines.capacity.shape
    found = np.zeros(count * (slots + 1))
    for q in np.flatnonzero(weights.any(axis=0)).tolist():
        line = market.lines.of_row[q][market.row]
        each = (amounts * weights[:, q, None]).ravel()
        if slots == 1:
            found[::2] += np.bincount(line.ravel(), weights=each, minlength=count)
            continue
        starts = (line * (slots + 1) + market.slot).ravel()
        ends = (line * (slots + 1) + market.end).ravel()
        found += np.bincount(starts, weights=each, minlength=len(found))
        found -= np.bincount(ends, weights=each, minlength=len(found))
    lines: F64 = np.cumsum(found.reshape(count, slots + 1), axis=1)[:, :slots]
    return lines


class Carried:
    """Prices that are carried from one short list to the next.

    Args:
        prices: (L, T) USD.
        lines: that they are of.
        starts_s: (T,).
    """

    def __init__(self, prices: F64, lines: Lines, starts_s: F64) -> None:
        until = np.concatenate((np.zeros((len(prices), 1)), np.cumsum(prices, axis=1)), axis=1)
        self._of_rows = until[lines.of_row]
        self._by_usage: dict[tuple[float, ...], F64] = {}
        self.prices = prices
        self.starts_s = starts_s

    def rents(self, usage: tuple[float, ...], rows: I64, ends: I64) -> F64:
        """(R', T) USD of capacity.

        Args:
            usage: Q amounts of a workload.
            rows: (R',) places on R.
            ends: (R', T) slots before which it has ended.
        """
        until = self._by_usage.get(usage)
        if until is None:
            until = self._by_usage[usage] = np.tensordot(np.array(usage), self._of_rows, axes=1)
        here = until[rows]
        found: F64 = np.take_along_axis(here, ends, axis=1) - here[:, : ends.shape[1]]
        return found
