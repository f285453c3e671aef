"""How do a site's accelerators, or its run times, fall short of what a shape asks for?"""

import math
from collections.abc import Iterable
from datetime import UTC, timedelta

from tradewind.api.accelerator import Sharing
from tradewind.placement.chips import Chip
from tradewind.placement.demands import named_resources
from tradewind.placement.feasibility import Evaluation
from tradewind.placement.plan import Refusal, RefusalReason
from tradewind.placement.snapshot import SiteView


def misfit(
    site: SiteView,
    found: Evaluation,
    reason: RefusalReason,
    chips: Iterable[Chip],
    late_s: float = 0.0,
) -> Refusal:
    """Tell why a site is refused, the wanted and the best found side by side.

    Args:
        site: which.
        found: of the shape.
        reason: what its nearest accelerators fail by.
        chips: those accelerators.
        late_s: seconds that the fastest of them would need, if the deadline refuses.
    """
    need = found.shape.accelerator
    chips = tuple(chips)
    has = ", ".join(sorted({chip.class_name for chip in chips})) or "none"
    match reason:
        case RefusalReason.CLASS:
            message = f"needs {_any_of(need.classes)}; site has {has}"
        case RefusalReason.VENDOR:
            message = f"needs a chip by {_any_of(need.vendors)}; site has {has}"
        case RefusalReason.SHARING:
            message = f"{_cut_asked(found)}; site has {has}"
        case RefusalReason.CHIP_MEMORY:
            return _short(site, reason, need.min_memory_gib, "GiB a chip", chips)
        case RefusalReason.CHIP_SPEED:
            return _short(site, reason, need.min_tflops, "TFLOPS BF16 a chip", chips)
        case RefusalReason.RESOURCE:
            names = ", ".join(sorted(named_resources(found.shape.demand)))
            offered = ", ".join(sorted({chip.resource_name for chip in chips}))
            message = f"needs {names}; site offers {offered}"
        case RefusalReason.DEADLINE:
            return _late(site, found, late_s)
        case _:
            units = sum(pod.count * pod.accelerators for pod in found.shape.demand.pods)
            names = ", ".join(sorted(named_resources(found.shape.demand)))
            what = f"{units} accelerators" if units else names
            return Refusal(site.name, reason, f"needs {what}; site has none", units or None, 0)
    return Refusal(site.name, reason, message)


def _cut_asked(found: Evaluation) -> str:
    sharing = found.shape.accelerator.sharing
    most = max((pod.accelerators for pod in found.shape.demand.pods), default=0)
    if sharing in {Sharing.SHARED, Sharing.ANY} and most > 1:
        return f"needs {most} accelerators in a pod, which shares of a chip are not"
    what = {Sharing.EXCLUSIVE: "whole chips", Sharing.PARTITION: "partitions of chips"}
    return f"needs {what.get(sharing, 'shares of chips')} (accelerator.sharing: {sharing.value})"


def _any_of(names: tuple[str, ...]) -> str:
    return " or ".join(names)


def _short(
    site: SiteView,
    reason: RefusalReason,
    wanted: float | None,
    unit: str,
    chips: tuple[Chip, ...],
) -> Refusal:
    by_memory = reason is RefusalReason.CHIP_MEMORY
    figures = [(chip.memory_gib if by_memory else chip.tflops, chip.class_name) for chip in chips]
    known = [figure for figure in figures if not math.isnan(figure[0])]
    if not known:
        names = ", ".join(sorted(name for _, name in figures))
        message = f"needs {wanted:g} {unit}; that of {names} is not known"
        return Refusal(site.name, reason, message, wanted)
    best, name = max(known)
    message = f"needs {wanted:g} {unit}; {name} has {best:g}"
    return Refusal(site.name, reason, message, wanted, best)


def _late(site: SiteView, found: Evaluation, fastest_s: float) -> Refusal:
    deadline = found.shape.runtime.deadline or found.now
    left = deadline - found.now
    takes = timedelta(seconds=round(min(fastest_s, 1e9)))
    message = (
        f"needs {takes} and must be done by {deadline.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}; "
        f"{timedelta(seconds=max(0, round(left.total_seconds())))} are left"
    )
    return Refusal(
        site.name, RefusalReason.DEADLINE, message, fastest_s, max(0.0, left.total_seconds())
    )
