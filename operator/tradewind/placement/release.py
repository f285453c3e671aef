"""What would a site have free if the pods of some workloads were gone?

Where the inventory tells on which nodes they stand (`SiteView.occupied`), exactly that. Where it
does not, each pod counts with a node of its own that has nothing else free: what is counted on does
come free then, but nodes that would be whole again may go unseen. Either way it is a plan and no
more: work is placed when the room is really there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tradewind.api.fields import Taint
from tradewind.api.inventory import HeldPods, NodeShape, Occupied
from tradewind.placement.demands import PodNeed, needs_on
from tradewind.placement.packing import Groups
from tradewind.placement.snapshot import (
    CurrentPart,
    SiteAccelerator,
    SiteView,
    Uid,
    WorkloadView,
)
from tradewind.placement.table import accelerators_of

#: Marks nodes that are not free yet; no pod asks for it.
MARK = "tradewind.dev/leaving"
_MARKED = ((MARK, 0),)

# A kubelet takes so many by default; chips, cores and memory run out long before.
_POD_PLACES = 110


#: Workloads that leave a site, with their parts there; None where only their pods are left.
Leaving = Mapping[Uid, tuple[WorkloadView, CurrentPart] | None]


def freed(groups: Groups, site: SiteView, leaving: Leaving) -> Groups:
    """Free node shapes as they would be without some workloads; those nodes are marked.

    Args:
        groups: what is free now.
        site: whose pods.
        leaving: what leaves.
    """
    if not leaving:
        return groups
    left: dict[NodeShape, int] = {}
    for node in groups:
        alike = replace(node, nodes=1)
        left[alike] = left.get(alike, 0) + node.nodes
    grown: list[NodeShape] = []
    seen: set[str] = set()
    for here in site.occupied:
        going = [held for held in here.held if held.uid in leaving]
        if not going:
            continue
        seen.update(held.uid for held in going)
        bare = replace(here.node, nodes=1)
        known = min(here.node.nodes, left.get(bare, 0))
        if known:
            left[bare] -= known
            grown.append(_with(bare, going, known))
        # The rest of these nodes took something in this cycle: only what leaves is sure there.
        if here.node.nodes > known:
            grown.append(_with(_emptied(here), going, here.node.nodes - known))
    for uid, known_part in leaving.items():
        if uid not in seen and known_part is not None:
            grown += _alone(site, *known_part)
    kept = [replace(node, nodes=count) for node, count in left.items() if count > 0]
    return (*kept, *grown)


def now_and_later(groups: Iterable[NodeShape]) -> tuple[Groups, Groups]:
    """Node shapes that are free now, and those that are once somebody has left."""
    now: list[NodeShape] = []
    later: list[NodeShape] = []
    for node in groups:
        (later if node.other_resources[-1:] == _MARKED else now).append(node)
    return tuple(now), tuple(later)


def part_share(workload: WorkloadView, part: CurrentPart) -> float:
    """Which share of a workload's pods a part has, 0 to 1."""
    return min(1.0, part.replicas / max(1, workload.demand.replicas))


def accelerator_of(site: SiteView, part: CurrentPart) -> SiteAccelerator | None:
    """The accelerators that a part runs on; None without, or when the site has them no more."""
    if part.class_name is None:
        return None
    return next((a for a in accelerators_of(site) if a.class_name == part.class_name), None)


def _with(node: NodeShape, going: Sequence[HeldPods], nodes: int) -> NodeShape:
    """A node shape with what these pods held added, marked."""
    amounts: dict[str, int] = {}
    for held in going:
        for name, amount in held.resources:
            amounts[name] = amounts.get(name, 0) + amount
    return NodeShape(
        free_cpu_millis=node.free_cpu_millis + sum(held.cpu_millis for held in going),
        free_memory_bytes=node.free_memory_bytes + sum(held.memory_bytes for held in going),
        free_pods=node.free_pods + sum(held.pods for held in going),
        accelerators=tuple((c, r, free + amounts.get(r, 0)) for c, r, free in node.accelerators),
        taints=node.taints,
        nodes=nodes,
        other_resources=(
            *((name, free + amounts.get(name, 0)) for name, free in node.other_resources),
            *_MARKED,
        ),
    )


def _emptied(here: Occupied) -> NodeShape:
    """The same nodes with nothing free on them."""
    node = here.node
    return NodeShape(
        free_cpu_millis=0,
        free_memory_bytes=0,
        free_pods=0,
        accelerators=tuple((c, r, 0) for c, r, _ in node.accelerators),
        taints=node.taints,
        other_resources=tuple((name, 0) for name, _ in node.other_resources),
    )


def _alone(site: SiteView, workload: WorkloadView, part: CurrentPart) -> list[NodeShape]:
    """What a part holds, each pod on a node of its own."""
    accelerator = accelerator_of(site, part)
    share = part_share(workload, part)
    taints = _taints(site, accelerator)
    found = []
    for need in needs_on(workload.demand, accelerator):
        pods = int(need.count * share)
        if pods:
            found.append(_node_of(need, accelerator, taints, pods))
    return found


def _node_of(
    need: PodNeed, accelerator: SiteAccelerator | None, taints: tuple[Taint, ...], nodes: int
) -> NodeShape:
    chips: tuple[tuple[str, str, int], ...] = ()
    if accelerator is not None and need.units:
        chips = ((accelerator.class_name, accelerator.resource_name, need.units),)
    return NodeShape(
        free_cpu_millis=need.cpu_millis,
        free_memory_bytes=need.memory_bytes,
        free_pods=_POD_PLACES,
        accelerators=chips,
        taints=taints,
        nodes=nodes,
        other_resources=(*need.others, *_MARKED),
    )


def _taints(site: SiteView, accelerator: SiteAccelerator | None) -> tuple[Taint, ...]:
    """Every taint that the nodes in question may have: which of them it is, is not known."""
    found: dict[Taint, None] = {}
    for node in site.node_shapes:
        chips = {(class_name, resource) for class_name, resource, _ in node.accelerators}
        if accelerator is None or (accelerator.class_name, accelerator.resource_name) in chips:
            found.update(dict.fromkeys(node.taints))
    return tuple(found)
