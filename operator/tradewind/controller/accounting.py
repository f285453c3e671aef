"""Metering as one part of the operator: the meter, the book it fills, the ledger behind both."""

from collections.abc import Callable

from tradewind.api.site import SiteSignals
from tradewind.base.aio import Clock
from tradewind.controller.figures import SiteFigureBoard
from tradewind.controller.ledgerkeeper import LedgerKeeper
from tradewind.controller.meter import Meter
from tradewind.controller.settings import Settings
from tradewind.controller.store import Store
from tradewind.controller.usagebook import UsageBook
from tradewind.placement.config import EngineConfig
from tradewind.sites.client import ApiSession
from tradewind.sites.runtime import SiteRuntime


class Accounting:
    """What charges running work, and keeps what deleted work took.

    Args:
        hub: where the ledger is.
        store: whose every decided status passes through the meter from now on.
        settings: the operator's.
        runtime: the engaged site of a name.
        signals: what was last polled of a site.
        silent: whether a site does not answer at present.
        on_due: told of a workload whose usage should be written some time.
        clock: whose time counts.
    """

    def __init__(
        self,
        hub: ApiSession,
        store: Store,
        settings: Settings,
        *,
        runtime: Callable[[str], SiteRuntime | None],
        signals: Callable[[str], SiteSignals],
        silent: Callable[[str], bool],
        on_due: Callable[[str], None],
        clock: Clock,
    ) -> None:
        config = EngineConfig()
        figures = SiteFigureBoard(
            store, runtime=runtime, signals=signals, clock=clock, config=config
        )
        self._store = store
        self.ledger = LedgerKeeper(hub, namespace=settings.hub.namespace, clock=clock)
        self.book = UsageBook(label_limit=settings.metering.label_limit)
        self.meter = Meter(
            store,
            self.book,
            figures=figures.of,
            silent=silent,
            on_due=on_due,
            clock=clock,
            interval_s=settings.metering.interval_seconds,
            writes_per_second=settings.metering.writes_per_second,
            default_policy=settings.planning.default_policy,
            config=config,
        )
        store.settle = self.meter.settle

    async def start(self) -> None:
        """Take over what is durable; after the hub was listed, before anything is decided.

        Raises:
            ApiError: the hub refused the ledger, other than for want of rights.
        """
        await self.ledger.load(self._store.workloads)
        self.book.fill(self._store.workloads.values(), self.ledger.ledger)
        self.meter.start()

    async def run(self) -> None:
        """Charge in passing until cancelled."""
        await self.meter.run()
