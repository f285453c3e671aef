"""What can no plan of a case be below? The Lagrangian bound, worked out apart from the solver.

For any prices y >= 0 of capacity,

    sum over shapes of count * min(wait, min over candidates of cost + rent(y))  -  capacity * y

is at most the cost of every plan (weak duality), over all rows and starts there are. Costs are the
exact ones of each candidate, in double precision; the solver's own sums, short lists and single
precision are not used. Better prices give a better bound, so they are annealed for long.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tradewind.placement.capacity import Ledger
from tradewind.placement.config import EngineConfig
from tradewind.placement.contest import Case, case_of
from tradewind.placement.feasibility import Evaluator
from tradewind.placement.groups import groups_of
from tradewind.placement.later import Later
from tradewind.placement.later_lists import lists_of
from tradewind.placement.later_prices import LaterPrices, Tight, tight_of
from tradewind.placement.limits import Limits
from tradewind.placement.markets import lines_of, sorts_of, wide_of
from tradewind.placement.plan import Plan
from tradewind.placement.priced import START_NOW
from tradewind.placement.prices import Cooling
from tradewind.placement.rounds import Round
from tradewind.placement.shapes import Shapes
from tradewind.placement.snapshot import SiteName, Snapshot
from tradewind.placement.table import F64, I64, SiteTable
from tradewind.placement.wide import Prices

_LONG = Cooling(steps=80, hottest=0.02, coldest=0.0007, hold=200, patient=True)
# With later starts over lists, drawn anew by the prices of the last ones.
_LONG_LATER = (
    Cooling(steps=40, hottest=0.05, coldest=0.003, hold=50, patient=True),
    Cooling(steps=20, hottest=0.004, coldest=0.002, hold=60, patient=True),
    Cooling(steps=20, hottest=0.003, coldest=0.0015, hold=60, patient=True),
)
_LISTED = 128


@dataclass
class Judge:
    """Prices a plan of a case, and bounds it.

    Args:
        snapshot: the case.
        now: of the plan.
    """

    snapshot: Snapshot
    now: datetime

    def __post_init__(self) -> None:
        config = EngineConfig()
        self.table = SiteTable(self.snapshot.sites)
        self.evaluator = Evaluator(self.table, self.snapshot.catalog, self.now, config)
        ledger = Ledger(self.table, (), self.evaluator.entries)
        limits = Limits(Round(self.snapshot.pending), self.evaluator.chips, self.snapshot.catalog)
        groups = groups_of(self.snapshot.pending, self.now, config, Shapes())
        self.cases: list[Case] = []
        for group in groups:
            policy = self.snapshot.policies[group.shape.policy]
            found = self.evaluator.evaluate(group.shape, policy)
            case = case_of(group, found, self.evaluator, ledger, limits)
            _ = case.felt
            case.costs = ()
            self.evaluator.forget()
            self.cases.append(case)
        self.sorts = sorts_of(self.cases, self.evaluator)
        self.lines = lines_of(self.cases, self.sorts, self.evaluator, ledger, ())
        self.starts_s = max((c.starts_s for c in self.cases), key=len, default=START_NOW)

    def cost(self, plan: Plan) -> float:
        """USD of a plan, what waits included."""
        class_of = [None if a is None else a.class_name for a in self.table.row_accelerator]
        shape_of = {w.uid: g for g, c in enumerate(self.cases) for w in c.group.members}
        by_case: list[Counter[tuple[SiteName, str | None, int]]] = [Counter() for _ in self.cases]
        for made in plan.assignments:
            by_case[shape_of[made.uid]][made.site, made.class_name, 0] += 1
        for later in plan.deferred:
            lead_s = (later.start_at - self.now).total_seconds()
            slot = int(np.abs(self.starts_s - lead_s).argmin())
            by_case[shape_of[later.uid]][later.site, later.class_name, slot] += 1
        total = 0.0
        for case, places in zip(self.cases, by_case, strict=True):
            counted, wait = case.felt
            place_of = {
                (self.table.sites[int(self.table.row_site[row])].name, class_of[row]): place
                for place, row in enumerate(case.found.rows.tolist())
            }
            total += wait * (len(case.group.members) - sum(places.values()))
            for (site, class_name, slot), count in places.items():
                total += count * float(counted[place_of[site, class_name], slot])
        return total

    def bound(self, prices: F64) -> float:
        """USD that no plan is below, by some prices (L, T)."""
        until = np.concatenate((np.zeros((len(prices), 1)), np.cumsum(prices, axis=1)), axis=1)
        total = -float((self.lines.capacity * prices).sum())
        for case in self.cases:
            if not case.found.needs:
                continue
            counted, wait = case.felt
            slots = np.arange(counted.shape[1])
            end = case.ends(self.starts_s)
            for q, amount in enumerate(self.sorts.usage(case.found.needs[0])):
                if amount > 0:
                    line = self.lines.of_row[q, case.found.rows][:, None]
                    counted = counted + amount * (until[line, end] - until[line, slots])
            total += len(case.group.members) * min(wait, float(counted.min(initial=np.inf)))
        return total

    def prices(self) -> F64:
        """Good prices (L, T), annealed for long; over short lists where there are later starts."""
        if len(self.starts_s) > 1:
            return self._prices_over_time()
        wide = Prices(wide_of(self.cases, self.sorts, self.lines, self.table.rows))
        return wide.anneal(np.arange(len(self.cases)), 1.0, _LONG, wide.run())

    def _prices_over_time(self) -> F64:
        later = Later(self.cases, self.evaluator, self.sorts, self.lines)
        tight, everybody = tight_of(later), np.arange(len(self.cases))
        lists = lists_of(later, tight, _LISTED)
        columns, prices = lists.columns, lists.prices
        for again, cooling in enumerate(_LONG_LATER):
            if again:
                columns = _best_columns(later, tight, prices)
            listed = later.listed(everybody, columns)
            prices = LaterPrices(later, listed, tight).anneal(everybody, cooling, prices)
        found = np.zeros(self.lines.capacity.shape)
        found[tight.lines] = prices
        return found


def _best_columns(later: Later, tight: Tight, prices: F64) -> I64:
    """(G, N) the columns that are cheapest at their best start, rent included."""
    until = np.concatenate((np.zeros((len(prices), 1)), np.cumsum(prices, axis=1)), axis=1)
    of_column = until[tight.of_column].astype(np.float32)
    usage = later.usage[:, tight.sorts].astype(np.float32)
    everything = np.arange(len(later.rows))[None, :]
    found = np.empty((len(usage), min(_LISTED, len(later.rows))), np.int64)
    for g in range(len(usage)):
        listed = later.listed(np.array([g]), everything)
        rent = np.tensordot(usage[g], of_column, axes=1)
        ends = np.take_along_axis(rent, listed.end[0].astype(np.int64), axis=1)
        least = (listed.cost[0] + ends - rent[:, :-1]).min(axis=1)
        found[g] = np.sort(np.argpartition(least, found.shape[1] - 1)[: found.shape[1]])
    return found
