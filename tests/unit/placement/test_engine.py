"""What a cycle decides, told as small stories."""

from datetime import timedelta
from decimal import Decimal

import pytest
from tests.builders import (
    A100,
    ASCEND,
    H100,
    NOW,
    assigned,
    label_in,
    outcome,
    site,
    snapshot,
    taint,
    workload,
)

from tradewind.api.fields import LabelSelector
from tradewind.api.policy import PolicyDefaults, PolicySpec
from tradewind.placement.engine import plan
from tradewind.placement.explain import (
    MOST_ALTERNATIVES,
    MOST_SITES,
    decision_of,
    estimate_of,
)
from tradewind.placement.plan import Assignment, LazySequence, Term, Waiting

CARBON_ONLY = PolicySpec(carbon_per_tonne=1000)
GANG = workload("w").gang(2, chips=8)


def test_the_cheapest_site_gets_the_work() -> None:
    dear = site("dear").nodes(4, h100=8).charges(h100=3)
    cheap = site("cheap").nodes(4, h100=8).charges(h100=2)
    assert assigned(plan(snapshot([dear, cheap], [GANG]), NOW)) == {"w": "cheap"}


def test_a_price_on_carbon_moves_the_work_to_the_clean_site() -> None:
    dirty = site("dirty").nodes(4, h100=8).costs(carbon=900).charges(h100=2.00)
    clean = site("clean").nodes(4, h100=8).costs(carbon=20).charges(h100=2.05)
    pending = [GANG]
    before = plan(snapshot([dirty, clean], pending, prices=PolicySpec()), NOW)
    after = plan(snapshot([dirty, clean], pending, prices=CARBON_ONLY), NOW)
    assert (assigned(before), assigned(after)) == ({"w": "dirty"}, {"w": "clean"})


def test_the_cheapest_class_of_a_site_is_chosen() -> None:
    # An H100 hour costs twice that of an A100, and does nearly three times as much.
    both = site("s").nodes(4, h100=8).nodes(4, a100=8).charges(h100=2.4, a100=1.2)
    found = outcome(plan(snapshot([both], [GANG], prices=PolicySpec()), NOW), "w")
    assert isinstance(found, Assignment)
    assert (found.class_name, found.resource_name) == (H100, "nvidia.com/gpu")
    (other,) = found.explanation.alternatives
    assert (other.site, other.class_name) == ("s", A100)


def test_a_site_with_a_soft_taint_is_the_last_resort() -> None:
    spot = site("spot").nodes(1, h100=8).charges(h100=0.1)
    spot = spot.but(taints=(taint("spot", effect="PreferNoSchedule"),))
    firm = site("firm").nodes(1, h100=8)
    pending = [workload(n, age_s=-i).gang(1, chips=8) for i, n in enumerate(("one", "two"))]
    found = plan(snapshot([spot, firm], pending), NOW)
    assert assigned(found) == {"one": "firm", "two": "spot"}
    alone = plan(snapshot([spot, firm], pending[:1]), NOW)
    (other,) = alone.assignments[0].explanation.alternatives
    assert other.avoid == "spot:PreferNoSchedule"


def test_priority_goes_before_age_and_age_before_luck() -> None:
    place = site("s").nodes(1, h100=8)
    old = workload("old", age_s=100).gang(1, chips=8)
    young = workload("young", age_s=1).gang(1, chips=8)
    urgent = young.but(priority=1)
    assert assigned(plan(snapshot([place], [young, old]), NOW)) == {"old": "s"}
    assert assigned(plan(snapshot([place], [urgent, old]), NOW)) == {"young": "s"}


def test_a_gang_is_never_split_and_does_not_block_the_rest() -> None:
    sites = [site("a").nodes(2, h100=8), site("b").nodes(2, h100=8)]
    big = workload("big", age_s=9).gang(4, chips=8)
    small = workload("small").gang(1, chips=8)
    found = plan(snapshot(sites, [big, small]), NOW)
    assert assigned(found) == {"small": "a"}
    assert isinstance(outcome(found, "big"), Waiting)


def test_equal_work_spills_over_to_the_next_best_site() -> None:
    sites = [
        site("near").nodes(2, h100=8).charges(h100=2),
        site("next").nodes(3, h100=8).charges(h100=3),
    ]
    pending = [workload(f"w{i}", age_s=-i).gang(1, chips=8) for i in range(6)]
    found = plan(snapshot(sites, pending), NOW)
    assert assigned(found) == dict(
        zip(("w0", "w1", "w2", "w3", "w4"), ("near", "near", "next", "next", "next"), strict=True)
    )
    assert [w.uid for w in found.waiting] == ["uid-w5"]


def test_an_assignment_tells_all_that_a_placement_needs() -> None:
    work = GANG.but(epoch=3)
    (found,) = plan(snapshot([site("s").nodes(2, ascend=8)], [work]), NOW).assignments
    assert (found.site, found.class_name, found.resource_name) == (
        "s",
        ASCEND,
        "huawei.com/Ascend910",
    )
    assert (found.replicas, found.epoch, found.start_at) == (2, 4, NOW)


def test_work_without_chips_has_no_class() -> None:
    (found,) = plan(snapshot([site("s").nodes(1, h100=8)], [workload("w")]), NOW).assignments
    assert (found.class_name, found.resource_name) == (None, None)


def test_a_policy_fills_in_what_the_workload_leaves_open() -> None:
    cheap = site("cheap").nodes(2, h100=8).charges(h100=1).but(jurisdiction="CN")
    home = site("home").nodes(2, h100=8).but(labels={"tier": "gold"})
    selector = LabelSelector(match_labels={"tier": "gold"})
    for defaults in (PolicyDefaults(jurisdictions=("DE",)), PolicyDefaults(site_selector=selector)):
        found = plan(snapshot([cheap, home], [GANG], prices=PolicySpec(defaults=defaults)), NOW)
        assert assigned(found) == {"w": "home"}
    own = GANG.only(jurisdictions=("CN",), site_selector=(label_in("tier", "gold"),))
    found = plan(snapshot([cheap, home], [own], prices=PolicySpec(defaults=defaults)), NOW)
    assert assigned(found) == {}


def test_nothing_pending_makes_an_empty_plan_of_the_same_serial() -> None:
    found = plan(snapshot([site("s")]), NOW)
    assert (found.assignments, found.waiting, found.evictions, found.serial) == ((), (), (), 0)


def test_a_decision_is_bounded_whatever_the_federation() -> None:
    sites = [site(f"s{i:02}").nodes(2, h100=8).charges(h100=1 + i / 10) for i in range(20)]
    sites += [site(f"t{i:02}").but(unschedulable=True) for i in range(20)]
    sites += [site("full").nodes(1, h100=8)]
    (found,) = plan(snapshot(sites, [GANG]), NOW).assignments
    assert len(found.explanation.alternatives) == 19
    shown = decision_of(found, NOW)
    assert len(shown.alternatives) == MOST_ALTERNATIVES
    assert [other.site for other in shown.alternatives] == ["s01", "s02", "s03"]
    assert [(group.reason, group.count) for group in shown.refused] == [
        ("SiteUnschedulable", 20),
        ("InsufficientAccelerators", 1),
    ]
    assert len(shown.refused[0].sites) == MOST_SITES
    assert "8 free" in shown.refused[1].example
    assert len(shown.model_dump_json()) < 4096


def test_a_few_refused_sites_are_told_one_by_one_with_their_own_numbers() -> None:
    sites = [site("small").nodes(1, h100=8), site("tiny").nodes(1, h100=4)]
    (found,) = plan(snapshot(sites, [GANG]), NOW).waiting
    told = {refusal.sites: refusal.example for refusal in decision_of(found, NOW).refused}
    assert set(told) == {("small",), ("tiny",)}
    assert "largest node has 8" in told["small",]
    assert "largest node has 4" in told["tiny",]


def test_a_decision_adds_up() -> None:
    (found,) = plan(snapshot([site("s").nodes(2, h100=8)], [GANG]), NOW).assignments
    shown = decision_of(found, NOW)
    order = [term.value for term in Term]
    assert list(shown.terms) == sorted(shown.terms, key=order.index)
    assert all(shown.terms.values())
    assert {"hardware", "electricity", "carbon"} <= shown.terms.keys()
    assert sum(Decimal(str(usd)) for usd in shown.terms.values()) == Decimal(str(shown.cost_usd))
    assert (shown.reason, shown.start_at) == ("Placed", NOW)
    assert shown.message.startswith(f"s on {H100} at ")


def test_a_workload_that_fits_nowhere_says_what_is_missing() -> None:
    sites = [site("a").nodes(6, h100=4), site("b").nodes(3, a100=8), site("c").nodes(2)]
    work = workload("w").gang(8, chips=8).chips(classes=(H100,))
    waiting = outcome(plan(snapshot(sites, [work]), NOW), "w")
    shown = decision_of(waiting, NOW)
    assert (shown.reason, shown.cost_usd, shown.start_at) == ("Waiting", None, None)
    assert shown.message == (
        "none of 3 sites will do: "
        f"1 AcceleratorClassMismatch (needs {H100}; site has {A100}); "
        f"1 InsufficientAccelerators (needs 64 {H100} in nodes with 8 free; "
        "24 free, largest node has 4); "
        "1 NoAccelerator (needs 64 accelerators; site has none)"
    )


def test_work_that_only_a_change_can_place_is_unplaceable() -> None:
    work = GANG.only(jurisdictions=("CN",))
    waiting = outcome(plan(snapshot([site("s").nodes(2, h100=8)], [work]), NOW), "w")
    assert decision_of(waiting, NOW).reason == "Unplaceable"


def test_an_estimate_ends_when_the_run_ends() -> None:
    (found,) = plan(snapshot([site("s").nodes(2, a100=8)], [GANG.lasts(3)]), NOW).assignments
    estimate = estimate_of(found)
    assert estimate.finish_at == NOW + timedelta(hours=3)
    # What is paid for; what it is held to be worth stands in the decision.
    assert estimate.cost_usd == found.cost.money < found.cost.total
    assert estimate.energy_kwh is not None
    assert estimate.energy_kwh > 0


def test_an_explanation_tells_what_the_round_left() -> None:
    """Workloads of a round are placed together: what one got is not there for the others."""
    sites = [site("a").nodes(1, h100=8), site("b").nodes(1, h100=8).charges(h100=9)]
    pending = [workload(n, age_s=-i).gang(1, chips=8) for i, n in enumerate("xyz")]
    found = plan(snapshot(sites, pending), NOW)
    assert assigned(found) == {"x": "a", "y": "b"}
    for assignment, other in zip(found.assignments, "ba", strict=True):
        assert not assignment.explanation.alternatives
        assert [r.site for r in assignment.explanation.refused] == [other]
    assert [r.site for r in found.waiting[0].explanation.refused] == ["a", "b"]


def test_an_explanation_stays_true_after_later_rounds() -> None:
    """The urgent workload's alternative was free when its round was over, and is still told so."""
    sites = [site("a").nodes(1, h100=8), site("b").nodes(1, h100=8).charges(h100=9)]
    pending = [workload("x").gang(1, chips=8).but(priority=1), workload("y").gang(1, chips=8)]
    found = plan(snapshot(sites, pending), NOW)
    assert [a.site for a in found.assignments[0].explanation.alternatives] == ["b"]
    assert not found.assignments[0].explanation.refused
    assert [r.site for r in found.assignments[1].explanation.refused] == ["a"]


def test_without_sites_a_decision_says_so() -> None:
    waiting = outcome(plan(snapshot([], [GANG]), NOW), "w")
    assert decision_of(waiting, NOW).message == "no site has joined"


def test_work_without_pods_is_placed_and_takes_nothing() -> None:
    idle = workload("w").gang(0)
    found = plan(snapshot([site("s")], [idle]), NOW)
    assert [(a.site, a.replicas, a.cost[Term.HARDWARE]) for a in found.assignments] == [("s", 0, 0)]


def test_a_lazy_sequence_is_like_any_other() -> None:
    made: list[int] = []
    squares = LazySequence.of(4, lambda i: (made.append(i), i * i)[1])
    assert (len(squares), made) == (4, [])
    assert (squares[1], squares[-1], squares[1:3]) == (1, 9, (1, 4))
    assert squares == (0, 1, 4, 9)
    assert squares != 5
    assert hash(squares) == hash(LazySequence.of(4, lambda i: i * i))
    assert repr(squares) == "<4 items>"
    with pytest.raises(IndexError):
        squares[4]
