# ruff: noqa: PLR2004, S311 - a made-up world is made of figures, and no secret
"""A continent of sites and a day's work for it: the case that `make bench-engine` plans.

All by a seed. Sites have three accelerator classes of eight, nodes with eight, four, two or one
chips left, prices, loads, PUE and carbon as they are spread over the world, and belong to one of
twelve jurisdictions. Work comes in shapes: gangs of 1 to 64 chips, lognormal run times around four
hours, three in ten with a jurisdiction, four in ten with a choice of classes, some with a selector,
a latency limit, or input that lies somewhere. Nodes are as many as make the demand the stated share
of the free chips.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.fields import LabelSelectorRequirement, SelectorOperator
from tradewind.api.inventory import NodeShape
from tradewind.api.policy import PolicySpec
from tradewind.api.site import SignalState
from tradewind.hardware.catalog import builtin_catalog
from tradewind.placement.snapshot import (
    AcceleratorNeed,
    CurrentPart,
    Forecast,
    PlacementNeed,
    Pricing,
    RuntimeNeed,
    SignalValue,
    SiteAccelerator,
    SiteName,
    SiteView,
    Snapshot,
    Uid,
    WorkloadView,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GIB = 2**30
#: Class, its resource name, and a usual price, USD an hour.
CLASSES = (
    ("nvidia-h100-sxm", "nvidia.com/gpu", 2.4),
    ("nvidia-a100-sxm-80gb", "nvidia.com/gpu", 1.3),
    ("nvidia-l40s", "nvidia.com/gpu", 0.9),
    ("nvidia-h200-sxm", "nvidia.com/gpu", 3.1),
    ("amd-mi300x", "amd.com/gpu", 2.2),
    ("intel-gaudi3", "habana.ai/gaudi", 1.8),
    ("huawei-ascend-910b1", "huawei.com/Ascend910", 1.1),
    ("nvidia-v100-sxm2-32gb", "nvidia.com/gpu", 0.5),
)
JURISDICTIONS = ("CN", "DE", "FR", "US-CA", "US-TX", "GB", "SE", "NO", "IN", "JP", "BR", "ZA")
REGIONS = ("shanghai", "berlin", "paris", "dallas", "mumbai", "tokyo", "london", "saopaulo")
POLICIES = {
    "balanced": PolicySpec(
        carbon_per_tonne=80,
        wait_per_hour=0.05,
        latency_per_millisecond_hour=0.0005,
        data_per_gib=0.02,
    ),
    "greenest": PolicySpec(carbon_per_tonne=400, wait_per_hour=0.02),
}


@dataclass(frozen=True)
class Size:
    """How large a case is.

    Args:
        workloads: that wait.
        shapes: that they are of.
        sites: with three accelerator classes each.
        load: demand over free chips.
        slots: start slots that all work may choose from.
    """

    workloads: int = 100_000
    shapes: int = 2_000
    sites: int = 1_000
    load: float = 0.9
    slots: int = 1


def _known(value: float) -> SignalValue:
    return SignalValue(value, SignalState.CURRENT)


def _known_classes() -> list[tuple[str, str, float]]:
    catalog = builtin_catalog()
    return [found for found in CLASSES if catalog.get(found[0]) is not None]


def make_shapes(size: Size, luck: random.Random) -> list[WorkloadView]:
    """One workload of each shape."""
    found = []
    names = [name for name, _, _ in _known_classes()]
    for i in range(size.shapes):
        chips = luck.choices((1, 2, 4, 8), (40, 20, 15, 25))[0]
        pods = luck.choices((1, 2, 4, 8), (55, 25, 13, 7) if chips == 8 else (85, 12, 3, 0))[0]
        serves = chips < 8 and luck.random() < 0.2
        need = PlacementNeed(
            jurisdictions=tuple(luck.sample(JURISDICTIONS, 4)) if luck.random() < 0.3 else (),
            site_selector=(
                LabelSelectorRequirement(
                    key="tier", operator=SelectorOperator.IN, values=("gold", "silver")
                ),
            )
            if luck.random() < 0.15
            else (),
            latency_from=((luck.choice(REGIONS), 1.0),) if serves else (),
            max_latency_ms=luck.choice((80.0, 120.0, None)) if serves else None,
            data=((SiteName(f"site-{luck.randrange(size.sites):04}"), luck.choice((50.0, 500.0))),)
            if luck.random() < 0.2
            else (),
        )
        cpu, gib = luck.choice(((8, 64), (12, 96), (12, 120)))
        found.append(
            WorkloadView(
                uid=Uid(f"shape-{i}"),
                namespace="bench",
                name=f"shape-{i}",
                generation=1,
                created=NOW,
                demand=Demand(
                    "batch/v1/Job",
                    (PodDemand(pods, cpu * chips * 1000, gib * chips * GIB, chips),),
                ),
                workload_class="Inference" if serves else luck.choice(("Training", "Batch")),
                accelerator=AcceleratorNeed(classes=tuple(luck.sample(names, min(4, len(names)))))
                if luck.random() < 0.4
                else AcceleratorNeed(),
                placement=need,
                runtime=RuntimeNeed(
                    duration_s=round(3600 * min(72, max(0.1, luck.lognormvariate(1.4, 1.0))), 1),
                    reference_class="nvidia-a100-sxm-80gb",
                    max_delay_s=(size.slots - 1) * 3600.0,
                ),
                policy=luck.choice(tuple(POLICIES)),
            )
        )
    return found


def make_work(
    size: Size, shapes: Sequence[WorkloadView], luck: random.Random
) -> list[WorkloadView]:
    """All workloads; some shapes have many, most have few."""
    shares = [luck.gammavariate(1.0, 1.0) for _ in shapes]
    picked = [*range(len(shapes)), *luck.choices(range(len(shapes)), shares, k=size.workloads)]
    return [
        replace(
            shapes[which],
            uid=Uid(f"uid-{i:06}"),
            name=f"w-{i:06}",
            created=NOW - timedelta(seconds=luck.randrange(3000) if size.slots == 1 else 0),
        )
        for i, which in enumerate(picked[: size.workloads])
    ]


def make_sites(size: Size, chips: int, luck: random.Random) -> list[SiteView]:
    """Sites that have about so many chips free."""
    known = _known_classes()
    drawn = []
    for _ in range(size.sites):
        for name, resource, price in luck.sample(known, 3):
            nodes = [luck.randrange(0, 14), *(luck.randrange(0, 4) for _ in range(3))]
            drawn.append((name, resource, price, nodes))
    offered = sum(
        sum(n * k for n, k in zip(nodes, (8, 4, 2, 1), strict=True)) for *_, nodes in drawn
    )
    factor = chips / offered
    found = []
    for i in range(size.sites):
        prices, accelerators, groups = {}, [], []
        for name, resource, price, nodes in drawn[3 * i : 3 * i + 3]:
            prices[name] = round(price * luck.uniform(0.7, 1.4), 3)
            free = 0
            for n, k in zip(nodes, (8, 4, 2, 1), strict=True):
                count = int(n * factor + luck.random())
                free += count * k
                if count:
                    groups.append(
                        NodeShape(13_000 * k, 130 * k * GIB, 50, ((name, resource, k),), (), count)
                    )
            accelerators.append(SiteAccelerator(name, resource, allocatable=free * 3 + 8))
        carbon, price = luck.uniform(20, 900), luck.uniform(10, 150)
        found.append(
            SiteView(
                name=SiteName(f"site-{i:04}"),
                labels={"tier": luck.choice(("gold", "silver", "bronze"))},
                region=luck.choice(REGIONS),
                jurisdiction=luck.choice(JURISDICTIONS),
                kinds=frozenset({"batch/v1/Job"}),
                node_shapes=tuple(groups),
                accelerators=tuple(accelerators),
                carbon_intensity=_known(carbon),
                price_per_mwh=_known(price),
                load=_known(luck.uniform(0.1, 0.95)),
                pue=_known(luck.uniform(1.05, 1.6)),
                latency_ms={region: luck.uniform(5, 250) for region in REGIONS},
                pricing=Pricing(prices, 0.03, 0.004),
                carbon_forecast=_day(carbon, luck) if size.slots > 1 else None,
                price_forecast=_day(price, luck) if size.slots > 1 else None,
            )
        )
    return found


def _day(level: float, luck: random.Random) -> Forecast:
    """Three days of hours around a level: a daily swing and noise."""
    hours = np.arange(72)
    swing, phase = luck.uniform(0.05, 0.5), luck.uniform(0, 24)
    noise = np.random.default_rng(luck.randrange(2**32)).normal(0, 0.03, 72)
    values = level * np.maximum(0.05, 1 + swing * np.sin((hours - phase) / 24 * 2 * np.pi) + noise)
    return Forecast(NOW, 3600.0, tuple(values.round(3).tolist()))


def make_snapshot(size: Size, seed: int = 1) -> Snapshot:
    """The case."""
    luck = random.Random(seed)
    shapes = make_shapes(size, luck)
    pending = make_work(size, shapes, luck)
    demand = sum(w.demand.pods[0].count * w.demand.pods[0].accelerators for w in pending)
    sites = make_sites(size, round(demand / size.load), luck)
    return Snapshot(tuple(sites), tuple(pending), POLICIES, builtin_catalog())


def make_running(sites: Sequence[SiteView], count: int, seed: int = 2) -> tuple[WorkloadView, ...]:
    """Work that runs already, spread over the sites."""
    luck = random.Random(seed)
    (one,) = make_shapes(Size(shapes=1), luck)
    return tuple(
        replace(
            one,
            uid=Uid(f"run-{i:06}"),
            name=f"run-{i:06}",
            epoch=1,
            current=(
                CurrentPart(
                    sites[i % len(sites)].name,
                    sites[i % len(sites)].accelerators[0].class_name,
                    1,
                    1,
                    NOW - timedelta(hours=1),
                ),
            ),
        )
        for i in range(count)
    )
