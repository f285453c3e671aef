"""How does the simulated world look to placement? The snapshot that an operator would have frozen.

Views that have not changed are the same objects again, as the controller's store has it: a site's
view changes with the hour, and when its capacity does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.policy import PolicySpec
from tradewind.api.site import SignalState
from tradewind.placement.snapshot import (
    AcceleratorNeed,
    CurrentPart,
    Forecast,
    PlacementNeed,
    Pricing,
    RuntimeNeed,
    SignalValue,
    SiteName,
    SiteView,
    Snapshot,
    Uid,
    WorkloadView,
)
from tradewind.simulate.fleet import SiteNodes
from tradewind.simulate.replay import Progress
from tradewind.simulate.series import Series
from tradewind.simulate.world import World

#: Of a normal distribution, from the middle to the 90% quantile, in standard deviations.
_QUANTILE = 1.2816
_WEEK_STEPS = 168

KIND = "batch/v1/Job"
NAMESPACE = "simulated"


class Lens:
    """Makes placement's views of a world.

    Args:
        world: whose sites, signals and believed futures are shown.
        policy_name: of the policy of all workloads.
        policy: its prices.
    """

    def __init__(self, world: World, policy_name: str, policy: PolicySpec) -> None:
        self._world = world
        self._policy_name = policy_name
        self._policies = {policy_name: policy}
        self._start: datetime = world.scenario.start
        self._bases = [self._base(site) for site in range(len(world.sites))]
        self._views: list[tuple[int, int, SiteView] | None] = [None] * len(world.sites)
        self._hour = -1
        self._signals: list[SiteView] = []
        self._works: dict[int, WorkloadView] = {}
        self._serial = 0

    def at(self, now_s: float) -> datetime:
        """A moment of simulated time on the calendar."""
        return self._start + timedelta(seconds=now_s)

    def seconds(self, at: datetime) -> float:
        """A moment of the calendar in simulated time."""
        return (at - self._start).total_seconds()

    def snapshot(
        self,
        now_s: float,
        fleet: Iterable[SiteNodes],
        pending: Iterable[WorkloadView],
        running: Iterable[WorkloadView] = (),
        *,
        rebalance: bool = False,
    ) -> Snapshot:
        """All that is known at a time.

        Args:
            now_s: the time.
            fleet: what is free.
            pending: what is to be placed.
            running: what may be stopped.
            rebalance: look for moves among it.
        """
        self._serial += 1
        self._look(now_s)
        return Snapshot(
            sites=tuple(self._site(place, nodes) for place, nodes in enumerate(fleet)),
            pending=tuple(pending),
            running=tuple(running),
            policies=self._policies,
            catalog=self._world.catalog,
            rebalance=rebalance,
            serial=self._serial,
        )

    def workload(self, state: Progress, **more: object) -> WorkloadView:
        """A job as placement sees it.

        Args:
            state: how far it is.
            more: fields of the view that the planner remembers.
        """
        found = self._works.get(state.index)
        if found is None:
            found = self._works[state.index] = self._work(state)
        if state.epoch == 0 and not more:
            return found
        current: tuple[CurrentPart, ...] = ()
        if state.place is not None:
            current = (
                CurrentPart(
                    SiteName(self._world.sites[state.place.site].name),
                    state.place.class_name,
                    state.job.pods,
                    state.epoch,
                    self.at(state.since_s),
                ),
            )
        moved = None if state.stopped_s is None else self.at(state.stopped_s)
        return replace(
            found,
            epoch=state.epoch,
            current=current,
            done_s=state.done_s,
            moved_at=moved,
            **more,  # type: ignore[arg-type]
        )

    def _base(self, place: int) -> SiteView:
        world, site = self._world, self._world.sites[place]
        own, shared = site.pricing, world.scenario.pricing
        chips: Mapping[str, float] = {
            p.class_name: p.unit_usd_per_hour
            for p in world.places
            if p.site == place and p.class_name is not None
        }
        latency = {
            home.location.region: float(world.latency_ms[index, place])
            for index, home in enumerate(world.sites)
            if world.latency_ms[index, place] == world.latency_ms[index, place]
        }
        cpu = own.cpu_hour if own.cpu_hour is not None else shared.cpu_hour
        memory = own.memory_gib_hour if own.memory_gib_hour is not None else shared.memory_gib_hour
        return SiteView(
            name=SiteName(site.name),
            region=site.location.region,
            jurisdiction=site.location.jurisdiction,
            kinds=frozenset({KIND}),
            pue=_current(world.pue[place]),
            latency_ms=latency,
            pricing=Pricing(chips, cpu, memory),
        )

    def _look(self, now_s: float) -> None:
        """Take in the signals of a new hour."""
        world = self._world
        hour = int(now_s // world.carbon[0].step_s)
        if hour == self._hour:
            return
        self._hour = hour
        self._signals = [
            replace(
                base,
                carbon_intensity=_current(world.carbon[place].at(now_s)),
                price_per_mwh=_current(world.price[place].at(now_s)),
                carbon_forecast=self._forecast(
                    world.believed_carbon[place], world.carbon[place], now_s
                ),
                price_forecast=self._forecast(world.price[place], world.price[place], now_s),
            )
            for place, base in enumerate(self._bases)
        ]
        self._views = [None] * len(self._bases)

    def _forecast(self, believed: Series, truth: Series, now_s: float) -> Forecast:
        """What is believed of the hours to come, as sure as it was of the week that has passed.

        The present hour is known.
        """
        first = int(now_s // truth.step_s)
        values = believed.window(now_s, self._world.scenario.forecast_hours)
        values[0] = truth.at(now_s)
        spread = np.zeros(len(values))
        if believed is not truth:
            spread[1:] = values[1:] * _QUANTILE * _error(believed, truth, first)
        return Forecast(
            self.at(first * truth.step_s),
            truth.step_s,
            tuple(values.tolist()),
            low=tuple((values - spread).tolist()),
            high=tuple((values + spread).tolist()),
        )

    def _site(self, place: int, nodes: SiteNodes) -> SiteView:
        kept = self._views[place]
        if kept is not None and kept[0] == nodes.version:
            return kept[2]
        view = replace(
            self._signals[place],
            node_shapes=nodes.shapes,
            accelerators=nodes.accelerators,
            load=_current(nodes.load),
        )
        self._views[place] = (nodes.version, self._hour, view)
        return view

    def _work(self, state: Progress) -> WorkloadView:
        job, world = state.job, self._world
        home = world.index.get(job.home)
        origin = (
            () if home is None or not job.has_users else ((world.sites[home].location.region, 1.0),)
        )
        deadline = None if job.deadline_s is None else self.at(job.deadline_s)
        return WorkloadView(
            uid=uid_of(state.index),
            namespace=NAMESPACE,
            name=job.name,
            generation=1,
            created=self.at(job.arrival_s),
            demand=Demand(
                KIND, (PodDemand(job.pods, job.cpu_millis, job.memory_bytes, job.units),)
            ),
            priority=job.priority,
            workload_class=job.kind,
            accelerator=AcceleratorNeed(classes=job.classes),
            placement=PlacementNeed(
                jurisdictions=job.jurisdictions,
                latency_from=origin,
                max_latency_ms=job.max_latency_ms,
            ),
            runtime=RuntimeNeed(
                duration_s=job.known_s,
                reference_class=job.reference_class or world.config.reference_class,
                deadline=deadline,
                max_delay_s=job.max_delay_s,
                checkpoint_s=job.checkpoint_s,
                mean_only=job.mean_only,
            ),
            policy=self._policy_name,
        )


def uid_of(index: int) -> Uid:
    """A job's uid; as text they are in the order of arrival."""
    return Uid(f"{index:09}")


def _error(believed: Series, truth: Series, now_step: int) -> float:
    """Root mean square of the forecast's relative error over the last week."""
    first = max(0, now_step - _WEEK_STEPS)
    count = now_step - first
    if not count:
        return 0.0
    said, came = (series.window(first * truth.step_s, count) for series in (believed, truth))
    good = came > 0
    return float(np.sqrt(np.mean((said[good] / came[good] - 1) ** 2))) if good.any() else 0.0


def _current(value: float) -> SignalValue:
    return SignalValue(value, SignalState.CURRENT)
