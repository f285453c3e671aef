"""What a ComputeSite's status says, and the finalizer that keeps its credentials while they serve.

A status is made of the site's runtime, its inventory and its signals, and written when it differs,
at most once a second for each site. A ComputeSite that is being deleted goes when its work is gone;
one that is annotated with `tradewind.dev/forget` goes at once.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tradewind.api.fields import ConditionStatus
from tradewind.api.freeshapes import told
from tradewind.api.names import (
    API_VERSION,
    FINALIZER,
    GROUP,
    MANAGER_FINALIZER,
    MANAGER_STATUS,
    VERSION,
)
from tradewind.api.site import (
    ComputeSite,
    Orphan,
    SiteSignals,
    SiteStatus,
)
from tradewind.api.workload import Placement
from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError
from tradewind.base.observe import get_logger
from tradewind.base.queue import KeyedQueue
from tradewind.controller import lifecycle
from tradewind.controller.hardwarestatus import hardware_conditions
from tradewind.controller.housekeeping import ANNOTATION_FORGET
from tradewind.controller.outlooks import published, terms_told
from tradewind.controller.siteconditions import site_conditions
from tradewind.controller.siteinventory import accelerators_told, resources_told, summary
from tradewind.controller.store import Record, Store
from tradewind.sites.client import ApiSession
from tradewind.sites.inventory import InventoryView
from tradewind.sites.labeller import LabellerState
from tradewind.sites.runtime import SiteRuntime
from tradewind.telemetry.outlook import NO_OUTLOOK, Outlook

log = get_logger(__name__)

#: An inventory changes with every pod; so seldom is it written, seconds.
INVENTORY_DELAY_S = 2.0
#: A status lists so many orphans; there may be more at the site.
ORPHAN_LIMIT = 100


class SiteStatusWriter:
    """The queue of sites whose status differs from what the hub holds.

    Args:
        session: the hub.
        store: the ComputeSites.
        runtime: the engaged site of a name.
        signals: what was last polled of a site, and the condition that tells of it.
        outlook: what is expected of a site.
        labelling: how it stands with the labels of a site's nodes.
        may_write: False while leadership is in doubt.
        clock: whose time counts.
    """

    def __init__(
        self,
        session: ApiSession,
        store: Store,
        *,
        runtime: Callable[[str], SiteRuntime | None],
        signals: Callable[[str], tuple[SiteSignals, tuple[ConditionStatus, str, str] | None]],
        outlook: Callable[[str], Outlook] = lambda _: NO_OUTLOOK,
        labelling: Callable[[str], LabellerState | None],
        may_write: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._outlook = outlook
        self._labelling = labelling
        self._session = session
        self._store = store
        self._runtime = runtime
        self._signals = signals
        self._may_write = may_write
        self._clock = clock
        self._written: dict[str, SiteStatus] = {}
        self._orphans: dict[str, dict[str, Orphan]] = {}
        self._queue: KeyedQueue[str] = KeyedQueue(
            self._reconcile, clock=clock, workers=8, name="hub/sites"
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._queue.run()

    def add(self, site: str) -> None:
        """Write soon; health changes are worth it."""
        self._queue.add_after(site, 0.05)

    def add_later(self, site: str) -> None:
        """Write when some changes have come together."""
        self._queue.add_after(site, INVENTORY_DELAY_S)

    def note_orphan(self, site: str, record: Record, placement: Placement) -> None:
        """Remember an object that is left at a silent site."""
        ref = placement.object
        orphan = Orphan(
            kind=ref.kind if ref else str(record.model.spec.template.get("kind", "")),
            namespace=record.model.metadata.namespace,
            name=record.model.metadata.name,
            workload_uid=record.uid,
            epoch=placement.epoch,
            since=self._clock.now().replace(microsecond=0),
        )
        self._known_orphans(site)[record.uid] = orphan
        log.warning("object left at silent site", site=site, workload=record.label)
        self.add(site)

    def clear_orphan(self, site: str, workload_uid: str) -> None:
        """The site answered, and the object is gone."""
        if self._known_orphans(site).pop(workload_uid, None) is not None:
            self.add(site)

    def _known_orphans(self, site: str) -> dict[str, Orphan]:
        if site not in self._orphans:
            made = self._store.sites.get(site)
            listed = made.status.orphans if made is not None and made.status else ()
            self._orphans[site] = {orphan.workload_uid: orphan for orphan in listed}
        return self._orphans[site]

    async def _reconcile(self, name: str) -> None:
        site = self._store.sites.get(name)
        if site is None:
            self._written.pop(name, None)
            self._orphans.pop(name, None)
            return
        if not self._may_write():
            return
        try:
            await self._finalize(site)
            await self._write(site)
        except ApiError as error:
            if not error.not_found:
                raise

    async def _finalize(self, site: ComputeSite) -> None:
        deleting = site.metadata.deletion_timestamp is not None
        ours = FINALIZER in site.metadata.finalizers
        if deleting and ours:
            forgotten = ANNOTATION_FORGET in site.metadata.annotations
            name = site.metadata.name
            if forgotten or not (self._work_left(name) or self._labels_left(name)):
                await self._apply(site, {"finalizers": []}, MANAGER_FINALIZER)
        elif not deleting and not ours:
            await self._apply(site, {"finalizers": [FINALIZER]}, MANAGER_FINALIZER)

    def _work_left(self, name: str) -> bool:
        """Whether something is still to be taken off the site; what has finished stays there."""
        return any(
            record.deleting
            or (
                (found := lifecycle.placement_at(record.status, name)) is not None
                and found.phase not in lifecycle.FINAL
            )
            for record in self._store.placed_at(name)
        )

    def _labels_left(self, name: str) -> bool:
        """Whether the site's nodes bear labels of ours that can still be taken away."""
        runtime, labels = self._runtime(name), self._labelling(name)
        reachable = runtime is not None and runtime.state.reachable is True
        usable = runtime is not None and runtime.state.fault is None
        return bool(reachable and usable and labels and labels.owed and not labels.forbidden)

    async def _write(self, site: ComputeSite) -> None:
        name = site.metadata.name
        before = self._written.get(name) or site.status or SiteStatus()
        status = self._make(site, before)
        if status == before:
            return
        body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        await self._apply(site, {}, MANAGER_STATUS, status=body)
        self._written[name] = status

    def _make(self, site: ComputeSite, before: SiteStatus) -> SiteStatus:
        name = site.metadata.name
        runtime = self._runtime(name)
        signals, telemetry = self._signals(name)
        inventory = runtime.inventory.view() if runtime else InventoryView()
        accelerators = accelerators_told(inventory)
        placed = self._store.placed_at(name)
        conditions = site_conditions(
            site,
            runtime,
            telemetry,
            placed,
            list(before.conditions),
            self._clock.now(),
            hardware=hardware_conditions(runtime, inventory, self._labelling(name)),
        )
        state = runtime.state if runtime else None
        return SiteStatus(
            observed_generation=site.metadata.generation,
            conditions=tuple(conditions),
            kubernetes_version=state.kubernetes_version if state else before.kubernetes_version,
            cluster_uid=state.cluster_uid if state else before.cluster_uid,
            nodes=inventory.nodes,
            workload_kinds=tuple(sorted(state.kinds)) if state else (),
            workloads=len(placed),
            resources=resources_told(inventory),
            accelerators=accelerators,
            free_shapes=told(inventory.node_shapes),
            accelerator_summary=summary(accelerators),
            signals=signals,
            forecast=published(self._outlook(name), before.forecast, self._clock.now()),
            terms=terms_told(self._outlook(name)),
            orphans=tuple(self._known_orphans(name).values())[:ORPHAN_LIMIT],
        )

    async def _apply(
        self,
        site: ComputeSite,
        metadata: Mapping[str, Any],
        manager: str,
        status: Mapping[str, Any] | None = None,
    ) -> None:
        body: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "ComputeSite",
            "metadata": {"name": site.metadata.name, "uid": site.metadata.uid, **metadata},
        }
        path = f"/apis/{GROUP}/{VERSION}/computesites/{site.metadata.name}"
        if status is not None:
            body["status"] = status
            path += "/status"
        await self._session.apply(path, body, field_manager=manager, force=True)
