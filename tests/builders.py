"""Sites, workloads and snapshots in a line each, for tests that want to say only what matters.

site("ulanqab").nodes(3, h100=8).costs(carbon=640, power=45).view
workload("train").gang(8, chips=8).only(jurisdictions=("CN",)).view
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.fields import (
    LabelSelectorRequirement,
    SelectorOperator,
    Taint,
    TaintEffect,
    Toleration,
)
from tradewind.api.inventory import NodeShape
from tradewind.api.policy import PolicySpec
from tradewind.api.queue import QueueSpec, Quota
from tradewind.api.site import SignalState
from tradewind.hardware.catalog import builtin_catalog
from tradewind.placement.plan import Assignment, Plan, Waiting
from tradewind.placement.snapshot import (
    AcceleratorNeed,
    Assumed,
    CurrentPart,
    Pricing,
    QueueView,
    SignalValue,
    SiteAccelerator,
    SiteName,
    SiteView,
    Snapshot,
    Uid,
    WorkloadView,
)

GIB = 2**30
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
H100 = "nvidia-h100-sxm"
A100 = "nvidia-a100-sxm-80gb"
ASCEND = "huawei-ascend-910b1"
RESOURCES = {H100: "nvidia.com/gpu", A100: "nvidia.com/gpu", ASCEND: "huawei.com/Ascend910"}
SHORT = {"h100": H100, "a100": A100, "ascend": ASCEND}
JOB = "batch/v1/Job"
POLICY = "balanced"
PRICES = PolicySpec(
    carbon_per_tonne=80,
    wait_per_hour=1,
    latency_per_millisecond_hour=0.001,
    data_per_gib=0.02,
)


def current(value: float | None) -> SignalValue:
    """A signal that was measured just now; None: not known."""
    if value is None:
        return SignalValue()
    return SignalValue(value, SignalState.CURRENT)


def taint(key: str, value: str = "", effect: TaintEffect = "NoSchedule") -> Taint:
    return Taint(key=key, value=value, effect=effect)


def label_in(key: str, *values: str) -> LabelSelectorRequirement:
    return LabelSelectorRequirement(key=key, operator=SelectorOperator.IN, values=values)


def node(
    *,
    cpu: float = 96,
    memory_gib: float = 1024,
    pods: int = 110,
    taints: Iterable[Taint] = (),
    nodes: int = 1,
    others: Mapping[str, int] | None = None,
    **chips: int,
) -> NodeShape:
    """A node shape; chips by short name, such as `h100=8`."""
    classes = [SHORT.get(short, short) for short in chips]
    return NodeShape(
        free_cpu_millis=round(cpu * 1000),
        free_memory_bytes=round(memory_gib * GIB),
        free_pods=pods,
        accelerators=tuple(
            (name, RESOURCES.get(name, "nvidia.com/gpu"), free)
            for name, free in zip(classes, chips.values(), strict=True)
        ),
        taints=tuple(taints),
        nodes=nodes,
        other_resources=tuple(sorted((others or {}).items())),
    )


@dataclass(frozen=True)
class SiteBuilder:
    view: SiteView

    def nodes(self, count: int = 1, **kwargs: object) -> "SiteBuilder":
        """Add nodes; see `node`."""
        shape = node(nodes=count, **kwargs)  # type: ignore[arg-type]
        return self.but(node_shapes=(*self.view.node_shapes, shape))

    def costs(
        self,
        *,
        carbon: float | None = 400,
        power: float | None = 60,
        load: float | None = 0.3,
        pue: float | None = 1.2,
    ) -> "SiteBuilder":
        """What the site's signals say: gCO2e/kWh, USD/MWh, share in use, PUE; None: not known."""
        return self.but(
            carbon_intensity=current(carbon),
            price_per_mwh=current(power),
            load=current(load),
            pue=current(pue),
        )

    def charges(self, cpu: float = 0.03, memory: float = 0.004, **chips: float) -> "SiteBuilder":
        """What the site charges, USD an hour; chips by short name."""
        prices = {SHORT.get(short, short): price for short, price in chips.items()}
        return self.but(pricing=Pricing(prices, cpu, memory))

    def has(self, class_name: str, allocatable: int) -> "SiteBuilder":
        """How many units of a class the site has, free or not."""
        listed = SiteAccelerator(class_name, RESOURCES[class_name], allocatable=allocatable)
        return self.but(accelerators=(*self.view.accelerators, listed))

    def but(self, **changes: object) -> "SiteBuilder":
        """The same site with other fields of its view."""
        return SiteBuilder(replace(self.view, **changes))  # type: ignore[arg-type]


def site(name: str) -> SiteBuilder:
    """A site in Germany that is known in every way, serves Jobs, and has no nodes yet."""
    view = SiteView(
        name=SiteName(name),
        region="de-he",
        jurisdiction="DE",
        kinds=frozenset({JOB, "apps/v1/Deployment"}),
    )
    return SiteBuilder(view).costs().charges(h100=2.5, a100=1.2, ascend=1.0)


@dataclass(frozen=True)
class WorkloadBuilder:
    view: WorkloadView

    def gang(
        self,
        pods: int,
        *,
        chips: int = 0,
        cpu: float = 1,
        memory_gib: float = 1,
        resources: Mapping[str, int] | None = None,
        tolerations: Iterable[Toleration] = (),
    ) -> "WorkloadBuilder":
        """Add a pod set; the first call replaces the one pod of the default."""
        pod = PodDemand(
            count=pods,
            cpu_millis=round(cpu * 1000),
            memory_bytes=round(memory_gib * GIB),
            accelerators=chips,
            vendor_resources=tuple(sorted((resources or {}).items())),
            tolerations=tuple(tolerations),
        )
        before = () if self.view.demand == DEFAULT_DEMAND else self.view.demand.pods
        return self.but(demand=Demand(self.view.demand.kind, (*before, pod)))

    def only(self, **changes: object) -> "WorkloadBuilder":
        """Limit where it may run; fields of PlacementNeed."""
        return self.but(placement=replace(self.view.placement, **changes))  # type: ignore[arg-type]

    def chips(self, **changes: object) -> "WorkloadBuilder":
        """Which accelerators will do; fields of AcceleratorNeed."""
        return self.but(accelerator=AcceleratorNeed(**changes))  # type: ignore[arg-type]

    def lasts(self, hours: float | None, **changes: object) -> "WorkloadBuilder":
        """How long it runs on an A100; further fields of RuntimeNeed."""
        runtime = replace(
            self.view.runtime,
            duration_s=None if hours is None else hours * 3600,
            reference_class=A100,
            **changes,  # type: ignore[arg-type]
        )
        return self.but(runtime=runtime)

    def at(
        self, where: str, class_name: str | None = H100, *, ago_h: float = 1, epoch: int = 1
    ) -> "WorkloadBuilder":
        """It runs at a site, since so many hours."""
        started = NOW - timedelta(hours=ago_h)
        pods = self.view.demand.replicas
        part = CurrentPart(SiteName(where), class_name, pods, epoch, started)
        return self.but(current=(*self.view.current, part), epoch=epoch)

    def but(self, **changes: object) -> "WorkloadBuilder":
        """The same workload with other fields of its view."""
        return WorkloadBuilder(replace(self.view, **changes))  # type: ignore[arg-type]


DEFAULT_DEMAND = Demand(JOB, (PodDemand(count=1, cpu_millis=1000, memory_bytes=GIB),))


def workload(name: str, *, age_s: float = 0) -> WorkloadBuilder:
    """A Job of one small pod that may run anywhere, for one hour on an A100."""
    view = WorkloadView(
        uid=Uid(f"uid-{name}"),
        namespace="research",
        name=name,
        generation=1,
        created=NOW - timedelta(seconds=age_s),
        demand=DEFAULT_DEMAND,
        policy=POLICY,
    )
    return WorkloadBuilder(view).lasts(1)


def snapshot(
    sites: Iterable[SiteBuilder | SiteView],
    pending: Iterable[WorkloadBuilder | WorkloadView] = (),
    *,
    prices: PolicySpec = PRICES,
    assumed: Iterable[Assumed] = (),
    **more: object,
) -> Snapshot:
    """A snapshot with one policy, `balanced`, and the built-in catalogue; `more` are its fields."""
    return Snapshot(
        sites=tuple(s.view if isinstance(s, SiteBuilder) else s for s in sites),
        pending=tuple(w.view if isinstance(w, WorkloadBuilder) else w for w in pending),
        policies={POLICY: prices},
        catalog=builtin_catalog(),
        assumed=tuple(assumed),
        **more,  # type: ignore[arg-type]
    )


def quota(nominal: int, borrow: int | None = None, class_name: str = "", vendor: str = "") -> Quota:
    """A quota; without class and vendor of any accelerators."""
    return Quota(
        class_name=SHORT.get(class_name, class_name),
        vendor=vendor,
        nominal=nominal,
        borrowing_limit=borrow,
    )


def queue(
    *quotas: Quota,
    held: Mapping[str, int] | None = None,
    spent: float = 0,
    kg: float = 0,
    **spec: object,
) -> QueueView:
    """A queue with quotas, what it holds by short name of the class, and further spec fields."""
    return QueueView(
        QueueSpec(quotas=quotas, **spec),  # type: ignore[arg-type]
        held_units={SHORT.get(name, name): units for name, units in (held or {}).items()},
        spent_usd=spent,
        spent_carbon_kg=kg,
    )


def assigned(plan: Plan) -> dict[str, str]:
    """Name of each placed workload to its site, for builders' UIDs."""
    return {a.uid.removeprefix("uid-"): a.site for a in plan.assignments}


def outcome(plan: Plan, name: str) -> Assignment | Waiting:
    """What became of one workload."""
    (found,) = (o for o in (*plan.assignments, *plan.waiting) if o.uid.removeprefix("uid-") == name)
    return found
