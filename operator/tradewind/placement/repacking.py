"""Can a site hold these gangs together, if they stood otherwise? A search with a budget.

`packing.py` puts each gang where it fits most tightly and never looks back. With more than one
resource that can miss: the tightest node by chips may be the one whose memory the next gang needs.
Here pods are tried on every sort of node, until all stand or the budget is spent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tradewind.api.inventory import NodeShape
from tradewind.placement.demands import PodNeed
from tradewind.placement.packing import Groups, less, room, tightness, times
from tradewind.placement.snapshot import SiteAccelerator

#: Pods of one gang, or of several equal ones, and the row's accelerators.
Item = tuple[PodNeed, SiteAccelerator | None]


@dataclass(slots=True)
class Effort:
    """Steps that a search may still take; shared by all searches of a round."""

    steps: int


# Unlike pods of one gang: ten thousand nodes would not make this take longer.
_GANG_STEPS = 300


def squeeze(
    groups: Groups, needs: Sequence[PodNeed], accelerator: SiteAccelerator | None
) -> Groups | None:
    """Put one gang of unlike pods on the node shapes, by search; None when it does not fit."""
    if len(needs) <= 1:  # of equal pods no packing holds more than `pack` finds
        return None
    return repack(groups, [(need, accelerator) for need in needs], Effort(_GANG_STEPS))


def repack(groups: Groups, items: Sequence[Item], effort: Effort) -> Groups | None:
    """Put all items on the node shapes.

    Args:
        groups: what is free without them.
        items: what must stand; the largest first finds a packing soonest.
        effort: counted down, about 10 µs a step.

    Returns:
        What is left; None when no packing was found.
    """
    counts: dict[NodeShape, int] = {}
    for node in groups:
        one = times(node, 1)
        counts[one] = counts.get(one, 0) + node.nodes
    if not _enough(groups, items):
        return None
    failed: set[tuple[int, int, frozenset[tuple[NodeShape, int]]]] = set()
    return _place(counts, items, (0, items[0][0].count if items else 0), effort, failed)


def _place(
    counts: dict[NodeShape, int],
    items: Sequence[Item],
    at: tuple[int, int],
    effort: Effort,
    failed: set[tuple[int, int, frozenset[tuple[NodeShape, int]]]],
) -> Groups | None:
    """Place `at[1]` more pods of item `at[0]`, and all later items."""
    place, pods = at
    while place < len(items) and pods == 0:
        place += 1
        pods = items[place][0].count if place < len(items) else 0
    if place == len(items):
        return tuple(times(node, n) for node, n in counts.items() if n)
    key = (place, pods, frozenset((node, n) for node, n in counts.items() if n))
    if key in failed:
        return None
    need, accelerator = items[place]
    for node in sorted((node for node, n in counts.items() if n), key=tightness):
        if effort.steps <= 0:
            return None
        effort.steps -= 1
        if room(node, need, accelerator) < 1 or not need.tolerates(node.taints):
            continue
        after = less(node, need, accelerator, 1, 1)
        moved = dict(counts)
        moved[node] -= 1
        moved[after] = moved.get(after, 0) + 1
        found = _place(moved, items, (place, pods - 1), effort, failed)
        if found is not None:
            return found
    failed.add(key)
    return None


def _enough(groups: Groups, items: Sequence[Item]) -> bool:
    """Whether totals leave it possible at all; most tries end here."""
    cpu = sum(need.count * need.cpu_millis for need, _ in items)
    memory = sum(need.count * need.memory_bytes for need, _ in items)
    pods = sum(need.count for need, _ in items)
    if (
        cpu > sum(max(0, n.free_cpu_millis) * n.nodes for n in groups)
        or memory > sum(max(0, n.free_memory_bytes) * n.nodes for n in groups)
        or pods > sum(max(0, n.free_pods) * n.nodes for n in groups)
    ):
        return False
    units: dict[SiteAccelerator, int] = {}
    for need, accelerator in items:
        if accelerator is not None:
            units[accelerator] = units.get(accelerator, 0) + need.count * need.units
    return all(
        asked
        <= sum(
            max(0, free) * n.nodes
            for n in groups
            for c, r, free in n.accelerators
            if (c, r) == (accelerator.class_name, accelerator.resource_name)
        )
        for accelerator, asked in units.items()
    )
