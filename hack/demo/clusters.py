"""The demo's clusters: where they are, how each is joined, and how they are stopped.

The one place of the demo that knows `federation`, the harness that the tests and the benchmarks use
too. What it knows of a site (region, law, energy) becomes the flags of `tradewind join`.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from demo.programs import CommandFailedError, install_launchers
from demo.say import Narrator
from federation.federation import Federation
from federation.processes import FederationError, free_ports
from federation.spec import Member as Described
from federation.spec import load_spec

_ROOT: Final = Path(__file__).parents[2]
_SPEC: Final = _ROOT / "hack" / "federation" / "specs" / "demo.yaml"

#: Of the demo's own files: logs, kubeconfigs, launchers.
FOLDER: Final = _ROOT / ".demo"


@dataclass(frozen=True, slots=True)
class Member:
    """A cluster to join: `flags` are those of `tradewind join`, its kubeconfig apart."""

    name: str
    kubeconfig: Path
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clusters:
    """A federation that is up.

    Args:
        folder: for the logs and files of this run.
        environment: of every program of the demo: PATH begins with kubectl and tradewind,
            KUBECONFIG names the hub.
        members: the clusters to join.
        stop: stops every process of the federation, and waits until each is gone.
        operator_port: where the operator answers its probes.
    """

    folder: Path
    environment: Mapping[str, str]
    members: tuple[Member, ...]
    stop: Callable[[], None] = field(repr=False)
    operator_port: int


def environment_for(folder: Path, hub_kubeconfig: Path, kubectl: Path, port: int) -> dict[str, str]:
    """The environment of the demo's programs, with launchers for all of them in one folder.

    Args:
        folder: of this run; the launchers go to its `bin`.
        hub_kubeconfig: of an administrator of the hub.
        kubectl: the binary.
        port: for the operator's probes.
    """
    programs = folder / "bin"
    install_launchers(programs, kubectl, [_ROOT / "operator"])
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TERM") if name in os.environ}
    return kept | {
        "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", "")]),
        "KUBECONFIG": str(hub_kubeconfig),
        "TRADEWIND_SERVE__HOST": "127.0.0.1",
        "TRADEWIND_SERVE__PORT": str(port),
        # All clusters are on this machine, which an operator otherwise refuses to be sent to.
        "TRADEWIND_SITES__ALLOW_LOOPBACK": "true",
    }


def raise_clusters(say: Narrator, *, keep: bool) -> Clusters:
    """Bring the federation up.

    Args:
        say: told what goes on.
        keep: let it outlive this process.

    Raises:
        CommandFailedError: what did not start, and why; nothing is left running.
    """
    try:
        federation = Federation(load_spec(_SPEC), FOLDER, source=_SPEC, tied=not keep, say=say.fact)
        federation.up()
    except FederationError as error:
        raise CommandFailedError(str(error)) from error
    if keep:
        federation.release()
    [port] = free_ports(1)
    hub = federation.hub.kubeconfig
    return Clusters(
        folder=federation.folder,
        environment=environment_for(federation.folder, hub, federation.programs["kubectl"], port),
        members=tuple(
            Member(
                member.name,
                federation.clusters[member.name].kubeconfig,
                tuple(join_flags(member, federation.prometheus_url)),
            )
            for member in federation.spec.members
        ),
        stop=federation.down,
        operator_port=port,
    )


def join_flags(member: Described, prometheus_url: str) -> list[str]:
    """What is told to `tradewind join` of a member.

    Args:
        member: as the federation describes it.
        prometheus_url: of the Prometheus that has its signals; empty for none.
    """
    energy = member.energy
    stated = {
        "--display-name": member.display_name,
        "--region": member.region,
        "--jurisdiction": member.jurisdiction,
        "--grid-zone": member.grid_zone,
        "--latitude": member.coordinates[0] if member.coordinates else None,
        "--longitude": member.coordinates[1] if member.coordinates else None,
        "--pue": energy.pue,
        "--carbon-intensity": energy.carbon_intensity,
        "--price-per-mwh": energy.price_per_mwh,
    }
    flags = [text for flag, value in stated.items() if value not in ("", None)
             for text in (flag, str(value))]  # fmt: skip
    for class_name, price in member.accelerator_hour.items():
        flags += ["--accelerator-price", f"{class_name}={price:g}"]
    for key, value in member.labels.items():
        flags += ["--label", f"{key}={value}"]
    if prometheus_url:
        flags += ["--prometheus-url", prometheus_url]
        flags += ["--prometheus-matcher", f"cluster={member.name}", "--prometheus-interval", "5s"]
    return flags
