"""Whose work gets room that is short, node by node? Each queue's in its turn.

`turns.py` fills the federation's totals. These may hold what its nodes do not: pods of eight chips
do not fit where four are free on each node, and work of one country not in another. The division of
a round (`division.py`) goes by cost alone, and would give such room to whichever work counts most.
So where a round of several queues leaves work without a place, room is dealt out once more, to one
workload after the other, by the weighted shares of what each queue has got until then. Those that
got room are then placed together, as well as can be for all of them, and the others have what they
leave.
"""

from collections.abc import Iterable

from tradewind.placement.contest import Case
from tradewind.placement.parted import Member, Parted
from tradewind.placement.plan import Verdict, Waiting
from tradewind.placement.queues import Queues, Takes
from tradewind.placement.snapshot import Uid, WorkloadView
from tradewind.placement.table import SiteTable


def leaves_some(workloads: Iterable[WorkloadView], outcomes: Iterable[object]) -> bool:
    """Whether a round of several queues placed some of its work, and left other work to wait."""
    if len({workload.queue for workload in workloads}) < 2:  # noqa: PLR2004 - queues
        return False
    found = list(outcomes)
    waits = [isinstance(o, Waiting) and o.verdict is Verdict.WAIT for o in found]
    return any(waits) and not all(waits)


class Trial:
    """Deals out room on a ledger, to be restored afterwards.

    Args:
        cases: whole workloads of a round, that start now or wait.
        parted: those that are planned in parts; with the ledger and the limits of the round.
        table: the sites.
        queues: tell what a placement takes.
    """

    def __init__(
        self,
        cases: Iterable[Case],
        parted: Parted,
        table: SiteTable,
        queues: Queues,
    ) -> None:
        self._table = table
        self._ledger = parted.ledger
        self._limits = parted.limits
        self._queues = queues
        self._parted = parted
        self._member = {member.workload.uid: member for member in parted.members}
        self._case: dict[Uid, Case] = {}
        # Room only gets less: what was full for one is full for all of its equals.
        self._left: dict[int, list[int]] = {}
        for case in cases:
            self._left[id(case)] = case.open.tolist()[::-1]
            self._case.update((workload.uid, case) for workload in case.group.members)

    def take(self, workload: WorkloadView) -> Takes | None:
        """Take the cheapest room that is left for a workload; None when there is none."""
        member = self._member.get(workload.uid)
        if member is not None:
            return self._takes_parts(member)
        case = self._case.get(workload.uid)
        if case is None:
            return None
        left = self._left[id(case)]
        while left:
            if self._takes(case, left[-1]):
                return self._takes_of(workload, int(case.found.rows[left[-1]]))
            left.pop()
        return None

    def _takes_of(self, workload: WorkloadView, row: int) -> Takes:
        accelerator = self._table.row_accelerator[row]
        return self._queues.takes(
            workload.demand,
            accelerator.class_name if accelerator else None,
            accelerator.resource_name if accelerator else None,
        )

    def _takes_parts(self, member: Member) -> Takes | None:
        """As `take`; all of it counts as of the class of its largest part."""
        if not self._parted.place_one(member):
            return None
        part = max(member.parts, key=lambda part: (part.pods, -part.place))
        return self._takes_of(member.workload, int(member.replica.found.rows[part.place]))

    def _takes(self, case: Case, place: int) -> bool:
        queue, lot = case.group.shape.queue, case.lot
        if lot is not None and self._limits.most(queue, lot)[place] < 1:
            return False
        if not self._ledger.take(int(case.found.rows[place]), case.found.needs[place]):
            return False
        if lot is not None:
            self._limits.take(queue, lot, place)
        return True
