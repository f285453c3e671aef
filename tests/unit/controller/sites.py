"""Engaged sites without a network: nodes and pods as a watch would bring them."""

from collections.abc import Callable
from typing import Any

from tests.clock import FakeClock

from tradewind.api.names import LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.api.site import ComputeSite
from tradewind.hardware.catalog import Catalog, builtin_catalog
from tradewind.sites.runtime import SiteRuntime
from tradewind.sites.slim import (
    Node,
    NodeCondition,
    NodeMetadata,
    NodeStatus,
    Pod,
    PodContainer,
    PodMetadata,
    PodResources,
    PodSpec,
    PodStatus,
)
from tradewind.sites.state import RuntimeSettings

HUB = "hub-1"


class Unheard:
    """Takes in what a runtime tells, for nobody."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def compute_site(
    name: str,
    *,
    labels: dict[str, str] | None = None,
    deleting: bool = False,
    **spec: Any,
) -> ComputeSite:
    """A ComputeSite; further fields of its spec in camelCase."""
    metadata: dict[str, Any] = {"name": name, "uid": f"uid-{name}", "labels": labels or {}}
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T08:00:00Z"
    body = {"metadata": metadata, "spec": {"access": {"hub": {}}, **spec}}
    return ComputeSite.model_validate(body)


class Sites:
    """Runtimes by name, reachable and synced from the start."""

    def __init__(self) -> None:
        self.runtimes: dict[str, SiteRuntime] = {}
        self._pods: dict[tuple[str, str], Pod] = {}

    def engage(self, name: str, *, catalog: Callable[[], Catalog] = builtin_catalog) -> SiteRuntime:
        """Engage a site that serves Jobs and has no nodes; anew if it was engaged."""
        runtime = SiteRuntime(
            name,
            listener=Unheard(),  # type: ignore[arg-type]
            catalog=catalog,
            settings=RuntimeSettings(hub_id=HUB),
            clock=FakeClock(),
            claim=lambda *_: "",
        )
        runtime.state.reachable = runtime.state.inventory_synced = True
        runtime.state.kinds = frozenset({"batch/v1/Job"})
        self.runtimes[name] = runtime
        return runtime

    def node(self, site: str, name: str, **allocatable: str) -> None:
        """Show a ready node; amounts by resource, with plenty of what is not told."""
        node = Node(
            metadata=NodeMetadata(name=name),
            status=NodeStatus(
                allocatable={"cpu": "64", "memory": "512Gi", "pods": "110", **allocatable},
                conditions=[NodeCondition(type="Ready", status="True")],
            ),
        )
        self.runtimes[site].inventory.on_node(None, node)

    def pod(
        self,
        site: str,
        name: str,
        *,
        workload: str = "",
        node: str = "n1",
        cpu: str = "8",
        memory: str = "1Gi",
        phase: str = "Running",
    ) -> None:
        """Show a pod that is bound to a node; of the workload with this uid, if any."""
        labels = {LABEL_HUB_ID: HUB, LABEL_WORKLOAD_UID: workload} if workload else {}
        resources = PodResources(requests={"cpu": cpu, "memory": memory})
        pod = Pod(
            metadata=PodMetadata(name=name, uid=f"pod-{name}", labels=labels),
            spec=PodSpec(
                node_name=node, containers=[PodContainer(name="main", resources=resources)]
            ),
            status=PodStatus(phase=phase),
        )
        before = self._pods.get((site, name))
        self._pods[site, name] = pod
        self.runtimes[site].inventory.on_pod(before, pod)

    def pod_gone(self, site: str, name: str) -> None:
        """A pod was deleted."""
        self.runtimes[site].inventory.on_pod(self._pods.pop((site, name)), None)
