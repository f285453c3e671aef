"""Replicas over several sites: when, how many at each, at what cost, and why not."""

from dataclasses import replace

import pytest
from tests.builders import (
    A100,
    H100,
    JOB,
    NOW,
    PRICES,
    SiteBuilder,
    WorkloadBuilder,
    queue,
    quota,
    site,
    snapshot,
    workload,
)

from tradewind.api.queue import PreemptionRule
from tradewind.placement.engine import plan
from tradewind.placement.plan import Plan, RefusalReason, Term, Verdict
from tradewind.placement.snapshot import CurrentPart, QueueView, SiteName

EIGHT = {"chips": 8}
CLEAN = site("clean").nodes(4, h100=8).costs(carbon=50)
DIRTY = site("dirty").nodes(4, h100=8).costs(carbon=900)
SMALL = site("small").nodes(1, h100=8).costs(carbon=20)


def service(pods: int, *, at_most: int = 2, **need: object) -> WorkloadBuilder:
    """A service of pods with eight chips each, which may be split."""
    made = workload("serve").gang(pods, chips=8).but(workload_class="Inference")
    return made.only(max_sites=at_most, **need)


def parts(found: Plan) -> dict[str, int]:
    return {part.site: part.replicas for part in found.assignments}


def refusals(found: Plan) -> dict[str, tuple[RefusalReason, str]]:
    (waiting,) = found.waiting
    return {r.site: (r.reason, r.message) for r in waiting.explanation.refused}


def test_what_fits_at_one_site_is_not_split_for_its_own_sake() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [service(4)]), NOW)
    assert parts(found) == {"clean": 4}


def test_the_whole_costs_the_same_whether_or_not_it_may_be_split() -> None:
    (split,) = plan(snapshot([CLEAN, DIRTY], [service(4)]), NOW).assignments
    (whole,) = plan(snapshot([CLEAN, DIRTY], [service(4, at_most=1)]), NOW).assignments
    assert split.cost == whole.cost


def test_what_one_site_has_no_room_for_goes_to_two_the_cheaper_one_filled() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [service(6)]), NOW)
    assert parts(found) == {"clean": 4, "dirty": 2}
    assert {part.epoch for part in found.assignments} == {1}


def test_a_cheap_site_too_small_to_matter_is_left_out_where_sites_are_few() -> None:
    """Of the smallest site and one other there is room for five: six need the two large ones."""
    found = plan(snapshot([CLEAN, DIRTY, SMALL], [service(6)]), NOW)
    assert parts(found) == {"clean": 4, "dirty": 2}
    wide = plan(snapshot([CLEAN, DIRTY, SMALL], [service(6, at_most=3)]), NOW)
    assert parts(wide) == {"clean": 4, "small": 1, "dirty": 1}


def test_the_fewest_sites_are_had_although_one_would_do() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [service(4, min_sites=2)]), NOW)
    assert parts(found) == {"clean": 3, "dirty": 1}
    even = service(4, min_sites=2, min_replicas_per_site=2)
    assert parts(plan(snapshot([CLEAN, DIRTY], [even]), NOW)) == {"clean": 2, "dirty": 2}


def test_fewer_replicas_than_a_part_must_have_are_whole() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [service(2, min_replicas_per_site=3)]), NOW)
    assert parts(found) == {"clean": 2}


def test_each_part_is_of_one_class() -> None:
    """Six H100 nodes are nowhere; nor are two classes at one site one part."""
    both = site("both").nodes(3, h100=8).nodes(3, a100=8)
    found = plan(snapshot([both, DIRTY], [service(6)]), NOW)
    classes = {part.site: part.class_name for part in found.assignments}
    assert sum(parts(found).values()) == 6
    assert classes == {"both": A100, "dirty": H100}


def test_consumers_are_served_by_the_part_that_is_near() -> None:
    """70% of the use comes from Shanghai: of four replicas 2.8 would be busy with it."""
    east = site("east").nodes(4, h100=8).but(latency_ms={"shanghai": 5.0, "berlin": 205.0})
    west = site("west").nodes(4, h100=8).but(latency_ms={"shanghai": 205.0, "berlin": 5.0})
    dear = PRICES.model_copy(update={"latency_per_millisecond_hour": 1.0})
    near = service(4, latency_from=(("shanghai", 0.7), ("berlin", 0.3)))
    found = plan(snapshot([east, west], [near], prices=dear), NOW)
    assert parts(found) == {"east": 3, "west": 1}
    latency = {part.site: part.cost[Term.LATENCY] for part in found.assignments}
    # Over the hour it lasts: all of Shanghai and 0.05 of the use from Berlin; the rest of Berlin.
    assert latency["east"] == pytest.approx(0.7 * 5 + 0.05 * 205)
    assert latency["west"] == pytest.approx(0.25 * 5)
    alone = plan(snapshot([east, west], [near.only(max_sites=1)], prices=dear), NOW)
    assert alone.assignments[0].cost[Term.LATENCY] == pytest.approx(0.7 * 5 + 0.3 * 205)


def test_every_part_brings_the_whole_input() -> None:
    data = ((SiteName("clean"), 100.0),)
    found = plan(snapshot([CLEAN, DIRTY], [service(6, data=data)]), NOW)
    costs = {part.site: part.cost[Term.DATA] for part in found.assignments}
    assert costs["clean"] == 0
    (whole,) = plan(snapshot([DIRTY], [service(4, at_most=1, data=data)]), NOW).assignments
    assert costs["dirty"] == whole.cost[Term.DATA] > 0


def test_too_little_room_together_is_told_with_the_numbers() -> None:
    found = plan(snapshot([CLEAN, DIRTY, SMALL], [service(9)]), NOW)
    assert found.waiting[0].verdict is Verdict.WAIT
    message = (
        "needs room for 9 replicas at 2 sites at most (split.maxSites);"
        " the roomiest have room for 8"
    )
    assert set(refusals(found).values()) == {(RefusalReason.PARTS, message)}


def test_too_few_sites_with_room_are_told_with_the_numbers() -> None:
    full = site("full").nodes(1, h100=0)
    found = plan(snapshot([CLEAN, full], [service(4, min_sites=2)]), NOW)
    assert found.waiting[0].verdict is Verdict.WAIT
    assert refusals(found)["clean"] == (
        RefusalReason.PARTS,
        "split.minSites asks for 2 sites with room for 1 replica each; there are 1",
    )
    assert refusals(found)["full"][0] is RefusalReason.ACCELERATORS


def test_more_sites_than_there_could_be_is_never() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [service(4, at_most=3, min_sites=3)]), NOW)
    assert found.waiting[0].verdict is Verdict.NEVER
    assert refusals(found)["clean"] == (
        RefusalReason.FEW_SITES,
        "split.minSites asks for 3 sites; only 2 may have it",
    )


def test_fewer_replicas_than_the_sites_need_is_never() -> None:
    work = service(3, min_sites=2, min_replicas_per_site=2)
    found = plan(snapshot([CLEAN, DIRTY], [work]), NOW)
    assert found.waiting[0].verdict is Verdict.NEVER
    assert refusals(found)["dirty"][1].startswith("3 replicas are too few for 2 sites with 2 each")


@pytest.mark.parametrize(
    "work",
    [
        service(4, at_most=1, min_sites=2),
        service(4, min_sites=2).but(workload_class="Training"),
        service(4, min_sites=2).gang(1, chips=1),
    ],
    ids=["its template cannot be split", "a gang", "unlike pods"],
)
def test_what_has_to_be_split_and_cannot_be_says_so(work: WorkloadBuilder) -> None:
    found = plan(snapshot([CLEAN, DIRTY], [work]), NOW)
    assert found.waiting[0].verdict is Verdict.NEVER
    ((reason, message),) = refusals(found).values()
    assert reason is RefusalReason.CANNOT_SPLIT
    assert message.startswith("split.minSites is 2, but")


def test_training_is_never_split() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [service(6).but(workload_class="Training")]), NOW)
    assert not found.assignments


def test_a_quota_counts_all_parts_together() -> None:
    queues = {"q": queue(quota(40, 0))}
    found = plan(snapshot([CLEAN, DIRTY], [service(6).but(queue="q")], queues=queues), NOW)
    assert refusals(found)["clean"] == (
        RefusalReason.QUOTA,
        "needs 48 accelerators; queue 'q' holds 0 and may hold 40",
    )
    queues = {"q": queue(quota(48, 0))}
    found = plan(snapshot([CLEAN, DIRTY], [service(6).but(queue="q")], queues=queues), NOW)
    assert parts(found) == {"clean": 4, "dirty": 2}


def test_a_quota_of_a_class_bends_the_division() -> None:
    """Sixteen H100 are left to the queue: the other replicas take the dearer A100."""
    mixed = site("mixed").nodes(4, a100=8).charges(h100=1, a100=9)
    queues = {"q": queue(quota(16, 0, "h100"))}
    found = plan(snapshot([CLEAN, mixed], [service(4).but(queue="q")], queues=queues), NOW)
    assert {(p.site, p.class_name): p.replicas for p in found.assignments} == {
        ("mixed", A100): 2,
        ("clean", H100): 2,
    }


def test_the_next_of_the_same_shape_sees_what_the_first_took() -> None:
    twins = [service(6).but(uid=f"uid-{n}", name=n) for n in ("a", "b")]
    found = plan(snapshot([CLEAN, DIRTY], twins), NOW)
    assert [part.uid for part in found.assignments] == ["uid-a", "uid-a"]
    assert [one.uid for one in found.waiting] == ["uid-b"]


def test_whole_work_with_one_place_is_not_robbed_of_it() -> None:
    """The gang fits at clean only; the split work can do without."""
    gang = workload("gang").gang(4, chips=8).only(jurisdictions=("FR",))
    clean = CLEAN.but(jurisdiction="FR")
    third = site("third").nodes(2, h100=8).costs(carbon=900)
    found = plan(snapshot([clean, DIRTY, third], [service(6), gang]), NOW)
    sites = {part.uid.removeprefix("uid-"): part.site for part in found.assignments}
    assert sites["gang"] == "clean"
    assert {p.site for p in found.assignments if p.uid == "uid-serve"} == {"dirty", "third"}


# --- parts that stand


def rest(pods: int, stands: int, *, grows: bool = False, **need: object) -> WorkloadBuilder:
    """What is missing of a service with a part at clean."""
    part = CurrentPart(SiteName("clean"), H100, stands, 1)
    made = service(pods, **{"at_most": 1, "min_sites": 0, **need})
    return made.but(
        current=(part,), epoch=1, grows=frozenset({part.site}) if grows else frozenset()
    )


def test_only_what_is_missing_is_placed_and_not_where_a_part_stands() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [rest(2, 4)]), NOW)
    assert parts(found) == {"dirty": 2}
    assert found.assignments[0].epoch == 2
    full = DIRTY.but(node_shapes=())
    found = plan(snapshot([CLEAN, full], [rest(2, 4)]), NOW)
    assert refusals(found)["clean"] == (
        RefusalReason.PART_STANDS,
        "a part of it with 4 replicas stands there",
    )


def test_a_part_of_a_service_grows_where_no_further_site_may_have_one() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [rest(2, 1, grows=True, at_most=0)]), NOW)
    assert parts(found) == {"clean": 2}
    # With the class it has: the other one there would be a part of its own.
    other = site("clean").nodes(4, a100=8)
    found = plan(snapshot([other, DIRTY], [rest(2, 1, grows=True, at_most=0)]), NOW)
    assert not found.assignments


def test_further_sites_that_are_asked_for_are_had_before_a_part_grows() -> None:
    found = plan(snapshot([CLEAN, DIRTY], [rest(2, 1, grows=True, min_sites=1)]), NOW)
    assert sum(parts(found).values()) == 2
    assert "dirty" in parts(found)


def test_a_part_costs_its_share_of_the_whole_standing_parts_included() -> None:
    near = {"latency_from": (("shanghai", 1.0),)}
    dirty = DIRTY.but(latency_ms={"shanghai": 30.0})
    clean = CLEAN.but(latency_ms={"shanghai": 30.0})
    (part,) = plan(snapshot([clean, dirty], [rest(1, 3, **near)]), NOW).assignments
    (whole,) = plan(snapshot([dirty], [service(4, at_most=1, **near)]), NOW).assignments
    assert part.cost[Term.LATENCY] == pytest.approx(whole.cost[Term.LATENCY] / 4)
    assert part.cost[Term.HARDWARE] == pytest.approx(whole.cost[Term.HARDWARE] / 4)


# --- with deferral and preemption


def test_batch_that_may_wait_is_planned_whole_first_and_split_where_that_finds_no_place() -> None:
    job = workload("job").gang(3, chips=8).lasts(1, max_delay_s=6 * 3600).only(max_sites=2)
    found = plan(snapshot([CLEAN, DIRTY], [job]), NOW)
    assert parts(found) == {"clean": 3}
    large = workload("job").gang(6, chips=8).lasts(1, max_delay_s=6 * 3600).only(max_sites=2)
    assert parts(plan(snapshot([CLEAN, DIRTY], [large]), NOW)) == {"clean": 4, "dirty": 2}


def _preempting() -> dict[str, QueueView]:
    return {"urgent": queue(preemption=PreemptionRule.LOWER_PRIORITY)}


def full_of(where: SiteBuilder, pods: int) -> tuple[SiteBuilder, WorkloadBuilder]:
    """The site with nothing free, and what runs there."""
    victim = workload("victim").gang(pods, chips=8).at(where.view.name, ago_h=0.1)
    taken = replace(where.view.node_shapes[0], accelerators=((H100, "nvidia.com/gpu", 0),))
    return where.but(node_shapes=(taken,)), victim.lasts(9, checkpoint_s=60)


def test_room_is_made_for_one_part_beside_those_that_have_room() -> None:
    taken, victim = full_of(DIRTY, 4)
    urgent = service(6, min_sites=2).but(priority=5, queue="urgent")
    low = service(4, at_most=1).but(uid="uid-low", name="low", priority=0)
    found = plan(
        snapshot([CLEAN, taken], [urgent, low], queues=_preempting(), running=(victim.view,)), NOW
    )
    assert [(e.uid, e.site, e.by) for e in found.evictions] == [
        ("uid-victim", "dirty", "uid-serve")
    ]
    # The room at clean is kept for its other part.
    assert not found.assignments


def test_no_room_is_made_where_it_would_be_for_nothing() -> None:
    """Both sites are full, and the work has to be at two of them."""
    one, victim = full_of(DIRTY, 4)
    other = CLEAN.but(node_shapes=())
    urgent = service(6, min_sites=2).but(priority=5, queue="urgent")
    found = plan(
        snapshot([other, one], [urgent], queues=_preempting(), running=(victim.view,)), NOW
    )
    assert not found.evictions


def test_a_job_is_split_as_a_service_is() -> None:
    job = workload("job").gang(6, chips=8).only(max_sites=2)
    assert job.view.demand.kind == JOB
    assert parts(plan(snapshot([CLEAN, DIRTY], [job]), NOW)) == {"clean": 4, "dirty": 2}


def test_scarce_room_goes_by_turns_to_split_work_too() -> None:
    """Of eight nodes red wants nine, and was there first; blue wants five, at two sites."""
    queues = {"red": queue(), "blue": queue()}
    names = ("r0", "r1", "r2")
    red = [service(3).but(uid=f"uid-{name}", name=name, queue="red") for name in names]
    blue = service(5).but(uid="uid-b", name="b", queue="blue")
    found = plan(snapshot([CLEAN, DIRTY], [*red, blue], queues=queues), NOW)
    placed = {part.uid for part in found.assignments}
    assert "uid-b" in placed
    assert len(placed) == 2
    assert sum(part.replicas for part in found.assignments) == 8


def test_batch_that_is_split_after_all_has_one_outcome() -> None:
    """Beside work of another queue that waits: the round is dealt out once more, in turns."""
    queues = {"red": queue(), "blue": queue()}
    large = workload("job").gang(6, chips=8).lasts(1, max_delay_s=6 * 3600).only(max_sites=2)
    other = workload("other").gang(5, chips=8).but(queue="blue")
    found = plan(snapshot([CLEAN, DIRTY], [large.but(queue="red"), other], queues=queues), NOW)
    outcomes = [*{a.uid for a in found.assignments}, *(w.uid for w in found.waiting)]
    assert sorted(outcomes) == ["uid-job", "uid-other"]
    assert parts(found) == {"clean": 4, "dirty": 2}
