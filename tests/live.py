"""A live federation for tests: clusters, an operator that can be killed, and a ledger of children.

Waits have limits and end with what was seen last; no test sleeps for a fixed time.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from demo.clusters import join_flags
from federation.cluster import ApiError, Cluster
from federation.federation import Federation
from federation.processes import free_ports

T = TypeVar("T")
Object = dict[str, Any]
#: Applies an object of the whole cluster: `apply(kind, name, **spec)`.
Apply = Callable[..., None]

#: Longer than any test.
ENDLESS = "1h"

ROOT = Path(__file__).parents[1]
HUB_NAMESPACE = "tradewind-system"
API = "/apis/tradewind.dev/v1alpha1"
OURS = "app.kubernetes.io/managed-by=tradewind"


def wait_for(look: Callable[[], T], what: str, *, limit_s: float = 40.0) -> T:
    """Poll until the answer is truthy, and return it; fails with the last answer."""
    deadline = time.monotonic() + limit_s
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = look()
        except (ApiError, OSError, http.client.HTTPException) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {limit_s:.0f} s; last seen: {last!r}")


def condition(obj: Object, name: str) -> Object:
    """A condition of an object; empty if it is not there."""
    found = obj.get("status", {}).get("conditions", [])
    return next((entry for entry in found if entry["type"] == name), {})


def time_of(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text).astimezone(UTC)


def reasons(workload: Object) -> list[str]:
    """What happened to a workload, oldest first."""
    return [entry["reason"] for entry in workload["status"].get("history", [])]


def sites_of(workload: Object) -> list[str]:
    """Where it has a placement."""
    return [part["site"] for part in workload.get("status", {}).get("placements", [])]


@dataclass
class Operator:
    """One operator process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def text(self) -> str:
        """All that it logged."""
        return self.log.read_text(errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Ask its own HTTP server."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait_ready(self) -> None:
        """Wait until it leads and has seen everything."""

        def ready() -> bool:
            assert self.process.poll() is None, self.text()[-3000:]
            return self.get("/readyz")[0] == http.client.OK

        wait_for(ready, "the operator to be ready")

    def wait_killed(self, limit_s: float = 60.0) -> None:
        """Wait until its fault point has killed it."""
        code = self.process.wait(limit_s)
        assert code == -signal.SIGKILL, f"ended with {code}: {self.text()[-3000:]}"

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End it gracefully; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)


@dataclass
class Live:
    """A federation with the kinds installed and the members joined."""

    federation: Federation
    folder: Path
    operators: list[Operator] = field(default_factory=list)

    @property
    def hub(self) -> Cluster:
        return self.federation.hub

    @property
    def members(self) -> dict[str, Cluster]:
        return self.federation.members

    def environment(self) -> dict[str, str]:
        """Of the programs under test."""
        return {
            "PATH": f"{self.federation.programs['kubectl'].parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(self.hub.kubeconfig),
            "TRADEWIND_SITES__ALLOW_LOOPBACK": "true",
            "TRADEWIND_SITES__PROBE_SECONDS": "1",
            "TRADEWIND_SERVE__HOST": "127.0.0.1",
        }

    def plugin_path(self) -> str:
        """A PATH on which kubectl finds its plugin `kubectl-tradewind`."""
        return f"{self.environment()['PATH']}:{Path(sys.executable).parent}"

    def cli(self, *arguments: str, fails: bool = False, **environment: str) -> str:
        """Run the command line; returns standard output, or standard error if it is to fail."""
        done = subprocess.run(
            [sys.executable, "-m", "tradewind.cli", *arguments],
            env=self.environment() | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout

    def join(self, name: str, *flags: str) -> None:
        """Join a member as the federation describes it."""
        described = next(m for m in self.federation.spec.members if m.name == name)
        told = join_flags(described, self.federation.prometheus_url)
        kubeconfig = str(self.members[name].kubeconfig)
        self.cli("join", name, "--member-kubeconfig", kubeconfig, *told, *flags)

    def start_operator(self, **environment: str) -> Operator:
        """Start an operator; returns at once."""
        [port] = free_ports(1)
        log = self.folder / f"operator-{len(self.operators)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "tradewind.cli", "operator"],
                env=self.environment() | {"TRADEWIND_SERVE__PORT": str(port)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        operator = Operator(process, port, log)
        self.operators.append(operator)
        return operator

    @contextmanager
    def operator(self, **environment: str) -> Iterator[Operator]:
        """An operator that is ready, and gone afterwards."""
        operator = self.start_operator(**environment)
        try:
            operator.wait_ready()
            yield operator
        finally:
            operator.stop()

    def stop_operators(self) -> None:
        """End all that still run."""
        for operator in self.operators:
            if operator.process.poll() is None:
                os.kill(operator.process.pid, signal.SIGCONT)
                operator.process.kill()
                operator.process.wait()

    def namespace(self, name: str) -> str:
        """Make a namespace on the hub."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self.hub.api.post("/api/v1/namespaces", body)
        return name

    def create(self, workload: Object) -> Object:
        namespace = workload["metadata"]["namespace"]
        made: Object = self.hub.api.post(f"{API}/namespaces/{namespace}/aiworkloads", workload)
        return made

    def get(self, workload: Object) -> Object:
        """The AIWorkload as it is now."""
        return self.hub.api.get(path_of(workload))

    def patch(self, workload: Object, change: Object) -> Object:
        """Merge a change into it."""
        return self.hub.api.patch(path_of(workload), change)

    def remove(self, workloads: Sequence[Object]) -> None:
        """Delete workloads and wait until they are gone, at their sites too; needs an operator."""
        for workload in workloads:
            if self.hub.api.exists(path_of(workload)):
                self.hub.api.delete(path_of(workload))
        paths = [path_of(workload) for workload in workloads]
        wait_for(lambda: not any(map(self.hub.api.exists, paths)), "the workloads to be gone")

    def wait_phase(self, workload: Object, *phases: str, limit_s: float = 60.0) -> Object:
        """Wait until it is in one of these phases."""

        def look() -> Object | None:
            now = self.get(workload)
            phase = now.get("status", {}).get("phase")
            return now if phase in phases else None

        name = workload["metadata"]["name"]
        try:
            return wait_for(look, f"{name} to be {phases}", limit_s=limit_s)
        except AssertionError as error:
            status = json.dumps(self.get(workload).get("status", {}), indent=1)
            raise AssertionError(f"{error}\n{status}") from None

    def wait_sites(self, *names: str, kind: str = "Ready", status: str = "True",
                   limit_s: float = 60.0) -> None:  # fmt: skip
        """Wait until a condition of these sites has a status."""

        def look() -> bool:
            return all(condition(self.site(name), kind).get("status") == status for name in names)

        wait_for(look, f"{kind}={status} at {names}", limit_s=limit_s)

    def site(self, name: str) -> Object:
        """A ComputeSite."""
        return self.hub.api.get(f"{API}/computesites/{name}")

    def children(self, member: str, workload: Object | None = None,
                 path: str = "/apis/batch/v1/jobs") -> list[Object]:  # fmt: skip
        """Our objects at a member, or those of one workload."""
        selector = OURS
        if workload is not None:
            selector += f",tradewind.dev/workload-uid={workload['metadata']['uid']}"
        items: list[Object] = self.members[member].api.get(path, labelSelector=selector)["items"]
        return items


def path_of(workload: Object) -> str:
    """Where an AIWorkload is."""
    metadata = workload["metadata"]
    return f"{API}/namespaces/{metadata['namespace']}/aiworkloads/{metadata['name']}"


class Ledger:
    """Counts the objects that ever appeared at the members, by the workload they belong to.

    A watch from before the test: an object that was made twice, or made and removed and made again,
    counts twice, which a list at the end would not show.
    """

    def __init__(self, members: Sequence[Cluster], path: str = "/apis/batch/v1/jobs") -> None:
        self.seen: Counter[str] = Counter()
        self.where: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(member, path), daemon=True)
            for member in members
        ]
        for member in members:
            members_version = member.api.get(path, limit="1")["metadata"]["resourceVersion"]
            self.where.setdefault(f"version/{member.name}", [members_version])
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def _watch(self, member: Cluster, path: str) -> None:
        version = self.where.pop(f"version/{member.name}")[0]
        known: set[str] = set()
        while not self._stopped.is_set():
            try:
                for event in member.watch(path, version, OURS):
                    if event["type"] == "ERROR" or self._stopped.is_set():
                        break
                    metadata = event["object"]["metadata"]
                    version = metadata["resourceVersion"]
                    if event["type"] == "ADDED" and metadata["uid"] not in known:
                        known.add(metadata["uid"])
                        self._count(metadata["labels"]["tradewind.dev/workload-uid"], member.name)
            except (OSError, ApiError, http.client.HTTPException):
                self._stopped.wait(0.2)

    def _count(self, uid: str, member: str) -> None:
        with self._lock:
            self.seen[uid] += 1
            self.where.setdefault(uid, []).append(member)


def job(
    name: str,
    namespace: str,
    *,
    site: str | None = None,
    chips: int = 1,
    pods: int = 1,
    run_for: str = "1s",
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Object:
    """An AIWorkload with a Job."""
    placement = {"siteSelector": {"matchLabels": {"tests/site": site}}} if site else {}
    resources = {"cpu": "1", "memory": "1Gi"}
    if chips:
        resources["tradewind.dev/accelerator"] = str(chips)
    container = {"name": "main", "image": "registry.example/work:1",
                 "resources": {"limits": resources}}  # fmt: skip
    template = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            "completions": pods,
            "parallelism": pods,
            "backoffLimit": 0,
            "template": {
                "metadata": {"annotations": {"federation/run-for": run_for, **(annotations or {})}},
                "spec": {"restartPolicy": "Never", "containers": [container]},
            },
        },
    }
    return {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "AIWorkload",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"class": "Batch", "placement": placement, "template": template, **spec},
    }


def deployment(name: str, namespace: str, *, replicas: int = 2, **spec: Any) -> Object:
    """An AIWorkload with a Deployment."""
    workload = job(name, namespace, **spec)
    workload["spec"]["class"] = "Inference"
    labels = {"app": name}
    container = workload["spec"]["template"]["spec"]["template"]["spec"]["containers"]
    workload["spec"]["template"] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": container}},
        },
    }
    return workload


def movable(**spec: Any) -> dict[str, Any]:
    """Work on CPUs alone, which any site could have, and which goes on from its checkpoints."""
    runtime = {"checkpoint": {"interval": "1s"}, "duration": "6h"}
    return {"chips": 0, "run_for": ENDLESS, "runtime": runtime, **spec}


@contextmanager
def cpu_prices(live: Live, **usd: float) -> Iterator[Callable[..., None]]:
    """What an hour of a core costs at each site; may be set anew, and ends with the block."""

    def charge(**usd: float | None) -> None:
        for site, price in usd.items():
            pricing = None if price is None else {"cpuHour": price}
            live.hub.api.patch(f"{API}/computesites/{site}", {"spec": {"pricing": pricing}})

    charge(**usd)
    try:
        yield charge
    finally:
        charge(**dict.fromkeys(usd))


def events_of(live: Live, about: Object, namespace: str = "") -> dict[str, str]:
    """The notes of an object's Events, by reason."""
    namespace = namespace or about["metadata"]["namespace"]
    path = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    return {
        event["reason"]: event["note"]
        for event in live.hub.api.get(path)["items"]
        if event["regarding"]["uid"] == about["metadata"]["uid"]
    }


def running_at(live: Live, workload: Object, site: str) -> Callable[[], Object | None]:
    def look() -> Object | None:
        now = live.get(workload)
        there = now.get("status", {}).get("phase") == "Running" and sites_of(now) == [site]
        return now if there else None

    return look
