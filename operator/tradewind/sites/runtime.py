"""One engaged site: its session, its informers, its probe, and what is known of it at the moment.

A runtime is one cancellable scope. It begins with the site's credentials, finds out which cluster
that is and what it serves, and then keeps inventory and dispatched objects up to date until it is
cancelled. Rotated credentials change the session under the informers, which go on where they were;
another cluster behind the same name does not: that is an error until somebody mends it.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec

from tradewind.base.aio import Backoff, Clock
from tradewind.base.errors import AccessRefusedError, ApiError, SiteUnreachableError
from tradewind.base.observe import get_logger
from tradewind.hardware.catalog import Catalog
from tradewind.sites.access import Endpoint
from tradewind.sites.client import ApiSession
from tradewind.sites.identity import IDENTITY, PROBED, cluster_uid, denial, read_identity
from tradewind.sites.informer import Informer
from tradewind.sites.inventory import Inventory
from tradewind.sites.slim import Dispatched, RuntimeClass
from tradewind.sites.state import RuntimeSettings, SiteListener, SiteState
from tradewind.sites.watched import (
    CLAIMS,
    DEVICE_CLASSES,
    INVENTORY,
    NODES,
    PODS,
    RUNTIME_CLASSES,
    SLICES,
    Watched,
    ours_of,
)

log = get_logger(__name__)


class SiteRuntime:
    """A site while it is engaged.

    Args:
        name: of the ComputeSite.
        listener: told of everything.
        catalog: the accelerator classes in force.
        settings: how to talk to it.
        clock: whose time counts.
        claim: asks for a cluster's uid; returns the other site that has it, or an empty string.
    """

    def __init__(
        self,
        name: str,
        *,
        listener: SiteListener,
        catalog: Callable[[], Catalog],
        settings: RuntimeSettings,
        clock: Clock,
        claim: Callable[[str, str], str],
    ) -> None:
        self.name = name
        self.state = SiteState()
        self.inventory = Inventory(catalog, hub_id=settings.hub_id)
        self._listener = listener
        self._catalog = catalog
        self._settings = settings
        self._clock = clock
        self._claim = claim
        self._session: ApiSession | None = None
        self._changed = asyncio.Event()
        self._failures = 0

    @property
    def session(self) -> ApiSession:
        """The session in use.

        Raises:
            SiteUnreachableError: there are no usable credentials at the moment.
        """
        if self._session is None:
            raise SiteUnreachableError(f"{self.name}: no usable credentials", site=self.name)
        return self._session

    def use(self, endpoint: Endpoint | AccessRefusedError) -> None:
        """Take credentials, new or rotated, or the reason why there are none."""
        if isinstance(endpoint, AccessRefusedError):
            self._set_fault(endpoint)
            self._drop_session()
        elif self._session is None or endpoint != self._session.endpoint:
            self._drop_session()
            self._session = ApiSession(
                endpoint, name=self.name, timeout_s=self._settings.request_timeout_s
            )
            self._set_fault(None)
        self._changed.set()

    def use_anew(self, endpoint: Endpoint) -> None:
        """Replace the session by one with new connections."""
        self._drop_session()
        self.use(endpoint)

    async def run(self) -> None:
        """Engage until cancelled; a second run begins with nothing known."""
        self.inventory = Inventory(self._catalog, hub_id=self._settings.hub_id)
        self.state.inventory_synced = self.state.objects_synced = False
        self.state.synced_kinds.clear()
        self.state.runtime_classes.clear()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._probe())
                await self._identify()
                for informer in self._informers():
                    tasks.create_task(informer.run())
        finally:
            self._drop_session()

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            # Closing breaks the watches on it at once; they go on with the next session.
            task = asyncio.ensure_future(session.close())
            _closing.add(task)
            task.add_done_callback(_closing.discard)

    def _set_fault(self, fault: AccessRefusedError | None) -> None:
        before = self.state.fault
        self.state.fault = fault
        if (fault and fault.reason) != (before and before.reason):
            if fault is not None:
                log.warning("site refused", site=self.name, reason=fault.reason, error=str(fault))
            self._listener.on_health(self.name)

    async def _identify(self) -> None:
        """Find out which cluster it is and what it serves; again until it answers."""
        backoff = Backoff(0.5, 15.0)
        while True:
            self._changed.clear()
            if self._session is None:
                await self._changed.wait()
                continue
            try:
                await self._read_identity(self._session)
            except (ApiError, SiteUnreachableError, msgspec.MsgspecError) as error:
                if isinstance(error, ApiError):
                    self._set_fault(denial(self.name, error) or self.state.fault)
                self.state.detail = str(error)
                await self._clock.sleep(backoff.next())
            except AccessRefusedError as error:
                self._set_fault(error)
                await self._changed.wait()
            else:
                self._answered()
                self._listener.on_health(self.name)
                return

    async def _read_identity(self, session: ApiSession) -> None:
        identity = await read_identity(session)
        other = self._claim(self.name, identity.cluster_uid)
        if other:
            raise AccessRefusedError(
                f"site {self.name} is the same cluster as site {other}",
                reason="SameCluster",
                hint="delete one of the two ComputeSites: its capacity would count twice",
            )
        self.state.kubernetes_version = identity.version
        self.state.cluster_uid = identity.cluster_uid
        self.state.kinds = identity.kinds

    def _informers(self) -> list[Informer[Any]]:
        inventory = self.inventory
        listed: list[tuple[Watched, Callable[[Any, Any], None]]] = [
            (NODES, inventory.on_node),
            (PODS, inventory.on_pod),
            (SLICES, inventory.on_slice),
            (DEVICE_CLASSES, inventory.on_device_class),
            (CLAIMS, inventory.on_claim),
            (RUNTIME_CLASSES, self._on_runtime_class),
        ]
        informers = [self._informer(what, self._told(take)) for what, take in listed]
        for kind in sorted(self.state.kinds):
            what = ours_of(kind, self._settings.hub_id)
            informers.append(self._informer(what, self._on_object(kind)))
        return informers

    def _informer(self, what: Watched, on_change: Callable[[Any, Any], None]) -> Informer[Any]:
        return Informer(
            lambda: self.session,
            what.path,
            what.item,
            site=self.name,
            selectors=what.selectors,
            on_change=on_change,
            on_synced=lambda: self._synced(what),
            on_answer=self._answered,
            clock=self._clock,
            optional=what.optional,
        )

    def _told(self, take: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        """Take a change of the inventory, and tell of it once that is whole."""

        def told(old: Any, new: Any) -> None:
            take(old, new)
            if self.state.inventory_synced:
                self._listener.on_inventory(self.name)

        return told

    def _on_runtime_class(self, old: RuntimeClass | None, new: RuntimeClass | None) -> None:
        if new is not None:
            self.state.runtime_classes.add(new.metadata.name)
        elif old is not None:
            self.state.runtime_classes.discard(old.metadata.name)

    def _on_object(self, kind: str) -> Callable[[Dispatched | None, Dispatched | None], None]:
        return lambda old, new: self._listener.on_object(self.name, kind, old, new)

    def _synced(self, what: Watched) -> None:
        state = self.state
        state.synced_kinds.add(what.path)
        if not state.inventory_synced and state.synced_kinds >= INVENTORY:
            state.inventory_synced = True
            log.info("inventory synced", site=self.name, nodes=self.inventory.view().nodes)
            self._listener.on_inventory(self.name)
        objects = {ours_of(kind, self._settings.hub_id).path for kind in state.kinds}
        whole = state.synced_kinds >= INVENTORY | objects
        # What a site may lack is asked for again and again: no news to dispatch.
        if whole and not (state.objects_synced and what.optional):
            state.objects_synced = True
            self._listener.on_objects_synced(self.name)

    async def _probe(self) -> None:
        """Ask for a sign of life, whatever the watches do: a hung server keeps connections open.

        What is asked for needs credentials, and names the cluster: a token that was revoked, or
        another cluster behind the address, shows at the next probe and not at the next dispatch.
        """
        interval_s = self._settings.probe_s
        while True:
            started = self._clock.monotonic()
            try:
                answer = await self.session.get(IDENTITY, timeout_s=interval_s)
            except ApiError as error:
                # An answer that says no is an answer; one that says "not ready" is not.
                if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    self._unanswered(str(error))
                else:
                    self._answered()
                    self._set_fault(denial(self.name, error) or self.state.fault)
            except SiteUnreachableError as error:
                self._unanswered(str(error))
            else:
                self._hear(answer)
            spent = self._clock.monotonic() - started
            await self._clock.sleep(max(0.2, interval_s - spent))

    def _hear(self, answer: bytes) -> None:
        """Clear what an answer disproves; refuse another cluster than the one engaged."""
        known = self.state.cluster_uid
        try:
            uid = cluster_uid(answer)
        except msgspec.MsgspecError as error:
            self._unanswered(f"answers what is no namespace: {error}")
            return
        self._answered()
        if known and uid != known:
            fault = AccessRefusedError(
                f"site {self.name} now leads to another cluster than before",
                reason="OtherCluster",
                hint="restore its address and credentials, or delete the ComputeSite and join anew",
            )
            self._set_fault(fault)
        elif self.state.fault is not None and self.state.fault.reason in PROBED:
            self._set_fault(None)

    def _answered(self) -> None:
        self._failures = 0
        self._set_reachable(reachable=True, detail="")

    def _unanswered(self, detail: str) -> None:
        self._failures += 1
        if self._failures >= self._settings.probe_failures:
            self._set_reachable(reachable=False, detail=detail)

    def _set_reachable(self, *, reachable: bool, detail: str) -> None:
        state = self.state
        if state.reachable is reachable:
            return
        if reachable and state.reachable is False and self._session is not None:
            # The watches may hang on connections that died while it was away: begin them anew.
            self.use_anew(self._session.endpoint)
        state.reachable, state.detail = reachable, detail
        state.since = self._clock.now()
        log.info("site reachable" if reachable else "site unreachable", site=self.name, why=detail)
        self._listener.on_health(self.name)


_closing: set[asyncio.Future[None]] = set()
