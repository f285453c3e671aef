"""A federation whose control planes kind makes, one cluster each.

All else is that of `federation`: KWOK plays the nodes that the description tells of, Prometheus
scrapes the signal source, and both run on this machine beside the containers. The real node of each
cluster is cordoned, so that work goes to the described ones only.
"""

import base64
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from federation.cluster import Cluster
from federation.federation import Federation
from federation.processes import FederationError, Process
from federation.tools import RUNTIME

#: What kind calls our clusters begins so; no other cluster is touched.
PREFIX: Final = "tradewind-"

_CREATE_S: Final = 600.0
_DELETE_S: Final = 120.0
_READY_S: Final = 120.0
_ACCOUNT: Final = "federation-admin"
_YEAR_S: Final = 365 * 24 * 3600


def run_kind(*arguments: str, limit_s: float) -> str:
    """Run kind to its end and give back what it printed.

    Raises:
        FederationError: there is no kind, or it failed; the text holds what it said.
    """
    try:
        done = subprocess.run(
            ["kind", *arguments], capture_output=True, text=True, timeout=limit_s, check=False
        )
    except FileNotFoundError:
        raise FederationError(
            "there is no kind on PATH; install it and Docker, or use `make federation-up`, which "
            "needs neither"
        ) from None
    except subprocess.TimeoutExpired:
        raise FederationError(f"kind {arguments[0]}: no end after {limit_s:.0f} s") from None
    if done.returncode:
        raise FederationError(f"kind {' '.join(arguments[:4])}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def present() -> list[str]:
    """Our clusters that kind has, by their names in the federation."""
    names = run_kind("get", "clusters", limit_s=60).split()
    return sorted(name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX))


def delete(names: Sequence[str]) -> None:
    """Delete clusters of ours."""
    for name in names:
        run_kind("delete", "cluster", "--name", f"{PREFIX}{name}", limit_s=_DELETE_S)


class KindFederation(Federation):
    """A hub and its members on kind."""

    def up(self) -> None:
        """Start everything and wait until it is ready.

        Raises:
            FederationError: what did not start; what was started is stopped and deleted.
        """
        left = present()
        if left:
            raise FederationError(
                f"kind has clusters of an earlier federation: {', '.join(left)}\n"
                "delete them with: make kind-down"
            )
        super().up()

    def down(self) -> None:
        """Stop the programs, then delete the clusters that this federation made."""
        super().down()
        delete(list(self.clusters))
        self.clusters.clear()

    def _needed(self) -> list[str]:
        own = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        wanted = [name for name in RUNTIME if name not in own]
        return [name for name in wanted if name != "prometheus" or self.spec.prometheus]

    def _start_clusters(self) -> None:
        for name in ("hub", *(member.name for member in self.spec.members)):
            self._say(f"creating {PREFIX}{name} on kind (half a minute, once its image is there)")
            self.clusters[name] = cluster = self._create(name)
            cluster.wait_ready(_READY_S, self.processes.check)
            _cordon_real_nodes(cluster)
        for member in self.spec.members:
            self._start_kwok(self.clusters[member.name])

    def _create(self, name: str) -> Cluster:
        theirs = self.folder / f"{name}.kind.kubeconfig"
        try:
            run_kind("create", "cluster", "--name", f"{PREFIX}{name}", "--kubeconfig", str(theirs),
                     "--wait", "120s", limit_s=_CREATE_S)  # fmt: skip
            return self._adopt(name, theirs)
        except BaseException:
            delete([name])  # kind leaves a half-made cluster behind
            raise

    def _adopt(self, name: str, theirs: Path) -> Cluster:
        """Our view of a cluster: an administrator's token in place of kind's certificate."""
        theirs.chmod(0o600)
        entry: dict[str, Any] = yaml.safe_load(theirs.read_text())["clusters"][0]["cluster"]
        ca = self.folder / f"{name}.ca.crt"
        ca.write_bytes(base64.b64decode(entry["certificate-authority-data"]))
        kubectl = self.programs["kubectl"]
        port = urlsplit(entry["server"]).port
        if port is None:
            raise FederationError(f"{theirs} names no port: {entry['server']}")
        return Cluster(
            name,
            port=port,
            folder=self.folder,
            ca=ca,
            token=_administrator(kubectl, theirs),
            kubectl=kubectl,
            start=_not_ours,
        )


def _administrator(kubectl: Path, kubeconfig: Path) -> str:
    """A token of an account with all rights; nobody but this machine's user reads it."""
    command = [str(kubectl), "--kubeconfig", str(kubeconfig), "--namespace", "kube-system"]
    for arguments in (
        ("create", "serviceaccount", _ACCOUNT),
        ("create", "clusterrolebinding", _ACCOUNT, "--clusterrole=cluster-admin",
         f"--serviceaccount=kube-system:{_ACCOUNT}"),
        ("create", "token", _ACCOUNT, f"--duration={_YEAR_S}s"),
    ):  # fmt: skip
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise FederationError(f"kubectl {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout.strip()


def _cordon_real_nodes(cluster: Cluster) -> None:
    for node in cluster.api.get("/api/v1/nodes")["items"]:
        cluster.api.patch(
            f"/api/v1/nodes/{node['metadata']['name']}", {"spec": {"unschedulable": True}}
        )


def _not_ours() -> Process:
    raise FederationError("the API server of a kind cluster is started and stopped by Docker")
