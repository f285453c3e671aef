"""What does the snapshot say of its sites, as columns that numpy can work on?

Made once a cycle from the site views. Texts become `Column`s of distinct values, so that a rule is
asked once for each distinct value rather than for each site. Numbers that are unknown are NaN in
these arrays, and `inputs.py` decides what they are priced at.

A row is what can be chosen: a site without accelerators (the first S rows, in the order of the
sites), or a site with one of its accelerator classes (the others).
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from itertools import chain, repeat
from typing import Generic, TypeVar

import numpy as np

from tradewind.placement.numbers import F64, I64, Mask, clean
from tradewind.placement.parts import Parts, accelerators_of
from tradewind.placement.snapshot import SiteAccelerator, SiteName, SiteView

__all__ = ["F64", "I64", "Column", "Mask", "SiteTable", "accelerators_of", "clean"]

V = TypeVar("V", bound=Hashable)


class Column(Generic[V]):
    """One value for each site, held as codes of the distinct values.

    >>> Column(["CN", "DE", "CN"]).where(lambda code: code == "CN").tolist()
    [True, False, True]
    """

    __slots__ = ("codes", "distinct")

    def __init__(self, values: Sequence[V]) -> None:
        index: dict[V, int] = {}
        place = index.setdefault
        self.codes: I64 = np.array([place(value, len(index)) for value in values], np.int64)
        self.distinct = tuple(index)

    def where(self, holds: Callable[[V], bool]) -> Mask:
        """(S,) whether the value of each site satisfies the predicate."""
        if not self.distinct:
            return np.zeros(0, bool)
        verdicts = np.fromiter((holds(value) for value in self.distinct), bool, len(self.distinct))
        return verdicts[self.codes]


class SiteTable:
    """The sites of a snapshot by name, as columns; arrays are not to be changed.

    Attributes:
        sites: by name; their order is the axis S.
        index: site name to its place on S.
        parts: what each site adds.
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

    def __init__(self, sites: Sequence[SiteView], known: Parts | None = None) -> None:
        self.sites = tuple(sorted(sites, key=lambda site: site.name))
        self.index: dict[SiteName, int] = {site.name: i for i, site in enumerate(self.sites)}
        self.parts = (Parts() if known is None else known).of(self.sites)
        count = len(self.sites)
        offered = [len(part.accelerators) for part in self.parts]
        self.row_accelerator: tuple[SiteAccelerator | None, ...] = (
            *repeat(None, count),
            *chain.from_iterable(part.accelerators for part in self.parts),
        )
        self.row_site: I64 = np.concatenate(
            (np.arange(count), np.repeat(np.arange(count), offered))
        ).astype(np.int64)
        #: The first row of a site's accelerators.
        self.first_row: I64 = count + np.concatenate(([0], np.cumsum(offered)))[:count].astype(
            np.int64
        )
        self.allocatable: I64 = np.fromiter(
            chain(repeat(-1, count), chain.from_iterable(p.allocatable for p in self.parts)),
            np.int64,
        )
        numbers = np.array([part.numbers for part in self.parts], np.float64).reshape(-1, 6).T
        self.carbon_intensity, self.price_per_mwh, self.load = numbers[:3]
        self.pue, self.cpu_hour, self.memory_gib_hour = numbers[3:]
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
        for s, (part, first) in enumerate(zip(self.parts, self.first_row.tolist(), strict=True)):
            for i, accelerator in enumerate(part.accelerators):
                found.setdefault((s, accelerator.class_name), first + i)
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
