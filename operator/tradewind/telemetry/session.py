"""An HTTP session that cannot be kept waiting, filled up or sent elsewhere.

`requests` limits the time between two bytes and nothing else: a server that sends one byte every
four seconds would hold a thread for ever. Here a whole exchange has a limit, an answer has a
greatest size and is never unpacked (a small one can unpack to gigabytes), and redirects are not
followed, since the address was checked and another one was not.
"""

import contextlib
import socket
import threading
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ReadTimeoutError

#: Between two bytes, seconds.
SILENCE_S: Final = 5.0
#: From the first byte sent to the last byte read, seconds.
EXCHANGE_S: Final = 8.0
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
#: What is read as JSON takes up to a hundred bytes a part, so that four MiB of `{},` would take a
#: hundred. The most series that are read, with a dozen labels each, have fewer parts.
MAX_ANSWER_PARTS: Final = 100_000

_PART_BYTES: Final = 65536


class TooLongError(requests.RequestException):
    """The answer is larger than any that we ask for."""


class BoundedSession(requests.Session):
    """A session for one thread at a time.

    Args:
        exchange_s: limit of a whole exchange, seconds.

    Attributes:
        status: HTTP status of the last answer.
    """

    def __init__(self, *, exchange_s: float = EXCHANGE_S) -> None:
        self._line = _Line()
        self._busy = threading.Lock()
        self._ended = False
        self._exchange_s = exchange_s
        self.status = 0
        super().__init__()
        self.trust_env = False

    def mount(self, prefix: str | bytes, adapter: Any) -> None:
        """Use our own adapter whatever is given: no retries, and sockets that can be shut."""
        del adapter
        super().mount(prefix, _Adapter(self._line))

    def close(self) -> None:
        """Close the connection; an exchange under way in another thread ends and closes it."""
        self._ended = True
        self._line.shut()
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._busy.acquire(blocking=False):
            try:
                super().close()
                self._line.forget()
            finally:
                self._busy.release()

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Exchange within the limits; a query that is POSTed goes into the body.

        Raises:
            requests.Timeout: it took too long.
            TooLongError: it is too large.
        """
        try:
            with self._busy:
                if self._ended:
                    raise requests.ConnectionError("closed")
                return self._exchange(*args, **kwargs)
        finally:
            if self._ended:
                self._close_if_idle()

    def _exchange(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs |= {"stream": True, "allow_redirects": False}
        if str(kwargs.get("method", "")).upper() == "POST":
            kwargs["data"] = kwargs.pop("params", None)
        kwargs["headers"] = {**(kwargs.get("headers") or {}), "Accept-Encoding": "identity"}
        expired = threading.Event()
        watch = threading.Timer(self._exchange_s, self._shut, [expired])
        watch.daemon = True
        watch.start()
        try:
            response = super().request(*args, **kwargs)
            self.status = response.status_code
            response._content = self._read(response)  # noqa: SLF001 - requests has no other way in
        except (OSError, HTTPError, requests.RequestException) as error:
            if expired.is_set() or isinstance(error, ReadTimeoutError):
                raise requests.Timeout("the exchange took too long") from error
            if isinstance(error, requests.RequestException):
                raise
            raise requests.ConnectionError(str(error)) from error
        finally:
            watch.cancel()
        if expired.is_set():  # a body that was cut looks whole when it ends with the connection
            raise requests.Timeout("the exchange took too long")
        response.encoding = "utf-8"  # else it is guessed, at the cost of reading it twice
        return response

    def _read(self, response: requests.Response) -> bytes:
        parts, size = [], 0
        for part in response.raw.stream(_PART_BYTES, decode_content=False):
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                response.close()
                raise TooLongError(f"the answer exceeds {MAX_ANSWER_BYTES >> 20} MiB")
        answer = b"".join(parts)
        if answer.count(b",") > MAX_ANSWER_PARTS:
            raise TooLongError(f"the answer has more than {MAX_ANSWER_PARTS} parts")
        return answer

    def _shut(self, expired: threading.Event) -> None:
        """End the exchange, from another thread: its read fails at once."""
        expired.set()
        self._line.shut()


class _Line:
    """The open connection, so that it can be ended from outside.

    A duplicate of the socket, made before TLS takes the socket for itself: shutting one shuts both.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def open(self, made: socket.socket) -> socket.socket:
        self.forget()
        self._socket = made.dup()
        return made

    def shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class _Adapter(HTTPAdapter):
    """Connections that tell of their sockets, one at a time, and no retries."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Have each connection shown to the line."""
        super().init_poolmanager(*args, **kwargs)
        line = self._line

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return line.open(super()._new_conn())

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return line.open(super()._new_conn())

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
