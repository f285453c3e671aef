"""Who leads: one operator at a time, by a `coordination.k8s.io/v1` Lease.

The contract, with `retry < renew deadline < duration`:

- A candidate takes the Lease only after it has *observed* the same holder record unchanged for the
  whole duration on its own monotonic clock; another machine's `renewTime` is never compared.
- A holder that could not renew for the renew deadline stops being leader and the process ends;
  the gap to the duration is what a slow last request may still need.
- Every write carries the resource version, so that two candidates cannot both win.
- A holder that stops in order lets the Lease go, and the next one takes it at its next retry.

Cost: one read and one write each retry for the holder, one read for a candidate. RBAC: get, create
and update of Leases in the operator's own namespace.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.base.observe import get_logger
from tradewind.controller.settings import LeaseSettings
from tradewind.sites.client import ApiSession

log = get_logger(__name__)

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


class LeaseElector:
    """Acquire the Lease, keep it, and say when it is lost.

    Args:
        session: the hub.
        namespace: where the Lease is.
        identity: unique for each process that ever ran; a restarted pod is another candidate.
        settings: name and times.
        clock: whose monotonic time counts.
        on_lost: called once when leadership ends without our wish; must end the process.
    """

    def __init__(
        self,
        session: ApiSession,
        *,
        namespace: str,
        identity: str,
        settings: LeaseSettings,
        clock: Clock,
        on_lost: Callable[[], None],
    ) -> None:
        self._session = session
        self._collection = _LEASES.format(namespace=namespace)
        self._path = f"{self._collection}/{settings.name}"
        self._identity = identity
        self._settings = settings
        self._clock = clock
        self._on_lost = on_lost
        self._observed: tuple[Any, ...] | None = None
        self._observed_at = 0.0
        self._renewed_at = float("-inf")
        self._leading = False
        self._held_by_other = False

    @property
    def leading(self) -> bool:
        """True while no other process can hold the Lease; ask again right before each write."""
        return self._leading and (
            self._clock.monotonic() - self._renewed_at < self._settings.renew_deadline_seconds
        )

    @property
    def identity(self) -> str:
        """What stands in `holderIdentity`."""
        return self._identity

    async def acquire(self) -> None:
        """Return once this process leads."""
        while not await self._try():
            await self._clock.sleep(self._settings.retry_seconds)
        self._leading = True
        log.info("leadership acquired", lease=self._path, identity=self._identity)

    async def keep(self) -> None:
        """Renew until cancelled; on failure for the renew deadline, call `on_lost` and return."""
        deadline_s = self._settings.renew_deadline_seconds
        while True:
            await self._clock.sleep(self._settings.retry_seconds)
            renewed = await self._try()
            silent_s = self._clock.monotonic() - self._renewed_at
            if not renewed and (self._held_by_other or silent_s >= deadline_s):
                break
        self._leading = False
        log.error("leadership lost", lease=self._path, silent_s=round(silent_s, 1))
        self._on_lost()

    async def release(self) -> None:
        """Let the Lease go, so that the next leader need not wait for it to run out."""
        if not self._leading:
            return
        self._leading = False
        try:
            lease = await self._read()
            if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await self._write(lease)
                log.info("leadership released", lease=self._path)
        except (ApiError, SiteUnreachableError) as error:
            log.warning("lease was not released", error=str(error))

    async def _try(self) -> bool:
        """One round: True if the Lease is ours now."""
        self._held_by_other = False
        started = self._clock.monotonic()
        try:
            lease = await self._read()
            if lease is None:
                await self._create()
            elif not self._may_take(lease):
                self._held_by_other = bool(lease["spec"].get("holderIdentity"))
                return False
            else:
                await self._write(self._taken(lease))
        except ApiError as error:
            if not error.conflict:
                log.warning("lease request failed", error=str(error))
            return False
        except SiteUnreachableError as error:
            log.warning("lease request failed", error=str(error))
            return False
        self._renewed_at = started  # before the request: the server may have stamped it then
        return True

    def _may_take(self, lease: dict[str, Any]) -> bool:
        spec = lease["spec"]
        holder = spec.get("holderIdentity") or ""
        if holder in ("", self._identity):
            return True
        record = (holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        now = self._clock.monotonic()
        if record != self._observed:
            self._observed, self._observed_at = record, now
        duration_s = float(spec.get("leaseDurationSeconds") or self._settings.duration_seconds)
        return now - self._observed_at >= duration_s

    def _taken(self, lease: dict[str, Any]) -> dict[str, Any]:
        spec = lease["spec"]
        now = _micro_time(self._clock.now())
        if spec.get("holderIdentity") != self._identity:
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
            spec["acquireTime"] = now
        spec["holderIdentity"] = self._identity
        spec["leaseDurationSeconds"] = max(1, round(self._settings.duration_seconds))
        spec["renewTime"] = now
        return lease

    async def _read(self) -> dict[str, Any] | None:
        try:
            body = await self._session.request("GET", self._path, timeout_s=self._limit_s)
        except ApiError as error:
            if error.not_found:
                return None
            raise
        lease: dict[str, Any] = msgspec.json.decode(body)
        lease.setdefault("spec", {})
        return lease

    async def _create(self) -> None:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._settings.name},
            "spec": {},
        }
        body = self._taken(lease)
        await self._session.request("POST", self._collection, body=body, timeout_s=self._limit_s)

    async def _write(self, lease: dict[str, Any]) -> None:
        await self._session.request("PUT", self._path, body=lease, timeout_s=self._limit_s)

    @property
    def _limit_s(self) -> float:
        # Two requests must fit into what the renew deadline leaves after a retry.
        return (self._settings.renew_deadline_seconds - self._settings.retry_seconds) / 2


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
