"""A federation in memory that does what plans say, node by node: for stories and for convergence.

Placements bind at once, tightest node first. Evictions take a cycle: until then the work is
leaving, and its pods stand. Nothing finishes by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.builders import NOW, POLICY, PRICES, SiteBuilder, WorkloadBuilder

from tradewind.api.inventory import HeldPods, NodeShape, Occupied
from tradewind.api.policy import PolicySpec
from tradewind.hardware.catalog import builtin_catalog
from tradewind.placement.config import EngineConfig
from tradewind.placement.demands import PodNeed, needs_on
from tradewind.placement.engine import plan
from tradewind.placement.packing import less, room
from tradewind.placement.plan import Assignment, Eviction, Plan
from tradewind.placement.queues import Queues
from tradewind.placement.snapshot import (
    CurrentPart,
    QueueView,
    SiteAccelerator,
    SiteView,
    Snapshot,
    Uid,
    WorkloadView,
)
from tradewind.placement.table import accelerators_of


@dataclass
class Node:
    """One node: what it has, and whose pods stand on it."""

    whole: NodeShape
    pods: list[tuple[Uid, PodNeed, SiteAccelerator | None]] = field(default_factory=list)

    @property
    def left(self) -> NodeShape:
        shape = self.whole
        for _, need, accelerator in self.pods:
            shape = less(shape, need, accelerator, 1, 1)
        return shape

    def held(self) -> tuple[HeldPods, ...]:
        found = []
        for uid in sorted({uid for uid, _, _ in self.pods}):
            mine = [(need, acc) for one, need, acc in self.pods if one == uid]
            chips: dict[str, int] = {}
            for need, acc in mine:
                if acc is not None and need.units:
                    chips[acc.resource_name] = chips.get(acc.resource_name, 0) + need.units
            found.append(
                HeldPods(
                    uid,
                    len(mine),
                    sum(need.cpu_millis for need, _ in mine),
                    sum(need.memory_bytes for need, _ in mine),
                    tuple(sorted(chips.items())),
                )
            )
        return tuple(found)


class World:
    """Sites with nodes, queues, and work that waits, runs or leaves.

    Args:
        sites: with all their nodes free.
        queues: what they hold is counted here.
        tells_nodes: whether the sites tell on which nodes pods stand.
    """

    def __init__(
        self,
        sites: Iterable[SiteBuilder | SiteView],
        queues: Mapping[str, QueueView] | None = None,
        *,
        prices: PolicySpec = PRICES,
        tells_nodes: bool = True,
        config: EngineConfig | None = None,
    ) -> None:
        views = [s.view if isinstance(s, SiteBuilder) else s for s in sites]
        self.sites = {view.name: view for view in views}
        self.nodes = {
            view.name: [
                Node(replace(shape, nodes=1))
                for shape in view.node_shapes
                for _ in range(shape.nodes)
            ]
            for view in views
        }
        self.queues = dict(queues or {})
        self.prices = prices
        self.tells_nodes = tells_nodes
        self.config = config or EngineConfig()
        self.now: datetime = NOW
        self.pending: dict[Uid, WorkloadView] = {}
        self.running: dict[Uid, WorkloadView] = {}
        self.leaving: dict[Uid, tuple[WorkloadView, Eviction]] = {}
        self.nominated: dict[Uid, str] = {}
        self.log: list[Plan] = []

    def __repr__(self) -> str:
        """What matters for a failing example."""
        chips = {
            name: [[free for _, _, free in node.whole.accelerators] for node in nodes]
            for name, nodes in self.nodes.items()
        }
        quotas = {
            name: view.spec.model_dump(exclude_defaults=True) for name, view in self.queues.items()
        }
        steps = [
            (
                [(e.uid, e.site, e.reason, e.by) for e in found.evictions],
                [(a.uid, a.site) for a in found.assignments],
            )
            for found in self.log[:12]
        ]
        return f"World({chips}, {quotas}, tells_nodes={self.tells_nodes}, log={steps})"

    def submit(self, *work: WorkloadBuilder | WorkloadView) -> None:
        for one in work:
            view = one.view if isinstance(one, WorkloadBuilder) else one
            self.pending[view.uid] = view

    def names(self, which: Iterable[Uid]) -> set[str]:
        return {uid.removeprefix("uid-") for uid in which}

    @property
    def at_work(self) -> dict[str, str]:
        """Name to site of what runs."""
        return {
            uid.removeprefix("uid-"): view.current[0].site for uid, view in self.running.items()
        }

    def snapshot(self, **more: object) -> Snapshot:
        base = Snapshot(
            sites=tuple(self._site(name) for name in self.sites),
            pending=tuple(
                replace(view, nominated_site=self.nominated.get(uid))
                for uid, view in self.pending.items()
            ),
            policies={POLICY: self.prices},
            catalog=builtin_catalog(),
            running=tuple(self.running.values()),
            evicting=tuple(view for view, _ in self.leaving.values()),
        )
        return replace(base, queues=self._held(base), **more)  # type: ignore[arg-type]

    def cycle(self, *, minutes: float = 1, **more: object) -> Plan:
        """Plan once and do it; then some time goes by."""
        found = plan(self.snapshot(**more), self.now, self.config)
        self.log.append(found)
        room_seen = not self.leaving  # by whoever is nominated
        for uid, (view, eviction) in list(self.leaving.items()):
            self._remove(uid)
            del self.leaving[uid]
            self.pending[uid] = replace(
                view,
                current=(),
                moved_at=self.now,
                nominated_site=eviction.target,
            )
            if eviction.target:
                self.nominated[uid] = eviction.target
        for assignment in found.assignments:
            self._start(assignment)
        if room_seen:
            self.nominated.clear()
        self.nominated.update({e.by: e.site for e in found.evictions if e.by})
        for eviction in found.evictions:
            view = self.running.pop(eviction.uid)
            target = eviction.target
            moving = eviction.reason in ("Moved", "Drained")
            gone = replace(view, nominated_site=target, moving=moving)
            self.leaving[eviction.uid] = (gone, eviction)
        self.now += timedelta(minutes=minutes)
        return found

    def settle(self, most: int = 30) -> int:
        """Cycles until a plan changes nothing any more; fails when that takes more than `most`."""
        for count in range(most):
            left = bool(self.leaving)
            found = self.cycle()
            if not (found.assignments or found.evictions or left):
                return count
        raise AssertionError(f"no rest after {most} cycles: {self.log[-2:]}")

    def held_units(self, queue: str) -> int:
        return sum(self._held(self.snapshot())[queue].held_units.values())

    def _site(self, name: str) -> SiteView:
        view = self.sites[name]  # type: ignore[index]
        nodes = self.nodes[name]  # type: ignore[index]
        occupied = tuple(Occupied(node.left, node.held()) for node in nodes if node.pods)
        return replace(
            view,
            node_shapes=tuple(node.left for node in nodes),
            occupied=occupied if self.tells_nodes else (),
        )

    def _held(self, base: Snapshot) -> dict[str, QueueView]:
        queues = Queues(base)
        found = {name: replace(view, held_units={}) for name, view in self.queues.items()}
        for view in (*base.running, *base.evicting):
            if view.queue not in found:
                continue
            for part in view.current:
                accelerator = self._accelerator(part)
                takes = queues.takes(
                    view.demand, part.class_name, accelerator and accelerator.resource_name
                )
                was = found[view.queue]
                units = dict(was.held_units)
                if takes.class_name:
                    units[takes.class_name] = units.get(takes.class_name, 0) + takes.units
                found[view.queue] = replace(
                    was,
                    held_units=units,
                    held_cpu_millis=was.held_cpu_millis + takes.cpu_millis,
                    held_memory_bytes=was.held_memory_bytes + takes.memory_bytes,
                )
        return found

    def _accelerator(self, part: CurrentPart) -> SiteAccelerator | None:
        return next(
            (a for a in accelerators_of(self.sites[part.site]) if a.class_name == part.class_name),
            None,
        )

    def _start(self, assignment: Assignment) -> None:
        view = self.pending.pop(assignment.uid)
        part = CurrentPart(
            assignment.site,
            assignment.class_name,
            assignment.replicas,
            assignment.epoch,
            self.now,
        )
        accelerator = self._accelerator(part)
        for need in needs_on(view.demand, accelerator):
            for _ in range(need.count):
                self._bind(view.uid, assignment.site, need, accelerator)
        self.running[view.uid] = replace(
            view, current=(part,), epoch=assignment.epoch, moving=False, nominated_site=None
        )
        self.nominated.pop(view.uid, None)

    def _bind(
        self, uid: Uid, site: str, need: PodNeed, accelerator: SiteAccelerator | None
    ) -> None:
        fitting = [
            node
            for node in self.nodes[site]  # type: ignore[index]
            if need.tolerates(node.whole.taints) and room(node.left, need, accelerator) > 0
        ]
        assert fitting, f"{uid} was placed at {site}, where it does not fit"
        best = min(
            fitting,
            key=lambda node: (
                sum(free for _, _, free in node.left.accelerators),
                node.left.free_cpu_millis,
                node.left.free_memory_bytes,
            ),
        )
        best.pods.append((uid, need, accelerator))

    def _remove(self, uid: Uid) -> None:
        for nodes in self.nodes.values():
            for node in nodes:
                node.pods = [pod for pod in node.pods if pod[0] != uid]
