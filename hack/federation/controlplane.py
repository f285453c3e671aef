"""The command lines of the control plane: which flags each program gets, and why.

Pure: nothing is started here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.pki import Pki

#: What members run: the kinds that Tradewind dispatches and what these rest on. Without
#: node-lifecycle the not-ready taint that admission puts on new nodes would stay for ever.
CONTROLLERS: Final = (
    "job-controller",
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "ttl-after-finished-controller",
    "pod-garbage-collector-controller",
    "node-lifecycle-controller",
    "taint-eviction-controller",
    "resourceclaim-controller",
)

#: What the hub runs: it has no nodes unless it is a site itself.
HUB_CONTROLLERS: Final = ("garbage-collector-controller", "namespace-controller")

STAGES: Final = Path(__file__).parent / "stages.yaml"


@dataclass(frozen=True, slots=True)
class Ground:
    """What all command lines rest on.

    Attributes:
        pki: paths of keys and certificates.
        tokens: the static token file with the administrator.
        etcd_url: of the one etcd.
        folder: for what programs write.
    """

    pki: Pki
    tokens: Path
    etcd_url: str
    folder: Path


def etcd(binary: Path, ground: Ground, peer_port: int, *, fsync: bool) -> list[str]:
    """One etcd for all clusters; without fsync it is faster and may lose data on a power cut."""
    peer = f"http://127.0.0.1:{peer_port}"
    command = [
        str(binary),
        f"--data-dir={ground.folder / 'etcd'}",
        f"--listen-client-urls={ground.etcd_url}",
        f"--advertise-client-urls={ground.etcd_url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--quota-backend-bytes=8589934592",
        "--log-level=error",
    ]
    return command if fsync else [*command, "--unsafe-no-fsync"]


def apiserver(binary: Path, ground: Ground, name: str, port: int, *, bare: bool) -> list[str]:
    """A cluster's API server.

    Args:
        binary: to run.
        ground: keys and etcd.
        name: of the cluster; its prefix in etcd.
        port: to serve at.
        bare: nothing runs beside it, so that nobody takes the taints of new nodes away: none are
            put there.
    """
    pki = ground.pki
    off = ["ServiceAccount", *(["TaintNodesByCondition"] if bare else [])]
    return [
        str(binary),
        f"--etcd-servers={ground.etcd_url}",
        f"--etcd-prefix=/{name}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=192.0.2.1",
        "--endpoint-reconciler-type=none",
        "--authorization-mode=RBAC",
        f"--token-auth-file={ground.tokens}",
        f"--client-ca-file={pki.ca}",
        f"--tls-cert-file={pki.serving_cert}",
        f"--tls-private-key-file={pki.serving_key}",
        f"--cert-dir={ground.folder / 'certs'}",
        f"--service-account-issuer=https://{name}.federation.test",
        f"--service-account-key-file={pki.account_key}",
        f"--service-account-signing-key-file={pki.account_key}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--disable-admission-plugins={','.join(off)}",
        # Without these the scheduler and the controller-manager log errors for ever.
        f"--requestheader-client-ca-file={pki.proxy_ca}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--max-requests-inflight=2000",
        "--max-mutating-requests-inflight=1000",
    ]


def controller_manager(
    binary: Path, ground: Ground, kubeconfig: Path, port: int, controllers: Sequence[str]
) -> list[str]:
    """A cluster's controllers."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--authentication-skip-lookup=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # Of its own: two that start together would read what the other is still writing.
        f"--cert-dir={ground.folder / 'certs' / str(port)}",
        f"--service-account-private-key-file={ground.pki.account_key}",
        f"--root-ca-file={ground.pki.ca}",
        f"--controllers={','.join(controllers)}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        # A pod that never runs anything has no grace to wait for.
        "--node-monitor-grace-period=60s",
    ]


def scheduler(binary: Path, ground: Ground, kubeconfig: Path, port: int) -> list[str]:
    """A cluster's scheduler."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--authentication-skip-lookup=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={ground.folder / 'certs' / str(port)}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def kwok(binary: Path, kubeconfig: Path, port: int) -> list[str]:
    """A cluster's simulated kubelets."""
    return [
        str(binary),
        f"--kubeconfig={kubeconfig}",
        "--manage-all-nodes=false",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=40",
        f"--server-address=127.0.0.1:{port}",
        f"--config={STAGES}",
    ]


def prometheus(binary: Path, folder: Path, config: Path, port: int) -> list[str]:
    """A real Prometheus."""
    return [
        str(binary),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=1d",
        "--log.level=warn",
    ]
