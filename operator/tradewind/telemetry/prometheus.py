"""Ask one Prometheus, through prometheus-api-client, within hard limits.

The library is synchronous, so calls run in threads of a bounded pool, one at a time for each
object. Nothing is retried: a poll that fails is followed by the next poll. The address comes from a
user and is checked as a kubeconfig's is. Time and size are limited by `session.py`; the server is
told the limits too, so that it gives up a query nobody waits for.
"""

import math
import ssl
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import requests
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests.auth import HTTPBasicAuth

from tradewind.base.errors import AccessRefusedError, TradewindError
from tradewind.base.netguard import check_host
from tradewind.base.observe import redact
from tradewind.telemetry.faults import plain
from tradewind.telemetry.queries import ADDRESS_CHARS, joined
from tradewind.telemetry.session import EXCHANGE_S, SILENCE_S, BoundedSession, TooLongError

#: No query of ours has more series at a site that is well; each costs memory and time.
MAX_SERIES: Final = 5000

_Found = TypeVar("_Found")

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
#: Answers of proxies that let GET through and POST not.
_NO_POST: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.METHOD_NOT_ALLOWED)
#: Prometheus' own answers to a query that it does not like.
_BAD_QUERY: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class PrometheusError(TradewindError):
    """A Prometheus gave no answer, or none that can be used.

    Args:
        message: names the address, never credentials.
        reason: PascalCase, for a condition.
        query_refused: the server is well, and dislikes this query.
    """

    code = "prometheus"
    retryable = True

    def __init__(self, message: str, *, reason: str, query_refused: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.query_refused = query_refused


@dataclass(frozen=True, slots=True)
class Access:
    """Where a Prometheus is, and how we prove who we are; equal ones share a connection."""

    url: str
    token: str = ""
    user: str = ""
    password: str = ""
    ca_pem: str = ""
    where: str = "spec.prometheus.url"

    def __repr__(self) -> str:
        return f"Access({self.url!r})"


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query; the value may be NaN or infinite."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a range query: its points as Unix time and value."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class Prometheus:
    """One server.

    Args:
        access: where it is, with credentials.
        allow_loopback: let it be on this machine.
        exchange_s: limit of a whole exchange, seconds.

    Raises:
        AccessRefusedError: the address is not one that a user may send us to.
    """

    def __init__(
        self, access: Access, *, allow_loopback: bool = False, exchange_s: float = EXCHANGE_S
    ) -> None:
        check_host(access.url, schemes=("https", "http"), where=access.where,
                   allow_loopback=allow_loopback)  # fmt: skip
        self._host = urlsplit(access.url).netloc
        self._remove_ca: weakref.finalize[..., Prometheus] | None = None
        self._session = session = BoundedSession(exchange_s=exchange_s)
        if access.ca_pem:
            session.verify = path = _ca_file(access.ca_pem)
            # Also for a poll that is cancelled before its thread begins: nobody closes that one.
            self._remove_ca = weakref.finalize(self, Path(path).unlink, missing_ok=True)
        if access.user or access.password:
            # As bytes, for requests would encode text as Latin-1.
            session.auth = HTTPBasicAuth(access.user.encode(), access.password.encode())
        headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
        silence_s: Any = SILENCE_S  # it asks for whole seconds, and fractions do
        self._by = {
            method: PrometheusConnect(
                url=access.url.rstrip("/"),
                headers=headers,
                session=session,
                timeout=silence_s,
                method=method,
            )
            for method in ("POST", "GET")
        }
        self._by_get = False

    def query(self, *queries: str) -> list[Sample]:
        """Run instant queries whose series tell by their labels which query they answer.

        All of them in one exchange, or in a few where queries have to be short.

        Raises:
            PrometheusError: no usable answer.
        """

        def ask(method: str) -> list[Sample]:
            samples = []
            for batch in joined(queries, ADDRESS_CHARS if method == "GET" else None):
                found = self._by[method].custom_query(query=batch, params=_LIMITS)
                samples += [_sample(item) for item in _bounded(found)]
            return samples

        return self._ask(ask)

    def query_range(self, promql: str, start_s: float, end_s: float, step_s: float) -> list[Line]:
        """Run a range query.

        Args:
            promql: what to ask.
            start_s: Unix time of the first point.
            end_s: Unix time of the last.
            step_s: between two points.

        Raises:
            PrometheusError: no usable answer.
        """

        def ask(method: str) -> list[Line]:
            found = self._by[method].custom_query_range(
                query=promql,
                start_time=datetime.fromtimestamp(start_s, UTC),
                end_time=datetime.fromtimestamp(end_s, UTC),
                step=f"{step_s:g}",
                params=_LIMITS,
            )
            return [_line(item) for item in _bounded(found)]

        return self._ask(ask)

    def close(self) -> None:
        """Close its connections, and remove the file with its CA certificates."""
        self._session.close()
        if self._remove_ca is not None:
            self._remove_ca()

    def _ask(self, ask: Callable[[str], list[_Found]]) -> list[_Found]:
        """By POST, or by GET where a proxy in front of the server takes nothing else."""
        if not self._by_get:
            try:
                return self._tried(ask, "POST")
            except PrometheusError:
                if self._session.status not in _NO_POST:
                    raise
        found = self._tried(ask, "GET")
        self._by_get = True
        return found

    def _tried(self, ask: Callable[[str], list[_Found]], method: str) -> list[_Found]:
        """One way of asking, its faults in our words."""
        self._session.status = 0
        try:
            return ask(method)
        except requests.Timeout as error:
            text = f"no answer within {SILENCE_S:g} s, or not whole within {EXCHANGE_S:g} s"
            raise self._error("Timeout", text) from error
        except requests.JSONDecodeError as error:  # a RequestException, but an answer did come
            raise self._error("NotPrometheus", _NOT_PROMETHEUS) from error
        except (TooLongError, _TooManyError) as error:
            raise self._error("AnswerTooLarge", str(error)) from error
        except requests.RequestException as error:
            raise self._error("Unreachable", redact(plain(error))[:300]) from error
        except PrometheusApiClientException as error:
            refused = self._session.status in _BAD_QUERY
            text = redact(str(error))[:300]
            raise self._error("QueryFailed", text, query_refused=refused) from error
        except _MALFORMED as error:
            raise self._error("NotPrometheus", _NOT_PROMETHEUS) from error

    def _error(self, reason: str, what: str, *, query_refused: bool = False) -> PrometheusError:
        text = f"{self._host}: {what}"
        return PrometheusError(text, reason=reason, query_refused=query_refused)


#: Prometheus stops a query that takes longer and cuts an answer that has more series (newer ones);
#: Thanos refuses rather than sum up what it could reach. Others do not know these and ignore them.
_LIMITS: Final = {
    "timeout": f"{SILENCE_S:g}s",
    "limit": str(MAX_SERIES + 1),
    "partial_response": "false",
}


class _TooManyError(Exception):
    """More series than any query of ours has."""


def _bounded(series: Any) -> list[Any]:
    if not isinstance(series, list):
        raise TypeError("not a vector or matrix")
    if len(series) > MAX_SERIES:
        raise _TooManyError(f"the answer has more than {MAX_SERIES} series")
    return series


def _sample(item: Any) -> Sample:
    return Sample(_labels(item), _value(item["value"][1]))


def _line(item: Any) -> Line:
    return Line(_labels(item), tuple((float(at), _value(value)) for at, value in item["values"]))


def _labels(item: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in item["metric"].items()}


def _value(text: Any) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


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
