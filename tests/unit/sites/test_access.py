"""A kubeconfig of each hostile kind is refused by a reason of its own; nothing of it is told."""

import base64
import ssl
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from federation.pki import make_pki
from tradewind.base.errors import AccessRefusedError
from tradewind.sites.access import MAX_BYTES, endpoint_from_kubeconfig, tls_context

SECRET = "s3cr3t-token-of-a-member"
Change = Callable[[dict[str, Any]], Any]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def pems() -> tuple[str, str, str]:
    with tempfile.TemporaryDirectory() as folder:
        made = make_pki(Path(folder))
        return made.ca.read_text(), made.serving_cert.read_text(), made.serving_key.read_text()


CA, CERTIFICATE, KEY = pems()
PLAIN: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "m", "user": "u"}}],
    "clusters": [
        {
            "name": "m",
            "cluster": {
                "server": "https://member.example:6443/",
                "certificate-authority-data": encoded(CA),
            },
        }
    ],
    "users": [{"name": "u", "user": {"token": SECRET}}],
}


def changed(change: Change) -> str:
    config = deepcopy(PLAIN)
    change(config)
    return yaml.safe_dump(config)


def user(**fields: Any) -> Change:
    return lambda config: config["users"][0]["user"].update(
        {name.replace("_", "-"): value for name, value in fields.items()}
    )


def cluster(**fields: Any) -> Change:
    return lambda config: config["clusters"][0]["cluster"].update(
        {name.replace("_", "-"): value for name, value in fields.items()}
    )


def only_user(**fields: Any) -> Change:
    return lambda config: config["users"][0].update(
        user={name.replace("_", "-"): value for name, value in fields.items()}
    )


def read(text: str, *, allow_loopback: bool = False) -> Any:
    return endpoint_from_kubeconfig(text, where="Secret sites/m", allow_loopback=allow_loopback)


def test_a_plain_kubeconfig_is_read_whole() -> None:
    endpoint = read(yaml.safe_dump(PLAIN))
    assert endpoint.server == "https://member.example:6443"
    assert endpoint.ca_pem == CA
    assert (endpoint.token, endpoint.cert_pem, endpoint.server_name) == (SECRET, "", "")
    assert SECRET not in repr(endpoint)


def test_a_client_certificate_will_do_and_is_loaded_without_a_file() -> None:
    pair = {
        "client_certificate_data": encoded(CERTIFICATE),
        "client_key_data": encoded(KEY),
    }
    endpoint = read(changed(only_user(**pair)))
    assert endpoint.key_pem == KEY
    context = tls_context(endpoint)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


HOSTILE: dict[str, tuple[Change, str]] = {
    "exec": (user(exec={"command": "sh", "args": ["-c", "id"]}), "ExecRefused"),
    "auth-provider": (user(auth_provider={"name": "gcp"}), "AuthProviderRefused"),
    "authProvider": (user(authProvider={"name": "oidc"}), "AuthProviderRefused"),
    "tokenFile": (user(tokenFile="/var/run/secrets/token"), "FilePathRefused"),
    "certificate file": (user(client_certificate="/etc/tls.crt"), "FilePathRefused"),
    "key file": (user(client_key="/etc/tls.key"), "FilePathRefused"),
    "CA file": (cluster(certificate_authority="/etc/ca.crt"), "FilePathRefused"),
    "impersonation": (user(**{"as": "system:admin"}), "ImpersonationRefused"),
    "impersonated groups": (user(as_groups=["system:masters"]), "ImpersonationRefused"),
    "impersonated uid": (user(as_uid="0"), "ImpersonationRefused"),
    "impersonated extra": (user(as_user_extra={"a": ["b"]}), "ImpersonationRefused"),
    "password": (user(username="admin", password=SECRET), "BasicAuthRefused"),
    "insecure TLS": (cluster(insecure_skip_tls_verify=True), "InsecureTLS"),
    "insecure TLS as text": (cluster(insecure_skip_tls_verify="true"), "InsecureTLS"),
    "proxy": (cluster(proxy_url="http://attacker.example"), "ProxyRefused"),
    "plain http": (cluster(server="http://member.example"), "PlainHTTP"),
    "file URL": (cluster(server="file:///etc/passwd"), "PlainHTTP"),
    "metadata service": (cluster(server="https://169.254.169.254"), "AddressRefused"),
    "loopback": (cluster(server="https://127.0.0.1:6443"), "AddressRefused"),
    "loopback, IPv6": (cluster(server="https://[::1]:6443"), "AddressRefused"),
    "loopback, mapped": (cluster(server="https://[::ffff:127.0.0.1]:6443"), "AddressRefused"),
    "link-local, mapped": (cluster(server="https://[::ffff:169.254.169.254]"), "AddressRefused"),
    "loopback, decimal": (cluster(server="https://2130706433:6443"), "AddressRefused"),
    "loopback, short": (cluster(server="https://127.1:6443"), "AddressRefused"),
    "loopback, hexadecimal": (cluster(server="https://0x7f.0.0.1:6443"), "AddressRefused"),
    "loopback, by name": (cluster(server="https://localhost:6443"), "AddressRefused"),
    "loopback, trailing dot": (cluster(server="https://localhost.:6443"), "AddressRefused"),
    "any address": (cluster(server="https://0.0.0.0:6443"), "AddressRefused"),
    "credentials in the URL": (cluster(server="https://u:p@member.example"), "MalformedURL"),
    "a query": (cluster(server="https://member.example/?a=b"), "MalformedURL"),
    "a port that is none": (cluster(server="https://member.example:port"), "MalformedURL"),
    "no server": (cluster(server=""), "MalformedKubeconfig"),
    "no credentials": (only_user(), "NoCredentials"),
    "a token with a line break": (user(token="a\nb"), "MalformedKubeconfig"),
    "a token that is a number": (user(token=7), "MalformedKubeconfig"),
    "half a pair": (user(client_certificate_data=encoded("x")), "MalformedKubeconfig"),
    "a CA that is none": (
        cluster(certificate_authority_data=encoded("no PEM")),
        "MalformedKubeconfig",
    ),
    "a CA that is not base64": (cluster(certificate_authority_data="%%"), "MalformedKubeconfig"),
    "a pair that is none": (
        user(client_certificate_data=encoded("a"), client_key_data=encoded("b")),
        "MalformedKubeconfig",
    ),
    "two users of one name": (
        lambda config: config["users"].append(config["users"][0]),
        "MalformedKubeconfig",
    ),
    "no context": (lambda config: config.pop("contexts"), "MalformedKubeconfig"),
    "a context that is text": (
        lambda config: config.update(contexts=[{"name": "c", "context": "m"}]),
        "MalformedKubeconfig",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_kubeconfig_is_refused_by_name(kind: str) -> None:
    change, reason = HOSTILE[kind]
    with pytest.raises(AccessRefusedError) as refused:
        read(changed(change))
    error = refused.value
    assert error.reason == reason
    assert error.hint
    assert "Secret sites/m" in error.sentence
    assert SECRET not in error.sentence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "just text",
        "a: [",
        "a: &a [1]\nb: *a",
        "!!python/object/apply:os.system [id]",
        "? {a: b}\n: c",
        "[" * 5000,
        "x" * (MAX_BYTES + 1),
        "2026-99-99",
    ],
)
def test_what_is_no_kubeconfig_is_refused_and_not_run(text: str) -> None:
    with pytest.raises(AccessRefusedError) as refused:
        read(text)
    assert refused.value.reason == "MalformedKubeconfig"


def test_loopback_may_be_allowed_but_never_link_local() -> None:
    assert read(changed(cluster(server="https://127.0.0.1:6443")), allow_loopback=True).server
    with pytest.raises(AccessRefusedError):
        read(changed(cluster(server="https://169.254.169.254")), allow_loopback=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
PLACES = (
    ("current-context",),
    ("contexts",),
    ("contexts", 0),
    ("contexts", 0, "context"),
    ("clusters",),
    ("clusters", 0, "cluster"),
    ("clusters", 0, "cluster", "server"),
    ("clusters", 0, "cluster", "tls-server-name"),
    ("clusters", 0, "cluster", "certificate-authority-data"),
    ("users",),
    ("users", 0, "user"),
    ("users", 0, "user", "token"),
    ("users", 0, "user", "client-key-data"),
)


@given(place=st.sampled_from(PLACES), value=JSON)
def test_nothing_in_any_place_makes_it_crash(place: tuple[Any, ...], value: Any) -> None:
    config = deepcopy(PLAIN)
    target: Any = config
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    try:
        endpoint = read(yaml.safe_dump(config))
    except AccessRefusedError as error:
        assert SECRET not in error.sentence  # noqa: PT017 - it may as well be taken
    else:
        assert endpoint.server.startswith("https://")
