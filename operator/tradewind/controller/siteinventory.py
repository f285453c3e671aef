"""What a ComputeSite's status says of its nodes: accelerators by class, plain resources."""

from tradewind.api.site import ResourceAmounts, SiteAccelerator, SiteResources
from tradewind.sites.inventory import Amounts, InventoryView


def accelerators_told(inventory: InventoryView) -> tuple[SiteAccelerator, ...]:
    """Accelerators by class."""
    return tuple(
        SiteAccelerator(
            class_name=found.class_name,
            vendor=found.vendor,
            resource_name=found.resource_name,
            memory_gib=found.memory_gib,
            nodes=found.nodes,
            allocatable=found.allocatable,
            requested=found.requested,
            free_by_node={str(units): nodes for units, nodes in found.free_by_node.items()},
        )
        for found in inventory.classes
    )


def summary(accelerators: tuple[SiteAccelerator, ...]) -> str:
    """Free and all by class, for the table: `nvidia-h100-sxm 24/64`."""
    return ", ".join(
        f"{found.class_name} {found.allocatable - found.requested}/{found.allocatable}"
        for found in accelerators[:4]
    )


def resources_told(inventory: InventoryView) -> SiteResources:
    """Plain resources, and who asks for them."""
    return SiteResources(
        allocatable=_amounts(inventory.allocatable),
        requested=_amounts(inventory.requested),
        others=_amounts(inventory.foreign),
        others_accelerators=inventory.foreign.accelerators,
    )


def _amounts(amounts: Amounts) -> ResourceAmounts:
    mib = amounts.memory_bytes // 2**20
    return ResourceAmounts(cpu=f"{amounts.cpu_millis}m", memory=f"{mib}Mi", pods=amounts.pods)
