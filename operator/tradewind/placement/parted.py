"""The workloads of a round that may be split over sites: their parts, on the ledger.

One after the other, in the order of the round, each takes the parts that cost it least
(`splitting.py`) of what the ledger and its queue's limits have left. Against others it competes as
they do, by the price of capacity: rent is added to what its replicas cost, and it steps back where
that outweighs what waiting counts.

Such work starts now. Where it may also wait for a better hour, and need not be split, it is first
planned whole, with all its start slots; only what finds no room so is split.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from operator import attrgetter

import numpy as np

from tradewind.placement.capacity import Ledger
from tradewind.placement.contest import felt
from tradewind.placement.groups import Group, doublings_of
from tradewind.placement.limits import Limits
from tradewind.placement.replicas import Replica
from tradewind.placement.snapshot import WorkloadView
from tradewind.placement.splitting import Bound, Offers, Parts, Task, share, usd_of
from tradewind.placement.table import F64, I64

#: Work that runs as one gang.
GANG_CLASS = "Training"

#: (R',) USD of capacity that a replica of some work takes on each of its rows.
Rent = Callable[[Replica], F64]


#: Asked of a hundred thousand workloads.
_CURRENT = attrgetter("current")


class Kind(Enum):
    """How a group of workloads is planned."""

    WHOLE = auto()
    PARTED = auto()  # in parts, which may be one
    WHOLE_FIRST = auto()  # now or later; in parts where it finds no place so
    IMPOSSIBLE = auto()  # it has to be split, and cannot be


def kind_of(group: Group) -> Kind:
    """How a group is planned; workloads with parts that stand are never whole."""
    shape = group.shape
    need, stand = shape.placement, any(map(_CURRENT, group.members))
    if need.max_sites == 1 and need.min_sites == 1 and not stand:
        return Kind.WHOLE
    alike = shape.workload_class != GANG_CLASS and len(shape.demand.pods) == 1
    if not alike or need.max_sites == 1 < need.min_sites:
        return Kind.IMPOSSIBLE if need.min_sites > 1 else Kind.WHOLE
    if shape.pods < 1 or (shape.pods == 1 == need.min_sites and not stand):
        return Kind.WHOLE
    must = need.min_sites > 1 or stand
    return Kind.PARTED if must or group.slots == 1 else Kind.WHOLE_FIRST


def task_of(workload: WorkloadView) -> Task:
    """What is to be shared out.

    With parts that stand, the bounds on sites are those on further sites already.
    """
    need, pods = workload.placement, workload.demand.replicas
    fewest, most = need.min_sites, need.max_sites
    if not workload.current:
        fewest, most = max(1, fewest), max(1, fewest, min(most, pods))
    # What is whole at one site is no part of which so many would be asked.
    least = need.min_replicas_per_site if fewest > 1 else min(need.min_replicas_per_site, pods)
    return Task(pods, max(1, least), fewest, most)


@dataclass(slots=True)
class Member:
    """A workload of the round.

    Args:
        workload: which.
        replica: of its shape.
        task: what is to be shared out.
        urgency: the factor on what leaving it unplaced counts.
        alone: the parts it would have with the round to itself; empty: it has no place even so.
        least_usd: what these cost; infinite: there are none.
        parts: on the ledger; empty: none.
    """

    workload: WorkloadView
    replica: Replica
    task: Task
    urgency: float
    alone: Parts = ()
    least_usd: float = np.inf
    parts: Parts = ()

    @property
    def usd(self) -> float:
        """What its parts cost."""
        return sum(float(self.replica.costs(p).total[p.place]) for p in self.parts)

    @property
    def wait_usd(self) -> float:
        """What leaving it unplaced counts; 0 where it has no place at all."""
        least = np.array([[self.least_usd]])
        return float(felt(least, np.zeros((1, 1), bool), np.array([self.urgency]))[1][0])


class Parted:
    """See the module.

    Args:
        members: in the order of the round.
        ledger: of the cycle.
        limits: of the round.
    """

    def __init__(self, members: Iterable[Member], ledger: Ledger, limits: Limits) -> None:
        self.members = tuple(members)
        self.ledger = ledger
        self.limits = limits
        self._rooms: dict[int, tuple[I64, I64]] = {}
        before = ledger.view(), limits.saved()
        alike: dict[int, tuple[Parts, float]] = {}
        for member in self.members:
            known = alike.get(id(member.replica))
            if known is None:
                known = (member.parts, member.usd) if self._place(member, None) else ((), np.inf)
                alike[id(member.replica)] = known
                member.parts = ()
                ledger.restore(before[0])
                limits.restore(before[1])
            member.alone, member.least_usd = known

    def place(self, rent: Rent | None = None, *, backwards: bool = False) -> None:
        """Place what is not placed, as well as may be one after the other."""
        last: dict[tuple[int, float], Parts] = {}
        for member in reversed(self.members) if backwards else self.members:
            kind = id(member.replica), member.urgency
            # What was best with more room still is, where it fits.
            before = last.get(kind, member.alone if rent is None else None)
            if member.parts or before == () or (before and self.take(member, before)):
                continue
            self._place(member, rent)
            last[kind] = member.parts

    def place_one(self, member: Member) -> bool:
        """Place one workload, as well as may be; whether it has a place."""
        return bool(member.alone) and (self.take(member, member.alone) or self._place(member, None))

    @property
    def content(self) -> bool:
        """Whether none does worse than it would alone."""
        return all(
            np.isinf(member.least_usd) or (member.parts and member.usd <= member.least_usd)
            for member in self.members
        )

    def cost(self) -> float:
        """USD of all, and of what leaving others unplaced counts."""
        return sum(
            min(member.usd, member.wait_usd) if member.parts else member.wait_usd
            for member in self.members
        )

    def saved(self) -> tuple[Parts, ...]:
        """Who has which parts, for `restore`."""
        return tuple(member.parts for member in self.members)

    def restore(self, saved: Iterable[Parts] | None = None) -> None:
        """Give everybody the parts of before, or none; the ledger is the caller's business."""
        for member, parts in zip(self.members, saved or [()] * len(self.members), strict=True):
            member.parts = parts

    def _place(self, member: Member, rent: Rent | None) -> bool:
        """Give one workload its parts, if there are any for it."""
        offers = self.offers(member, 0.0 if rent is None else rent(member.replica))
        parts = _cheapest(member, offers)
        if parts is None:
            return False
        if rent is not None and usd_of(parts, offers) > member.wait_usd:
            return False
        return self.take(member, parts)

    def room(self, replica: Replica) -> I64:
        """(R',) replicas that each row takes now, whatever its queue may take."""
        # Where a part stands, its own class may grow; the others have to keep away.
        barred = replica.standing.taken & ~replica.standing.grows
        return np.where(barred, 0, self._room(replica))

    def offers(self, member: Member, rents: F64 | float = 0.0) -> Offers:
        """The candidates of a workload, as they stand."""
        replica, queue = member.replica, member.workload.queue
        room = np.minimum(self.room(replica), self.limits.most(queue, replica.lot))
        return Offers(
            site=replica.found.row_site,
            room=room,
            each=replica.each + rents,
            once=replica.once,
            near=replica.near,
            asked=replica.asked,
            bounds=tuple(
                Bound(amount, limit) for amount, limit in self.limits.bounds(queue, replica.lot)
            ),
            grows=replica.standing.grows,
            standing=replica.standing.near,
            standing_pods=replica.standing.pods,
        )

    def _room(self, replica: Replica) -> I64:
        """(R',) replicas that each row takes now; asked again only where the ledger has changed."""
        now, found = self.ledger.version, replica.found
        seen, room = self._rooms.get(id(replica), (np.zeros_like(now), replica.pristine))
        stale = np.flatnonzero((now != seen)[found.row_site]).tolist()
        if stale:
            room = room.copy()
            for place in stale:
                room[place] = self.ledger.fits(int(found.rows[place]), replica.needs[place])
        self._rooms[id(replica)] = now.copy(), room
        return room

    def take(self, member: Member, parts: Parts) -> bool:
        """Take parts from ledger and limits; all of them, or nothing."""
        replica, queue = member.replica, member.workload.queue
        before = self.ledger.view(), self.limits.saved()
        for part in parts:
            row = int(replica.found.rows[part.place])
            needs, most = replica.needs[part.place], self.limits.most(queue, replica.lot)
            if (
                most[part.place] < part.pods
                or self.ledger.take_up_to(row, needs, part.pods) < part.pods
            ):
                self.ledger.restore(before[0])
                self.limits.restore(before[1])
                return False
            self.limits.take(queue, replica.lot, part.place, part.pods)
        member.parts = parts
        return True


def _cheapest(member: Member, offers: Offers) -> Parts | None:
    """The parts that cost least; sites that are to be avoided only where no others will do."""
    found = member.replica.found
    avoided = found.avoided[found.row_site]
    if not avoided.any():
        return share(member.task, offers)
    room: I64 = np.where(avoided, 0, offers.room)
    parts = share(member.task, replace(offers, room=room))
    if parts is not None:
        return parts
    # Above all that a choice among sites can save: as few of them as may be.
    span = float(np.ptp(offers.each) * member.task.pods + np.ptp(offers.once))
    span += float(offers.asked @ np.ptp(offers.near, axis=1)) if len(offers.asked) else 0.0
    return share(member.task, replace(offers, once=offers.once + np.where(avoided, span + 1, 0.0)))


def member_of(workload: WorkloadView, replica: Replica, now: datetime) -> Member:
    """A workload as a member of its round."""
    urgency = 2.0 ** doublings_of(workload.created, now)
    return Member(workload, replica, task_of(workload), urgency)
