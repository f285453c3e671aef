"""Is a kubeconfig from a Secret safe to use? Hostile until every field was looked at.

A kubeconfig can name a program to run, files of the operator's pod to read and send, or a server
that only the operator can reach. Whoever may write Secrets and ComputeSites would then act as the
operator. So only what a member needs is let through: one https server with its CA inline, and a
token or a client certificate inline. The rest is refused by name, and no value is ever quoted.
"""

import base64
import binascii
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml

from tradewind.base.errors import AccessRefusedError
from tradewind.base.netguard import check_host

MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API server and the credentials for it; secrets are in no representation of it.

    Attributes:
        server: https URL without a path's trailing slash.
        ca_pem: CA certificates; empty: the system's.
        token: bearer token.
        token_file: where a token is read anew from time to time; for the hub only.
        cert_pem: client certificate.
        key_pem: its key.
        server_name: name to expect in the server's certificate; empty: the host.
    """

    server: str
    ca_pem: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = field(default="", repr=False)
    cert_pem: str = field(default="", repr=False)
    key_pem: str = field(default="", repr=False)
    server_name: str = ""


def refuse(where: str, reason: str, what: str, mend: str) -> NoReturn:
    """Refuse access: names the field and the mend, never a value."""
    raise AccessRefusedError(f"{where}: {what}", reason=reason, hint=mend)


def endpoint_from_kubeconfig(text: str, *, where: str, allow_loopback: bool = False) -> Endpoint:
    """Read and check a member's kubeconfig.

    Args:
        text: the kubeconfig.
        where: names the Secret, for errors.
        allow_loopback: let it point at this machine.

    Raises:
        AccessRefusedError: anything but a plain server with inline credentials.
    """
    config = _load(text, where)
    context = _named(config, "contexts", _text(config, "current-context", where), where)
    inner = _mapping(context, "context", where)
    cluster = _mapping(
        _named(config, "clusters", _text(inner, "cluster", where), where), "cluster", where
    )
    user = _mapping(_named(config, "users", _text(inner, "user", where), where), "user", where)
    _check_user(user, where)
    _check_cluster(cluster, where)
    server = _text(cluster, "server", where)
    check_host(server, where=f"{where}: server", allow_loopback=allow_loopback)
    token = _optional(user, "token", where)
    cert = _pem(user, "client-certificate-data", where)
    key = _pem(user, "client-key-data", where)
    if bool(cert) != bool(key):
        refuse(
            where,
            "MalformedKubeconfig",
            "client-certificate-data and client-key-data belong together",
            "give both, or a token",
        )
    if not token and not cert:
        refuse(
            where,
            "NoCredentials",
            "the user has neither a token nor a client certificate",
            "put token or client-certificate-data and client-key-data into the kubeconfig",
        )
    if any(not 32 < ord(char) < 127 for char in token):  # noqa: PLR2004 - printable ASCII
        refuse(where, "MalformedKubeconfig", "token holds white space", "paste it as one line")
    endpoint = Endpoint(
        server=server.rstrip("/"),
        ca_pem=_pem(cluster, "certificate-authority-data", where),
        token=token,
        cert_pem=cert,
        key_pem=key,
        server_name=_optional(cluster, "tls-server-name", where),
    )
    _check_tls(endpoint, where)
    return endpoint


class _PlainLoader(yaml.SafeLoader):
    """Without aliases: a few lines of them unfold into gigabytes."""

    def compose_node(self, parent: Any, index: int) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are refused")
        return super().compose_node(parent, index)


def _load(text: str, where: str) -> Mapping[str, Any]:
    if len(text) > MAX_BYTES:
        refuse(where, "MalformedKubeconfig", f"longer than {MAX_BYTES} bytes", "keep one context")
    try:
        config = yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a safe loader, made safer
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        refuse(where, "MalformedKubeconfig", "is not plain YAML", "use kubectl's own output")
    if not isinstance(config, Mapping):
        refuse(where, "MalformedKubeconfig", "is not a mapping", "use kubectl's own output")
    return config


def _named(config: Mapping[str, Any], section: str, name: str, where: str) -> Mapping[str, Any]:
    entries = config.get(section)
    found = [
        entry
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, Mapping) and entry.get("name") == name
    ]
    if len(found) != 1:
        refuse(
            where,
            "MalformedKubeconfig",
            f"{section} has {len(found)} entries of the name that is used",
            "`kubectl config view --minify --flatten --raw` writes one",
        )
    return found[0]


def _mapping(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = entry.get(key)
    if not isinstance(value, Mapping):
        refuse(where, "MalformedKubeconfig", f"{key} is missing", "use kubectl's own output")
    return value


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = _optional(entry, key, where)
    if not value:
        refuse(where, "MalformedKubeconfig", f"{key} is missing", "use kubectl's own output")
    return value


def _optional(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        refuse(where, "MalformedKubeconfig", f"{key} is not text", "use kubectl's own output")
    return value


_USER_REFUSED: Final = (
    ("exec", "ExecRefused", "names a program to run"),
    ("auth-provider", "AuthProviderRefused", "names an auth provider"),
    ("authProvider", "AuthProviderRefused", "names an auth provider"),
    ("tokenFile", "FilePathRefused", "names a file of the operator"),
    ("client-certificate", "FilePathRefused", "names a file of the operator"),
    ("client-key", "FilePathRefused", "names a file of the operator"),
    ("as", "ImpersonationRefused", "impersonates somebody"),
    ("as-uid", "ImpersonationRefused", "impersonates somebody"),
    ("as-groups", "ImpersonationRefused", "impersonates somebody"),
    ("as-user-extra", "ImpersonationRefused", "impersonates somebody"),
    ("username", "BasicAuthRefused", "uses a password"),
    ("password", "BasicAuthRefused", "uses a password"),
)


def _check_user(user: Mapping[str, Any], where: str) -> None:
    for key, reason, what in _USER_REFUSED:
        if user.get(key):
            refuse(
                where,
                reason,
                f"users[].user.{key} {what}",
                "`tradewind join` makes a kubeconfig with a token of its own",
            )


def _check_cluster(cluster: Mapping[str, Any], where: str) -> None:
    if cluster.get("insecure-skip-tls-verify"):
        refuse(
            where,
            "InsecureTLS",
            "clusters[].cluster.insecure-skip-tls-verify trusts any server",
            "put the CA into certificate-authority-data",
        )
    if cluster.get("certificate-authority"):
        refuse(
            where,
            "FilePathRefused",
            "clusters[].cluster.certificate-authority names a file of the operator",
            "put the CA into certificate-authority-data",
        )
    if cluster.get("proxy-url"):
        refuse(
            where,
            "ProxyRefused",
            "clusters[].cluster.proxy-url sends the credentials through another host",
            "leave it out",
        )


def _pem(entry: Mapping[str, Any], key: str, where: str) -> str:
    text = _optional(entry, key, where)
    if not text:
        return ""
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        refuse(where, "MalformedKubeconfig", f"{key} is not base64 of PEM", "use kubectl's output")


def _check_tls(endpoint: Endpoint, where: str) -> None:
    try:
        tls_context(endpoint)
    except (ssl.SSLError, ValueError, OSError):
        refuse(
            where,
            "MalformedKubeconfig",
            "a certificate or key in it cannot be read",
            "check certificate-authority-data, client-certificate-data and client-key-data",
        )


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """The TLS settings for an endpoint: TLS 1.2 or newer, its CA alone if it names one.

    Raises:
        ssl.SSLError: a certificate or key cannot be read.
    """
    context = ssl.create_default_context(cadata=endpoint.ca_pem or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if endpoint.cert_pem:
        _load_pair(context, endpoint.cert_pem, endpoint.key_pem)
    return context


def _load_pair(context: ssl.SSLContext, cert_pem: str, key_pem: str) -> None:
    """Load a client certificate through an anonymous file: OpenSSL reads pairs from paths only."""
    import os  # kept out of the module: it is used for this one detour

    handle = os.memfd_create("client-pair", os.MFD_CLOEXEC)
    try:
        os.write(handle, f"{cert_pem}\n{key_pem}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{handle}", password=lambda: b"")
    finally:
        os.close(handle)
