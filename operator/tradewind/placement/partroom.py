"""For which part of a workload that is split should room be made, where some parts have theirs?

Room is made at one site for one workload in a cycle. So as many replicas as may be go where there
is room already, and room is made for one part with all the others; where all may be at one site,
also for the whole. Where room would have to be made at two sites, none is made: what was ended at
the first would have ended for nothing if the second did not come free.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tradewind.placement.feasibility import Evaluation
from tradewind.placement.parted import Member
from tradewind.placement.splitting import Offers, Part, Parts, Task, roomiest, share


def ways(member: Member, offers: Offers) -> Iterator[tuple[Parts, Evaluation]]:
    """Parts that have room, and the one for which room is to be made, as a workload of its own.

    Args:
        member: which.
        offers: what has room now.
    """
    task = member.task
    if task.most < 1:
        return
    first = _most_with_room(task, offers)
    if first >= max(1, (task.fewest - 1) * task.least):
        rest = Task(first, task.least, max(0, task.fewest - 1), task.most - 1)
        parts = share(rest, offers)
        if parts is not None:
            yield parts, _rest(member, parts, task.pods - first)
    if task.fewest <= 1 and task.pods >= task.least:
        yield (), _rest(member, (), task.pods)


def _most_with_room(task: Task, offers: Offers) -> int:
    """Replicas that have room now, less those of the smallest further part."""
    new = ~offers.grows & (offers.room >= task.least)
    rooms = roomiest(offers.site[new], offers.room[new])[: task.most - 1]
    room = int(rooms.sum()) + int(offers.room[offers.grows].sum())
    return min(room, task.pods - task.least)


def _rest(member: Member, parts: Parts, pods: int) -> Evaluation:
    """The evaluation of a part with the replicas that have no room, on rows of other sites."""
    replica = member.replica
    found = replica.of(Part(0, pods, replica.asked * (pods / replica.whole)))
    held = np.unique(found.row_site[[part.place for part in parts]])
    apart = ~np.isin(found.row_site, held) & ~replica.standing.taken
    return replace(found, order=found.order[apart[found.order]])
