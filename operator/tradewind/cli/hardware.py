"""`tradewind hardware`: the federation's accelerators: how many, free, where, and how strong.

Strength is effective BF16 throughput, as placement counts it: the best measured matrix
multiplication, else the dense peak × a stated factor. That makes makers comparable. The hub's
AcceleratorClass objects go before the catalogue.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tradewind.api.accelerator import AcceleratorClass
from tradewind.api.fields import condition_of
from tradewind.api.site import ComputeSite, SiteAccelerator, SiteStatus
from tradewind.cli import hub
from tradewind.cli.ask import Ask
from tradewind.cli.scales import HardwareBy
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone, sentence
from tradewind.cli.watching import Page, show_page
from tradewind.hardware.catalog import Catalog, HardwareClass, builtin_catalog

_NOTE: Final = "! not ready or cordoned: nothing there counts as free"
_SITES_SHOWN: Final = 2


@dataclass(slots=True)
class Row:
    """Accelerators that belong together.

    Attributes:
        name: of the class, maker or site.
        vendors: makers.
        units: all.
        free: of sites that may be used.
        tflops: effective, of all units whose class is known.
        free_tflops: of those that are free.
        unknown: units whose strength nobody knows.
        places: free and all by site.
        known: the class, where all are of one.
    """

    name: str
    vendors: set[str] = field(default_factory=set)
    units: int = 0
    free: int = 0
    tflops: float = 0.0
    free_tflops: float = 0.0
    unknown: int = 0
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    known: HardwareClass | None = None

    def add(
        self, site: str, found: SiteAccelerator, known: HardwareClass | None, free: int
    ) -> None:
        """Count a site's accelerators of one class."""
        self.vendors.add(found.vendor or (known.vendor if known else ""))
        self.units += found.allocatable
        self.free += free
        speed = known.speed if known else None
        if speed is None:
            self.unknown += found.allocatable
        else:
            self.tflops += found.allocatable * speed
            self.free_tflops += free * speed
        before = self.places.get(site, (0, 0))
        self.places[site] = (before[0] + free, before[1] + found.allocatable)
        self.known = known


def show(ask: Ask, by: HardwareBy, *, watch: bool) -> None:
    """Run the command."""

    async def page(there: hub.Hub, now: datetime) -> Page:
        del now
        sites = [ComputeSite.model_validate(item) for item in await there.list(hub.SITES)]
        classes = map(AcceleratorClass.model_validate, await there.list(hub.CLASSES))
        catalog = builtin_catalog().with_overrides(classes)
        rows = rows_of(sites, by, catalog)
        closed = {site.metadata.name for site in sites if not is_open(site)}
        shown = {name for row in rows for name in row.places}
        return Page(table(rows, by, closed), document(rows, by), [_NOTE] if shown & closed else [])

    show_page(ask, page, watch=watch)


def rows_of(sites: Iterable[ComputeSite], by: HardwareBy, catalog: Catalog) -> list[Row]:
    """Sums over the sites, the strongest first."""
    rows: dict[str, Row] = {}
    for site in sites:
        opened = is_open(site)
        for found in (site.status or SiteStatus()).accelerators:
            known = catalog.get(found.class_name)
            vendor = found.vendor or (known.vendor if known else "") or "unknown"
            names = {
                HardwareBy.CLASS: found.class_name,
                HardwareBy.VENDOR: vendor,
                HardwareBy.SITE: site.metadata.name,
            }
            row = rows.setdefault(names[by], Row(names[by]))
            free = max(0, found.allocatable - found.requested) if opened else 0
            row.add(site.metadata.name, found, known, free=free)
    return sorted(rows.values(), key=lambda row: (-row.tflops, -row.units, row.name))


def is_open(site: ComputeSite) -> bool:
    """Whether new work may go there."""
    ready = condition_of((site.status or SiteStatus()).conditions, "Ready")
    return ready is not None and ready.status == "True" and not site.spec.unschedulable


def table(rows: Sequence[Row], by: HardwareBy, closed: set[str]) -> Table:
    """The rows for people; sites that take no work are marked with an exclamation mark."""
    shown = Table(
        (
            Column(by.value.upper()),
            *((Column("VENDOR"),) if by is HardwareBy.CLASS else ()),
            Column("FREE", right=True),
            Column("ALL", right=True),
            Column("TFLOPS FREE", right=True),
            Column("TFLOPS ALL", right=True),
            *((Column("EACH", wide=True, right=True),) if by is HardwareBy.CLASS else ()),
            *((Column("WHERE (FREE/ALL)"),) if by is not HardwareBy.SITE else ()),
            *((Column("GiB", wide=True, right=True),) if by is HardwareBy.CLASS else ()),
            *((Column("DENSE TFLOPS", wide=True, right=True),) if by is HardwareBy.CLASS else ()),
        ),
        empty="no accelerators; `tradewind sites` shows what each site has",
    )
    for row in rows:
        shown.rows.append(_cells(row, by, closed))
    if len(rows) > 1:
        total = Row("all", known=None)
        for row in rows:
            total.units += row.units
            total.free += row.free
            total.tflops += row.tflops
            total.free_tflops += row.free_tflops
            total.unknown += row.unknown
        shown.rows.append(_cells(total, by, closed))
    return shown


def _cells(row: Row, by: HardwareBy, closed: set[str]) -> list[Cell | str]:
    known, sure = row.known, row.unknown < row.units
    mark = "+?" if sure and row.unknown else ""
    cells: list[Cell | str] = [Cell(row.name, Tone.STRONG if row.name == "all" else Tone.PLAIN)]
    if by is HardwareBy.SITE and row.name in closed:
        cells = [Cell(f"{row.name}!", Tone.WAITING)]
    if by is HardwareBy.CLASS:
        cells.append("/".join(sorted(filter(None, row.vendors))) or NOTHING)
    cells += [
        str(row.free),
        str(row.units),
        f"{row.free_tflops:,.0f}{mark}" if sure else "?",
        f"{row.tflops:,.0f}{mark}" if sure else "?",
    ]
    if by is HardwareBy.CLASS:
        cells.append(f"{known.speed:,.0f}" if known and known.speed else NOTHING)
    if by is not HardwareBy.SITE:
        cells.append(_places(row, closed))
    if by is HardwareBy.CLASS:
        cells.append(f"{known.memory_gib:g}" if known else NOTHING)
        cells.append(f"{known.bf16_tflops:,.0f}" if known and known.bf16_tflops else NOTHING)
    return cells


def _places(row: Row, closed: set[str]) -> str:
    ordered = sorted(row.places.items(), key=lambda place: (-place[1][0], -place[1][1], place[0]))
    told = [f"{name}{'!' if name in closed else ''} {n}/{of}" for name, (n, of) in ordered]
    return sentence(told, limit=_SITES_SHOWN) or NOTHING


def document(rows: Sequence[Row], by: HardwareBy) -> dict[str, Any]:
    """The rows for programs; throughput of units that nobody knows is not in the sums."""
    return {
        "by": by.value,
        "unit": "effective BF16 TFLOPS",
        "items": [
            {
                "name": row.name,
                "vendors": sorted(filter(None, row.vendors)),
                "free": row.free,
                "all": row.units,
                "tflopsFree": round(row.free_tflops, 1),
                "tflopsAll": round(row.tflops, 1),
                "unitsOfUnknownStrength": row.unknown,
                "sites": {
                    name: {"free": free, "all": units}
                    for name, (free, units) in sorted(row.places.items())
                },
            }
            for row in rows
        ],
    }
