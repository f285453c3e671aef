"""Make one site as the hub wants it: create, update, fence and remove, a workload at a time.

Level-triggered: each pass over a workload compares what is wanted with the children that are there,
and does the first thing that brings them together:

1. A child of another epoch, or that nothing wants, is deleted; nothing new starts beside it.
2. A wanted object that is not there is created, once nobody else's object bears its name.
3. One whose template changed is applied again, where its kind can change.

One dispatcher serves one site, with its own workers and time limits: a site that hangs holds up
nobody else. Deletions carry the child's uid, so that a name that changed hands is safe.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec
from prometheus_client import Counter

from tradewind.api.names import (
    ANNOTATION_SPEC_HASH,
    LABEL_HUB_ID,
    LABEL_WORKLOAD_UID,
    MANAGER_DISPATCH,
)
from tradewind.api.workload import ObjectReference
from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError, ForeignObjectError, TemplateRefusedError
from tradewind.base.faults import AFTER_APPLY, AFTER_DELETE, fault_point
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.base.queue import KeyedQueue
from tradewind.dispatch.children import Child, ChildIndex
from tradewind.dispatch.claims import ClaimTemplates
from tradewind.dispatch.intents import Hold, Intents, Keep, Remove
from tradewind.dispatch.namespaces import Namespaces
from tradewind.dispatch.objects import (
    Made,
    adapter_of,
    bears,
    belongs,
    discard,
    pascal,
    path_of,
    path_to,
    was_created,
)
from tradewind.dispatch.render import Rendered, render_all
from tradewind.sites.client import ApiSession, find_object
from tradewind.workloads.adapter import ObservedState
from tradewind.workloads.registry import adapter_for

log = get_logger(__name__)

_ENDED = frozenset({ObservedState.SUCCEEDED, ObservedState.FAILED})

APPLIED = Counter(
    "tradewind_dispatch_applied_total",
    "Objects created or updated at a site.",
    ["site"],
    registry=REGISTRY,
)
DELETED = Counter(
    "tradewind_dispatch_deleted_total",
    "Objects deleted at a site: evicted, of an old epoch, or without a workload.",
    ["site"],
    registry=REGISTRY,
)

# A watch may be this far behind our own write before its absence means that somebody deleted the
# object. Shorter: a relist after 410 looks like a deletion. Longer: a real one shows later.
SEEN_TTL_S = 60.0

# A site that goes on refusing an object is asked again this seldom at most, seconds.
REFUSED_BACKOFF_S = 60.0

# An object that the site has and the watch does not show is asked for again after this, seconds.
UNSEEN_CHECK_S = 2.0

# Deleted children are looked at again after this, if no watch event told of the end.
DELETION_CHECK_S = 20.0


def _propagation(wanted: Keep | Remove) -> str:
    """How a child is deleted: in the foreground, it stays until its pods are gone.

    Work that is to start again, here or elsewhere, must not run beside what is left of its last
    run. A workload that is deleted for good need not wait for pods of a node that is dead.
    """
    return "Background" if isinstance(wanted, Remove) and not wanted.whole else "Foreground"


class SiteDispatcher:
    """The queue and the hands of one site.

    Args:
        site: its name.
        session: gives the session in use; it changes when credentials are rotated.
        children: kept up to date by the site's informers.
        intents: the hub's side.
        may_write: asked right before each write; False while leadership is in doubt.
        site_labels: of the ComputeSite, for overrides.
        hub_id: ours.
        clock: whose time counts.
        workers: objects handled at once.
        pod_security: level of namespaces that are made here.
        claims_devices: whether the site serves a class by DRA: what is claimed leaves templates.
    """

    def __init__(
        self,
        site: str,
        session: Callable[[], ApiSession],
        children: ChildIndex,
        intents: Intents,
        *,
        may_write: Callable[[], bool],
        site_labels: Callable[[], Mapping[str, str]],
        hub_id: str,
        clock: Clock,
        workers: int,
        pod_security: str,
        claims_devices: Callable[[], bool] = lambda: False,
    ) -> None:
        self._site = site
        self._session = session
        self._children = children
        self._intents = intents
        self._may_write = may_write
        self._site_labels = site_labels
        self._hub_id = hub_id
        self._clock = clock
        self._claims = ClaimTemplates(session, hub_id=hub_id, may_write=may_write)
        self._claims_devices = claims_devices
        self._namespaces = Namespaces(session, hub_id=hub_id, pod_security=pod_security)
        self._created: dict[str, tuple[int, float]] = {}
        self._synced = False
        self._queue: KeyedQueue[str] = KeyedQueue(
            self._reconcile,
            clock=clock,
            workers=workers,
            name=f"dispatch/{site}",
            maximum_backoff_s=REFUSED_BACKOFF_S,
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._queue.run()

    def add(self, workload_uid: str) -> None:
        """Look at a workload soon."""
        self._queue.add(workload_uid)

    def resync(self, placed: list[str]) -> None:
        """Look at everything, now that the site's informers know all that is there.

        Args:
            placed: uids of the workloads that the hub has placed here.
        """
        self._synced = True
        for uid in {*placed, *self._children.workloads()}:
            self._queue.add(uid)

    def unsync(self) -> None:
        """Stop acting until the informers have listed again."""
        self._synced = False

    def on_child(self, old: Child | None, new: Child | None) -> None:
        """Take a change of a child; the index has it already."""
        child = new or old
        if child is None or not self._synced:
            return
        wanted = self._intents.wanted(self._site, child.workload_uid)
        if (
            new is not None
            and isinstance(wanted, Keep)
            and wanted.placement.epoch == new.epoch
            and not new.deleting
        ):
            self._created.pop(new.workload_uid, None)
            self._intents.on_observed(self._site, new)
        else:
            self._queue.add(child.workload_uid)

    async def _reconcile(self, uid: str) -> None:
        if not self._synced:
            return
        wanted = self._intents.wanted(self._site, uid)
        if isinstance(wanted, Hold):
            return
        children = self._children.of(uid)
        if isinstance(wanted, Remove) and self._report_ended(children):
            wanted = self._intents.wanted(self._site, uid)
            if isinstance(wanted, Hold):
                return  # it ended before its removal came, and stays to be read
        stale = [
            child for child in children if isinstance(wanted, Remove) or not belongs(child, wanted)
        ]
        propagation = _propagation(wanted)
        for child in stale:
            await self._remove(child, propagation)
        if stale or any(child.deleting for child in children):
            self._queue.add_after(uid, DELETION_CHECK_S)  # the watch brings it back sooner
        elif isinstance(wanted, Remove):
            if await self._overlooked(uid, wanted):
                self._queue.add_after(uid, UNSEEN_CHECK_S)
            else:
                if self._claims_devices():
                    await self._claims.sweep(uid)
                self._created.pop(uid, None)
                self._intents.on_gone(self._site, uid)
        else:
            await self._keep(uid, wanted, next(iter(children), None))

    def _report_ended(self, children: Iterable[Child]) -> bool:
        """Tell of children that finished by themselves, before they are removed; whether any."""
        ended = [c for c in children if c.observed.state in _ENDED and not c.deleting]
        for child in ended:
            self._intents.on_ended(self._site, child)
        return bool(ended)

    async def _keep(self, uid: str, keep: Keep, child: Child | None) -> None:
        epoch = keep.placement.epoch
        try:
            if child is not None:
                self._intents.on_observed(self._site, child)
                await self._update(uid, keep, child)
            elif self._just_created(uid, epoch):
                self._queue.add_after(uid, SEEN_TTL_S)
            elif was_created(keep.placement) and adapter_of(keep).finishes:
                await self._look_for(uid, keep)
            else:
                await self._create(uid, keep)
        except (TemplateRefusedError, ForeignObjectError) as error:
            self._intents.on_refused(self._site, uid, epoch, pascal(error.code), error.sentence)
            raise
        except ApiError as error:
            if not error.transient:
                reason = error.reason or f"Status{error.status}"
                self._intents.on_refused(self._site, uid, epoch, reason, error.message)
            raise

    def _just_created(self, uid: str, epoch: int) -> bool:
        """Whether our own create may simply not have come through the watch yet."""
        created_epoch, at = self._created.get(uid, (-1, 0.0))
        return created_epoch == epoch and self._clock.monotonic() - at < SEEN_TTL_S

    async def _look_for(self, uid: str, keep: Keep) -> None:
        """Tell a deletion from a watch that is behind: only the site itself knows."""
        existing = await find_object(self._session(), path_of(keep.workload))
        if existing is not None and bears(existing, self._hub_id, uid, keep.placement.epoch):
            self._queue.add_after(uid, UNSEEN_CHECK_S)
        else:
            self._intents.on_vanished(self._site, uid, keep.placement.epoch)

    async def _overlooked(self, uid: str, wanted: Remove) -> bool:
        """Whether an object is there that the watch has not shown yet; it is deleted then."""
        if wanted.workload is None:
            return False
        path = path_of(wanted.workload)
        existing = await find_object(self._session(), path)
        metadata = (existing or {}).get("metadata", {})
        labels = metadata.get("labels") or {}
        if labels.get(LABEL_HUB_ID) != self._hub_id or labels.get(LABEL_WORKLOAD_UID) != uid:
            return False
        if not metadata.get("deletionTimestamp") and self._may_write():
            await self._session().delete(
                path, uid=metadata["uid"], propagation=_propagation(wanted)
            )
            DELETED.labels(self._site).inc()
            log.info("unseen object deleted", site=self._site, path=path, uid=uid)
        return True

    async def _create(self, uid: str, keep: Keep) -> None:
        rendered = self._render(keep)
        body = rendered.body
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        path = path_of(keep.workload)
        await self._namespaces.ensure(namespace)
        existing = await find_object(self._session(), path)
        if existing is not None and not bears(existing, self._hub_id, uid, keep.placement.epoch):
            raise ForeignObjectError(
                f"site {self._site}: {body['kind']} {namespace}/{name} is there already, "
                "and is not this placement's",
                hint="rename the workload, or delete that object if nobody needs it",
            )
        if not self._may_write():
            return
        try:
            if rendered.claims:
                await self._claims.sweep(uid, keep_epoch=keep.placement.epoch)
            await self._apply(path, rendered, uid, keep)
        except ApiError as error:
            if error.not_found:
                self._namespaces.forget(namespace)
            raise
        self._created[uid] = (keep.placement.epoch, self._clock.monotonic())

    async def _update(self, uid: str, keep: Keep, child: Child) -> None:
        adapter = adapter_of(keep)
        if adapter.finishes:
            return  # its template is immutable, and a second run is no update
        rendered = self._render(keep)
        body = rendered.body
        if body["metadata"]["annotations"][ANNOTATION_SPEC_HASH] == child.spec_hash:
            return
        for field in adapter.owned_by_others:
            discard(body, field)
        if self._may_write():
            await self._apply(path_to(adapter, child.namespace, child.name), rendered, uid, keep)

    async def _apply(self, path: str, rendered: Rendered, uid: str, keep: Keep) -> None:
        body = rendered.body
        if rendered.claims:
            await self._claims.ensure(rendered.claims, site=self._site)
        answer = await self._session().apply(path, body, field_manager=MANAGER_DISPATCH, force=True)
        fault_point(AFTER_APPLY)
        APPLIED.labels(self._site).inc()
        made = msgspec.json.decode(answer, type=Made)
        log.info(
            "object applied",
            site=self._site,
            workload=f"{made.metadata.namespace}/{made.metadata.name}",
            uid=uid,
            epoch=keep.placement.epoch,
        )
        ref = ObjectReference(
            api_version=body["apiVersion"],
            kind=body["kind"],
            namespace=made.metadata.namespace,
            name=made.metadata.name,
            uid=made.metadata.uid,
        )
        if rendered.claims:
            await self._claims.own(rendered.claims, ref)
        self._intents.on_applied(self._site, uid, keep.placement.epoch, ref)

    async def _remove(self, child: Child, propagation: str) -> None:
        if child.deleting or not self._may_write():
            return
        api_version, _, kind = child.kind.rpartition("/")
        path = path_to(adapter_for(api_version, kind), child.namespace, child.name)
        try:
            await self._session().delete(path, uid=child.uid, propagation=propagation)
        except ApiError as error:
            if not (error.not_found or error.conflict):  # gone, or another object by now
                raise
        fault_point(AFTER_DELETE)
        DELETED.labels(self._site).inc()
        log.info(
            "object deleted",
            site=self._site,
            kind=child.kind,
            object=f"{child.namespace}/{child.name}",
            uid=child.workload_uid,
            epoch=child.epoch,
        )

    def _render(self, keep: Keep) -> Rendered:
        return render_all(
            keep.workload,
            keep.placement,
            keep.hardware,
            hub_id=self._hub_id,
            site_labels=self._site_labels(),
        )
