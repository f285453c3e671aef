"""From when to when work is metered, whatever happens to it, and how often that is written."""

from dataclasses import replace

import pytest
from tests.unit.controller import works
from tests.unit.controller.metered import FIGURES, INTERVAL_S, SITE, Scene, at, hours, usage

from tradewind.controller import lifecycle
from tradewind.controller.meter import JITTER
from tradewind.controller.summary import summarise
from tradewind.workloads.adapter import ObservedState

PENDING, RUNNING = ObservedState.PENDING, ObservedState.RUNNING
SUCCEEDED, FAILED = ObservedState.SUCCEEDED, ObservedState.FAILED


def running(scene: Scene, name: str = "train", site: str = SITE, **spec: object):
    record = scene.take(works.part(site, lifecycle.DISPATCHED), name=name, **spec)
    scene.see(record, RUNNING, started=scene.clock.now(), site=site)
    return record


def test_finished_work_is_metered_from_its_start_to_its_end_to_the_second() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(4000)
    scene.see(record, SUCCEEDED, started=at(0), finished=at(3600))
    assert hours(record) == pytest.approx(1.0)
    assert usage(record).through == at(3600)
    assert usage(record).estimated_hours == 0
    scene.run_for(1000)
    assert hours(record) == pytest.approx(1.0)


def test_a_running_workload_s_usage_grows_while_it_runs() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(INTERVAL_S * (1 + JITTER) + 1)
    first = hours(record)
    assert first > 0
    scene.run_for(INTERVAL_S * (1 + JITTER) + 1)
    assert hours(record) > first


def test_usage_is_written_at_most_once_an_interval_for_each_workload() -> None:
    scene = Scene()
    for number in range(5):
        running(scene, f"w{number}")
    scene.run_for(600)
    for number in range(5):
        count = scene.written.count(f"uid-w{number}")
        assert 600 / (INTERVAL_S * (1 + JITTER)) - 1 <= count <= 600 / INTERVAL_S


def test_with_very_many_running_the_interval_grows_and_the_hub_is_spared() -> None:
    scene = Scene()
    scene.meter._writes_per_second = 0.5
    for number in range(100):
        running(scene, f"w{number}")
    scene.run_for(600)
    assert len(scene.written) <= 600 * 0.5 * 1.1


def test_work_that_waits_is_never_looked_at() -> None:
    scene = Scene()
    scene.take(works.part(SITE, lifecycle.DISPATCHED))
    works.take(scene.store, "waits")
    scene.run_for(1000)
    assert scene.written == []
    assert scene.meter._due == []


def test_pods_that_wait_for_a_start_are_charged_from_the_start_when_they_run() -> None:
    scene = Scene()
    record = scene.take(works.part(SITE, lifecycle.DISPATCHED))
    scene.run_for(100)
    scene.see(record, PENDING, started=at(40))
    assert record.status.usage is None
    scene.run_for(100)
    scene.see(record, RUNNING, started=at(40))
    scene.run_for(1000)
    scene.see(record, SUCCEEDED, started=at(40), finished=at(1200))
    assert hours(record) == pytest.approx(1160 / 3600)


def test_work_that_was_never_seen_to_run_is_charged_when_it_has_ended() -> None:
    scene = Scene()
    record = scene.take(works.part(SITE, lifecycle.ASSIGNED))
    scene.run_for(50)
    scene.see(record, FAILED, started=at(10), finished=at(40))
    assert hours(record) == pytest.approx(30 / 3600)
    before = record.status
    scene.store.set_status(record, summarise(record.model, before, at(60)))
    assert hours(record) == pytest.approx(30 / 3600)


@pytest.mark.parametrize("down_s", [0, 500])
def test_a_restart_goes_on_from_what_is_written_and_counts_nothing_twice(down_s: int) -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(1000)
    after, found = scene.restart(record, down_s=down_s)
    assert usage(found) == usage(record)
    after.run_for(1000)
    after.see(found, SUCCEEDED, started=at(0), finished=at(1900 + down_s))
    assert hours(found) == pytest.approx((1900 + down_s) / 3600, abs=1e-9)


def test_the_time_without_an_operator_is_charged_and_marked() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(1000)
    metered_s = 3600 * hours(record)
    after, found = scene.restart(record, down_s=500)
    after.run_for(200)
    assert usage(found).estimated_hours == pytest.approx((1500 - metered_s) / 3600)


def test_work_that_ended_while_no_operator_ran_is_metered_to_its_end() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(100)
    after, found = scene.restart(record, down_s=5000)
    after.see(found, SUCCEEDED, started=at(0), finished=at(700))
    assert hours(found) == pytest.approx(700 / 3600)


def test_a_lost_write_is_metered_again_and_not_twice() -> None:
    """Killed after charging in memory, before the status was written."""
    scene = Scene()
    record = running(scene)
    scene.run_for(100)
    written = record.status
    scene.run_for(400)
    record.status = written
    after, found = scene.restart(record)
    after.run_for(100)
    after.see(found, SUCCEEDED, started=at(0), finished=at(550))
    assert hours(found) == pytest.approx(550 / 3600)


def test_an_evicted_part_is_charged_until_its_object_is_gone_and_parts_add_up() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(1000)
    scene.store.set_status(
        record, lifecycle.step(record.status, SITE, lifecycle.EVICTING, message="Suspended")
    )
    scene.run_for(30)
    scene.store.set_status(record, lifecycle.drop(record.status, SITE))
    assert hours(record) == pytest.approx(1030 / 3600)
    scene.run_for(500)
    assert hours(record) == pytest.approx(1030 / 3600)
    works.decide(scene.store, record, works.part("guizhou", epoch=2))
    scene.see(record, RUNNING, started=at(1530), site="guizhou")
    scene.run_for(70)
    scene.see(record, SUCCEEDED, started=at(1530), finished=at(1580), site="guizhou")
    assert hours(record) == pytest.approx(1080 / 3600)
    assert [(e.site, round(e.cost_usd * 3600 / 16)) for e in usage(record).periods] == [
        ("guizhou", 50),
        (SITE, 1030),
    ]


def test_a_part_that_was_evicted_before_it_ran_owes_nothing() -> None:
    scene = Scene()
    record = scene.take(works.part(SITE, lifecycle.DISPATCHED, started_at=at(0)))
    scene.store.set_status(
        record, lifecycle.step(record.status, SITE, lifecycle.EVICTING, message="Suspended")
    )
    scene.run_for(100)
    scene.store.set_status(record, lifecycle.drop(record.status, SITE))
    assert record.status.usage is None


def test_a_workload_that_is_deleted_while_it_runs_is_charged_until_its_object_is_gone() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(90)
    scene.store.set_status(record, lifecycle.drop(record.status, SITE, final=True))
    assert hours(record) == pytest.approx(90 / 3600)


def test_work_at_a_silent_site_is_charged_until_it_is_lost_and_marked() -> None:
    scene = Scene()
    record = running(scene)
    scene.silent.add(SITE)
    scene.run_for(300)
    scene.store.set_status(
        record, lifecycle.step(record.status, SITE, lifecycle.LOST, message="SiteLost")
    )
    assert hours(record) == pytest.approx(300 / 3600)
    assert usage(record).estimated_hours == pytest.approx(300 / 3600)
    scene.run_for(300)
    assert hours(record) == pytest.approx(300 / 3600)


def test_what_ended_at_a_silent_site_is_given_back_when_the_site_tells() -> None:
    scene = Scene()
    record = running(scene)
    scene.silent.add(SITE)
    scene.run_for(280)
    scene.silent.clear()
    scene.see(record, SUCCEEDED, started=at(0), finished=at(20))
    assert hours(record) == pytest.approx(20 / 3600)


def test_the_parts_of_a_split_are_summed() -> None:
    scene = Scene()
    parts = [works.part(site, lifecycle.DISPATCHED, replicas=1) for site in (SITE, "guizhou")]
    record = scene.take(*parts)
    scene.see(record, RUNNING, started=at(0))
    scene.run_for(100)
    scene.see(record, RUNNING, started=at(60), site="guizhou")
    scene.run_for(100)
    scene.see(record, SUCCEEDED, started=at(0), finished=at(150))
    scene.see(record, SUCCEEDED, started=at(60), finished=at(180), site="guizhou")
    # Half of the gang's price for 150 s and for 120 s.
    assert hours(record) == pytest.approx((150 + 120) / 2 / 3600)
    assert {e.site for e in usage(record).periods} == {SITE, "guizhou"}


def deployment(scene: Scene):
    record = scene.take(works.part(SITE, lifecycle.DISPATCHED))
    assert record.demand is not None
    record.demand = replace(record.demand, kind="apps/v1/Deployment")
    return record


def test_a_service_is_charged_for_its_ready_pods() -> None:
    scene = Scene()
    record = deployment(scene)
    scene.see(record, RUNNING, started=at(0), ready=2)
    scene.run_for(100)
    scene.see(record, RUNNING, started=at(0), ready=1)
    scene.run_for(100)
    scene.see(record, PENDING, ready=0)
    assert hours(record) == pytest.approx((100 + 100 / 2) / 3600)


def test_a_service_that_stood_still_is_not_charged_for_that() -> None:
    scene = Scene()
    record = deployment(scene)
    scene.see(record, RUNNING, started=at(0))
    scene.run_for(100)
    scene.see(record, PENDING, ready=0)
    scene.run_for(1000)
    scene.see(record, RUNNING, started=at(0))
    scene.run_for(50)
    scene.see(record, PENDING, ready=0)
    assert hours(record) == pytest.approx(150 / 3600)


@pytest.mark.parametrize("started_s", [-10_000_000, 10_000_000])
def test_a_site_cannot_charge_for_a_time_before_it_had_the_work_or_after_now(
    started_s: int,
) -> None:
    scene = Scene()
    record = scene.take(works.part(SITE, lifecycle.DISPATCHED))
    scene.run_for(20)
    scene.see(record, RUNNING, started=at(started_s))
    scene.run_for(100)
    scene.see(record, SUCCEEDED, started=at(started_s), finished=at(started_s + 50_000_000))
    assert 0 <= 3600 * hours(record) <= 120 + 300.01


def test_a_clock_that_steps_back_charges_nothing_twice() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(200)
    scene.clock._elapsed -= 100
    scene.meter._due = [(0.0, record.uid)]
    scene.run_for(400)
    scene.see(record, SUCCEEDED, started=at(0), finished=at(480))
    assert hours(record) == pytest.approx(480 / 3600)


def test_each_interval_is_charged_at_the_figures_of_its_time() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(3600)
    clean = replace(FIGURES, carbon_intensity=0.0)
    before = usage(record).carbon_kg
    scene.figures[SITE] = clean
    scene.run_for(3600)
    # What was not yet charged when the grid became clean is at most one interval.
    assert before < usage(record).carbon_kg + 1e-9
    assert usage(record).carbon_kg <= before * 1.001


def test_usage_is_charged_to_the_queue_and_policy_of_its_time() -> None:
    scene = Scene()
    record = running(scene, queue="one", policy="cheapest")
    scene.run_for(100)
    spec = record.model.spec.model_copy(update={"queue": "two"})
    record.model = record.model.model_copy(update={"spec": spec})
    scene.run_for(200)
    assert {(e.queue, e.policy) for e in usage(record).periods} == {
        ("one", "cheapest"),
        ("two", "cheapest"),
    }
    now = scene.clock.now()
    spent = scene.book.spent("one", now).cost_usd + scene.book.spent("two", now).cost_usd
    assert spent == pytest.approx(usage(record).cost_usd)


def test_work_without_a_policy_is_charged_to_the_default_one() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(100)
    assert {e.policy for e in usage(record).periods} == {"balanced"}


def test_a_month_s_spending_is_the_same_after_a_restart() -> None:
    scene = Scene()
    record = running(scene, queue="research")
    scene.run_for(1000)
    now = scene.clock.now()
    after, _ = scene.restart(record)
    assert after.book.spent("research", now) == scene.book.spent("research", now)
    assert after.book.spent("research", at(40 * 86400)).cost_usd == 0


def test_a_job_that_stood_still_when_it_was_evicted_owes_nothing_for_the_removal() -> None:
    scene = Scene()
    record = running(scene)
    scene.run_for(100)
    scene.see(record, ObservedState.SUSPENDED)
    scene.store.set_status(
        record, lifecycle.step(record.status, SITE, lifecycle.EVICTING, message="Suspended")
    )
    scene.run_for(500)
    scene.store.set_status(record, lifecycle.drop(record.status, SITE))
    assert hours(record) == pytest.approx(100 / 3600)


def test_work_that_had_finished_before_metering_was_there_is_not_charged_afterwards() -> None:
    scene = Scene()
    done = works.part(SITE, lifecycle.SUCCEEDED, started_at=at(-500), finished_at=at(-100))
    record = scene.take(done)
    told = done.model_copy(update={"message": "seen again"})
    scene.store.set_status(record, record.status.model_copy(update={"placements": (told,)}))
    assert record.status.usage is None
