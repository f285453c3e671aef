"""The operator's process: what is started, in which order, and how it ends.

A standby serves its probes, watches the hub and waits for the Lease. A leader then lists the hub
whole, engages the sites and plans. Losing the Lease ends the process: a new one begins with nothing
that could be out of date.
"""

import asyncio
import gc
import os
import platform
import signal
import uuid
from collections.abc import Callable
from typing import Any

import kopf
import structlog

from tradewind import __version__
from tradewind.api.names import GROUP, VERSION
from tradewind.base.aio import Clock, SystemClock, cancel_and_wait, supervise
from tradewind.base.errors import ApiError, ConfigurationError, SiteUnreachableError
from tradewind.base.observe import REGISTRY, configure_logging, get_logger
from tradewind.controller import hub as hub_reads
from tradewind.controller.assembly import Outside, Parts
from tradewind.controller.gauges import FederationGauges
from tradewind.controller.handlers import build_registry, build_settings
from tradewind.controller.intake import Intake
from tradewind.controller.lease import LeaseElector
from tradewind.controller.loop import PlanningLoop
from tradewind.controller.probes import ProbeServer
from tradewind.controller.settings import Settings
from tradewind.controller.store import Record
from tradewind.sites.access import Endpoint
from tradewind.sites.client import ApiSession
from tradewind.sites.hubaccess import hub_endpoint

log = get_logger(__name__)

#: The loop comes round every `replan_seconds`; so many of them without a cycle is a standstill.
STANDSTILL_CYCLES = 4


class Operator:
    """Everything one process runs.

    Args:
        settings: see `settings.py`.
        endpoint: the hub.
        clock: whose time counts.
    """

    def __init__(self, settings: Settings, endpoint: Endpoint, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._hub = ApiSession(endpoint, name="hub", timeout_s=settings.hub.request_timeout_seconds)
        self._loaded = False
        self._stopping = asyncio.Event()
        self._lost = False
        self._loop: PlanningLoop | None = None
        self._gauges: FederationGauges | None = None
        self._elector = LeaseElector(
            self._hub,
            namespace=settings.hub.namespace,
            identity=f"{platform.node()}_{uuid.uuid4()}",
            settings=settings.lease,
            clock=clock,
            on_lost=self._on_lost,
        )

    def stop(self) -> None:
        """Ask for an orderly end."""
        self._stopping.set()

    async def run(self) -> int:
        """Run until stopped; returns the process's exit code."""
        probes = ProbeServer(
            self._settings.serve.host,
            self._settings.serve.port,
            alive=self._what_is_dead,
            ready=lambda: "" if self._hub_seen else "the hub has not been reached yet",
            refresh=lambda: self._gauges.refresh() if self._gauges else None,
        )
        work = asyncio.create_task(self._work(), name="work")
        served = asyncio.create_task(supervise("probes", probes.run, clock=self._clock))
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            return 1 if self._lost else 0
        finally:
            await cancel_and_wait(work, served, stopped)
            await self._elector.release()
            await self._hub.close()
            log.info("operator stopped")

    _hub_seen = False

    def _on_lost(self) -> None:
        self._lost = True
        self._stopping.set()

    def _what_is_dead(self) -> str:
        if self._loop is None or not self._elector.leading:
            return ""
        quiet_s = self._clock.monotonic() - self._loop.last_cycle_at
        limit_s = STANDSTILL_CYCLES * self._settings.planning.replan_seconds
        return f"no cycle for {quiet_s:.0f} s" if quiet_s > limit_s else ""

    async def _work(self) -> None:
        hub_id = await self._wait_for_hub()
        parts = self._build(hub_id)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(parts.intake))
            await self._elector.acquire()
            tasks.create_task(self._elector.keep())
            await hub_reads.audit(self._hub, parts.intake.known(), parts.intake.take)
            await parts.accounting.start()
            self._loaded = True
            self._loop = parts.loop
            try:
                parts.intake.lead()
                log.info(
                    "hub loaded",
                    workloads=len(parts.store.workloads),
                    sites=len(parts.store.sites),
                    policies=len(parts.store.policies),
                )
                for name, run in (
                    ("writer", parts.writer.run),
                    ("site-status", parts.site_status.run),
                    ("queue-status", parts.queue_status.run),
                    ("events", parts.events.run),
                    ("loop", parts.loop.run),
                    ("meter", parts.accounting.run),
                    ("terms", parts.read_terms),
                    ("audit", lambda: self._audit(parts.intake)),
                ):
                    tasks.create_task(supervise(name, run, clock=self._clock), name=name)
                await asyncio.Event().wait()
            finally:
                await parts.close()

    async def _wait_for_hub(self) -> str:
        """Wait until the hub answers and knows our kinds; says each time what is missing."""
        while True:
            try:
                found = await hub_reads.identity(self._hub)
                await hub_reads.check_kinds(self._hub)
            except (ApiError, SiteUnreachableError, ConfigurationError) as error:
                log.warning("hub is not ready", error=str(error))
                await self._clock.sleep(2.0)
            else:
                self._hub_seen = True
                return found

    def _build(self, hub_id: str) -> Parts:
        outside = Outside(
            hub=self._hub,
            hub_id=hub_id,
            may_write=lambda: self._elector.leading,
            loaded=lambda: self._loaded,
            expire=self._expire,
        )
        parts = Parts(self._settings, self._clock, outside)
        self._gauges = parts.gauges
        REGISTRY.register(parts.gauges)
        return parts

    async def _watch(self, intake: Intake) -> None:
        """Kopf, until cancelled; its failure is ours.

        Kopf takes SIGTERM and SIGINT for itself and returns on them: then we stop, too.
        """
        await kopf.operator(
            registry=build_registry(intake.take, self._hub.endpoint),
            settings=build_settings(),
            clusterwide=True,
            standalone=True,
        )
        self.stop()

    async def _audit(self, intake: Intake) -> None:
        while True:
            await self._clock.sleep(self._settings.hub.audit_seconds)
            await hub_reads.audit(self._hub, intake.known(), intake.take)

    def _expire(self, record: Record) -> None:
        metadata = record.model.metadata
        path = (
            f"/apis/{GROUP}/{VERSION}/namespaces/{metadata.namespace}/aiworkloads/{metadata.name}"
        )
        log.info("finished workload expired", workload=record.label)
        task = asyncio.ensure_future(_delete(self._hub, path, record.uid))
        _background.add(task)
        task.add_done_callback(_background.discard)


_background: set[asyncio.Future[None]] = set()


async def _delete(session: ApiSession, path: str, uid: str) -> None:
    try:
        await session.delete(path, uid=uid)
    except (ApiError, SiteUnreachableError) as error:
        log.warning("expired workload was not deleted", path=path, error=str(error))


async def _run(settings: Settings, endpoint: Endpoint) -> int:
    operator = Operator(settings, endpoint, SystemClock())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, operator.stop)
    return await operator.run()


def main(settings: Settings) -> int:
    """Run the operator; returns the exit code.

    Raises:
        ConfigurationError: there is no hub to talk to.
    """
    configure_logging(settings.log.level, settings.log.style)
    structlog.contextvars.clear_contextvars()
    log.info("operator starting", version=__version__, pid=os.getpid())
    endpoint = hub_endpoint(settings.hub.kubeconfig, settings.hub.context)
    _calm_collector()
    runner: Callable[[Any], int] = _runner()
    return runner(_run(settings, endpoint))


def _calm_collector() -> None:
    """Look for cycles less often: a tenth of the CPU in a storm goes into finding none.

    Records and slim objects hold no cycles, and live long: walking over all of them each few
    thousand allocations frees nothing. What was imported is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _runner() -> Callable[[Any], int]:
    """Uvloop where it is installed: about a quarter less CPU for the same requests."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    runner: Callable[[Any], int] = uvloop.run
    return runner
