"""The parts of a workload that runs at several sites: made of a plan, kept whole, scaled.

A part that is evicted or lost leaves the others at work; what it had is placed anew, under the
next epoch, as if it were a workload of that many pods. Each part's share stands in its placement,
so that rendering needs to know of no other part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tradewind.api.demand import Demand
from tradewind.api.workload import Placement, WorkloadStatus
from tradewind.controller.lifecycle import ACTIVE, ASSIGNED, HOLDING, missing
from tradewind.hardware.labels import told_resource
from tradewind.placement.plan import Assignment
from tradewind.placement.snapshot import CurrentPart, SiteName, WorkloadView
from tradewind.workloads.registry import ADAPTERS
from tradewind.workloads.shares import completions_of, share_out


def placements_of(
    assignments: Sequence[Assignment], template: Mapping[str, Any], status: WorkloadStatus
) -> list[Placement]:
    """The placements that a plan's assignments of one workload make.

    Args:
        assignments: its parts; one is the whole, unless other parts stand already. One at the site
            of a part of a service makes that part grow.
        template: whose completions are shared out.
        status: as it stands.
    """
    standing = [part for part in status.placements if part.phase in HOLDING]
    partial = len(assignments) > 1 or bool(standing)
    completions: list[int | None] = [None] * len(assignments)
    whole = completions_of(template)
    if partial and whole is not None:
        left = max(0, whole - sum(part.completions or 0 for part in standing))
        completions = [*share_out(left, [part.replicas for part in assignments])]
    may_grow = [] if finishes(template) else standing
    at_work = {part.site: part for part in may_grow if part.phase in ACTIVE}
    return [
        _grown(at_work[part.site], part.replicas)
        if part.site in at_work
        else Placement(
            site=part.site,
            epoch=part.epoch,
            replicas=part.replicas,
            partial=partial,
            completions=share,
            accelerator_class=part.class_name,
            resource_name=told_resource(part.class_name, part.resource_name),
            phase=ASSIGNED,
        )
        for part, share in zip(assignments, completions, strict=True)
    ]


def _grown(part: Placement, more: int) -> Placement:
    return part.model_copy(update={"replicas": part.replicas + more})


def finishes(template: Mapping[str, Any]) -> bool:
    """Whether work of this kind comes to an end, so that what runs is never given more pods."""
    adapter = ADAPTERS.get(f"{template.get('apiVersion')}/{template.get('kind')}")
    return adapter is None or adapter.finishes


def remainder_view(view: WorkloadView, status: WorkloadStatus, *, grows: bool) -> WorkloadView:
    """A view of what is missing of a split; the same view while nothing of it is placed.

    What stands keeps what it has and counts against the sites that the split may have.

    Args:
        view: of the whole.
        status: with its parts.
        grows: a part that is at work may be given more pods: its kind never finishes.
    """
    pods = missing(status)
    if not pods:
        return view
    standing = [part for part in status.placements if part.phase in HOLDING]
    need, count = view.placement, len(standing)
    fewest = min(max(0, need.min_sites - count), pods)
    return replace(
        view,
        demand=with_pods(view.demand, pods),
        current=tuple(
            CurrentPart(SiteName(part.site), part.accelerator_class, part.replicas, part.epoch)
            for part in standing
        ),
        grows=frozenset(SiteName(part.site) for part in standing if grows and part.phase in ACTIVE),
        placement=replace(
            need,
            min_sites=fewest,
            max_sites=max(fewest, need.max_sites - count),
            # Two parts that were lost had at least that many each, unless it was scaled since.
            min_replicas_per_site=min(need.min_replicas_per_site, pods // max(1, fewest)),
        ),
    )


def part_demand(demand: Demand, part: Placement) -> Demand:
    """What one placement asks for: all pods, or its own of a split."""
    return with_pods(demand, part.replicas) if part.partial else demand


def with_pods(demand: Demand, count: int) -> Demand:
    """The demand of so many pods; only work with one sort of pods is ever split."""
    return Demand(demand.kind, (replace(demand.pods[0], count=count),))


def rescaled(parts: Sequence[Placement], change: int) -> list[Placement]:
    """Parts after the template asks for more or fewer pods, in proportion to what they had.

    Args:
        parts: those of a split that are at work; others stay as they are.
        change: pods more, or fewer.
    """
    working = [part for part in parts if part.phase in ACTIVE]
    total = max(0, sum(part.replicas for part in working) + change)
    shares = dict(
        zip(
            (part.site for part in working),
            share_out(total, [part.replicas for part in working]),
            strict=True,
        )
    )
    return [
        part.model_copy(update={"replicas": shares.get(part.site, part.replicas)}) for part in parts
    ]
