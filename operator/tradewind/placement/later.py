"""What does each candidate of a large round cost, at each of its starts? In arrays, for all groups.

A thousand sites times three classes times a day of hours are 72,000 candidates for each of 2,000
groups. Here they are columns: of each group and row only the cost apart from energy, the energy and
the run time are kept, and what a start costs follows from sums of the forecast that all groups
share. A run of L hours from x meets on average

    (F(x + L) - F(x)) / L,     F the integral of USD per kWh from now on

and F is linear between the edges of the forecast's steps. Rows that run work equally fast lie side
by side (a block), so that a group has one run time for each block. Work that may pause, or of which
only the mean length is known, is weighed as if it ran through in just that time; what is told of
the start that it gets is exact.

Axes: G groups, M columns, B blocks, T start slots, N candidates of a list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tradewind.placement.contest import Case, felt
from tradewind.placement.feasibility import Evaluator
from tradewind.placement.lines import Sorts
from tradewind.placement.market import Lines, Market
from tradewind.placement.markets import starts_of
from tradewind.placement.table import F64, I64, Mask

F32 = NDArray[np.float32]

# A run of no length meets the signal of its start.
_SHORTEST_H = 1 / 3600


@dataclass(frozen=True, slots=True)
class Listed:
    """Some columns of some groups, at all starts.

    Args:
        columns: (G', N) places on M.
        cost: (G', N, T) USD that candidates count, as `contest.felt` has it; else infinite.
        end: (G', N, T) the slot before which each has ended.
        wait: (G',) USD that leaving one unplaced counts.
    """

    columns: I64
    cost: F32
    end: NDArray[np.int32]
    wait: F64


class Later:
    """The candidates of a round with later starts.

    Args:
        cases: of the round.
        evaluator: of the cycle.
        sorts: of lines.
        lines: (L, T) capacity.

    Attributes:
        rows: (M,) places on R of the columns.
        place: (G, M) places on R' of each case; -1 where it has no candidate.
        count: (G,) workloads.
        usage: (G, Q).
        run_h: (G, B).
        blocks: B slices of M.
        starts_s: (T,).
    """

    def __init__(
        self, cases: Sequence[Case], evaluator: Evaluator, sorts: Sorts, lines: Lines
    ) -> None:
        self.cases = cases
        self.lines = lines
        self.starts_s = starts_of(cases)
        self._starts_h = self.starts_s / 3600
        self._outlook = evaluator.outlook
        self._index = evaluator.table.index
        self._keep = evaluator.config.keep_plan
        self.count = np.array([len(case.group.members) for case in cases], np.float64)
        self.usage = np.array(
            [sorts.usage(case.found.needs[0] if case.found.needs else ()) for case in cases]
        )
        self._set_columns(evaluator)
        self._fill(evaluator)
        self._sum_up(evaluator)

    def _set_columns(self, evaluator: Evaluator) -> None:
        table = evaluator.table
        used = np.zeros(table.rows, bool)
        for case in self.cases:
            used[case.found.rows] = True
        rows = np.flatnonzero(used)
        pace = evaluator.pace[rows]
        rows = rows[np.argsort(pace, kind="stable")]
        self.rows: I64 = rows.astype(np.int64)
        self.site: I64 = table.row_site[rows]
        _, first = np.unique(evaluator.pace[rows], return_index=True)
        edges = [*first.tolist(), len(rows)]
        self.blocks = [slice(a, b) for a, b in pairwise(edges)]
        self.block_of: I64 = np.repeat(np.arange(len(self.blocks)), np.diff(edges))

    def _fill(self, evaluator: Evaluator) -> None:
        shape = (len(self.cases), len(self.rows))
        column = np.full(evaluator.table.rows, -1, np.int64)
        column[self.rows] = np.arange(len(self.rows))
        self.base: F32 = np.full(shape, np.inf, np.float32)
        self.kwh: F32 = np.zeros(shape, np.float32)
        self.place = np.full(shape, -1, np.int32)
        self.run_h = np.full((shape[0], len(self.blocks)), _SHORTEST_H)
        self.open_now = np.zeros(shape, bool)
        for g, case in enumerate(self.cases):
            found, costs = case.found, case.found.costs
            at = column[found.rows]
            self.base[g, at] = costs.apart_from_energy
            self.kwh[g, at] = costs.energy_kwh
            self.place[g, at] = np.arange(len(at))
            self.run_h[g, self.block_of[at]] = np.maximum(_SHORTEST_H, costs.run_s / 3600)
            self.open_now[g, at[case.open]] = True
        self.slots = np.array([len(case.starts_s) for case in self.cases])

    def _sum_up(self, evaluator: Evaluator) -> None:
        """F of each policy: at the edges, its slope after each, and at the starts."""
        outlook, policies = self._outlook, [case.found.policy for case in self.cases]
        index: dict[int, int] = {}
        self.policy: I64 = np.array([index.setdefault(id(p), len(index)) for p in policies])
        distinct = {id(p): p for p in policies}
        rates, waits = [], []
        for key in index:
            per_mwh, per_gram, per_hour = evaluator.weights(distinct[key])
            rates.append(
                per_mwh * outlook.price_per_mwh.priced + per_gram * outlook.carbon_intensity.priced
            )
            waits.append(per_hour)
        self._edges_h = outlook.edges_s / 3600
        self._slope: F64 = np.array(rates)  # (P, S, H+1)
        steps = self._slope[:, :, :-1] * np.diff(self._edges_h)
        self._sums: F64 = np.concatenate(
            (np.zeros((*steps.shape[:2], 1)), np.cumsum(steps, axis=2)), axis=2
        )
        at, over_h = self._on_edges(self._starts_h)
        self._at_start: F64 = self._sums[:, :, at] + over_h * self._slope[:, :, at]
        self.wait_usd = np.array(waits)[self.policy][:, None] * self._starts_h  # (G, T)
        until_h = self._starts_h[-1] + 1
        at, over_h = self._on_edges(np.array([until_h]))
        self._mean: F64 = (self._sums[:, :, at] + over_h * self._slope[:, :, at])[:, :, 0] / until_h

    def _on_edges(self, moments_h: F64) -> tuple[I64, F64]:
        """The step that each moment lies in, and how far, hours."""
        at = np.searchsorted(self._edges_h, moments_h, side="right") - 1
        return at, moments_h - self._edges_h[at]

    def present(self, wait: F64) -> Market:
        """What starts now, as a market whose candidates are the columns; nothing is copied."""
        shape = self.base.shape
        one = np.ones((1, 1), np.int64)
        return Market(
            count=self.count,
            wait=wait,
            usage=self.usage,
            row=np.broadcast_to(self.rows, shape),
            slot=np.broadcast_to(0 * one, shape),
            end=np.broadcast_to(one, shape),
            cost=self.base.astype(np.float64),
            lines=Lines(self.lines.of_row, self.lines.capacity[:, :1]),
        )

    def usual(self) -> F32:
        """(G, M) USD at the mean of the hours to come, waiting left out."""
        rate = self._mean.astype(np.float32)[:, self.site]
        found: F32 = self.kwh * rate[self.policy]
        found += self.base
        return found

    def slots_held(self) -> F64:
        """(G, B) slots that a run takes capacity in, on average over its starts."""
        ends = self._end_slots(self.starts_s[None, None, :] / 3600 + self.run_h[:, :, None])
        lasts = ends - np.arange(len(self.starts_s))
        there = np.arange(len(self.starts_s)) < self.slots[:, None]
        means: F64 = (lasts * there[:, None, :]).sum(axis=2) / self.slots[:, None]
        return means

    def _end_slots(self, ends_h: F64) -> NDArray[np.int32]:
        """(…, T) the slot before which it has ended; starts after the first are evenly spaced."""
        slots = len(self._starts_h)
        first, step = self._starts_h[1], self._starts_h[2:3] - self._starts_h[1:2]
        each = float(step[0]) if len(step) else 1.0
        # A hair less, so that what ends when a slot begins does not take of it.
        after = np.ceil((ends_h - first) / each - 1e-9)
        found: NDArray[np.int32] = 1 + np.maximum(0, after).astype(np.int32)
        np.maximum(found, np.arange(1, slots + 1, dtype=np.int32), out=found)
        return np.minimum(slots, found, out=found)

    def listed(self, groups: I64, columns: I64) -> Listed:
        """What some columns of some groups cost.

        Args:
            groups: (G',) places on G.
            columns: (G', N).
        """
        run_h = self.run_h[groups[:, None], self.block_of[columns]]
        ends_h = self._starts_h + run_h[:, :, None]
        cost = self._met(groups, columns, ends_h)
        cost /= run_h[:, :, None]
        cost *= self.kwh[groups[:, None], columns][:, :, None]
        bonus = self._bonus(groups, columns, cost)
        cost += self.base[groups[:, None], columns][:, :, None]
        cost += self.wait_usd[groups][:, None, :]
        for i, here, slot, usd in bonus:
            cost[i, here, slot] -= usd
        self._close(groups, columns, cost)
        avoided, shape = self._avoided(groups, columns), cost.shape
        urgency = np.array([self.cases[g].group.urgency for g in groups.tolist()])
        soft = np.broadcast_to(avoided[:, :, None], shape).reshape(len(groups), -1)
        flat = cost.astype(np.float32).reshape(len(groups), -1)
        counts, wait = felt(flat, soft, urgency)
        return Listed(
            columns, counts.reshape(shape), self._end_slots(ends_h), wait.astype(np.float64)
        )

    def ends(self, group: int, columns: I64) -> NDArray[np.int32]:
        """(N, T) the slot before which a group has ended on some columns."""
        run_h = self.run_h[group, self.block_of[columns]]
        return self._end_slots(self._starts_h + run_h[:, None])

    def _met(self, groups: I64, columns: I64, ends_h: F64) -> F64:
        """(G', N, T) USD·h per kWh over the runs."""
        policy, site = self.policy[groups][:, None], self.site[columns]
        last = len(self._edges_h) - 1
        first = self._edges_h[1] if last else np.inf
        step = self._edges_h[2] - first if last > 1 else 1.0
        at = np.clip(np.floor((ends_h - first) / step) + 1, 0, last).astype(np.int64)
        over_h = ends_h - self._edges_h[at]
        flat = ((policy * self._sums.shape[1] + site) * (last + 1))[:, :, None] + at
        found: F64 = over_h
        found *= self._slope.ravel()[flat]
        found += self._sums.ravel()[flat]
        found -= self._at_start[policy, site]
        return found

    def _bonus(self, groups: I64, columns: I64, energy: F64) -> list[tuple[int, Mask, int, F64]]:
        """By which planned starts are preferred: group, its columns, slot, USD; see `contest`."""
        found = []
        for i, g in enumerate(groups.tolist()):
            planned = self.cases[g].group.planned
            if planned is not None:
                lead_s = max(0.0, (planned.start - self.cases[g].found.now).total_seconds())
                slot = int(np.abs(self.cases[g].starts_s - lead_s).argmin())
                here = self.site[columns[i]] == self._index.get(planned.site, -1)
                found.append((i, here, slot, self._keep * energy[i, here, slot]))
        return found

    def _close(self, groups: I64, columns: I64, cost: F64) -> None:
        """Infinite where a start may not be: no room now, too late, or beyond its deadline."""
        cost[:, :, 0][~self.open_now[groups[:, None], columns]] = np.inf
        late = np.arange(len(self.starts_s)) >= self.slots[groups][:, None]
        if late.any():
            cost[np.broadcast_to(late[:, None, :], cost.shape)] = np.inf
        for i, g in enumerate(groups.tolist()):
            found = self.cases[g].found
            if found.shape.runtime.deadline is None or not len(found.rows):
                continue
            left_s = (found.shape.runtime.deadline - found.now).total_seconds()
            takes_s = np.zeros(len(found.rows))
            if found.shape.runtime.duration_s is not None:
                takes_s = found.costs.transfer_s + found.costs.run_s
            ends_s = takes_s[self.place[g, columns[i]]][:, None] + self.starts_s
            cost[i][ends_s > left_s] = np.inf

    def _avoided(self, groups: I64, columns: I64) -> Mask:
        soft = np.zeros(columns.shape, bool)
        for i, g in enumerate(groups.tolist()):
            found = self.cases[g].found
            if found.avoided.any():
                soft[i] = found.avoided[self.site[columns[i]]]
        return soft
