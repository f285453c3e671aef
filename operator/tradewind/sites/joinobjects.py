"""The objects that a join makes at a member and on the hub: which, under what names, whose.

The rights are the least that dispatch needs; the chart grants the same where the hub is a site.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

import yaml

from tradewind.api.names import API_VERSION, GROUP, LABEL_MANAGED_BY, MANAGED_BY, VERSION
from tradewind.base.errors import ForeignObjectError
from tradewind.sites.client import ApiSession

SYSTEM_NAMESPACE: Final = "tradewind-system"
ACCOUNT: Final = "tradewind-dispatch"
SITES: Final = f"/apis/{GROUP}/{VERSION}/computesites"

_OURS: Final = {LABEL_MANAGED_BY: MANAGED_BY}
_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


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


def must_be_ours(found: Mapping[str, Any]) -> None:
    """Refuse what somebody else made.

    Raises:
        ForeignObjectError: it was.
    """
    labels = found["metadata"].get("labels") or {}
    if labels.get(LABEL_MANAGED_BY) != MANAGED_BY:
        raise ForeignObjectError(
            f"{label_of(found)} is there and was not made by `tradewind join`",
            hint=f"rename the site, or label it {LABEL_MANAGED_BY}={MANAGED_BY} to hand it over",
        )


def path_of(body: Mapping[str, Any]) -> str:
    """Where an object of a join is."""
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
            return f"{SITES}/{name}"


def label_of(body: Mapping[str, Any]) -> str:
    """Kind, namespace and name, for people."""
    metadata = body["metadata"]
    namespace = metadata.get("namespace")
    return f"{body['kind']} {f'{namespace}/' if namespace else ''}{metadata['name']}"
