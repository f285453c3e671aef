"""Which workloads of a round are planned as one?

A group is of one shape, may start until the same slot, and is of one age: what it counts to leave
work unplaced doubles each time its age doubles beyond a day, so that nobody waits for ever, and
that must not lift younger work along.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tradewind.placement.config import EngineConfig
from tradewind.placement.deferral import count_slots
from tradewind.placement.shapes import Shape, Shapes
from tradewind.placement.snapshot import SiteName, WorkloadView

#: Below this age work is young; the price of leaving it unplaced doubles with every doubling.
PATIENCE_S = 86400.0

# 2^10 days of waiting weigh like two years' more: nothing outweighs them.
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Planned:
    """What the last cycle meant to do with work that it deferred."""

    site: SiteName
    start: datetime


@dataclass(slots=True)
class Group:
    """Workloads of a round that are alike.

    Args:
        shape: of all of them.
        doublings: how often the price of leaving them unplaced has doubled.
        slots: how many start slots they may choose from, the present one included.
        planned: where and when the last cycle meant to start them.
        members: in the order of the round.
    """

    shape: Shape
    doublings: int
    slots: int = 1
    planned: Planned | None = None
    members: list[WorkloadView] = field(default_factory=list)

    @property
    def urgency(self) -> float:
        """The factor on what leaving one unplaced counts."""
        return 2.0**self.doublings


def doublings_of(created: datetime, now: datetime) -> int:
    """How often the price of leaving work unplaced has doubled.

    >>> from datetime import UTC, timedelta
    >>> now = datetime(2026, 11, 25, tzinfo=UTC)
    >>> [doublings_of(now - timedelta(days=days), now) for days in (0, 1, 3, 4)]
    [0, 0, 1, 2]
    """
    days = (now - created).total_seconds() / PATIENCE_S
    return min(_MOST_DOUBLINGS, max(0, math.floor(math.log2(days)))) if days > 1 else 0


def slots_of(workload: WorkloadView, now: datetime, config: EngineConfig) -> int:
    """How many start slots a workload may choose from, never below 1; see `left_to_wait_s`."""
    left_s = left_to_wait_s(workload, now)
    if not left_s > 0:
        return 1
    return count_slots(now, config.slot_s, left_s, config.max_slots)


def left_to_wait_s(workload: WorkloadView, now: datetime) -> float:
    """How long a workload may still wait by choice, seconds; its time of running is no waiting.

    Run times count on the reference class, and as of the last checkpoint: what was lost has waited.
    """
    if not workload.runtime.max_delay_s > 0:
        return 0.0
    since_s = (now - workload.created).total_seconds()
    ran_s = workload.done_s
    for part in workload.current[:1]:
        if part.started_at is not None:
            ran_s += max(0.0, (now - part.started_at).total_seconds())
    return workload.runtime.max_delay_s - max(0.0, since_s - ran_s)


def groups_of(
    workloads: Iterable[WorkloadView], now: datetime, config: EngineConfig, shapes: Shapes
) -> list[Group]:
    """Workloads in groups; groups and members in the order given."""
    found: dict[object, Group] = {}
    # Of work that is young and does not wait by choice: nearly all there is, where there is much.
    plain: dict[int, Callable[[WorkloadView], None]] = {}
    young = now - timedelta(seconds=PATIENCE_S)
    slots = _Slots(now, config)
    workloads = list(workloads)
    for workload, shape in zip(workloads, shapes.of_each(workloads), strict=True):
        key: object = id(shape)
        if workload.created >= young and (add := plain.get(id(shape))) is not None:
            add(workload)
            continue
        doublings, count, planned = 0, 1, None
        if shape.runtime.max_delay_s > 0:
            count = slots.of(workload)
            if count > 1 and workload.planned_start is not None:
                planned = Planned(workload.planned_site or SiteName(""), workload.planned_start)
        if workload.created < young:
            doublings = doublings_of(workload.created, now)
        if count > 1 or doublings:
            key = (id(shape), doublings, count, planned)
        group = found.get(key)
        if group is None:
            group = found[key] = Group(shape, doublings, count, planned)
        if not doublings and not shape.runtime.max_delay_s > 0:
            plain[id(shape)] = group.members.append
        group.members.append(workload)
    return list(found.values())


class _Slots:
    """How many start slots workloads have; the same question is answered once."""

    def __init__(self, now: datetime, config: EngineConfig) -> None:
        self._now = now
        self._config = config
        self._known: dict[tuple[datetime, float], int] = {}

    def of(self, workload: WorkloadView) -> int:
        """See `slots_of`."""
        if workload.done_s or workload.current:
            return slots_of(workload, self._now, self._config)
        key = (workload.created, workload.runtime.max_delay_s)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = slots_of(workload, self._now, self._config)
        return known
