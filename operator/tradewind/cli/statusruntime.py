"""A site as its ComputeSite's status tells of it, in the form that the operator freezes.

The operator watches nodes and pods; this reads what it published of them. So the what-if plans by
the very code of the operator, from figures that are some seconds older.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from tradewind.api.fields import Condition, condition_of, cpu_millis, memory_bytes
from tradewind.api.freeshapes import read
from tradewind.api.site import ComputeSite, ResourceAmounts, SiteAccelerator, SiteStatus
from tradewind.sites.inventory import Amounts, ClassTotals, InventoryView

_NOT_YET: Final = MappingProxyType[int, int]({})


@dataclass(frozen=True, slots=True)
class StatusState:
    """As much of `sites.runtime`'s state as freezing reads."""

    reachable: bool
    inventory_synced: bool
    kinds: frozenset[str]
    fault: None = None


@dataclass(slots=True)
class StatusInventory:
    """An inventory that does not change.

    Args:
        frozen: what the status says.
        bound_pods: pods by workload that its node shapes show as bound.
    """

    frozen: InventoryView
    bound_pods: dict[str, int] = field(default_factory=dict)

    def view(self) -> InventoryView:
        """The inventory."""
        return self.frozen

    def bound(self, workload_uid: str) -> int:
        """How many pods of a workload are on nodes here."""
        return self.bound_pods.get(workload_uid, 0)

    def take_rebound(self) -> set[str]:
        """Nothing comes or goes."""
        return set()


@dataclass(frozen=True, slots=True)
class StatusRuntime:
    """Stands for an engaged site."""

    state: StatusState
    inventory: StatusInventory


def runtime_of(site: ComputeSite) -> StatusRuntime:
    """What a ComputeSite's status tells; a site without one is not reachable.

    Raises:
        QuantityError: an amount in it cannot be read.
    """
    status = site.status or SiteStatus()
    state = StatusState(
        reachable=_is_true(status.conditions, "Reachable"),
        inventory_synced=_is_true(status.conditions, "InventoryCurrent"),
        kinds=frozenset(status.workload_kinds),
    )
    units = sum(found.allocatable for found in status.accelerators)
    frozen = InventoryView(
        node_shapes=read(status.free_shapes),
        classes=tuple(_totals(found) for found in status.accelerators),
        nodes=status.nodes,
        allocatable=_amounts(status.resources.allocatable, units),
        requested=_amounts(status.resources.requested, 0),
        foreign=_amounts(status.resources.others, status.resources.others_accelerators),
    )
    return StatusRuntime(state, StatusInventory(frozen))


def _is_true(conditions: tuple[Condition, ...], kind: str) -> bool:
    found = condition_of(conditions, kind)
    return found is not None and found.status == "True"


def _amounts(told: ResourceAmounts, accelerators: int) -> Amounts:
    return Amounts(cpu_millis(told.cpu), memory_bytes(told.memory), told.pods, accelerators)


def _totals(found: SiteAccelerator) -> ClassTotals:
    return ClassTotals(
        class_name=found.class_name,
        resource_name=found.resource_name,
        vendor=found.vendor,
        memory_gib=found.memory_gib,
        nodes=found.nodes,
        allocatable=found.allocatable,
        requested=found.requested,
        free_by_node=_NOT_YET,
    )
