"""Make a cluster a site: what a member and the hub need for each other.

Joining makes, at the member: a namespace, a service account with the least rights that dispatch
needs, and a token for it. On the hub: a Secret with a kubeconfig made of that token, and the
ComputeSite that points at it. Every step is a server-side apply, so that a second run mends what is
missing and changes nothing else; objects of that name which somebody else made are left alone.
`leave.py` undoes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tradewind.base.errors import ApiError
from tradewind.sites.client import ApiSession, find_object
from tradewind.sites.joinobjects import (
    ACCOUNT,
    SYSTEM_NAMESPACE,
    hub_objects,
    kubeconfig_for,
    label_of,
    member_objects,
    must_be_ours,
    path_of,
)

MANAGER: Final = "tradewind-join"
#: Asked for; a member's API server may cap it, and says so in its answer. Seconds.
TOKEN_LIFETIME_S: Final = 365 * 24 * 3600

#: Told of each step: what it is about, and what became of it.
Progress = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Joined:
    """What a join made.

    Attributes:
        site: name of the ComputeSite.
        server: the member's API server, as the hub will use it.
        expires_at: when the member's token runs out; None when it is not known.
        objects: what was applied, `kind namespace/name`, member first.
    """

    site: str
    server: str
    expires_at: datetime | None
    objects: tuple[str, ...]


async def join(
    hub: ApiSession,
    member: ApiSession,
    site: Mapping[str, Any],
    *,
    progress: Progress,
    dry_run: bool = False,
) -> Joined:
    """Make a member a site.

    Args:
        hub: with the rights of whoever joins.
        member: likewise.
        site: the ComputeSite wanted, without `spec.access`.
        progress: told of each step.
        dry_run: ask both servers whether they would take it, and change nothing.

    Raises:
        ForeignObjectError: an object of that name is there and was not made by a join.
        ApiError: a server said no.
        SiteUnreachableError: a server gave no answer.
    """
    done: list[str] = []

    async def put(session: ApiSession, where: str, body: dict[str, Any]) -> None:
        label = label_of(body)
        await _guard(session, body)
        try:
            await _apply(session, body, dry_run=dry_run)
        except ApiError as error:
            if not (dry_run and error.not_found):  # its namespace would be made first
                raise
        done.append(label)
        progress(f"{where}: {label}", "would be applied" if dry_run else "applied")

    name = site["metadata"]["name"]
    labels_nodes = (site.get("spec") or {}).get("nodeLabels", True) is not False
    for body in member_objects(node_labels=labels_nodes):
        await put(member, name, body)
    token, expires_at = "dry-run", None
    if not dry_run:
        token, expires_at = await _token(member)
        until = f"valid until {expires_at:%Y-%m-%d}" if expires_at else "issued"
        progress(f"{name}: token of {ACCOUNT}", until)
    for body in hub_objects(site, kubeconfig_for(name, member, token)):
        if body["kind"] == "Namespace" and await _exists(hub, body):
            continue
        await put(hub, "hub", body)
    return Joined(name, member.endpoint.server, expires_at, tuple(done))


async def _guard(session: ApiSession, body: Mapping[str, Any]) -> None:
    found = await find_object(session, path_of(body))
    if found is not None and body["kind"] != "Namespace":
        must_be_ours(found)


async def _exists(session: ApiSession, body: Mapping[str, Any]) -> bool:
    return await find_object(session, path_of(body)) is not None


async def _apply(session: ApiSession, body: Mapping[str, Any], *, dry_run: bool) -> None:
    params = {"fieldManager": MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
    await session.request(
        "PATCH",
        path_of(body),
        body=body,
        content_type="application/apply-patch+yaml",
        params=params,
    )


async def _token(member: ApiSession) -> tuple[str, datetime | None]:
    """A token of the account, by the TokenRequest API."""
    path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts/{ACCOUNT}/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": TOKEN_LIFETIME_S},
    }
    status = msgspec.json.decode(await member.request("POST", path, body=body))["status"]
    expires = status.get("expirationTimestamp")
    until = datetime.fromisoformat(expires).astimezone(UTC) if expires else None
    return str(status["token"]), until
