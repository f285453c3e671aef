"""Processes that end with the federation, stopped in an order and by their ids.

A state file beside the logs holds each process's id and start time, so that a later run can tell a
leftover from a stranger that was given the same id, and name what stops it.
"""

import atexit
import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1
#: How long programs may take to end by themselves, seconds.
_GRACE_S = 6.0

#: Name, process id, and whether it is still there.
_Running = tuple[str, int, Callable[[], bool]]


class FederationError(Exception):
    """The federation cannot do what was asked; the text says why, and what mends it."""


@dataclass(slots=True)
class Process:
    """One program of the federation."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.is_alive()

    def is_alive(self) -> bool:
        """The same, to hand on."""
        return self.popen.poll() is None

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, limit_s: float = 10.0) -> None:
        """Ask it to end, then make it; returns when it is gone."""
        if not self.alive:
            return
        # One that was stopped (SIGSTOP) would never see the request.
        self.popen.send_signal(signal.SIGCONT)
        self.popen.terminate()
        try:
            self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class Processes:
    """All programs of one federation.

    Args:
        folder: for logs and the state file.
        tied: end the programs with this process, however it ends; not for one that stays up.
    """

    def __init__(self, folder: Path, *, tied: bool = True) -> None:
        self._folder = folder
        self._tied = tied
        self._state = folder / "processes.json"
        self._running: list[Process] = []

    def claim(self) -> None:
        """Make the folder ours, and empty it of an earlier run's files.

        Raises:
            FederationError: an earlier run's processes are still there, or files of somebody else.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        left = leftovers(self._folder)
        if left:
            names = ", ".join(f"{name} ({pid})" for name, pid in left)
            raise FederationError(
                f"an earlier federation in {self._folder} still runs: {names}\n"
                f"stop it with: make -C {_ROOT} federation-down DIR={self._folder}"
            )
        entries = list(self._folder.iterdir())
        if entries and self._state not in entries:
            raise FederationError(
                f"{self._folder} holds files that no federation made, such as {entries[0].name}; "
                "name an empty or a new folder"
            )
        for entry in entries:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != self._state:
                entry.unlink()
        self._folder.chmod(0o700)
        self._save()

    def release(self) -> None:
        """Let the programs go on when this process ends."""
        atexit.unregister(self.stop_all)

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program; its output goes to a log."""
        log = self._folder / f"{name}.log"
        with log.open("ab") as sink:
            popen = subprocess.Popen(
                list(command),
                cwd=self._folder,
                env=None if env is None else dict(env),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to handle, in our order
                preexec_fn=_die_with_parent if self._tied else None,  # noqa: PLW1509
            )
        process = Process(name, popen, log)
        self._running.append(process)
        if len(self._running) == 1:
            atexit.register(self.stop_all)
        self._save()
        return process

    def forget_ended(self, name: str) -> None:
        """Let go of a program that was stopped, so that it may be started again."""
        self._running = [p for p in self._running if p.name != name or p.alive]

    def pids(self) -> dict[str, int]:
        """Ids by name."""
        return {process.name: process.popen.pid for process in self._running}

    def check(self) -> None:
        """Fail if one has died.

        Raises:
            FederationError: with the end of its log.
        """
        for process in self._running:
            if not process.alive:
                raise FederationError(
                    f"{process.name} ended with {process.popen.returncode}; its log ends:\n"
                    f"{process.tail()}\nwhole log: {process.log}"
                )

    def stop_all(self) -> None:
        """Stop everything; returns when each is gone."""
        _stop_in_waves([(p.name, p.popen.pid, p.is_alive) for p in self._running])
        self._running.clear()
        self._save()
        atexit.unregister(self.stop_all)

    def _save(self) -> None:
        facts = [
            {"name": process.name, "pid": process.popen.pid, "start": start_time(process.popen.pid)}
            for process in self._running
        ]
        # Whole or not at all: who looks for leftovers may read at any moment.
        written = self._state.with_suffix(".new")
        written.write_text(json.dumps(facts))
        written.replace(self._state)


def _die_with_parent() -> None:
    """On Linux, have the kernel end the program should this process be killed."""
    with contextlib.suppress(OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def leftovers(folder: Path) -> list[tuple[str, int]]:
    """Names and ids of an earlier run's processes that are still there."""
    state = folder / "processes.json"
    if not state.exists():
        return []
    return [
        (entry["name"], entry["pid"])
        for entry in json.loads(state.read_text() or "[]")
        if entry["start"] is not None and start_time(entry["pid"]) == entry["start"]
    ]


def stop_leftovers(folder: Path) -> list[str]:
    """Stop an earlier run's processes; returns their names when each is gone."""
    left = leftovers(folder)
    _stop_in_waves([(name, pid, partial(_same, pid, start_time(pid))) for name, pid in left])
    return [name for name, _ in left]


def _same(pid: int, start: int | None) -> bool:
    """Whether the process of an id is still the one that it was."""
    return start is not None and start_time(pid) == start


def _stop_in_waves(running: Sequence[_Running]) -> None:
    """First what talks to the API servers, then these, then etcd."""
    for wave in (
        [one for one in running if one[0] != "etcd" and not one[0].endswith("-apiserver")],
        [one for one in running if one[0].endswith("-apiserver")],
        [one for one in running if one[0] == "etcd"],
    ):
        # One that was frozen (SIGSTOP) would never see the request to end.
        _signal(wave, signal.SIGCONT, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while any(alive() for _, _, alive in wave) and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal(wave, signal.SIGKILL)
        while any(alive() for _, _, alive in wave):
            time.sleep(0.02)


def _signal(wave: Sequence[_Running], *numbers: signal.Signals) -> None:
    for _, pid, alive in wave:
        for number in numbers:
            if alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)


#: Below the range that Linux gives to outgoing connections, which could take a port that was found
#: free before its program listens.
_PORTS = range(20000, 32000)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now.

    Raises:
        FederationError: there are not that many.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise FederationError(f"there are no {count} free ports from {_PORTS.start} to {_PORTS.stop}")
