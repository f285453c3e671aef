"""Freeze what is known into a `Snapshot`: site and workload views, each made anew only on change.

Capacity is what a site's inventory says is free, less what is assumed (`assumed.py`). Workloads are
in `standing.py`, queues in `accounts.py`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from tradewind.api.site import ComputeSite, SiteSignals
from tradewind.base.errors import QuantityError
from tradewind.base.observe import get_logger
from tradewind.controller.accounts import QueueAccounts
from tradewind.controller.assumed import AssumedCapacity
from tradewind.controller.foresee import foreseen
from tradewind.controller.nominations import Nominations
from tradewind.controller.outlooks import outlook_of
from tradewind.controller.refusals import Refusals
from tradewind.controller.standing import WorkloadViews
from tradewind.controller.store import Store
from tradewind.placement.snapshot import (
    Reserve,
    SiteAccelerator,
    SiteView,
    Snapshot,
)
from tradewind.placement.views import reserve_of, site_view
from tradewind.sites.inventory import Amounts, InventoryView
from tradewind.sites.runtime import SiteRuntime
from tradewind.telemetry.outlook import NO_OUTLOOK, Outlook

log = get_logger(__name__)

#: Views made in one go at the start: some 20 ms.
_WARM_SLICE = 500


class Freezer:
    """Makes snapshots.

    Args:
        store: the hub's objects.
        runtime: the engaged site of a name.
        signals: what was last polled of a site.
        default_policy: for workloads that name none.
        outlook: forecasts of a site, and values of the policies' own terms there.
        accounts: what the queues hold; None: its own.
        nominations: for whom room is made; None: nobody.
        refusals: which sites get nothing of which workload; None: all may.
    """

    def __init__(
        self,
        store: Store,
        *,
        runtime: Callable[[str], SiteRuntime | None],
        signals: Callable[[str], SiteSignals],
        default_policy: str,
        outlook: Callable[[str], Outlook] = lambda _: NO_OUTLOOK,
        accounts: QueueAccounts | None = None,
        nominations: Nominations | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._outlook = outlook
        self._store = store
        self._runtime = runtime
        self._signals = signals
        self._accounts = accounts or QueueAccounts(store)
        self._nominations = nominations or Nominations(store, runtime)
        self._refusals = refusals or Refusals(store)
        self._assumed = AssumedCapacity(store, runtime)
        self._workloads = WorkloadViews(
            store,
            nominated=self._nominations.site,
            refused=self._refusals.sites,
            default_policy=default_policy,
        )
        self._views: dict[str, tuple[tuple[object, ...], SiteView]] = {}

    async def warm(self) -> None:
        """Make the views of a whole hub, with room for everything else in between.

        A hundred thousand workloads take seconds; in one go, the Lease could not be renewed.
        """
        while self._workloads.warm(_WARM_SLICE):  # noqa: ASYNC110 - gives way, waits for nothing
            await asyncio.sleep(0)

    def freeze(self, serial: int, now: datetime, *, rebalance: bool = False) -> Snapshot:
        """What is known at this moment.

        Args:
            serial: of the cycle.
            now: the wall clock.
            rebalance: running work is to be looked over, too.
        """
        store = self._store
        views = self._workloads.take(self._nominations.begin() | self._refusals.begin(now))
        return Snapshot(
            sites=tuple(self._site(site) for site in store.sites.values()),
            pending=views.pending,
            policies={name: policy.spec for name, policy in store.policies.items()},
            catalog=store.catalog,
            running=views.running,
            evicting=views.evicting,
            assumed=tuple(self._assumed.take()),
            queues=self._accounts.views(now),
            serial=serial,
            rebalance=rebalance,
        )

    def _site(self, site: ComputeSite) -> SiteView:
        """The view of a site; the same object while nothing that it is made of has changed."""
        name = site.metadata.name
        runtime = self._runtime(name)
        signals = self._signals(name)
        inventory = runtime.inventory.view() if runtime else InventoryView()
        reachable = runtime is not None and runtime.state.reachable is True
        usable = runtime is not None and runtime.state.fault is None
        kinds = runtime.state.kinds if runtime else frozenset()
        synced = runtime is not None and runtime.state.inventory_synced and usable
        outlook = self._outlook(name)
        made_of = (site, inventory, signals, outlook, reachable, synced, kinds)
        known = self._views.get(name)
        if known is not None and all(a is b for a, b in zip(known[0], made_of, strict=True)):
            return known[1]
        view = site_view(
            site,
            node_shapes=inventory.node_shapes,
            accelerators=_accelerators(inventory),
            kinds=kinds,
            signals=signals,
            reachable=reachable,
            synced=synced,
            reserved=_reserve(site, inventory),
            occupied=inventory.occupied,
        )
        if outlook is NO_OUTLOOK and site.spec.prometheus is not None:
            # Before the first forecast after a start, work that may wait is not to start for want
            # of one. What the last operator left carries its times, and says nothing of the past.
            outlook = outlook_of(site.status)
        if outlook is not NO_OUTLOOK:
            view = foreseen(view, outlook)
        if site.metadata.deletion_timestamp is not None:
            view = replace(view, unschedulable=True)
        self._views[name] = (made_of, view)
        return view


def _accelerators(inventory: InventoryView) -> list[SiteAccelerator]:
    return [
        SiteAccelerator(
            class_name=found.class_name,
            resource_name=found.resource_name,
            vendor=found.vendor,
            allocatable=found.allocatable,
            memory_gib=found.memory_gib,
        )
        for found in inventory.classes
    ]


def _reserve(site: ComputeSite, inventory: InventoryView) -> Reserve:
    """What must still stay free for the site's own users; all of it where that cannot be read."""
    try:
        return reserve_of(
            site.spec.reserved,
            allocatable=_as_reserve(inventory.allocatable),
            used_by_site=_as_reserve(inventory.foreign),
        )
    except QuantityError as error:
        # Admission refuses these; what came in by another way must not free the reserve.
        log.warning("reserve was not read", site=site.metadata.name, error=str(error))
        return _as_reserve(inventory.allocatable)


def _as_reserve(amounts: Amounts) -> Reserve:
    return Reserve(amounts.cpu_millis, amounts.memory_bytes, amounts.accelerators)
