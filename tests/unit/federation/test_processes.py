"""Programs are stopped by id, leftovers are named, and nobody else's files are touched."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from federation.processes import (
    FederationError,
    Processes,
    free_ports,
    leftovers,
    start_time,
    stop_leftovers,
)

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
IGNORE = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
STUBBORN = [sys.executable, "-c", f"{IGNORE}; print('deaf', flush=True); time.sleep(60)"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "up")
    made.claim()
    yield made
    made.stop_all()


def gone(pid: int) -> bool:
    return start_time(pid) is None


def test_everything_started_is_stopped(processes: Processes) -> None:
    pids = [processes.start(f"p{number}", SLEEPER).popen.pid for number in range(3)]
    assert sorted(processes.pids().values()) == sorted(pids)
    processes.stop_all()
    assert all(gone(pid) for pid in pids)
    assert processes.pids() == {}


def test_whoever_reads_what_runs_reads_it_whole(processes: Processes, tmp_path: Path) -> None:
    first = processes.start("first", SLEEPER)
    with (tmp_path / "up" / "processes.json").open() as state:
        processes.start("second", SLEEPER)
        # Opened before the second was noted: neither half of the new text nor an empty file.
        assert [entry["pid"] for entry in json.load(state)] == [first.popen.pid]


def test_a_frozen_program_is_stopped_too(processes: Processes) -> None:
    process = processes.start("frozen", SLEEPER)
    os.kill(process.popen.pid, signal.SIGSTOP)
    processes.stop_all()
    assert gone(process.popen.pid)


def test_a_program_that_does_not_listen_is_killed(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.processes._GRACE_S", 0.2)
    process = processes.start("deaf", STUBBORN)
    while "deaf" not in process.log.read_text():
        time.sleep(0.01)
    processes.stop_all()
    assert gone(process.popen.pid)


def test_one_that_died_is_told_with_the_end_of_its_log(processes: Processes) -> None:
    process = processes.start("broken", [sys.executable, "-c", "raise SystemExit('no disk')"])
    process.popen.wait(20)
    with pytest.raises(FederationError, match="broken ended with 1") as raised:
        processes.check()
    assert "no disk" in str(raised.value)


def test_an_earlier_run_is_named_with_the_command_that_stops_it(processes: Processes) -> None:
    pid = processes.start("etcd", SLEEPER).popen.pid
    folder = processes._folder
    with pytest.raises(FederationError) as raised:
        Processes(folder).claim()
    assert f"etcd ({pid})" in str(raised.value)
    assert f"federation-down DIR={folder}" in str(raised.value)
    assert leftovers(folder) == [("etcd", pid)]
    process = processes._running[0].popen
    assert stop_leftovers(folder) == ["etcd"]
    process.wait(5)
    assert leftovers(folder) == []
    Processes(folder).claim()


def test_an_id_that_is_somebody_elses_by_now_is_no_leftover(processes: Processes) -> None:
    process = processes.start("etcd", SLEEPER)
    state = processes._folder / "processes.json"
    told = state.read_text()
    start = start_time(process.popen.pid)
    assert start is not None
    state.write_text(told.replace(str(start), str(start - 1)))
    assert leftovers(processes._folder) == []
    assert stop_leftovers(processes._folder) == []
    assert not gone(process.popen.pid)


def test_a_folder_with_files_of_somebody_else_is_refused_and_left(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FederationError, match=r"thesis\.tex"):
        Processes(tmp_path).claim()
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_folder_of_an_earlier_run_is_emptied(processes: Processes, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    folder = processes._folder
    (folder / "pki").mkdir()
    (folder / "pki" / "ca.crt").touch()
    (folder / "link").symlink_to(outside)
    Processes(folder).claim()
    assert [entry.name for entry in folder.iterdir()] == ["processes.json"]
    assert (outside / "kept").exists()
    assert folder.stat().st_mode & 0o077 == 0


def test_ports_are_free_and_differ() -> None:
    with socket.socket() as taken:
        [first] = free_ports(1)
        taken.bind(("127.0.0.1", first))
        found = free_ports(200)
    assert first not in found
    assert len(set(found)) == 200
    assert all(port < 32768 for port in found)
