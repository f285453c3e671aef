"""Who competes with whom, and for how much? Pending workloads in rounds, one after the other.

A round's workloads are placed together, as well as can be for all of them; what a round took is not
there for the next. Priorities are strict tiers: a lower one never costs a higher one anything.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from tradewind.placement.shapes import in_order
from tradewind.placement.snapshot import WorkloadView


@dataclass(frozen=True, slots=True)
class Allowance:
    """Accelerators that the workloads of a queue may take in a round.

    Args:
        queue: name of the ComputeQueue.
        units: accelerators, of those that the next two fields admit.
        class_name: AcceleratorClass; empty with an empty vendor: any.
        vendor: maker; empty: any.
    """

    queue: str
    units: int
    class_name: str = ""
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """Workloads that are placed together.

    Args:
        workloads: in the order in which equals choose.
        allowances: all of them hold; a queue without any is not limited.
    """

    workloads: tuple[WorkloadView, ...]
    allowances: tuple[Allowance, ...] = ()


def rounds(pending: Iterable[WorkloadView]) -> Iterator[Round]:
    """One round for each priority, the highest first."""
    for _, tier in groupby(in_order(pending), key=lambda workload: workload.priority):
        yield Round(tuple(tier))
