"""How do API objects become what placement reads? Parsed once when they change, not every cycle.

The controller's store calls these when an object or an inventory changes, and keeps the result
until the next change: views that stay the same stay the same objects.
"""

import math
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

from tradewind.api.demand import Demand
from tradewind.api.fields import cpu_millis, memory_bytes, parse_quantity
from tradewind.api.inventory import NodeShape, Occupied
from tradewind.api.site import ComputeSite, Reserved, Signal, SignalState, SiteSignals
from tradewind.api.site import Pricing as PricingSpec
from tradewind.api.workload import (
    AcceleratorRequirement,
    AIWorkload,
    DurationKind,
    PlacementSpec,
    RuntimeSpec,
)
from tradewind.placement.feasibility import requirements
from tradewind.placement.snapshot import (
    AcceleratorNeed,
    CurrentPart,
    PlacementNeed,
    Pricing,
    Reserve,
    RuntimeNeed,
    SignalValue,
    SiteAccelerator,
    SiteName,
    SiteView,
    Uid,
    WorkloadView,
)

# Objects without a creation time do not come from an API server; they go last among equals.
_LAST = datetime.max.replace(tzinfo=UTC)

# A stale figure is not known to hold now; the spec's own is at least meant to.
_TRUSTED = (SignalState.CURRENT, SignalState.FALLBACK)


def workload_view(
    workload: AIWorkload,
    demand: Demand,
    *,
    default_policy: str,
    excluded_sites: Iterable[SiteName] = (),
) -> WorkloadView:
    """An AIWorkload for placement.

    Args:
        workload: from the hub.
        demand: of its template, see `workloads.demand`.
        default_policy: for a workload that names none.
        excluded_sites: sites lost with a part of it.
    """
    spec, meta, status = workload.spec, workload.metadata, workload.status
    placements = status.placements if status else ()
    return WorkloadView(
        uid=Uid(meta.uid),
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        created=workload.created or _LAST,
        demand=demand,
        priority=spec.priority,
        workload_class=spec.class_name.value,
        accelerator=_accelerator_need(spec.accelerator),
        placement=_placement_need(spec.placement),
        runtime=_runtime_need(spec.runtime),
        policy=spec.policy or default_policy,
        queue=spec.queue,
        epoch=max([status.epoch if status else 0, *(part.epoch for part in placements)]),
        excluded_sites=frozenset(excluded_sites),
        done_s=status.done_seconds if status else 0.0,
        moved_at=status.moved_at if status else None,
        current=tuple(
            CurrentPart(
                SiteName(part.site),
                part.accelerator_class,
                part.replicas,
                part.epoch,
                part.started_at,
            )
            for part in placements
        ),
    )


def _accelerator_need(spec: AcceleratorRequirement) -> AcceleratorNeed:
    return AcceleratorNeed(
        spec.classes, spec.vendors, spec.min_memory_gib, spec.min_tflops, spec.sharing
    )


def _placement_need(spec: PlacementSpec) -> PlacementNeed:
    latency, split = spec.latency, spec.split
    return PlacementNeed(
        site_selector=requirements(spec.site_selector),
        tolerations=spec.tolerations,
        jurisdictions=spec.jurisdictions,
        latency_from=tuple((origin.region, origin.share) for origin in latency.from_)
        if latency
        else (),
        max_latency_ms=latency.max_milliseconds if latency else None,
        data=tuple((SiteName(place.site), place.size_gib) for place in spec.data),
        pinned_to=frozenset(SiteName(place.site) for place in spec.data if place.pinned),
        min_sites=split.min_sites if split else 1,
        max_sites=split.max_sites if split else 1,
        min_replicas_per_site=split.min_replicas_per_site if split else 1,
    )


def _runtime_need(spec: RuntimeSpec) -> RuntimeNeed:
    return RuntimeNeed(
        duration_s=spec.duration,
        reference_class=spec.reference_class,
        deadline=spec.deadline,
        max_delay_s=spec.max_delay,
        checkpoint_s=spec.checkpoint.interval if spec.checkpoint else None,
        mean_only=spec.duration_is is DurationKind.MEAN,
    )


def site_view(
    site: ComputeSite,
    *,
    node_shapes: Iterable[NodeShape],
    accelerators: Iterable[SiteAccelerator],
    kinds: Iterable[str],
    signals: SiteSignals,
    reachable: bool,
    synced: bool,
    reserved: Reserve = Reserve(),  # noqa: B008 - frozen
    occupied: Iterable[Occupied] = (),
) -> SiteView:
    """A ComputeSite for placement.

    Args:
        site: from the hub.
        node_shapes: free capacity, from its inventory.
        accelerators: the classes it has, free or not.
        kinds: template kinds it serves, `apiVersion/Kind`.
        signals: as last polled; the spec's own figures stand in for what is not known.
        reachable: its API server answers.
        synced: its inventory is whole.
        reserved: see `reserve_of`.
        occupied: nodes on which Tradewind's own pods stand, from its inventory.
    """
    spec = site.spec
    classes = tuple(accelerators)
    return SiteView(
        name=SiteName(site.metadata.name),
        labels=site.metadata.labels,
        region=spec.location.region,
        jurisdiction=spec.location.jurisdiction,
        taints=spec.taints,
        unschedulable=spec.unschedulable or spec.drain,
        draining=spec.drain,
        reachable=reachable,
        synced=synced,
        kinds=frozenset(kinds),
        node_shapes=tuple(node_shapes),
        accelerators=classes,
        pricing=pricing_of(spec.pricing, signals, [found.class_name for found in classes]),
        reserved=reserved,
        occupied=tuple(occupied),
        carbon_intensity=signal_value(signals.carbon_intensity, spec.energy.carbon_intensity),
        price_per_mwh=signal_value(signals.price_per_mwh, spec.energy.price_per_mwh),
        load=signal_value(signals.load, None),
        pue=signal_value(signals.pue, spec.energy.pue),
        latency_ms={
            region: signal.value
            for region, signal in signals.latency_ms.items()
            if signal.value is not None and signal.state in _TRUSTED
        },
    )


def pricing_of(stated: PricingSpec, signals: SiteSignals, class_names: Collection[str]) -> Pricing:
    """What a site charges for hardware: what its spec states, else what its Prometheus knows.

    Args:
        stated: of the site's spec.
        signals: as last polled; prices of accelerators go by class, or by instance type.
        class_names: the accelerator classes of the site. Where it has one alone, prices by instance
            type are that class's: their mean.
    """
    read = {key: _current(signal) for key, signal in signals.accelerator_hour.items()}
    known = {key: price for key, price in read.items() if price is not None}
    by_class = {key: price for key, price in known.items() if key in class_names}
    if len(class_names) == 1 and known and not by_class:
        by_class = dict.fromkeys(class_names, sum(known.values()) / len(known))
    cpu, memory = stated.cpu_hour, stated.memory_gib_hour
    return Pricing(
        {**by_class, **stated.accelerator_hour},
        _current(signals.cpu_hour) if cpu is None else cpu,
        _current(signals.memory_gib_hour) if memory is None else memory,
    )


def _current(signal: Signal | None) -> float | None:
    return signal.value if signal is not None and signal.state in _TRUSTED else None


def signal_value(signal: Signal | None, stated: float | None) -> SignalValue:
    """A signal, or the figure that the site's spec states where the signal cannot be trusted."""
    if signal is not None and signal.value is not None and signal.state in _TRUSTED:
        return SignalValue(signal.value, signal.state)
    if stated is not None:
        return SignalValue(stated, SignalState.FALLBACK)
    return SignalValue(None, SignalState.UNKNOWN)


def reserve_of(
    reserved: Reserved,
    *,
    allocatable: Reserve,
    used_by_site: Reserve = Reserve(),  # noqa: B008
) -> Reserve:
    """What must still stay free for a site's own users.

    Args:
        reserved: of the site's spec: amounts, or shares such as `10%`.
        allocatable: of the whole site.
        used_by_site: what pods that are not Tradewind's take already.

    Raises:
        QuantityError: an amount that cannot be read.
    """
    cpu = _amount(reserved.cpu, allocatable.cpu_millis, cpu_millis)
    memory = _amount(reserved.memory, allocatable.memory_bytes, memory_bytes)
    units = _amount(reserved.accelerators, allocatable.accelerators, memory_bytes)
    return Reserve(
        max(0, cpu - used_by_site.cpu_millis),
        max(0, memory - used_by_site.memory_bytes),
        max(0, units - used_by_site.accelerators),
    )


def _amount(given: str | int | None, whole: int, read: Callable[[str | int], int]) -> int:
    """An amount, or a share of the whole rounded up, all at most; nothing given is 0."""
    if given is None:
        return 0
    text = str(given).strip()
    if text.endswith("%"):
        return min(whole, math.ceil(parse_quantity(text[:-1]) * whole / 100))
    return min(whole, read(given))
