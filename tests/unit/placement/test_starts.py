"""When work starts: by forecasts, within its limits, and where there will be room."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.builders import NOW, SiteBuilder, WorkloadBuilder, current, site, snapshot, workload

from tradewind.api.policy import PolicySpec, PolicyTerm
from tradewind.placement.engine import plan
from tradewind.placement.explain import decision_of
from tradewind.placement.plan import Deferred, Plan, Term
from tradewind.placement.snapshot import CurrentPart, Forecast, SiteName, SiteView, WorkloadView

CARBON = PolicySpec(carbon_per_tonne=200, wait_per_hour=0.001)
H = 3600.0


def forecast(*values: float) -> Forecast:
    return Forecast(NOW, H, values, low=values, high=values)


def green_at(hour: int, name: str = "s", nodes: int = 2) -> SiteBuilder:
    """A site whose power is clean for three hours from some hour on."""
    carbon = [100.0 if hour <= h < hour + 3 else 900.0 for h in range(24)]
    return (
        site(name)
        .nodes(nodes, h100=8)
        .costs(carbon=carbon[0])
        .but(carbon_forecast=forecast(*carbon))
    )


def patient(name: str = "w", hours: float = 12, **runtime: object) -> WorkloadBuilder:
    return workload(name).gang(1, chips=8).lasts(3, max_delay_s=hours * H, **runtime)


def starts(found: Plan) -> dict[str, float]:
    """Hours until each workload starts, by name."""
    told = {a.uid: 0.0 for a in found.assignments}
    told |= {d.uid: (d.start_at - NOW).total_seconds() / H for d in found.deferred}
    return {uid.removeprefix("uid-"): hours for uid, hours in told.items()}


def hours(sites: list[SiteBuilder | SiteView], *works: WorkloadBuilder, **kwargs) -> dict:
    return starts(plan(snapshot(sites, works, prices=kwargs.pop("prices", CARBON)), NOW))


def test_work_that_may_wait_starts_in_the_clean_hours() -> None:
    found = plan(snapshot([green_at(5)], [patient()], prices=CARBON), NOW)
    (deferred,) = found.deferred
    assert starts(found) == {"w": 5.0}
    assert deferred.cost_now is not None
    assert deferred.cost.total < deferred.cost_now.total
    assert deferred.cost[Term.CARBON] < deferred.cost_now[Term.CARBON]
    assert deferred.cost[Term.WAITING] == pytest.approx(0.005)
    shown = decision_of(deferred, NOW)
    assert shown.reason == "Deferred"
    assert "2026-11-24 17:00:00 UTC" in shown.message
    assert "saves" in shown.message
    assert "carbon" in shown.message


def test_work_starts_when_its_hour_has_come() -> None:
    later = NOW + timedelta(hours=5)
    clean = green_at(5).but(carbon_intensity=current(100.0))
    found = plan(snapshot([clean], [patient()], prices=CARBON), later)
    assert [a.start_at for a in found.assignments] == [later]


def test_work_never_waits_longer_than_it_may() -> None:
    assert hours([green_at(5)], patient(hours=3)) == {"w": 0.0}
    assert hours([green_at(5)], patient(hours=5)) == {"w": 5.0}
    # Counted from its creation, not from when somebody looks.
    old = patient(hours=5).but(created=NOW - timedelta(hours=2))
    assert hours([green_at(5)], old) == {"w": 0.0}


def test_a_deadline_is_kept_whatever_the_forecast() -> None:
    run = timedelta(hours=2)  # 3 h on an A100 are less on an H100
    assert hours([green_at(5)], patient(deadline=NOW + timedelta(hours=5) + run)) == {"w": 5.0}
    tight = hours([green_at(5)], patient(deadline=NOW + timedelta(hours=4)))
    assert tight["w"] <= 4


def test_waiting_has_a_price() -> None:
    dear = CARBON.model_copy(update={"wait_per_hour": 5.0})
    assert hours([green_at(5)], patient(), prices=dear) == {"w": 0.0}


def test_a_flat_forecast_defers_nothing() -> None:
    flat = site("s").nodes(1, h100=8).but(carbon_forecast=forecast(*[400.0] * 24))
    assert hours([flat], patient(), prices=PolicySpec(carbon_per_tonne=200)) == {"w": 0.0}


def test_a_forecast_that_nobody_would_bet_on_defers_nothing() -> None:
    carbon = [500.0] * 5 + [450.0] * 8 + [500.0] * 11
    sure = site("s").nodes(1, h100=8).costs(carbon=500)
    wide = replace(
        forecast(*carbon), low=tuple(v - 400 for v in carbon), high=tuple(v + 400 for v in carbon)
    )
    assert hours([sure.but(carbon_forecast=forecast(*carbon))], patient()) == {"w": 5.0}
    assert hours([sure.but(carbon_forecast=wide)], patient()) == {"w": 0.0}


def test_a_clean_hour_elsewhere_counts_too() -> None:
    now_dirty = green_at(5, "later")
    found = plan(snapshot([now_dirty, green_at(2, "sooner")], [patient()], prices=CARBON), NOW)
    assert [(d.site, starts(found)["w"]) for d in found.deferred] == [("sooner", 2.0)]


def test_work_that_may_not_wait_starts_now_beside_work_that_may() -> None:
    found = hours([green_at(5)], patient("patient"), workload("hasty").gang(1, chips=8).lasts(3))
    assert found == {"patient": 5.0, "hasty": 0.0}


def test_the_clean_hours_have_only_so_much_room() -> None:
    works = [patient(f"w{i}", hours=20) for i in range(4)]
    found = hours([green_at(5, nodes=1)], *works)
    # One node: runs of little more than an hour follow each other.
    assert len(set(found.values())) == len(works)


def test_room_that_will_have_been_given_back_is_counted_on() -> None:
    full = green_at(5, nodes=0)
    full = full.but(node_shapes=(replace(site("x").nodes(1, h100=8).view.node_shapes[0]),))
    taken = replace(
        full.view.node_shapes[0], accelerators=(("nvidia-h100-sxm", "nvidia.com/gpu", 0),)
    )
    busy = full.but(node_shapes=(taken,)).has("nvidia-h100-sxm", 8)
    part = CurrentPart(SiteName("s"), "nvidia-h100-sxm", 1, 1, NOW - timedelta(hours=1))
    runs = workload("old").gang(1, chips=8).lasts(8).but(current=(part,)).view

    def planned(running: tuple[WorkloadView, ...]) -> Plan:
        known = replace(snapshot([busy], [patient()], prices=CARBON), running=running)
        return plan(known, NOW)

    assert planned(()).deferred == ()
    (deferred,) = planned((runs,)).deferred
    assert deferred.cost_now is None
    # 8 h on an A100 are 3 h and a bit on an H100: it ends before the clean hours begin.
    assert starts(planned((runs,)))["w"] == 5.0
    # Where 8 h are a mean it is expected to end as far ahead, however long it has run.
    long = replace(part, started_at=NOW - timedelta(hours=90))
    unknown = workload("old").gang(1, chips=8).lasts(8, mean_only=True).but(current=(long,)).view
    assert starts(planned((unknown,)))["w"] == 5.0


def test_a_plan_is_kept_unless_another_is_clearly_better() -> None:
    carbon = [900.0] * 3 + [110.0] * 3 + [900.0] * 3 + [100.0] * 3 + [900.0] * 12
    place = site("s").nodes(1, h100=8).costs(carbon=900)
    place = place.but(carbon_forecast=forecast(*carbon))
    free = PolicySpec(carbon_per_tonne=200)
    work = patient()
    assert hours([place], work, prices=free) == {"w": 9.0}
    meant = work.but(planned_start=NOW + timedelta(hours=3), planned_site=SiteName("s"))
    assert hours([place], meant, prices=free) == {"w": 3.0}
    worse = place.but(carbon_forecast=forecast(*[900.0 if v == 110 else v for v in carbon]))
    assert hours([worse], meant, prices=free) == {"w": 9.0}


def test_a_run_of_unknown_length_weighs_the_first_hours_more() -> None:
    carbon = [500.0, 500.0, 100.0, *[500.0] * 21]
    place = site("s").nodes(1, h100=8).costs(carbon=500)
    place = place.but(carbon_forecast=forecast(*carbon))
    free = PolicySpec(carbon_per_tonne=200)
    work = workload("w").gang(1, chips=8).lasts(9, max_delay_s=4 * H)
    assert hours([place], work, prices=free) == {"w": 0.0}
    unknown = work.lasts(9, max_delay_s=4 * H, mean_only=True)
    assert hours([place], unknown, prices=free) == {"w": 2.0}


def test_a_deferred_workload_is_in_no_other_list() -> None:
    found = plan(snapshot([green_at(5)], [patient()], prices=CARBON), NOW)
    assert (found.assignments, found.waiting) == ((), ())
    assert isinstance(found.deferred[0], Deferred)


def test_a_policys_own_term_is_priced_by_the_hour() -> None:
    own = PolicySpec(terms=(PolicyTerm(name="noise", query="noise", price_per_unit=0.5),))
    loud = site("loud").nodes(1, h100=8).but(term_values={"noise": 40.0})
    calm = site("calm").nodes(1, h100=8).charges(h100=2.6).but(term_values={"noise": 1.0})
    dumb = site("dumb").nodes(1, h100=8)
    work = workload("w").gang(1, chips=8).lasts(1)
    (found,) = plan(snapshot([loud, calm, dumb], [work], prices=own), NOW).assignments
    chosen = found.explanation.chosen
    assert chosen is not None
    assert found.site == "calm"
    assert found.cost[Term.POLICY] == pytest.approx(0.5 * chosen.run_s / H, abs=1e-6)
    silent = next(a for a in found.explanation.alternatives if a.site == "dumb")
    noisy = next(a for a in found.explanation.alternatives if a.site == "loud")
    assert silent.cost[Term.POLICY] == noisy.cost[Term.POLICY]
    assert "term noise" in silent.cost.assumed_inputs


def test_a_policy_may_reward() -> None:
    own = PolicySpec(terms=(PolicyTerm(name="idle", query="idle", price_per_unit=-0.1),))
    idle = site("idle").nodes(1, h100=8).charges(h100=2.6).but(term_values={"idle": 50.0})
    work = workload("w").gang(1, chips=8)
    sites = [idle, site("other").nodes(1, h100=8).but(term_values={"idle": 0.0})]
    (found,) = plan(snapshot(sites, [work], prices=own), NOW).assignments
    assert found.site == "idle"
    assert found.cost[Term.POLICY] < 0
