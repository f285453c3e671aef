"""A plan becomes statuses: deferred starts, splits, evictions; what no longer holds does not."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from tests.clock import START, FakeClock, settle
from tests.unit.controller import works
from tests.unit.controller.sites import Sites, compute_site

from tradewind.api.fields import condition_of
from tradewind.api.policy import PlacementPolicy
from tradewind.api.site import SiteSignals
from tradewind.api.workload import WorkloadPhase
from tradewind.base.aio import Batcher
from tradewind.controller import lifecycle
from tradewind.controller.effects import DEFERRAL_AGE, PlanEffects
from tradewind.controller.evictions import Evictor
from tradewind.controller.freeze import Freezer
from tradewind.controller.loop import PlanningLoop
from tradewind.controller.nominations import Nominations
from tradewind.controller.refusals import SHUNNED_FOR, Refusals
from tradewind.controller.store import Record, Store
from tradewind.controller.summary import summarise
from tradewind.placement.config import EngineConfig
from tradewind.placement.plan import (
    Assignment,
    CostTerms,
    Deferred,
    Eviction,
    Explanation,
    Plan,
    Term,
)
from tradewind.placement.snapshot import SiteName, Snapshot, Uid

UID = Uid("uid-train")
A, B = SiteName("ulanqab"), SiteName("shaoxing")
LATER = START + timedelta(hours=3)


def cost(usd: float) -> CostTerms:
    return CostTerms((usd, *[0.0] * (len(Term) - 1)))


def why() -> Explanation:
    return Explanation("balanced", None)


def deferred(start: Any = LATER, site: SiteName = A, usd: float = 2.0) -> Plan:
    one = Deferred(UID, start, site, None, cost(usd), cost(5.0), why())
    return Plan(deferred=(one,))


def assigned(*parts: tuple[SiteName, int], epoch: int = 1) -> Plan:
    return Plan(
        tuple(
            Assignment(UID, site, None, None, pods, epoch, START, cost(pods), why())
            for site, pods in parts
        )
    )


def eviction(reason: str = "Preempted", *, epoch: int = 1, by: Uid | None = None) -> Plan:
    return Plan(evictions=(Eviction(UID, A, epoch, reason, "for eval, priority 5", by=by),))


@dataclass
class Scene:
    """A store with two engaged sites, and what takes plans over."""

    store: Store = field(default_factory=Store)
    sites: Sites = field(default_factory=Sites)
    written: list[str] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in (A, B):
            self.store.sites[name] = compute_site(name)
            self.sites.engage(name)
            self.sites.node(name, "n1")
        self.store.policies["balanced"] = PlacementPolicy.model_validate(
            {"metadata": {"name": "balanced"}, "spec": {}}
        )
        writer: Any = self
        self.nominations = Nominations(self.store, self.sites.runtimes.get)
        self.refusals = Refusals(self.store)
        self.evictor = Evictor(
            self.store,
            writer,
            config=EngineConfig(),
            on_evicted=lambda record, reason, _: self.told.append((record.label, reason)),
        )
        self.effects = PlanEffects(self.store, writer, self.evictor, self.nominations)
        nothing = SiteSignals()
        self.freezer = Freezer(
            self.store,
            runtime=self.sites.runtimes.get,
            signals=lambda _: nothing,
            default_policy="balanced",
            nominations=self.nominations,
            refusals=self.refusals,
        )

    def add(self, uid: str) -> None:
        self.written.append(uid)

    def take(self, made: Plan, now: Any = START) -> Any:
        decided_on = {record.uid: record.model for record in self.store.pending()}
        return self.effects.take(made, decided_on, now, self.freeze().running)

    def freeze(self) -> Snapshot:
        return self.freezer.freeze(1, START)


def shown(record: Record) -> Any:
    """The status as the writer would write it."""
    return summarise(record.model, record.status, START)


def placed(record: Record) -> Any:
    return condition_of(shown(record).conditions, "Placed")


# --- deferral


def test_a_deferred_start_is_told_with_its_hour_site_and_gain() -> None:
    scene = Scene()
    record = works.take(scene.store)
    assert scene.take(deferred()) == LATER
    assert shown(record).phase is WorkloadPhase.DEFERRED
    assert (placed(record).status, placed(record).reason) == ("False", "Deferred")
    assert "until 2026-11-24 11:00:00 UTC: ulanqab then costs 2.00 USD" in placed(record).message
    assert "a start now 5.00 USD" in placed(record).message
    decision = record.status.decision
    assert decision is not None
    assert (decision.start_at, decision.site, decision.cost_usd) == (LATER, A, 2.0)


def test_the_engine_is_told_what_the_last_cycle_meant_to_do() -> None:
    scene = Scene()
    works.take(scene.store)
    scene.take(deferred())
    (view,) = scene.freeze().pending
    assert (view.planned_start, view.planned_site) == (LATER, A)
    scene.take(assigned((B, 2)))
    (view,) = scene.freeze().running
    assert (view.planned_start, view.planned_site) == (None, None)


def test_the_same_deferral_is_not_written_again_for_a_cost_that_changed() -> None:
    scene = Scene()
    works.take(scene.store)
    scene.take(deferred())
    scene.take(deferred(usd=2.1), START + timedelta(seconds=60))
    assert scene.written == ["uid-train"]
    scene.take(deferred(usd=2.1), START + DEFERRAL_AGE)
    assert scene.written == ["uid-train"] * 2
    scene.take(deferred(site=B), START + DEFERRAL_AGE)
    assert scene.written == ["uid-train"] * 3


def test_what_waits_for_its_hour_does_not_wake_the_loop_when_pods_come_and_go() -> None:
    scene = Scene()
    works.take(scene.store)
    assert scene.store.has_waiting
    scene.take(deferred())
    assert (scene.store.has_pending, scene.store.has_waiting) == (True, False)


async def test_the_loop_wakes_when_the_first_start_is_due() -> None:
    scene, clock = Scene(), FakeClock()
    works.take(scene.store)
    batcher = Batcher(clock)
    loop = PlanningLoop(
        scene.store,
        scene.freezer,
        None,  # type: ignore[arg-type] - it keeps no house here
        _Deferring(scene.effects),  # type: ignore[arg-type]
        batcher,
        leading=lambda: True,
        engine=EngineConfig(),
        clock=clock,
        replan_s=3600,
        rebalance_s=3600,
    )
    await loop.cycle()
    woken = asyncio.create_task(batcher.wait())
    await clock.step(3 * 3600 - 1)
    assert not woken.done()
    await clock.step(1)
    await settle()
    assert woken.done()


@dataclass
class _Deferring:
    """Takes over a deferral, whatever was planned."""

    effects: PlanEffects

    def take(self, made: Plan, decided_on: Any, now: Any, running: Any) -> Any:
        assert made.assignments
        return self.effects.take(deferred(), decided_on, now)


# --- evictions


def running(scene: Scene, **spec: Any) -> Record:
    part = works.part(A, lifecycle.RUNNING, started_at=START - timedelta(minutes=50))
    return works.take(scene.store, status=works.status(part, decision=works.decision()), **spec)


def test_an_eviction_says_why_in_status_history_and_event_and_touches_nothing_else() -> None:
    scene = Scene()
    record = running(scene)
    scene.take(eviction())
    (part,) = record.status.placements
    assert part.phase is lifecycle.EVICTING
    assert part.message == "Preempted: for eval, priority 5"
    assert record.status.history[-1].reason == "Preempted"
    assert (record.status.history[-1].from_, record.status.history[-1].to) == ("", "")
    assert scene.told == [("research/train", "Preempted")]
    assert scene.written == ["uid-train"]
    gone = lifecycle.drop(record.status, A)
    scene.store.set_status(record, gone)
    assert record.pending
    assert placed(record).reason == "Preempted"
    assert placed(record).message == "for eval, priority 5"


@pytest.mark.parametrize(
    ("checkpoint", "done_s"), [({"interval": "20m"}, 2400.0), (None, 0.0), ({"interval": "1h"}, 0)]
)
def test_only_what_is_in_a_checkpoint_counts_as_done(checkpoint: Any, done_s: float) -> None:
    scene = Scene()
    spec = {"runtime": {"checkpoint": checkpoint}} if checkpoint else {}
    record = running(scene, **spec)
    scene.take(eviction())
    assert record.status.done_seconds == done_s
    scene.store.set_status(record, lifecycle.drop(record.status, A))
    (view,) = scene.freeze().pending
    assert view.done_s == done_s


def test_pods_that_are_pending_make_no_progress_though_their_job_has_begun() -> None:
    scene = Scene()
    part = works.part(A, lifecycle.DISPATCHED, started_at=START - timedelta(hours=3))
    runtime = {"checkpoint": {"interval": "20m"}}
    record = works.take(scene.store, status=works.status(part), runtime=runtime)
    (view,) = scene.freeze().running
    assert view.current[0].started_at is None
    scene.take(eviction())
    assert record.status.done_seconds == 0


def test_progress_is_counted_in_time_on_the_reference_class() -> None:
    scene = Scene()
    part = works.part(
        A,
        lifecycle.RUNNING,
        started_at=START - timedelta(hours=1),
        accelerator_class="nvidia-h100-sxm",
    )
    runtime = {"checkpoint": {"interval": "30m"}, "referenceClass": "nvidia-a100-sxm-80gb"}
    record = works.take(scene.store, status=works.status(part), runtime=runtime)
    scene.take(eviction("Moved"))
    # Measured matmul speed: 794.5 and 271.2 TFLOPS (hardware/catalog.csv).
    assert record.status.done_seconds == pytest.approx(3600 * 794.5 / 271.2, rel=1e-6)


def test_progress_of_several_runs_adds_up() -> None:
    scene = Scene()
    record = running(scene, runtime={"checkpoint": {"interval": "20m"}})
    scene.store.set_status(record, record.status.model_copy(update={"done_seconds": 100.0}))
    scene.take(eviction())
    assert record.status.done_seconds == 2500.0


@pytest.mark.parametrize(
    ("reason", "voluntary"),
    [("Moved", True), ("Paused", True), ("Drained", True), ("Preempted", False)],
)
def test_moves_and_pauses_begin_a_cooldown(reason: str, voluntary: bool) -> None:
    scene = Scene()
    record = running(scene)
    scene.take(eviction(reason))
    assert record.status.moved_at == (START if voluntary else None)


def test_an_eviction_of_another_epoch_is_passed_over() -> None:
    scene = Scene()
    record = running(scene)
    before = record.status
    scene.take(eviction(epoch=2))
    assert record.status is before
    assert scene.written == []


def test_an_eviction_of_work_whose_spec_changed_meanwhile_is_decided_anew() -> None:
    scene = Scene()
    record = running(scene, runtime={"checkpoint": {"interval": "20m"}})
    frozen = scene.freeze().running
    changed = works.raw(generation=2, status=record.status)
    scene.store.take_workload(changed)
    before = record.status
    scene.effects.take(eviction("Moved"), {}, START, frozen)
    assert record.status is before
    scene.effects.take(eviction("Moved"), {}, START, scene.freeze().running)
    assert record.status.placements[0].phase is lifecycle.EVICTING


@pytest.mark.parametrize(
    "phase", [lifecycle.EVICTING, lifecycle.LOST, lifecycle.SUCCEEDED, lifecycle.FAILED]
)
def test_only_work_that_is_at_work_is_evicted(phase: Any) -> None:
    scene = Scene()
    record = works.take(scene.store, status=works.status(works.part(A, phase)))
    before = record.status
    scene.take(eviction())
    assert record.status is before


# --- nominations


def test_a_nomination_lasts_until_a_cycle_has_seen_the_room() -> None:
    scene = Scene()
    victim = running(scene)
    scene.sites.pod(A, "p0", workload=victim.uid)
    heir = works.take(scene.store, "heir")
    scene.take(eviction(by=Uid(heir.uid)))

    def nominated() -> str | None:
        (view,) = (one for one in scene.freeze().pending if one.uid == heir.uid)
        return view.nominated_site

    assert [nominated(), nominated()] == [A, A]
    scene.store.set_status(victim, lifecycle.drop(victim.status, A))
    assert [nominated(), nominated()] == [A, A]  # its pods are still there
    scene.sites.pod_gone(A, "p0")
    assert nominated() == A
    assert nominated() is None


def test_a_nomination_ends_when_its_site_does_not_answer() -> None:
    scene = Scene()
    running(scene)
    heir = works.take(scene.store, "heir")
    scene.take(eviction(by=Uid(heir.uid)))
    scene.sites.runtimes[A].state.reachable = False
    assert scene.freeze().pending[0].nominated_site == A
    assert scene.freeze().pending[0].nominated_site is None


def test_a_site_that_refused_gets_nothing_of_a_workload_for_a_while() -> None:
    """Nor does a move bring it back there, once it runs elsewhere."""
    scene = Scene()
    record = works.take(scene.store)
    scene.freeze()
    scene.refusals.shun(record.uid, A, START)
    (view,) = scene.freeze().pending
    assert view.refused_sites == {A}
    scene.take(assigned((B, 2)))
    (view,) = scene.freeze().running
    assert view.refused_sites == {A}
    (view,) = scene.freezer.freeze(1, START + SHUNNED_FOR).running
    assert view.refused_sites == frozenset()


# --- splits


def split(scene: Scene, pods: int = 6, **spec: Any) -> Record:
    record = works.take(scene.store, pods=pods, placement={"split": {"maxSites": 2}}, **spec)
    scene.take(assigned((A, 4), (B, 2)))
    return record


def test_several_assignments_of_a_workload_are_the_parts_of_a_split() -> None:
    scene = Scene()
    record = split(scene)
    assert [
        (part.site, part.replicas, part.partial, part.completions)
        for part in record.status.placements
    ] == [(A, 4, True, 4), (B, 2, True, 2)]
    told = shown(record)
    assert (told.sites, told.replicas, told.desired_replicas) == (f"{A},{B}", 6, 6)
    assert record.status.decision is not None
    assert record.status.decision.cost_usd == 6.0
    assert record.status.decision.message == (
        "split: 4 at ulanqab for 4.00 USD; 2 at shaoxing for 2.00 USD"
    )
    assert not record.pending


def test_a_part_takes_its_own_room_and_no_more() -> None:
    scene = Scene()
    split(scene)
    assert {(one.site, one.replicas) for one in scene.freeze().assumed} == {(A, 4), (B, 2)}


def test_what_a_split_lost_is_placed_anew_and_the_rest_goes_on() -> None:
    scene = Scene()
    record = split(scene)
    status = lifecycle.step(record.status, A, lifecycle.LOST)
    scene.store.set_status(record, status)
    assert record.pending
    assert shown(record).phase is WorkloadPhase.PLACED
    assert (placed(record).status, placed(record).reason) == ("False", "PartlyPlaced")
    assert placed(record).message.startswith("4 of 6 pods have no site")
    (view,) = scene.freeze().pending
    assert view.demand.replicas == 4
    assert view.excluded_sites == {A}
    assert [(part.site, part.replicas) for part in view.current] == [(B, 2)]
    assert view.grows == frozenset()  # what a Job has begun stays as it is
    assert (view.placement.min_sites, view.placement.max_sites) == (0, 1)
    scene.store.sites["c"] = compute_site("c")
    scene.take(assigned((SiteName("c"), 4), epoch=2))
    assert [(p.site, p.epoch, p.replicas, p.completions) for p in record.status.placements] == [
        (A, 1, 4, 4),
        (B, 1, 2, 2),
        ("c", 2, 4, 4),
    ]
    assert not record.pending
    assert record.status.history[-1].reason == "Failover"


def test_a_split_job_has_succeeded_when_all_of_it_has() -> None:
    scene = Scene()
    record = split(scene)
    status = lifecycle.step(record.status, B, lifecycle.SUCCEEDED)
    scene.store.set_status(record, status)
    assert shown(record).phase is WorkloadPhase.RUNNING
    lost = lifecycle.step(status, A, lifecycle.LOST)
    assert not lifecycle.is_finished(lost)
    scene.store.set_status(record, lost)
    assert shown(record).phase is WorkloadPhase.RUNNING
    assert record.pending
    done = lifecycle.step(status, A, lifecycle.SUCCEEDED)
    assert lifecycle.is_finished(done)


def test_a_split_whose_every_part_is_gone_is_planned_whole() -> None:
    scene = Scene()
    record = split(scene)
    status = record.status
    for site in (A, B):
        status = lifecycle.evict(status, site, reason="Suspended", now=START)
    for site in (A, B):
        status = lifecycle.drop(status, site)
    scene.store.set_status(record, status)
    (view,) = scene.freeze().pending
    assert (view.demand.replicas, view.excluded_sites) == (6, frozenset())


def test_an_indexed_job_is_never_split() -> None:
    scene = Scene()
    raw = works.raw(placement={"split": {"maxSites": 3}})
    raw["spec"]["template"]["spec"]["completionMode"] = "Indexed"
    scene.store.take_workload(raw)
    (view,) = scene.freeze().pending
    assert view.placement.max_sites == 1


def test_a_part_is_never_placed_where_another_stands() -> None:
    scene = Scene()
    record = split(scene)
    scene.store.set_status(record, lifecycle.step(record.status, A, lifecycle.LOST))
    with pytest.raises(lifecycle.IllegalStepError):
        scene.take(assigned((B, 4), epoch=2))


# --- what stands


def test_what_stands_is_in_the_snapshot_with_its_parts_and_what_ended_is_not() -> None:
    scene = Scene()
    record = running(scene)
    (view,) = scene.freeze().running
    (part,) = view.current
    assert (part.site, part.replicas, part.epoch) == (A, 2, 1)
    assert part.started_at == START - timedelta(minutes=50)
    assert scene.freeze().running is scene.freeze().running
    scene.store.set_status(record, lifecycle.step(record.status, A, lifecycle.SUCCEEDED))
    assert scene.freeze().running == ()


async def test_running_work_is_looked_over_now_and_then_and_not_in_each_cycle() -> None:
    scene, clock = Scene(), FakeClock()
    asked: list[bool] = []

    class Listening(Freezer):
        def freeze(self, serial: int, now: Any, *, rebalance: bool = False) -> Snapshot:
            asked.append(rebalance)
            return super().freeze(serial, now, rebalance=rebalance)

    nothing = SiteSignals()
    freezer = Listening(
        scene.store,
        runtime=scene.sites.runtimes.get,
        signals=lambda _: nothing,
        default_policy="balanced",
    )
    loop = PlanningLoop(
        scene.store,
        freezer,
        None,  # type: ignore[arg-type] - it keeps no house here
        scene.effects,
        Batcher(clock),
        leading=lambda: True,
        engine=EngineConfig(),
        clock=clock,
        replan_s=15,
        rebalance_s=60,
    )
    await clock.step(60)
    await loop.cycle()
    assert asked == []  # nothing runs, nothing waits
    running(scene)
    await loop.cycle()
    assert asked == []
    await clock.step(60)
    await loop.cycle()
    await loop.cycle()
    assert asked == [True]
    works.take(scene.store, "eval")
    await loop.cycle()
    assert asked == [True, False]


def test_work_that_is_sent_elsewhere_keeps_its_room_there_and_counts_as_moving() -> None:
    scene = Scene()
    record = running(scene)
    made = Eviction(UID, A, 1, "Moved", "saves 3 USD", target=B)
    scene.take(Plan(evictions=(made,)))
    (view,) = scene.freeze().evicting
    assert (view.moving, [part.site for part in view.current]) == (True, [A])
    assert view.nominated_site == B
    assert (placed(record).status, placed(record).reason) == ("False", "Evicting")
    assert placed(record).message == "Moved: saves 3 USD; waits until its pods are gone from " + A
    assert scene.freeze().running == ()
    scene.store.set_status(record, lifecycle.drop(record.status, A))
    (view,) = scene.freeze().pending
    assert (view.nominated_site, view.moving) == (B, True)
    scene.take(assigned((B, 2), epoch=2))
    (view,) = scene.freeze().running
    assert view.moving
    running_there = lifecycle.step(record.status, B, lifecycle.RUNNING, started_at=START)
    scene.store.set_status(record, running_there)
    (view,) = scene.freeze().running
    assert not view.moving


def test_work_that_ran_at_its_target_has_arrived_whatever_comes_then() -> None:
    scene = Scene()
    record = running(scene)
    scene.take(Plan(evictions=(Eviction(UID, A, 1, "Drained", "", target=B),)))
    scene.store.set_status(record, lifecycle.drop(record.status, A))
    scene.take(assigned((B, 2), epoch=2))
    assert lifecycle.sent_elsewhere(record.status) == "Drained"
    ran = lifecycle.step(record.status, B, lifecycle.RUNNING, started_at=START)
    scene.store.set_status(record, lifecycle.step(ran, B, lifecycle.LOST))
    (view,) = scene.freeze().pending
    assert not view.moving
    scene.take(assigned((A, 2), epoch=3))
    assert lifecycle.sent_elsewhere(record.status) is None


def test_a_move_whose_target_was_lost_before_it_ran_is_still_under_way() -> None:
    scene = Scene()
    record = running(scene)
    scene.take(Plan(evictions=(Eviction(UID, A, 1, "Moved", "", target=B),)))
    # The old site falls silent, and keeps the run that it had.
    scene.store.set_status(record, lifecycle.step(record.status, A, lifecycle.LOST))
    scene.take(assigned((B, 2), epoch=2))
    scene.store.set_status(record, lifecycle.step(record.status, B, lifecycle.LOST))
    (view,) = scene.freeze().pending
    assert view.moving


def test_the_cool_down_and_the_move_under_way_outlive_a_restart() -> None:
    scene = Scene()
    record = running(scene)
    scene.take(Plan(evictions=(Eviction(UID, A, 1, "Moved", "", target=B),)))
    scene.store.set_status(record, lifecycle.drop(record.status, A))
    again = Scene()
    works.take(again.store, status=record.status)
    (view,) = again.freeze().pending
    # Where room was kept for it is decided anew.
    assert (view.moved_at, view.moving, view.nominated_site) == (START, True, None)


def test_preempted_work_is_not_moving() -> None:
    scene = Scene()
    running(scene)
    scene.take(eviction())
    (view,) = scene.freeze().evicting
    assert not view.moving
