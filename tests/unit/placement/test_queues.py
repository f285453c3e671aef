"""Who gets how much, told as small stories."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from tests.builders import (
    A100,
    GIB,
    H100,
    JOB,
    NOW,
    SiteBuilder,
    WorkloadBuilder,
    assigned,
    outcome,
    queue,
    quota,
    site,
    snapshot,
    workload,
)

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.queue import Budget
from tradewind.placement.budgets import BudgetState, budget_state
from tradewind.placement.engine import plan
from tradewind.placement.plan import Plan, Waiting
from tradewind.placement.snapshot import Assumed, QueueView, SiteName

EIGHT = site("s").nodes(8, h100=8)


def jobs(queue_name: str, count: int, chips: int = 8) -> list[WorkloadBuilder]:
    """Gangs of one pod, the first the oldest."""
    return [
        workload(f"{queue_name}{i}", age_s=1000 - i).gang(1, chips=chips).but(queue=queue_name)
        for i in range(count)
    ]


def planned(sites: list[SiteBuilder], pending: list[WorkloadBuilder], **queues: QueueView) -> Plan:
    return plan(snapshot(sites, pending, queues=queues), NOW)


def told(found: Plan, name: str) -> tuple[str, str]:
    """Reason and message of the first refusal of a workload that waits."""
    waiting = outcome(found, name)
    assert isinstance(waiting, Waiting)
    refusal = waiting.explanation.refused[0]
    return refusal.reason.value, refusal.message


def test_work_of_a_queue_that_does_not_exist_is_told_so() -> None:
    found = planned([EIGHT], jobs("ghost", 1))
    assert told(found, "ghost0") == ("QueueNotFound", "there is no ComputeQueue 'ghost'")


def test_a_queue_admits_its_namespaces_only() -> None:
    found = planned([EIGHT], jobs("a", 1), a=queue(namespaces=("lab", "web")))
    assert told(found, "a0") == (
        "NamespaceNotAdmitted",
        "queue 'a' admits lab, web; the workload is in 'research'",
    )
    assert assigned(planned([EIGHT], jobs("a", 1), a=queue(namespaces=("research",)))) == {
        "a0": "s"
    }


def test_a_queue_holds_no_more_than_its_limit() -> None:
    mine = queue(quota(16, 8, "h100"), held={"h100": 8})
    found = planned([EIGHT], jobs("a", 5), a=mine)
    assert assigned(found) == {"a0": "s", "a1": "s"}
    assert told(found, "a2") == (
        "QuotaExceeded",
        "needs 8 nvidia-h100-sxm; queue 'a' holds 24 and may hold 24",
    )


def test_a_quota_of_one_class_sends_work_to_another() -> None:
    both = site("s").nodes(4, h100=8).nodes(4, a100=8).charges(h100=0.1, a100=5)
    found = planned([both], jobs("a", 2), a=queue(quota(8, 0, "h100")))
    assert [(a.uid, a.class_name) for a in found.assignments] == [
        ("uid-a0", H100),
        ("uid-a1", A100),
    ]


def test_every_quota_that_covers_a_class_holds() -> None:
    limits = (quota(64, 0, "h100"), quota(8, 0, vendor="nvidia"), quota(64, 0))
    assert len(planned([EIGHT], jobs("a", 3), a=queue(*limits)).assignments) == 1


def test_a_queue_without_a_quota_for_the_hardware_is_not_limited() -> None:
    found = planned([EIGHT], jobs("a", 8), a=queue(quota(0, 0, vendor="huawei")))
    assert len(found.assignments) == 8


def test_work_without_accelerators_needs_no_quota() -> None:
    plain = workload("w").but(queue="a")
    assert assigned(planned([EIGHT], [plain], a=queue(quota(0, 0)))) == {"w": "s"}


def test_what_is_promised_goes_before_what_is_borrowed_whatever_the_priority() -> None:
    """Two nodes; the greedy queue is older and more urgent, and still gets its own one only."""
    two = site("s").nodes(2, h100=8)
    greedy = [job.but(priority=9) for job in jobs("greedy", 2)]
    modest = [job.but(created=NOW) for job in jobs("modest", 1)]
    found = planned([two], greedy + modest, greedy=queue(quota(8)), modest=queue(quota(8)))
    assert assigned(found) == {"greedy0": "s", "modest0": "s"}


def test_what_a_queue_leaves_idle_may_be_borrowed() -> None:
    two = site("s").nodes(2, h100=8)
    found = planned([two], jobs("greedy", 2), greedy=queue(quota(8)), modest=queue(quota(8)))
    assert len(found.assignments) == 2


def test_work_without_a_promise_comes_after_the_promises() -> None:
    one = site("s").nodes(1, h100=8)
    free = workload("free", age_s=9999).gang(1, chips=8).but(priority=9)
    found = planned([one], [free, *jobs("a", 1)], a=queue(quota(8)))
    assert assigned(found) == {"a0": "s"}


def test_a_promise_for_one_class_gives_no_right_of_way_on_another() -> None:
    """Queue b has no promise on A100, so it must not take the node that is promised to a."""
    place = site("s").nodes(1, a100=8).nodes(1, h100=8).charges(a100=0.1, h100=9)
    mine = jobs("b", 1)[0].but(created=NOW.replace(year=2020))
    found = planned(
        [place], [mine, *jobs("a", 1)], a=queue(quota(8, 0, "a100")), b=queue(quota(8, 0, "h100"))
    )
    assert {a.uid: a.class_name for a in found.assignments} == {"uid-a0": A100, "uid-b0": H100}


@pytest.mark.parametrize(
    ("weights", "want"), [((1.0, 1.0), (4, 4)), ((3.0, 1.0), (6, 2)), ((1.0, 7.0), (1, 7))]
)
def test_queues_share_by_weight_what_is_short(
    weights: tuple[float, float], want: tuple[int, int]
) -> None:
    found = planned(
        [EIGHT],
        jobs("a", 20) + jobs("b", 20),
        a=queue(weight=weights[0]),
        b=queue(weight=weights[1]),
    )
    got = assigned(found)
    assert (sum(n[0] == "a" for n in got), sum(n[0] == "b" for n in got)) == want


def test_what_a_queue_holds_already_counts_as_its_share() -> None:
    found = planned(
        [site("s").nodes(4, h100=8)],
        jobs("a", 9) + jobs("b", 9),
        a=queue(held={"h100": 32}),
        b=queue(),
    )
    assert all(name[0] == "b" for name in assigned(found))


def test_the_dominant_resource_counts() -> None:
    """Queue c takes many cores and no chips: its share is what it takes of the cores."""
    place = site("s").nodes(2, cpu=80, h100=8)
    cores = [workload(f"c{i}", age_s=100).gang(1, cpu=40, chips=0).but(queue="c") for i in range(4)]
    chips = [workload(f"g{i}", age_s=10).gang(1, cpu=40, chips=1).but(queue="g") for i in range(4)]
    got = assigned(planned([place], cores + chips, c=queue(), g=queue()))
    assert sorted(name[0] for name in got) == ["c", "c", "g", "g"]


def test_priority_goes_before_share() -> None:
    urgent = [job.but(priority=1) for job in jobs("a", 8)]
    got = assigned(planned([EIGHT], urgent + jobs("b", 8), a=queue(), b=queue()))
    assert all(name[0] == "a" for name in got)


def test_a_budget_that_is_spent_places_nothing_new() -> None:
    poor = queue(budget=Budget(monthly_usd=100), spent=100)
    found = planned([EIGHT], jobs("a", 1), a=poor)
    reason, message = told(found, "a0")
    assert reason == "BudgetExceeded"
    assert message.endswith("queue 'a' has 0.00 of 100.00 left this month")
    assert budget_state(poor) is BudgetState.SPENT


def test_a_budget_that_is_nearly_spent_takes_the_site_that_it_can_pay() -> None:
    quick = site("quick").nodes(4, h100=8).charges(h100=4.0).costs(carbon=0, power=0, load=0)
    cheap = site("cheap").nodes(4, h100=8).charges(h100=1.0).costs(carbon=900, power=0, load=0.9)
    job = jobs("a", 1)[0].lasts(10)
    rich = planned([quick, cheap], [job.only(data=(("quick", 5e4),))], a=queue())
    poor = planned(
        [quick, cheap],
        [job.only(data=(("quick", 5e4),))],
        a=queue(budget=Budget(monthly_usd=1000), spent=950),
    )
    assert (assigned(rich), assigned(poor)) == ({"a0": "quick"}, {"a0": "cheap"})
    assert "BudgetExceeded" in {r.reason.value for r in poor.assignments[0].explanation.refused}


def test_a_carbon_budget_takes_the_cleaner_site() -> None:
    dirty = site("dirty").nodes(4, h100=8).costs(carbon=900).charges(h100=1)
    clean = site("clean").nodes(4, h100=8).costs(carbon=10).charges(h100=2)
    budget = Budget(monthly_carbon_kg=1)
    found = planned([dirty, clean], jobs("a", 1), a=queue(budget=budget))
    assert assigned(found) == {"a0": "clean"}


def test_a_cycle_spends_a_budget_once() -> None:
    each = planned([EIGHT], jobs("a", 1), a=queue()).assignments[0].cost
    budget = Budget(monthly_usd=2.5 * each.total)
    assert len(planned([EIGHT], jobs("a", 8), a=queue(budget=budget)).assignments) == 2


def test_from_80_percent_on_a_queue_borrows_no_more() -> None:
    for spent, placed in ((799, 4), (800, 1)):
        mine = queue(quota(8), budget=Budget(monthly_usd=1000), spent=spent)
        assert len(planned([EIGHT], jobs("a", 4), a=mine).assignments) == placed
        warned = budget_state(mine) is BudgetState.NEARLY_SPENT
        assert warned is (placed == 1)


@pytest.mark.parametrize("spent", [math.nan, math.inf])
def test_spending_that_is_not_known_counts_as_all_of_it(spent: float) -> None:
    broken = queue(budget=Budget(monthly_usd=1e6), spent=spent)
    assert not planned([EIGHT], jobs("a", 1), a=broken).assignments


def test_the_site_that_has_no_room_says_so_and_the_one_with_room_names_the_quota() -> None:
    full = site("full").nodes(1, h100=4)
    found = planned([full, EIGHT], jobs("a", 1), a=queue(quota(0, 0)))
    reasons = {r.site: r.reason.value for r in outcome(found, "a0").explanation.refused}
    assert reasons == {"full": "InsufficientAccelerators", "s": "QuotaExceeded"}


def test_what_is_assumed_is_not_shared_out_again() -> None:
    """Found on real clusters: chips of pods that were not bound yet counted twice."""
    half = Assumed(
        site=SiteName("s"),
        class_name=H100,
        demand=Demand(
            JOB, (PodDemand(count=4, cpu_millis=1000, memory_bytes=GIB, accelerators=4),)
        ),
        replicas=4,
    )
    held = {"held_units": {H100: 8}, "held_cpu_millis": 2000, "held_memory_bytes": 2 * GIB}
    found = plan(
        snapshot(
            [site("s").nodes(4, h100=8)],
            [*jobs("red", 4, chips=8), *jobs("blue", 4, chips=8)],
            assumed=[half],
            queues={"red": replace(queue(), **held), "blue": replace(queue(), **held)},
        ),
        NOW,
    )
    assert sorted(assigned(found)) == ["blue0", "red0"]


def broken_up(lengths_h: dict[str, float], weight: float = 1.0) -> Counter[str]:
    """Eight pods of eight chips fit, though the totals hold twenty; what each queue gets."""
    works = [
        workload(f"{name}{i}", age_s=i).gang(1, chips=8).lasts(hours).but(queue=name)
        for name, hours in lengths_h.items()
        for i in range(10)
    ]
    place = site("s").nodes(8, h100=8).nodes(24, h100=4).charges(h100=1)
    queues = {"a": queue(weight=weight), "b": queue(weight=1.0)}
    found = assigned(plan(snapshot([place], works, queues=queues), NOW))
    return Counter(name[0] for name in found)


def test_room_that_totals_promise_and_nodes_lack_is_shared_by_weight() -> None:
    assert broken_up({"a": 4, "b": 4}) == {"a": 4, "b": 4}
    assert broken_up({"a": 4, "b": 4}, weight=3.0) == {"a": 6, "b": 2}


def test_work_that_counts_more_takes_nothing_of_another_queues_share() -> None:
    assert broken_up({"a": 1, "b": 8}) == broken_up({"a": 8, "b": 1}) == {"a": 4, "b": 4}


def test_what_one_queue_cannot_use_is_given_to_others() -> None:
    works = [workload(f"a{i}", age_s=9).gang(1, chips=8).but(queue="a") for i in range(2)]
    works += [workload(f"b{i}").gang(1, chips=8).but(queue="b") for i in range(9)]
    place = site("s").nodes(6, h100=8).nodes(24, h100=4)
    queues = {"a": queue(weight=5.0), "b": queue()}
    found = assigned(plan(snapshot([place], works, queues=queues), NOW))
    assert Counter(name[0] for name in found) == {"a": 2, "b": 4}
