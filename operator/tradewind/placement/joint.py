"""The optimum of a small round in which whole workloads and split ones compete, by one model.

Each split workload brings its own part of the model (`splitting.py`); a whole workload is one gang
on one of its rows. What they share are nodes: how many of its pods each takes to the nodes of one
shape (y), which have so much of everything together, and for pods of u accelerators

    sum of floor(u / k) y <= nodes * floor(free / k)     for each size of pod k that is asked for

(`market.py` tells why). A few nodes of one shape are told apart; more are counted together, so that
a solution may not fit node by node: then it is not taken, and the round is divided by price.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tradewind.api.inventory import NodeShape
from tradewind.placement.capacity import Ledger
from tradewind.placement.contest import Case
from tradewind.placement.demands import PodNeed
from tradewind.placement.division import Choices
from tradewind.placement.limits import Limits, Lot
from tradewind.placement.milp import INFINITE, Model
from tradewind.placement.packing import NO_RESERVE, Groups, room, times, units_free
from tradewind.placement.parted import Member, Parted
from tradewind.placement.repacking import Effort, Item, repack
from tradewind.placement.snapshot import SiteAccelerator
from tradewind.placement.splitting import Columns, add_task, short_list
from tradewind.placement.table import I64, SiteTable

#: More workloads than this, or more unknowns on nodes, are divided by price.
MOST_WORKLOADS = 16
MOST_STANDS = 400
#: So many nodes of one shape are told apart.
APART = 4
#: Candidates of each workload.
LISTED = 8
GAP = 5e-3
BRANCHES = 20
# Packing what was found: a step costs 10 µs, and pods are placed one by one.
_PACKING_STEPS = 4000
_MOST_PODS = 300

_GIB = 2**30

_Amount = Callable[[PodNeed], float]


@dataclass(slots=True)
class _Stand:
    """Pods of one sort on the nodes of one shape.

    Args:
        column: how many.
        need: what one takes.
        accelerator: of the row.
    """

    column: int
    need: PodNeed
    accelerator: SiteAccelerator | None


@dataclass(slots=True)
class _Whole:
    """A group of whole workloads: how many go to each of some places on R'."""

    case: Case
    places: I64
    columns: list[int]


@dataclass(slots=True)
class _Apart:
    """A split workload with its columns; `places` are its candidates' on R'."""

    member: Member
    places: I64
    columns: Columns


@dataclass(slots=True)
class _Site:
    """Who would stand at a site: by place among its nodes."""

    nodes: Groups
    stands: dict[int, list[_Stand]] = field(default_factory=dict)


class Joint:
    """See the module.

    Args:
        cases: whole workloads that start now.
        parted: split ones, without parts.
        table: the sites.
        ledger: what is free; a solution is taken from it.
        limits: likewise.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        parted: Parted,
        table: SiteTable,
        ledger: Ledger,
        limits: Limits,
    ) -> None:
        self._cases = cases
        self._parted = parted
        self._table = table
        self._ledger = ledger
        self._limits = limits
        self._model = Model()
        self._sites: dict[int, _Site] = {}
        self._spent: dict[str, list[tuple[int, Lot, int]]] = {}
        self._stands = 0

    def run(self) -> Choices | None:
        """Place the round; None, and nothing placed, where that is not to be had so."""
        count = sum(len(case.group.members) for case in self._cases) + len(self._parted.members)
        if count > MOST_WORKLOADS or any(len(case.starts_s) > 1 for case in self._cases):
            return None
        whole = [self._add_case(case) for case in self._cases]
        apart = [self._add_member(member) for member in self._parted.members]
        if self._stands > MOST_STANDS:
            return None
        for site, there in self._sites.items():
            self._add_nodes(site, there)
        self._add_limits()
        values = self._model.solve(gap=GAP, branches=BRANCHES)
        if values is None:
            return None
        for one in apart:
            one.member.parts = tuple(
                replace(part, place=int(one.places[part.place]))
                for part in one.columns.read(values)
            )
        choices = [
            [
                (int(place), 0, round(float(values[column])))
                for place, column in zip(one.places, one.columns, strict=True)
                if round(float(values[column]))
            ]
            for one in whole
        ]
        return choices if self._take(choices) else None

    def _add_case(self, case: Case) -> _Whole:
        counts, wait = case.felt
        open_ = case.open[:LISTED]
        most = len(case.group.members)
        columns = [
            self._model.column(float(counts[place, 0]) - wait, most, whole=True)
            for place in open_.tolist()
        ]
        self._model.row(0, most, [(column, 1.0) for column in columns])
        for place, column in zip(open_.tolist(), columns, strict=True):
            row = int(case.found.rows[place])
            for need in case.found.needs[place]:
                self._stand(row, need, column, need.count)
            if case.lot is not None:
                taken = self._spent.setdefault(case.group.shape.queue, [])
                taken.append((column, case.lot, place))
        return _Whole(case, open_, columns)

    def _add_member(self, member: Member) -> _Apart:
        replica, task = member.replica, member.task
        offers = self._parted.offers(member)
        able = np.flatnonzero(offers.room >= np.where(offers.grows, 1, task.least))
        places = able[short_list(task, offers.only(able), LISTED)].astype(np.int64)
        if not member.alone:
            places = places[:0]
        leave = self._model.column(member.wait_usd, 1, whole=True)
        columns = add_task(self._model, task, offers.only(places), leave)
        for place, column in zip(places.tolist(), columns.pods, strict=True):
            row = int(replica.found.rows[place])
            for need in replica.needs[place]:
                self._stand(row, need, column, 1)
            taken = self._spent.setdefault(member.workload.queue, [])
            taken.append((column, replica.lot, place))
        return _Apart(member, places, columns)

    def _stand(self, row: int, need: PodNeed, column: int, each: int) -> None:
        """Pods of a row stand on nodes of its site: `each` for one of a column."""
        site, accelerator = int(self._table.row_site[row]), self._table.row_accelerator[row]
        cells = [(column, -float(each))]
        there = self._sites.setdefault(site, _Site(_nodes(self._ledger.groups(site))))
        for place, node in enumerate(there.nodes):
            fits = room(node, need, accelerator) if need.tolerates(node.taints) else 0
            if fits <= 0:
                continue
            pods = self._model.column(0.0, float(fits * node.nodes), whole=True)
            there.stands.setdefault(place, []).append(_Stand(pods, need, accelerator))
            cells.append((pods, 1.0))
            self._stands += 1
        self._model.row(0.0, 0.0, cells)

    def _add_nodes(self, site: int, there: _Site) -> None:
        groups = there.nodes
        for place, stands in there.stands.items():
            node = groups[place]
            self._within(node.nodes * node.free_cpu_millis / 1000, stands, _cores)
            self._within(node.nodes * node.free_memory_bytes / _GIB, stands, _gib)
            self._within(node.nodes * node.free_pods, stands, _pods)
            self._add_chips(node, stands)
        kept = self._table.sites[site].reserved
        if kept != NO_RESERVE:
            every = [stand for stands in there.stands.values() for stand in stands]
            cpu = sum(max(0, n.free_cpu_millis) * n.nodes for n in groups) - kept.cpu_millis
            memory = sum(max(0, n.free_memory_bytes) * n.nodes for n in groups) - kept.memory_bytes
            chips = sum(max(0, f) * n.nodes for n in groups for *_, f in n.accelerators)
            self._within(max(0, cpu) / 1000, every, _cores)
            self._within(max(0, memory) / _GIB, every, _gib)
            self._within(max(0, chips - kept.accelerators), every, _units)

    def _add_chips(self, node: NodeShape, stands: Sequence[_Stand]) -> None:
        for accelerator in dict.fromkeys(stand.accelerator for stand in stands):
            mine = [s for s in stands if s.accelerator == accelerator and s.need.units]
            free = units_free(node, accelerator)
            for size in sorted({1, *(stand.need.units for stand in mine)}):
                cells = [(s.column, float(s.need.units // size)) for s in mine]
                self._model.row(-INFINITE, node.nodes * (free // size), cells)

    def _within(self, most: float, stands: Sequence[_Stand], of: _Amount) -> None:
        cells = [(stand.column, of(stand.need)) for stand in stands if of(stand.need) > 0]
        if cells:
            self._model.row(-INFINITE, most, cells)

    def _add_limits(self) -> None:
        """What queues may take in all."""
        for queue, taken in self._spent.items():
            rows: dict[int, list[tuple[int, float]]] = {}
            most: dict[int, float] = {}
            for column, lot, place in taken:
                for b, (amount, limit) in enumerate(self._limits.bounds(queue, lot)):
                    rows.setdefault(b, []).append((column, float(amount[place])))
                    most[b] = limit
            for b, cells in rows.items():
                self._model.row(-INFINITE, most[b], cells)

    def _take(self, choices: Choices) -> bool:
        """Take the solution from ledger and limits; False, and nothing taken, if it fits not."""
        before = self._ledger.view(), self._limits.saved()
        items: dict[int, list[Item]] = {}
        for case, chosen in zip(self._cases, choices, strict=True):
            for place, _, count in chosen:
                row = int(case.found.rows[place])
                for need in case.found.needs[place]:
                    self._item(items, row, need, need.count * count)
                if case.lot is not None:
                    self._limits.take(case.group.shape.queue, case.lot, place, count)
        for member in self._parted.members:
            for part in member.parts:
                replica = member.replica
                for need in replica.needs[part.place]:
                    self._item(items, int(replica.found.rows[part.place]), need, part.pods)
                self._limits.take(member.workload.queue, replica.lot, part.place, part.pods)
        if all(self._stands_at(site, there) for site, there in sorted(items.items())):
            return True
        self._ledger.restore(before[0])
        self._limits.restore(before[1])
        self._parted.restore()
        return False

    def _item(self, items: dict[int, list[Item]], row: int, need: PodNeed, count: int) -> None:
        site = int(self._table.row_site[row])
        accelerator = self._table.row_accelerator[row]
        items.setdefault(site, []).append((replace(need, count=count), accelerator))

    def _stands_at(self, site: int, items: list[Item]) -> bool:
        """Put all that goes to a site on its nodes, the largest pods first."""
        items.sort(key=lambda item: (-item[0].units, -item[0].cpu_millis, -item[0].memory_bytes))
        if sum(need.count for need, _ in items) > _MOST_PODS:
            return False
        left = repack(self._ledger.groups(site), items, Effort(_PACKING_STEPS))
        if left is None:
            return False
        self._ledger.put_back(site, left)
        return True


def _nodes(groups: Groups) -> Groups:
    """The same nodes, few alike ones apart."""
    found: list[NodeShape] = []
    for node in groups:
        few = node.nodes <= APART
        found += [times(node, 1)] * node.nodes if few else [node]
    return tuple(found)


def _cores(need: PodNeed) -> float:
    return need.cpu_millis / 1000


def _gib(need: PodNeed) -> float:
    return need.memory_bytes / _GIB


def _pods(_: PodNeed) -> float:
    return 1.0


def _units(need: PodNeed) -> float:
    return float(need.units)
