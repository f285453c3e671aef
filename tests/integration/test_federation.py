"""The local federation as a user handles it: up, seen, refused twice, down; and nothing is left."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.live import ROOT, wait_for

from federation.processes import leftovers, start_time

pytestmark = pytest.mark.integration

SPEC = """
prometheus: false
members:
  - {name: m, components: apiserver-only, nodes: [{template: nvidia-l4, count: 2}]}
"""
OWNER = """
import sys, time
from pathlib import Path
from federation.federation import Federation
from federation.spec import load_spec
spec = Path(sys.argv[1])
with Federation(load_spec(spec), Path(sys.argv[2]), source=spec):
    print("up", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "federation"
    yield folder
    run("down", "--dir", str(folder))


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'hack'}:{ROOT}"}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> tuple[int, str]:
    process = start("-m", "federation", *arguments)
    out, error = process.communicate(timeout=120)
    return process.returncode, out + error


def pids_of(folder: Path) -> list[int]:
    state = folder / "processes.json"
    return [entry["pid"] for entry in json.loads(state.read_text())] if state.exists() else []


def all_gone(pids: list[int]) -> bool:
    return all(start_time(pid) is None for pid in pids)


def test_up_status_up_again_down(spec: Path, folder: Path) -> None:
    where = ("--dir", str(folder))
    code, told = run("up", "--spec", str(spec), *where)
    assert code == 0, told
    assert "make federation-down" in told
    names = {name for name, _ in leftovers(folder)}
    assert {"etcd", "hub-apiserver", "m-apiserver"} <= names
    status = run("status", *where)[1]
    assert all(name in status for name in names)
    nodes = subprocess.run(
        [_kubectl(told), "--kubeconfig", str(folder / "m.kubeconfig"), "get", "nodes", "-o=name"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(nodes.stdout.splitlines()) == 2

    code, told = run("up", "--spec", str(spec), *where)
    assert code == 1
    assert "an earlier federation in" in told
    assert f"federation-down DIR={folder}" in told

    pids = pids_of(folder)
    assert "etcd" in run("down", *where)[1]
    assert all_gone(pids)
    assert "no federation is up" in run("status", *where)[1]
    assert "no federation is up" in run("down", *where)[1]


def _kubectl(told: str) -> str:
    return next(line for line in told.splitlines() if "kubectl is " in line).split("kubectl is ")[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_interrupts_the_start_leaves_nothing(
    spec: Path, folder: Path, number: signal.Signals
) -> None:
    process = start("-m", "federation", "up", "--spec", str(spec), "--dir", str(folder))
    wait_for(lambda: len(pids_of(folder)) >= 2, "two programs to be started")
    pids = pids_of(folder)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was started is stopped" in error
    assert all_gone(pids)
    assert leftovers(folder) == []


def test_an_owner_that_is_killed_takes_its_programs_along(spec: Path, folder: Path) -> None:
    owner = start("-c", OWNER, str(spec), str(folder))
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    pids = pids_of(folder)
    assert not any(start_time(pid) is None for pid in pids)
    owner.kill()
    owner.communicate(timeout=20)
    wait_for(lambda: all_gone(pids), "the programs to end with their owner", limit_s=10)


def test_a_fault_of_one_program_ends_the_start_with_its_log(
    spec: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "path" / "kube-apiserver"
    broken.parent.mkdir()
    version = _version_of("kube-apiserver")
    broken.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "Kubernetes {version}" && exit\n'
        "echo cannot bind; exit 3\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    began = time.monotonic()
    code, told = run("up", "--spec", str(spec), "--dir", str(folder))
    assert code == 1
    assert "apiserver ended with 3" in told
    assert "cannot bind" in told
    assert time.monotonic() - began < 60
    assert leftovers(folder) == []


def _version_of(name: str) -> str:
    from federation.tools import TOOLS, pinned

    return pinned(TOOLS[name].module)
