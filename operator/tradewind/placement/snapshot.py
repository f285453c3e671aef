"""What does a cycle know? The frozen inputs of `plan()`, and nothing else.

The controller's store freezes what its watches say into a `Snapshot`; the simulator and the tests
build one by hand. Everything is immutable, so a snapshot may be shared by threads and
compared between cycles. `views.py` makes these values from the API's models.

Legend of axes, in every array of this package: G shapes, S sites, C accelerator classes, N node
shapes, P pod sets, R rows (a site and one of its classes), T start slots, K cost terms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType

from tradewind.api.accelerator import Sharing
from tradewind.api.demand import Demand
from tradewind.api.fields import LabelSelectorRequirement, Taint, Toleration
from tradewind.api.inventory import NodeShape, Occupied
from tradewind.api.policy import PolicySpec
from tradewind.api.queue import QueueSpec
from tradewind.api.site import SignalState
from tradewind.hardware.catalog import Catalog

SiteName = NewType("SiteName", str)
Uid = NewType("Uid", str)

#: The class of accelerators that no rule recognised; see `hardware.labels`.
UNKNOWN_CLASS = "unknown"


@dataclass(frozen=True, slots=True)
class SignalValue:
    """One signal of a site; the unit is that of the field that holds it."""

    value: float | None = None
    state: SignalState = SignalState.UNKNOWN


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a signal of a site is expected to be, in steps of equal length.

    Args:
        start: of the first step, aware.
        step_s: length of a step, seconds.
        values: the expected value of each step, in the unit of the signal; past the last step
            nothing is known.
        low, high: the 10% and 90% quantiles of each step; empty: the forecast does not tell how
            sure it is.
    """

    start: datetime
    step_s: float
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteAccelerator:
    """What is known of one accelerator class at a site, whether or not any is free.

    Args:
        class_name: of the catalogue, or `unknown`; that of a part (`hardware.parts`) where one
            unit is less than a chip.
        resource_name: by which pods ask for it there.
        vendor: `nvidia`, `huawei`, …; empty when not known.
        allocatable: units at the site, free or not; None when not counted.
        memory_gib: of one unit, if the site tells; else the catalogue's figure counts.
    """

    class_name: str
    resource_name: str
    vendor: str = ""
    allocatable: int | None = None
    memory_gib: float | None = None


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a site charges, USD an hour; electricity apart. None or absent: not stated."""

    accelerator_hour: Mapping[str, float] = field(default_factory=dict)
    cpu_hour: float | None = None
    memory_gib_hour: float | None = None


@dataclass(frozen=True, slots=True)
class Reserve:
    """What must stay free for the site's own users.

    `spec.reserved` less what those users' pods take already, in absolute amounts: a share that is
    in use needs no second reserve.
    """

    cpu_millis: int = 0
    memory_bytes: int = 0
    accelerators: int = 0


@dataclass(frozen=True, slots=True)
class SiteView:
    """A ComputeSite as placement sees it.

    Args:
        name: of the ComputeSite.
        labels: of the ComputeSite; what site selectors match.
        region: free id that latency speaks of.
        jurisdiction: ISO 3166-1 alpha-2, or -2 subdivision such as `US-CA`.
        taints: of the site.
        unschedulable: the site is cordoned.
        draining: running work that may be moved should leave; implies `unschedulable`.
        reachable: its API server answers.
        synced: its inventory has been listed whole and is being watched.
        kinds: template kinds it serves, `apiVersion/Kind` as in `Demand.kind`.
        node_shapes: free capacity; bound pods are subtracted, assumed placements are not.
        accelerators: the classes the site has; empty: those of the node shapes.
        carbon_intensity: location-based average, gCO2e/kWh.
        price_per_mwh: electricity, USD.
        load: share of the site in use, 0 to 1.
        pue: facility energy over IT energy.
        latency_ms: round trip from a consumer region, milliseconds.
        carbon_forecast: of `carbon_intensity`; None: not known.
        price_forecast: of `price_per_mwh`.
        load_forecast: of `load`.
        term_values: values of the policies' own terms here, by PromQL.
        pricing: what the site charges.
        reserved: what must stay free.
        occupied: nodes on which Tradewind's own pods stand, and whose. Preemption reads there what
            a victim would leave; empty: it counts with each pod on a node of its own.
    """

    name: SiteName
    labels: Mapping[str, str] = field(default_factory=dict)
    region: str = ""
    jurisdiction: str = ""
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    draining: bool = False
    reachable: bool = True
    synced: bool = True
    kinds: frozenset[str] = frozenset()
    node_shapes: tuple[NodeShape, ...] = ()
    accelerators: tuple[SiteAccelerator, ...] = ()
    carbon_intensity: SignalValue = SignalValue()
    price_per_mwh: SignalValue = SignalValue()
    load: SignalValue = SignalValue()
    pue: SignalValue = SignalValue()
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    carbon_forecast: Forecast | None = None
    price_forecast: Forecast | None = None
    load_forecast: Forecast | None = None
    term_values: Mapping[str, float] = field(default_factory=dict)
    pricing: Pricing = Pricing()
    reserved: Reserve = Reserve()
    occupied: tuple[Occupied, ...] = ()


@dataclass(frozen=True, slots=True)
class AcceleratorNeed:
    """Which accelerators will do; empty and None mean "any"."""

    classes: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    min_memory_gib: float | None = None
    min_tflops: float | None = None
    sharing: Sharing = Sharing.EXCLUSIVE


@dataclass(frozen=True, slots=True)
class PlacementNeed:
    """Where a workload may run, and what distance costs it.

    Args:
        site_selector: all must hold.
        tolerations: of site taints.
        jurisdictions: where it may run; `US` admits `US-CA`; empty: anywhere.
        latency_from: (consumer region, share of the consumers).
        max_latency_ms: hard limit to every region of `latency_from`.
        data: (site where input lies, GiB).
        pinned_to: sites with data that may not leave; more than one leaves no site.
        min_sites: the fewest sites it is to be split over.
        max_sites: the most sites it may be split over; 1 where its template cannot be split.
        min_replicas_per_site: of each part of a split.
    """

    site_selector: tuple[LabelSelectorRequirement, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    latency_from: tuple[tuple[str, float], ...] = ()
    max_latency_ms: float | None = None
    data: tuple[tuple[SiteName, float], ...] = ()
    pinned_to: frozenset[SiteName] = frozenset()
    min_sites: int = 1
    max_sites: int = 1
    min_replicas_per_site: int = 1


@dataclass(frozen=True, slots=True)
class RuntimeNeed:
    """How long a workload runs, and when it must be done.

    Args:
        duration_s: expected on `reference_class`; None when the user does not know.
        reference_class: empty: the engine's default reference.
        deadline: the latest end.
        max_delay_s: how long it may wait by choice.
        checkpoint_s: interval of checkpoints; None: it may not be moved.
        mean_only: `duration_s` is no more than the mean of lengths that vary widely; see
            `stopping.py`.
    """

    duration_s: float | None = None
    reference_class: str = ""
    deadline: datetime | None = None
    max_delay_s: float = 0.0
    checkpoint_s: float | None = None
    mean_only: bool = False


@dataclass(frozen=True, slots=True)
class CurrentPart:
    """A part of a workload that has been placed."""

    site: SiteName
    class_name: str | None
    replicas: int
    epoch: int
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WorkloadView:
    """An AIWorkload as placement sees it; a suspended one is not given to the engine.

    Args:
        uid: of the AIWorkload.
        namespace: of the AIWorkload.
        name: of the AIWorkload.
        generation: of the spec that was read.
        created: creation time, aware.
        priority: higher first.
        workload_class: Training, Inference or Batch.
        demand: pods and what each asks for.
        accelerator: which accelerators will do.
        placement: where it may run.
        runtime: how long it runs and by when.
        policy: name of the PlacementPolicy.
        queue: name of the ComputeQueue; empty: none.
        epoch: the highest epoch ever written for it; 0 when never placed.
        excluded_sites: sites lost with a part of it; they get nothing of it until they are back.
        refused_sites: sites that refused its object; they get nothing of it for a while.
        current: its parts that stand. Of pending work: those of a split, which keep what they have;
            `demand` is what is missing.
        grows: sites at which a part that stands may be given more pods.
        done_s: run time on the reference class that is behind it, as of its last checkpoint.
        planned_start: when the last cycle that deferred it meant to start it; None: not deferred.
        planned_site: where that cycle meant to start it.
        nominated_site: where room is made or kept for it: the site of the eviction that names it
            in `by`, or the `target` of its own; None: nowhere. To be cleared when it is placed, and
            when a cycle leaves it waiting with `Snapshot.evicting` free of its victims.
        moved_at: when it was last moved or paused.
        moving: it was evicted as Moved or Drained and has not run since. Such work counts against
            `maxConcurrentMoves`, in whichever list of the snapshot it is.
    """

    uid: Uid
    namespace: str
    name: str
    generation: int
    created: datetime
    demand: Demand
    priority: int = 0
    workload_class: str = "Batch"
    accelerator: AcceleratorNeed = AcceleratorNeed()
    placement: PlacementNeed = PlacementNeed()
    runtime: RuntimeNeed = RuntimeNeed()
    policy: str = ""
    queue: str = ""
    epoch: int = 0
    excluded_sites: frozenset[SiteName] = frozenset()
    refused_sites: frozenset[SiteName] = frozenset()
    current: tuple[CurrentPart, ...] = ()
    grows: frozenset[SiteName] = frozenset()
    done_s: float = 0.0
    planned_start: datetime | None = None
    planned_site: SiteName | None = None
    nominated_site: SiteName | None = None
    moved_at: datetime | None = None
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Assumed:
    """A placement that no watch has shown yet: its capacity is spoken for.

    Args:
        site: where.
        class_name: on what; None without accelerators.
        demand: of the workload.
        replicas: pods of this part.
        resource_name: by which they ask, where the class does not tell; else None.
    """

    site: SiteName
    class_name: str | None
    demand: Demand
    replicas: int
    resource_name: str | None = None


@dataclass(frozen=True, slots=True)
class QueueView:
    """A ComputeQueue as placement sees it.

    Held is what placed work takes from when its placement is written until it has finished or its
    eviction has been carried out: what is assumed counts, what is being evicted counts too. A
    queue that held too little would be given its quota twice.

    Args:
        spec: as the user wrote it.
        held_units: accelerators that its placed work holds, by class.
        held_cpu_millis: thousandths of a core that its placed work requests, work without
            accelerators included.
        held_memory_bytes: memory that its placed work requests.
        spent_usd: of this calendar month (UTC), what runs estimated to its end; only the terms
            that somebody is paid for, see `budgets.bill_usd`.
        spent_carbon_kg: likewise, kg CO2e.
    """

    spec: QueueSpec
    held_units: Mapping[str, int] = field(default_factory=dict)
    held_cpu_millis: int = 0
    held_memory_bytes: int = 0
    spent_usd: float = 0.0
    spent_carbon_kg: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The frozen inputs of a cycle.

    Args:
        sites: in any order.
        pending: workloads without a placement, or with pods that have none, in any order.
        running: workloads that are placed, not finished and not being evicted; read only where
            victims, moves or future capacity are looked for.
        evicting: workloads whose eviction is written and not yet carried out: their pods still
            count against their sites. A handful; read in every cycle.
        policies: by name; a workload whose policy is missing waits.
        catalog: the accelerator classes, with the cluster's overrides.
        serial: of the cycle, for logs and for the plan.
        assumed: placements that `node_shapes` do not show yet.
        queues: by name; a workload whose queue is missing waits. The name "" stands for work
            without a queue: its `spec` is the default, and what it holds tells its share.
        rebalance: look for moves and pauses among `running` in this cycle. The caller sets it about
            once a minute: it costs a walk over all that runs.
    """

    sites: tuple[SiteView, ...]
    pending: tuple[WorkloadView, ...]
    policies: Mapping[str, PolicySpec]
    catalog: Catalog
    running: tuple[WorkloadView, ...] = ()
    evicting: tuple[WorkloadView, ...] = ()
    assumed: tuple[Assumed, ...] = ()
    queues: Mapping[str, QueueView] = field(default_factory=dict)
    rebalance: bool = False
    serial: int = 0
