"""Does a gang fit on a site's node shapes, and what is left then?

Pods go where they fit most tightly, so that whole nodes stay free for gangs that need whole nodes.
For equal pods the count is exact: no packing of equal pods holds more. For gangs of unlike pods it
is first-fit decreasing: what it finds does fit, but it may miss a packing that a search would find.

This is bookkeeping, not binding: the member's scheduler puts pods where it likes, and its watch
soon tells where they stand.
"""

from collections.abc import Sequence

from tradewind.placement.demands import PodNeed
from tradewind.placement.snapshot import NodeShape, Reserve, SiteAccelerator

Groups = tuple[NodeShape, ...]


def units_free(node: NodeShape, accelerator: SiteAccelerator | None) -> int:
    """Free units of a row's class and resource on one node; 0 without accelerators."""
    if accelerator is None:
        return 0
    return sum(
        free
        for class_name, resource_name, free in node.accelerators
        if class_name == accelerator.class_name and resource_name == accelerator.resource_name
    )


def room(node: NodeShape, need: PodNeed, accelerator: SiteAccelerator | None) -> int:
    """How many such pods one node still takes, taints aside; never below zero."""
    fits = node.free_pods
    if need.cpu_millis > 0:
        fits = min(fits, node.free_cpu_millis // need.cpu_millis)
    if need.memory_bytes > 0:
        fits = min(fits, node.free_memory_bytes // need.memory_bytes)
    if need.units > 0:
        fits = min(fits, units_free(node, accelerator) // need.units)
    for name, amount in need.others:
        if amount > 0:
            free = sum(n for resource, n in node.other_resources if resource == name)
            fits = min(fits, free // amount)
    return max(0, fits)


def less(
    node: NodeShape, need: PodNeed, accelerator: SiteAccelerator | None, pods: int, nodes: int
) -> NodeShape:
    """The node shape of `nodes` nodes that have taken `pods` such pods each."""
    accelerators = node.accelerators
    if need.units and accelerator is not None:
        asked = (accelerator.class_name, accelerator.resource_name)
        accelerators = tuple(
            (c, r, free - pods * need.units if (c, r) == asked else free)
            for c, r, free in accelerators
        )
    others = node.other_resources
    if need.others:
        taken = dict(need.others)
        others = tuple((name, free - pods * taken.get(name, 0)) for name, free in others)
    return NodeShape(
        node.free_cpu_millis - pods * need.cpu_millis,
        node.free_memory_bytes - pods * need.memory_bytes,
        node.free_pods - pods,
        accelerators,
        node.taints,
        nodes,
        others,
    )


def _tightness(node: NodeShape, need: PodNeed) -> tuple[int, int, int]:
    # Pods without chips keep off nodes with free chips for as long as others have room: the chips
    # of a node without CPU are lost to everybody.
    units = sum(free for _, _, free in node.accelerators)
    return (units, node.free_cpu_millis, node.free_memory_bytes)


def pack(
    groups: Groups, needs: Sequence[PodNeed], accelerator: SiteAccelerator | None
) -> Groups | None:
    """Put one whole gang on the node shapes.

    Returns:
        What is left, with equal node shapes merged; None when the gang does not fit.
    """
    left = list(groups)
    for need in needs:
        missing = need.count
        split: list[NodeShape] = []
        left.sort(key=lambda node, need=need: _tightness(node, need))
        for node in left:
            fits = room(node, need, accelerator) if missing and need.tolerates(node.taints) else 0
            filled = min(node.nodes, missing // fits) if fits else 0
            missing -= filled * fits
            partly = 1 if fits and 0 < missing < fits and filled < node.nodes else 0
            if filled:
                split.append(less(node, need, accelerator, fits, filled))
            if partly:
                split.append(less(node, need, accelerator, missing, 1))
                missing = 0
            if untouched := node.nodes - filled - partly:
                split.append(_times(node, untouched))
        if missing:
            return None
        left = split
    return merged(left)


def merged(groups: Sequence[NodeShape]) -> Groups:
    """The same nodes with equal node shapes counted as one."""
    counts: dict[NodeShape, int] = {}
    for node in groups:
        alike = _times(node, 1)
        counts[alike] = counts.get(alike, 0) + node.nodes
    return tuple(_times(node, count) for node, count in counts.items())


def _times(node: NodeShape, nodes: int) -> NodeShape:
    return NodeShape(
        node.free_cpu_millis,
        node.free_memory_bytes,
        node.free_pods,
        node.accelerators,
        node.taints,
        nodes,
        node.other_resources,
    )


def gangs(
    groups: Groups,
    needs: Sequence[PodNeed],
    accelerator: SiteAccelerator | None,
    *,
    limit: int = 1,
) -> int:
    """How many whole gangs fit; for gangs of unlike pods counted up to `limit`."""
    if len(needs) == 1:
        need = needs[0]
        fits = sum(
            room(node, need, accelerator) * node.nodes
            for node in groups
            if not node.taints or need.tolerates(node.taints)
        )
        return fits // need.count
    if not needs:
        return limit
    count = 0
    left: Groups | None = groups
    while count < limit and (left := pack(left, needs, accelerator)) is not None:
        count += 1
    return count


def beyond_reserve(groups: Groups, needs: Sequence[PodNeed], reserve: Reserve) -> int:
    """How many whole gangs fit beside what must stay free for the site's own users.

    Counted in totals: the reserve is an amount of the site, not of certain nodes.
    """
    count = 2**62
    asked = (
        (sum(n.count * n.cpu_millis for n in needs), reserve.cpu_millis, cpu_free(groups)),
        (sum(n.count * n.memory_bytes for n in needs), reserve.memory_bytes, memory_free(groups)),
        (sum(n.count * n.units for n in needs), reserve.accelerators, all_units_free(groups)),
    )
    for need, kept, free in asked:
        if kept > 0 and need > 0:
            count = min(count, max(0, free - kept) // need)
    return count


def cpu_free(groups: Groups) -> int:
    """Millicores free over all nodes."""
    return sum(max(0, node.free_cpu_millis) * node.nodes for node in groups)


def memory_free(groups: Groups) -> int:
    """Bytes free over all nodes."""
    return sum(max(0, node.free_memory_bytes) * node.nodes for node in groups)


def all_units_free(groups: Groups) -> int:
    """Accelerators of every class free over all nodes."""
    return sum(max(0, free) * node.nodes for node in groups for _, _, free in node.accelerators)
