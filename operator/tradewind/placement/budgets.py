"""What may a queue still spend this month, and what happens near the end of its budget?

Below 80% nothing. From 80% on the queue is warned and borrows no more: it keeps to its quotas. At
100% nothing new of it is placed; what runs goes on. Work whose estimate would cross 100% is
refused where it would, so that cheaper or cleaner sites may still have it.
"""

import math
from dataclasses import dataclass
from enum import Enum

from tradewind.placement.plan import CostTerms, Term
from tradewind.placement.snapshot import QueueView

#: Share of the budget from which the queue is warned and borrows no more.
WARNING_SHARE = 0.8

#: Terms that a meter shows. The others are preferences in dollars, which no bill knows of.
BILLED = (Term.HARDWARE, Term.ELECTRICITY)

#: USD or kg CO2e: rounding in sums must not refuse the last workload that exactly fits.
SLACK = 1e-4


def bill_usd(cost: CostTerms) -> float:
    """The part of a cost that is really paid, USD: hardware and electricity.

    >>> bill_usd(CostTerms((10.0, 2.0, 50.0, 0.0, 1.0, 7.0, 0.0, 0.0, 0.0)))
    12.0
    """
    return math.fsum(cost[term] for term in BILLED)


class BudgetState(Enum):
    """How far a queue's budget is spent; the value is the reason that its condition shows."""

    NONE = "NoBudget"
    WITHIN = "WithinBudget"
    NEARLY_SPENT = "BudgetNearlySpent"
    SPENT = "BudgetSpent"


@dataclass(frozen=True, slots=True)
class Purse:
    """What the work of a queue may still spend.

    Args:
        queue: name of the ComputeQueue.
        usd: left of the monthly budget; infinite without one, never below 0.
        carbon_kg: likewise, kg CO2e.
        most_usd: the whole budget, for messages.
        most_carbon_kg: likewise.
    """

    queue: str
    usd: float = math.inf
    carbon_kg: float = math.inf
    most_usd: float = math.inf
    most_carbon_kg: float = math.inf

    @property
    def limited(self) -> bool:
        """Whether there is any budget."""
        return math.isfinite(self.most_usd) or math.isfinite(self.most_carbon_kg)

    @property
    def empty(self) -> bool:
        """Whether one of the budgets is spent: then not even free work is placed."""
        return self.usd <= 0 or self.carbon_kg <= 0

    def allows(self, usd: float, carbon_kg: float) -> bool:
        """Whether it is enough for one placement."""
        if self.empty:
            return False
        return usd <= self.usd + SLACK and carbon_kg <= self.carbon_kg + SLACK

    def less(self, usd: float, carbon_kg: float) -> "Purse":
        """What is left after a placement."""
        return Purse(
            self.queue,
            max(0.0, self.usd - usd),
            max(0.0, self.carbon_kg - carbon_kg),
            self.most_usd,
            self.most_carbon_kg,
        )


def purse_of(name: str, queue: QueueView) -> Purse:
    """What a queue may still spend. Spending that is not known counts as all of it."""
    budget = queue.spec.budget
    if budget is None:
        return Purse(name)
    most_usd, most_kg = _limit(budget.monthly_usd), _limit(budget.monthly_carbon_kg)
    return Purse(
        name,
        _left(most_usd, queue.spent_usd),
        _left(most_kg, queue.spent_carbon_kg),
        most_usd,
        most_kg,
    )


def used_share(queue: QueueView) -> float:
    """Share of the tighter budget that is spent; 0 without budgets, 1 for one of nothing.

    >>> from tradewind.api.queue import Budget, QueueSpec
    >>> used_share(QueueView(QueueSpec(budget=Budget(monthly_usd=200)), spent_usd=150))
    0.75
    """
    purse = purse_of("", queue)
    pairs = ((purse.usd, purse.most_usd), (purse.carbon_kg, purse.most_carbon_kg))
    return max(
        (1 - left / most if most > 0 else 1.0 for left, most in pairs if math.isfinite(most)),
        default=0.0,
    )


def budget_state(queue: QueueView) -> BudgetState:
    """How far a queue's budget is spent."""
    purse = purse_of("", queue)
    if not purse.limited:
        return BudgetState.NONE
    if purse.empty:
        return BudgetState.SPENT
    return BudgetState.NEARLY_SPENT if used_share(queue) >= WARNING_SHARE else BudgetState.WITHIN


def _limit(monthly: float | None) -> float:
    if monthly is None:
        return math.inf
    return monthly if math.isfinite(monthly) and monthly > 0 else 0.0


def _left(most: float, spent: float) -> float:
    if math.isinf(most):
        return most
    return max(0.0, most - max(0.0, spent)) if math.isfinite(spent) else 0.0
