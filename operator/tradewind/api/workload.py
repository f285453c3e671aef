"""AIWorkload: a piece of AI work that may run at any site which suits it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from tradewind.api.accelerator import Sharing
from tradewind.api.fields import (
    Condition,
    Duration,
    LabelSelector,
    Model,
    ObjectMeta,
    Timestamp,
    Toleration,
)


class WorkloadClass(StrEnum):
    """What sort of work it is; sets the defaults of gang, splitting, deferral and failover."""

    TRAINING = "Training"
    INFERENCE = "Inference"
    BATCH = "Batch"


class AcceleratorRequirement(Model):
    """Which accelerators will do, in terms of no maker; how many stands in the template."""

    classes: tuple[str, ...] = ()
    """Names of AcceleratorClasses, any of which will do; empty: any that satisfies the rest."""
    vendors: tuple[str, ...] = ()
    """Makers, any of which will do, such as nvidia, amd, huawei; empty: any."""
    min_memory_gib: float | None = Field(None, alias="minMemoryGiB", ge=0)
    """Least memory of one accelerator, GiB."""
    min_tflops: float | None = Field(None, alias="minTFLOPS", ge=0)
    """Least dense BF16 throughput of one accelerator, TFLOPS."""
    sharing: Sharing = Sharing.EXCLUSIVE
    """Exclusive: whole chips. Partition: parts with hardware of their own (MIG, AMD partitions,
    vNPU). Shared: chips that several pods take turns on (time slicing, MPS). Any: all of these.
    The name of a part in classes asks for that part, whatever stands here."""


class VariantWhen(Model):
    """On which hardware a variant applies."""

    vendor: str = ""
    """The accelerator's maker; empty: any."""
    class_name: str = Field("", alias="class")
    """Name of an AcceleratorClass; empty: any."""


class VariantContainer(Model):
    """What changes in one container on other hardware."""

    name: str
    """The container's name in the template."""
    image: str | None = None
    """Image in place of the template's."""
    command: tuple[str, ...] | None = None
    """Entrypoint in place of the template's."""
    args: tuple[str, ...] | None = None
    """Arguments in place of the template's."""
    env: tuple[dict[str, Any], ...] = ()
    """Environment variables, merged by name into the template's."""
    resources: dict[str, Any] | None = None
    """Resource requests and limits, merged into the template's."""
    volume_mounts: tuple[dict[str, Any], ...] = ()
    """Volume mounts, merged by path into the template's."""


class Variant(Model):
    """What changes in the template on other hardware; the first variant that fits applies."""

    when: VariantWhen
    """On which hardware."""
    containers: tuple[VariantContainer, ...] = ()
    """What changes in which container."""
    volumes: tuple[dict[str, Any], ...] = ()
    """Volumes, merged by name into the template's; what a template may not hold is refused here
    too."""


class LatencyOrigin(Model):
    """A region from which the work is used."""

    region: str
    """Region id, as in the sites' measured latencies."""
    share: float = Field(1.0, ge=0, le=1)
    """Share of the use that comes from there."""


class LatencySpec(Model):
    """How near the consumers the work must be."""

    from_: tuple[LatencyOrigin, ...] = Field((), alias="from")
    """Where the consumers are; the distance is priced by share."""
    max_milliseconds: float | None = Field(None, gt=0)
    """Most round trip to each of these regions, milliseconds: a hard limit."""


class DataPlace(Model):
    """Input that lies at a site: elsewhere, transfer time and egress are priced."""

    site: str
    """Name of the ComputeSite."""
    size_gib: float = Field(alias="sizeGiB", ge=0)
    """Size, GiB."""
    pinned: bool = False
    """The data may not leave: the work runs at this site or nowhere."""


class SplitSpec(Model):
    """How replicas may be spread over sites; for Inference and Batch."""

    min_sites: int = Field(1, ge=1)
    """The fewest sites, so that the loss of one leaves others; with fewer it waits."""
    max_sites: int = Field(1, ge=1)
    """The most sites."""
    min_replicas_per_site: int = Field(1, ge=1)
    """The fewest replicas at each."""


class PlacementSpec(Model):
    """Where the work may run."""

    site_selector: LabelSelector = LabelSelector()
    """Labels of the ComputeSites that may have it."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of sites that it puts up with."""
    jurisdictions: tuple[str, ...] = ()
    """Where its data may be, ISO 3166-1 alpha-2 or -2; US admits US-CA. A hard limit; empty:
    anywhere."""
    latency: LatencySpec | None = None
    """How near the consumers it must be."""
    data: tuple[DataPlace, ...] = ()
    """Where its input lies."""
    split: SplitSpec | None = None
    """How its replicas may be spread."""


class Checkpoint(Model):
    """The work saves its progress and can go on from there at another site."""

    interval: Duration
    """Time between two checkpoints: at most this much is lost by a move."""


class DurationKind(StrEnum):
    """What the stated duration is."""

    EXPECTED = "Expected"
    MEAN = "Mean"


class RuntimeSpec(Model):
    """How long the work runs and when it must be done."""

    duration: Duration | None = None
    """Expected run time on the reference class, such as 6h."""
    duration_is: DurationKind = DurationKind.EXPECTED
    """Expected: it runs about that long. Mean: only the mean of lengths that vary widely is known,
    and it may end at any time; hours soon after its start then weigh more."""
    reference_class: str = ""
    """The AcceleratorClass on which the duration was taken; empty: nvidia-a100-sxm-80gb."""
    deadline: Timestamp | None = None
    """When it must be done."""
    max_delay: Duration = 0.0
    """How long it may wait for a cheaper or cleaner hour; 0: runs at once."""
    checkpoint: Checkpoint | None = None
    """Present when the work may be moved."""


class FailoverMode(StrEnum):
    """What becomes of work whose site is lost."""

    RECREATE = "Recreate"
    NEVER = "Never"


class Failover(Model):
    """What happens when the site stops answering."""

    after: Duration = 300.0
    """How long the site may be silent before the work starts elsewhere."""
    mode: FailoverMode = FailoverMode.RECREATE
    """Recreate: start it elsewhere under a higher epoch. Never: wait for the site."""


class PatchOperation(Model):
    """One operation of a JSON patch (RFC 6902)."""

    op: str
    """add, remove, replace, move, copy or test."""
    path: str
    """JSON pointer into the template."""
    from_: str | None = Field(None, alias="from")
    """JSON pointer, for move and copy."""
    value: Any = None
    """The value, for add, replace and test."""


class Override(Model):
    """A change to the template at some sites."""

    site_selector: LabelSelector = LabelSelector()
    """Labels of the ComputeSites at which it applies."""
    patch: tuple[PatchOperation, ...]
    """What changes; applied after variants."""


class WorkloadSpec(Model):
    """What is to run, and what matters about where and when."""

    class_name: WorkloadClass = Field(WorkloadClass.BATCH, alias="class")
    """Training, Inference or Batch."""
    policy: str = ""
    """Name of the PlacementPolicy whose prices count; empty: the operator's default."""
    queue: str = ""
    """Name of the ComputeQueue that it is charged to."""
    priority: int = 0
    """Higher goes first."""
    suspend: bool = False
    """While true it is not placed, and leaves its site if it was."""
    template: dict[str, Any]
    """The object to run: a batch/v1 Job or an apps/v1 Deployment. Chips are asked for by the
    resource tradewind.dev/accelerator."""
    accelerator: AcceleratorRequirement = AcceleratorRequirement()
    """Which accelerators will do."""
    variants: tuple[Variant, ...] = ()
    """What changes on other hardware."""
    placement: PlacementSpec = PlacementSpec()
    """Where it may run."""
    runtime: RuntimeSpec = RuntimeSpec()
    """How long it runs, and by when."""
    failover: Failover = Failover()
    """What happens when its site is lost."""
    overrides: tuple[Override, ...] = ()
    """Changes to the template at some sites."""
    ttl_after_finished: Duration | None = None
    """How long the workload is kept after it finished; unset: for ever."""


class WorkloadPhase(StrEnum):
    """A summary for people; the conditions are the truth."""

    PENDING = "Pending"
    DEFERRED = "Deferred"
    SUSPENDED = "Suspended"
    PLACED = "Placed"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DELETING = "Deleting"


class PlacementPhase(StrEnum):
    """How far a placement is."""

    ASSIGNED = "Assigned"
    DISPATCHED = "Dispatched"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    EVICTING = "Evicting"
    LOST = "Lost"


class ObjectReference(Model):
    """An object at a site."""

    api_version: str
    """Its API group and version."""
    kind: str
    """Its kind."""
    namespace: str = ""
    """Its namespace."""
    name: str
    """Its name."""
    uid: str = ""
    """Its uid there."""


class Placement(Model):
    """A part of the work at a site."""

    site: str
    """Name of the ComputeSite."""
    epoch: int
    """Fencing number: objects of a lower epoch are removed before anything new starts."""
    replicas: int
    """Pods of this part."""
    partial: bool = False
    """True where other sites have the rest of the pods."""
    completions: int | None = None
    """Pods of this part's Job that are to succeed; absent: as many as the template says."""
    accelerator_class: str | None = None
    """AcceleratorClass that it runs on; absent for work without accelerators."""
    resource_name: str | None = None
    """Resource that its pods ask for, where the class does not tell: of accelerators that nobody
    knows, and, as deviceclass.resource.kubernetes.io/CLASS, of devices that they claim."""
    object: ObjectReference | None = None
    """The object that runs it, once it was created."""
    phase: PlacementPhase
    """How far it is."""
    ready_replicas: int | None = None
    """Pods that are ready."""
    started_at: Timestamp | None = None
    """When it began to run."""
    finished_at: Timestamp | None = None
    """When it ended."""
    metered_until: Timestamp | None = None
    """Up to when this part stands in the usage; a restarted operator goes on from here."""
    message: str = ""
    """What the site says of it."""


class Alternative(Model):
    """A site that would have done, at a higher cost."""

    site: str
    """Name of the ComputeSite."""
    instead_of: str = ""
    """Of a split: the site whose part it would have; the others stay, and count in the cost."""
    accelerator_class: str | None = None
    """AcceleratorClass that it would run on."""
    cost_usd: float = Field(alias="costUSD")
    """What it would cost, USD."""
    terms: dict[str, float] = Field(default_factory=dict)
    """The cost by term, USD."""


class RefusalSummary(Model):
    """The sites that said no for one reason."""

    reason: str
    """The reason's code."""
    count: int = 1
    """How many sites."""
    sites: tuple[str, ...] = ()
    """Some of them."""
    example: str = ""
    """The message of one of them, with its numbers."""


class Decision(Model):
    """Why the work is where it is, or nowhere."""

    at: Timestamp
    """When it was decided."""
    policy: str = ""
    """Whose prices counted."""
    reason: str = ""
    """Placed, Deferred, or why not, in PascalCase."""
    message: str = ""
    """The same for people."""
    start_at: Timestamp | None = None
    """When it is to start."""
    site: str = ""
    """Where it is to start, while it is deferred; of a split whose other parts stand, where what
    was missing went."""
    cost_usd: float | None = Field(None, alias="costUSD")
    """What it costs there, USD; the sum of the terms."""
    terms: dict[str, float] = Field(default_factory=dict)
    """The cost by term, USD."""
    assumed_inputs: tuple[str, ...] = ()
    """Inputs that were not known and were priced at their stated fallback."""
    alternatives: tuple[Alternative, ...] = ()
    """The next best choices."""
    refused: tuple[RefusalSummary, ...] = ()
    """Why the other sites could not have it."""
    inputs_age: Duration | None = None
    """Age of the oldest signal that went into it."""


class Estimate(Model):
    """What the work is expected to take where it was placed."""

    energy_kwh: float | None = Field(None, alias="energyKWh")
    """Energy at the meter, kWh."""
    carbon_kg: float | None = Field(None, alias="carbonKg")
    """Emissions, kg CO2e."""
    cost_usd: float | None = Field(None, alias="costUSD")
    """Hardware and electricity, USD."""
    start_at: Timestamp | None = None
    """When it starts."""
    finish_at: Timestamp | None = None
    """When it ends."""


class UsagePeriod(Model):
    """What the work took in one period at one site."""

    period: str
    """The day (UTC), such as 2026-11-24; the month, such as 2026-11, once it is over for long."""
    site: str = ""
    """Name of the ComputeSite; empty: several, long ago."""
    queue: str = ""
    """The ComputeQueue that it was charged to; empty: none."""
    policy: str = ""
    """The PlacementPolicy that it ran under."""
    accelerator_hours: float = 0.0
    """Accelerator hours."""
    energy_kwh: float = Field(0.0, alias="energyKWh")
    """Energy at the meter, kWh."""
    carbon_kg: float = Field(0.0, alias="carbonKg")
    """Emissions, kg CO2e."""
    cost_usd: float = Field(0.0, alias="costUSD")
    """Hardware and electricity, USD."""


class Usage(Model):
    """What the work has taken so far, metered while it runs."""

    accelerator_hours: float = 0.0
    """Accelerator hours."""
    energy_kwh: float = Field(0.0, alias="energyKWh")
    """Energy at the meter, kWh."""
    carbon_kg: float = Field(0.0, alias="carbonKg")
    """Emissions, kg CO2e."""
    cost_usd: float = Field(0.0, alias="costUSD")
    """Hardware and electricity, USD."""
    through: Timestamp | None = None
    """Up to when it is metered."""
    measured_kwh: float = Field(0.0, alias="measuredKWh")
    """The part of the energy that rests on power measured at the site; the rest is reckoned from
    the accelerators' rated draw."""
    estimated_hours: float = 0.0
    """Hours of running that nobody watched, because the operator was down or the site silent; they
    are charged at the figures known afterwards."""
    assumed_inputs: tuple[str, ...] = ()
    """Inputs that were not known at some time and were charged at their stated fallback."""
    periods: tuple[UsagePeriod, ...] = ()
    """The same by day and site, the oldest first; its sums are the figures above."""


class HistoryEntry(Model):
    """A change of place."""

    at: Timestamp
    """When."""
    from_: str = Field("", alias="from")
    """The site, or sites, before."""
    to: str = ""
    """The site, or sites, after."""
    reason: str
    """Why, in PascalCase."""


class WorkloadStatus(Model):
    """What Tradewind made of it."""

    observed_generation: int | None = None
    """The generation of the spec that this speaks of."""
    phase: WorkloadPhase = WorkloadPhase.PENDING
    """A summary for people; the conditions are the truth."""
    epoch: int = 0
    """The last fencing number given out."""
    conditions: tuple[Condition, ...] = ()
    """QuotaReserved, Placed, Dispatched, Ready, Reconciling, Stalled, Succeeded, Failed."""
    sites: str = ""
    """The sites that have it, for the table."""
    replicas: int = 0
    """Pods of all parts."""
    ready_replicas: int = 0
    """Pods that are ready, of all parts."""
    placements: tuple[Placement, ...] = ()
    """Its parts, one a site."""
    decision: Decision | None = None
    """Why it is where it is."""
    estimate: Estimate | None = None
    """What it is expected to take."""
    done_seconds: float = 0.0
    """Run time on the reference class that is behind it, as of its last checkpoint."""
    moved_at: Timestamp | None = None
    """When it was last moved or paused."""
    desired_replicas: int = 0
    """Pods that the parts of a split should have together; absent without a split."""
    usage: Usage | None = None
    """What it has taken."""
    history: tuple[HistoryEntry, ...] = ()
    """Its last changes of place."""


class AIWorkload(Model):
    """A piece of AI work that may run at any site which suits it."""

    api_version: str = ""
    kind: str = "AIWorkload"
    metadata: ObjectMeta
    spec: WorkloadSpec
    status: WorkloadStatus | None = None

    @property
    def created(self) -> datetime | None:
        """When the hub took it."""
        return self.metadata.creation_timestamp
