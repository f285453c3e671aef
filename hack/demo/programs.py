"""The programs the demo runs: short ones to their end, the operator beside it until it is stopped.

`tradewind` and `kubectl-tradewind` are put into one folder together with kubectl, so that whoever
keeps the demo adds a single folder to PATH and has all three.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Whether it is so, and what was seen instead.
Ready = Callable[[], tuple[bool, str]]

_LAUNCHER = """#!{python}
import sys
sys.path[:0] = {paths!r}
from tradewind.cli.main import main
main()
"""


#: The signal that is none: it only asks whether the process is there.
_STILL_THERE = 0


class CommandFailedError(Exception):
    """A program of the demo did not do what it must; the text holds all that it said."""


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs programs with one environment, in one folder.

    Args:
        environment: all of it; nothing is inherited behind its back.
        folder: where they run.
    """

    environment: Mapping[str, str]
    folder: Path

    def run(self, *command: str, limit_s: float = 60.0) -> str:
        """Run to the end and give back standard output.

        Raises:
            CommandFailedError: it ended badly, or not within the limit.
        """
        try:
            done = subprocess.run(
                self._resolved(command),
                env=dict(self.environment),
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailedError(
                f"{' '.join(command)}: no end after {limit_s:.0f} s"
            ) from error
        if done.returncode != 0:
            raise CommandFailedError(
                f"{' '.join(command)}: ended with {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def start(self, log: Path, *command: str) -> "Running":
        """Start a program that stays; what it says goes to a log file."""
        with log.open("wb") as sink:
            process = subprocess.Popen(
                self._resolved(command),
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to handle, in our order
            )
        return Running(process, log)

    def _resolved(self, command: Sequence[str]) -> list[str]:
        """Find the program on this environment's PATH, which is not that of our process."""
        for folder in self.environment.get("PATH", "").split(os.pathsep):
            path = Path(folder) / command[0]
            if path.is_file() and os.access(path, os.X_OK):
                return [str(path), *command[1:]]
        raise CommandFailedError(f"{command[0]}: not found on PATH")


@dataclass(slots=True)
class Running:
    """A program beside us, with its log."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def stop(self, limit_s: float = 20.0) -> None:
        """Ask it to end, and make it end when it does not; returns when it is gone."""
        if not self.alive:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self, lines: int = 25) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def end_process(pid: int, limit_s: float) -> None:
    """End a process that is not our child: asked first, made to after the limit."""
    deadline = time.monotonic() + limit_s
    number = int(signal.SIGTERM)
    while True:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        number = int(signal.SIGKILL) if time.monotonic() > deadline else _STILL_THERE
        time.sleep(0.1)


def install_launchers(folder: Path, kubectl: Path, sources: Sequence[Path]) -> None:
    """Put `tradewind`, `kubectl-tradewind` and kubectl into a folder.

    Args:
        folder: made if it is not there.
        kubectl: the binary to link to.
        sources: folders with the packages to run, so that this checkout is what runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = _LAUNCHER.format(python=sys.executable, paths=[str(path) for path in sources])
    for name in ("tradewind", "kubectl-tradewind"):
        launcher = folder / name
        launcher.write_text(text)
        launcher.chmod(0o755)
    link = folder / "kubectl"
    link.unlink(missing_ok=True)
    link.symlink_to(kubectl)


def wait_until(ready: Ready, *, what: str, limit_s: float, every_s: float = 0.2) -> None:
    """Poll until something is so.

    Raises:
        CommandFailedError: it was not within the limit; names what, and the last answer.
    """
    deadline = time.monotonic() + limit_s
    last = ""
    while time.monotonic() < deadline:
        ok, last = ready()
        if ok:
            return
        time.sleep(every_s)
    raise CommandFailedError(f"{what}: not within {limit_s:.0f} s; {last}")
