"""ComputeQueue: who may use how much of the federation."""

from enum import StrEnum

from pydantic import Field

from tradewind.api.fields import Condition, Model, MonthTotal, ObjectMeta


class Quota(Model):
    """How many accelerators of a sort the queue may hold."""

    class_name: str = Field("", alias="class")
    """AcceleratorClass; empty with an empty vendor: any accelerator."""
    vendor: str = ""
    """Maker; empty: any."""
    nominal: int = Field(ge=0)
    """The queue's own share, accelerators."""
    borrowing_limit: int | None = Field(None, ge=0)
    """The most it may borrow from others beyond it; absent: no limit."""


class PreemptionRule(StrEnum):
    """Whose running work may be taken for this queue's."""

    NEVER = "Never"
    LOWER_PRIORITY = "LowerPriority"
    RECLAIM = "Reclaim"
    ANY = "Any"


class Budget(Model):
    """What the queue may spend in a calendar month (UTC)."""

    monthly_usd: float | None = Field(None, alias="monthlyUSD", ge=0)
    """Money, USD."""
    monthly_carbon_kg: float | None = Field(None, alias="monthlyCarbonKg", ge=0)
    """Emissions, kg CO2e."""


class QueueSpec(Model):
    """Who may use how much."""

    namespaces: tuple[str, ...] = ()
    """Namespaces that may use the queue; empty: all."""
    weight: float = Field(1.0, gt=0)
    """Its part of what is short, against other queues."""
    quotas: tuple[Quota, ...] = ()
    """How much it may hold; empty: no limit."""
    preemption: PreemptionRule = PreemptionRule.NEVER
    """Whose running work may be taken for this queue's."""
    budget: Budget | None = None
    """What it may spend."""


class QuotaUse(Model):
    """How much of a quota is in use."""

    class_name: str = Field("", alias="class")
    """AcceleratorClass of the quota."""
    vendor: str = ""
    """Maker of the quota."""
    nominal: int = 0
    """The queue's own share, accelerators."""
    held: int = 0
    """Accelerators that its placed work holds."""
    borrowed: int = 0
    """How many of them are beyond its own share."""


class QueueStatus(Model):
    """What the queue holds."""

    observed_generation: int | None = None
    """The generation of the spec that this speaks of."""
    conditions: tuple[Condition, ...] = ()
    """Ready, BudgetWarning, BudgetExceeded."""
    pending: int = 0
    """Workloads that wait."""
    placed: int = 0
    """Workloads that have a place and are not finished."""
    held_accelerators: int = 0
    """Accelerators that its placed work holds."""
    borrowed_accelerators: int = 0
    """How many of them are beyond its quotas."""
    quotas: tuple[QuotaUse, ...] = ()
    """How much of each quota is in use."""
    spent: MonthTotal | None = None
    """This month's spending: what runs is estimated to its end."""
    budget_used: str = ""
    """Share of the tighter budget that is spent, for the table."""


class ComputeQueue(Model):
    """Who may use how much of the federation."""

    api_version: str = ""
    kind: str = "ComputeQueue"
    metadata: ObjectMeta
    spec: QueueSpec
    status: QueueStatus | None = None
