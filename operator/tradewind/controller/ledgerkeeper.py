"""Keep the usage ledger in its ConfigMap, so that a deleted workload's usage outlives it.

`fold()` is called before our finalizer lets a workload go, and returns when its usage is durable.
Folds that come while a write is on its way go together with the next one. A write carries the
resource version that it was made on: when another leader wrote meanwhile, or when an answer was
lost and the write happened after all, it fails with a conflict, the ledger is read anew, and what
stands in it already is not added again.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from prometheus_client import Counter

from tradewind.api.workload import Usage
from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.base.faults import AFTER_LEDGER, fault_point
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.controller.ledger import CONFIG_MAP, Ledger, changes, decode, encode
from tradewind.controller.store import Record
from tradewind.sites.client import ApiSession

log = get_logger(__name__)

LEDGER_FAULTS = Counter(
    "tradewind_ledger_faults_total",
    "Deleted workloads whose usage could not be kept, because the hub refused the ledger.",
    registry=REGISTRY,
)

_MERGE_PATCH: Final = "application/merge-patch+json"
_FORBIDDEN: Final = 403
#: A conflict is another writer's doing, and there is none for long.
_TRIES: Final = 4


class LedgerKeeper:
    """The ledger in memory and on the hub.

    Args:
        session: the hub.
        namespace: the operator's own.
        clock: whose time counts.
    """

    def __init__(self, session: ApiSession, *, namespace: str, clock: Clock) -> None:
        self._session = session
        self._namespace = namespace
        self._clock = clock
        self._ledger = Ledger()
        self._data: dict[str, str] = {}
        self._version = ""
        self._waiting: dict[str, tuple[str, Usage]] = {}
        self._gone: set[str] = set()
        self._given_up: set[str] = set()
        self._writing = asyncio.Lock()
        self._late: set[asyncio.Task[None]] = set()

    @property
    def ledger(self) -> Ledger:
        """As the hub is known to hold it; not to be changed."""
        return self._ledger

    async def load(self, living: Iterable[str]) -> None:
        """Read it once, before the first fold.

        Args:
            living: uids of the workloads on the hub.

        Raises:
            ApiError: the hub refused it, other than for want of rights.
        """
        try:
            await self._read()
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            log.warning("usage ledger is not readable", error=str(error))
        self._gone = self._ledger.folded - set(living)

    async def fold(self, record: Record) -> None:
        """Make a workload's usage outlive it; returns when that is durable.

        Raises:
            ApiError, SiteUnreachableError: it is not, and is to be tried again.
        """
        usage = record.status.usage
        if usage is None or not usage.periods or record.uid in self._ledger.folded:
            return
        self._waiting[record.uid] = (record.model.metadata.namespace, usage)
        async with self._writing:
            if record.uid in self._waiting:
                await self._write(dict(self._waiting))
        fault_point(AFTER_LEDGER)

    def dropped(self, record: Record) -> None:
        """The hub shows that a workload is gone; one that somebody else let go is folded now."""
        if record.uid in self._ledger.folded:
            self._gone.add(record.uid)
        elif record.uid in self._given_up:
            self._given_up.discard(record.uid)
        elif record.status.usage is not None:
            task = asyncio.ensure_future(self._fold_late(record))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _fold_late(self, record: Record) -> None:
        try:
            await self.fold(record)
        except (ApiError, SiteUnreachableError) as error:
            LEDGER_FAULTS.inc()
            log.warning("usage was not kept", workload=record.label, error=str(error))
        else:
            self._gone.add(record.uid)

    async def _write(self, batch: dict[str, tuple[str, Usage]]) -> None:
        for _ in range(_TRIES):
            trial = self._ledger.copy()
            trial.folded -= self._gone
            for uid, (namespace, usage) in batch.items():
                trial.fold(uid, namespace, usage)
            trial.compact(self._clock.now().date())
            data = encode(trial)
            try:
                self._version = await self._send(changes(self._data, data))
            except ApiError as error:
                if error.status == _FORBIDDEN or (error.not_found and not self._version):
                    self._give_up(batch, error)
                    return
                if error.not_found:  # somebody deleted it; what was in it is known here
                    self._data, self._version = {}, ""
                elif error.conflict:
                    await self._read()
                else:
                    raise
            else:
                self._gone &= trial.folded  # who came meanwhile waits for the next write
                self._ledger, self._data = trial, data
                self._done(batch)
                return
        raise SiteUnreachableError("the usage ledger is written by somebody else all the time")

    def _give_up(self, batch: dict[str, tuple[str, Usage]], error: ApiError) -> None:
        """No rights, or no namespace: a deletion that never ends is worse than a gap in a bill."""
        LEDGER_FAULTS.inc(len(batch))
        log.error(
            "usage was not kept",
            workloads=len(batch),
            error=str(error),
            hint=f"grant get, patch and create of ConfigMap {self._namespace}/{CONFIG_MAP}",
        )
        self._given_up.update(batch)
        self._done(batch)

    def _done(self, batch: dict[str, tuple[str, Usage]]) -> None:
        for uid in batch:
            self._waiting.pop(uid, None)

    async def _read(self) -> None:
        self._data, self._version, self._ledger = {}, "", Ledger()
        try:
            found = msgspec.json.decode(await self._session.get(self._path(CONFIG_MAP)))
        except ApiError as error:
            if error.not_found:
                return
            raise
        self._version = found["metadata"]["resourceVersion"]
        data = found.get("data") or {}
        try:
            self._ledger = decode(data)
        except ValueError as error:
            # Somebody's edit. What cannot be read is kept aside, so that it can be mended by hand.
            log.warning("usage ledger was not read", error=str(error), kept=f"{CONFIG_MAP}-unread")
            await self._set_aside(data)
            self._ledger = _readable(data)
        self._data = dict(data)

    async def _set_aside(self, data: dict[str, str]) -> None:
        body = self._object(f"{CONFIG_MAP}-unread", data)
        try:
            await self._session.request("POST", self._path(), body=body)
        except ApiError as error:
            if not error.conflict:
                log.warning("unreadable usage ledger was not kept", error=str(error))

    async def _send(self, changed: dict[str, str | None]) -> str:
        """Write the difference; returns the new resource version."""
        if self._version:
            body: dict[str, Any] = {"metadata": {"resourceVersion": self._version}}
            body["data"] = changed
            answer = await self._session.request(
                "PATCH", self._path(CONFIG_MAP), body=body, content_type=_MERGE_PATCH
            )
        else:
            body = self._object(CONFIG_MAP, changed)
            answer = await self._session.request("POST", self._path(), body=body)
        version: str = msgspec.json.decode(answer)["metadata"]["resourceVersion"]
        return version

    def _object(self, name: str, data: Any) -> dict[str, Any]:
        labels = {"app.kubernetes.io/part-of": "tradewind"}
        metadata = {"name": name, "namespace": self._namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    def _path(self, name: str = "") -> str:
        path = f"/api/v1/namespaces/{self._namespace}/configmaps"
        return f"{path}/{name}" if name else path


def _readable(data: dict[str, str]) -> Ledger:
    """The ledger without the periods that cannot be read."""
    found = Ledger()
    for key, text in data.items():
        try:
            part = decode({key: text})
        except ValueError:
            continue
        found.rows |= part.rows
        found.folded |= part.folded
    return found
