"""One session with one API server: few bytes of overhead, hard limits, errors with names.

The official client's models cost about a hundred times the decoding of what is read of them, so
bodies go in and out as bytes and narrow msgspec types. How the hub is found: `hubaccess`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.base.observe import redact
from tradewind.sites.access import Endpoint, tls_context

JSON: Final = "application/json"
APPLY: Final = "application/apply-patch+yaml"
MERGE_PATCH: Final = "application/merge-patch+json"

#: A member that lies may answer without end.
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
#: One watch event: an object is at most 1.5 MiB in etcd, JSON may double it.
MAX_LINE_BYTES: Final = 8 * 1024 * 1024
#: Tokens in files are renewed by the kubelet well within this time, seconds.
TOKEN_AGE_S: Final = 60.0

_CONNECTIONS: Final = 64
_ENCODER: Final = msgspec.json.Encoder()
_NO_PARAMS: Final[Mapping[str, str]] = MappingProxyType({})


class _Status(msgspec.Struct):
    """What is read of a Status object."""

    reason: str = ""
    message: str = ""


class ApiSession:
    """Requests to one API server; safe for use by many tasks of one event loop.

    Args:
        endpoint: where, and with which credentials.
        name: of the cluster, for errors.
        timeout_s: limit of one request from its start to the last byte, seconds.
    """

    def __init__(self, endpoint: Endpoint, *, name: str, timeout_s: float = 10.0) -> None:
        self._endpoint = endpoint
        self._name = name
        self._timeout_s = timeout_s
        self._base = endpoint.server
        self._http: aiohttp.ClientSession | None = None
        self._streams: set[aiohttp.ClientResponse] = set()
        self._token = endpoint.token
        self._token_read_at = float("-inf")

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self._name

    @property
    def endpoint(self) -> Endpoint:
        """Where it goes."""
        return self._endpoint

    async def get(
        self,
        path: str,
        params: Mapping[str, str] = _NO_PARAMS,
        *,
        timeout_s: float | None = None,
    ) -> bytes:
        """Read.

        Raises:
            ApiError: the server said no.
            SiteUnreachableError: no answer, or none that makes sense.
        """
        return await self.request("GET", path, params=params, timeout_s=timeout_s)

    async def apply(
        self, path: str, body: Mapping[str, Any], *, field_manager: str, force: bool = False
    ) -> bytes:
        """Server-side apply; creates or updates.

        Raises:
            ApiError: the server said no; `conflict` when another manager holds a field.
            SiteUnreachableError: no answer.
        """
        params = {"fieldManager": field_manager, "force": "true" if force else "false"}
        return await self.request("PATCH", path, body=body, content_type=APPLY, params=params)

    async def delete(self, path: str, *, uid: str = "", propagation: str = "Background") -> bytes:
        """Delete, only the object of that uid if one is given.

        Raises:
            ApiError: `not_found`, or `conflict` when another object bears the name by now.
            SiteUnreachableError: no answer.
        """
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        if uid:
            body["preconditions"] = {"uid": uid}
        return await self.request("DELETE", path, body=body)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = JSON,
        params: Mapping[str, str] = _NO_PARAMS,
        timeout_s: float | None = None,
    ) -> bytes:
        """One request.

        Raises:
            ApiError: the server answered with 300 or more.
            SiteUnreachableError: no answer in time, or one that is too long.
        """
        headers = self._headers(content_type if body is not None else None)
        data = _ENCODER.encode(body) if body is not None else None
        try:
            async with (
                asyncio.timeout(timeout_s or self._timeout_s),
                self._session().request(
                    method,
                    self._url(path, params),
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                    server_hostname=self._endpoint.server_name or None,
                ) as response,
            ):
                answer = await _read(response)
                status = response.status
                retry_after = response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable(method, path, error, timeout_s) from error
        if status >= 300:  # noqa: PLR2004 - a redirect is no answer either
            raise self._refused(status, answer, retry_after)
        return answer

    async def stream(
        self, path: str, params: Mapping[str, str], *, idle_timeout_s: float
    ) -> AsyncIterator[bytes]:
        """The lines of a watch, until the server ends it.

        Args:
            path: of the collection.
            params: with `watch=true`.
            idle_timeout_s: a stream without a line for so long is dead, seconds.

        Raises:
            ApiError: the server said no; `gone` when the resource version is too old.
            SiteUnreachableError: the stream broke, stood still or sent an endless line.
        """
        timeout = aiohttp.ClientTimeout(sock_read=idle_timeout_s, sock_connect=self._timeout_s)
        try:
            async with self._session().get(
                self._url(path, params),
                headers=self._headers(None),
                timeout=timeout,
                allow_redirects=False,
                server_hostname=self._endpoint.server_name or None,
            ) as response:
                if response.status >= 300:  # noqa: PLR2004 - as above
                    raise self._refused(response.status, await _read(response), None)
                self._streams.add(response)
                try:
                    async for line in _lines(response):
                        yield line
                finally:
                    self._streams.discard(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable("WATCH", path, error, idle_timeout_s) from error

    async def close(self) -> None:
        """Close every connection; whoever reads a stream gets SiteUnreachableError at once."""
        # The client's own close leaves the readers of open streams waiting for their time-out.
        for response in self._streams:
            response.close()
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            connector = aiohttp.TCPConnector(
                limit=_CONNECTIONS,
                ssl=tls_context(self._endpoint),
                keepalive_timeout=75,
                ttl_dns_cache=60,
            )
            self._http = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                auto_decompress=True,
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._http

    def _url(self, path: str, params: Mapping[str, str]) -> URL:
        query = f"?{urlencode(params)}" if params else ""
        return URL(f"{self._base}{path}{query}", encoded=True)

    def _headers(self, content_type: str | None) -> dict[str, str]:
        headers = {"Accept": JSON, "User-Agent": "tradewind"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        if self._endpoint.token_file:
            self._reread_token()
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _reread_token(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._token_read_at >= TOKEN_AGE_S:
            self._token = Path(self._endpoint.token_file).read_text(encoding="ascii").strip()
            self._token_read_at = now

    def _refused(self, status: int, answer: bytes, retry_after: str | None) -> ApiError:
        try:
            told = msgspec.json.decode(answer, type=_Status)
        except msgspec.MsgspecError:
            told = _Status(message=answer[:200].decode(errors="replace"))
        wait_s = float(retry_after) if retry_after and retry_after.isdecimal() else None
        message = self._without_secrets(told.message[:2048])
        reason = self._without_secrets(told.reason[:200])
        return ApiError(status, reason, message, retry_after_s=wait_s)

    def _without_secrets(self, text: str) -> str:
        """What may be shown of a server's words: it may well echo what we sent."""
        return redact(text.replace(self._token, "***") if self._token else text)

    def _unreachable(
        self, method: str, path: str, error: Exception, timeout_s: float | None
    ) -> SiteUnreachableError:
        if isinstance(error, TimeoutError):
            what = f"no answer within {timeout_s or self._timeout_s:g} s"
        else:
            what = self._without_secrets(str(error)) or type(error).__name__
        return SiteUnreachableError(f"{self._name}: {method} {path}: {what}", site=self._name)


def _bounded(line: bytes) -> bytes:
    """A line that is not complete yet, unless it is longer than any honest one."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError("a line of the watch is too long")
    return line


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in response.content.iter_any():
        lines = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
        rest = _bounded(lines.pop())
        for line in lines:
            if line:
                yield line


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, unless it is longer than any honest answer."""
    length = response.content_length
    if length is not None and length > MAX_ANSWER_BYTES:
        raise ValueError("the answer is too long")
    if length is not None:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise ValueError("the answer is too long")
        parts.append(part)
    return b"".join(parts)


async def find(session: ApiSession, path: str) -> bytes | None:
    """What stands at a path; None if nothing does.

    Raises:
        ApiError: any other no of the server.
        SiteUnreachableError: no answer.
    """
    try:
        return await session.get(path)
    except ApiError as error:
        if error.not_found:
            return None
        raise


async def find_object(session: ApiSession, path: str) -> dict[str, Any] | None:
    """The object at a path, decoded whole; as `find`."""
    body = await find(session, path)
    found: dict[str, Any] | None = None if body is None else msgspec.json.decode(body)
    return found
