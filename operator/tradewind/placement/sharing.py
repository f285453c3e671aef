"""Who gets what of a round? Each its best, where nobody is in another's way; else by price.

Work that is split is placed by itself (`parted.py`). Where it is in the way of whole workloads, or
they in its, the round is divided several ways, and the cheapest in all is kept:

1. the split work first, at what it costs with the price of capacity;
2. the split work first, at what it costs, in the order of the round or backwards;
3. the whole workloads first;
4. few workloads, as one model (`joint.py`).
"""

from collections.abc import Callable, Sequence

import numpy as np

from tradewind.placement.capacity import CapacityView, Ledger
from tradewind.placement.contest import Case
from tradewind.placement.division import Choices, divide, is_large
from tradewind.placement.feasibility import Evaluator
from tradewind.placement.groups import Group
from tradewind.placement.joint import Joint
from tradewind.placement.limits import Limits, Saved
from tradewind.placement.market import Carried
from tradewind.placement.markets import lines_of, market_of, sorts_of, starts_of
from tradewind.placement.parted import Parted, Rent
from tradewind.placement.priced import START_NOW
from tradewind.placement.prices import bound, clearing_prices
from tradewind.placement.replicas import Replica
from tradewind.placement.snapshot import WorkloadView
from tradewind.placement.solver import QUICK
from tradewind.placement.splitting import Part, Parts
from tradewind.placement.table import F64

#: More groups than this are divided once, by price.
FEW = 64
#: A division that is so near to the bound is good enough.
NEAR = 0.005


class Sharing:
    """Shares a round out.

    Args:
        cases: of whole workloads, as the round finds them.
        evaluator: of the cycle.
        ledger: what starts now is taken from it.
        limits: likewise.
        running: what may have ended before a later start.
    """

    def __init__(
        self,
        cases: list[Case],
        evaluator: Evaluator,
        ledger: Ledger,
        limits: Limits,
        running: Sequence[WorkloadView],
    ) -> None:
        self._cases = cases
        self._evaluator = evaluator
        self._ledger = ledger
        self._limits = limits
        self._running = running

    def divide(self) -> Choices:
        """Divide what is left among whole workloads."""
        alone = len(self._cases) == 1 and len(self._cases[0].starts_s) == 1
        if len(starts_of(self._cases)) > 1 and is_large(self._cases, self._evaluator):
            return self._compete()  # to sort all starts of all groups would take longer
        choices = self._content(alone=alone)
        return self._compete() if choices is None else choices

    def with_parts(self, parted: Parted) -> Choices:
        """Divide what is left among whole workloads and those that are split."""
        if not any(member.alone for member in parted.members):
            return self.divide()
        start = self._moment(parted)
        parted.place()
        if parted.content and (choices := self._content(alone=False)) is not None:
            return choices
        self._restore(start, parted)
        rent, floor = self._rent(parted)
        ways: list[Callable[[], Choices | None]] = [lambda: self._first(parted, rent)]
        if len(self._cases) + len(parted.members) <= FEW:
            ways += [
                lambda: self._first(parted, None),
                lambda: self._last(parted),
                lambda: self._first(parted, None, backwards=True),
                lambda: self._jointly(parted),
            ]
        best: tuple[float, Choices, _Moment] | None = None
        for way in ways:
            choices = way()
            if choices is None:
                continue
            cost = self._cost(choices) + parted.cost()
            if best is None or cost < best[0] - 1e-9:
                best = cost, choices, self._moment(parted)
            self._restore(start, parted)
            if best[0] <= floor + NEAR * abs(floor):
                break
        if best is None:
            raise AssertionError("a round was divided in no way")
        self._restore(best[2], parted)
        return best[1]

    def _first(self, parted: Parted, rent: Rent | None, *, backwards: bool = False) -> Choices:
        parted.place(rent, backwards=backwards)
        choices = self._compete()
        parted.place()  # what stepped back for others takes what they left
        return choices

    def _last(self, parted: Parted) -> Choices:
        choices = self.divide()
        parted.place()
        return choices

    def _jointly(self, parted: Parted) -> Choices | None:
        table = self._evaluator.table
        return Joint(self._cases, parted, table, self._ledger, self._limits).run()

    def _moment(self, parted: Parted) -> "_Moment":
        return self._ledger.view(), self._limits.saved(), parted.saved()

    def _restore(self, moment: "_Moment", parted: Parted) -> None:
        self._ledger.restore(moment[0])
        self._limits.restore(moment[1])
        parted.restore(moment[2])

    def _cost(self, choices: Choices) -> float:
        """USD that choices count, and what leaving the others unplaced counts."""
        total = 0.0
        for case, chosen in zip(self._cases, choices, strict=True):
            counts, wait = case.felt
            left = len(case.group.members) - sum(count for _, _, count in chosen)
            total += left * wait
            total += sum(count * float(counts[place, slot]) for place, slot, count in chosen)
        return total

    def _rent(self, parted: Parted) -> tuple[Rent, float]:
        """Prices at which whole workloads and replicas, each for itself, would fit.

        Returns:
            The rent at these prices, and USD that no division of the round is below.
        """
        alike: dict[int, tuple[Replica, int]] = {}
        for member in parted.members:
            _, count = alike.get(id(member.replica), (member.replica, 0))
            alike[id(member.replica)] = member.replica, count + member.replica.pods
        singles = [_single(replica, self._ledger) for replica, _ in alike.values()]
        cases = [*self._cases, *singles]
        counts = [len(case.group.members) for case in self._cases]
        counts += [count for _, count in alike.values()]
        sorts = sorts_of(cases, self._evaluator)
        lines = lines_of(cases, sorts, self._evaluator, self._ledger, self._running)
        market, _, _ = market_of(cases, counts, sorts, lines)
        prices = clearing_prices(market, QUICK)
        carried = Carried(prices, lines, starts_of(cases))
        rents: dict[int, F64] = {}
        for case, (replica, _) in zip(singles, alike.values(), strict=True):
            usage = tuple(sorts.usage(replica.needs[0])) if replica.needs else ()
            ends = case.ends(carried.starts_s)[:, :1]
            rents[id(replica)] = (
                carried.rents(usage, case.found.rows, ends)[:, 0] if replica.needs else np.zeros(0)
            )
        return (lambda replica: rents[id(replica)]), bound(market, prices)

    def _content(self, *, alone: bool) -> Choices | None:
        """Each group takes its own best; None, and nothing taken, when one is in another's way."""
        before = self._ledger.view(), self._limits.saved()
        choices = self._each_its_best(alone=alone)
        later = choices is not None and any(slot for chosen in choices for _, slot, _ in chosen)
        if choices is None or later:
            self._ledger.restore(before[0])
            self._limits.restore(before[1])
        if choices is not None and later:
            self._keep_present(choices)
        return choices

    def _each_its_best(self, *, alone: bool) -> Choices | None:
        """Each group takes its own best; None when one takes what another would have had.

        Later starts are put on the ledger too: if all fit even at the same time, nobody competes.
        """
        choices: Choices = []
        for case in self._cases:
            left, chosen = len(case.group.members), []
            places, slots = case.options(roomy=alone)
            for place, slot in zip(places.tolist(), slots.tolist(), strict=True):
                if not left:
                    break
                count = self._take(case, (place, slot), left)
                if count < left and not alone:
                    return None
                if count:
                    chosen.append((place, slot, count))
                left -= count
            choices.append(chosen)
        return choices

    def _keep_present(self, choices: Choices) -> None:
        """Take what starts now, and nothing else."""
        for case, chosen in zip(self._cases, choices, strict=True):
            for place, slot, count in chosen:
                if slot == 0 and self._take(case, (place, slot), count) < count:
                    raise AssertionError(f"{case.group.shape}: what fitted with more does not fit")

    def _take(self, case: Case, option: tuple[int, int], limit: int) -> int:
        """Take as many workloads of a case as fit; how many."""
        place, slot = option
        queue = case.group.shape.queue
        counted = case.lot is not None and slot == 0
        if counted and case.lot is not None:
            limit = min(limit, int(self._limits.most(queue, case.lot)[place]))
        row = int(case.found.rows[place])
        count = self._ledger.take_up_to(row, case.found.needs[place], limit)
        if count and counted and case.lot is not None:
            self._limits.take(queue, case.lot, place, count)
        return count

    def _compete(self) -> Choices:
        """Groups take rows by the price of capacity."""
        if not self._cases:
            return []
        choices = divide(
            self._cases, self._evaluator, self._ledger, self._limits, running=self._running
        )
        for case, chosen in zip(self._cases, choices, strict=True):
            rank = np.empty(len(case.found.order), np.int64)
            rank[case.found.order] = np.arange(len(rank))
            chosen.sort(key=lambda choice: (choice[1], rank[choice[0]]))
        return choices


_Moment = tuple[CapacityView, Saved, tuple[Parts, ...]]


def _single(replica: Replica, ledger: Ledger) -> Case:
    """One replica as if it were a workload of its own, for prices."""
    share = Part(0, 1, replica.asked / max(1, replica.whole))
    found = replica.of(share)
    return Case(
        group=Group(found.shape, 0),
        found=found,
        lot=None,
        room=found.room(ledger.view()),
        closed=None,
        starts_s=START_NOW,
        costs=(found.costs,),
        counts=found.costs.total[:, None],
    )
