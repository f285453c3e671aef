"""ComputeSite: a member cluster, what it is like, and how it is reached."""

from enum import StrEnum

from pydantic import Field

from tradewind.api.fields import (
    Condition,
    Duration,
    Model,
    ObjectMeta,
    Taint,
    Timestamp,
)


class Coordinates(Model):
    """A place on the globe, degrees."""

    latitude: float = Field(ge=-90, le=90)
    """Degrees north."""
    longitude: float = Field(ge=-180, le=180)
    """Degrees east."""


class Location(Model):
    """Where the site is, for latency, law and the power grid."""

    region: str = ""
    """Free id; latencies speak of regions."""
    jurisdiction: str = ""
    """ISO 3166-1 alpha-2, or -2 subdivision such as US-CA."""
    grid_zone: str = ""
    """Electricity zone, such as FR or CN-NM."""
    coordinates: Coordinates | None = None
    """Where it is, for latencies that nobody measured."""


class SecretKeyRef(Model):
    """A key of a Secret on the hub."""

    namespace: str
    """The Secret's namespace."""
    name: str
    """The Secret's name."""
    key: str
    """The key in it."""


class KubeconfigSecretRef(SecretKeyRef):
    """A Secret that holds a kubeconfig."""

    key: str = "kubeconfig"
    """The key in it."""


class HubAccess(Model):
    """The hub cluster is itself the site."""


class AgentAccess(Model):
    """The site pulls its work."""


class Access(Model):
    """How the site's API server is reached: exactly one of these."""

    kubeconfig_secret_ref: KubeconfigSecretRef | None = None
    """A Secret with a kubeconfig that carries its credentials and CA inline."""
    hub: HubAccess | None = None
    """The hub cluster is itself the site."""
    agent: AgentAccess | None = None
    """The site pulls its work."""


class BasicAuthSecretRef(Model):
    """A Secret with a user name and a password."""

    namespace: str
    """The Secret's namespace."""
    name: str
    """The Secret's name."""
    username_key: str = "username"
    """The key of the user name."""
    password_key: str = "password"  # noqa: S105 - the key's name, not a password
    """The key of the password."""


class PrometheusAuth(Model):
    """How Tradewind proves who it is to Prometheus; at most one."""

    bearer_token_secret_ref: SecretKeyRef | None = None
    """A bearer token."""
    basic_auth_secret_ref: BasicAuthSecretRef | None = None
    """A user name and a password."""


class PrometheusSpec(Model):
    """The Prometheus, Thanos or Mimir that knows the site."""

    url: str
    """Base URL of the query API."""
    auth: PrometheusAuth | None = None
    """Credentials for it."""
    ca_bundle_secret_ref: SecretKeyRef | None = None
    """CA certificates to trust instead of the system's."""
    matchers: dict[str, str] = Field(default_factory=dict)
    """Label matchers added to every query, for a server that knows many sites."""
    queries: dict[str, str] = Field(default_factory=dict)
    """PromQL in place of a signal's default; $M stands for the matchers, $SITE for the name."""
    poll_interval: Duration = 30.0
    """Time between two polls."""


class Energy(Model):
    """What is taken for true while nothing is measured."""

    pue: float | None = Field(None, ge=1, le=3)
    """Power usage effectiveness: facility energy over IT energy."""
    carbon_intensity: float | None = Field(None, ge=0, le=1500)
    """Location-based average, gCO2e/kWh."""
    price_per_mwh: float | None = Field(None, alias="pricePerMWh")
    """Electricity, USD per MWh; may be negative."""


class Pricing(Model):
    """What the site charges for hardware, electricity apart, USD."""

    accelerator_hour: dict[str, float] = Field(default_factory=dict)
    """By AcceleratorClass, USD an hour for one unit."""
    cpu_hour: float | None = Field(None, ge=0)
    """USD an hour for one core."""
    memory_gib_hour: float | None = Field(None, alias="memoryGiBHour", ge=0)
    """USD an hour for one GiB."""


class Reserved(Model):
    """What stays free for the site's own users: amounts or percentages."""

    cpu: str | int | None = None
    """Cores as a quantity, or a percentage such as 10%."""
    memory: str | int | None = None
    """Bytes as a quantity, or a percentage."""
    accelerators: str | int | None = None
    """Accelerators, or a percentage."""


class SiteSpec(Model):
    """What a site is like and how it is reached."""

    display_name: str = ""
    """Name for people."""
    location: Location = Location()
    """Where it is."""
    access: Access
    """How its API server is reached."""
    prometheus: PrometheusSpec | None = None
    """Who knows its signals."""
    energy: Energy = Energy()
    """Fallbacks for what is not measured."""
    pricing: Pricing = Pricing()
    """What it charges."""
    taints: tuple[Taint, ...] = ()
    """Keep away the work that does not tolerate them."""
    unschedulable: bool = False
    """Cordoned: gets no new work."""
    drain: bool = False
    """Gets no new work, and running work that may be moved (it has a checkpoint) leaves as room is
    found elsewhere. A NoExecute taint, in contrast, ends everything at once."""
    reserved: Reserved = Reserved()
    """What stays free for its own users."""
    node_labels: bool = True
    """Write the standard labels accelerator.tradewind.dev/… to its nodes; false takes them away."""


class SignalState(StrEnum):
    """How far a signal can be trusted."""

    CURRENT = "Current"
    STALE = "Stale"
    FALLBACK = "Fallback"
    UNKNOWN = "Unknown"
    IMPLAUSIBLE = "Implausible"


class Signal(Model):
    """One measured value."""

    value: float | None = None
    """The value, in the field's unit; absent when unknown."""
    at: Timestamp | None = None
    """When it was true."""
    source: str = ""
    """The metric or field that it came from."""
    state: SignalState = SignalState.UNKNOWN
    """Current, Stale, Fallback, Unknown or Implausible."""
    message: str = ""
    """What is wrong with it."""


class SiteSignals(Model):
    """What is known of the site at present."""

    load: Signal | None = None
    """The fuller of CPU and memory, 0 to 1."""
    cpu_load: Signal | None = None
    """CPU in use, 0 to 1."""
    memory_load: Signal | None = None
    """Memory in use, 0 to 1."""
    accelerator_utilisation: Signal | None = None
    """How busy the accelerators are, 0 to 1."""
    accelerator_utilisation_by_class: dict[str, Signal] = Field(default_factory=dict)
    """The same by AcceleratorClass, or by the maker's product name where the catalogue has none."""
    accelerator_allocation: dict[str, Signal] = Field(default_factory=dict)
    """Share of the accelerators that pods ask for, 0 to 1, by AcceleratorClass where nodes carry
    its label, else by resource as kube-state-metrics spells it."""
    accelerator_power_kw: Signal | None = Field(None, alias="acceleratorPowerKW")
    """Power of all accelerators, kW."""
    carbon_intensity: Signal | None = None
    """Location-based average, gCO2e/kWh."""
    price_per_mwh: Signal | None = Field(None, alias="pricePerMWh")
    """Electricity, USD per MWh."""
    accelerator_hour: dict[str, Signal] = Field(default_factory=dict)
    """Hardware price of one accelerator, USD an hour, by AcceleratorClass or instance type."""
    cpu_hour: Signal | None = None
    """Hardware price of one core, USD an hour."""
    memory_gib_hour: Signal | None = Field(None, alias="memoryGiBHour")
    """Hardware price of one GiB, USD an hour."""
    power_kw: Signal | None = Field(None, alias="powerKW")
    """IT power, kW."""
    pue: Signal | None = None
    """Facility energy over IT energy."""
    queue_depth: Signal | None = None
    """Workloads waiting in the site's own queue."""
    requests_waiting: Signal | None = None
    """Requests that wait in its inference servers."""
    tokens_per_second: Signal | None = None
    """Output of its inference servers, tokens a second."""
    latency_ms: dict[str, Signal] = Field(default_factory=dict)
    """Round trip from each consumer region, milliseconds."""


class ForecastSeries(Model):
    """What a signal is expected to be in the next hours."""

    start: Timestamp
    """When the first step begins."""
    step: Duration = 3600.0
    """Length of a step."""
    values: tuple[float, ...] = ()
    """Expected value of each step, in the signal's unit."""
    low: tuple[float, ...] = ()
    """The 10% quantile of each step; empty: not known."""
    high: tuple[float, ...] = ()
    """The 90% quantile of each step; empty: not known."""
    source: str = ""
    """The exporter of the series, or history: the signal's own past."""


class SiteForecast(Model):
    """What is expected of the site, in 48 steps at most."""

    load: ForecastSeries | None = None
    """Of the load, 0 to 1."""
    carbon_intensity: ForecastSeries | None = None
    """Of the carbon intensity, gCO2e/kWh."""
    price_per_mwh: ForecastSeries | None = Field(None, alias="pricePerMWh")
    """Of the electricity price, USD per MWh."""


class SiteTerm(Model):
    """What a policy's own term is worth at the site."""

    query: str
    """Its PromQL."""
    value: float
    """Its value here."""


class ResourceAmounts(Model):
    """Amounts of the plain resources."""

    cpu: str = "0"
    """Cores, as a quantity."""
    memory: str = "0"
    """Bytes, as a quantity."""
    pods: int = 0
    """Pods."""


class SiteResources(Model):
    """The plain resources of the ready, schedulable nodes."""

    allocatable: ResourceAmounts = ResourceAmounts()
    """What pods may have."""
    requested: ResourceAmounts = ResourceAmounts()
    """What bound pods ask for."""
    others: ResourceAmounts = ResourceAmounts()
    """The part of it that pods of others than Tradewind ask for."""
    others_accelerators: int = 0
    """Accelerators that those pods ask for."""


class SiteAccelerator(Model):
    """One class of accelerators at the site."""

    class_name: str = Field(alias="class")
    """AcceleratorClass, or unknown."""
    vendor: str = ""
    """Its maker."""
    resource_name: str
    """The name by which pods ask for it here."""
    memory_gib: float | None = Field(None, alias="memoryGiB")
    """Memory of one, GiB."""
    nodes: int = 0
    """Nodes that have it."""
    allocatable: int = 0
    """Units at the site."""
    requested: int = 0
    """Units that bound pods ask for."""
    free_by_node: dict[str, int] = Field(default_factory=dict)
    """How many nodes have exactly so many free."""


class ShapeAccelerator(Model):
    """Accelerators of one resource that a node has left."""

    class_name: str = Field(alias="class")
    """AcceleratorClass, or unknown."""
    resource_name: str
    """The name by which pods ask for it here."""
    free: int = 0
    """Units that are free."""


class FreeShape(Model):
    """Nodes that have the same left."""

    nodes: int = 1
    """How many nodes are alike."""
    cpu: str = "0"
    """Cores that are free on each, as a quantity."""
    memory: str = "0"
    """Bytes that are free on each, as a quantity."""
    pods: int = 0
    """Pods that each still takes."""
    accelerators: tuple[ShapeAccelerator, ...] = ()
    """Accelerators that each has free."""
    others: dict[str, int] = Field(default_factory=dict)
    """Further extended resources that each has free."""
    taints: tuple[Taint, ...] = ()
    """Taints of the nodes."""


class Orphan(Model):
    """An object left at a silent site, to be removed when it answers."""

    kind: str
    """Its kind."""
    namespace: str
    """Its namespace."""
    name: str
    """Its name."""
    workload_uid: str = Field("", alias="workloadUID")
    """The workload it was made for."""
    epoch: int = 0
    """The epoch it was made under."""
    since: Timestamp | None = None
    """When it was left."""


class SiteStatus(Model):
    """What is known of the site."""

    observed_generation: int | None = None
    """The generation of the spec that this speaks of."""
    conditions: tuple[Condition, ...] = ()
    """Ready, Reachable, InventoryCurrent, TelemetryCurrent, HardwareRecognised, NodesLabelled."""
    kubernetes_version: str = ""
    """Of its API server."""
    cluster_uid: str = Field("", alias="clusterUID")
    """Uid of its kube-system namespace: which cluster it really is."""
    nodes: int = 0
    """Ready, schedulable nodes."""
    workload_kinds: tuple[str, ...] = ()
    """Template kinds that it serves, apiVersion/Kind."""
    workloads: int = 0
    """Workloads placed here."""
    resources: SiteResources = SiteResources()
    """Plain resources."""
    accelerators: tuple[SiteAccelerator, ...] = ()
    """Accelerators by class."""
    free_shapes: tuple[FreeShape, ...] = ()
    """What the nodes have left, alike nodes together; where there are too many sorts, amounts are
    rounded down."""
    accelerator_summary: str = ""
    """Free and all accelerators, for the table."""
    signals: SiteSignals = SiteSignals()
    """What Prometheus says."""
    forecast: SiteForecast | None = None
    """What is expected in the next hours; renewed about once a step."""
    terms: tuple[SiteTerm, ...] = ()
    """What the policies' own terms are worth here."""
    orphans: tuple[Orphan, ...] = ()
    """Objects left here while it was silent."""


class ComputeSite(Model):
    """A member cluster, what it is like, and how it is reached."""

    api_version: str = ""
    kind: str = "ComputeSite"
    metadata: ObjectMeta
    spec: SiteSpec
    status: SiteStatus | None = None
