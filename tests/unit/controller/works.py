"""Records, placements and statuses for tests of the controller."""

import itertools
from typing import Any

from tests.clock import START

from tradewind.api.names import FINALIZER
from tradewind.api.workload import (
    Decision,
    ObjectReference,
    Placement,
    PlacementPhase,
    WorkloadStatus,
)
from tradewind.controller import lifecycle
from tradewind.controller.store import Record, Store

_VERSIONS = itertools.count(100)


def raw(
    name: str = "train",
    *,
    status: WorkloadStatus | None = None,
    version: int | None = None,
    generation: int = 1,
    finalized: bool = False,
    deleting: bool = False,
    pods: int = 2,
    **spec: Any,
) -> dict[str, Any]:
    """An AIWorkload as the hub shows it: a Job of pods with 8 CPUs each."""
    container = {
        "name": "main",
        "image": "registry.example/train:1",
        "resources": {"requests": {"cpu": "8", "memory": "1Gi"}},
    }
    template = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            "parallelism": pods,
            "completions": pods,
            "template": {"spec": {"containers": [container], "restartPolicy": "Never"}},
        },
    }
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "research",
        "uid": f"uid-{name}",
        "generation": generation,
        "resourceVersion": str(version or next(_VERSIONS)),
        "creationTimestamp": "2026-11-24T07:59:00Z",
        "finalizers": [FINALIZER] if finalized else [],
    }
    if deleting:
        metadata["deletionTimestamp"] = "2026-11-24T08:00:00Z"
    body: dict[str, Any] = {"metadata": metadata, "spec": {"template": template, **spec}}
    if status is not None:
        body["status"] = status.model_dump(mode="json", by_alias=True)
    return body


def ref(uid: str = "site-uid", name: str = "train") -> ObjectReference:
    return ObjectReference(
        api_version="batch/v1", kind="Job", namespace="research", name=name, uid=uid
    )


def part(
    site: str = "ulanqab",
    phase: PlacementPhase = lifecycle.ASSIGNED,
    *,
    epoch: int = 1,
    replicas: int = 2,
    **changes: Any,
) -> Placement:
    return Placement(site=site, epoch=epoch, replicas=replicas, phase=phase, **changes)


def status(*parts: Placement, **changes: Any) -> WorkloadStatus:
    """A status with these placements; its epoch is the highest of theirs."""
    epoch = max((one.epoch for one in parts), default=0)
    return WorkloadStatus(**{"epoch": epoch, "placements": parts, **changes})


def decision(reason: str = "Placed") -> Decision:
    return Decision(at=START, reason=reason)


def take(store: Store, name: str = "train", **kwargs: Any) -> Record:
    """Let the hub show a workload for the first time."""
    record = store.take_workload(raw(name, **kwargs))
    assert record is not None
    return record


def decide(store: Store, record: Record, *parts: Placement) -> None:
    """Decide on placements, not written yet."""
    assigned = lifecycle.assign(
        record.status, parts, decision=decision(), estimate=None, now=START, reason="Placed"
    )
    store.set_status(record, assigned)
