"""Interruptible work: when it starts, pauses, and goes on; of known length and of unknown."""

from dataclasses import replace
from datetime import timedelta

from tests.builders import (
    H100,
    NOW,
    SiteBuilder,
    WorkloadBuilder,
    current,
    site,
    snapshot,
    workload,
)

from tradewind.api.policy import PolicySpec
from tradewind.placement.engine import plan
from tradewind.placement.pausing import MOST_KINDS
from tradewind.placement.plan import Plan
from tradewind.placement.shapes import shape_of
from tradewind.placement.snapshot import Forecast, Snapshot

CARBON = PolicySpec(carbon_per_tonne=1000)
H = 3600.0


def power(*carbon: float) -> SiteBuilder:
    """A site whose forecast is sure, and whose electricity costs nothing."""
    return (
        site("s")
        .nodes(2, h100=8)
        .costs(carbon=carbon[0])
        .but(
            price_per_mwh=current(0.0),
            carbon_forecast=Forecast(NOW, H, carbon, low=carbon, high=carbon),
        )
    )


def mean(hours: float = 4, *, wait_h: float = 6, checkpoint_s: float | None = 1.0):
    """A workload that lasts so many hours on average."""
    return (
        workload("w")
        .gang(1, chips=8)
        .lasts(hours, max_delay_s=wait_h * H, checkpoint_s=checkpoint_s, mean_only=True)
    )


def running(work: WorkloadBuilder, *, ran_h: float = 2.0, age_h: float = 2.0) -> WorkloadBuilder:
    return work.at("s", ago_h=ran_h).but(created=NOW - timedelta(hours=age_h))


def looked_over(
    places: list[SiteBuilder], *works: WorkloadBuilder, prices: PolicySpec = CARBON
) -> Snapshot:
    """A snapshot of a cycle that looks over what runs."""
    views = [work.view for work in works]
    return snapshot(places, [], running=views, prices=prices, rebalance=True)


def pauses(place: SiteBuilder, work: WorkloadBuilder, prices: PolicySpec = CARBON) -> list[str]:
    found = plan(looked_over([place], work, prices=prices), NOW)
    return [eviction.reason for eviction in found.evictions]


def start_h(found: Plan) -> float:
    if found.assignments:
        return 0.0
    return (found.deferred[0].start_at - NOW).total_seconds() / H


DIRTY_NOW = (900.0, 900.0, *[100.0] * 30)


def test_running_work_pauses_through_dirty_hours_and_says_why() -> None:
    found = plan(looked_over([power(*DIRTY_NOW)], running(mean())), NOW)
    (eviction,) = found.evictions
    assert (eviction.uid, eviction.site, eviction.epoch) == ("uid-w", "s", 1)
    assert (eviction.reason, eviction.by, eviction.target) == ("Paused", None, None)
    assert "waiting 2.0 h" in eviction.message


def test_what_paused_is_deferred_until_its_hour_by_the_same_figures() -> None:
    again = mean().but(created=NOW - timedelta(hours=2), done_s=2 * H, epoch=1)
    found = plan(snapshot([power(*DIRTY_NOW)], [again], prices=CARBON), NOW)
    assert start_h(found) == 2.0


def test_running_is_no_waiting() -> None:
    # It is eight hours old and ran for seven of them: five of its six hours are left.
    old = mean().but(created=NOW - timedelta(hours=8), done_s=7 * H, epoch=1)
    assert start_h(plan(snapshot([power(*DIRTY_NOW)], [old], prices=CARBON), NOW)) == 2.0
    # It ran for one only, and has waited for more than it may.
    spent = mean().but(created=NOW - timedelta(hours=8), done_s=H, epoch=1)
    assert start_h(plan(snapshot([power(*DIRTY_NOW)], [spent], prices=CARBON), NOW)) == 0.0


def test_what_has_run_tells_nothing_of_what_is_to_come() -> None:
    """However long it ran, it is planned like work that has not begun."""
    begun = mean().but(done_s=7 * H)
    assert shape_of(begun.view) == shape_of(mean().view)
    exact = workload("w").lasts(8).but(done_s=7 * H)
    assert shape_of(exact.view).runtime.duration_s == H


def test_work_goes_on_through_clean_and_through_level_hours() -> None:
    assert pauses(power(100.0, 900.0, 900.0, *[500.0] * 30), running(mean())) == []
    assert pauses(power(*[500.0] * 33), running(mean())) == []


def test_only_work_that_may_stop_and_wait_pauses() -> None:
    place = power(*DIRTY_NOW)
    assert pauses(place, running(mean())) == ["Paused"]
    assert pauses(place, running(mean(checkpoint_s=None))) == []
    assert pauses(place, running(mean(wait_h=0))) == []
    # Six hours of waiting are behind it.
    assert pauses(place, running(mean(), ran_h=2, age_h=8)) == []


def test_a_price_on_waiting_keeps_it_running() -> None:
    dear = CARBON.model_copy(update={"wait_per_hour": 50.0})
    assert pauses(power(*DIRTY_NOW), running(mean()), dear) == []


def test_it_does_not_pause_when_the_stop_loses_more_than_it_saves() -> None:
    # The machines are the site's own: a stop loses energy alone, and five minutes of it restarting.
    prices = CARBON.model_copy(update={"move_per_accelerator_hour": 0.0})
    owned = power(500.0, 500.0, *[400.0] * 30).charges(h100=0, cpu=0, memory=0)
    assert pauses(owned, running(mean(), ran_h=2), prices) == ["Paused"]
    # Half an hour more is behind the last checkpoint.
    assert pauses(owned, running(mean(checkpoint_s=H), ran_h=2.5), prices) == []
    # A saving too small for the restart; and one too small for rented machines that do nothing.
    slight = power(500.0, 500.0, *[490.0] * 30).charges(h100=0, cpu=0, memory=0)
    assert pauses(slight, running(mean(), ran_h=2), prices) == []
    assert pauses(owned.charges(h100=5), running(mean(), ran_h=2), prices) == []


def test_an_unknown_length_looks_at_the_hours_that_follow_more_than_at_later_ones() -> None:
    # Clean in the first two hours from 1, in all four from 5: a run of exactly four hours waits for
    # the long window, one that may end at any time takes the near one.
    carbon = (900.0, 100.0, 100.0, 700.0, 700.0, *[330.0] * 4, *[900.0] * 24)
    near = mean(hours=12, checkpoint_s=None)
    exact = workload("w").gang(1, chips=8).lasts(12, max_delay_s=6 * H)
    place = power(*carbon)
    assert start_h(plan(snapshot([place], [near], prices=CARBON), NOW)) == 1.0
    assert start_h(plan(snapshot([place], [exact], prices=CARBON), NOW)) == 5.0


def test_renaming_changes_nothing_but_names() -> None:
    work = running(mean())
    other = work.but(uid="uid-a", name="a")
    found = plan(looked_over([power(*DIRTY_NOW)], work, other), NOW)
    assert [eviction.uid for eviction in found.evictions] == ["uid-a", "uid-w"]


def exact(hours: float = 4, *, wait_h: float = 6, **more: object) -> WorkloadBuilder:
    """A workload that lasts exactly so many hours on the H100s of `power`, and may stop."""
    work = workload("w").gang(1, chips=8)
    work = work.lasts(hours, max_delay_s=wait_h * H, checkpoint_s=1.0, **more)
    return work.but(runtime=replace(work.view.runtime, reference_class=H100))


def test_work_of_known_length_pauses_when_what_is_left_is_cheaper_later() -> None:
    place = power(*DIRTY_NOW).charges(h100=0, cpu=0, memory=0)
    assert pauses(place, running(exact(4), ran_h=2)) == ["Paused"]
    # What is left fits into the clean hour before the dirty ones.
    late = power(100.0, 900.0, *[100.0] * 30).charges(h100=0, cpu=0, memory=0)
    assert pauses(late, running(exact(3), ran_h=2)) == []
    # Nearly done: a restart takes longer than the rest.
    assert pauses(place, running(exact(2.01), ran_h=2)) == []


def test_a_pause_keeps_the_deadline() -> None:
    place = power(*DIRTY_NOW).charges(h100=0, cpu=0, memory=0)
    for hours, found in ((12, ["Paused"]), (3.9, [])):
        deadline = NOW + timedelta(hours=hours)
        assert pauses(place, running(exact(4, deadline=deadline), ran_h=1)) == found
    mean_only = running(mean(2), ran_h=1)
    tight = replace(mean_only.view.runtime, deadline=NOW + timedelta(hours=1.5))
    assert pauses(place, mean_only) == ["Paused"]
    assert pauses(place, mean_only.but(runtime=tight)) == []


def test_work_of_known_length_starts_early_where_it_may_pause_later() -> None:
    # Two clean hours now, three more from 5.
    place = power(100.0, 100.0, *[900.0] * 3, *[100.0] * 3, *[900.0] * 20)
    place = place.charges(h100=0, cpu=0, memory=0)
    assert start_h(plan(snapshot([place], [exact(4.5)], prices=CARBON), NOW)) == 0.0
    through = exact(4.5)
    through = through.but(runtime=replace(through.view.runtime, checkpoint_s=None))
    assert start_h(plan(snapshot([place], [through], prices=CARBON), NOW)) == 4.0


def test_a_start_counts_what_the_stops_after_it_lose() -> None:
    # The same, but a stop loses an hour of eight dear chips: it waits for one stretch.
    place = power(100.0, 100.0, *[900.0] * 3, *[100.0] * 3, *[900.0] * 20)
    slow = exact(4.5)
    slow = slow.but(runtime=replace(slow.view.runtime, checkpoint_s=H))
    assert start_h(plan(snapshot([place], [slow], prices=CARBON), NOW)) == 4.0


def test_services_and_work_of_no_stated_length_do_not_pause() -> None:
    place = power(*DIRTY_NOW).charges(h100=0, cpu=0, memory=0)
    assert pauses(place, running(exact(4).but(workload_class="Inference"))) == []
    untold = exact(4)
    runtime = replace(untold.view.runtime, duration_s=None)
    assert pauses(place, running(untold.but(runtime=runtime))) == []


def test_pauses_are_looked_for_only_when_running_work_is_looked_over() -> None:
    found = plan(
        snapshot([power(*DIRTY_NOW)], [], running=[running(mean()).view], prices=CARBON), NOW
    )
    assert found.evictions == ()


def test_a_cycle_looks_at_so_many_kinds_and_the_next_at_the_others() -> None:
    place = power(*DIRTY_NOW).charges(h100=0, cpu=0, memory=0)
    works = [
        running(exact(10 + i * 0.1)).but(uid=f"uid-{i:04}", name=f"w{i}")
        for i in range(MOST_KINDS + 50)
    ]
    once = looked_over([place], *works)
    cycles = [plan(replace(once, serial=serial), NOW).evictions for serial in (0, 1)]
    assert [len(found) for found in cycles] == [MOST_KINDS, MOST_KINDS]
    assert {e.uid for found in cycles for e in found} == {work.view.uid for work in works}
