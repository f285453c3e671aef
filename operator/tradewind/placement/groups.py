"""Which workloads of a round are planned as one?

A group is of one shape and of one age: what it counts to leave work unplaced doubles each time its
age doubles beyond a day, so that nobody waits for ever, and that must not lift younger work along.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tradewind.placement.shapes import Shape, shape_of
from tradewind.placement.snapshot import WorkloadView

#: Below this age work is young; the price of leaving it unplaced doubles with every doubling.
PATIENCE_S = 86400.0

# 2^10 days of waiting weigh like two years' more: nothing outweighs them.
_MOST_DOUBLINGS = 10


@dataclass(slots=True)
class Group:
    """Workloads of a round that are alike.

    Args:
        shape: of all of them.
        doublings: how often the price of leaving them unplaced has doubled.
        members: in the order of the round.
    """

    shape: Shape
    doublings: int
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


def groups_of(workloads: Iterable[WorkloadView], now: datetime) -> list[Group]:
    """Workloads in groups; groups and members in the order given."""
    found: dict[tuple[Shape, int], Group] = {}
    for workload in workloads:
        key = (shape_of(workload), doublings_of(workload.created, now))
        group = found.get(key)
        if group is None:
            group = found[key] = Group(*key)
        group.members.append(workload)
    return list(found.values())
