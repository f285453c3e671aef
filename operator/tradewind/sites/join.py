"""Make a cluster a site, and undo it: what a member and the hub need for each other.

Joining makes, at the member: a namespace, a service account with the least rights that dispatch
needs, and a token for it. On the hub: a Secret with a kubeconfig made of that token, and the
ComputeSite that points at it. Every step is a server-side apply, so that a second run mends what is
missing and changes nothing else; objects of that name which somebody else made are left alone.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import yaml

from tradewind.api.names import API_VERSION, GROUP, LABEL_MANAGED_BY, MANAGED_BY, VERSION
from tradewind.base.errors import ApiError, ConfigurationError, ForeignObjectError
from tradewind.sites.client import ApiSession, find_object

SYSTEM_NAMESPACE: Final = "tradewind-system"
ACCOUNT: Final = "tradewind-dispatch"
MANAGER: Final = "tradewind-join"
#: Asked for; a member's API server may cap it, and says so in its answer. Seconds.
TOKEN_LIFETIME_S: Final = 365 * 24 * 3600

_OURS: Final = {LABEL_MANAGED_BY: MANAGED_BY}
_SITES: Final = f"/apis/{GROUP}/{VERSION}/computesites"
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"

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


def member_objects(*, node_labels: bool = True) -> list[dict[str, Any]]:
    """What a member gets: namespace, account, and the rights to read nodes and dispatch work.

    Args:
        node_labels: give the right to label nodes, which is the right to patch them.
    """
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM_NAMESPACE}
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ACCOUNT}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": SYSTEM_NAMESPACE, "labels": _OURS},
        },
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": ACCOUNT, "namespace": SYSTEM_NAMESPACE, "labels": _OURS},
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": ACCOUNT, "labels": _OURS},
            "rules": [
                _rule("", ("nodes", "pods"), ("get", "list", "watch")),
                *([_rule("", ("nodes",), ("patch",))] if node_labels else []),
                _rule("", ("namespaces",), ("get", "create")),
                _rule("batch", ("jobs",), ("get", "list", "watch", "create", "patch", "delete")),
                _rule(
                    "apps", ("deployments",), ("get", "list", "watch", "create", "patch", "delete")
                ),
                _rule(
                    "resource.k8s.io",
                    ("resourceslices", "deviceclasses", "resourceclaims"),
                    ("get", "list", "watch"),
                ),
                _rule(
                    "resource.k8s.io",
                    ("resourceclaimtemplates",),
                    ("get", "list", "create", "patch", "delete"),
                ),
                _rule("node.k8s.io", ("runtimeclasses",), ("get", "list", "watch")),
                {"nonResourceURLs": ["/readyz", "/version", "/apis/*"], "verbs": ["get"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ACCOUNT, "labels": _OURS},
            "roleRef": role_ref,
            "subjects": [subject],
        },
    ]


def _rule(group: str, resources: tuple[str, ...], verbs: tuple[str, ...]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}


def hub_objects(site: Mapping[str, Any], kubeconfig: str) -> list[dict[str, Any]]:
    """What the hub gets: the namespace, the Secret and the ComputeSite that points at it."""
    name = site["metadata"]["name"]
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(name),
            "namespace": SYSTEM_NAMESPACE,
            "labels": _OURS | {f"{GROUP}/site": name},
        },
        "type": "Opaque",
        "data": {"kubeconfig": base64.b64encode(kubeconfig.encode()).decode()},
    }
    metadata = site["metadata"]
    made = {
        "apiVersion": API_VERSION,
        "kind": "ComputeSite",
        "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **_OURS}},
        "spec": {
            **(site.get("spec") or {}),
            "access": {
                "kubeconfigSecretRef": {
                    "namespace": SYSTEM_NAMESPACE,
                    "name": secret_name(name),
                    "key": "kubeconfig",
                }
            },
        },
    }
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": SYSTEM_NAMESPACE},
    }
    return [namespace, secret, made]


def secret_name(site: str) -> str:
    """Name of the Secret that holds a site's kubeconfig."""
    return f"site-{site}"


def kubeconfig_for(name: str, session: ApiSession, token: str) -> str:
    """A kubeconfig with nothing in it but one server, its CA and one token."""
    cluster: dict[str, Any] = {"server": session.endpoint.server}
    if session.endpoint.ca_pem:
        encoded = base64.b64encode(session.endpoint.ca_pem.encode()).decode()
        cluster["certificate-authority-data"] = encoded
    if session.endpoint.server_name:
        cluster["tls-server-name"] = session.endpoint.server_name
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": ACCOUNT, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": ACCOUNT}}],
        },
        sort_keys=False,
    )


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
        label = _label(body)
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


async def leave(
    hub: ApiSession,
    member: ApiSession | None,
    name: str,
    *,
    progress: Progress,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Undo a join.

    Args:
        hub: with the rights of whoever leaves.
        member: None leaves the member as it is, for a cluster that is gone.
        name: of the ComputeSite.
        progress: told of each step.
        force: leave although work is placed there; the operator takes it away first.
        dry_run: say what would be deleted, and delete nothing.

    Raises:
        ConfigurationError: there is no such site, or work is placed there.
        ForeignObjectError: the ComputeSite was not made by a join.
    """
    site = await find_object(hub, f"{_SITES}/{name}")
    if site is None:
        raise ConfigurationError(f"there is no ComputeSite {name}", hint="`tradewind sites` lists")
    _must_be_ours(site)
    placed = await _placed_at(hub, name)
    if placed and not force:
        raise ConfigurationError(
            f"site {name} has {len(placed)} workload(s): {', '.join(placed[:5])}",
            hint="cordon it and wait, or add --force: its work is then taken away and placed anew",
        )
    paths = [(hub, "hub", f"ComputeSite {name}", f"{_SITES}/{name}")]
    secret = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/{secret_name(name)}"
    paths.append((hub, "hub", f"Secret {SYSTEM_NAMESPACE}/{secret_name(name)}", secret))
    if member is not None:
        paths += [
            (member, name, _label(body), _path(body))
            for body in reversed(member_objects())
            if body["kind"] != "Namespace"  # others may have come to use it
        ]
    for session, where, label, path in paths:
        found = await find_object(session, path)
        if found is None:
            progress(f"{where}: {label}", "was not there")
            continue
        _must_be_ours(found)
        if not dry_run:
            await session.delete(path, uid=found["metadata"]["uid"])
            if session is hub and label.startswith("ComputeSite"):
                await _wait_gone(hub, path)
        progress(f"{where}: {label}", "would be deleted" if dry_run else "deleted")


async def _wait_gone(hub: ApiSession, path: str) -> None:
    """Wait for the operator to take the site's work away: it needs the credentials for that."""
    import asyncio

    for _ in range(240):
        if await find_object(hub, path) is None:
            return
        await asyncio.sleep(0.5)
    raise ConfigurationError(
        "the ComputeSite is still being removed after two minutes",
        hint="is the operator running? `kubectl tradewind forget` lets go of a dead cluster",
    )


async def _placed_at(hub: ApiSession, site: str) -> list[str]:
    body = msgspec.json.decode(await hub.get(f"/apis/{GROUP}/{VERSION}/aiworkloads"))
    return sorted(
        f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        for item in body["items"]
        if any(
            part.get("site") == site and part.get("phase") not in ("Succeeded", "Failed", "Lost")
            for part in (item.get("status") or {}).get("placements") or ()
        )
    )


async def _guard(session: ApiSession, body: Mapping[str, Any]) -> None:
    found = await find_object(session, _path(body))
    if found is not None and body["kind"] != "Namespace":
        _must_be_ours(found)


def _must_be_ours(found: Mapping[str, Any]) -> None:
    labels = found["metadata"].get("labels") or {}
    if labels.get(LABEL_MANAGED_BY) != MANAGED_BY:
        raise ForeignObjectError(
            f"{_label(found)} is there and was not made by `tradewind join`",
            hint=f"rename the site, or label it {LABEL_MANAGED_BY}={MANAGED_BY} to hand it over",
        )


async def _exists(session: ApiSession, body: Mapping[str, Any]) -> bool:
    return await find_object(session, _path(body)) is not None


async def _apply(session: ApiSession, body: Mapping[str, Any], *, dry_run: bool) -> None:
    params = {"fieldManager": MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
    await session.request(
        "PATCH",
        _path(body),
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


def _path(body: Mapping[str, Any]) -> str:
    name = body["metadata"]["name"]
    namespace = body["metadata"].get("namespace", "")
    match body["kind"]:
        case "Namespace":
            return f"/api/v1/namespaces/{name}"
        case "ServiceAccount":
            return f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        case "Secret":
            return f"/api/v1/namespaces/{namespace}/secrets/{name}"
        case "ClusterRole":
            return f"{_RBAC}/clusterroles/{name}"
        case "ClusterRoleBinding":
            return f"{_RBAC}/clusterrolebindings/{name}"
        case _:
            return f"{_SITES}/{name}"


def _label(body: Mapping[str, Any]) -> str:
    metadata = body["metadata"]
    namespace = metadata.get("namespace")
    return f"{body['kind']} {f'{namespace}/' if namespace else ''}{metadata['name']}"
