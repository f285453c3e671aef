"""What one leader runs, put together: each part is told of those that it hands over to.

The parts know each other in a circle (what the sites show makes plans, plans make writes, writes
make work at the sites), so they are made in an order and bound to each other by small functions.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tradewind.base.aio import Batcher, Clock
from tradewind.controller import hub as hub_reads
from tradewind.controller.accounting import Accounting
from tradewind.controller.accounts import QueueAccounts
from tradewind.controller.effects import PlanEffects
from tradewind.controller.engaged import EngagedSites
from tradewind.controller.events import EventRecorder
from tradewind.controller.evictions import Evictor
from tradewind.controller.freeze import Freezer
from tradewind.controller.gauges import FederationGauges
from tradewind.controller.housekeeping import Housekeeper
from tradewind.controller.intake import Intake
from tradewind.controller.intents import StoreIntents
from tradewind.controller.loop import PlanningLoop
from tradewind.controller.nominations import Nominations
from tradewind.controller.queuestatus import QueueStatusWriter
from tradewind.controller.refusals import Refusals
from tradewind.controller.settings import Settings, engine_config
from tradewind.controller.signals import build_telemetry
from tradewind.controller.sitestatus import SiteStatusWriter
from tradewind.controller.store import Record, Store
from tradewind.controller.writer import WorkloadWriter
from tradewind.sites.client import ApiSession


@dataclass(frozen=True, slots=True)
class Outside:
    """What the parts need of the process.

    Attributes:
        hub: session of the hub.
        hub_id: ours.
        may_write: False while leadership is in doubt.
        loaded: whether the whole hub has been listed.
        expire: deletes a finished workload from the hub.
    """

    hub: ApiSession
    hub_id: str
    may_write: Callable[[], bool]
    loaded: Callable[[], bool]
    expire: Callable[[Record], None]


class Parts:
    """Everything that one leader runs.

    Args:
        settings: of the operator.
        clock: whose time counts.
        outside: what they need of the process.
    """

    def __init__(self, settings: Settings, clock: Clock, outside: Outside) -> None:
        self.store = Store()
        self._settings = settings
        self._clock = clock
        self._outside = outside
        self._batcher = Batcher(
            clock,
            idle_s=settings.planning.idle_batch_seconds,
            max_s=settings.planning.max_batch_seconds,
        )
        self._engine = engine_config(settings.planning)
        self._make_edges()
        self._make_core()

    def _make_edges(self) -> None:
        """What reads from and writes to the hub, the sites and their Prometheus servers."""
        settings, clock, outside, store = self._settings, self._clock, self._outside, self.store
        self.sites = EngagedSites(
            outside.hub,
            hub_id=outside.hub_id,
            store=store,
            settings=settings.sites,
            clock=clock,
            may_write=outside.may_write,
            on_capacity=self._batcher.notify,
            on_status=self._on_site_status,
        )
        self.telemetry, self.terms = build_telemetry(
            settings,
            read_secret=lambda namespace, name: hub_reads.read_secret(outside.hub, namespace, name),
            on_signals=self._on_signals,
            clock=clock,
        )
        self.site_status = SiteStatusWriter(
            outside.hub,
            store,
            runtime=self.sites.runtime,
            signals=lambda site: (self.telemetry.signals(site), self.telemetry.condition(site)),
            outlook=self.telemetry.outlook,
            labelling=self.sites.labelling,
            may_write=outside.may_write,
            clock=clock,
        )
        self.writer = WorkloadWriter(
            outside.hub,
            store,
            may_write=outside.may_write,
            on_written=self.sites.add,
            keep=self._keep,
            clock=clock,
            workers=settings.hub.writers,
        )
        self.accounting = Accounting(
            outside.hub,
            store,
            settings,
            runtime=self.sites.runtime,
            signals=self.telemetry.signals,
            silent=lambda site: self.sites.unreachable_since(site) is not None,
            on_due=self.writer.add_later,
            clock=clock,
        )
        self.accounts = QueueAccounts(store, self.accounting.book.spent)
        self.events = EventRecorder(outside.hub, may_write=outside.may_write, clock=clock)
        self.queue_status = QueueStatusWriter(
            outside.hub,
            store,
            self.accounts,
            may_write=outside.may_write,
            clock=clock,
            on_budget=self.events.budget,
        )
        self.gauges = FederationGauges(
            store,
            self.accounting.book,
            runtime=self.sites.runtime,
            signals=self.telemetry.signals,
            leading=outside.may_write,
            now=clock.now,
            label_limit=settings.metering.label_limit,
        )

    def _make_core(self) -> None:
        """What decides."""
        settings, clock, outside, store = self._settings, self._clock, self._outside, self.store
        refusals = Refusals(store)
        self.sites.bind(
            StoreIntents(
                store,
                self.writer,
                hardware=self.sites.hardware,
                loaded=outside.loaded,
                on_capacity=self._batcher.notify,
                on_clean=self.site_status.clear_orphan,
                clock=clock,
                refusals=refusals,
            )
        )
        evictor = Evictor(store, self.writer, config=self._engine, on_evicted=self.events.evicted)
        nominations = Nominations(store, self.sites.runtime)
        self.loop = PlanningLoop(
            store,
            Freezer(
                store,
                runtime=self.sites.runtime,
                signals=self.telemetry.signals,
                default_policy=settings.planning.default_policy,
                accounts=self.accounts,
                nominations=nominations,
                refusals=refusals,
                outlook=self.telemetry.outlook,
            ),
            Housekeeper(
                store,
                self.writer,
                unreachable_since=self.sites.unreachable_since,
                on_orphan=self.site_status.note_orphan,
                expire=outside.expire,
                evictor=evictor,
                refusals=refusals,
            ),
            PlanEffects(store, self.writer, evictor, nominations),
            self._batcher,
            leading=outside.may_write,
            engine=self._engine,
            clock=clock,
            replan_s=settings.planning.replan_seconds,
            rebalance_s=settings.planning.rebalance_seconds,
        )
        self.intake = Intake(
            store,
            self.sites,
            self.telemetry,
            self.writer,
            self.site_status,
            queue_status=self.queue_status,
            notify=self._batcher.notify,
            now=clock.now,
            on_dropped=self.accounting.ledger.dropped,
        )

    async def _keep(self, record: Record) -> None:
        await self.accounting.ledger.fold(record)

    def _on_signals(self, site: str) -> None:
        self.site_status.add(site)
        if self.store.has_pending:
            self._batcher.notify()

    def _on_site_status(self, site: str, soon: bool) -> None:  # noqa: FBT001 - EngagedSites' own
        if soon:
            self.site_status.add(site)
        else:
            self.site_status.add_later(site)

    async def read_terms(self) -> None:
        """Poll the operator's own Prometheus, if it has one, until cancelled."""
        if self.terms is not None:
            await self.terms.run()

    async def close(self) -> None:
        """Let go of the sites and their Prometheus servers."""
        await self.sites.close()
        await self.telemetry.close()
