"""What must hold of every plan, whatever the federation and the work."""

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests import oracle
from tests.builders import JOB, NOW, current, site, snapshot, workload
from tests.strategies import pod_demands, prices, site_sets, wild_floats, workload_sets, workloads

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.policy import PolicySpec
from tradewind.placement.engine import plan
from tradewind.placement.explain import decision_of
from tradewind.placement.plan import Assignment, Candidate, CostTerms, Plan, Term
from tradewind.placement.snapshot import Assumed, Pricing, SiteName, SiteView, Uid, WorkloadView

one_pod_set = workloads(pod_sets=1)


def total(found: Plan) -> float:
    return sum(assignment.cost.total for assignment in found.assignments)


def assert_room(
    place: SiteView, assignments: Iterable[Assignment], demands: Mapping[Uid, Demand]
) -> None:
    gangs: list[tuple[PodDemand, str | None]] = [
        (pod, assignment.class_name)
        for assignment in assignments
        if assignment.site == place.name
        for pod in demands[assignment.uid].pods
    ]
    # Larger pods first: the search then finds a packing soon if there is one.
    gangs.sort(key=lambda gang: (-gang[0].accelerators, -gang[0].cpu_millis))
    assert oracle.packs(place, gangs)
    taken = sum(pod.count * pod.cpu_millis for pod, _ in gangs)
    free = sum(node.free_cpu_millis * node.nodes for node in place.node_shapes)
    assert not taken or free - taken >= place.reserved.cpu_millis


@given(site_sets(), workload_sets())
def test_each_workload_is_placed_or_waits_and_each_site_has_a_word(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...]
) -> None:
    found = plan(snapshot(sites, pending), NOW)
    outcomes = [*found.assignments, *found.waiting]
    assert sorted(o.uid for o in outcomes) == sorted(w.uid for w in pending)
    for outcome in outcomes:
        why = outcome.explanation
        named = [refusal.site for refusal in why.refused]
        others = {candidate.site for candidate in why.alternatives}
        chosen = {why.chosen.site} if why.chosen else set()
        assert len(named) == len(set(named))
        assert set(named) | others | chosen == {s.name for s in sites}
        assert not set(named) & (others | chosen)
        assert all(refusal.message for refusal in why.refused)
        assert (why.chosen is not None) is isinstance(outcome, Assignment)


@given(site_sets(least=1, most=3), workload_sets(most=4))
def test_capacity_is_never_exceeded_node_by_node(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...]
) -> None:
    found = plan(snapshot(sites, pending), NOW)
    demands = {work.uid: work.demand for work in pending}
    for place in sites:
        assert_room(place, found.assignments, demands)


@given(site_sets(), workload_sets())
def test_hard_rules_are_never_broken(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...]
) -> None:
    by_name = {place.name: place for place in sites}
    by_uid = {work.uid: work for work in pending}
    for assignment in plan(snapshot(sites, pending), NOW).assignments:
        place, work = by_name[assignment.site], by_uid[assignment.uid]
        assert oracle.allowed(place, work)
        assert assignment.class_name in oracle.classes(place, work)
        assert not oracle.late(place, assignment.class_name, work, NOW)


@given(site_sets(), one_pod_set, prices)
def test_one_workload_gets_the_cheapest_place_there_is(
    sites: tuple[SiteView, ...], work: WorkloadView, policy: PolicySpec
) -> None:
    found = plan(snapshot(sites, [work], prices=policy), NOW)
    want = oracle.cheapest(sites, work, policy, NOW)
    if want is None:
        assert found.assignments == ()
    else:
        (assignment,) = found.assignments
        # Each of the terms is rounded to a millionth of a dollar.
        assert math.isclose(assignment.cost.total, want, rel_tol=1e-9, abs_tol=1e-5)


@given(site_sets(least=1), workload_sets(), prices)
def test_terms_add_up_to_the_total_to_the_last_digit(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...], policy: PolicySpec
) -> None:
    found = plan(snapshot(sites, pending, prices=policy), NOW)
    for outcome in (*found.assignments, *found.waiting):
        shown = decision_of(outcome, NOW)
        options = [*shown.alternatives]
        sums = [(a.cost_usd, a.terms) for a in options]
        if shown.cost_usd is not None:
            sums.append((shown.cost_usd, shown.terms))
        for cost_usd, terms in sums:
            assert sum(Decimal(str(usd)) for usd in terms.values()) == Decimal(str(cost_usd))


@given(site_sets(), workload_sets(), st.randoms(use_true_random=False))
def test_the_order_of_inputs_decides_nothing(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...], luck: random.Random
) -> None:
    before = plan(snapshot(sites, pending), NOW)
    mixed_sites, mixed_pending = list(sites), list(pending)
    luck.shuffle(mixed_sites)
    luck.shuffle(mixed_pending)
    assert plan(snapshot(mixed_sites, mixed_pending), NOW) == before


@given(site_sets(), workload_sets())
def test_new_names_change_nothing_but_names(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...]
) -> None:
    before = plan(snapshot(sites, pending), NOW)
    # Of equal costs the smaller name is taken: only there may a name decide.
    for assignment in before.assignments:
        same = [a.cost.total for a in assignment.explanation.alternatives]
        assume(assignment.cost.total not in same)
    names = {s.name: SiteName(f"z{len(sites) - i}") for i, s in enumerate(sites)}

    def renamed(work: WorkloadView) -> WorkloadView:
        data = tuple((names.get(place, place), gib) for place, gib in work.placement.data)
        return replace(
            work, uid=Uid(f"new-{work.uid}"), placement=replace(work.placement, data=data)
        )

    after = plan(
        snapshot([replace(s, name=names[s.name]) for s in sites], map(renamed, pending)), NOW
    )
    assert [(f"new-{a.uid}", names[a.site], a.class_name, a.cost) for a in before.assignments] == [
        (a.uid, a.site, a.class_name, a.cost) for a in after.assignments
    ]


@given(site_sets(least=1), one_pod_set, st.data())
def test_a_cheaper_site_never_makes_the_plan_dearer(
    sites: tuple[SiteView, ...], work: WorkloadView, data: st.DataObject
) -> None:
    before = plan(snapshot(sites, [work]), NOW)
    which = data.draw(st.integers(0, len(sites) - 1))
    lucky = sites[which]
    # A site that nobody knows anything of gets a known, low price: also cheaper.
    field = data.draw(st.sampled_from(("price_per_mwh", "carbon_intensity", "load")))
    known = getattr(lucky, field).value
    low = data.draw(st.floats(0, known)) if known is not None else 0.0
    cheaper = replace(lucky, **{field: current(low)})
    after = plan(snapshot([*sites[:which], cheaper, *sites[which + 1 :]], [work]), NOW)
    assert len(after.assignments) == len(before.assignments)
    assert total(after) <= total(before)


FIELDS = ("price_per_mwh", "carbon_intensity", "load", "pue")


@given(st.sampled_from(FIELDS), wild_floats)
@example("price_per_mwh", -50.0)
@example("load", math.nan)
@example("carbon_intensity", math.inf)
def test_a_broken_signal_neither_raises_nor_wins(field: str, value: float | None) -> None:
    # "a" goes first among equals: to win, it need only not be dearer.
    twin = site("b").nodes(h100=8).costs(carbon=0, power=0, load=0, pue=1)
    broken = twin.but(name=SiteName("a"), **{field: current(value)})
    known = twin.but(**{field: current(1.0)} if field == "pue" else {})
    found = plan(snapshot([broken, known], [workload("w").gang(1, chips=8)]), NOW)
    figures = {s.site: s.cost for s in _candidates(found)}
    assert all(math.isfinite(usd) and usd >= 0 for cost in figures.values() for usd in cost.usd)
    assert figures[SiteName("a")].total >= figures[SiteName("b")].total


@given(wild_floats, wild_floats, wild_floats, wild_floats)
def test_broken_prices_latencies_and_durations_neither_raise_nor_win(
    chip: float | None, cpu: float | None, distance: float | None, duration: float | None
) -> None:
    honest = site("b").nodes(h100=8).charges(0, 0, h100=0).but(latency_ms={"berlin": 0.0})
    broken = honest.but(
        name=SiteName("a"),
        pricing=Pricing({} if chip is None else {"nvidia-h100-sxm": chip}, cpu, cpu),
        latency_ms={} if distance is None else {"berlin": distance},
    )
    work = workload("w").gang(1, chips=8).only(latency_from=(("berlin", 1.0),))
    runtime = replace(work.view.runtime, duration_s=duration)
    found = plan(snapshot([broken, honest], [work.but(runtime=runtime)]), NOW)
    figures = {s.site: s.cost for s in _candidates(found)}
    assert all(math.isfinite(usd) and usd >= 0 for cost in figures.values() for usd in cost.usd)
    assert figures[SiteName("a")].total >= figures[SiteName("b")].total


def _candidates(found: Plan) -> list[Candidate]:
    (assignment,) = found.assignments
    chosen = assignment.explanation.chosen
    assert chosen is not None
    return [chosen, *assignment.explanation.alternatives]


@given(site_sets(least=1), workloads("first", 1), workloads("second", 0))
def test_a_higher_priority_never_fares_worse(
    sites: tuple[SiteView, ...], first: WorkloadView, second: WorkloadView
) -> None:
    def cost_of_second(priority: int) -> float:
        found = plan(snapshot(sites, [first, replace(second, priority=priority)]), NOW)
        return next((a.cost.total for a in found.assignments if a.uid == second.uid), math.inf)

    assert cost_of_second(9) <= cost_of_second(-9)


@given(st.lists(st.floats(0, 1e8), min_size=len(Term), max_size=len(Term)))
def test_cost_terms_are_exact_sums(usd: list[float]) -> None:
    rounded = tuple(round(value, 6) for value in usd)
    exact = sum(Decimal(str(value)) for value in rounded)
    assert Decimal(str(CostTerms(rounded).total)) == exact


@given(site_sets(least=1), workload_sets(least=2))
def test_work_that_waits_takes_nothing_from_the_rest(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...]
) -> None:
    found = plan(snapshot(sites, pending), NOW)
    placed = {assignment.uid for assignment in found.assignments}
    alone = plan(snapshot(sites, [work for work in pending if work.uid in placed]), NOW)
    assert [(a.uid, a.site, a.cost) for a in alone.assignments] == [
        (a.uid, a.site, a.cost) for a in found.assignments
    ]


@given(site_sets(least=1), workload_sets(least=2), pod_demands())
def test_assumed_work_counts_as_if_it_were_placed(
    sites: tuple[SiteView, ...], pending: tuple[WorkloadView, ...], pod: PodDemand
) -> None:
    # Equal pods without chips: of these the count is exact, wherever the earlier ones are put. Of
    # unlike ones the first may be counted where only the last would have fitted.
    # Half a node each: so little has room that a pod which is not counted shows.
    alike = replace(pod, cpu_millis=8000, accelerators=0, vendor_resources=())
    pending = tuple(
        replace(work, demand=Demand(JOB, (replace(alike, count=work.demand.pods[0].count),)))
        for work in pending
    )
    found = plan(snapshot(sites, pending), NOW)
    assume(found.assignments)
    by_uid = {work.uid: work for work in pending}
    *earlier, last = found.assignments
    assumed = [Assumed(a.site, a.class_name, by_uid[a.uid].demand, a.replicas) for a in earlier]
    again = plan(snapshot(sites, [by_uid[last.uid]], assumed=assumed), NOW)
    # The same room is left; alone it may take another place of it that is as cheap, or cheaper.
    [alone] = again.assignments
    assert alone.uid == last.uid
    assert alone.cost.total <= last.cost.total
    demands = {uid: work.demand for uid, work in by_uid.items()}
    for place in sites:
        assert_room(place, [*earlier, alone], demands)
