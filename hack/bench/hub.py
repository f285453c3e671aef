"""A hub's store in memory, as full as it gets, and the real `Freezer` over it.

Only the sites' inventories are stand-ins: every pod is bound, and nothing changes from one freeze
to the next. What a change costs is measured where it happens, by the watches.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tradewind.api.policy import PlacementPolicy
from tradewind.api.site import ComputeSite, SiteSignals
from tradewind.controller.freeze import Freezer
from tradewind.controller.store import Store
from tradewind.placement.snapshot import Snapshot
from tradewind.sites.inventory import InventoryView

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class BoundInventory:
    """An inventory of which every pod is bound, and that does not change."""

    def __init__(self) -> None:
        self._view = InventoryView()

    def view(self) -> InventoryView:
        """What is free; always the same object."""
        return self._view

    def take_rebound(self) -> set[str]:
        """Workloads whose pods were bound since."""
        return set()

    def bound(self, _uid: str) -> int:
        """How many pods of a workload are bound."""
        return 1 << 30


def freezer(sites: int, running: int) -> Callable[[int], Snapshot]:
    """A call that freezes so many sites and placed workloads."""
    store = Store()
    for i in range(sites):
        name = f"site-{i:04}"
        store.sites[name] = ComputeSite.model_validate(
            {
                "metadata": {"name": name, "uid": name},
                "spec": {
                    "location": {"region": "r", "jurisdiction": "DE", "gridZone": "DE"},
                    "access": {"hub": {}},
                },
            }
        )
    store.policies["balanced"] = PlacementPolicy.model_validate(
        {"metadata": {"name": "balanced"}, "spec": {}}
    )
    for i in range(running):
        store.take_workload(_placed(i, f"site-{i % sites:04}"))
    runtimes: dict[str, Any] = {
        name: SimpleNamespace(
            inventory=BoundInventory(),
            state=SimpleNamespace(
                reachable=True, fault=None, kinds=frozenset({"batch/v1/Job"}), inventory_synced=True
            ),
        )
        for name in store.sites
    }
    signals = SiteSignals()
    made = Freezer(
        store,
        runtime=runtimes.get,
        signals=lambda _: signals,
        default_policy="balanced",
    )
    return lambda serial: made.freeze(serial, NOW)


def _placed(i: int, site: str) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "registry.example/train:1",
        "resources": {"requests": {"cpu": "8", "memory": "1Gi"}},
    }
    pod = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    return {
        "metadata": {
            "name": f"w-{i}",
            "namespace": "bench",
            "uid": f"uid-{i}",
            "generation": 1,
            "resourceVersion": str(i + 1),
            "creationTimestamp": "2026-11-25T08:00:00Z",
        },
        "spec": {
            "template": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {"parallelism": 2, "completions": 2, "template": pod},
            }
        },
        "status": {
            "epoch": 1,
            "placements": [
                {"site": site, "epoch": 1, "replicas": 2, "phase": "Running"},
            ],
        },
    }
