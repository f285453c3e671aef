"""A store whose decided statuses pass through a meter, with one site at round figures."""

from datetime import datetime, timedelta
from typing import Any

from tests.clock import START, FakeClock
from tests.unit.controller import works

from tradewind.api.workload import HistoryEntry, Placement, Usage, WorkloadStatus
from tradewind.controller import lifecycle
from tradewind.controller.ledger import Ledger
from tradewind.controller.meter import Meter
from tradewind.controller.rates import SiteFigures
from tradewind.controller.store import Record, Store
from tradewind.controller.usagebook import UsageBook
from tradewind.placement.config import EngineConfig
from tradewind.placement.snapshot import Pricing
from tradewind.workloads.adapter import Observed, ObservedState

SITE = "ulanqab"
INTERVAL_S = 60.0
#: Every core costs a dollar an hour: two pods of eight cores cost 16 USD an hour.
USD_PER_HOUR = 16.0
FIGURES = SiteFigures(
    pricing=Pricing({}, cpu_hour=1.0, memory_gib_hour=0.0),
    carbon_intensity=400.0,
    price_per_mwh=0.0,
    pue=1.0,
)


class Scene:
    """What one operator process has in memory; `restart` makes the next from what is written."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.store, self.book = Store(), UsageBook(label_limit=10)
        self.figures: dict[str, SiteFigures] = {SITE: FIGURES}
        self.silent: set[str] = set()
        self.written: list[str] = []
        self.meter = Meter(
            self.store,
            self.book,
            figures=lambda site: self.figures.get(site, FIGURES),
            silent=self.silent.__contains__,
            on_due=self.written.append,
            clock=self.clock,
            interval_s=INTERVAL_S,
            writes_per_second=1000.0,
            default_policy="balanced",
            config=EngineConfig(),
        )
        self.store.settle = self.meter.settle

    def take(self, *parts: Placement, name: str = "train", **spec: Any) -> Record:
        sites = ",".join(part.site for part in parts)
        history = (HistoryEntry(at=self.clock.now(), to=sites, reason="Placed"),)
        status = works.status(*parts, history=history)
        return works.take(self.store, name, status=status, finalized=True, **spec)

    def see(
        self,
        record: Record,
        state: ObservedState,
        *,
        started: datetime | None = None,
        finished: datetime | None = None,
        ready: int = 2,
        site: str = SITE,
    ) -> None:
        """A site shows the object."""
        observed = Observed(state, 2, ready, "", started, finished)
        status = lifecycle.record_observed(record.status, site, works.ref(), observed)
        self.store.set_status(record, status)

    def run_for(self, seconds: float) -> None:
        """Let time pass, looking each second, as the meter's own task does."""
        for _ in range(int(seconds)):
            self.clock._elapsed += 1
            self.meter.charge_due()

    def restart(self, record: Record, *, down_s: float = 0.0) -> tuple["Scene", Record]:
        """Another process finds what was written: the record's status as the hub holds it."""
        self.clock._elapsed += down_s
        after = Scene(self.clock)
        found = works.take(
            after.store,
            record.model.metadata.name,
            status=WorkloadStatus.model_validate(
                record.status.model_dump(mode="json", by_alias=True)
            ),
            finalized=True,
        )
        after.book.fill(after.store.workloads.values(), Ledger())
        after.meter.start()
        return after, found


def usage(record: Record) -> Usage:
    assert record.status.usage is not None
    return record.status.usage


def hours(record: Record) -> float:
    """Hours of the whole gang, by what it cost."""
    return usage(record).cost_usd / USD_PER_HOUR


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)
