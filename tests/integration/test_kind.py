"""The federation on kind, where a stand-in for kind hands out real API servers of the harness.

Docker runs on few of the machines that run these tests. Everything but kind itself is real here.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.federation import Federation
from federation.processes import FederationError
from federation.spec import load_spec
from kind.clusters import KindFederation, present

pytestmark = pytest.mark.integration

BENEATH = """
prometheus: false
members: [{name: m, nodes: [{template: cpu}]}]
"""
SPEC = """
prometheus: false
members: [{name: m, nodes: [{template: nvidia-l4, count: 2}]}]
"""
KIND = """#!{python}
import pathlib, shutil, sys
state, words = pathlib.Path({state!r}), sys.argv[1:]
option = dict(zip(words, words[1:]))
(state / "calls").open("a").write(" ".join(words[:4]) + "\\n")
if words[:2] == ["get", "clusters"]:
    print("\\n".join(path.name for path in (state / "clusters").iterdir()))
elif words[:2] == ["delete", "cluster"]:
    (state / "clusters" / option["--name"]).unlink(missing_ok=True)
elif words[:2] == ["create", "cluster"]:
    (state / "clusters" / option["--name"]).touch()
    source = state / (option["--name"].removeprefix("tradewind-") + ".kubeconfig")
    if not source.exists():
        sys.exit("ERROR: no such image")
    shutil.copy(source, option["--kubeconfig"])
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the stand-in keeps what it is asked; a cluster of somebody else is there already."""
    spec, state = tmp_path / "beneath.yaml", tmp_path / "state"
    spec.write_text(BENEATH)
    (state / "clusters").mkdir(parents=True)
    (state / "clusters" / "dev").touch()
    program = tmp_path / "bin" / "kind"
    program.parent.mkdir()
    program.write_text(KIND.format(python=sys.executable, state=str(state)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with Federation(load_spec(spec), tmp_path / "beneath", source=spec) as beneath:
        for name, cluster in beneath.clusters.items():
            (state / f"{name}.kubeconfig").write_text(cluster.kubeconfig_text())
        yield state


def described(folder: Path) -> KindFederation:
    path = folder / "spec.yaml"
    path.write_text(SPEC)
    return KindFederation(load_spec(path), folder / "federation", source=path)


def test_up_and_down(state: Path, tmp_path: Path) -> None:
    federation = described(tmp_path)
    federation.up()
    assert present() == ["hub", "m"]
    nodes = federation.members["m"].api.get("/api/v1/nodes")["items"]
    assert {
        node["metadata"]["name"]: node["spec"].get("unschedulable", False) for node in nodes
    } == {
        "m-cpu-000": True,  # what was there before plays the container's own node
        "m-nvidia-l4-000": False,
        "m-nvidia-l4-001": False,
    }
    assert federation.hub.kubectl("auth", "can-i", "*", "*").strip() == "yes"
    assert federation.hub.kubeconfig.stat().st_mode & 0o077 == 0

    with pytest.raises(FederationError, match=r"hub, m\n.*make kind-down") as raised:
        described(tmp_path).up()
    assert "dev" not in str(raised.value)

    federation.down()
    assert present() == []
    assert (state / "clusters" / "dev").exists()
    assert federation.processes.pids() == {}


def test_a_cluster_that_cannot_be_made_leaves_none_behind(state: Path, tmp_path: Path) -> None:
    (state / "m.kubeconfig").unlink()
    federation = described(tmp_path)
    with pytest.raises(FederationError, match="no such image"):
        federation.up()
    assert present() == []
    assert (state / "clusters" / "dev").exists()


def test_without_kind_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FederationError, match="make federation-up"):
        described(tmp_path).up()
