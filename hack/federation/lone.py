"""One real Prometheus alone, and a page of metrics for it that says what a test or a bench wants.

Its past can be given: `promtool` makes blocks of it, so that rates and histories need no waiting.
"""

import base64
import http.client
import json
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import yaml

from federation import controlplane
from federation.pki import Pki
from federation.processes import FederationError, Process, Processes, free_ports
from federation.tools import Say, ensure

_READY_S: Final = 60.0


class Page:
    """Metrics on a port of this machine, in Prometheus' text form.

    Attributes:
        text: what is served; empty: the exporter is gone, and a scrape fails.
    """

    def __init__(self, text: str = "") -> None:
        self.text = text
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page.text.encode()
                self.send_response(200 if body else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing of each scrape."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def target(self) -> str:
        """Host and port, for a scrape configuration."""
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may ask: by TLS, and by a user's name and password.

    Attributes:
        pki: has the serving certificate, and the CA that a client has to trust.
        user: name.
        password: of the user.
        hashed: the same by bcrypt, as Prometheus wants it.
    """

    pki: Pki
    user: str
    password: str
    hashed: str

    def write(self, path: Path) -> None:
        """Write Prometheus' web configuration; it is read anew for each request."""
        tls = {"cert_file": str(self.pki.serving_cert), "key_file": str(self.pki.serving_key)}
        told = {"tls_server_config": tls, "basic_auth_users": {self.user: self.hashed}}
        fresh = path.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(told))
        fresh.replace(path)


class LonePrometheus:
    """A Prometheus and what is known of it.

    Attributes:
        url: of its API.
        process: of the program.
    """

    def __init__(
        self, url: str, process: Process, start: Any, web: Path, guard: Guard | None
    ) -> None:
        self.url = url
        self.process = process
        self._start = start
        self._web = web
        self._guard = guard

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        with self._get(f"/api/v1/query?{urlencode({'query': query})}") as answer:
            result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return result

    def guard_by(self, guard: Guard) -> None:
        """Let nobody in but by this from now on; it was guarded before."""
        guard.write(self._web)
        self._guard = guard

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}")  # noqa: S310 - our own
        trusted = None
        if self._guard is not None:
            known = f"{self._guard.user}:{self._guard.password}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(known).decode()}")
            trusted = ssl.create_default_context(cafile=self._guard.pki.ca)
        return urllib.request.urlopen(request, timeout=5, context=trusted)  # noqa: S310 - our own

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.popen.kill()
        self.process.popen.wait()

    def start_again(self) -> None:
        """Start it anew, on the same port and data."""
        self.process = self._start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it answers.

        Raises:
            FederationError: it does not, or has ended.
        """
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and self.process.alive:
            try:
                with self._get("/-/ready"):
                    return
            except (OSError, urllib.error.URLError, http.client.HTTPException):
                time.sleep(0.1)
        raise FederationError(f"Prometheus is not ready: {self.process.tail()}")


@contextmanager
def lone_prometheus(
    folder: Path,
    *,
    targets: Iterable[str] = (),
    past: Iterable[str] = (),
    scrape_s: float = 1.0,
    guard: Guard | None = None,
    say: Say = lambda _: None,
) -> Iterator[LonePrometheus]:
    """A Prometheus that scrapes these targets, and is gone afterwards.

    Args:
        folder: for its data; must not exist.
        targets: host and port of each.
        past: lines in OpenMetrics form with their times, oldest first for each series.
        scrape_s: between two scrapes.
        guard: who may ask; None: everybody, without TLS.
        say: told what is being built, if anything is.
    """
    folder.mkdir(parents=True)
    programs = ensure(["prometheus", "promtool"], say)
    _write_blocks(programs["promtool"], folder, past)
    config = folder / "prometheus.yaml"
    scrape = {
        "job_name": "page",
        "honor_labels": True,
        "scrape_interval": f"{round(scrape_s * 1000)}ms",
        "scrape_timeout": f"{round(scrape_s * 1000)}ms",
        "static_configs": [{"targets": list(targets)}],
    }
    config.write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
    [port] = free_ports(1)
    command = [
        *controlplane.prometheus(programs["prometheus"], folder, config, port),
        "--storage.tsdb.retention.time=60d",
    ]
    command.remove("--storage.tsdb.retention.time=1d")
    web = folder / "web.yaml"
    if guard is not None:
        guard.write(web)
        command.append(f"--web.config.file={web}")
    processes = Processes(folder / "processes")
    processes.claim()

    def start() -> Process:
        processes.forget_ended("prometheus")
        return processes.start("prometheus", command)

    try:
        scheme = "http" if guard is None else "https"
        made = LonePrometheus(f"{scheme}://127.0.0.1:{port}", start(), start, web, guard)
        made.wait_ready()
        yield made
    finally:
        processes.stop_all()


def _write_blocks(promtool: Path, folder: Path, past: Iterable[str]) -> None:
    lines = list(past)
    if not lines:
        return
    file = folder / "past.txt"
    file.write_text("\n".join([*lines, "# EOF"]) + "\n")
    done = subprocess.run(
        [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=720h",
         str(file), str(folder / "prometheus")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        raise FederationError(f"promtool: {done.stdout[-500:]}{done.stderr[-500:]}")
