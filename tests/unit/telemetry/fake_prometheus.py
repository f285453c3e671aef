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
        refuses_post: status with which a POST is refused, as by a proxy; 0: it is taken.
        refuses: what makes a query be answered with 422, if it holds it.
        about: what a query must hold to get the body; others get no series.
        body: of every answer; a function makes it in pieces.
        headers: beside the length.
        queries: PromQL, in the order of asking.
        seen: the headers of each request.
        released: a hanging request ends when this is set.
        hangs: whether to wait for that before answering.
        methods, paths: of each request.
        forms: the parameters of each request.
    """

    status: int = 200
    refuses_post: int = 0
    refuses: str = ""
    about: str = ""
    body: bytes | Callable[[], Iterator[bytes]] = b""
    headers: dict[str, str] = field(default_factory=dict)
    queries: list[str] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False
    methods: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    forms: list[dict[str, list[str]]] = field(default_factory=list)
    url: str = ""

    def says(self, *series: tuple[dict[str, str], Any]) -> None:
        """Answer with a vector: labels and value of each series."""
        result = [{"metric": labels, "value": [1764000000, value]} for labels, value in series]
        self.answers({"status": "success", "data": {"resultType": "vector", "result": result}})

    def answers(self, body: Any) -> None:
        """Answer with this as JSON."""
        self.body = json.dumps(body).encode()


@contextmanager
def serving(tls: ssl.SSLContext | None = None, *, port: int = 0) -> Iterator[FakePrometheus]:
    """A server on a port of this machine, else a free one; by TLS if given a certificate for it."""
    fake = FakePrometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, fake, parse_qs(urlsplit(self.path).query))

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            _answer(self, fake, parse_qs(self.rfile.read(length).decode()))

        def log_message(self, *args: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
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


def _answer(
    handler: BaseHTTPRequestHandler, fake: FakePrometheus, form: dict[str, list[str]]
) -> None:
    queries = form.get("query", [])
    fake.methods.append(handler.command)
    fake.paths.append(handler.path)
    fake.seen.append(dict(handler.headers.items()))
    status = fake.status
    if fake.refuses_post and handler.command == "POST":
        status = fake.refuses_post
    elif fake.refuses and any(fake.refuses in query for query in queries):
        status = 422
    fake.queries += queries
    fake.forms.append(form)
    try:
        if fake.hangs:
            fake.released.wait()
        body = fake.body
        if fake.about and not any(fake.about in query for query in queries):
            body = b'{"status": "success", "data": {"result": []}}'
        handler.send_response(status)
        for name, value in fake.headers.items():
            handler.send_header(name, value)
        if isinstance(body, bytes):
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for piece in [body] if isinstance(body, bytes) else body():
            handler.wfile.write(piece)
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True


_PUE = {"signal": "pue", "source": "tradewind"}


def heal(fake: FakePrometheus, pue: str) -> None:
    """Have it answer with one signal at once."""
    fake.says((_PUE, pue))
    fake.status, fake.hangs = 200, False
    fake.released.set()


def break_(fake: FakePrometheus, fault: str) -> str:
    """Make it ill; returns the reason that is to be told in the site's condition."""
    series = b'{"metric":{"a":"1"},"value":[1764000000,"1"]},'

    def million() -> Iterator[bytes]:
        yield b'{"status":"success","data":{"resultType":"vector","result":['
        for _ in range(1000):
            yield series * 1000

    match fault:
        case "503":
            fake.status = 503
            return "QueryFailed"
        case "HTML":
            fake.body = b"<html>log in</html>"
            return "NotPrometheus"
        case "slow":
            fake.released.clear()
            fake.hangs = True
            return "Timeout"
        case "NaN":
            fake.says((_PUE, "NaN"))
            return "SignalsNotCurrent"
    fake.body = million
    return "AnswerTooLarge"
