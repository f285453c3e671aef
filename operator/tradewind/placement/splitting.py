"""How many replicas of one workload go to which row, at the least cost? Numbers in, numbers out.

The task, for candidates i (rows), and regions k in which consumers are:

    min   sum once[i] y[i] + sum each[i] n[i] + sum near[k, i] x[k, i]
    (1)   sum of n[i] = pods
    (2)   least * y[i] <= n[i] <= room[i] * y[i]
    (3)   fewest <= sum of y[i] <= most
    (4)   sum of y[i] over the candidates of one site <= 1
    (5)   sum over i of x[k, i] = asked[k];   sum over k of x[k, i] = n[i]
    (6)   sum of amount[b, i] n[i] <= limit[b]
    y in {0, 1}; n whole; x >= 0

x is which consumers a part serves: those of a region, in replicas that they keep busy. All replicas
are as busy as each other, and consumers are sent where that costs least in all, hence mostly to the
nearest part that is not full of others. Parts that stand serve too: their n is given.

Where one part may take all that the others leave, that is the optimum. Else the task is solved for
a short list of candidates: site by site (`stepwise.py`) where regions and (6) do not matter, by
HiGHS where they do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tradewind.placement import stepwise
from tradewind.placement.milp import INFINITE, Model
from tradewind.placement.table import F64, I64, Mask

#: The model gets so many candidates by each way of being good, and for each site that is allowed.
LISTED = 12
LISTED_PER_SITE = 2
#: As near to the optimum as HiGHS is asked to come, and how many branches it may look at for it.
GAP = 1e-4
BRANCHES = 2000

_NOTHING_USD = 1e-9


@dataclass(frozen=True, slots=True)
class Bound:
    """What all parts together may take of one thing: a quota, or a budget.

    Args:
        amount: (M,) of one replica on each candidate.
        limit: how much there is.
    """

    amount: F64
    limit: float


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be shared out.

    Args:
        pods: replicas.
        least: of each part.
        fewest: parts.
        most: parts.
    """

    pods: int
    least: int
    fewest: int
    most: int


@dataclass(frozen=True, slots=True)
class Offers:
    """The candidates.

    Args:
        site: (M,) the site of each.
        room: (M,) replicas that it can take.
        each: (M,) USD of a replica, its distance aside.
        once: (M,) USD of a part, whatever its size.
        near: (K, M) USD of a replica all of whose consumers are in a region.
        asked: (K,) replicas that each region's consumers keep busy, the standing ones included.
        bounds: what all parts together may take.
        grows: (M,) a part stands there: it may grow by any number, and is no new part.
        standing: (K, J) `near` of the parts that stand.
        standing_pods: (J,) their replicas.
    """

    site: I64
    room: I64
    each: F64
    once: F64
    near: F64
    asked: F64
    bounds: tuple[Bound, ...] = ()
    grows: Mask = field(default_factory=lambda: np.zeros(0, bool))
    standing: F64 = field(default_factory=lambda: np.zeros((0, 0)))
    standing_pods: F64 = field(default_factory=lambda: np.zeros(0))

    def only(self, places: I64) -> "Offers":
        """Some of the candidates."""
        return Offers(
            self.site[places],
            self.room[places],
            self.each[places],
            self.once[places],
            self.near[:, places],
            self.asked,
            tuple(Bound(bound.amount[places], bound.limit) for bound in self.bounds),
            self.grows[places],
            self.standing,
            self.standing_pods,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Replicas on a candidate.

    Args:
        place: of the candidate on M.
        pods: how many.
        serves: (K,) replicas that the consumers of each region keep busy there.
    """

    place: int
    pods: int
    serves: F64


Parts = tuple[Part, ...]


def usd_of(parts: Sequence[Part], offers: Offers) -> float:
    """USD of some parts, the distance of those that stand aside."""
    return sum(
        float(
            (0.0 if offers.grows[part.place] else offers.once[part.place])
            + part.pods * offers.each[part.place]
            + part.serves @ offers.near[:, part.place]
        )
        for part in parts
    )


def share(task: Task, offers: Offers) -> Parts | None:
    """The parts that cost least, by their places; None where none will do."""
    usable = (offers.room >= np.where(offers.grows, 1, task.least)) & np.isfinite(offers.each)
    places = np.flatnonzero(usable).astype(np.int64)
    here = offers.only(places)
    if not _may_fit(task, here):
        return None
    found = _by_hand(task, here)
    if found is None:
        listed = short_list(task, here)
        parts = _stepwise(task, here.only(listed)) or _solve(task, here.only(listed))
        found = None if parts is None else tuple(_moved(part, listed) for part in parts)
    return None if found is None else tuple(_moved(part, places) for part in found)


def roomiest(site: I64, room: I64) -> I64:
    """(sites,) the most room at each site, the largest first; of its classes only one counts."""
    order = np.lexsort((-room, site))
    first = np.ones(len(order), bool)
    first[1:] = site[order][1:] != site[order][:-1]
    return -np.sort(-room[order][first])


def _moved(part: Part, places: I64) -> Part:
    return Part(int(places[part.place]), part.pods, part.serves)


def _may_fit(task: Task, offers: Offers) -> bool:
    """Whether there are sites enough, and these have room enough, (6) aside."""
    new = ~offers.grows
    rooms = roomiest(offers.site[new], offers.room[new])
    grown = int(offers.room[offers.grows].sum())
    if len(rooms) < task.fewest or task.pods < task.fewest * task.least:
        return False
    return int(rooms[: task.most].sum()) + grown >= task.pods


def _within(parts: Sequence[Part], offers: Offers) -> bool:
    return all(
        sum(part.pods * bound.amount[part.place] for part in parts) <= bound.limit + _NOTHING_USD
        for bound in offers.bounds
    )


def _by_hand(task: Task, offers: Offers) -> Parts | None:
    """The optimum, where one part has room for all that the others leave; None where it has not.

    As few parts as may be, each of the others as small as may be: any other choice costs as much
    or more, if room and bounds are no object. So where they do not matter, this is the optimum.
    """
    if offers.grows.any() or len(offers.asked) > 1:
        return _whole(task, offers)
    each = offers.each + (offers.near[0] if len(offers.near) else 0.0)
    fewest, rest = max(1, task.fewest), task.pods - (max(1, task.fewest) - 1) * task.least
    small = offers.once + task.least * each
    order = np.lexsort((np.arange(len(small)), small))
    sites, first = np.unique(offers.site[order], return_index=True)
    best = order[first]
    rank = np.lexsort((best, small[best]))
    best, sites = best[rank], sites[rank]  # the best row of each site, the cheapest site first
    others = np.zeros(len(small))
    within = np.isin(offers.site, sites[: fewest - 1])
    at = {int(site): place for place, site in enumerate(sites.tolist())}
    of_site = np.array([at[int(site)] for site in offers.site.tolist()], np.int64)
    sums = np.concatenate(([0.0], np.cumsum(small[best])))
    others[~within] = sums[fewest - 1]
    others[within] = sums[fewest] - small[best[of_site[within]]]
    total = offers.once + rest * each + others
    main = int(np.lexsort((np.arange(len(total)), np.round(total, 9)))[0])
    if offers.room[main] < rest:
        return None
    places = [main, *best[sites != offers.site[main]][: fewest - 1].tolist()]
    parts = tuple(_part(p, rest if p == main else task.least, offers) for p in places)
    return parts if _within(parts, offers) else None


def _part(place: int, pods: int, offers: Offers) -> Part:
    return Part(place, pods, np.full(len(offers.asked), float(pods)))


def _whole(task: Task, offers: Offers) -> Parts | None:
    """The one part that has everything, where no division could cost less; else None."""
    if task.fewest > 1 or offers.grows.any() or len(offers.standing_pods):
        return None
    total = offers.once + task.pods * offers.each + offers.asked @ offers.near
    total = np.where(offers.room >= task.pods, total, np.inf)
    main = int(total.argmin())
    best = (offers.each + offers.near).min(axis=1)
    floor = float(offers.once.min() + offers.asked @ best)
    if not total[main] <= floor + _NOTHING_USD:
        return None
    part = (Part(main, task.pods, offers.asked.copy()),)
    return part if _within(part, offers) else None


def _stepwise(task: Task, offers: Offers) -> Parts | None:
    """The optimum site by site; None where regions or bounds matter, or it would take long."""
    if offers.grows.any() or len(offers.asked) > 1:
        return None
    each = offers.each + (offers.near[0] if len(offers.near) else 0.0)
    offer = stepwise.Offer(offers.site, offers.room, each, offers.once)
    if stepwise.cells(offer, task.pods, task.least, task.most) > stepwise.MOST_CELLS:
        return None
    divided = stepwise.divide(offer, task.pods, task.least, task.fewest, task.most)
    parts = tuple(_part(place, pods, offers) for place, pods in divided or ())
    return parts if _within(parts, offers) else None


def short_list(task: Task, offers: Offers, listed: int = LISTED) -> I64:
    """Places of candidates among which the optimum is, most likely; rising.

    The cheapest by what a replica costs in parts of several sizes and for each region, and the
    roomiest, of each sort of candidate that the bounds tell apart: parts of it fit wherever any do.
    """
    most = listed + LISTED_PER_SITE * min(task.most, task.pods)
    if len(offers.site) <= most:
        return np.arange(len(offers.site))
    even = -(-task.pods // max(1, min(task.most, task.pods)))
    keys: list[F64] = [-offers.room.astype(np.float64)]
    nears = [np.zeros(len(offers.site))]
    if len(offers.asked):
        nears = [*offers.near, offers.asked @ offers.near / task.pods]
    for size in dict.fromkeys((task.least, even, task.pods)):
        pods = np.minimum(offers.room, size)
        keys += [offers.once / pods + offers.each + near for near in nears]
    sorts = np.zeros(len(offers.site), np.int64)
    for bound in offers.bounds:
        sorts = sorts * 2 + (bound.amount > 0)
    kept: set[int] = set(np.flatnonzero(offers.grows).tolist())
    for sort in np.unique(sorts).tolist():
        places = np.flatnonzero(sorts == sort)
        for key in keys:
            order = np.lexsort((places, key[places]))
            kept.update(places[order[:most]].tolist())
    return np.array(sorted(kept), np.int64)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the unknowns of a task stand in a model.

    Args:
        pods: M columns n.
        serves: K lists of M columns x.
    """

    pods: list[int]
    serves: list[list[int]]

    def read(self, values: F64) -> Parts:
        """The parts of a solution."""
        taken = [round(float(values[column])) for column in self.pods]
        return tuple(
            Part(i, count, np.array([values[columns[i]] for columns in self.serves], np.float64))
            for i, count in enumerate(taken)
            if count > 0
        )


def _solve(task: Task, offers: Offers) -> Parts | None:
    """The parts by the model; None where it has no solution."""
    model = Model()
    columns = add_task(model, task, offers)
    for bound in offers.bounds:
        model.row(-INFINITE, bound.limit, list(zip(columns.pods, bound.amount, strict=True)))
    values = model.solve(gap=GAP, branches=BRANCHES)
    parts = () if values is None else columns.read(values)
    return parts if sum(part.pods for part in parts) == task.pods else None


def add_task(model: Model, task: Task, offers: Offers, leave: int | None = None) -> Columns:
    """Add what a task asks for to a model: everything above but (6).

    Args:
        model: to add to.
        task: what is to be shared out.
        offers: among which candidates.
        leave: a column that is 1 where nothing of it is placed; None: all of it is.
    """
    count = len(offers.site)
    room = np.minimum(offers.room, task.pods).astype(np.float64)
    once = np.where(offers.grows, 0.0, offers.once)
    used = [model.column(float(once[i]), 1, whole=True) for i in range(count)]
    pods = [model.column(float(offers.each[i]), float(room[i]), whole=True) for i in range(count)]
    left: list[tuple[int, float]] = [] if leave is None else [(leave, float(task.pods))]
    model.row(task.pods, task.pods, [*((column, 1.0) for column in pods), *left])
    for i in range(count):
        least = 0.0 if offers.grows[i] else float(task.least)
        model.row(0.0, INFINITE, [(pods[i], 1.0), (used[i], -least)])
        model.row(-INFINITE, 0.0, [(pods[i], 1.0), (used[i], -float(room[i]))])
    new = [(used[i], 1.0) for i in range(count) if not offers.grows[i]]
    model.row(-INFINITE, task.most, new)
    fewest: list[tuple[int, float]] = [] if leave is None else [(leave, float(task.fewest))]
    model.row(task.fewest, INFINITE, [*new, *fewest])
    for site in np.unique(offers.site).tolist():
        there = np.flatnonzero(offers.site == site).tolist()
        if len(there) > 1:
            model.row(0.0, 1.0, [(used[i], 1.0) for i in there])
    return Columns(pods, _consumers(model, offers, pods, leave))


def _consumers(
    model: Model, offers: Offers, pods: Sequence[int], leave: int | None
) -> list[list[int]]:
    """Columns x and rows (5); K lists of M columns."""
    count, stand = len(pods), len(offers.standing_pods)
    serves = []
    fixed = []
    for k, asked in enumerate(offers.asked.tolist()):
        serves.append([model.column(float(offers.near[k, i]), INFINITE) for i in range(count)])
        fixed.append([model.column(float(offers.standing[k, j]), INFINITE) for j in range(stand)])
        cells = [(column, 1.0) for column in (*serves[k], *fixed[k])]
        if leave is not None:
            unserved = model.column(0.0, INFINITE)
            model.row(-INFINITE, 0.0, [(unserved, 1.0), (leave, -asked)])
            cells.append((unserved, 1.0))
        model.row(asked, asked, cells)
    if serves:
        for i in range(count):
            model.row(0.0, 0.0, [*((s[i], 1.0) for s in serves), (pods[i], -1.0)])
        for j, given in enumerate(offers.standing_pods.tolist()):
            model.row(given, given, [(columns[j], 1.0) for columns in fixed])
    return serves
