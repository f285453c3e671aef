"""What is there, kept up to date: list, watch, and list again when the watch has lost its place.

A list is compared with what was known, so that a deletion which no watch told of is seen. A watch
goes on from the last resource version after a broken connection, and is replaced by a list when the
server no longer knows that version (410). A stream that is silent for longer than the server would
keep it is dead, whatever the connection says. Nothing that a member sends ends the task.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Generic, TypeVar

import msgspec
from prometheus_client import Counter

from tradewind.base.aio import Backoff, Clock
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.sites.client import ApiSession
from tradewind.sites.slim import Slim

log = get_logger(__name__)

T = TypeVar("T", bound=Any)

LISTS = Counter(
    "tradewind_informer_lists_total",
    "Whole lists that informers made: one at the start, and one after each lost watch.",
    ["site", "resource"],
    registry=REGISTRY,
)
FAULTS = Counter(
    "tradewind_informer_faults_total",
    "Watches that broke, and lines of them that could not be read.",
    ["site", "resource"],
    registry=REGISTRY,
)

PAGE = 500
#: The server ends a watch after this; a quiet one may be silent until then, since a bookmark comes
#: only when there is something new to tell.
WATCH_S = 240
#: A stream that has been silent for longer than the server would keep it is dead.
IDLE_TIMEOUT_S = WATCH_S + 30.0


#: Answers that say that there is no such kind, or that it is not for us.
_ABSENT = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
#: A kind that was not there is looked for again after this, seconds: drivers get installed.
ABSENT_CHECK_S = 300.0


class _ListMetadata(Slim):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(Slim, Generic[T]):
    metadata: _ListMetadata
    items: list[T] | None = None


class _Event(Slim):
    type: str
    object: msgspec.Raw


class _Version(Slim):
    resource_version: str = ""


class _Bookmark(Slim):
    metadata: _Version


class _Error(Slim):
    code: int = 0
    reason: str = ""
    message: str = ""


class LostPlaceError(Exception):
    """The watch cannot go on from where it was: list again."""


class Informer(Generic[T]):
    """One kind of objects at one cluster.

    Args:
        session: gives the session in use; it changes when credentials are rotated.
        path: of the collection.
        item: the slim type that objects are decoded into; has `metadata` with uid and version.
        site: name of the cluster, for logs and metrics.
        selectors: `labelSelector`, `fieldSelector`.
        on_change: called with the object before and after; None for neither. Must not block.
        on_synced: called after each whole list.
        on_answer: called whenever the server said anything at all.
        clock: whose time counts.
        optional: the server may not have that kind, or not let us read it: then there are none of
            it, and it is asked again now and then.
    """

    def __init__(
        self,
        session: Callable[[], ApiSession],
        path: str,
        item: type[T],
        *,
        site: str,
        selectors: Mapping[str, str],
        on_change: Callable[[T | None, T | None], None],
        on_synced: Callable[[], None],
        on_answer: Callable[[], None],
        clock: Clock,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        optional: bool = False,
    ) -> None:
        self._session = session
        self._site = site
        self._path = path
        self._selectors = dict(selectors)
        self._on_change = on_change
        self._on_synced = on_synced
        self._on_answer = on_answer
        self._clock = clock
        self._idle_timeout_s = idle_timeout_s
        self._optional = optional
        page: Any = _Page
        self._pages = msgspec.json.Decoder(page[item])
        self._items = msgspec.json.Decoder(item)
        self._events = msgspec.json.Decoder(_Event)
        self._known: dict[str, T] = {}
        self._version = ""
        self.synced = False

    @property
    def items(self) -> Iterable[T]:
        """The objects as last seen."""
        return self._known.values()

    async def run(self) -> None:
        """List and watch until cancelled."""
        backoff = Backoff(0.2, 15.0)
        while True:
            try:
                if not self._version:
                    await self._list()
                    backoff.reset()
                await self._watch()
                backoff.reset()  # the server ends a watch after some minutes: that is no fault
            except LostPlaceError:
                self._version = ""
            except (SiteUnreachableError, ApiError, msgspec.MsgspecError) as error:
                if self._optional and isinstance(error, ApiError) and error.status in _ABSENT:
                    self._do_without(error)
                    await self._clock.sleep(ABSENT_CHECK_S)
                    continue
                self._fault(error)
                if isinstance(error, msgspec.MsgspecError) or (
                    isinstance(error, ApiError) and not error.throttled
                ):
                    self._version = ""
                wait_s = backoff.next()
                if isinstance(error, ApiError) and error.retry_after_s:
                    wait_s = max(wait_s, error.retry_after_s)
                await self._clock.sleep(wait_s)

    def _do_without(self, error: ApiError) -> None:
        if not self.synced or self._known:
            log.info("kind is not read", site=self._site, path=self._path, why=error.message[:300])
        self._replace({})
        self._version = ""
        self.synced = True
        self._on_synced()

    def _fault(self, error: Exception) -> None:
        FAULTS.labels(self._site, self._resource).inc()
        log.info("watch broke", site=self._site, path=self._path, error=str(error)[:300])

    @property
    def _resource(self) -> str:
        return self._path.rpartition("/")[2]

    async def _list(self) -> None:
        session = self._session()
        LISTS.labels(self._site, self._resource).inc()
        found: dict[str, T] = {}
        token, version = "", ""
        while True:
            params = self._selectors | {"limit": str(PAGE)}
            if token:
                params["continue"] = token
            try:
                page = self._pages.decode(await session.get(self._path, params))
            except ApiError as error:
                if error.gone and token:
                    raise LostPlaceError from error
                raise
            self._on_answer()
            for item in page.items or ():
                found[item.metadata.uid] = item
            version = page.metadata.resource_version
            if not version:
                raise msgspec.ValidationError("the list has no resourceVersion")
            token = page.metadata.continue_
            if not token:
                break
        self._replace(found)
        self._version = version
        self.synced = True
        self._on_synced()

    def _replace(self, found: dict[str, T]) -> None:
        before, self._known = self._known, found
        for uid, item in before.items():
            if uid not in found:
                self._tell(item, None)
        for uid, item in found.items():
            old = before.get(uid)
            if old is None or old.metadata.resource_version != item.metadata.resource_version:
                self._tell(old, item)

    async def _watch(self) -> None:
        params = self._selectors | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(WATCH_S),
        }
        try:
            async for line in self._session().stream(
                self._path, params, idle_timeout_s=self._idle_timeout_s
            ):
                self._on_answer()
                self._take(self._events.decode(line))
        except ApiError as error:
            if error.gone:
                raise LostPlaceError from error
            raise

    def _take(self, event: _Event) -> None:
        if event.type == "BOOKMARK":
            self._version = msgspec.json.decode(
                event.object, type=_Bookmark
            ).metadata.resource_version
            return
        if event.type == "ERROR":
            told = msgspec.json.decode(event.object, type=_Error)
            log.info(
                "watch lost its place",
                site=self._site,
                path=self._path,
                code=told.code,
                reason=told.reason,
            )
            raise LostPlaceError
        item = self._items.decode(event.object)
        metadata = item.metadata
        self._version = metadata.resource_version or self._version
        if event.type == "DELETED":
            old = self._known.pop(metadata.uid, None)
            if old is not None:
                self._tell(old, None)
            return
        old = self._known.get(metadata.uid)
        if old is not None and _older(metadata.resource_version, old.metadata.resource_version):
            return
        self._known[metadata.uid] = item
        self._tell(old, item)

    def _tell(self, old: T | None, new: T | None) -> None:
        try:
            self._on_change(old, new)
        except Exception:
            log.exception("change was not taken", path=self._path)


def _older(version: str, than: str) -> bool:
    """Whether a resource version is not newer; unlike ones (by a rebuilt etcd) are taken."""
    return version.isdecimal() and than.isdecimal() and int(version) <= int(than)
