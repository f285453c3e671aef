"""What does the snapshot say of its sites, as columns that numpy can work on?

Made once a cycle from the site views. Texts become `Column`s of distinct values, so that a rule is
asked once for each distinct value rather than for each site. Numbers are cleaned here and nowhere
else: what is unknown is NaN in these arrays, and `cost.py` decides what it is priced at.

A row is what can be chosen: a site without accelerators (the first S rows, in the order of the
sites), or a site with one of its accelerator classes (the others).
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from tradewind.placement.snapshot import SignalValue, SiteAccelerator, SiteName, SiteView

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

V = TypeVar("V", bound=Hashable)


class Column(Generic[V]):
    """One value for each site, held as codes of the distinct values.

    >>> Column(["CN", "DE", "CN"]).where(lambda code: code == "CN").tolist()
    [True, False, True]
    """

    __slots__ = ("codes", "distinct")

    def __init__(self, values: Sequence[V]) -> None:
        index: dict[V, int] = {}
        self.codes: I64 = np.fromiter(
            (index.setdefault(value, len(index)) for value in values), np.int64, len(values)
        )
        self.distinct = tuple(index)

    def where(self, holds: Callable[[V], bool]) -> Mask:
        """(S,) whether the value of each site satisfies the predicate."""
        if not self.distinct:
            return np.zeros(0, bool)
        verdicts = np.fromiter((holds(value) for value in self.distinct), bool, len(self.distinct))
        return verdicts[self.codes]


def clean(value: float | None, *, low: float = 0.0, high: float = 1e9) -> float:
    """A number that can be counted with, or NaN for one that is missing or cannot be true.

    >>> clean(-1.0), clean(float("inf")), clean(None), clean(3)
    (nan, nan, nan, 3.0)
    """
    if value is None or not math.isfinite(value) or not low <= value <= high:
        return math.nan
    return float(value)


def _signals(values: Sequence[SignalValue], *, low: float = 0.0, high: float = 1e9) -> F64:
    return np.array([clean(signal.value, low=low, high=high) for signal in values], np.float64)


def _electricity(signal: SignalValue) -> float:
    # Wholesale prices do fall below zero for some hours. Such an hour counts as free and no more:
    # nobody's work should go where it is paid to burn, and a broken feed must not win.
    value = signal.value
    if value is None or not math.isfinite(value):
        return math.nan
    return clean(max(0.0, value))


class SiteTable:
    """The sites of a snapshot by name, as columns; arrays are not to be changed.

    Attributes:
        sites: by name; their order is the axis S.
        index: site name to its place on S.
        row_site: (R,) the site of each row.
        row_accelerator: R entries; None for the rows without accelerators.
        allocatable: (R,) accelerators that the site has, free or not; -1 where not counted.
        carbon_intensity: (S,) gCO2e/kWh.
        price_per_mwh: (S,) USD; below zero counts as 0.
        load: (S,) 0 to 1.
        pue: (S,) at least 1.
        cpu_hour: (S,) USD per core.
        memory_gib_hour: (S,) USD per GiB.
    """

    def __init__(self, sites: Sequence[SiteView]) -> None:
        self.sites = tuple(sorted(sites, key=lambda site: site.name))
        self.index: dict[SiteName, int] = {site.name: i for i, site in enumerate(self.sites)}
        own = [accelerators_of(site) for site in self.sites]
        self.row_accelerator: tuple[SiteAccelerator | None, ...] = (
            *(None for _ in self.sites),
            *(accelerator for offered in own for accelerator in offered),
        )
        count = len(self.sites)
        self.row_site: I64 = np.concatenate(
            (np.arange(count), np.repeat(np.arange(count), [len(offered) for offered in own]))
        ).astype(np.int64)
        self.allocatable: I64 = np.array(
            [
                -1 if found is None or found.allocatable is None else found.allocatable
                for found in self.row_accelerator
            ],
            np.int64,
        )
        self.row_index: dict[tuple[int, str, str], int] = {
            (int(self.row_site[row]), found.class_name, found.resource_name): row
            for row, found in enumerate(self.row_accelerator)
            if found is not None
        }
        self.carbon_intensity = _signals([site.carbon_intensity for site in self.sites])
        self.price_per_mwh: F64 = np.array(
            [_electricity(site.price_per_mwh) for site in self.sites], np.float64
        )
        self.load = _signals([site.load for site in self.sites], high=1.0)
        self.pue = _signals([site.pue for site in self.sites], low=1.0, high=10.0)
        self.cpu_hour: F64 = np.array([clean(s.pricing.cpu_hour) for s in self.sites], np.float64)
        self.memory_gib_hour: F64 = np.array(
            [clean(site.pricing.memory_gib_hour) for site in self.sites], np.float64
        )
        self.jurisdiction = Column([site.jurisdiction for site in self.sites])
        self.taints = Column([site.taints for site in self.sites])
        self.kinds = Column([site.kinds for site in self.sites])
        self.unschedulable = self._flags(lambda site: site.unschedulable)
        self.reachable = self._flags(lambda site: site.reachable)
        self.synced = self._flags(lambda site: site.synced)
        self._labels: dict[str, Column[str | None]] = {}
        self._latency: dict[str, F64] = {}

    def _flags(self, read: Callable[[SiteView], bool]) -> Mask:
        return np.fromiter((read(site) for site in self.sites), bool, len(self.sites))

    @cached_property
    def class_row(self) -> Mapping[tuple[int, str], int]:
        """The first row of each class of a site."""
        found: dict[tuple[int, str], int] = {}
        for (site, class_name, _), row in self.row_index.items():
            found.setdefault((site, class_name), row)
        return found

    @property
    def rows(self) -> int:
        """How many rows there are, R."""
        return len(self.row_accelerator)

    def label(self, key: str) -> Column[str | None]:
        """The sites' values of a label; None where a site does not have it."""
        column = self._labels.get(key)
        if column is None:
            column = self._labels[key] = Column([site.labels.get(key) for site in self.sites])
        return column

    def latency_ms(self, region: str) -> F64:
        """(S,) round trip from a consumer region, milliseconds; NaN where unknown."""
        column = self._latency.get(region)
        if column is None:
            column = self._latency[region] = np.array(
                [clean(site.latency_ms.get(region), high=1e6) for site in self.sites], np.float64
            )
        return column

    def named(self, names: frozenset[SiteName]) -> Mask:
        """(S,) whether a site is one of these."""
        mask = np.zeros(len(self.sites), bool)
        for name in names:
            if name in self.index:
                mask[self.index[name]] = True
        return mask


def accelerators_of(site: SiteView) -> tuple[SiteAccelerator, ...]:
    """A site's accelerators by class and resource: those it lists, and those its nodes show."""
    listed = {(a.class_name, a.resource_name): a for a in site.accelerators}
    for node in site.node_shapes:
        for class_name, resource_name, _ in node.accelerators:
            if (class_name, resource_name) not in listed:
                listed[class_name, resource_name] = SiteAccelerator(class_name, resource_name)
    return tuple(listed[key] for key in sorted(listed))
