"""Each hard rule says no with its code, its verdict and its numbers."""

from datetime import timedelta, timezone

import pytest
from tests.builders import (
    A100,
    ASCEND,
    GIB,
    H100,
    NOW,
    SiteBuilder,
    WorkloadBuilder,
    label_in,
    outcome,
    site,
    snapshot,
    taint,
    workload,
)

from tradewind.api.fields import Toleration
from tradewind.placement.engine import plan
from tradewind.placement.plan import Refusal, Verdict, Waiting
from tradewind.placement.snapshot import Reserve, SiteName

W = workload("w")
PLAIN = site("s").nodes(4)
BIG = W.gang(8, chips=8, cpu=8, memory_gib=64)

CASES: dict[str, tuple[SiteBuilder, WorkloadBuilder, str, Verdict, str]] = {
    "a label that the selector wants is missing": (
        PLAIN,
        W.only(site_selector=(label_in("tier", "gold", "silver"),)),
        "SiteSelectorMismatch",
        Verdict.NEVER,
        "selector wants tier In gold, silver; site has no label tier",
    ),
    "a label has another value": (
        PLAIN.but(labels={"tier": "lead"}),
        W.only(site_selector=(label_in("tier", "gold"),)),
        "SiteSelectorMismatch",
        Verdict.NEVER,
        "selector wants tier In gold; site has tier=lead",
    ),
    "the data must stay in another country": (
        PLAIN,
        W.only(jurisdictions=("CN", "SG")),
        "JurisdictionNotAllowed",
        Verdict.NEVER,
        "may run in CN, SG only; site is in DE",
    ),
    "a subdivision is wanted, the site names the country": (
        PLAIN.but(jurisdiction="US"),
        W.only(jurisdictions=("US-CA",)),
        "JurisdictionNotAllowed",
        Verdict.NEVER,
        "may run in US-CA only; site is in US",
    ),
    "nobody said where the site is": (
        PLAIN.but(jurisdiction=""),
        W.only(jurisdictions=("DE",)),
        "JurisdictionNotAllowed",
        Verdict.NEVER,
        "may run in DE only; site is in a jurisdiction that is not stated",
    ),
    "the site has a taint": (
        PLAIN.but(taints=(taint("dedicated", "research"),)),
        W.only(tolerations=(Toleration(key="dedicated", value="sales"),)),
        "TaintNotTolerated",
        Verdict.NEVER,
        "does not tolerate the site's taint dedicated=research:NoSchedule",
    ),
    "the site is cordoned": (
        PLAIN.but(unschedulable=True),
        W,
        "SiteUnschedulable",
        Verdict.NEVER,
        "site is unschedulable (cordoned)",
    ),
    "the site is too far away": (
        PLAIN.but(latency_ms={"berlin": 12.0, "shanghai": 181.5}),
        W.only(latency_from=(("berlin", 0.5), ("shanghai", 0.5)), max_latency_ms=40.0),
        "LatencyTooHigh",
        Verdict.NEVER,
        "needs at most 40 ms; 181.5 ms from shanghai",
    ),
    "nobody measured the distance": (
        PLAIN.but(latency_ms={"berlin": 12.0}),
        W.only(latency_from=(("berlin", 0.5), ("shanghai", 0.5)), max_latency_ms=40.0),
        "LatencyUnknown",
        Verdict.WAIT,
        "needs at most 40 ms; round trip from shanghai is not known",
    ),
    "the measured distance is no number": (
        PLAIN.but(latency_ms={"berlin": float("nan")}),
        W.only(latency_from=(("berlin", 1.0),), max_latency_ms=40.0),
        "LatencyUnknown",
        Verdict.WAIT,
        "needs at most 40 ms; round trip from berlin is not known",
    ),
    "the workload was lost with this site": (
        PLAIN,
        W.but(excluded_sites=frozenset({SiteName("s")})),
        "SiteLost",
        Verdict.WAIT,
        "site was lost with this workload and has not come back",
    ),
    "the site refused the workload's object": (
        PLAIN,
        W.but(refused_sites=frozenset({SiteName("s")})),
        "RefusedBySite",
        Verdict.WAIT,
        "site refused its object, and is asked again later",
    ),
    "the site does not answer": (
        PLAIN.but(reachable=False),
        W,
        "SiteUnreachable",
        Verdict.WAIT,
        "site does not answer",
    ),
    "the inventory is not whole yet": (
        PLAIN.but(synced=False),
        W,
        "InventoryNotSynced",
        Verdict.WAIT,
        "site's nodes and pods have not been listed yet",
    ),
    "the kind is not served": (
        PLAIN.but(kinds=frozenset({"apps/v1/Deployment"})),
        W,
        "KindNotServed",
        Verdict.NEVER,
        "needs batch/v1/Job; site serves apps/v1/Deployment",
    ),
    "there is no accelerator at all": (
        PLAIN,
        BIG,
        "NoAccelerator",
        Verdict.NEVER,
        "needs 64 accelerators; site has none",
    ),
    "another class is there": (
        PLAIN.nodes(a100=8).nodes(ascend=8),
        BIG.chips(classes=(H100,)),
        "AcceleratorClassMismatch",
        Verdict.NEVER,
        f"needs {H100}; site has {ASCEND}, {A100}",
    ),
    "another maker is there": (
        PLAIN.nodes(a100=8),
        BIG.chips(vendors=("amd", "huawei")),
        "AcceleratorVendorMismatch",
        Verdict.NEVER,
        f"needs a chip by amd or huawei; site has {A100}",
    ),
    "chips have too little memory, the best is told": (
        site("s").nodes(a100=8).nodes(ascend=8),
        BIG.chips(min_memory_gib=100),
        "AcceleratorMemoryTooSmall",
        Verdict.NEVER,
        f"needs 100 GiB a chip; {A100} has 80",
    ),
    "chips are too slow": (
        site("s").nodes(a100=8),
        BIG.chips(min_tflops=500),
        "AcceleratorTooSlow",
        Verdict.NEVER,
        f"needs 500 TFLOPS BF16 a chip; {A100} has 312",
    ),
    "what is not known of a chip is never enough": (
        site("s").nodes(unknown=8),
        BIG.chips(min_tflops=1),
        "AcceleratorTooSlow",
        Verdict.NEVER,
        "needs 1 TFLOPS BF16 a chip; that of unknown is not known",
    ),
    "of two classes the nearest miss is told": (
        site("s").nodes(a100=8).nodes(h100=8),
        BIG.chips(classes=(H100,)),
        "InsufficientAccelerators",
        Verdict.WAIT,
        f"needs 64 {H100} in nodes with 8 free; 8 free, largest node has 8",
    ),
    "the gang is larger than the site": (
        site("s").nodes(3, h100=8).has(H100, 32),
        BIG,
        "TooLargeForSite",
        Verdict.NEVER,
        f"needs 64 {H100}; site has 32 in all",
    ),
    "too few chips are free": (
        site("s").nodes(6, h100=4).has(H100, 64),
        BIG,
        "InsufficientAccelerators",
        Verdict.WAIT,
        f"needs 64 {H100} in nodes with 8 free; 24 free, largest node has 4",
    ),
    "enough chips are free, but not together": (
        site("s").nodes(16, h100=4).nodes(1, h100=8),
        BIG,
        "CapacityFragmented",
        Verdict.WAIT,
        f"needs 64 {H100} in nodes with 8 free; 72 free, largest node has 8: room for 1 of 8 pods",
    ),
    "chips are free, the CPUs beside them are not": (
        site("s").nodes(7, h100=8).nodes(1, h100=8, cpu=4),
        BIG,
        "InsufficientCPU",
        Verdict.WAIT,
        f"needs 8 pods with 8 CPU beside 8 {H100} each; nodes have room for 7",
    ),
    "memory is short": (
        site("s").nodes(4, memory_gib=3),
        W.gang(4, memory_gib=4),
        "InsufficientMemory",
        Verdict.WAIT,
        "needs 4 pods with 4 GiB of memory each; nodes have room for 0",
    ),
    "the kubelets take no more pods": (
        site("s").nodes(2, pods=1),
        W.gang(3),
        "InsufficientPods",
        Verdict.WAIT,
        "needs 3 pods with a free pod place each; nodes have room for 2",
    ),
    "a resource that the template names is nowhere": (
        PLAIN,
        W.gang(1, resources={"vpc.amazonaws.com/efa": 4}),
        "ResourceNotOffered",
        Verdict.NEVER,
        "needs vpc.amazonaws.com/efa; no node of the site offers it",
    ),
    "a resource that the template names is used up": (
        site("s").nodes(others={"vpc.amazonaws.com/efa": 2}),
        W.gang(1, resources={"vpc.amazonaws.com/efa": 4}),
        "InsufficientResource",
        Verdict.WAIT,
        "needs a pod with vpc.amazonaws.com/efa; nodes have room for 0",
    ),
    "the template names another maker's resource": (
        site("s").nodes(ascend=8),
        W.gang(1, resources={"nvidia.com/gpu": 4}),
        "ResourceNotOffered",
        Verdict.NEVER,
        "needs nvidia.com/gpu; no node of the site offers it",
    ),
    "the nodes' taint is not tolerated": (
        site("s").nodes(4, taints=(taint("batch", "no"),)).nodes(1),
        W.gang(2, cpu=60),
        "NodeTaintNotTolerated",
        Verdict.WAIT,
        "nodes without the taints batch=no:NoSchedule have room for 1 of 2 pods",
    ),
    "the resource's own taint, for a template that names the resource": (
        site("s").nodes(1, h100=8, taints=(taint("nvidia.com/gpu"),)),
        W.gang(1, resources={"nvidia.com/gpu": 8}),
        "NodeTaintNotTolerated",
        Verdict.WAIT,
        "nodes without the taints nvidia.com/gpu:NoSchedule have room for 0 of 1 pods",
    ),
    "what is free is reserved for the site's own users": (
        site("s").nodes(8, h100=8).but(reserved=Reserve(accelerators=2)),
        BIG,
        "CapacityReserved",
        Verdict.WAIT,
        "needs 64 accelerators; 64 free, of which 2 are reserved for the site's own users",
    ),
    "pod sets fit one by one, not together": (
        site("s").nodes(1, cpu=4, memory_gib=16),
        W.gang(3).gang(2, memory_gib=2),
        "CapacityFragmented",
        Verdict.WAIT,
        "each of 2 pod sets fits alone, all 5 pods together do not",
    ),
    "the deadline cannot be met": (
        site("s").nodes(h100=8),
        W.gang(1, chips=1).lasts(10, deadline=NOW + timedelta(hours=2)),
        "DeadlineUnreachable",
        Verdict.NEVER,
        "needs 3:24:48 and must be done by 2026-11-24T14:00:00Z; 2:00:00 are left",
    ),
}


NAMED = W.gang(1, resources={"nvidia.com/gpu": 4})
ELSEWHERE: dict[str, tuple[SiteBuilder, str, str]] = {
    "another maker's chips are here": (
        site("s").nodes(ascend=8),
        "ResourceNotOffered",
        "needs nvidia.com/gpu; site offers huawei.com/Ascend910",
    ),
    "no chips are here": (PLAIN, "NoAccelerator", "needs nvidia.com/gpu; site has none"),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_a_resource_that_only_another_site_has(case: str) -> None:
    place, reason, message = ELSEWHERE[case]
    full = site("full").nodes(h100=2)
    waiting = outcome(plan(snapshot([place, full], [NAMED]), NOW), "w")
    refusals = {r.site: r for r in waiting.explanation.refused}
    assert refusals[SiteName("full")].reason.value == "InsufficientAccelerators"
    found = refusals[SiteName("s")]
    assert (found.reason.value, found.message) == (reason, message)


def test_a_deadline_is_told_in_utc() -> None:
    shanghai = timezone(timedelta(hours=8))
    late = W.lasts(1, deadline=(NOW + timedelta(minutes=5)).astimezone(shanghai))
    assert "by 2026-11-24T12:05:00Z; 0:05:00 are left" in refusal_of(PLAIN, late).message


def refusal_of(place: SiteBuilder, work: WorkloadBuilder) -> Refusal:
    waiting = outcome(plan(snapshot([place], [work]), NOW), "w")
    assert isinstance(waiting, Waiting)
    (refusal,) = waiting.explanation.refused
    assert waiting.verdict is refusal.verdict
    return refusal


@pytest.mark.parametrize("case", CASES)
def test_a_site_is_refused_because(case: str) -> None:
    place, work, reason, verdict, message = CASES[case]
    refusal = refusal_of(place, work)
    assert (refusal.reason.value, refusal.verdict, refusal.message) == (reason, verdict, message)


ACCEPTED: dict[str, tuple[SiteBuilder, WorkloadBuilder]] = {
    "a country admits its subdivisions": (
        PLAIN.but(jurisdiction="US-CA"),
        W.only(jurisdictions=("US",)),
    ),
    "a tolerated taint": (
        PLAIN.but(taints=(taint("dedicated", "research", "NoExecute"),)),
        W.only(tolerations=(Toleration(operator="Exists"),)),
    ),
    "a distance just within the limit": (
        PLAIN.but(latency_ms={"berlin": 40.0}),
        W.only(latency_from=(("berlin", 1.0),), max_latency_ms=40.0),
    ),
    "an unknown distance without a limit": (PLAIN, W.only(latency_from=(("berlin", 1.0),))),
    "a class asked for by its family": (
        site("s").nodes(8, ascend=8),
        BIG.chips(classes=("huawei-ascend-910b",)),
    ),
    "an unrecognised chip, by its maker": (
        site("s").nodes(8, unknown=8),
        BIG.chips(vendors=("nvidia",)),
    ),
    "a vendor's resource at its word": (
        site("s").nodes(1, h100=8),
        W.gang(1, resources={"nvidia.com/gpu": 8}),
    ),
    "nodes whose taint is named like the chips asked for": (
        site("s").nodes(8, h100=8, taints=(taint("nvidia.com/gpu", "present"),)),
        BIG,
    ),
    "a launcher beside the chips of others": (
        site("s").nodes(8, h100=8).nodes(1),
        BIG.gang(1, cpu=90),
    ),
    "a gang that leaves just the reserve": (
        site("s").nodes(9, h100=8).but(reserved=Reserve(accelerators=8, memory_bytes=GIB)),
        BIG,
    ),
    "a deadline of work whose run time nobody knows": (
        site("s").nodes(1),
        W.lasts(None, deadline=NOW + timedelta(seconds=1)),
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_a_site_will_do_with(case: str) -> None:
    place, work = ACCEPTED[case]
    found = plan(snapshot([place], [work]), NOW)
    assert [a.site for a in found.assignments] == ["s"], found.waiting[0].explanation.refused[0]


def test_of_several_no_the_one_that_no_waiting_mends_is_told() -> None:
    place = PLAIN.but(reachable=False, jurisdiction="CN")
    assert refusal_of(place, W.only(jurisdictions=("DE",))).verdict is Verdict.NEVER


def test_a_workload_waits_as_long_as_one_site_may_say_yes_later() -> None:
    never = site("a").but(unschedulable=True)
    later = site("b").nodes(1, cpu=0)
    waiting = outcome(plan(snapshot([never, later], [W]), NOW), "w")
    assert isinstance(waiting, Waiting)
    assert waiting.verdict is Verdict.WAIT


def test_without_any_site_a_workload_waits() -> None:
    waiting = outcome(plan(snapshot([], [W]), NOW), "w")
    assert isinstance(waiting, Waiting)
    assert waiting.verdict is Verdict.WAIT


def test_without_its_policy_a_workload_is_not_placed() -> None:
    waiting = outcome(plan(snapshot([PLAIN], [W.but(policy="gone")]), NOW), "w")
    assert isinstance(waiting, Waiting)
    assert waiting.verdict is Verdict.NEVER
    assert waiting.explanation.refused[0].message == "there is no PlacementPolicy 'gone'"
