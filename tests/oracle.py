"""Placement told twice: slow, plain and without arrays, to hold the engine against.

Written from the documents (docs/placement.md), not from the engine: one node at a time, one site at
a time. Covers one workload with one pod set, and the packing of a whole plan on small sites.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from tradewind.api.demand import PodDemand
from tradewind.api.inventory import NodeShape
from tradewind.api.policy import PolicySpec
from tradewind.hardware.catalog import builtin_catalog
from tradewind.placement.config import EngineConfig
from tradewind.placement.snapshot import SiteView, WorkloadView

FIGURES = EngineConfig()
STATED = FIGURES.fallbacks
Node = tuple[int, int, int, tuple[int, ...]]


def nodes_of(site: SiteView, pod: PodDemand) -> list[NodeShape]:
    """Each node that the pod may stand on, one by one."""
    return [
        shape
        for shape in site.node_shapes
        for _ in range(shape.nodes)
        if all(
            taint.effect == "PreferNoSchedule" or any(t.tolerates(taint) for t in pod.tolerations)
            for taint in shape.taints
        )
    ]


def room(site: SiteView, pod: PodDemand, class_name: str | None) -> int:
    """Pods that fit on all nodes, put there one after the other."""
    count = 0
    for node in nodes_of(site, pod):
        cpu, memory, slots = node.free_cpu_millis, node.free_memory_bytes, node.free_pods
        chips = sum(free for name, _, free in node.accelerators if name == class_name)
        while (
            slots >= 1
            and cpu >= pod.cpu_millis
            and memory >= pod.memory_bytes
            and chips >= pod.accelerators
        ):
            count, slots = count + 1, slots - 1
            cpu, memory = cpu - pod.cpu_millis, memory - pod.memory_bytes
            chips -= pod.accelerators
    return count


def allowed(site: SiteView, work: WorkloadView) -> bool:
    """The hard rules about the site alone."""
    need = work.placement
    near = need.max_latency_ms is None or all(
        site.latency_ms.get(region, math.inf) <= need.max_latency_ms
        for region, _ in need.latency_from
    )
    tolerated = all(
        taint.effect == "PreferNoSchedule" or any(t.tolerates(taint) for t in need.tolerations)
        for taint in site.taints
    )
    resident = not need.jurisdictions or any(
        site.jurisdiction == code or site.jurisdiction.startswith(code + "-")
        for code in need.jurisdictions
    )
    return (
        near
        and tolerated
        and resident
        and all(rule.matches(site.labels) for rule in need.site_selector)
        and not site.unschedulable
        and site.reachable
        and site.synced
        and work.demand.kind in site.kinds
        and site.name not in work.excluded_sites
    )


def classes(site: SiteView, work: WorkloadView) -> list[str | None]:
    """The classes of a site that would do, room aside; [None] for work without accelerators."""
    if not any(pod.accelerators for pod in work.demand.pods):
        return [None]
    need, catalog = work.accelerator, builtin_catalog()
    found = sorted({name for node in site.node_shapes for name, _, _ in node.accelerators})
    return [
        name
        for name in found
        if (not need.classes or name in need.classes)
        and (made := catalog.get(name)) is not None
        and (not need.vendors or made.vendor in need.vendors)
        and (not need.min_memory_gib or made.memory_gib >= need.min_memory_gib)
        and (not need.min_tflops or (made.bf16_tflops or 0) >= need.min_tflops)
    ]


def dearest(values: Sequence[float | None], stated: float) -> float:
    """What an unknown input is priced at."""
    return max([stated, *(value for value in values if value is not None)])


def signal(site: SiteView, name: str, sites: Sequence[SiteView], stated: float) -> float:
    value: float | None = getattr(site, name).value
    return dearest([getattr(s, name).value for s in sites], stated) if value is None else value


def run_hours(work: WorkloadView, class_name: str | None) -> float:
    hours = work.runtime.duration_s
    hours = (FIGURES.duration_of(work.workload_class) if hours is None else hours) / 3600
    if class_name is None or work.workload_class == "Inference":
        return hours
    catalog = builtin_catalog()
    reference = catalog.get(work.runtime.reference_class or FIGURES.reference_class)
    made = catalog.get(class_name)
    assert reference is not None
    assert made is not None
    assert reference.speed is not None
    assert made.speed is not None
    return hours * reference.speed / made.speed


def listed_price(site: SiteView, name: str) -> float | None:
    """What the site charges for a chip, else what the catalogue says."""
    made = builtin_catalog().get(name)
    return site.pricing.accelerator_hour.get(name, made.price_per_hour if made else None)


def chip_price(site: SiteView, name: str, sites: Sequence[SiteView]) -> float:
    listed = listed_price(site, name)
    if listed is not None:
        return listed
    offered = [
        listed_price(other, found)
        for other in sites
        for node in other.node_shapes
        for found, _, _ in node.accelerators
    ]
    return dearest(offered, STATED.accelerator_hour)


def chip_watts(name: str) -> float:
    made = builtin_catalog().get(name)
    assert made is not None
    assert made.tdp_watts is not None
    idle = made.tdp_watts * FIGURES.idle_share if made.idle_watts is None else made.idle_watts
    return idle + FIGURES.utilisation * (made.tdp_watts - idle)


def cost(
    site: SiteView,
    class_name: str | None,
    work: WorkloadView,
    prices: PolicySpec,
    sites: Sequence[SiteView],
) -> float:
    """USD of one workload at one site on one class."""
    (pod,) = work.demand.pods
    hours = run_hours(work, class_name)
    chips = pod.count * pod.accelerators if class_name else 0
    cores, gib = pod.count * pod.cpu_millis / 1000, pod.count * pod.memory_bytes / 2**30
    watts = cores * FIGURES.cpu_watts + gib * FIGURES.memory_watts
    price = cores * (site.pricing.cpu_hour or 0) + gib * (site.pricing.memory_gib_hour or 0)
    servers = 1.0
    if class_name:
        watts += chips * chip_watts(class_name)
        price += chips * chip_price(site, class_name, sites)
    servers = max(servers, room(site, pod, class_name) // pod.count)
    kwh = hours * watts / 1000 * signal(site, "pue", sites, STATED.pue)
    load = min(signal(site, "load", sites, STATED.load), FIGURES.load_cap)
    wait = hours * load ** (math.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - load))
    far = 0.0
    for region, share in work.placement.latency_from:
        known = [s.latency_ms.get(region) for s in sites]
        far += share * site.latency_ms.get(region, dearest(known, STATED.latency_ms))
    away = sum(size for name, size in work.placement.data if name != site.name)
    moving = away * 2**30 * 8 / (FIGURES.transfer_gbit_per_s * 1e9) / 3600
    terms = (
        hours * price,
        kwh / 1000 * signal(site, "price_per_mwh", sites, STATED.price_per_mwh),
        kwh
        * signal(site, "carbon_intensity", sites, STATED.carbon_intensity)
        / 1e6
        * prices.carbon_per_tonne,
        hours * far * prices.latency_per_millisecond_hour,
        away * prices.data_per_gib + moving * prices.wait_per_hour,
        wait * prices.wait_per_hour,
    )
    return sum(terms)


def cheapest(
    sites: Sequence[SiteView], work: WorkloadView, prices: PolicySpec, now: datetime
) -> float | None:
    """The least cost at which a workload of one pod set can be had; None: nowhere."""
    (pod,) = work.demand.pods
    costs: list[tuple[bool, float]] = []
    for site in sites:
        if not allowed(site, work):
            continue
        kept = site.reserved.cpu_millis
        free = sum(node.free_cpu_millis * node.nodes for node in site.node_shapes)
        if kept and pod.cpu_millis and free - kept < pod.count * pod.cpu_millis:
            continue
        soft = any(
            taint.effect == "PreferNoSchedule"
            and not any(t.tolerates(taint) for t in work.placement.tolerations)
            for taint in site.taints
        )
        for name in classes(site, work):
            if room(site, pod, name) < pod.count or late(site, name, work, now):
                continue
            costs.append((soft, cost(site, name, work, prices, sites)))
    return min(costs)[1] if costs else None


def late(site: SiteView, name: str | None, work: WorkloadView, now: datetime) -> bool:
    deadline = work.runtime.deadline
    if deadline is None:
        return False
    left = (deadline - now).total_seconds()
    if work.runtime.duration_s is None:
        return left < 0
    away = sum(size for place, size in work.placement.data if place != site.name)
    moving = away * 2**30 * 8 / (FIGURES.transfer_gbit_per_s * 1e9)
    return run_hours(work, name) * 3600 + moving > left


def packs(site: SiteView, gangs: Sequence[tuple[PodDemand, str | None]]) -> bool:
    """Whether pods of several gangs stand on a site's nodes together, by search."""
    names = sorted({name for node in site.node_shapes for name, _, _ in node.accelerators})
    open_to = [frozenset(id(n) for n in nodes_of(site, pod)) for pod, _ in gangs]
    shapes = [node for node in site.node_shapes for _ in range(node.nodes)]
    start: tuple[Node, ...] = tuple(
        (
            node.free_cpu_millis,
            node.free_memory_bytes,
            node.free_pods,
            tuple(sum(f for c, _, f in node.accelerators if c == name) for name in names),
        )
        for node in shapes
    )

    @cache
    def place(gang: int, left: int, first: int, state: tuple[Node, ...]) -> bool:
        if gang == len(gangs):
            return True
        if left == 0:
            following = gangs[gang + 1][0].count if gang + 1 < len(gangs) else 0
            return place(gang + 1, following, 0, state)
        pod, name = gangs[gang]
        for i in range(first, len(state)):
            cpu, memory, slots, chips = state[i]
            asked = tuple(pod.accelerators if n == name else 0 for n in names)
            after: Node = (
                cpu - pod.cpu_millis,
                memory - pod.memory_bytes,
                slots - 1,
                tuple(c - a for c, a in zip(chips, asked, strict=True)),
            )
            if id(shapes[i]) not in open_to[gang] or min(*after[:3], *after[3], 0) < 0:
                continue
            # Pods of a gang are alike: later ones need not look at earlier nodes again.
            if place(gang, left - 1, i, (*state[:i], after, *state[i + 1 :])):
                return True
        return False

    return place(0, gangs[0][0].count if gangs else 0, 0, start)
