"""Does a gang fit on a site's node shapes, and what is left then?

Pods go where they fit most tightly, so that whole nodes stay free for gangs that need whole nodes.
For equal pods the count is exact: no packing of equal pods holds more. For gangs of unlike pods it
is first-fit decreasing: what it finds does fit, but it may miss a packing that a search would find.

This is bookkeeping, not binding: the member's scheduler puts pods where it likes, and its watch
soon tells where they stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tradewind.api.inventory import NodeShape
from tradewind.placement.demands import PodNeed
from tradewind.placement.snapshot import Reserve, SiteAccelerator

Groups = tuple[NodeShape, ...]

NO_RESERVE = Reserve()

# More gangs than any site holds.
_PLENTY = 2**40


def units_free(node: NodeShape, accelerator: SiteAccelerator | None) -> int:
    """Free units of a row's class and resource on one node; 0 without accelerators."""
    if accelerator is None:
        return 0
    total = 0
    name = accelerator.class_name
    for class_name, resource_name, free in node.accelerators:
        if class_name == name and resource_name == accelerator.resource_name:
            total += free
    return total


def room(node: NodeShape, need: PodNeed, accelerator: SiteAccelerator | None) -> int:
    """How many such pods one node still takes, taints aside; never below zero."""
    fits = node.free_pods
    units = need.units
    if units > 0:
        free = units_free(node, accelerator)
        if free < units:  # most nodes of a site are of another class
            return 0
        fits = min(fits, free // units)
    if need.cpu_millis > 0:
        fits = min(fits, node.free_cpu_millis // need.cpu_millis)
    if need.memory_bytes > 0:
        fits = min(fits, node.free_memory_bytes // need.memory_bytes)
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


def tightness(node: NodeShape) -> tuple[int, int, int]:
    """In this order nodes are filled."""
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
        left.sort(key=tightness)
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
                split.append(times(node, untouched))
        if missing:
            return None
        left = split
    return merged(left)


def pack_many(
    groups: Groups, needs: Sequence[PodNeed], accelerator: SiteAccelerator | None, limit: int
) -> tuple[int, Groups]:
    """Put as many whole gangs as fit on the node shapes, up to `limit`.

    Returns:
        How many, and what is left.
    """
    if len(needs) == 1:
        return _pack_alike(groups, needs[0], accelerator, limit)
    count = 0
    while count < limit and (left := pack(groups, needs, accelerator)) is not None:
        count, groups = count + 1, left
    return count, groups


def _pack_alike(
    groups: Groups, need: PodNeed, accelerator: SiteAccelerator | None, limit: int
) -> tuple[int, Groups]:
    """`pack_many` for equal pods of equal gangs: all of them in one go."""
    takers, others = _takers(groups, need, accelerator)
    pods = sum(fits * node.nodes for node, fits in takers)
    count = min(limit, pods // need.count)
    if count <= 0:
        return 0, groups
    if len(takers) > 1:
        takers.sort(key=lambda taker: tightness(taker[0]))
    missing = count * need.count
    changed: list[NodeShape] = []
    for node, fits in takers:
        filled = min(node.nodes, missing // fits)
        missing -= filled * fits
        partly = 1 if 0 < missing < fits and filled < node.nodes else 0
        if filled:
            changed.append(less(node, need, accelerator, fits, filled))
        if partly:
            changed.append(less(node, need, accelerator, missing, 1))
            missing = 0
        if untouched := node.nodes - filled - partly:
            others.append(node if untouched == node.nodes else times(node, untouched))
    for node in changed:
        _join(others, node)
    return count, tuple(others)


def _takers(
    groups: Groups, need: PodNeed, accelerator: SiteAccelerator | None
) -> tuple[list[tuple[NodeShape, int]], list[NodeShape]]:
    """The nodes that take such pods and how many each, and all others."""
    takers: list[tuple[NodeShape, int]] = []
    others: list[NodeShape] = []
    chips = need.units > 0 and accelerator is not None
    name = accelerator.class_name if accelerator else ""
    for node in groups:
        # Most nodes of a site are of another class, which takes no call to see.
        if chips and len(node.accelerators) == 1 and node.accelerators[0][0] != name:
            others.append(node)
            continue
        fits = room(node, need, accelerator)
        if fits and (not node.taints or need.tolerates(node.taints)):
            takers.append((node, fits))
        else:
            others.append(node)
    return takers, others


def _join(groups: list[NodeShape], node: NodeShape) -> None:
    """Add a node shape, to an equal one where there is one."""
    cpu, memory = node.free_cpu_millis, node.free_memory_bytes
    for place, other in enumerate(groups):
        if (
            other.free_cpu_millis == cpu
            and other.free_memory_bytes == memory
            and other.free_pods == node.free_pods
            and other.accelerators == node.accelerators
            and other.taints == node.taints
            and other.other_resources == node.other_resources
        ):
            groups[place] = times(other, other.nodes + node.nodes)
            return
    groups.append(node)


def merged(groups: Sequence[NodeShape]) -> Groups:
    """The same nodes with equal node shapes counted as one."""
    first: dict[tuple[object, ...], NodeShape] = {}
    counts: dict[tuple[object, ...], int] = {}
    for node in groups:
        # A tuple, because to hash a node shape takes several times as long.
        alike = (
            node.free_cpu_millis,
            node.free_memory_bytes,
            node.free_pods,
            node.accelerators,
            node.taints,
            node.other_resources,
        )
        if alike in first:
            counts[alike] += node.nodes
        else:
            first[alike], counts[alike] = node, node.nodes
    return tuple(
        node if node.nodes == counts[alike] else times(node, counts[alike])
        for alike, node in first.items()
    )


def times(node: NodeShape, nodes: int) -> NodeShape:
    """So many nodes of this shape."""
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
    left = pack(groups, needs, accelerator)
    while left is not None and count < limit:
        count += 1
        left = pack(left, needs, accelerator) if count < limit else None
    return count


@dataclass(frozen=True, slots=True)
class Headroom:
    """One resource of a site, in totals.

    Args:
        unit: what is counted, for messages.
        scale: amounts to one such unit.
        needed: by the whole gang.
        kept: for the site's own users.
        free: over all nodes.
    """

    unit: str
    scale: int
    needed: int
    kept: int
    free: int

    @property
    def gangs(self) -> int:
        """How many whole gangs fit beside what is kept; plenty where nothing is."""
        if self.kept <= 0 or self.needed <= 0:
            return _PLENTY
        return max(0, self.free - self.kept) // self.needed


def headrooms(
    groups: Groups, needs: Sequence[PodNeed], reserve: Reserve
) -> tuple[Headroom, Headroom, Headroom]:
    """What a gang needs beside the reserve, by resource.

    Counted in totals: the reserve is an amount of the site, not of certain nodes.
    """
    units = sum(n.count * n.units for n in needs)
    cpu = sum(n.count * n.cpu_millis for n in needs)
    memory = sum(n.count * n.memory_bytes for n in needs)
    return (
        Headroom("accelerators", 1, units, reserve.accelerators, all_units_free(groups)),
        Headroom("CPU", 1000, cpu, reserve.cpu_millis, cpu_free(groups)),
        Headroom("GiB of memory", 2**30, memory, reserve.memory_bytes, memory_free(groups)),
    )


def beyond_reserve(groups: Groups, needs: Sequence[PodNeed], reserve: Reserve) -> int:
    """How many whole gangs fit beside what must stay free for the site's own users."""
    if reserve == NO_RESERVE:
        return _PLENTY
    return min(headroom.gangs for headroom in headrooms(groups, needs, reserve))


def cpu_free(groups: Groups) -> int:
    """Millicores free over all nodes."""
    return sum(max(0, node.free_cpu_millis) * node.nodes for node in groups)


def memory_free(groups: Groups) -> int:
    """Bytes free over all nodes."""
    return sum(max(0, node.free_memory_bytes) * node.nodes for node in groups)


def all_units_free(groups: Groups) -> int:
    """Accelerators of every class free over all nodes."""
    return sum(max(0, free) * node.nodes for node in groups for _, _, free in node.accelerators)
