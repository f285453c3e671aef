"""What is read from the hub besides Kopf's watches: whole lists, Secrets, the hub's identity."""

import base64
from typing import Any

import msgspec

from tradewind.api.names import GROUP, VERSION
from tradewind.base.errors import ApiError, ConfigurationError
from tradewind.controller.handlers import PLURALS, Sink
from tradewind.sites.client import ApiSession, find

PAGE = 500


async def list_all(session: ApiSession, plural: str) -> list[dict[str, Any]]:
    """Every object of one of our kinds, by a consistent read, page by page.

    Raises:
        ApiError: above all 404, while the CRDs are not installed.
        SiteUnreachableError: the hub gave no answer.
    """
    objects: list[dict[str, Any]] = []
    token = ""
    while True:
        params = {"limit": str(PAGE)} | ({"continue": token} if token else {})
        page = msgspec.json.decode(
            await session.get(f"/apis/{GROUP}/{VERSION}/{plural}", params=params)
        )
        objects.extend(page["items"])
        token = page["metadata"].get("continue") or ""
        if not token:
            return objects


async def audit(session: ApiSession, known: dict[str, set[str]], sink: Sink) -> None:
    """List every kind, hand each object on, and tell of those that are gone.

    Args:
        session: the hub.
        known: uids held, by plural, as they were before the lists.
        sink: the store's entrance.
    """
    for plural in PLURALS:
        listed = await list_all(session, plural)
        for obj in listed:
            sink(plural, obj, False)  # noqa: FBT003 - the sink's own order
        seen = {obj["metadata"]["uid"] for obj in listed}
        for uid in known.get(plural, set()) - seen:
            sink(plural, {"metadata": {"uid": uid}}, True)  # noqa: FBT003


async def read_secret(session: ApiSession, namespace: str, name: str) -> dict[str, bytes] | None:
    """A Secret's data, decoded; None if there is no such Secret."""
    body = await find(session, f"/api/v1/namespaces/{namespace}/secrets/{name}")
    if body is None:
        return None
    data = msgspec.json.decode(body).get("data") or {}
    return {key: base64.b64decode(value) for key, value in data.items()}


async def identity(session: ApiSession) -> str:
    """The hub's id: the uid of its kube-system namespace, which lives as long as the cluster."""
    body = msgspec.json.decode(await session.get("/api/v1/namespaces/kube-system"))
    uid: str = body["metadata"]["uid"]
    return uid


async def check_kinds(session: ApiSession) -> None:
    """Make sure that the hub knows our kinds.

    Raises:
        ConfigurationError: it does not; says how to install them.
    """
    try:
        body = await session.get(f"/apis/{GROUP}/{VERSION}")
    except ApiError as error:
        if not error.not_found:
            raise
        served = set()
    else:
        served = {resource["name"] for resource in msgspec.json.decode(body)["resources"]}
    missing = [plural for plural in PLURALS if plural not in served]
    if missing:
        raise ConfigurationError(
            f"the hub does not know {', '.join(missing)}",
            hint="install the CRDs: `tradewind install`, or kubectl apply -f crds/",
        )
