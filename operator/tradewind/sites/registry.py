"""Which sites are engaged: each ComputeSite's runtime and credentials, from coming to going.

A site's Secret is watched, so that rotated credentials are used at once and one that comes late is
no fault. Every site has tasks of its own: one that hangs while it is engaged delays no other.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator

from tradewind.api.site import ComputeSite, KubeconfigSecretRef
from tradewind.base.aio import Clock, cancel_and_wait, supervise
from tradewind.base.errors import AccessRefusedError
from tradewind.base.observe import get_logger
from tradewind.hardware.catalog import Catalog
from tradewind.sites.access import Endpoint, endpoint_from_kubeconfig
from tradewind.sites.client import ApiSession
from tradewind.sites.informer import Informer
from tradewind.sites.runtime import SiteRuntime
from tradewind.sites.slim import Metadata, Slim
from tradewind.sites.state import RuntimeSettings, SiteListener

log = get_logger(__name__)


class Secret(Slim):
    """A Secret of the hub; its data is never logged."""

    metadata: Metadata
    data: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"<Secret {self.metadata.namespace}/{self.metadata.name}>"


class SiteRegistry:
    """The engaged sites.

    Args:
        hub: session of the hub, for Secrets, and for the site that is the hub itself.
        listener: told of everything that sites show.
        catalog: the accelerator classes in force.
        settings: how to talk to sites.
        allow_loopback: let kubeconfigs point at this machine.
        clock: whose time counts.
    """

    def __init__(
        self,
        hub: ApiSession,
        *,
        listener: SiteListener,
        catalog: Callable[[], Catalog],
        settings: RuntimeSettings,
        allow_loopback: bool,
        clock: Clock,
    ) -> None:
        self._hub = hub
        self._listener = listener
        self._catalog = catalog
        self._settings = settings
        self._allow_loopback = allow_loopback
        self._clock = clock
        self._runtimes: dict[str, SiteRuntime] = {}
        self._tasks: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._claims: dict[str, str] = {}

    def __iter__(self) -> Iterator[SiteRuntime]:
        return iter(list(self._runtimes.values()))

    def get(self, name: str) -> SiteRuntime | None:
        """The runtime of a site, while it is engaged."""
        return self._runtimes.get(name)

    def engage(self, site: ComputeSite) -> SiteRuntime | None:
        """Begin with a site, or take over how its access changed; returns at once.

        Returns:
            A new runtime, or None if the site was engaged already.
        """
        name, access = site.metadata.name, site.spec.access.model_dump_json()
        running = self._tasks.get(name)
        if running is not None and running[0] == access:
            return None
        if running is not None:
            self._stop(name)
        runtime = SiteRuntime(
            name,
            listener=self._listener,
            catalog=self._catalog,
            settings=self._settings,
            clock=self._clock,
            claim=self._claim,
        )
        self._runtimes[name] = runtime
        task = asyncio.create_task(self._run(runtime, site), name=f"site/{name}")
        self._tasks[name] = (access, task)
        log.info("site engaged", site=name)
        return runtime

    def disengage(self, name: str) -> None:
        """Let go of a site; returns at once."""
        if name in self._tasks:
            self._stop(name)
            log.info("site disengaged", site=name)

    def _stop(self, name: str) -> None:
        _, task = self._tasks.pop(name)
        task.cancel()
        del self._runtimes[name]
        self._claims = {uid: who for uid, who in self._claims.items() if who != name}

    async def close(self) -> None:
        """Let go of every site, and wait until their tasks are gone."""
        tasks = [task for _, task in self._tasks.values()]
        self._tasks.clear()
        self._runtimes.clear()
        await cancel_and_wait(*tasks)

    def _claim(self, name: str, uid: str) -> str:
        holder = self._claims.setdefault(uid, name)
        return "" if holder == name else holder

    async def _run(self, runtime: SiteRuntime, site: ComputeSite) -> None:
        access = site.spec.access
        async with asyncio.TaskGroup() as tasks:
            if access.hub is not None:
                runtime.use(self._hub.endpoint)
            elif access.kubeconfig_secret_ref is not None:
                tasks.create_task(self._watch_secret(runtime, access.kubeconfig_secret_ref))
            else:
                runtime.use(
                    AccessRefusedError(
                        f"site {runtime.name}: spec.access.agent is not served yet",
                        reason="AccessNotServed",
                        hint="use kubeconfigSecretRef",
                    )
                )
            tasks.create_task(supervise(f"site/{runtime.name}", runtime.run, clock=self._clock))

    async def _watch_secret(self, runtime: SiteRuntime, ref: KubeconfigSecretRef) -> None:
        informer: Informer[Secret]

        def look() -> None:
            runtime.use(self._read(ref, next(iter(informer.items), None)))

        informer = Informer(
            lambda: self._hub,
            f"/api/v1/namespaces/{ref.namespace}/secrets",
            Secret,
            site="hub",
            selectors={"fieldSelector": f"metadata.name={ref.name}"},
            on_change=lambda _old, _new: look() if informer.synced else None,
            on_synced=look,
            on_answer=lambda: None,
            clock=self._clock,
        )
        await informer.run()

    def _read(
        self, ref: KubeconfigSecretRef, secret: Secret | None
    ) -> Endpoint | AccessRefusedError:
        where = f"Secret {ref.namespace}/{ref.name}, key {ref.key}"
        try:
            text = _decode(secret, ref, where)
            return endpoint_from_kubeconfig(text, where=where, allow_loopback=self._allow_loopback)
        except AccessRefusedError as error:
            return error


def _decode(secret: Secret | None, ref: KubeconfigSecretRef, where: str) -> str:
    if secret is None:
        raise AccessRefusedError(
            f"{where}: there is no such Secret",
            reason="SecretNotFound",
            hint="`tradewind join` makes it",
        )
    encoded = (secret.data or {}).get(ref.key)
    if encoded is None:
        raise AccessRefusedError(
            f"{where}: the Secret has no such key",
            reason="SecretKeyNotFound",
            hint="put the kubeconfig under that key, or name another one in the ComputeSite",
        )
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise AccessRefusedError(
            f"{where}: is not text",
            reason="MalformedKubeconfig",
            hint="put a kubeconfig there",
        ) from None
