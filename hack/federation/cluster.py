"""One cluster of the federation, as tests and the demo use it: kubeconfig, kubectl, plain JSON."""

import base64
import http.client
import json
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from federation.processes import FederationError, Process


class ApiError(Exception):
    """The API server said no.

    Args:
        status: the HTTP status.
        body: the decoded Status object.
    """

    def __init__(self, status: int, body: Any) -> None:
        message = body.get("message", body) if isinstance(body, dict) else body
        super().__init__(f"{status}: {message}")
        self.status = status
        self.body = body


class Api:
    """A small JSON client, one connection a request: simple, and nothing to leak.

    Args:
        port: of the API server on this machine.
        ca: its CA.
        token: an administrator's.
    """

    def __init__(self, port: int, ca: Path, token: str) -> None:
        self._port = port
        self._context = ssl.create_default_context(cafile=str(ca))
        self._token = token

    def get(self, path: str, **params: str) -> Any:
        """Read; raises ApiError."""
        return self.call("GET", f"{path}?{urlencode(params)}" if params else path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Create; raises ApiError."""
        return self.call("POST", path, body)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Replace; raises ApiError."""
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any, sort: str = "application/merge-patch+json") -> Any:
        """Change; raises ApiError."""
        return self.call("PATCH", path, body, sort)

    def apply(self, path: str, body: Mapping[str, Any], manager: str = "test") -> Any:
        """Server-side apply, forced; raises ApiError."""
        return self.call(
            "PATCH", f"{path}?fieldManager={manager}&force=true", body,
            "application/apply-patch+yaml",
        )  # fmt: skip

    def delete(self, path: str) -> Any:
        """Delete in the background; raises ApiError."""
        return self.call("DELETE", path, {"propagationPolicy": "Background"})

    def exists(self, path: str) -> bool:
        """Whether there is such an object."""
        try:
            self.get(path)
        except ApiError as fault:
            if fault.status == http.client.NOT_FOUND:
                return False
            raise
        return True

    def watch(
        self, path: str, version: str, selector: str, limit_s: float
    ) -> Iterator[dict[str, Any]]:
        """Watch events as they come; see `Cluster.watch`."""
        query = urlencode({"watch": "true", "resourceVersion": version, "labelSelector": selector})
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, context=self._context, timeout=limit_s
        )
        try:
            connection.request(
                "GET", f"{path}?{query}", headers={"Authorization": f"Bearer {self._token}"}
            )
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise ApiError(answer.status, answer.read().decode(errors="replace"))
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, sort: str = "application/json") -> Any:
        """One request; raises ApiError, or OSError when there is no answer in 15 s."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, context=self._context, timeout=15
        )
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
            if body is not None:
                headers["Content-Type"] = sort
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            decoded = json.loads(text)
        except ValueError:
            decoded = text.decode(errors="replace")
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise ApiError(answer.status, decoded)
        return decoded


class Cluster:
    """One cluster.

    Args:
        name: of the member, or `hub`.
        port: of its API server.
        folder: for the kubeconfig.
        ca: of its API server.
        token: an administrator's.
        kubectl: the binary.
        start: starts its API server.
    """

    def __init__(
        self,
        name: str,
        *,
        port: int,
        folder: Path,
        ca: Path,
        token: str,
        kubectl: Path,
        start: Callable[[], Process],
    ) -> None:
        self.name = name
        self.url = f"https://127.0.0.1:{port}"
        self.token = token
        self.ca = ca
        self.kubeconfig = folder / f"{name}.kubeconfig"
        self.api = Api(port, ca, token)
        self._kubectl = kubectl
        self._start = start
        self._server: Process | None = None
        self.kubeconfig.write_text(self.kubeconfig_text())
        self.kubeconfig.chmod(0o600)

    def kubeconfig_text(self, token: str | None = None) -> str:
        """A kubeconfig with everything inline."""
        ca = base64.b64encode(self.ca.read_bytes()).decode()
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": self.name,
                "clusters": [
                    {
                        "name": self.name,
                        "cluster": {"server": self.url, "certificate-authority-data": ca},
                    }
                ],
                "users": [{"name": "admin", "user": {"token": token or self.token}}],
                "contexts": [
                    {"name": self.name, "context": {"cluster": self.name, "user": "admin"}}
                ],
            },
            sort_keys=False,
        )

    def kubectl(self, *arguments: str, stdin: str | None = None, limit_s: float = 60.0) -> str:
        """Run kubectl against it; raises FederationError with what it said."""
        done = subprocess.run(
            [str(self._kubectl), "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        if done.returncode:
            raise FederationError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def start_apiserver(self) -> None:
        """Start its API server, on the same port as before; returns at once."""
        self._server = self._start()

    def stop_apiserver(self) -> None:
        """End its API server: connections are refused from now on."""
        if self._server is not None:
            self._server.stop()

    def hang(self) -> None:
        """Freeze its API server: it accepts connections and never answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._server is None or not self._server.alive:
            raise FederationError(f"the API server of {self.name} does not run")
        self._server.popen.send_signal(number)

    def wait_ready(self, limit_s: float, check: Callable[[], None]) -> None:
        """Wait until it answers /readyz; raises FederationError."""
        deadline = time.monotonic() + limit_s
        why = ""
        while time.monotonic() < deadline:
            check()
            try:
                if self.api.get("/readyz") == "ok":
                    return
            except (ApiError, OSError, http.client.HTTPException) as error:
                why = str(error)
            time.sleep(0.1)
        raise FederationError(f"{self.name} was not ready within {limit_s:.0f} s: {why}")

    def watch(
        self, path: str, version: str, selector: str, limit_s: float = 5.0
    ) -> Iterator[dict[str, Any]]:
        """Watch events since a version, until nothing came for a while.

        Raises:
            ApiError: refused.
            OSError: the API server is gone, or silent for longer than the limit.
        """
        return self.api.watch(path, version, selector, limit_s)
