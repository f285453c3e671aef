"""Hypothesis strategies for what placement reads: small, varied, and now and then broken."""

import math
from datetime import timedelta
from typing import TypeVar

from hypothesis import strategies as st
from tests.builders import A100, ASCEND, GIB, H100, JOB, NOW, POLICY, RESOURCES, current, label_in
from tests.builders import taint as make_taint

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.fields import Toleration
from tradewind.api.inventory import NodeShape
from tradewind.api.policy import PolicySpec
from tradewind.placement.snapshot import (
    AcceleratorNeed,
    PlacementNeed,
    Pricing,
    Reserve,
    RuntimeNeed,
    SignalValue,
    SiteName,
    SiteView,
    Uid,
    WorkloadView,
)

T = TypeVar("T")
CLASSES = (H100, A100, ASCEND)
REGIONS = ("shanghai", "berlin")
JURISDICTIONS = ("CN", "DE", "US-CA")
TAINTS = (make_taint("dedicated", "research"), make_taint("spot", "", "PreferNoSchedule"))

taints = st.lists(st.sampled_from(TAINTS), max_size=2, unique=True).map(tuple)

#: Numbers that no sensor should ever send, and some that one may.
wild_floats = st.one_of(
    st.none(),
    st.sampled_from((math.nan, math.inf, -math.inf, -1.0, -1e300, 1e300, 0.0, 5e-324)),
    st.floats(allow_nan=True, allow_infinity=True),
)


def sometimes(rare: st.SearchStrategy[T], usual: T) -> st.SearchStrategy[T]:
    """Mostly the usual: several limits at once would leave nothing to place."""
    return st.integers(0, 4).flatmap(lambda n: rare if n == 4 else st.just(usual))


@st.composite
def node_shapes(draw: st.DrawFn) -> NodeShape:
    classes = draw(st.lists(st.sampled_from(CLASSES), max_size=2, unique=True))
    units = st.sampled_from((8, 8, 4, 2, 1, 0))
    return NodeShape(
        free_cpu_millis=draw(st.sampled_from((16, 12, 8, 3, 0))) * 1000,
        free_memory_bytes=draw(st.sampled_from((32, 16, 7, 0))) * GIB,
        free_pods=draw(st.sampled_from((8, 5, 2, 0))),
        accelerators=tuple((c, RESOURCES[c], draw(units)) for c in sorted(classes)),
        taints=draw(sometimes(taints, ())),
        nodes=draw(st.integers(1, 3)),
    )


def signals(low: float, high: float) -> st.SearchStrategy[SignalValue]:
    known = st.floats(low, high).map(lambda value: current(round(value, 3)))
    return st.one_of(known, known, known, st.just(SignalValue()))


@st.composite
def sites(draw: st.DrawFn, name: str = "") -> SiteView:
    prices = {c: draw(st.floats(0.1, 10)) for c in CLASSES if draw(st.booleans())}
    return SiteView(
        name=SiteName(name or draw(st.text("abcdef", min_size=1, max_size=4))),
        labels={"tier": draw(sometimes(st.just("y"), "x"))},
        jurisdiction=draw(st.sampled_from(JURISDICTIONS)),
        taints=draw(sometimes(taints, ())),
        unschedulable=draw(sometimes(st.booleans(), usual=False)),
        reachable=draw(sometimes(st.booleans(), usual=True)),
        synced=draw(sometimes(st.booleans(), usual=True)),
        kinds=frozenset({JOB}),
        node_shapes=tuple(draw(st.lists(node_shapes(), min_size=1, max_size=3))),
        carbon_intensity=draw(signals(10, 900)),
        price_per_mwh=draw(signals(0, 300)),
        load=draw(signals(0, 1)),
        pue=draw(signals(1, 2)),
        latency_ms={r: draw(st.floats(1, 300)) for r in REGIONS if draw(st.booleans())},
        pricing=Pricing(prices, 0.03, 0.004),
        reserved=draw(sometimes(st.builds(Reserve, cpu_millis=st.integers(0, 8000)), Reserve())),
    )


@st.composite
def site_sets(draw: st.DrawFn, *, least: int = 0, most: int = 5) -> tuple[SiteView, ...]:
    count = draw(st.integers(least, most))
    return tuple(draw(sites(name=f"site-{i}")) for i in range(count))


@st.composite
def pod_demands(draw: st.DrawFn) -> PodDemand:
    return PodDemand(
        count=draw(st.sampled_from((1, 1, 2, 3, 6))),
        cpu_millis=draw(st.sampled_from((0, 500, 1000, 4000))),
        memory_bytes=draw(st.sampled_from((0, 1, 3, 6))) * GIB,
        accelerators=draw(st.sampled_from((0, 0, 1, 1, 2, 4, 8))),
        tolerations=draw(sometimes(st.just((Toleration(key="dedicated", operator="Exists"),)), ())),
    )


@st.composite
def placement_needs(draw: st.DrawFn) -> PlacementNeed:
    origins = draw(st.lists(st.sampled_from(REGIONS), unique=True, max_size=2))
    return PlacementNeed(
        site_selector=draw(sometimes(st.just((label_in("tier", "x"),)), ())),
        tolerations=(Toleration(operator="Exists"),) if draw(st.booleans()) else (),
        jurisdictions=draw(sometimes(st.sampled_from((("CN",), ("DE", "US"))), ())),
        latency_from=tuple((region, 1 / len(origins)) for region in origins),
        max_latency_ms=draw(sometimes(st.floats(5, 300), None)),
        data=((SiteName("site-0"), draw(st.floats(0, 1000))),) if draw(st.booleans()) else (),
    )


@st.composite
def workloads(
    draw: st.DrawFn, name: str = "w", age_s: int | None = None, *, pod_sets: int = 2
) -> WorkloadView:
    age = draw(st.integers(0, 100)) if age_s is None else age_s
    return WorkloadView(
        uid=Uid(f"uid-{name}"),
        namespace="research",
        name=name,
        generation=1,
        created=NOW - timedelta(seconds=age),
        priority=draw(st.integers(0, 2)),
        workload_class=draw(st.sampled_from(("Training", "Inference", "Batch"))),
        demand=Demand(JOB, tuple(draw(st.lists(pod_demands(), min_size=1, max_size=pod_sets)))),
        accelerator=AcceleratorNeed(
            classes=draw(sometimes(st.sampled_from(((H100,), (A100, ASCEND))), ())),
            min_memory_gib=draw(sometimes(st.just(70.0), None)),
        ),
        placement=draw(placement_needs()),
        runtime=RuntimeNeed(
            duration_s=draw(st.one_of(st.none(), st.floats(60, 1e6))),
            reference_class=draw(st.sampled_from(("", A100))),
            deadline=draw(sometimes(st.just(NOW + timedelta(hours=5)), None)),
        ),
        policy=POLICY,
    )


@st.composite
def workload_sets(draw: st.DrawFn, *, least: int = 1, most: int = 6) -> tuple[WorkloadView, ...]:
    count = draw(st.integers(least, most))
    # Ages differ, so that the order in which workloads choose hangs on no name.
    return tuple(draw(workloads(f"w{i}", age_s=i)) for i in range(count))


prices = st.builds(
    PolicySpec,
    carbon_per_tonne=st.floats(0, 500),
    wait_per_hour=st.floats(0, 50),
    latency_per_millisecond_hour=st.floats(0, 0.1),
    data_per_gib=st.floats(0, 0.2),
)
