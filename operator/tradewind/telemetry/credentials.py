"""How we prove who we are to a site's Prometheus: read anew for every poll, since it is rotated."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tradewind.api.site import PrometheusSpec, SecretKeyRef
from tradewind.base.errors import AccessRefusedError
from tradewind.telemetry.prometheus import Access

#: Reads a Secret of the hub: namespace and name to its data, or None.
SecretReader = Callable[[str, str], Awaitable[Mapping[str, bytes] | None]]


async def access_of(spec: PrometheusSpec, read_secret: SecretReader) -> Access:
    """Where a site's Prometheus is, with the credentials as they are now.

    Raises:
        AccessRefusedError: a Secret is missing, or what it holds cannot be used.
        TradewindError: the hub did not give it.
    """
    token = user = password = ca_pem = ""
    if spec.auth is not None and spec.auth.bearer_token_secret_ref is not None:
        ref = spec.auth.bearer_token_secret_ref
        token = _checked_token(await _secret(ref, read_secret), _named(ref))
    elif spec.auth is not None and spec.auth.basic_auth_secret_ref is not None:
        basic = spec.auth.basic_auth_secret_ref
        where = {"namespace": basic.namespace, "name": basic.name}
        user = await _secret(SecretKeyRef(**where, key=basic.username_key), read_secret)
        password = await _secret(SecretKeyRef(**where, key=basic.password_key), read_secret)
    if spec.ca_bundle_secret_ref is not None:
        ca_pem = await _secret(spec.ca_bundle_secret_ref, read_secret)
    return Access(spec.url, token, user, password, ca_pem)


def access_from_files(url: str, token_file: Path | None, ca_file: Path | None) -> Access:
    """Where the operator's own Prometheus is; files of a mounted Secret are rotated in place.

    Raises:
        AccessRefusedError: a file cannot be read.
    """
    token = _file(token_file, "telemetry.prometheus_token_file")
    where = "telemetry.prometheus_url"
    if token:
        token = _checked_token(token, "telemetry.prometheus_token_file")
    ca_pem = _file(ca_file, "telemetry.prometheus_ca_file")
    return Access(url, token=token, ca_pem=ca_pem, where=where)


def _file(path: Path | None, setting: str) -> str:
    if path is None:
        return ""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessRefusedError(
            f"setting {setting}: {path} cannot be read as text",
            reason="FileNotRead",
            hint="mount the Secret there",
        ) from error


async def _secret(ref: SecretKeyRef, read_secret: SecretReader) -> str:
    data = await read_secret(ref.namespace, ref.name)
    value = (data or {}).get(ref.key)
    if value is None:
        raise AccessRefusedError(
            f"Secret {ref.namespace}/{ref.name} has no key {ref.key}",
            reason="SecretKeyNotFound",
            hint="make the Secret, or name another one in spec.prometheus",
        )
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise AccessRefusedError(
            f"{_named(ref)} is not UTF-8 text",
            reason="SecretNotText",
            hint="put the text itself under that key",
        ) from error


def _named(ref: SecretKeyRef) -> str:
    return f"Secret {ref.namespace}/{ref.name}: the key {ref.key}"


def _checked_token(text: str, where: str) -> str:
    """A bearer token; what fits in no header is refused here, since requests would quote it."""
    token = text.strip()
    if not (token.isascii() and token.isprintable()):
        raise AccessRefusedError(
            f"{where} is no bearer token",
            reason="MalformedToken",
            hint="put one token in one line there",
        )
    return token
