"""The cheapest division of one workload over sites, by trying them all; after docs/placement.md.

For a few sites and few replicas of one pod set, with consumers in two regions at most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

from tests import oracle

from tradewind.api.policy import PolicySpec
from tradewind.placement.snapshot import SiteView, WorkloadView


@dataclass(frozen=True)
class Row:
    """A site and one of its classes, for one workload."""

    site: str
    class_name: str | None
    room: int
    each: float  # USD of a replica, distance aside
    once: float  # USD of bringing the input
    near: tuple[float, ...]  # USD of a replica all of whose consumers are in one region
    soft: bool


def rows(
    sites: Sequence[SiteView], work: WorkloadView, prices: PolicySpec, now: datetime
) -> list[Row]:
    """The rows that may have a part."""
    found = []
    for site in sites:
        if not oracle.allowed(site, work):
            continue
        soft = any(
            taint.effect == "PreferNoSchedule"
            and not any(t.tolerates(taint) for t in work.placement.tolerations)
            for taint in site.taints
        )
        found += [
            _row(site, name, work, prices, sites, soft=soft)
            for name in oracle.classes(site, work)
            if not oracle.late(site, name, work, now)
        ]
    return [row for row in found if row.room > 0]


def _row(
    site: SiteView,
    name: str | None,
    work: WorkloadView,
    prices: PolicySpec,
    sites: Sequence[SiteView],
    *,
    soft: bool,
) -> Row:
    (pod,) = work.demand.pods
    room = oracle.room(site, pod, name)
    if site.reserved.cpu_millis and pod.cpu_millis:
        free = sum(node.free_cpu_millis * node.nodes for node in site.node_shapes)
        room = min(room, max(0, free - site.reserved.cpu_millis) // pod.cpu_millis)

    def cost(**need: object) -> float:
        bare = replace(work.placement, **{"data": (), "latency_from": (), **need})
        return oracle.cost(site, name, replace(work, placement=bare), prices, sites)

    base = cost()
    near = tuple(
        (cost(latency_from=((region, share),)) - base) / asked
        for (region, share), asked in zip(work.placement.latency_from, asked_of(work), strict=True)
    )
    once = cost(data=work.placement.data) - base
    return Row(site.name, name, room, base / pod.count, once, near, soft)


def asked_of(work: WorkloadView) -> list[float]:
    """Replicas that the consumers of each region keep busy."""
    shares = [share for _, share in work.placement.latency_from]
    return [work.demand.replicas * share / sum(shares) for share in shares]


def cheapest(
    sites: Sequence[SiteView], work: WorkloadView, prices: PolicySpec, now: datetime
) -> float | None:
    """USD of the cheapest division; None: there is none."""
    need, pods = work.placement, work.demand.replicas
    least = (
        need.min_replicas_per_site if need.min_sites > 1 else min(need.min_replicas_per_site, pods)
    )
    offered = rows(sites, work, prices, now)
    best: tuple[int, float] | None = None
    for count in range(need.min_sites, min(need.max_sites, pods) + 1):
        for chosen in combinations(offered, count):
            if len({row.site for row in chosen}) < count:
                continue
            for shares in _shares(pods, chosen, least):
                usd = sum(
                    row.once + row.each * n for row, n in zip(chosen, shares, strict=True)
                ) + _distance(chosen, shares, asked_of(work))
                key = (sum(row.soft for row in chosen), usd)
                best = key if best is None else min(best, key)
    return None if best is None else best[1]


def _shares(pods: int, chosen: Sequence[Row], least: int) -> Iterator[tuple[int, ...]]:
    if not chosen:
        if pods == 0:
            yield ()
        return
    for here in range(least, min(pods, chosen[0].room) + 1):
        for rest in _shares(pods - here, chosen[1:], least):
            yield (here, *rest)


def _distance(chosen: Sequence[Row], shares: Sequence[int], asked: Sequence[float]) -> float:
    """USD of the cheapest way to serve the regions: of two, by how much better off each part is."""
    if not asked:
        return 0.0
    if len(asked) == 1:
        return sum(n * row.near[0] for row, n in zip(chosen, shares, strict=True))
    left, total = asked[0], 0.0
    for row, n in sorted(
        zip(chosen, shares, strict=True), key=lambda pair: pair[0].near[0] - pair[0].near[1]
    ):
        first = min(left, float(n))
        left -= first
        total += first * row.near[0] + (n - first) * row.near[1]
    return total
