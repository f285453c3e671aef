"""What is missing at a site that is too full or too small for a gang, and how much?

Asked only for sites that the ledger has refused, one at a time, when somebody reads the
explanation. The first resource that leaves room for too few pods is the one that is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tradewind.placement.demands import PodNeed
from tradewind.placement.packing import (
    Groups,
    headrooms,
    pack,
    room,
    units_free,
)
from tradewind.placement.plan import Refusal, RefusalReason
from tradewind.placement.repacking import squeeze
from tradewind.placement.snapshot import SiteAccelerator, SiteView
from tradewind.placement.taints import show

_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Place:
    """A row as it was when the ledger refused it."""

    site: SiteView
    groups: Groups
    accelerator: SiteAccelerator | None

    @property
    def chip(self) -> str:
        """The row's class, for messages."""
        return self.accelerator.class_name if self.accelerator else ""

    def refuse(
        self, reason: RefusalReason, message: str, needed: float, available: float
    ) -> Refusal:
        """A refusal of this site."""
        return Refusal(self.site.name, reason, message, needed, available)

    def pods(self, need: PodNeed) -> int:
        """How many such pods the nodes take, taints aside."""
        return sum(room(node, need, self.accelerator) * node.nodes for node in self.groups)


def shortage(place: Place, needs: Sequence[PodNeed]) -> Refusal:
    """Say why a gang does not fit.

    Args:
        place: site, what is free there, and the row's accelerators.
        needs: what the gang takes, as in the ledger.
    """
    for need in needs:
        refusal = _too_large(place, needs) or _alone(place, need)
        if refusal is not None:
            return refusal
    if (
        pack(place.groups, needs, place.accelerator) is not None
        or squeeze(place.groups, needs, place.accelerator) is not None
    ):
        return _reserved(place, needs)
    pods = sum(need.count for need in needs)
    return place.refuse(
        RefusalReason.FRAGMENTED,
        f"each of {len(needs)} pod sets fits alone, all {pods} pods together do not",
        pods,
        max(need.count for need in needs),
    )


def _too_large(place: Place, needs: Sequence[PodNeed]) -> Refusal | None:
    asked = sum(need.count * need.units for need in needs)
    has = place.accelerator.allocatable if place.accelerator else None
    if has is None or asked <= has:
        return None
    return place.refuse(
        RefusalReason.TOO_LARGE,
        f"needs {asked} {place.chip}; site has {has} in all",
        asked,
        has,
    )


def _alone(place: Place, need: PodNeed) -> Refusal | None:
    """Why one pod set does not fit even with the site to itself; None when it does."""
    fits = place.pods(need)
    if fits >= need.count:
        tolerated = tuple(node for node in place.groups if need.tolerates(node.taints))
        fits = replace(place, groups=tolerated).pods(need)
        return _tainted(place, need, fits) if fits < need.count else None
    # One resource after the other: the first that leaves room for too few pods is to blame.
    bare = replace(need, cpu_millis=0, memory_bytes=0, others=())
    with_cpu = replace(bare, cpu_millis=need.cpu_millis)
    with_memory = replace(with_cpu, memory_bytes=need.memory_bytes)
    if (fits := place.pods(bare)) < need.count:
        if need.units:
            return _chips(place, need, fits)
        return _resource(place, need, RefusalReason.PODS, "a free pod place", fits)
    if (fits := place.pods(with_cpu)) < need.count:
        what = f"{need.cpu_millis / 1000:g} CPU"
        return _resource(place, need, RefusalReason.CPU, what, fits)
    if (fits := place.pods(with_memory)) < need.count:
        what = f"{need.memory_bytes / _GIB:.4g} GiB of memory"
        return _resource(place, need, RefusalReason.MEMORY, what, fits)
    return _other(place, need)


def _chips(place: Place, need: PodNeed, pods: int) -> Refusal:
    asked = need.count * need.units
    free = [max(0, units_free(node, place.accelerator)) for node in place.groups]
    total = sum(units * node.nodes for units, node in zip(free, place.groups, strict=True))
    largest = max(free, default=0)
    where = f" in nodes with {need.units} free" if need.units > 1 else ""
    message = f"needs {asked} {place.chip}{where}; {total} free, largest node has {largest}"
    if total >= asked:
        message += f": room for {pods} of {need.count} pods"
        return place.refuse(RefusalReason.FRAGMENTED, message, asked, pods * need.units)
    return place.refuse(RefusalReason.ACCELERATORS, message, asked, total)


def _resource(place: Place, need: PodNeed, reason: RefusalReason, what: str, pods: int) -> Refusal:
    beside = f" beside {need.units} {place.chip}" if need.units else ""
    asked = f"{need.count} pods with {what}{beside} each"
    if need.count == 1:
        asked = f"a pod with {what}{beside}"
    return place.refuse(
        reason,
        f"needs {asked}; nodes have room for {pods}",
        need.count,
        pods,
    )


def _other(place: Place, need: PodNeed) -> Refusal:
    offered = {name for node in place.groups for name, _ in node.other_resources}
    for name, amount in need.others:
        if amount > 0 and name not in offered:
            return place.refuse(
                RefusalReason.RESOURCE, f"needs {name}; no node of the site offers it", amount, 0
            )
    names = ", ".join(name for name, _ in need.others)
    return _resource(place, need, RefusalReason.OTHER_RESOURCE, names, place.pods(need))


def _tainted(place: Place, need: PodNeed, pods: int) -> Refusal:
    blocking = (need.blocking(node.taints) for node in place.groups)
    names = sorted({show(taint) for taint in blocking if taint is not None})
    return place.refuse(
        RefusalReason.NODE_TAINT,
        f"nodes without the taints {', '.join(names)} have room for {pods} of {need.count} pods",
        need.count,
        pods,
    )


def _reserved(place: Place, needs: Sequence[PodNeed]) -> Refusal:
    lines = headrooms(place.groups, needs, place.site.reserved)
    tight = min(lines, key=lambda line: line.gangs)
    needed, kept, free = (n / tight.scale for n in (tight.needed, tight.kept, tight.free))
    return place.refuse(
        RefusalReason.RESERVED,
        f"needs {needed:g} {tight.unit}; {free:g} free, of which {kept:g} are reserved for the"
        " site's own users",
        needed,
        max(0.0, free - kept),
    )
