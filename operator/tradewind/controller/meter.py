"""When is running work charged? Every decided status passes through here, and what runs does too.

`settle` sees each status before it counts and charges what has ended or changed (`bill.py`); the
rest is charged in passing, about every `interval_s`, so that a running workload's usage is up to
date. Usage and `meteredUntil` go to the hub in one write: a restart goes on from what is written,
and counts nothing twice. What ran while no operator watched, or at a site that did not answer, is
charged at the figures that are known afterwards, and its hours are told apart.

Idle workloads cost nothing: only what runs is in the heap.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from tradewind.api.workload import Placement, UsagePeriod, WorkloadStatus
from tradewind.base.aio import Clock
from tradewind.controller.bill import Bill, is_metered, pods_at_work
from tradewind.controller.metering import Account, Rates, Span, charges
from tradewind.controller.rates import SiteFigures, rates_of
from tradewind.controller.store import Record, Store
from tradewind.controller.usagebook import UsageBook
from tradewind.placement.config import EngineConfig

#: Which workloads are due is looked at so often, seconds.
PERIOD_S: Final = 1.0
#: Each interval is longer by a random part of this, so that a burst does not stay one.
JITTER: Final = 0.25


class Meter:
    """Charges what runs; a `bill.Tariff`.

    Args:
        store: the records.
        book: told of each charge.
        figures: what a site charges and draws; None for a site that is not known any more.
        silent: whether a site does not answer at present.
        on_due: told of a workload whose usage has grown and should be written some time.
        clock: whose time counts.
        interval_s: a running workload's usage is written this seldom at least.
        writes_per_second: with more running work the interval grows, so that the hub is not
            written to more often.
        default_policy: of workloads that name none.
        config: the engine's stated figures.
    """

    def __init__(
        self,
        store: Store,
        book: UsageBook,
        *,
        figures: Callable[[str], SiteFigures | None],
        silent: Callable[[str], bool],
        on_due: Callable[[str], None],
        clock: Clock,
        interval_s: float,
        writes_per_second: float,
        default_policy: str,
        config: EngineConfig,
    ) -> None:
        self._store = store
        self._book = book
        self._figures = figures
        self._silent = silent
        self._on_due = on_due
        self._clock = clock
        self._interval_s = interval_s
        self._writes_per_second = writes_per_second
        self._default_policy = default_policy
        self._config = config
        self._since = self._now()
        self._due: list[tuple[float, str]] = []
        self._known: set[str] = set()

    def start(self) -> None:
        """Begin to watch: everything that runs already is due within the first interval."""
        self._since = self._now()
        for record in self._store.workloads.values():
            if _runs(record.status):
                self._schedule(record.uid, random.random())  # noqa: S311 - spreads load

    async def run(self) -> None:
        """Charge in passing until cancelled."""
        while True:
            await self._clock.sleep(PERIOD_S)
            self.charge_due()

    def charge_due(self) -> None:
        """Charge the workloads whose time has come."""
        now_s = self._clock.monotonic()
        most = max(1, round(self._writes_per_second * PERIOD_S))
        while self._due and self._due[0][0] <= now_s and most > 0:
            _, uid = heapq.heappop(self._due)
            self._known.discard(uid)
            record = self._store.workloads.get(uid)
            if record is None or not _runs(record.status):
                continue
            most -= 1
            bill = Bill(record, record.status, self._now(), self)
            self._store.set_status(record, bill.passing())
            self._schedule(uid)
            self._on_due(uid)

    def settle(self, record: Record, after: WorkloadStatus) -> WorkloadStatus:
        """The status that is to follow a record's present one, with what has ended charged."""
        if after.placements is record.status.placements:
            return after
        settled = Bill(record, after, self._now(), self).settled()
        if _runs(settled):
            self._schedule(record.uid)
        return settled

    # What bills are made with (bill.Tariff).

    def rates(self, record: Record, part: Placement) -> Rates | None:
        """Of a part as it stands; None when what it asks for cannot be read."""
        if record.demand is None:
            return None
        return rates_of(
            record.demand,
            self._figures(part.site) or SiteFigures(),
            pods=pods_at_work(record, part),
            class_name=part.accelerator_class,
            catalog=self._store.catalog,
            config=self._config,
        )

    def unwatched_s(self, part: Placement, start: datetime, end: datetime) -> float:
        """How much of a span nobody watched, seconds."""
        until = end if self._silent(part.site) else min(end, self._since)
        return max(0.0, (until - start).total_seconds())

    def charge(
        self, record: Record, part: Placement, rates: Rates, span: Span
    ) -> Sequence[UsagePeriod]:
        """What a span takes, by day; the book is told of it."""
        spec = record.model.spec
        account = Account(part.site, spec.queue, spec.policy or self._default_policy)
        charged = charges(account, rates, span)
        self._book.charge(record.model.metadata.namespace, charged)
        return charged

    def _schedule(self, uid: str, share: float = 1.0) -> None:
        if uid in self._known:
            return
        self._known.add(uid)
        interval_s = max(self._interval_s, len(self._known) / self._writes_per_second)
        wait_s = share * interval_s * random.uniform(1.0, 1.0 + JITTER)  # noqa: S311 - spreads load
        heapq.heappush(self._due, (self._clock.monotonic() + wait_s, uid))

    def _now(self) -> datetime:
        """Whole seconds, as statuses have them: what is in memory is what a restart would find."""
        return self._clock.now().replace(microsecond=0)


def _runs(status: WorkloadStatus) -> bool:
    return any(is_metered(part) for part in status.placements)
