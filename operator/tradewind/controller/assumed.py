"""What placements ask for beyond the pods that are bound: capacity that is spoken for.

A site's inventory knows bound pods only. What a placement has not bound yet counts against its site
for as long as that takes; the pods carry the workload's uid, so that this is known and not guessed.
The sums are kept up to date workload by workload: a cycle costs what changed, not what is placed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.workload import Placement
from tradewind.controller import lifecycle
from tradewind.controller.splits import part_demand
from tradewind.controller.store import Record, Store
from tradewind.placement.snapshot import Assumed, SiteName
from tradewind.sites.inventory import Inventory
from tradewind.sites.runtime import SiteRuntime

#: (site, class, resource, one pod's demand), counted in pods: equal ones are subtracted at once.
_Key = tuple[str, str | None, str | None, PodDemand]


class AssumedCapacity:
    """Sums of unbound pods.

    Args:
        store: the placements.
        runtime: the engaged site of a name.
    """

    def __init__(self, store: Store, runtime: Callable[[str], SiteRuntime | None]) -> None:
        self._store = store
        self._runtime = runtime
        self._changes = store.follow()
        self._pods: Counter[_Key] = Counter()
        self._shares: dict[str, Counter[_Key]] = {}
        self._inventories: dict[str, Inventory] = {}

    def take(self) -> Iterator[Assumed]:
        """What is assumed now."""
        for uid in self._stale():
            self._count(uid, self._store.workloads.get(uid))
        for (site, class_name, resource, pod), count in self._pods.items():
            demand = Demand(kind="", pods=(replace(pod, count=count),))
            yield Assumed(SiteName(site), class_name, demand, count, resource)

    def _stale(self) -> set[str]:
        """The workloads whose share may have changed since the last time."""
        stale = self._changes.take()
        for site in self._store.sites_with_placements():
            runtime = self._runtime(site)
            if runtime is None:
                continue
            if self._inventories.get(site) is not runtime.inventory:
                self._inventories[site] = runtime.inventory
                stale.update(record.uid for record in self._store.placed_at(site))
            stale |= runtime.inventory.take_rebound()
        return stale

    def _count(self, uid: str, record: Record | None) -> None:
        for key, count in self._shares.pop(uid, Counter[_Key]()).items():
            self._pods[key] -= count
            if not self._pods[key]:
                del self._pods[key]
        if record is None or record.demand is None:
            return
        share: Counter[_Key] = Counter()
        for placement in record.status.placements:
            if placement.phase in lifecycle.ACTIVE:
                runtime = self._runtime(placement.site)
                bound = runtime.inventory.bound(uid) if runtime else 0
                demand = part_demand(record.demand, placement)
                _count_unbound(share, placement, demand, bound)
        if share:
            self._shares[uid] = share
            self._pods.update(share)


def _count_unbound(pods: Counter[_Key], placement: Placement, demand: Demand, bound: int) -> None:
    """Add a placement's pods that are not bound; of unlike pods the first are taken as bound."""
    for pod in demand.pods:
        unbound = max(0, pod.count - bound)
        bound = max(0, bound - pod.count)
        if unbound:
            where = (placement.site, placement.accelerator_class, placement.resource_name)
            pods[(*where, replace(pod, count=1))] += unbound
