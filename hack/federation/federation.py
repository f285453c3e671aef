"""A federation: started in parallel, ready within a limit, stopped by process ids in order.

One etcd holds all clusters under prefixes of their own. A member is a real API server, and unless
it is `apiserver-only` a controller-manager, a scheduler and KWOK, which plays its nodes' kubelets.
"""

import contextlib
import http.client
import json
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from federation import controlplane
from federation.cluster import ApiError, Cluster
from federation.controlplane import Ground
from federation.nodes import node_objects
from federation.pki import make_pki
from federation.processes import FederationError, Process, Processes, free_ports
from federation.signals import SignalCollector
from federation.spec import FederationSpec, Member
from federation.tools import RUNTIME, Say, ensure

_READY_S: Final = 120.0
_NODES_READY_S: Final = 60.0
_HUB: Final = "hub"


def silent(text: str) -> None:
    """Say nothing."""
    del text


class Federation:
    """A hub, its members and a Prometheus. A context manager that leaves nothing behind.

    Args:
        spec: what it is made of.
        folder: for data, logs and kubeconfigs; emptied first.
        source: the file that the spec was read from; CSV paths are relative to it.
        fsync: whether etcd waits for the disk; only benchmarks need it.
        tied: end with this process, however it ends.
        say: told what goes on.
    """

    def __init__(
        self,
        spec: FederationSpec,
        folder: Path,
        *,
        source: Path,
        fsync: bool = False,
        tied: bool = True,
        say: Say = silent,
    ) -> None:
        self.spec = spec
        self.folder = folder.resolve()
        self._source = source.resolve()
        self._fsync = fsync
        self._say = say
        self.processes = Processes(self.folder, tied=tied)
        self.clusters: dict[str, Cluster] = {}
        self.programs: dict[str, Path] = {}
        self.prometheus_url = ""
        self._ports: Iterator[int] = iter(())

    @property
    def hub(self) -> Cluster:
        """The hub."""
        return self.clusters[_HUB]

    @property
    def members(self) -> dict[str, Cluster]:
        """The members by name."""
        return {name: cluster for name, cluster in self.clusters.items() if name != _HUB}

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self,
        sort: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    def up(self) -> None:
        """Start everything and wait until it is ready.

        Raises:
            FederationError: what did not start, and the end of its log; everything is stopped.
        """
        self._check()
        self.processes.claim()
        try:
            self._start()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Stop everything, the last started first, and wait until each process is gone."""
        self.processes.stop_all()

    def release(self) -> None:
        """Let it stay up after this process; `python -m federation down` stops it."""
        self.processes.release()

    def _check(self) -> None:
        """Find the description's faults before anything runs."""
        for member in self.spec.members:
            node_objects(member)
        if self.spec.prometheus:
            SignalCollector(self.spec, self._source.parent)

    def _start(self) -> None:
        self.programs = ensure(self._needed(), self._say)
        began = time.monotonic()
        # etcd's two, an API server each, a controller-manager each, scheduler and KWOK a member,
        # Prometheus and its source. All at once, so that none is given twice.
        self._ports = iter(free_ports(4 + 4 * (1 + len(self.spec.members))))
        if self.spec.prometheus:
            self._start_prometheus(next(self._ports), next(self._ports))
        self._start_clusters()
        for member in self.spec.members:
            self._add_nodes(member)
        if self.spec.prometheus:
            self._await_prometheus()
        self._say(f"ready in {time.monotonic() - began:.1f} s")

    def _needed(self) -> list[str]:
        """The programs to run."""
        return [name for name in RUNTIME if name != "prometheus" or self.spec.prometheus]

    def _start_clusters(self) -> None:
        """Have every cluster's API server answer, and what stands beside it started."""
        ground = self._start_etcd(next(self._ports), next(self._ports))
        parts = {_HUB: self.spec.hub.components}
        parts |= {member.name: member.components for member in self.spec.members}
        token = secrets.token_urlsafe(24)
        ground.tokens.write_text(f"{token},admin,admin,system:masters\n")
        ground.tokens.chmod(0o600)
        for name, components in parts.items():
            self._add_cluster(ground, name, token, bare=components == "apiserver-only")
        self._say(f"starting {len(parts)} API servers: {', '.join(parts)}")
        for cluster in self.clusters.values():
            cluster.start_apiserver()
        for cluster in self.clusters.values():
            cluster.wait_ready(_READY_S, self.processes.check)
        for name, components in parts.items():
            if components == "full":
                self._start_beside(ground, self.clusters[name])

    def _start_etcd(self, port: int, peer_port: int) -> Ground:
        ground = Ground(
            pki=make_pki(self.folder / "pki"),
            tokens=self.folder / "tokens.csv",
            etcd_url=f"http://127.0.0.1:{port}",
            folder=self.folder,
        )
        command = controlplane.etcd(self.programs["etcd"], ground, peer_port, fsync=self._fsync)
        self.processes.start("etcd", command)
        return ground

    def _add_cluster(self, ground: Ground, name: str, token: str, *, bare: bool) -> None:
        port = next(self._ports)
        command = controlplane.apiserver(
            self.programs["kube-apiserver"], ground, name, port, bare=bare
        )
        self.clusters[name] = Cluster(
            name,
            port=port,
            folder=self.folder,
            ca=ground.pki.ca,
            token=token,
            kubectl=self.programs["kubectl"],
            start=lambda: self._start_or_restart(f"{name}-apiserver", command),
        )

    def _start_or_restart(self, name: str, command: Sequence[str]) -> Process:
        self.processes.forget_ended(name)
        return self.processes.start(name, command)

    def _start_beside(self, ground: Ground, cluster: Cluster) -> None:
        """Start a cluster's controllers, and for a member its scheduler and its kubelets."""
        is_hub = cluster.name == _HUB
        controllers = controlplane.HUB_CONTROLLERS if is_hub else controlplane.CONTROLLERS
        binary = self.programs["kube-controller-manager"]
        command = controlplane.controller_manager(
            binary, ground, cluster.kubeconfig, next(self._ports), controllers
        )
        self.processes.start(f"{cluster.name}-controllers", command)
        if is_hub:
            return
        scheduler = controlplane.scheduler(
            self.programs["kube-scheduler"], ground, cluster.kubeconfig, next(self._ports)
        )
        self.processes.start(f"{cluster.name}-scheduler", scheduler)
        self._start_kwok(cluster)

    def _start_kwok(self, cluster: Cluster) -> None:
        command = controlplane.kwok(self.programs["kwok"], cluster.kubeconfig, next(self._ports))
        self.processes.start(f"{cluster.name}-kwok", command)

    def _add_nodes(self, member: Member) -> None:
        api = self.clusters[member.name].api
        nodes = node_objects(member)
        names = {node["metadata"]["name"] for node in nodes}
        for node in nodes:
            made = api.post("/api/v1/nodes", node)
            # Creation drops the status of kinds that have it as a subresource.
            status = node["status"] | {"conditions": made["status"].get("conditions", [])}
            if member.components == "apiserver-only":
                status["conditions"] = [{"type": "Ready", "status": "True"}]
            api.patch(f"/api/v1/nodes/{node['metadata']['name']}/status", {"status": status})
        if nodes:
            self._say(f"{member.name}: {len(nodes)} nodes")
        self._wait(
            lambda: _unready_nodes(api, names),
            f"the nodes of {member.name}", _NODES_READY_S,
        )  # fmt: skip

    def _start_prometheus(self, port: int, source_port: int) -> None:
        described = self.folder / "spec.yaml"
        spec = self.spec.model_dump(mode="json", by_alias=True)
        for member in spec["members"]:
            for name in ("carbon", "price", "load"):
                curve = member["signals"][name]
                if curve and curve["csv"]:
                    curve["csv"] = str(self._source.parent / curve["csv"])
        described.write_text(yaml.safe_dump(spec, sort_keys=False))
        hack = str(Path(__file__).parents[1])
        self.processes.start(
            "signals",
            [sys.executable, "-m", "federation.signals", str(described), str(source_port)],
            env={"PYTHONPATH": hack, "PATH": "/usr/bin:/bin"},
        )
        config = self.folder / "prometheus.yaml"
        target = {"targets": [f"127.0.0.1:{source_port}"]}
        scrape = {
            "job_name": "signals",
            "honor_labels": True,
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "static_configs": [target],
        }
        config.write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
        self.processes.start(
            "prometheus",
            controlplane.prometheus(self.programs["prometheus"], self.folder, config, port),
        )
        self.prometheus_url = f"http://127.0.0.1:{port}"

    def _await_prometheus(self) -> None:
        url = f"{self.prometheus_url}/api/v1/query?query=up"

        def missing() -> str:
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own
                    result = json.load(answer)["data"]["result"]
            except (OSError, urllib.error.URLError, http.client.HTTPException) as error:
                return str(error)
            return "" if result and result[0]["value"][1] == "1" else "nothing scraped yet"

        self._wait(missing, "Prometheus", _READY_S)

    def _wait(self, missing: Callable[[], str], what: str, limit_s: float) -> None:
        """Poll until nothing is missing; raises FederationError with what still is."""
        deadline = time.monotonic() + limit_s
        while last := missing():
            self.processes.check()
            if time.monotonic() > deadline:
                raise FederationError(f"{what}: not ready within {limit_s:.0f} s: {last}")
            time.sleep(0.2)


def _unready_nodes(api: Any, names: Collection[str]) -> str:
    with contextlib.suppress(ApiError, OSError):
        waiting = [
            node["metadata"]["name"]
            for node in api.get("/api/v1/nodes")["items"]
            if node["metadata"]["name"] in names
            and (node["spec"].get("taints") or not _is_ready(node))
        ]
        return ", ".join(waiting[:3])
    return "no answer"


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
