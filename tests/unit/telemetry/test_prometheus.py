"""One Prometheus that is ill in every way: each fault has a name, and none becomes a value."""

import base64
import contextlib
import gc
import gzip
import itertools
import math
import socket
import ssl
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, TCPServer
from typing import Any

import pytest
from tests.unit.telemetry.fake_prometheus import FakePrometheus, serving

from federation.pki import Pki, make_pki
from tradewind.base.errors import AccessRefusedError
from tradewind.telemetry import prometheus
from tradewind.telemetry.prometheus import (
    MAX_SERIES,
    Access,
    Line,
    Prometheus,
    PrometheusError,
    Sample,
)
from tradewind.telemetry.queries import ADDRESS_CHARS
from tradewind.telemetry.session import MAX_ANSWER_BYTES


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serving() as server:
        yield server


def ask(fake: FakePrometheus, *queries: str, **access: Any) -> list[Sample]:
    server = Prometheus(Access(fake.url, **access), allow_loopback=True)
    try:
        return server.query(*(queries or ("up",)))
    finally:
        server.close()


def fault(fake: FakePrometheus, exchange_s: float = 8.0) -> PrometheusError:
    server = Prometheus(Access(fake.url), allow_loopback=True, exchange_s=exchange_s)
    try:
        with pytest.raises(PrometheusError) as caught:
            server.query("up")
    finally:
        server.close()
    return caught.value


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def ca_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which temporary files are made, empty at first."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_series_become_samples(fake: FakePrometheus) -> None:
    fake.says(({"signal": "load", "source": "node_exporter"}, "0.42"), ({}, "7"))
    assert ask(fake, "up{a='b'}") == [
        Sample({"signal": "load", "source": "node_exporter"}, 0.42),
        Sample({}, 7.0),
    ]
    assert fake.queries == ["up{a='b'}"]


def test_many_queries_are_one_exchange_and_no_address_is_long(fake: FakePrometheus) -> None:
    fake.says()
    ask(fake, *(f"up{{a='{number:04}'}}" for number in range(1000)))
    assert len(fake.queries) == 1
    assert fake.paths == ["/api/v1/query"]


def test_the_server_is_told_our_limits(fake: FakePrometheus) -> None:
    fake.says()
    ask(fake)
    [form] = fake.forms
    assert (form["timeout"], form["limit"]) == (["5s"], [str(MAX_SERIES + 1)])
    assert form["partial_response"] == ["false"]


@pytest.mark.parametrize("status", [403, 405])
def test_a_proxy_that_takes_no_post_is_asked_by_short_gets(
    fake: FakePrometheus, status: int
) -> None:
    fake.refuses_post = status
    fake.says(({}, "1"))
    server = Prometheus(Access(fake.url), allow_loopback=True)
    queries = [f"up{{a='{number:04}'}}" for number in range(1000)]
    many = server.query(*queries)
    batches = fake.queries[1:]
    assert len(many) == len(batches) > 1
    assert max(map(len, batches)) <= ADDRESS_CHARS
    assert " or ".join(batches) == " or ".join(queries)
    server.query("up")
    assert fake.methods == ["POST", *["GET"] * (len(batches) + 1)]
    server.close()


def test_a_range_is_asked_by_its_ends_and_step(fake: FakePrometheus) -> None:
    item = {"metric": {"a": "b"}, "values": [[1764000000, "1.5"], [1764003600, "NaN"]]}
    fake.answers({"status": "success", "data": {"resultType": "matrix", "result": [item]}})
    server = Prometheus(Access(fake.url), allow_loopback=True)
    (line,) = server.query_range("up", 1764000000, 1764003600, 3600)
    server.close()
    assert (line.labels, line.points[0]) == ({"a": "b"}, (1764000000.0, 1.5))
    assert math.isnan(line.points[1][1])
    [form] = fake.forms
    assert [form[name] for name in ("start", "end", "step")] == [
        ["1764000000"],
        ["1764003600"],
        ["3600"],
    ]
    assert isinstance(line, Line)


def test_more_series_than_any_query_of_ours_has_are_not_used(fake: FakePrometheus) -> None:
    fake.says(*(({"a": str(number)}, "1") for number in range(MAX_SERIES + 1)))
    error = fault(fake)
    assert error.reason == "AnswerTooLarge"
    assert str(MAX_SERIES) in error.message


def test_no_series_is_no_reading_rather_than_a_zero(fake: FakePrometheus) -> None:
    fake.says()
    assert ask(fake) == []


@pytest.mark.parametrize("text", ["NaN", "", "twelve"])
def test_what_is_no_number_reads_nan(fake: FakePrometheus, text: str) -> None:
    fake.says(({"signal": "load"}, text))
    (reading,) = ask(fake)
    assert math.isnan(reading.value)


@pytest.mark.parametrize(("text", "value"), [("+Inf", math.inf), ("-Inf", -math.inf)])
def test_infinities_are_kept_for_signals_to_judge(
    fake: FakePrometheus, text: str, value: float
) -> None:
    fake.says(({"signal": "load"}, text))
    assert [reading.value for reading in ask(fake)] == [value]


def _vector(*items: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(items)}}


WRONG: dict[str, Any] = {
    "no data": {"status": "success"},
    "a list": [],
    "null": None,
    "data is text": {"data": "x"},
    "the result is null": {"data": {"result": None}},
    "the result is a number": {"data": {"result": 5}},
    "a scalar, as `spec.prometheus.queries` may ask for": {
        "data": {"resultType": "scalar", "result": [1764000000, "0.5"]}
    },
    "a series without labels": _vector({"value": [1, "2"]}),
    "labels are a list": _vector({"metric": [], "value": [1, "2"]}),
    "a series without a value": _vector({"metric": {}}),
    "a range in place of a value": _vector({"metric": {}, "values": [[1, "2"]]}),
    "a value without its number": _vector({"metric": {}, "value": [1]}),
    "the number is null": _vector({"metric": {}, "value": [1, None]}),
    "the number has no float": _vector({"metric": {}, "value": [1, 10**400]}),
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_json_of_another_form_is_named(fake: FakePrometheus, body: Any) -> None:
    fake.answers(body)
    assert fault(fake).reason == "NotPrometheus"


@pytest.mark.parametrize(
    "body", [b"<html>log in</html>", b"", b"\xff\xfe\x00", b'{"data": {"result": ['],
    ids=["a page", "nothing", "no text", "cut off"],
)  # fmt: skip
def test_what_is_not_json_is_named(fake: FakePrometheus, body: bytes) -> None:
    fake.body = body
    assert fault(fake).reason == "NotPrometheus"


def test_json_without_bottom_is_named(fake: FakePrometheus) -> None:
    fake.body = b"[" * 1_000_000
    assert fault(fake).reason == "NotPrometheus"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
def test_a_refusal_is_named_with_its_status(fake: FakePrometheus, status: int) -> None:
    fake.status = status
    error = fault(fake)
    assert error.reason == "QueryFailed"
    assert str(status) in error.message


def test_a_redirect_is_not_followed(fake: FakePrometheus) -> None:
    with serving() as inside:
        inside.says(({"signal": "load"}, "0.1"))
        fake.status, fake.headers = 302, {"Location": inside.url}
        assert fault(fake).reason == "QueryFailed"
        assert inside.seen == []


def test_a_hang_ends(fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "SILENCE_S", 0.1)
    fake.hangs = True
    assert fault(fake).reason == "Timeout"


def test_a_hang_in_the_middle_of_the_answer_ends(
    fake: FakePrometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body() -> Iterator[bytes]:
        yield b'{"status":'
        fake.released.wait()
        yield b"null}"

    monkeypatch.setattr(prometheus, "SILENCE_S", 0.1)
    fake.body = body
    assert fault(fake).reason == "Timeout"


def test_an_answer_that_drips_ends(fake: FakePrometheus) -> None:
    """Each byte comes in time, and the whole never does."""

    def body() -> Iterator[bytes]:
        while not fake.released.wait(0.01):
            yield b" "

    fake.body = body
    assert fault(fake, exchange_s=0.2).reason == "Timeout"


def test_headers_that_drip_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopped = threading.Event()

        def drip() -> None:
            line, _ = listener.accept()
            with line, contextlib.suppress(OSError):
                line.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stopped.wait(0.01):
                    line.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        fake = FakePrometheus(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert fault(fake, exchange_s=0.2).reason == "Timeout"
        stopped.set()
        thread.join()


def test_a_packed_answer_is_not_unpacked(fake: FakePrometheus) -> None:
    fake.body = gzip.compress(b" " * 2**24)
    fake.headers = {"Content-Encoding": "gzip"}
    assert fault(fake).reason == "NotPrometheus"
    assert fake.seen[0]["Accept-Encoding"] == "identity"


def test_an_answer_without_end_is_cut(fake: FakePrometheus) -> None:
    sent = itertools.count()

    def body() -> Iterator[bytes]:
        while not fake.released.is_set():
            next(sent)
            yield b" " * 2**20

    fake.body = body
    error = fault(fake)
    assert error.reason == "AnswerTooLarge"
    assert next(sent) < 30


def filled_with(part: bytes) -> bytes:
    """A vector of as many parts as the greatest answer holds."""
    head, tail = b'{"status":"success","data":{"resultType":"vector","result":[', b"]}}"
    room = MAX_ANSWER_BYTES - len(head) - len(tail)
    return head + (part * (room // len(part)))[:-1] + tail


@pytest.mark.parametrize(
    "part",
    [b'{"metric":{"a":"1"},"value":[1764000000,"1"]},', b'{"metric":{},"value":[0,"1"]},', b"{},"],
    ids=["series", "tiny series", "nothing at all"],
)
@pytest.mark.parametrize("endless", [True, False], ids=["a million", "as many as are let in"])
def test_very_many_series_take_little_memory(
    fake: FakePrometheus, part: bytes, endless: bool
) -> None:
    def million() -> Iterator[bytes]:
        yield filled_with(part)[:60]
        for _ in range(1000):
            yield part * 1000

    fake.body = million if endless else filled_with(part)
    tracemalloc.start()
    try:
        assert fault(fake).reason == "AnswerTooLarge"
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_ANSWER_BYTES
    finally:
        tracemalloc.stop()


def test_an_answer_of_the_most_series_is_read(fake: FakePrometheus) -> None:
    labels = {f"label_{number}": "value" for number in range(12)}
    fake.says(*((labels | {"a": str(number)}, "1") for number in range(MAX_SERIES)))
    assert len(ask(fake)) == MAX_SERIES


def test_an_answer_of_the_greatest_size_is_read(fake: FakePrometheus) -> None:
    fake.says(({"signal": "load"}, "0.5"))
    assert isinstance(fake.body, bytes)
    fake.body = fake.body.ljust(MAX_ANSWER_BYTES)
    assert [reading.value for reading in ask(fake)] == [0.5]
    fake.body += b" "
    assert fault(fake).reason == "AnswerTooLarge"


def test_nobody_listening_is_unreachable() -> None:
    with serving() as gone:
        pass
    assert fault(gone).reason == "Unreachable"


class Hangup(BaseRequestHandler):
    """Answers by closing."""


@contextlib.contextmanager
def hanging_up(tls: ssl.SSLContext | None = None) -> Iterator[FakePrometheus]:
    """A server that closes each connection without a word."""
    with TCPServer(("127.0.0.1", 0), Hangup) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield FakePrometheus(url=f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}")
        server.shutdown()


def test_what_failed_is_told_in_a_few_words_and_never_by_classes(
    pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as gone:
        pass
    told = {"nobody": fault(gone).message}
    with hanging_up() as rude:
        told["closed"] = fault(rude).message
        told["no TLS"] = fault(FakePrometheus(url=rude.url.replace("http:", "https:"))).message
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.serving_cert, pki.serving_key)
    with serving(context) as unknown:
        told["untrusted"] = fault(unknown).message

    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    told["nameless"] = fault(FakePrometheus(url="http://prometheus.invalid")).message
    words = {name: text.partition(": ")[2] for name, text in told.items()}
    assert words["nobody"] == "connection refused"
    assert words["closed"] == "it closed the connection without an answer"
    assert words["no TLS"].startswith(("TLS failed", "it closed the connection"))
    assert words["untrusted"].startswith("its TLS certificate is not trusted (")
    assert words["nameless"] == "its name cannot be resolved (Name or service not known)"


def test_credentials_are_sent_and_not_told(fake: FakePrometheus) -> None:
    fake.status = 403
    with pytest.raises(PrometheusError) as caught:
        ask(fake, token="sesame-open")
    assert fake.seen[0]["Authorization"] == "Bearer sesame-open"
    assert "sesame" not in str(caught.value)
    assert "sesame" not in repr(Access(fake.url, token="sesame-open", password="sesame"))


def test_user_and_password_are_sent(fake: FakePrometheus) -> None:
    fake.says()
    ask(fake, user="ali", password="芝麻")
    sent = base64.b64decode(fake.seen[0]["Authorization"].removeprefix("Basic "))
    assert sent.decode() == "ali:芝麻"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://prometheus.example", "PlainHTTP"),
        ("http://user:word@prometheus.example", "MalformedURL"),
        ("http://169.254.169.254", "AddressRefused"),
        ("http://127.0.0.1:9090", "AddressRefused"),
        ("http://localhost:9090", "AddressRefused"),
    ],
)
def test_addresses_are_checked_before_anything_is_sent(url: str, reason: str) -> None:
    with pytest.raises(AccessRefusedError) as caught:
        Prometheus(Access(url))
    assert caught.value.reason == reason


def test_its_own_ca_is_trusted_in_place_of_the_systems(pki: Pki, ca_files: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pki.serving_cert, pki.serving_key)
    with serving(tls) as fake:
        fake.says(({"signal": "pue"}, "1.1"))
        assert fault(fake).reason == "Unreachable"
        assert [reading.value for reading in ask(fake, ca_pem=pki.ca.read_text())] == [1.1]


def test_a_poll_leaves_no_file(fake: FakePrometheus, pki: Pki, ca_files: Path) -> None:
    fake.says()
    server = Prometheus(Access(fake.url, ca_pem=pki.ca.read_text()), allow_loopback=True)
    (file,) = ca_files.iterdir()
    assert file.read_text() == pki.ca.read_text()
    assert file.stat().st_mode & 0o077 == 0
    server.query("up")
    server.close()
    server.close()
    assert list(ca_files.iterdir()) == []


def test_a_poll_that_never_began_leaves_no_file(
    fake: FakePrometheus, pki: Pki, ca_files: Path
) -> None:
    server = Prometheus(Access(fake.url, ca_pem=pki.ca.read_text()), allow_loopback=True)
    assert len(list(ca_files.iterdir())) == 1
    del server
    gc.collect()
    assert list(ca_files.iterdir()) == []


def test_a_ca_that_is_none_is_refused_without_a_file(ca_files: Path) -> None:
    with pytest.raises(AccessRefusedError) as caught:
        Prometheus(Access("https://prometheus.example", ca_pem="no certificate"))
    assert caught.value.reason == "MalformedCABundle"
    assert list(ca_files.iterdir()) == []
