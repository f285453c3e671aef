"""The engaged sites as the controller sees them: runtime, dispatcher and children of each.

Implements `sites.runtime.SiteListener`: what a site shows goes to its dispatcher, to the planning
loop, and into the ComputeSite's status.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from tradewind.api.site import ComputeSite
from tradewind.base.aio import Clock, cancel_and_wait, supervise
from tradewind.base.observe import get_logger
from tradewind.controller.settings import SiteSettings
from tradewind.controller.store import Store
from tradewind.dispatch.apply import SiteDispatcher
from tradewind.dispatch.children import Child, ChildIndex, child_of
from tradewind.dispatch.intents import Intents
from tradewind.hardware.runtimes import runtime_class_for
from tradewind.hardware.site import SiteHardware
from tradewind.sites.client import ApiSession
from tradewind.sites.labeller import LabellerState, NodeLabeller
from tradewind.sites.registry import SiteRegistry
from tradewind.sites.runtime import SiteRuntime
from tradewind.sites.slim import Dispatched
from tradewind.sites.state import RuntimeSettings
from tradewind.workloads.registry import ADAPTERS

log = get_logger(__name__)


@dataclass(slots=True)
class _Engaged:
    children: ChildIndex
    dispatcher: SiteDispatcher
    labeller: NodeLabeller
    tasks: tuple[asyncio.Task[None], ...]


class EngagedSites:
    """Sites come and go here.

    Args:
        hub: session of the hub.
        hub_id: ours.
        store: the hub's objects.
        settings: how sites are talked to.
        clock: whose time counts.
        may_write: False while leadership is in doubt.
        on_capacity: told when placing may have become possible.
        on_status: told of a site whose status differs; True when it should be soon.
    """

    def __init__(
        self,
        hub: ApiSession,
        *,
        hub_id: str,
        store: Store,
        settings: SiteSettings,
        clock: Clock,
        may_write: Callable[[], bool],
        on_capacity: Callable[[], None],
        on_status: Callable[[str, bool], None],
    ) -> None:
        self._hub_id = hub_id
        self._store = store
        self._settings = settings
        self._clock = clock
        self._may_write = may_write
        self._on_capacity = on_capacity
        self._on_status = on_status
        self._intents: Intents | None = None
        self._sites: dict[str, _Engaged] = {}
        self._registry = SiteRegistry(
            hub,
            listener=self,
            catalog=lambda: store.catalog,
            settings=RuntimeSettings(
                hub_id=hub_id,
                request_timeout_s=settings.request_timeout_seconds,
                probe_s=settings.probe_seconds,
                probe_failures=settings.probe_failures,
            ),
            allow_loopback=settings.allow_loopback,
            clock=clock,
        )

    def bind(self, intents: Intents) -> None:
        """Say who knows what is wanted; before the first site is engaged."""
        self._intents = intents

    def runtime(self, name: str) -> SiteRuntime | None:
        """The runtime of a site."""
        return self._registry.get(name)

    def unreachable_since(self, name: str) -> datetime | None:
        """When a site stopped answering; None while it answers, or before the first answer."""
        runtime = self._registry.get(name)
        if runtime is None or runtime.state.reachable is not False:
            return None
        return runtime.state.since

    def hardware(self, name: str, class_name: str, resource: str = "") -> SiteHardware | None:
        """How a site serves a class: by the resource that is named, or as its best way is."""
        runtime = self._registry.get(name)
        if runtime is None or not runtime.state.inventory_synced:
            return None
        ways = runtime.inventory.served(class_name)
        if not ways:
            return None
        best = next((way for way in ways if way.resource_name == resource), ways[0])
        runtime_class = runtime_class_for(best.resource_name, runtime.state.runtime_classes)
        return replace(best, runtime_class=runtime_class) if runtime_class else best

    def engage(self, site: ComputeSite) -> None:
        """Begin with a site, or take over its changed access."""
        if self._intents is None:
            raise AssertionError("engaged before bind()")
        name = site.metadata.name
        runtime = self._registry.engage(site)
        if runtime is None:
            self._sites[name].labeller.resync()
            return
        self._stop(name)
        children = ChildIndex()
        dispatcher = SiteDispatcher(
            name,
            lambda: runtime.session,
            children,
            self._intents,
            may_write=self._may_write,
            site_labels=lambda: self._labels(name),
            hub_id=self._hub_id,
            clock=self._clock,
            workers=self._settings.workers,
            pod_security=self._settings.namespace_pod_security,
            claims_devices=lambda: runtime.inventory.claims_devices,
        )
        labeller = NodeLabeller(
            name,
            lambda: runtime.session,
            lambda: runtime.inventory,
            wanted=lambda: self._labels_nodes(name),
            may_write=self._may_write,
            on_state=lambda: self._on_status(name, False),  # noqa: FBT003 - not soon
            clock=self._clock,
        )
        tasks = tuple(
            asyncio.create_task(supervise(f"{what}/{name}", run, clock=self._clock))
            for what, run in (("dispatch", dispatcher.run), ("labels", labeller.run))
        )
        self._sites[name] = _Engaged(children, dispatcher, labeller, tasks)
        self._on_status(name, True)  # noqa: FBT003 - "soon"

    def disengage(self, name: str) -> None:
        """Let go of a site."""
        self._registry.disengage(name)
        self._stop(name)
        self._on_capacity()

    async def close(self) -> None:
        """Let go of all sites."""
        tasks = [task for engaged in self._sites.values() for task in engaged.tasks]
        self._sites.clear()
        await cancel_and_wait(*tasks)
        await self._registry.close()

    def reclassify(self) -> None:
        """The catalogue changed: read every node again."""
        for runtime in self._registry:
            runtime.inventory.reclassify()
            if runtime.name in self._sites:
                self._sites[runtime.name].labeller.notify()
            self._on_status(runtime.name, False)  # noqa: FBT003 - not soon
        self._on_capacity()

    def add(self, site: str, workload_uid: str) -> None:
        """Let a site's dispatcher look at a workload."""
        engaged = self._sites.get(site)
        if engaged is not None:
            engaged.dispatcher.add(workload_uid)

    def _stop(self, name: str) -> None:
        engaged = self._sites.pop(name, None)
        if engaged is not None:
            for task in engaged.tasks:
                task.cancel()

    def labelling(self, name: str) -> LabellerState | None:
        """How it stands with the labels of a site's nodes; None while it is not engaged."""
        engaged, runtime = self._sites.get(name), self._registry.get(name)
        if engaged is None or runtime is None or not runtime.state.inventory_synced:
            return None
        return engaged.labeller.state

    def _labels_nodes(self, name: str) -> bool:
        site = self._store.sites.get(name)
        leaves = site is None or site.metadata.deletion_timestamp is not None
        return not leaves and site is not None and site.spec.node_labels

    def _labels(self, name: str) -> Mapping[str, str]:
        site = self._store.sites.get(name)
        return site.metadata.labels if site else {}

    # What sites show (SiteListener).

    def on_inventory(self, site: str) -> None:
        """Nodes or pods changed."""
        self._on_status(site, False)  # noqa: FBT003 - not soon
        engaged = self._sites.get(site)
        if engaged is not None:
            engaged.labeller.notify()
        if self._store.has_waiting:
            self._on_capacity()

    def on_object(
        self, site: str, kind: str, old: Dispatched | None, new: Dispatched | None
    ) -> None:
        """An object of this hub's changed."""
        engaged = self._sites.get(site)
        if engaged is None:
            return
        before = self._child(kind, old)
        after = self._child(kind, new)
        if after is not None:
            engaged.children.put(after)
        elif before is not None:
            engaged.children.drop(before.uid)
        engaged.dispatcher.on_child(before, after)

    def on_objects_synced(self, site: str) -> None:
        """Every kind of dispatched objects has been listed whole."""
        engaged = self._sites.get(site)
        if engaged is not None:
            placed = [record.uid for record in self._store.placed_at(site)]
            engaged.dispatcher.resync(placed)

    def on_health(self, site: str) -> None:
        """Reachability, access or identity changed."""
        self._on_status(site, True)  # noqa: FBT003 - "soon"
        self._on_capacity()

    def _child(self, kind: str, obj: Dispatched | None) -> Child | None:
        if obj is None:
            return None
        observed = ADAPTERS[kind].observe(
            {
                "metadata": {"generation": obj.metadata.generation},
                "spec": msgspec.to_builtins(obj.spec),
                "status": obj.status or {},
            }
        )
        return child_of(kind, obj.metadata, observed, hub_id=self._hub_id)
