"""Which cluster is it, what does it serve, and does it still let us in?

One namespace answers all three: every cluster has `kube-system` once, its uid names the cluster,
and reading it needs credentials.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec

from tradewind.base.errors import AccessRefusedError, ApiError
from tradewind.sites.client import ApiSession
from tradewind.workloads.adapter import Adapter
from tradewind.workloads.registry import ADAPTERS

#: What a probe reads.
IDENTITY: Final = "/api/v1/namespaces/kube-system"

#: Reasons of faults that a probe finds, and that a later one may clear.
PROBED: Final = frozenset({"Unauthorized", "Forbidden", "OtherCluster"})


@dataclass(frozen=True, slots=True)
class Identity:
    """A cluster.

    Attributes:
        cluster_uid: of its namespace kube-system.
        version: of its API server, such as `v1.37.2`.
        kinds: template kinds that it serves, as `apiVersion/Kind`.
    """

    cluster_uid: str
    version: str
    kinds: frozenset[str]


class _Metadata(msgspec.Struct):
    uid: str


class _Namespace(msgspec.Struct):
    metadata: _Metadata


def cluster_uid(answer: bytes) -> str:
    """The cluster's uid in an answer to `IDENTITY`.

    Raises:
        msgspec.MsgspecError: it is no namespace.
    """
    return msgspec.json.decode(answer, type=_Namespace).metadata.uid


async def read_identity(session: ApiSession) -> Identity:
    """Ask a cluster who it is.

    Raises:
        ApiError: it answered, and said no.
        SiteUnreachableError: no answer.
        msgspec.MsgspecError: an answer that makes no sense.
    """
    version = msgspec.json.decode(await session.get("/version"))
    uid = cluster_uid(await session.get(IDENTITY))
    kinds = [
        f"{adapter.api_version}/{adapter.kind}"
        for adapter in ADAPTERS.values()
        if await _serves(session, adapter)
    ]
    return Identity(uid, str(version.get("gitVersion", ""))[:64], frozenset(kinds))


def denial(site: str, error: ApiError) -> AccessRefusedError | None:
    """What it means that an API server denies the probe; None for any other answer."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return AccessRefusedError(
            f"site {site} does not accept the credentials",
            reason="Unauthorized",
            hint="they ran out or were revoked: `tradewind join` makes new ones",
        )
    if error.status == HTTPStatus.FORBIDDEN:
        return AccessRefusedError(
            f"site {site} does not let the credentials read namespaces",
            reason="Forbidden",
            hint="its ClusterRole was changed: `tradewind join` restores it",
        )
    return None


async def _serves(session: ApiSession, adapter: Adapter) -> bool:
    try:
        answer = msgspec.json.decode(await session.get(f"/apis/{adapter.api_version}"))
    except ApiError as error:
        if error.not_found:
            return False
        raise
    return any(resource.get("name") == adapter.plural for resource in answer.get("resources") or ())
