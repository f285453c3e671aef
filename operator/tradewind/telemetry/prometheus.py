"""Ask one Prometheus, through prometheus-api-client, within hard limits.

The library is synchronous, so calls run in threads of a bounded pool. Its own retries are switched
off: a poll that fails is followed by the next poll. The address comes from a user and is checked
as a kubeconfig's is; redirects are not followed, and an answer has a greatest size.
"""

import math
import ssl
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests.auth import HTTPBasicAuth
from urllib3.util.retry import Retry

from tradewind.base.errors import AccessRefusedError, TradewindError
from tradewind.base.netguard import check_host
from tradewind.base.observe import redact
from tradewind.telemetry.signals import Reading

TIMEOUT_S: Final = 5
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024

_NOT_PROMETHEUS: Final = "the answer is not Prometheus' JSON"
#: What reading an answer of another form can raise; a scalar and very deep JSON among them.
_MALFORMED: Final = (
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


class PrometheusError(TradewindError):
    """A Prometheus gave no answer, or none that can be used.

    Args:
        message: names the address, never credentials.
        reason: PascalCase, for a condition.
    """

    code = "prometheus"
    retryable = True

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Prometheus:
    """One server.

    Args:
        url: base URL.
        headers: with a bearer token, if one is needed.
        auth: user name and password.
        ca_pem: CA certificates in place of the system's.
        allow_loopback: let it be on this machine.

    Raises:
        AccessRefusedError: the address is not one that a user may send us to.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        ca_pem: str = "",
        allow_loopback: bool = False,
    ) -> None:
        check_host(url, schemes=("https", "http"), where="spec.prometheus.url",
                   allow_loopback=allow_loopback)  # fmt: skip
        self._host = urlsplit(url).netloc
        self._remove_ca: weakref.finalize[..., Prometheus] | None = None
        session = _BoundedSession()
        session.trust_env = False
        if ca_pem:
            session.verify = path = _ca_file(ca_pem)
            # Also for a poll that is cancelled before its thread begins: nobody closes that one.
            self._remove_ca = weakref.finalize(self, Path(path).unlink, missing_ok=True)
        # As bytes, for requests would encode text as Latin-1.
        session.auth = HTTPBasicAuth(auth[0].encode(), auth[1].encode()) if auth else None
        self._connection = PrometheusConnect(
            url=url.rstrip("/"),
            headers=dict(headers or {}),
            session=session,
            retry=Retry(total=0, read=False, redirect=0),  # False: a time-out stays one
            timeout=TIMEOUT_S,
        )

    def query(self, promql: str) -> list[Reading]:
        """Run an instant query; blocks for `TIMEOUT_S` at most between two bytes.

        Raises:
            PrometheusError: no usable answer.
        """
        try:
            return list(_readings(self._connection.custom_query(query=promql)))
        except requests.Timeout as error:
            raise self._error("Timeout", f"no answer within {TIMEOUT_S} s") from error
        except requests.JSONDecodeError as error:  # a RequestException, but an answer did come
            raise self._error("NotPrometheus", _NOT_PROMETHEUS) from error
        except requests.RequestException as error:
            raise self._error("Unreachable", redact(str(error))[:300]) from error
        except PrometheusApiClientException as error:
            raise self._error("QueryFailed", redact(str(error))[:300]) from error
        except _MALFORMED as error:
            raise self._error("NotPrometheus", _NOT_PROMETHEUS) from error

    def close(self) -> None:
        """Close its connections, and remove the file with its CA certificates."""
        self._connection.close()
        if self._remove_ca is not None:
            self._remove_ca()

    def _error(self, reason: str, what: str) -> PrometheusError:
        return PrometheusError(f"{self._host}: {what}", reason=reason)


class _BoundedSession(requests.Session):
    """Follows no redirect and reads no more than `MAX_ANSWER_BYTES`."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().request(*args, **{**kwargs, "stream": True, "allow_redirects": False})
        parts, size = [], 0
        for part in response.iter_content(65536):
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                response.close()
                raise requests.RequestException("the answer is too long")
        response._content = b"".join(parts)  # noqa: SLF001 - requests has no other way in
        return response


def _readings(series: Iterable[Any]) -> Iterable[Reading]:
    for item in series:
        labels = item["metric"]
        try:
            value = float(item["value"][1])
        except ValueError:
            value = math.nan
        yield Reading(
            signal=str(labels.get("signal", "")),
            value=value,
            source=str(labels.get("source", ""))[:253],
            region=str(labels.get("region", ""))[:63],
        )


def _ca_file(pem: str) -> str:
    """A file with the certificates, since requests takes a path only; readable by us alone."""
    try:
        ssl.create_default_context(cadata=pem)
    except ssl.SSLError as error:
        raise AccessRefusedError(
            "spec.prometheus.caBundleSecretRef: not PEM certificates",
            reason="MalformedCABundle",
            hint="put CA certificates in PEM under that key",
        ) from error
    with tempfile.NamedTemporaryFile("w", prefix="tradewind-ca-", delete=False) as file:
        file.write(pem)
    return str(Path(file.name))
