"""The ResourceClaimTemplates at one site: made before the object that names them, gone with it.

They bear the same labels as the object, hub, workload and epoch, and are never adopted. Once the
object is there it becomes their owner, so that the site's garbage collector takes them away with
it, whoever deletes it. What a crash left without an owner is found by its labels.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from tradewind.api.names import (
    LABEL_EPOCH,
    LABEL_HUB_ID,
    LABEL_WORKLOAD_UID,
    MANAGER_DISPATCH,
)
from tradewind.api.workload import ObjectReference
from tradewind.base.errors import ApiError, ForeignObjectError
from tradewind.base.observe import get_logger
from tradewind.sites.client import ApiSession, find

log = get_logger(__name__)

_GROUP: Final = "/apis/resource.k8s.io/v1"


class _Metadata(msgspec.Struct):
    name: str
    namespace: str
    uid: str
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class _Template(msgspec.Struct):
    metadata: _Metadata


class _List(msgspec.Struct):
    items: list[_Template] | None = None


class ClaimTemplates:
    """The claim templates of one site.

    Args:
        session: gives the site's session in use.
        hub_id: marks those that we make.
        may_write: asked right before each write.
    """

    def __init__(
        self, session: Callable[[], ApiSession], *, hub_id: str, may_write: Callable[[], bool]
    ) -> None:
        self._session = session
        self._hub_id = hub_id
        self._may_write = may_write

    async def ensure(self, claims: Iterable[Mapping[str, Any]], *, site: str) -> None:
        """Make what is not there yet.

        Raises:
            ForeignObjectError: somebody else's template bears the name.
            ApiError: the site said no.
        """
        for body in claims:
            found = await self._read(_path(body))
            if found is None:
                if self._may_write():
                    await self._apply(body)
            elif any(found.labels.get(key) != value for key, value in _fence(body).items()):
                name = f"{found.namespace}/{found.name}"
                raise ForeignObjectError(
                    f"site {site}: ResourceClaimTemplate {name} is there already, and is not this "
                    "placement's",
                    hint="delete it if nobody needs it, or rename the workload",
                )

    async def own(self, claims: Iterable[Mapping[str, Any]], owner: ObjectReference) -> None:
        """Let the object own its templates."""
        reference = {
            "apiVersion": owner.api_version,
            "kind": owner.kind,
            "name": owner.name,
            "uid": owner.uid,
        }
        for body in claims:
            if self._may_write():
                metadata = {**body["metadata"], "ownerReferences": [reference]}
                await self._apply({**body, "metadata": metadata})

    async def sweep(self, workload_uid: str, *, keep_epoch: int | None = None) -> None:
        """Delete a workload's templates of other epochs, or all of them."""
        mine = f"{LABEL_HUB_ID}={self._hub_id},{LABEL_WORKLOAD_UID}={workload_uid}"
        try:
            answer = await self._session().get(
                f"{_GROUP}/resourceclaimtemplates", {"labelSelector": mine}
            )
        except ApiError as error:
            if error.not_found:
                return  # a cluster without DRA
            raise
        for item in msgspec.json.decode(answer, type=_List).items or ():
            metadata = item.metadata
            if metadata.labels.get(LABEL_EPOCH) == str(keep_epoch) or not self._may_write():
                continue
            path = f"{_GROUP}/namespaces/{metadata.namespace}/resourceclaimtemplates/"
            try:
                await self._session().delete(f"{path}{metadata.name}", uid=metadata.uid)
            except ApiError as error:
                if not (error.not_found or error.conflict):
                    raise
            log.info("claim template deleted", path=path, name=metadata.name, uid=workload_uid)

    async def _read(self, path: str) -> _Metadata | None:
        answer = await find(self._session(), path)
        return None if answer is None else msgspec.json.decode(answer, type=_Template).metadata

    async def _apply(self, body: Mapping[str, Any]) -> None:
        await self._session().apply(_path(body), body, field_manager=MANAGER_DISPATCH, force=True)


def _fence(body: Mapping[str, Any]) -> dict[str, str]:
    labels = body["metadata"]["labels"]
    return {key: labels[key] for key in (LABEL_HUB_ID, LABEL_WORKLOAD_UID, LABEL_EPOCH)}


def _path(body: Mapping[str, Any]) -> str:
    metadata = body["metadata"]
    return f"{_GROUP}/namespaces/{metadata['namespace']}/resourceclaimtemplates/{metadata['name']}"
