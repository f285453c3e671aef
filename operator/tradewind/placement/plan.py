"""What did a cycle decide? Assignments, what waits, and why, as values that nobody may change.

A refusal is a value, never an exception. Explanations of a large federation are long, and most are
never read: their lists are `LazySequence`s that make an item when it is looked at.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Final, Generic, Self, TypeVar, overload

from tradewind.placement.snapshot import SiteName, Uid

T = TypeVar("T")


class Verdict(Enum):
    """What would have to change before another look is worth it."""

    WAIT = auto()  # capacity, contact: look again when some frees or answers
    NEVER = auto()  # selector, residency, kind: only a changed spec or site helps


class RefusalReason(Enum):
    """Why a site may not have a workload; the value is the code that objects and metrics show."""

    NO_POLICY = "PolicyNotFound"
    NO_QUEUE = "QueueNotFound"
    NAMESPACE = "NamespaceNotAdmitted"
    SELECTOR = "SiteSelectorMismatch"
    JURISDICTION = "JurisdictionNotAllowed"
    DATA = "DataPinnedElsewhere"
    TAINT = "TaintNotTolerated"
    CORDONED = "SiteUnschedulable"
    LATENCY_UNKNOWN = "LatencyUnknown"
    LATENCY = "LatencyTooHigh"
    LOST = "SiteLost"
    REFUSED = "RefusedBySite"
    UNREACHABLE = "SiteUnreachable"
    NOT_SYNCED = "InventoryNotSynced"
    KIND = "KindNotServed"
    NO_ACCELERATOR = "NoAccelerator"
    CLASS = "AcceleratorClassMismatch"
    VENDOR = "AcceleratorVendorMismatch"
    SHARING = "SharingMismatch"
    CHIP_MEMORY = "AcceleratorMemoryTooSmall"
    CHIP_SPEED = "AcceleratorTooSlow"
    RESOURCE = "ResourceNotOffered"
    DEADLINE = "DeadlineUnreachable"
    TOO_LARGE = "TooLargeForSite"
    NODE_TAINT = "NodeTaintNotTolerated"
    ACCELERATORS = "InsufficientAccelerators"
    CPU = "InsufficientCPU"
    MEMORY = "InsufficientMemory"
    PODS = "InsufficientPods"
    OTHER_RESOURCE = "InsufficientResource"
    FRAGMENTED = "CapacityFragmented"
    RESERVED = "CapacityReserved"
    QUOTA = "QuotaExceeded"
    BUDGET = "BudgetExceeded"
    CANNOT_SPLIT = "CannotBeSplit"
    FEW_SITES = "TooFewSites"
    PART_STANDS = "PartStandsThere"
    PARTS = "PartsDoNotFit"

    @property
    def verdict(self) -> Verdict:
        """Whether waiting can help."""
        return Verdict.WAIT if self in _WAITING else Verdict.NEVER


_WAITING = frozenset(
    {
        RefusalReason.LATENCY_UNKNOWN,  # the next probe may tell
        RefusalReason.LOST,
        RefusalReason.REFUSED,  # it is asked again in a while
        RefusalReason.UNREACHABLE,
        RefusalReason.NOT_SYNCED,
        RefusalReason.NODE_TAINT,  # other nodes may come free, or be untainted
        RefusalReason.ACCELERATORS,
        RefusalReason.CPU,
        RefusalReason.MEMORY,
        RefusalReason.PODS,
        RefusalReason.OTHER_RESOURCE,
        RefusalReason.FRAGMENTED,
        RefusalReason.RESERVED,
        RefusalReason.QUOTA,
        RefusalReason.BUDGET,  # the next month brings a new one
        RefusalReason.PARTS,
    }
)

#: A reason for each site, by which `Refusal.site` is empty: no site was even looked at.
NO_SITE = SiteName("")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A site's no.

    Args:
        site: which; empty when the refusal is not about one site.
        reason: its code.
        message: for people, with the numbers.
        needed: the figure asked for, in the unit of the message; None where there is none.
        available: the figure found.
    """

    site: SiteName
    reason: RefusalReason
    message: str
    needed: float | None = None
    available: float | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether waiting can help."""
        return self.reason.verdict


class Term(Enum):
    """One addend of a cost; the value is the name that objects show. The order is the axis K."""

    HARDWARE = "hardware"
    ELECTRICITY = "electricity"
    CARBON = "carbon"
    LATENCY = "latency"
    DATA = "data"
    QUEUEING = "queueing"
    WAITING = "waiting"
    MOVE = "move"
    POLICY = "policy"


#: Terms are rounded once, to a millionth of a dollar; totals are sums of rounded terms.
DECIMALS = 6


@dataclass(frozen=True, slots=True)
class CostTerms:
    """What a choice costs, term by term.

    Args:
        usd: in the order of `Term`, USD, each rounded to `DECIMALS`.
        assumed_inputs: which inputs were not known and were priced at the stated fallback, sorted.

    >>> CostTerms((0.1, 0.2, *[0.0] * 7)).total
    0.3
    """

    usd: tuple[float, ...]
    assumed_inputs: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The sum of the terms, USD; exact to `DECIMALS`."""
        return round(math.fsum(self.usd), DECIMALS)

    @property
    def money(self) -> float:
        """What is paid for hardware and electricity, USD; the other terms are preferences."""
        return round(self[Term.HARDWARE] + self[Term.ELECTRICITY], DECIMALS)

    def __getitem__(self, term: Term) -> float:
        return self.usd[TERM_INDEX[term]]

    def as_dict(self) -> dict[str, float]:
        """Term name to USD, in the order of `Term`; terms of nothing are left out."""
        return {term.value: usd for term, usd in zip(Term, self.usd, strict=True) if usd}


TERM_INDEX = {term: index for index, term in enumerate(Term)}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A site and class that would do, at this cost.

    Args:
        site: where.
        class_name: on what; None without accelerators.
        cost: USD for the whole workload.
        avoid: the PreferNoSchedule taint that is not tolerated, if any: such a site is taken only
            when no other will do, whatever it costs.
        run_s: expected run time there, seconds.
        energy_kwh: expected energy of the run there, PUE included.
        carbon_kg: expected emissions of the run there, kg CO2e.
    """

    site: SiteName
    class_name: str | None
    cost: CostTerms
    avoid: str = ""
    run_s: float = 0.0
    energy_kwh: float = 0.0
    carbon_kg: float = 0.0


class LazySequence(Sequence[T], Generic[T]):
    """A sequence whose items are made when they are looked at; equal to any with equal items.

    Args:
        open: how many there are, and what makes one; asked when somebody first looks.
    """

    __slots__ = ("_inside", "_open")

    def __init__(self, open: Callable[[], tuple[int, Callable[[int], T]]]) -> None:  # noqa: A002
        self._open = open
        self._inside: tuple[int, Callable[[int], T]] | None = None

    @classmethod
    def of(cls, length: int, make: Callable[[int], T]) -> Self:
        """A sequence of known length."""
        return cls(lambda: (length, make))

    def _look(self) -> tuple[int, Callable[[int], T]]:
        if self._inside is None:
            self._inside = self._open()
        return self._inside

    def __len__(self) -> int:
        return self._look()[0]

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        length, make = self._look()
        if isinstance(index, slice):
            return tuple(make(i) for i in range(*index.indices(length)))
        if not -length <= index < length:
            raise IndexError(index)
        return make(index % length)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<{len(self)} items>"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a workload goes where it goes: each site stands in exactly one of the three.

    Args:
        policy: whose prices counted.
        chosen: None when it waits.
        alternatives: other candidates, best first; a site may be there once for each class.
        refused: sites that may not have it, by name.
    """

    policy: str
    chosen: Candidate | None
    alternatives: Sequence[Candidate] = ()
    refused: Sequence[Refusal] = ()


# Final in place of frozen: many are made in a cycle, and a frozen one takes four times as long.
@dataclass(slots=True)
class Assignment:
    """A workload, or a part of one, goes to a site.

    Args:
        uid: of the workload; several assignments of one workload are the parts of a split.
        site: where.
        class_name: the accelerator class; None without accelerators.
        resource_name: by which pods ask for that class there.
        replicas: pods of this part; where a part of it stands already, so many more.
        epoch: fencing number, above every earlier one of the workload.
        start_at: when to create it.
        cost: USD, of this part.
        explanation: why.
    """

    uid: Final[Uid]
    site: Final[SiteName]
    class_name: Final[str | None]
    resource_name: Final[str | None]
    replicas: Final[int]
    epoch: Final[int]
    start_at: Final[datetime]
    cost: Final[CostTerms]
    explanation: Final[Explanation]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A workload that no site gets in this cycle."""

    uid: Uid
    verdict: Verdict
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Deferred:
    """A workload that waits by choice for a better hour; chosen anew each cycle until it is due.

    Args:
        uid: of the workload.
        start_at: when it is meant to start.
        site: where, as it looks now; nothing is reserved there.
        class_name: on what.
        cost: USD, of that start.
        cost_now: USD, of the best start now; None when nothing has room now.
        explanation: why; `chosen` is that start.
    """

    uid: Uid
    start_at: datetime
    site: SiteName
    class_name: str | None
    cost: CostTerms
    cost_now: CostTerms | None
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Eviction:
    """Running work that is to be ended at a site.

    Args:
        uid: of the workload.
        site: where it runs.
        epoch: of the placement that ends.
        reason: PascalCase: Preempted, Reclaimed, Moved, Drained or Paused.
        message: for people, with the numbers.
        by: the workload that gets the room; None when it makes room for nobody.
        target: where it is meant to go; None when it only waits again.
    """

    uid: Uid
    site: SiteName
    epoch: int
    reason: str
    message: str = ""
    by: Uid | None = None
    target: SiteName | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cycle decided, for the snapshot of the same serial.

    Each pending workload is in exactly one of `assignments`, `waiting` and `deferred`.
    """

    assignments: tuple[Assignment, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    deferred: tuple[Deferred, ...] = ()
    evictions: tuple[Eviction, ...] = ()
    serial: int = 0
