"""What does one replica of a shape take and cost on each row, and what does a part of so many?

A part costs its share, by replicas, of what the whole costs on its row, so that parts of equal
price add up to the whole. Two terms are other:

    data      a part brings the whole input: which replica reads what is not known
    latency   by the consumers that the part serves, see `splitting.py`

A part runs as long as the whole. Parts that stand already cost nothing here, but serve consumers.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np

from tradewind.api.demand import Demand
from tradewind.placement.budgets import BILLED
from tradewind.placement.capacity import CapacityView
from tradewind.placement.demands import PodNeed
from tradewind.placement.feasibility import Evaluation, Evaluator
from tradewind.placement.limits import Lot
from tradewind.placement.plan import DECIMALS, TERM_INDEX, Term
from tradewind.placement.priced import MOST_USD, Costs, Footprint
from tradewind.placement.snapshot import CurrentPart, SiteName, WorkloadView
from tradewind.placement.splitting import Part
from tradewind.placement.table import F64, I64, Mask

# Terms that grow with the pods that are placed; others are of the workload, its standing parts
# included.
_BY_PODS = [TERM_INDEX[term] for term in (Term.HARDWARE, Term.ELECTRICITY, Term.CARBON)]
_OF_WHOLE = [TERM_INDEX[term] for term in (Term.QUEUEING, Term.WAITING, Term.MOVE, Term.POLICY)]
_BILLED = [TERM_INDEX[term] for term in BILLED]
_DATA, _LATENCY = TERM_INDEX[Term.DATA], TERM_INDEX[Term.LATENCY]

Gang = tuple[PodNeed, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """The parts of a workload that stand.

    Args:
        pods: (J,) replicas of each.
        near: (K, J) USD of a replica there, all of whose consumers are in one region.
        grows: (R',) rows of the class and site of one of them.
        taken: (R',) rows of their sites.
    """

    pods: F64
    near: F64
    grows: Mask
    taken: Mask


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of a workload that may be split, on the rows of its evaluation.

    Args:
        found: of all replicas that are to be placed.
        pods: how many these are.
        whole: of the whole workload, its standing parts included.
        needs: (R',) what one replica takes.
        pristine: (R',) replicas that fit on the snapshot's own node shapes.
        each: (R',) USD of a replica, its distance aside.
        once: (R',) USD of a part, whatever its size.
        near: (K, R') USD of a replica all of whose consumers are in one region.
        asked: (K,) replicas that the consumers of each region keep busy.
        lot: what a replica takes of its queue.
        standing: the parts that stand.
    """

    found: Evaluation
    pods: int
    whole: int
    needs: tuple[Gang, ...]
    pristine: I64
    each: F64
    once: F64
    near: F64
    asked: F64
    lot: Lot
    standing: Standing

    def costs(self, part: Part) -> Costs:
        """What a part of that size, which serves these consumers, costs on each row."""
        whole, share = self.found.costs, part.pods / self.pods
        if part.pods == self.whole:
            return whole
        terms = whole.terms.copy()
        terms[_BY_PODS] *= share
        terms[_OF_WHOLE] *= part.pods / self.whole
        terms[_LATENCY] = np.minimum(MOST_USD, part.serves @ self.near)
        terms[_DATA, self.standing.grows] = 0.0
        terms = np.round(terms, DECIMALS)
        return replace(
            whole,
            terms=terms,
            total=np.round(terms.sum(axis=0), DECIMALS),
            energy_kwh=whole.energy_kwh * share,
            carbon_kg=whole.carbon_kg * share,
        )

    def of(self, part: Part) -> Evaluation:
        """The evaluation of a part, as if it were a workload of its own."""
        found, takes, count = self.found, self.found.takes, part.pods
        costs, share = self.costs(part), part.pods / self.pods
        (pod,) = found.shape.demand.pods
        demand = Demand(found.shape.demand.kind, (replace(pod, count=count),))
        cores, memory = takes.cores * share, takes.memory_gib * share
        return replace(
            found,
            shape=replace(found.shape, demand=demand),
            needs=alike(self.needs, count),
            takes=Footprint(takes.units * share, cores, memory, takes.servers),
            costs=costs,
            order=np.lexsort((found.rows, costs.total, found.avoided[found.row_site])),
            gangs=self.pristine // count,
        )

    def lot_of(self, count: int) -> Lot:
        """What so many replicas take of their queue."""
        lot = self.lot
        return Lot(lot.rows, lot.units * count, lot.usd * count, lot.carbon_kg * count)


class Replicas:
    """Replicas of the shapes of a cycle; equal workloads without standing parts share one.

    Args:
        evaluator: of the cycle.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._known: dict[int, Replica] = {}

    def of(self, workload: WorkloadView, found: Evaluation) -> Replica:
        """One replica of a workload.

        Args:
            workload: which.
            found: of its shape.
        """
        if workload.current:
            return replica_of(found, self._evaluator, workload.current, workload.grows)
        known = self._known.get(id(found))
        if known is None or known.found is not found:
            known = self._known[id(found)] = replica_of(found, self._evaluator)
        return known


def replica_of(
    found: Evaluation,
    evaluator: Evaluator,
    standing: Sequence[CurrentPart] = (),
    grows: AbstractSet[SiteName] = frozenset(),
) -> Replica:
    """What one replica takes and costs.

    Args:
        found: of all replicas that are to be placed.
        evaluator: of the cycle.
        standing: the parts that stand.
        grows: sites where they may be given more pods.
    """
    pods, terms = found.shape.pods, found.costs.terms
    whole = pods + sum(part.replicas for part in standing)
    needs = alike(found.needs, 1)
    shares, by_region = evaluator.latency_by_region(found, found.row_site, found.costs.run_s)
    asked = whole * shares / shares.sum() if len(shares) else shares
    units = [sum(need.units for need in gang) for gang in needs]
    billed = terms[_BILLED].sum(axis=0) / pods
    near = by_region / asked[:, None]
    return Replica(
        found=found,
        pods=pods,
        whole=whole,
        needs=needs,
        pristine=_pristine(found, evaluator, needs),
        each=terms[_BY_PODS].sum(axis=0) / pods + terms[_OF_WHOLE].sum(axis=0) / whole,
        once=terms[_DATA],
        near=near,
        asked=asked,
        lot=Lot(found.rows, np.array(units, np.int64), billed, found.costs.carbon_kg / pods),
        standing=_standing(found, evaluator, (standing, grows), near, asked),
    )


def alike(gangs: Sequence[Gang], count: int) -> tuple[Gang, ...]:
    """Gangs of equal pods with so many pods each; the same gang stays the same object."""
    made: dict[int, Gang] = {}
    for gang in gangs:
        if id(gang) not in made:
            made[id(gang)] = tuple(replace(need, count=count) for need in gang)
    return tuple(made[id(gang)] for gang in gangs)


def _pristine(found: Evaluation, evaluator: Evaluator, needs: Sequence[Gang]) -> I64:
    room = np.zeros(len(needs), np.int64)
    kinds: dict[int, list[int]] = {}
    for place, gang in enumerate(needs):
        kinds.setdefault(id(gang), []).append(place)
    view = CapacityView(evaluator.table, {})
    for places in kinds.values():
        room[places] = view.survey(evaluator.entries, found.rows[places], needs[places[0]])
    return room


def _standing(
    found: Evaluation,
    evaluator: Evaluator,
    stand: tuple[Sequence[CurrentPart], AbstractSet[SiteName]],
    near: F64,
    asked: F64,
) -> Standing:
    table, (parts, may_grow) = evaluator.table, stand
    grows = np.zeros(len(found.rows), bool)
    taken = np.zeros(len(found.rows), bool)
    sites = np.array([table.index.get(part.site, -1) for part in parts], np.int64)
    for part, site in zip(parts, sites.tolist(), strict=True):
        here = np.flatnonzero(found.row_site == site)
        taken[here] = True
        for place in here.tolist():
            accelerator = table.row_accelerator[int(found.rows[place])]
            same = (accelerator.class_name if accelerator else None) == part.class_name
            grows[place] = same and part.site in may_grow
    far = near.mean(axis=1, keepdims=True) if len(found.rows) else np.zeros((len(asked), 1))
    there = np.repeat(far, len(parts), axis=1)
    known = np.flatnonzero(sites >= 0)
    if len(known) and len(asked):
        # A service runs as long everywhere; for other work the mean is near enough.
        run_s = np.full(len(known), found.costs.run_s.mean() if len(found.rows) else 0.0)
        _, by_region = evaluator.latency_by_region(found, sites[known], run_s)
        there[:, known] = by_region / asked[:, None]
    pods = np.array([part.replicas for part in parts], np.float64)
    return Standing(pods, there, grows, taken)
