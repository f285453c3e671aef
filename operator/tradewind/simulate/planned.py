"""Tradewind itself, in the simulator: every decision is the engine's (`placement.engine`).

A cycle is planned when work arrives, when room comes free for work that waits, when a start that
was put off is due, and every hour, because signals and forecasts change then: what runs is looked
over for pauses and, where the policy has `rebalance`, for moves. Between the hours only what is new
is given to `plan()`: nothing is held back for deferred work, so that its being there would change
nothing for the others. What is stopped is gone at once, and placed again at the same moment.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tradewind.api.policy import PolicySpec
from tradewind.placement.engine import Planner
from tradewind.placement.plan import Plan
from tradewind.placement.snapshot import SiteName, WorkloadView
from tradewind.simulate.replay import Action, Desk, Moment, Start, Stop, Wake
from tradewind.simulate.views import Lens
from tradewind.simulate.world import Place, World


class Planned:
    """A PlacementPolicy, by way of the engine.

    Args:
        name: of the policy.
        policy: its prices.
        world: in which it plans.
    """

    def __init__(self, name: str, policy: PolicySpec, world: World) -> None:
        self.name = name
        self._world = world
        self._planner = Planner(world.config)
        self._lens = Lens(world, name, policy)
        self._places: dict[tuple[str, str | None], Place] = {
            (world.sites[place.site].name, place.class_name): place for place in world.places
        }
        self._remembered: dict[int, dict[str, Any]] = {}
        self._deferred: set[int] = set()
        self._moving: dict[int, SiteName] = {}
        self._waiting: dict[int, None] = {}
        self._running: dict[int, None] = {}
        self._tick_s = -1.0

    def decide(self, moment: Moment, desk: Desk) -> Iterable[Action]:
        """Plan a cycle."""
        hourly = moment.now_s == self._tick_s and not (moment.stopped or moment.unbound)
        for index in moment.unbound:
            self._running.pop(index, None)
            self._waiting[index] = None
        asked = self._asked(moment, hourly=hourly)
        for index in [index for index in self._running if desk.jobs[index].finished]:
            del self._running[index]
        watched = self._watched(desk) if hourly else []
        if asked or watched:
            found = self._planner.plan(
                self._lens.snapshot(
                    moment.now_s,
                    desk.fleet,
                    [self._view(index, desk) for index in asked],
                    [self._view(index, desk) for index in watched],
                    rebalance=hourly,
                ),
                self._lens.at(moment.now_s),
            )
            yield from self._carry_out(found, moment.now_s)
        yield from self._next_tick(moment.now_s)

    def _asked(self, moment: Moment, *, hourly: bool) -> list[int]:
        """Whom this cycle is about, each once, in the order of arrival."""
        due = {index for index in moment.woken if index in self._deferred}
        asked = {*moment.arrived, *moment.stopped, *due}
        if hourly:
            asked |= self._deferred
        if hourly or moment.freed:
            asked |= self._waiting.keys()
        for index in moment.stopped:
            self._running.pop(index, None)
        return sorted(asked)

    def _watched(self, desk: Desk) -> list[int]:
        """Running work that may be stopped: what else runs, nothing can be done about."""
        return [index for index in self._running if desk.jobs[index].job.checkpoint_s is not None]

    def _view(self, index: int, desk: Desk) -> WorkloadView:
        more = self._remembered.get(index, {})
        if index in self._moving:
            more = {**more, "moving": True, "nominated_site": self._moving[index]}
        return self._lens.workload(desk.jobs[index], **more)

    def _carry_out(self, found: Plan, now_s: float) -> Iterable[Action]:
        for eviction in found.evictions:
            if eviction.target is not None:
                self._moving[int(eviction.uid)] = eviction.target
            yield Stop(int(eviction.uid), eviction.reason)
        for assignment in found.assignments:
            index = int(assignment.uid)
            self._forget(index)
            self._moving.pop(index, None)
            self._running[index] = None
            yield Start(index, self._places[assignment.site, assignment.class_name])
        for waiting in found.waiting:
            index = int(waiting.uid)
            self._forget(index)
            self._waiting[index] = None
        for deferred in found.deferred:
            index = int(deferred.uid)
            self._waiting.pop(index, None)
            self._deferred.add(index)
            start, site = deferred.start_at, deferred.site
            self._remember(index, start, site)
            yield Wake(max(now_s, self._lens.seconds(start)), (index,))

    def _remember(self, index: int, start: datetime, site: SiteName) -> None:
        self._remembered[index] = {"planned_start": start, "planned_site": site}

    def _forget(self, index: int) -> None:
        self._remembered.pop(index, None)
        self._deferred.discard(index)
        self._waiting.pop(index, None)

    def _next_tick(self, now_s: float) -> Iterable[Action]:
        """Ask again with the next hour, while there is anything that it could change."""
        if not (self._deferred or self._waiting or self._running):
            return
        step_s = self._world.carbon[0].step_s
        ahead_s = (now_s // step_s + 1) * step_s
        if ahead_s != self._tick_s:
            self._tick_s = ahead_s
            yield Wake(ahead_s)
