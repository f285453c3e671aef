"""The demo, step by step: each step does one thing that a newcomer could do by hand.

It relies on `clusters` for the federation and on `promises` for what must come true; everything
else it does the way a user would, with kubectl and tradewind.
"""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from demo.cast import PROMISES, TRAINING, UNPLACEABLE
from demo.clusters import Clusters
from demo.follow import Objects, follow
from demo.programs import CommandFailedError, Running, Shell, end_process, wait_until
from demo.promises import Outcome, judge
from demo.say import Narrator
from tradewind.base.aio import SystemClock

ROOT: Final = Path(__file__).parents[2]
CRDS: Final = ROOT / "crds"
POLICIES: Final = ROOT / "operator/tradewind/cli/shipped/policies.yaml"
WORKLOADS: Final = Path(__file__).parent / "workloads"

_PID_FILE: Final = "operator.pid"

#: Limits of the demo's waits, seconds; each is several times what a busy two-core machine takes.
_OPERATOR_READY_S: Final = 60.0
_SITES_READY_S: Final = 90.0
_WORKLOADS_S: Final = 180.0


class Play:
    """The steps after the federation is up.

    Args:
        narrator: tells each of them.
        clusters: the federation.
        shell: runs kubectl and tradewind against the hub.
    """

    def __init__(self, narrator: Narrator, clusters: Clusters, shell: Shell) -> None:
        self._say = narrator
        self._clusters = clusters
        self._shell = shell
        self.operator: Running | None = None

    def install(self) -> None:
        """Kinds and policies on the hub."""
        for path in (CRDS, POLICIES):
            self._say.command(f"kubectl apply --server-side -f {path.relative_to(ROOT)}")
            applied = self._shell.run("kubectl", "apply", "--server-side", "-f", str(path))
            self._say.block(applied)
            # The API server serves a kind a moment after it took its definition.
            established = ("--for=condition=Established", "--timeout=30s", "crd", "--all")
            self._shell.run("kubectl", "wait", *established)

    def start_operator(self) -> None:
        """The operator, beside us until it is stopped."""
        port = self._clusters.operator_port
        log = self._clusters.folder / "operator.log"
        self._say.command(f"tradewind operator   # log: {log}")
        self.operator = self._shell.start(log, "tradewind", "operator")
        (self._clusters.folder / _PID_FILE).write_text(str(self.operator.process.pid))
        wait_until(
            lambda: self._operator_answers(f"http://127.0.0.1:{port}/readyz"),
            what="the operator to be ready",
            limit_s=_OPERATOR_READY_S,
        )

    def stop_operator(self) -> None:
        """End the operator, if it was started."""
        if self.operator is not None:
            self.operator.stop()
            (self._clusters.folder / _PID_FILE).unlink(missing_ok=True)

    def _operator_answers(self, url: str) -> tuple[bool, str]:
        problem = self._fault()
        if problem:
            raise CommandFailedError(problem)
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own process
                return answer.status == 200, f"answered {answer.status}"  # noqa: PLR2004
        except (urllib.error.URLError, OSError) as error:
            return False, str(error)

    def join(self) -> None:
        """Each member through `tradewind join`, then wait until the operator knows it."""
        for member in self._clusters.members:
            flags = ["--member-kubeconfig", str(member.kubeconfig), *member.flags]
            self._say.command(f"tradewind join {member.name} {' '.join(member.flags)}")
            self._shell.run("tradewind", "join", member.name, *flags)
        wait_until(self._all_ready, what="all sites to be ready", limit_s=_SITES_READY_S)
        self._say.block(self._shell.run("kubectl", "tradewind", "sites"))

    def _all_ready(self) -> tuple[bool, str]:
        problem = self._fault()
        if problem:
            raise CommandFailedError(problem)
        waiting = [site["metadata"]["name"] for site in self._sites() if not _is_ready(site)]
        return not waiting, f"not ready: {', '.join(waiting)}"

    def apply(self) -> None:
        """Six workloads, as a user applies them."""
        for promise in PROMISES:
            self._say.fact(f"{promise.name:<16} {promise.story}")
        self._say.command("kubectl apply -f hack/demo/workloads/")
        self._say.block(self._shell.run("kubectl", "apply", "-f", str(WORKLOADS)))

    def watch(self) -> None:
        """Follow them until everything is as promised."""
        follow(self._say, SystemClock(), self._look, limit_s=_WORKLOADS_S, fault=self._fault)

    def _look(self) -> tuple[Objects, Outcome]:
        workloads = self._list("aiworkloads.tradewind.dev", "-A")
        return workloads, judge(PROMISES, workloads, self._sites())

    def show(self) -> None:
        """Why: one decision that was taken, one that could not be; then the tables."""
        for command in (
            ("explain", TRAINING),
            ("explain", UNPLACEABLE),
            ("sites",),
            ("workloads", "-A"),
        ):
            self._say.plain()
            self._say.command(f"kubectl tradewind {' '.join(command)}")
            self._say.block(self._shell.run("kubectl", "tradewind", *command))

    def _sites(self) -> list[dict[str, Any]]:
        return self._list("computesites.tradewind.dev")

    def _list(self, resource: str, *flags: str) -> list[dict[str, Any]]:
        text = self._shell.run("kubectl", "get", resource, *flags, "-o", "json")
        items: list[dict[str, Any]] = json.loads(text)["items"]
        return items

    def _fault(self) -> str:
        """Why going on makes no sense; empty while it does."""
        if self.operator is None or self.operator.alive:
            return ""
        return f"the operator ended with {self.operator.process.returncode}"


def _is_ready(site: dict[str, Any]) -> bool:
    conditions = site.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def stop_kept_operator(folder: Path) -> None:
    """End the operator of a demo that was kept, if the process of that id still is one."""
    file = folder / _PID_FILE
    try:
        pid = int(file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if b"tradewind" in command and b"operator" in command:
        end_process(pid, limit_s=20.0)
    file.unlink(missing_ok=True)
