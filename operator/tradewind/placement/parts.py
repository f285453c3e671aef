"""What does one site add to the columns of a cycle? Worked out once for each view.

Of a thousand sites a few change between two cycles. The columns of the others are put together from
these parts, which is a matter of concatenation.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tradewind.placement.forecasts import Table, table_of
from tradewind.placement.numbers import I64, clean, electricity
from tradewind.placement.snapshot import SiteAccelerator, SiteView


@dataclass(frozen=True, slots=True)
class SitePart:
    """A site's share of the columns.

    Args:
        accelerators: by class and resource: those it lists, and those its nodes show.
        allocatable: of each, free or not; -1 where not counted.
        numbers: carbon intensity, electricity, load, PUE, USD of a core and of a GiB; NaN: unknown.
        nodes: (N', 4) CPU, memory and pods free on each node; how many nodes are alike.
        chips: (E', 3) place of a node shape on N', place of one of the accelerators, free units.
        carbon, price: what is forecast, as arrays.
    """

    accelerators: tuple[SiteAccelerator, ...]
    allocatable: tuple[int, ...]
    numbers: tuple[float, ...]
    nodes: I64
    chips: I64
    carbon: Table | None
    price: Table | None


def part_of(site: SiteView) -> SitePart:
    """A site's share of the columns."""
    accelerators = accelerators_of(site)
    place = {(a.class_name, a.resource_name): i for i, a in enumerate(accelerators)}
    nodes = [
        (
            max(0, node.free_cpu_millis),
            max(0, node.free_memory_bytes),
            max(0, node.free_pods),
            max(0, node.nodes),
        )
        for node in site.node_shapes
    ]
    chips = [
        (n, place[class_name, resource_name], max(0, free))
        for n, node in enumerate(site.node_shapes)
        for class_name, resource_name, free in node.accelerators
    ]
    return SitePart(
        accelerators=accelerators,
        allocatable=tuple(-1 if a.allocatable is None else a.allocatable for a in accelerators),
        numbers=(
            clean(site.carbon_intensity.value),
            electricity(site.price_per_mwh.value),
            clean(site.load.value, high=1.0),
            clean(site.pue.value, low=1.0, high=10.0),
            clean(site.pricing.cpu_hour),
            clean(site.pricing.memory_gib_hour),
        ),
        nodes=np.array(nodes, np.int64).reshape(-1, 4),
        chips=np.array(chips, np.int64).reshape(-1, 3),
        carbon=table_of(site.carbon_forecast),
        price=table_of(site.price_forecast),
    )


def accelerators_of(site: SiteView) -> tuple[SiteAccelerator, ...]:
    """A site's accelerators by class and resource: those it lists, and those its nodes show."""
    listed = {(a.class_name, a.resource_name): a for a in site.accelerators}
    for node in site.node_shapes:
        for class_name, resource_name, _ in node.accelerators:
            if (class_name, resource_name) not in listed:
                listed[class_name, resource_name] = SiteAccelerator(class_name, resource_name)
    return tuple(listed[key] for key in sorted(listed))


class Parts:
    """The parts of sites, kept from one cycle to the next for views that are still the same."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[SiteView, SitePart]] = {}

    def of(self, sites: Iterable[SiteView]) -> list[SitePart]:
        """The parts of all sites of a cycle, in their order; others are forgotten."""
        last, self._known = self._known, {}
        found = []
        for site in sites:
            known = last.get(id(site))
            if known is None or known[0] is not site:
                known = (site, part_of(site))
            self._known[id(site)] = known
            found.append(known[1])
        return found
