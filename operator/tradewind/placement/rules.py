"""Which sites may not have a shape at all, whatever its hardware? One function for each hard rule.

A rule is a mask over all sites, for speed, and a message for one refused site, for people. Rules
that only a changed spec can mend stand first: to hear "wait, the site does not answer" of a site
that residency forbids would mislead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tradewind.api.fields import LabelSelectorRequirement
from tradewind.placement.plan import Refusal, RefusalReason
from tradewind.placement.shapes import Shape
from tradewind.placement.snapshot import SiteView
from tradewind.placement.table import Mask, SiteTable
from tradewind.placement.taints import show, untolerated


@dataclass(frozen=True, slots=True)
class SiteRule:
    """A hard rule about sites.

    Args:
        reason: the code of its refusals.
        admits: (S,) where the shape may go, as far as this rule is concerned.
        tell: why a site that `admits` leaves out is refused.
    """

    reason: RefusalReason
    admits: Callable[[Shape, SiteTable], Mask]
    tell: Callable[[Shape, SiteView], Refusal]


def _everywhere(table: SiteTable) -> Mask:
    return np.ones(len(table.sites), bool)


def _holds(rule: LabelSelectorRequirement, value: str | None) -> bool:
    return rule.matches({} if value is None else {rule.key: value})


def _selected(shape: Shape, table: SiteTable) -> Mask:
    mask = _everywhere(table)
    for rule in shape.placement.site_selector:
        mask &= table.label(rule.key).where(partial(_holds, rule))
    return mask


def _tell_selected(shape: Shape, site: SiteView) -> Refusal:
    rule = next(
        rule
        for rule in shape.placement.site_selector
        if not _holds(rule, site.labels.get(rule.key))
    )
    wanted = f"{rule.key} {rule.operator} {', '.join(rule.values)}".rstrip()
    found = site.labels.get(rule.key)
    says = f"{rule.key}={found}" if found is not None else f"no label {rule.key}"
    return Refusal(site.name, RefusalReason.SELECTOR, f"selector wants {wanted}; site has {says}")


def jurisdiction_admits(allowed: tuple[str, ...], jurisdiction: str) -> bool:
    """Whether work that may run in `allowed` may run here; a country admits its subdivisions.

    >>> jurisdiction_admits(("US",), "US-CA"), jurisdiction_admits(("US-CA",), "US")
    (True, False)
    """
    return not allowed or any(
        jurisdiction == code or jurisdiction.startswith(f"{code}-") for code in allowed
    )


def _resident(shape: Shape, table: SiteTable) -> Mask:
    allowed = shape.placement.jurisdictions
    return table.jurisdiction.where(lambda code: jurisdiction_admits(allowed, code))


def _tell_resident(shape: Shape, site: SiteView) -> Refusal:
    allowed = ", ".join(shape.placement.jurisdictions)
    where = site.jurisdiction or "a jurisdiction that is not stated"
    return Refusal(
        site.name, RefusalReason.JURISDICTION, f"may run in {allowed} only; site is in {where}"
    )


def _has_data(shape: Shape, table: SiteTable) -> Mask:
    mask = _everywhere(table)
    for name in shape.placement.pinned_to:
        mask &= table.named(frozenset({name}))
    return mask


def _tell_has_data(shape: Shape, site: SiteView) -> Refusal:
    names = ", ".join(sorted(name for name in shape.placement.pinned_to if name != site.name))
    return Refusal(site.name, RefusalReason.DATA, f"its data may not leave {names}")


def _tolerated(shape: Shape, table: SiteTable) -> Mask:
    tolerations = shape.placement.tolerations
    return table.taints.where(lambda taints: untolerated(taints, tolerations) is None)


def _tell_tolerated(shape: Shape, site: SiteView) -> Refusal:
    taint = untolerated(site.taints, shape.placement.tolerations)
    name = show(taint) if taint else ""
    return Refusal(site.name, RefusalReason.TAINT, f"does not tolerate the site's taint {name}")


def _tell_cordoned(_shape: Shape, site: SiteView) -> Refusal:
    return Refusal(site.name, RefusalReason.CORDONED, "site is unschedulable (cordoned)")


def _latency_known(shape: Shape, table: SiteTable) -> Mask:
    mask = _everywhere(table)
    if shape.placement.max_latency_ms is not None:
        for region, _ in shape.placement.latency_from:
            mask &= ~np.isnan(table.latency_ms(region))
    return mask


def _tell_latency_known(shape: Shape, site: SiteView) -> Refusal:
    missing = [
        region for region, _ in shape.placement.latency_from if region not in site.latency_ms
    ]
    regions = ", ".join(missing or [region for region, _ in shape.placement.latency_from])
    limit = shape.placement.max_latency_ms
    return Refusal(
        site.name,
        RefusalReason.LATENCY_UNKNOWN,
        f"needs at most {limit:g} ms; round trip from {regions} is not known",
        needed=limit,
    )


def _near(shape: Shape, table: SiteTable) -> Mask:
    mask = _everywhere(table)
    limit = shape.placement.max_latency_ms
    if limit is not None:
        for region, _ in shape.placement.latency_from:
            # Unknown is the rule above's business: it must not be counted as too far.
            mask &= ~(table.latency_ms(region) > limit)
    return mask


def _tell_near(shape: Shape, site: SiteView) -> Refusal:
    limit = shape.placement.max_latency_ms
    measured = (
        (site.latency_ms[region], region)
        for region, _ in shape.placement.latency_from
        if region in site.latency_ms
    )
    worst, region = max(measured)
    return Refusal(
        site.name,
        RefusalReason.LATENCY,
        f"needs at most {limit:g} ms; {worst:g} ms from {region}",
        needed=limit,
        available=worst,
    )


def _tell_lost(_shape: Shape, site: SiteView) -> Refusal:
    return Refusal(
        site.name, RefusalReason.LOST, "site was lost with this workload and has not come back"
    )


def _tell_refused(_shape: Shape, site: SiteView) -> Refusal:
    return Refusal(
        site.name, RefusalReason.REFUSED, "site refused its object, and is asked again later"
    )


def _tell_unreachable(_shape: Shape, site: SiteView) -> Refusal:
    return Refusal(site.name, RefusalReason.UNREACHABLE, "site does not answer")


def _tell_synced(_shape: Shape, site: SiteView) -> Refusal:
    return Refusal(
        site.name, RefusalReason.NOT_SYNCED, "site's nodes and pods have not been listed yet"
    )


def _served(shape: Shape, table: SiteTable) -> Mask:
    kind = shape.demand.kind
    return table.kinds.where(lambda kinds: kind in kinds)


def _tell_served(shape: Shape, site: SiteView) -> Refusal:
    served = ", ".join(sorted(site.kinds)) or "none"
    return Refusal(
        site.name, RefusalReason.KIND, f"needs {shape.demand.kind}; site serves {served}"
    )


#: In the order in which they speak: a site is refused by the first that leaves it out.
SITE_RULES: tuple[SiteRule, ...] = (
    SiteRule(RefusalReason.SELECTOR, _selected, _tell_selected),
    SiteRule(RefusalReason.JURISDICTION, _resident, _tell_resident),
    SiteRule(RefusalReason.DATA, _has_data, _tell_has_data),
    SiteRule(RefusalReason.TAINT, _tolerated, _tell_tolerated),
    SiteRule(RefusalReason.CORDONED, lambda _shape, table: ~table.unschedulable, _tell_cordoned),
    SiteRule(RefusalReason.LATENCY, _near, _tell_near),
    SiteRule(RefusalReason.LATENCY_UNKNOWN, _latency_known, _tell_latency_known),
    SiteRule(
        RefusalReason.LOST, lambda shape, table: ~table.named(shape.excluded_sites), _tell_lost
    ),
    SiteRule(
        RefusalReason.REFUSED, lambda shape, table: ~table.named(shape.refused_sites), _tell_refused
    ),
    SiteRule(RefusalReason.UNREACHABLE, lambda _shape, table: table.reachable, _tell_unreachable),
    SiteRule(RefusalReason.NOT_SYNCED, lambda _shape, table: table.synced, _tell_synced),
    SiteRule(RefusalReason.KIND, _served, _tell_served),
)
