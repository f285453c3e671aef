"""What must hold of work that is split over sites, whatever the federation."""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests import oracle, splits
from tests.builders import GIB, NOW, current, queue, quota, site, snapshot
from tests.strategies import (
    REGIONS,
    TAINTS,
    pod_demands,
    prices,
    site_sets,
    sometimes,
    workloads,
)

from tradewind.api.demand import Demand
from tradewind.api.policy import PolicySpec
from tradewind.api.workload import WorkloadStatus
from tradewind.controller.jointly import joint_decision
from tradewind.placement.engine import plan
from tradewind.placement.milp import Model
from tradewind.placement.plan import Assignment, Plan
from tradewind.placement.snapshot import (
    CurrentPart,
    Reserve,
    SiteView,
    Uid,
    WorkloadView,
)
from tradewind.placement.splitting import Offers, Task, add_task, share, usd_of


@st.composite
def open_sites(draw: st.DrawFn, name: str) -> SiteView:
    """A site that is known and admits most work, with room for a few small pods."""
    made = site(name).costs(
        carbon=draw(st.floats(10, 900)),
        power=draw(st.floats(0, 300)),
        load=draw(st.sampled_from((0.1, 0.5, 0.9))),
    )
    for chip in draw(st.lists(st.sampled_from(("h100", "a100")), min_size=1, unique=True)):
        free = draw(st.sampled_from((1, 2, 4, 8)))
        cpu = draw(st.sampled_from((3, 8, 16)))
        made = made.nodes(draw(st.integers(1, 2)), cpu=cpu, memory_gib=16, **{chip: free})
    made = made.charges(h100=draw(st.floats(1, 5)), a100=draw(st.floats(0.5, 3)))
    near = {region: draw(st.floats(1, 300)) for region in REGIONS}
    kept = Reserve(cpu_millis=draw(sometimes(st.integers(0, 8000), 0)))
    avoided = draw(sometimes(st.just((TAINTS[1],)), ()))
    return made.but(latency_ms=near, reserved=kept, taints=avoided).view


@st.composite
def federations(draw: st.DrawFn, least: int = 0, most: int = 5) -> tuple[SiteView, ...]:
    """Mostly sites that have room; now and then anything."""
    if draw(st.integers(0, 3)) == 3:
        return draw(site_sets(least=least, most=most))
    return tuple(draw(open_sites(f"site-{i}")) for i in range(draw(st.integers(least, most))))


@st.composite
def split_works(draw: st.DrawFn, name: str = "w", age_s: int = 0) -> WorkloadView:
    """Work of a few equal pods that may, or must, be split."""
    work = draw(workloads(name, age_s, pod_sets=1))
    pod = replace(
        draw(pod_demands()),
        count=draw(st.integers(2, 6)),
        cpu_millis=draw(st.sampled_from((500, 1000, 4000))),
        memory_bytes=draw(st.sampled_from((0, 1, 6))) * GIB,
        accelerators=draw(st.sampled_from((0, 1, 1, 2))),
    )
    fewest = draw(st.integers(1, 3))
    need = replace(
        work.placement,
        min_sites=fewest,
        max_sites=max(2, draw(st.integers(fewest, 4))),
        min_replicas_per_site=draw(st.sampled_from((1, 1, 1, 2, 3))),
    )
    return replace(
        work,
        workload_class=draw(st.sampled_from(("Inference", "Batch"))),
        demand=Demand(work.demand.kind, (pod,)),
        placement=need,
    )


@st.composite
def mixed_sets(draw: st.DrawFn) -> tuple[WorkloadView, ...]:
    """Work that is split beside work that is not."""
    count = draw(st.integers(1, 4))
    return tuple(
        draw(split_works(f"w{i}", i) if i == 0 or draw(st.booleans()) else workloads(f"w{i}", i))
        for i in range(count)
    )


def parts_of(found: Plan) -> dict[Uid, list[Assignment]]:
    parts: dict[Uid, list[Assignment]] = defaultdict(list)
    for part in found.assignments:
        parts[part.uid].append(part)
    return parts


def total(found: Plan) -> float:
    return sum(part.cost.total for part in found.assignments)


def counts(mine: Sequence[Assignment]) -> tuple[int, float]:
    """Parts at sites that should be avoided, which count more than any cost; and the cost."""
    avoided = sum(bool(one.explanation.chosen and one.explanation.chosen.avoid) for one in mine)
    return avoided, sum(one.cost.total for one in mine) if mine else math.inf


@given(federations(), mixed_sets())
def test_all_of_it_has_a_place_within_its_bounds_or_all_of_it_waits_with_reasons(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...]
) -> None:
    found = plan(snapshot(sites, pending), NOW)
    parts, waiting = parts_of(found), {one.uid: one for one in found.waiting}
    by_name = {place.name: place for place in sites}
    for work in pending:
        assert (work.uid in parts) is not (work.uid in waiting)
        if work.uid in waiting:
            why = waiting[work.uid].explanation
            assert all(refusal.message for refusal in why.refused)
            assert {r.site for r in why.refused} == {place.name for place in sites}
            continue
        mine, need = parts[work.uid], work.placement
        assert sum(part.replicas for part in mine) == work.demand.replicas
        assert need.min_sites <= len(mine) <= max(1, need.max_sites)
        assert len({part.site for part in mine}) == len(mine)
        if len(mine) > 1:
            assert all(part.replicas >= need.min_replicas_per_site for part in mine)
        for part in mine:
            place = by_name[part.site]
            assert oracle.allowed(place, work)
            assert part.class_name in oracle.classes(place, work)
            assert not oracle.late(place, part.class_name, work, NOW)
            assert part.explanation.chosen is not None
            assert part.explanation.chosen.cost == part.cost


@given(federations(1, 3), mixed_sets())
def test_parts_never_take_more_than_there_is_node_by_node(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...]
) -> None:
    pods = {work.uid: work.demand.pods for work in pending}
    found = plan(snapshot(sites, pending), NOW)
    parts = parts_of(found)
    for place in sites:
        gangs = [
            (
                replace(pod, count=part.replicas) if len(pods[part.uid]) == 1 else pod,
                part.class_name,
            )
            for uid in parts
            for part in parts[uid]
            if part.site == place.name
            for pod in pods[part.uid]
        ]
        gangs.sort(key=lambda gang: (-gang[0].accelerators, -gang[0].cpu_millis))
        assert oracle.packs(place, gangs)
        taken = sum(pod.count * pod.cpu_millis for pod, _ in gangs)
        free = sum(node.free_cpu_millis * node.nodes for node in place.node_shapes)
        assert not taken or free - taken >= place.reserved.cpu_millis


@given(federations(most=4), split_works(), prices)
def test_alone_it_gets_the_cheapest_division_there_is(
    sites: tuple[SiteView, ...], work: WorkloadView, policy: PolicySpec
) -> None:
    found = plan(snapshot(sites, [work], prices=policy), NOW)
    want = splits.cheapest(sites, work, policy, NOW)
    assert bool(found.assignments) is (want is not None)
    if want is not None:
        assert math.isclose(total(found), want, rel_tol=1e-3, abs_tol=1e-4)


@given(federations(1), split_works(), prices)
def test_terms_of_all_parts_add_up_to_the_total_to_the_last_digit(
    sites: tuple[SiteView, ...], work: WorkloadView, policy: PolicySpec
) -> None:
    found = plan(snapshot(sites, [work], prices=policy), NOW)
    if not found.assignments:
        return
    shown = joint_decision(found.assignments, NOW, WorkloadStatus())
    parts = [(part.cost.total, part.cost.as_dict()) for part in found.assignments]
    sums = [*parts, *((other.cost_usd, other.terms) for other in shown.alternatives)]
    sums.append((shown.cost_usd, shown.terms))
    for cost_usd, terms in sums:
        assert sum(Decimal(str(usd)) for usd in terms.values()) == Decimal(str(cost_usd))
    assert Decimal(str(shown.cost_usd)) == sum(Decimal(str(usd)) for usd, _ in parts)


@given(federations(), mixed_sets(), st.randoms(use_true_random=False))
def test_the_order_of_inputs_decides_nothing(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...], luck: random.Random
) -> None:
    before = plan(snapshot(sites, pending), NOW)
    mixed_sites, mixed_pending = list(sites), list(pending)
    luck.shuffle(mixed_sites)
    luck.shuffle(mixed_pending)
    assert plan(snapshot(mixed_sites, mixed_pending), NOW) == before


@given(federations(1), split_works())
def test_more_sites_to_choose_from_never_make_it_dearer(
    sites: tuple[SiteView, ...], work: WorkloadView
) -> None:
    wider = replace(work, placement=replace(work.placement, max_sites=work.placement.max_sites + 1))
    found = [counts(plan(snapshot(sites, [one]), NOW).assignments) for one in (work, wider)]
    (avoided, before), (still, after) = found
    assert math.isfinite(after) or math.isinf(before)
    assert math.isinf(before) or still <= avoided
    if still == avoided:
        assert after <= before * (1 + 1e-3) + 1e-4


@given(federations(1), split_works(), st.data())
def test_a_cheaper_site_never_makes_it_dearer(
    sites: tuple[SiteView, ...], work: WorkloadView, data: st.DataObject
) -> None:
    before = plan(snapshot(sites, [work]), NOW)
    which = data.draw(st.integers(0, len(sites) - 1))
    field = data.draw(st.sampled_from(("price_per_mwh", "carbon_intensity", "load")))
    known = getattr(sites[which], field).value
    low = data.draw(st.floats(0, known)) if known is not None else 0.0
    cheaper = replace(sites[which], **{field: current(low)})
    after = plan(snapshot([*sites[:which], cheaper, *sites[which + 1 :]], [work]), NOW)
    assert bool(after.assignments) is bool(before.assignments)
    assert total(after) <= total(before) * (1 + 1e-3) + 1e-4


@given(
    federations(1, 4),
    split_works(),
    st.integers(0, 40),
    st.sampled_from((None, 1.0, 20.0, 200.0)),
)
def test_quota_and_budget_hold_for_all_parts_together(
    sites: tuple[SiteView, ...], work: WorkloadView, nominal: int, budget: float | None
) -> None:
    spec = {} if budget is None else {"budget": {"monthlyUSD": budget}}
    queues = {"q": queue(quota(nominal, 0), **spec)}
    work = replace(work, queue="q")
    found = plan(snapshot(sites, [work], queues=queues), NOW)
    (pod,) = work.demand.pods
    units = sum(part.replicas * pod.accelerators for part in found.assignments if part.class_name)
    assert units <= nominal
    if budget is not None:
        assert sum(part.cost.money for part in found.assignments) <= budget + 1e-3
    if not found.assignments:
        # It waits for a reason: nothing that is allowed was passed over.
        free = plan(snapshot(sites, [replace(work, queue="")]), NOW)
        asked = pod.accelerators * work.demand.replicas
        reasons = {refusal.reason.value for refusal in found.waiting[0].explanation.refused}
        if free.assignments and asked > nominal:
            assert reasons & {"QuotaExceeded", "BudgetExceeded"}


@given(federations(2), split_works(), st.data())
def test_what_stands_stays_and_only_the_rest_is_placed(
    sites: tuple[SiteView, ...], work: WorkloadView, data: st.DataObject
) -> None:
    stands = data.draw(st.sampled_from(sites))
    pods = data.draw(st.integers(1, 5))
    grows = data.draw(st.booleans())
    part = CurrentPart(
        stands.name, data.draw(st.sampled_from(oracle.classes(stands, work) or [None])), pods, 3
    )
    need = work.placement
    rest = replace(
        work,
        epoch=3,
        current=(part,),
        grows=frozenset({stands.name}) if grows else frozenset(),
        placement=replace(need, min_sites=need.min_sites - 1, max_sites=need.max_sites - 1),
    )
    found = plan(snapshot(sites, [rest]), NOW)
    if not found.assignments:
        assert [one.uid for one in found.waiting] == [work.uid]
        return
    assert sum(one.replicas for one in found.assignments) == work.demand.replicas
    elsewhere = [one for one in found.assignments if one.site != stands.name]
    grown = [one for one in found.assignments if one.site == stands.name]
    assert len(elsewhere) <= need.max_sites - 1
    assert len(elsewhere) >= need.min_sites - 1
    assert not grown or (grows and [one.class_name for one in grown] == [part.class_name])


@given(federations(1, 3), workloads("whole", 1, pod_sets=1), split_works("split", 0))
def test_a_higher_priority_never_fares_worse(
    sites: tuple[SiteView, ...], first: WorkloadView, second: WorkloadView
) -> None:
    def second_has(priority: int) -> tuple[int, float]:
        found = plan(snapshot(sites, [first, replace(second, priority=priority)]), NOW)
        return counts([one for one in found.assignments if one.uid == second.uid])

    before, after = second_has(-9), second_has(9)
    assert math.isfinite(after[1]) or math.isinf(before[1])
    if after[0] == before[0]:
        assert after[1] <= before[1] * (1 + 1e-3) + 1e-4
    else:
        assert after[0] < before[0] or math.isinf(before[1])


@st.composite
def offers(draw: st.DrawFn) -> Offers:
    """Numbers without a meaning: two candidates at a site, now and then."""
    count = draw(st.integers(1, 6))
    usd = st.floats(-5, 50)
    return Offers(
        site=np.array([draw(st.integers(0, 4)) for _ in range(count)]),
        room=np.array([draw(st.integers(0, 9)) for _ in range(count)]),
        each=np.array([draw(usd) for _ in range(count)]),
        once=np.array([draw(st.sampled_from((0.0, 0.0, 3.0, 40.0))) for _ in range(count)]),
        near=np.zeros((0, count)),
        asked=np.zeros(0),
        grows=np.zeros(count, bool),
    )


@given(offers(), st.integers(1, 12), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3))
def test_site_by_site_and_as_an_integer_program_a_task_has_one_optimum(
    offered: Offers, pods: int, least: int, fewest: int, more: int
) -> None:
    task = Task(pods, least, fewest, fewest + more)
    found = share(task, offered)
    model = Model()
    columns = add_task(model, task, offered)
    values = model.solve(gap=1e-9, branches=10000)
    want = None if values is None else columns.read(values)
    assert (found is None) is (want is None)
    if found is not None and want is not None:
        assert math.isclose(usd_of(found, offered), usd_of(want, offered), abs_tol=1e-4)
        assert all(least <= part.pods <= offered.room[part.place] for part in found)
        assert len({int(offered.site[part.place]) for part in found}) == len(found)
