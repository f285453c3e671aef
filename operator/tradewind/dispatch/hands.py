"""Everything that is read and written at one site: create, update, find, delete, each on its own.

What should be done, and when, is `apply.py`'s to decide. Each write is preceded by the question
whether this process may still write; a deletion carries the uid, so that a name that changed hands
is safe.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from prometheus_client import Counter

from tradewind.api.names import (
    ANNOTATION_SPEC_HASH,
    LABEL_HUB_ID,
    LABEL_WORKLOAD_UID,
    MANAGER_DISPATCH,
)
from tradewind.api.workload import ObjectReference
from tradewind.base.errors import ApiError, ForeignObjectError
from tradewind.base.faults import AFTER_APPLY, AFTER_DELETE, fault_point
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.dispatch.children import Child
from tradewind.dispatch.claims import ClaimTemplates
from tradewind.dispatch.intents import Keep, Remove
from tradewind.dispatch.namespaces import Namespaces
from tradewind.dispatch.objects import Made, adapter_of, bears, discard, path_of, path_to
from tradewind.dispatch.render import Rendered, render_all
from tradewind.sites.client import ApiSession, find_object
from tradewind.workloads.registry import adapter_for

log = get_logger(__name__)

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


_FOREGROUND: Final = "Foreground"


class SiteHands:
    """Acts at one site.

    Args:
        site: its name.
        session: gives the session in use; it changes when credentials are rotated.
        may_write: asked right before each write; False while leadership is in doubt.
        site_labels: of the ComputeSite, for overrides.
        hub_id: ours.
        pod_security: level of namespaces that are made here.
    """

    def __init__(
        self,
        site: str,
        session: Callable[[], ApiSession],
        *,
        may_write: Callable[[], bool],
        site_labels: Callable[[], Mapping[str, str]],
        hub_id: str,
        pod_security: str,
    ) -> None:
        self._site = site
        self._session = session
        self._may_write = may_write
        self._site_labels = site_labels
        self._hub_id = hub_id
        self._claims = ClaimTemplates(session, hub_id=hub_id, may_write=may_write)
        self._namespaces = Namespaces(session, hub_id=hub_id, pod_security=pod_security)

    async def create(self, keep: Keep) -> ObjectReference | None:
        """Make a placement's object, or take over our own of before a crash.

        Returns:
            The object; None while this process may not write.

        Raises:
            ForeignObjectError: another object bears its name.
            ApiError: the site said no.
        """
        uid, epoch = keep.workload.metadata.uid, keep.placement.epoch
        rendered = self._render(keep)
        metadata = rendered.body["metadata"]
        path = path_of(keep.workload)
        await self._namespaces.ensure(metadata["namespace"])
        existing = await find_object(self._session(), path)
        if existing is not None and not bears(existing, self._hub_id, uid, epoch):
            raise ForeignObjectError(
                f"site {self._site}: {rendered.body['kind']} {metadata['namespace']}/"
                f"{metadata['name']} is there already, and is not this placement's",
                hint="rename the workload, or delete that object if nobody needs it",
            )
        if not self._may_write():
            return None
        try:
            if rendered.claims:
                await self._claims.sweep(uid, keep_epoch=epoch)
            return await self._apply(path, rendered, keep)
        except ApiError as error:
            if error.not_found:
                self._namespaces.forget(metadata["namespace"])
            raise

    async def update(self, keep: Keep, child: Child) -> ObjectReference | None:
        """Apply a changed template to a child whose kind can change.

        Returns:
            The object; None where nothing was to be done, or may be done.
        """
        adapter = adapter_of(keep)
        if adapter.finishes:
            return None  # its template is immutable, and a second run is no update
        rendered = self._render(keep)
        body = rendered.body
        if body["metadata"]["annotations"][ANNOTATION_SPEC_HASH] == child.spec_hash:
            return None
        for field in adapter.owned_by_others:
            discard(body, field)
        if not self._may_write():
            return None
        return await self._apply(path_to(adapter, child.namespace, child.name), rendered, keep)

    async def has(self, keep: Keep) -> bool:
        """Whether a placement's own object is there, asked of the site itself."""
        existing = await find_object(self._session(), path_of(keep.workload))
        uid, epoch = keep.workload.metadata.uid, keep.placement.epoch
        return existing is not None and bears(existing, self._hub_id, uid, epoch)

    async def remove(self, child: Child, wanted: Keep | Remove) -> None:
        """Delete a child that is not being deleted already.

        What waits for its pods is let go by a second deletion, once its workload itself goes: pods
        of a dead node never end.
        """
        propagation = _propagation(wanted)
        if not self._may_write() or (child.deleting and propagation == _FOREGROUND):
            return
        api_version, _, kind = child.kind.rpartition("/")
        path = path_to(adapter_for(api_version, kind), child.namespace, child.name)
        try:
            await self._session().delete(path, uid=child.uid, propagation=propagation)
        except ApiError as error:
            if not (error.not_found or error.conflict):  # gone, or another object by now
                raise
        fault_point(AFTER_DELETE)
        if child.deleting:
            return
        DELETED.labels(self._site).inc()
        log.info(
            "object deleted",
            site=self._site,
            kind=child.kind,
            object=f"{child.namespace}/{child.name}",
            uid=child.workload_uid,
            epoch=child.epoch,
        )

    async def remove_unseen(self, uid: str, wanted: Remove) -> bool:
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
            propagation = _propagation(wanted)
            await self._session().delete(path, uid=metadata["uid"], propagation=propagation)
            DELETED.labels(self._site).inc()
            log.info("unseen object deleted", site=self._site, path=path, uid=uid)
        return True

    async def sweep(self, uid: str) -> None:
        """Delete what is left of a workload's claim templates."""
        await self._claims.sweep(uid)

    async def _apply(self, path: str, rendered: Rendered, keep: Keep) -> ObjectReference:
        body = rendered.body
        if rendered.claims:
            await self._claims.ensure(rendered.claims, site=self._site)
        answer = await self._session().apply(path, body, field_manager=MANAGER_DISPATCH, force=True)
        fault_point(AFTER_APPLY)
        APPLIED.labels(self._site).inc()
        made = msgspec.json.decode(answer, type=Made).metadata
        log.info(
            "object applied",
            site=self._site,
            workload=f"{made.namespace}/{made.name}",
            uid=keep.workload.metadata.uid,
            epoch=keep.placement.epoch,
        )
        ref = ObjectReference(
            api_version=body["apiVersion"],
            kind=body["kind"],
            namespace=made.namespace,
            name=made.name,
            uid=made.uid,
        )
        if rendered.claims:
            await self._claims.own(rendered.claims, ref)
        return ref

    def _render(self, keep: Keep) -> Rendered:
        return render_all(
            keep.workload,
            keep.placement,
            keep.hardware,
            hub_id=self._hub_id,
            site_labels=self._site_labels(),
        )


def _propagation(wanted: Keep | Remove) -> str:
    """How a child is deleted: in the foreground, it stays until its pods are gone.

    Work that is to start again, here or elsewhere, must not run beside what is left of its last
    run. A workload that is deleted for good need not wait for pods of a node that is dead.
    """
    return "Background" if isinstance(wanted, Remove) and not wanted.whole else _FOREGROUND
