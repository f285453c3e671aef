"""A Prometheus in this process that answers as a test tells it, and remembers what it was asked."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class FakePrometheus:
    """What it says, and what it heard.

    Attributes:
        status: of every answer.
        body: of every answer; a function makes it in pieces.
        headers: beside the length.
        queries: PromQL, in the order of asking.
        seen: the headers of each request.
        released: a hanging request ends when this is set.
        hangs: whether to wait for that before answering.
    """

    status: int = 200
    body: bytes | Callable[[], Iterator[bytes]] = b""
    headers: dict[str, str] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False
    url: str = ""

    def says(self, *series: tuple[dict[str, str], Any]) -> None:
        """Answer with a vector: labels and value of each series."""
        result = [{"metric": labels, "value": [1764000000, value]} for labels, value in series]
        self.answers({"status": "success", "data": {"resultType": "vector", "result": result}})

    def answers(self, body: Any) -> None:
        """Answer with this as JSON."""
        self.body = json.dumps(body).encode()


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[FakePrometheus]:
    """A server on a free port of this machine, by TLS if given a certificate for it."""
    fake = FakePrometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, fake)

        def log_message(self, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    fake.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        fake.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, fake: FakePrometheus) -> None:
    fake.queries += parse_qs(urlsplit(handler.path).query).get("query", [])
    fake.seen.append(dict(handler.headers.items()))
    try:
        if fake.hangs:
            fake.released.wait()
        handler.send_response(fake.status)
        for name, value in fake.headers.items():
            handler.send_header(name, value)
        if isinstance(fake.body, bytes):
            handler.send_header("Content-Length", str(len(fake.body)))
        handler.end_headers()
        pieces = [fake.body] if isinstance(fake.body, bytes) else fake.body()
        for piece in pieces:
            handler.wfile.write(piece)
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True
