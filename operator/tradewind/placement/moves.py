"""Which running work is moved to a better site, or away from one that is being drained?

Only work that writes checkpoints moves, as a whole, and only where its target has room now. Staying
costs what is left of the run here; going costs what is left of it there, data and queueing
included, and the move itself:

    lost     what ran since the last checkpoint, at most its interval, is done again there
    restart  `EngineConfig.restart_s` on the target's hardware without any progress
    waiting  hours lost * USD/h of waiting
    move     accelerators * hours lost * movePerAcceleratorHour

with the hours lost = lost + restart + transfer. A move pays when going costs less than staying by
`minSaving` of what staying costs. Draining sites come first and ask for no saving.

Work that is alike, at one place and with about as much left, is looked at together, and only so
many kinds in one cycle: the next cycles see to the others.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zlib import crc32

import numpy as np

from tradewind.api.policy import PolicySpec, Rebalance
from tradewind.hardware.catalog import Catalog
from tradewind.placement.capacity import Ledger
from tradewind.placement.config import EngineConfig
from tradewind.placement.feasibility import Evaluation
from tradewind.placement.inputs import price_or_zero
from tradewind.placement.plan import TERM_INDEX, Eviction, Term
from tradewind.placement.progress import left_s, rounded_down, speed_ratio, whole
from tradewind.placement.queues import Queues
from tradewind.placement.shapes import Shape, shape_of
from tradewind.placement.snapshot import CurrentPart, SiteAccelerator, Snapshot, WorkloadView
from tradewind.placement.table import F64, Mask, SiteTable

MOVED, DRAINED = "Moved", "Drained"

#: Kinds of running work that one cycle looks at.
MOST_KINDS = 64

#: Running work that one cycle sorts into kinds: 20 microseconds each, on one core of a small
#: machine, so that new work waits for it half a second at most.
MOST_LOOKED_AT = 20_000

# Terms that are paid when work starts: who stays has paid them.
_AT_START = [TERM_INDEX[term] for term in (Term.DATA, Term.QUEUEING, Term.WAITING)]

#: Where a shape may go and at what cost.
Evaluate = Callable[[Shape, PolicySpec], Evaluation]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Running work that is looked at together.

    Args:
        shape: with what is left as its duration, rounded down: more would promise savings.
        part: of one of them: where they run and on what.
        draining: their site is being drained.
    """

    shape: Shape
    part: CurrentPart
    draining: bool


@dataclass(frozen=True, slots=True)
class Move:
    """A move that would pay.

    Args:
        workload: which.
        part: where it runs.
        draining: its site is being drained.
        place: of the target on R' of `found`.
        stay_usd: what is left costs here; NaN where that is not known.
        go_usd: what is left costs there, without the move itself.
        move_usd: the move itself.
        found: of its shape.
    """

    workload: WorkloadView
    part: CurrentPart
    draining: bool
    place: int
    stay_usd: float
    go_usd: float
    move_usd: float
    found: Evaluation

    @property
    def saving_usd(self) -> float:
        """What the move saves, its own price deducted."""
        return self.stay_usd - self.go_usd - self.move_usd


class Moves:
    """Looks for moves, once what waits has been placed.

    Args:
        snapshot: what runs.
        table: the sites.
        ledger: what is free; targets are taken from it.
        queues: as they stand.
        evaluate: where a shape may go and at what cost.
        config: stated figures.
        now: of the cycle.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        table: SiteTable,
        ledger: Ledger,
        queues: Queues,
        evaluate: Evaluate,
        *,
        config: EngineConfig,
        now: datetime,
    ) -> None:
        self._snapshot = snapshot
        self._catalog: Catalog = snapshot.catalog
        self._table = table
        self._ledger = ledger
        self._queues = queues
        self._evaluate = evaluate
        self._config = config
        self._now = now
        self._draining = {site.name for site in snapshot.sites if site.draining}

    def choose(self, leave: frozenset[str] = frozenset()) -> tuple[Eviction, ...]:
        """The moves to begin now, within each policy's bound on those under way.

        Args:
            leave: uids that are not to be moved: they have to go already.
        """
        under_way = sum(
            workload.moving
            for workloads in (
                self._snapshot.pending,
                self._snapshot.running,
                self._snapshot.evicting,
            )
            for workload in workloads
        )
        paying = [
            move for kind, members in self._kinds(leave) for move in self._worth(kind, members)
        ]
        paying.sort(key=lambda move: (not move.draining, -move.saving_usd, move.workload.uid))
        evictions: list[Eviction] = []
        for move in paying:
            most = self._rules(move.workload).max_concurrent_moves
            if under_way + len(evictions) >= most:
                continue
            row = int(move.found.rows[move.place])
            if self._ledger.take(row, move.found.needs[move.place]):
                evictions.append(self._eviction(move))
        return tuple(evictions)

    def _rules(self, workload: WorkloadView) -> Rebalance:
        policy = self._snapshot.policies.get(workload.policy)
        return (policy.rebalance if policy else None) or Rebalance()

    def _kinds(self, leave: frozenset[str]) -> list[tuple[_Kind, list[WorkloadView]]]:
        """Work that may be moved, by kind; at most `MOST_KINDS`, draining sites' first."""
        kinds: dict[_Kind, list[WorkloadView]] = {}
        for workload in self._looked_at():
            if workload.uid not in leave and self._may_move(workload):
                kinds.setdefault(self._kind(workload), []).append(workload)
        drained = [kind for kind in kinds if kind.draining]
        others = [kind for kind in kinds if not kind.draining]
        chosen = (*self._turn(drained), *self._turn(others))[:MOST_KINDS]
        return [(kind, kinds[kind]) for kind in chosen]

    def _looked_at(self) -> Iterable[WorkloadView]:
        """What runs, or where very much does, another part of it in each cycle.

        By its uid, not its place: snapshots come in any order. Draining sites are looked at whole.
        """
        running = self._snapshot.running
        parts = -(-len(running) // MOST_LOOKED_AT)
        if parts <= 1:
            return running
        turn = self._snapshot.serial % parts
        return (
            workload
            for workload in running
            if crc32(workload.uid.encode()) % parts == turn
            or (self._draining and any(part.site in self._draining for part in workload.current))
        )

    def _turn(self, kinds: list[_Kind]) -> list[_Kind]:
        """Another part of many in each cycle: what has nowhere to go must not hide the rest."""
        if len(kinds) <= MOST_KINDS:
            return kinds
        first = self._snapshot.serial * MOST_KINDS % len(kinds)
        return kinds[first:] + kinds[:first]

    def _may_move(self, workload: WorkloadView) -> bool:
        if workload.runtime.checkpoint_s is None or workload.moving or not whole(workload):
            return False
        policy = self._snapshot.policies.get(workload.policy)
        (part,) = workload.current
        if policy is None or part.site in self._draining:
            return policy is not None
        if policy.rebalance is None or part.started_at is None:
            return False
        since = max(part.started_at, workload.moved_at or part.started_at)
        return (self._now - since).total_seconds() >= policy.rebalance.cooldown

    def _kind(self, workload: WorkloadView) -> _Kind:
        (part,) = workload.current
        remaining_s = left_s(workload, part, self._now, catalog=self._catalog, config=self._config)
        runtime = replace(workload.runtime, duration_s=rounded_down(remaining_s))
        shape = replace(shape_of(workload), runtime=runtime)
        alike = CurrentPart(part.site, part.class_name, part.replicas, 0)
        return _Kind(shape, alike, part.site in self._draining)

    def _worth(self, kind: _Kind, members: list[WorkloadView]) -> list[Move]:
        """The moves of a kind that pay; all members get the same target while it has room."""
        policy = self._snapshot.policies[kind.shape.policy]
        if not (kind.shape.runtime.duration_s or 0.0) > 0:
            return []
        found = self._evaluate(kind.shape, policy)
        if not len(found.rows):
            return []
        site = self._table.index.get(kind.part.site, -1)
        sites = self._table.row_site[found.rows]
        here = [
            place
            for place in np.flatnonzero(sites == site).tolist()
            if self._class_of(found, place) == kind.part.class_name
        ]
        totals, terms = found.costs.total, found.costs.terms
        stay = float(totals[here[0]] - terms[_AT_START, here[0]].sum()) if here else float("nan")
        price = self._price(kind, policy, found)
        room = found.room(self._ledger.view())
        may = (room > 0) & (sites != site) & ~found.avoided[sites] & np.isfinite(price)
        may &= self._within_limits(kind, members[0], found)
        if not may.any():
            return []
        going = np.where(may, totals + price, np.inf)
        place = int(np.lexsort((found.rows, going))[0])
        go, move = float(totals[place]), float(price[place])
        least = self._rules(members[0]).min_saving
        pays = stay - go - move >= least * stay and stay > go + move
        if not (kind.draining or pays):
            return []
        return [
            Move(workload, workload.current[0], kind.draining, place, stay, go, move, found)
            for workload in members[: int(room[place])]
        ]

    def _price(self, kind: _Kind, policy: PolicySpec, found: Evaluation) -> F64:
        """(R',) USD of the move itself to each row."""
        costs, config = found.costs, self._config
        runtime = kind.shape.runtime
        lost_s = max(0.0, runtime.checkpoint_s or 0.0)
        ratio = speed_ratio(runtime, kind.part.class_name, self._catalog, config)
        again = lost_s * ratio / (runtime.duration_s or 1.0)
        per_run = costs.total - costs.terms[_AT_START].sum(axis=0)
        hours = (lost_s + config.restart_s + costs.transfer_s) / 3600
        units = np.array([sum(pod.count * pod.units for pod in pods) for pods in found.needs])
        price: F64 = (
            per_run * (again + config.restart_s / np.maximum(1.0, costs.run_s))
            + (lost_s + config.restart_s) / 3600 * price_or_zero(policy.wait_per_hour)
            + units * hours * price_or_zero(policy.move_per_accelerator_hour)
        )
        return price

    def _within_limits(self, kind: _Kind, workload: WorkloadView, found: Evaluation) -> Mask:
        """(R',) whether its queue may hold it there, once it holds it no more here."""
        queue = self._queues.standings.get(workload.queue)
        if queue is None or not queue.lines:
            return np.ones(len(found.rows), bool)
        trial = queue.copy()
        here = self._table.index.get(kind.part.site)
        held = next(
            (a for a in self._table.row_accelerator if a and a.class_name == kind.part.class_name),
            None,
        )
        if here is not None and held is not None:
            takes = self._queues.takes(workload.demand, held.class_name, held.resource_name)
            trial.add(takes, self._catalog, sign=-1)
        known: dict[SiteAccelerator | None, bool] = {}
        for row in found.rows.tolist():
            there = self._table.row_accelerator[row]
            if there not in known:
                name, resource = (there.class_name, there.resource_name) if there else (None, None)
                takes = self._queues.takes(workload.demand, name, resource)
                known[there] = all(
                    line.held + takes.units <= trial.most(line, promised=False)
                    for line in trial.lines_of(takes, self._catalog)
                )
        return np.array([known[self._table.row_accelerator[r]] for r in found.rows.tolist()], bool)

    def _class_of(self, found: Evaluation, place: int) -> str | None:
        accelerator = self._table.row_accelerator[int(found.rows[place])]
        return accelerator.class_name if accelerator else None

    def _eviction(self, move: Move) -> Eviction:
        target = self._table.sites[int(self._table.row_site[move.found.rows[move.place]])].name
        if move.draining:
            message = f"{move.part.site} is being drained: moves to {target}"
        else:
            share = move.saving_usd / move.stay_usd if move.stay_usd > 0 else 0.0
            message = (
                f"what is left costs {move.stay_usd:.2f} USD here, {move.go_usd:.2f} at {target}"
                f" and {move.move_usd:.2f} for moving: saves {share:.0%}"
            )
        return Eviction(
            uid=move.workload.uid,
            site=move.part.site,
            epoch=move.part.epoch,
            reason=DRAINED if move.draining else MOVED,
            message=message,
            target=target,
        )
