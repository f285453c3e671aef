"""A snapshot made of what the hub's objects say, by the operator's own store and freezer."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

from tradewind.api.accelerator import AcceleratorClass
from tradewind.api.policy import PlacementPolicy
from tradewind.api.queue import ComputeQueue
from tradewind.api.site import ComputeSite, SiteSignals
from tradewind.cli.statusruntime import StatusRuntime, runtime_of
from tradewind.controller import lifecycle
from tradewind.controller.accounts import QueueAccounts
from tradewind.controller.freeze import Freezer
from tradewind.controller.metering import Amounts
from tradewind.controller.store import Record, Store
from tradewind.placement.snapshot import Snapshot
from tradewind.sites.runtime import SiteRuntime
from tradewind.telemetry.outlook import NO_OUTLOOK, Outlook

Object = dict[str, Any]

_NO_SIGNALS: Final = SiteSignals()


@dataclass(slots=True)
class HubObjects:
    """The hub's objects, as the API server gives them."""

    sites: Iterable[Object] = ()
    workloads: Iterable[Object] = ()
    policies: Iterable[Object] = ()
    queues: Iterable[Object] = ()
    classes: Iterable[Object] = ()


@dataclass(slots=True)
class HubView:
    """A store filled from the hub, and what a plan may be made of.

    Args:
        store: the hub's objects.
        runtimes: the sites as their statuses tell.
        default_policy: of workloads that name none.
    """

    store: Store
    runtimes: Mapping[str, StatusRuntime]
    default_policy: str
    outlook: Callable[[str], Outlook] = lambda _: NO_OUTLOOK
    _serials: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add(self, workload: Object) -> Record:
        """Add a workload that the hub does not have, in the place of one of its name that it has.

        Args:
            workload: an AIWorkload object; its status is left out.
        """
        metadata = workload["metadata"]
        for record in list(self.store.workloads.values()):
            known = record.model.metadata
            if (known.namespace, known.name) == (metadata.get("namespace"), metadata["name"]):
                self.store.drop_workload(record.uid)
        number = next(self._serials)
        made = self.store.take_workload(
            {
                **{key: value for key, value in workload.items() if key != "status"},
                "metadata": {
                    **metadata,
                    "uid": f"what-if-{number}",
                    "resourceVersion": str(number),
                    "generation": 1,
                },
            }
        )
        if made is None:
            raise AssertionError("a new workload was known before")
        return made

    def snapshot(self, now: datetime, *, rebalance: bool = False) -> Snapshot:
        """What a cycle would be told; `rebalance` has it look over running work, too."""
        accounts = QueueAccounts(self.store)
        metered = _Metered(self.store, accounts)
        freezer = Freezer(
            self.store,
            runtime=cast("Callable[[str], SiteRuntime | None]", self.runtimes.get),
            signals=self._signals,
            default_policy=self.default_policy,
            accounts=QueueAccounts(self.store, metered.of),
            outlook=self.outlook,
        )
        accounts.refresh(now)
        return freezer.freeze(1, now, rebalance=rebalance)

    def _signals(self, name: str) -> SiteSignals:
        status = self.store.sites[name].status
        return status.signals if status else _NO_SIGNALS


@dataclass(frozen=True, slots=True)
class _Metered:
    """What queues' statuses say was spent, less what their running work is yet to take."""

    store: Store
    accounts: QueueAccounts

    def of(self, name: str, now: datetime) -> Amounts:
        queue = self.store.queues.get(name)
        spent = queue.status.spent if queue and queue.status else None
        if spent is None or spent.month != now.strftime("%Y-%m"):
            return Amounts()
        sums = self.accounts.sums(name)
        return Amounts(
            cost_usd=spent.cost_usd - sums.rest_usd, carbon_kg=spent.carbon_kg - sums.rest_carbon_kg
        )


def hub_view(objects: HubObjects, *, default_policy: str) -> HubView:
    """Fill a store with the hub's objects.

    Raises:
        pydantic.ValidationError: an object of another version of the kinds.
    """
    store = Store()
    for raw in objects.classes:
        made = AcceleratorClass.model_validate(raw)
        store.take_class(made.metadata.name, made)
    for raw in objects.policies:
        policy = PlacementPolicy.model_validate(raw)
        store.policies[policy.metadata.name] = policy
    for raw in objects.queues:
        queue = ComputeQueue.model_validate(raw)
        store.queues[queue.metadata.name] = queue
    for raw in objects.sites:
        site = ComputeSite.model_validate(raw)
        store.sites[site.metadata.name] = site
    for raw in objects.workloads:
        store.take_workload(raw)
    runtimes = {name: runtime_of(site) for name, site in store.sites.items()}
    for record in store.workloads.values():
        _note_bound(record, runtimes)
    return HubView(store, runtimes, default_policy)


def _note_bound(record: Record, runtimes: Mapping[str, StatusRuntime]) -> None:
    """Pods that are on nodes: all of what runs, of what does not yet run those that are ready."""
    for part in record.status.placements:
        runtime = runtimes.get(part.site)
        if runtime is None or part.phase not in lifecycle.ACTIVE:
            continue
        running = part.phase is lifecycle.RUNNING
        bound = part.replicas if running else part.ready_replicas or 0
        runtime.inventory.bound_pods[record.uid] = bound
