"""`make bench`: from a POST at the hub to the child's ADDED event at a member.

First on a hub and two members that run API servers alone, with etcd's fsync on: a burst and a
steady rate. Then on whole members, where controllers, schedulers and simulated kubelets share the
machine, and only makespan divided by creation time says something of Tradewind. Each burst is
repeated and the median is told. Figures go to `.bench/dispatch.json`; docs/benchmarks.md tells how
to read them. `--check` ends with an error when a limit of tests/bench/limits.yaml is missed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.figures import tell
from bench.machine import cpu_by_name, facts, peak_rss_mb
from demo.clusters import join_flags
from federation.federation import Federation
from federation.person import carry_out, say
from federation.processes import FederationError, free_ports
from federation.spec import load_spec
from federation.tools import ROOT

_SPECS: Final = ROOT / "hack" / "federation" / "specs"
_RESULT: Final = ROOT / ".bench" / "dispatch.json"
_LIMITS: Final = ROOT / "tests" / "bench" / "limits.yaml"

_WARM_UP: Final = 60
_SETTLE_S: Final = 3.0
_READY_S: Final = 60.0


@dataclass(slots=True)
class Bench:
    """A federation with an operator, under load.

    Args:
        federation: it is up, and its members are joined.
        operator: the operator's process.
    """

    federation: Federation
    operator: subprocess.Popen[bytes]

    def load(self, prefix: str, count: int, *more: str) -> dict[str, Any]:
        """Post so many workloads; the figures, with the CPU time of everybody.

        Raises:
            FederationError: a workload was lost, or the load failed.
        """
        pids = {"operator": self.operator.pid} | self.federation.processes.pids()
        before = cpu_by_name(pids)
        command = [sys.executable, "-m", "bench.load", "--hub", str(self.federation.hub.kubeconfig)]
        for member in self.federation.members.values():
            command += ["--member", str(member.kubeconfig)]
        command += ["--prefix", prefix, "--count", str(count), *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
        if done.returncode:
            raise FederationError(f"the load failed: {done.stderr[-2000:]}")
        # Late reports of the same workloads are part of their cost.
        time.sleep(_SETTLE_S)
        after = cpu_by_name(pids)
        figures: dict[str, Any] = json.loads(done.stdout)
        figures["cpu_ms_per_workload"] = {
            name: round((after[name] - before[name]) / count, 2) for name in pids
        }
        return figures


@contextmanager
def _bench(spec: Path, folder: Path) -> Iterator[Bench]:
    with Federation(load_spec(spec), folder, source=spec, fsync=True, say=say) as federation:
        [port] = free_ports(1)
        environment = os.environ | {
            "KUBECONFIG": str(federation.hub.kubeconfig),
            "PYTHONPATH": str(ROOT / "operator"),
            "TRADEWIND_SITES__ALLOW_LOOPBACK": "true",
            "TRADEWIND_SERVE__HOST": "127.0.0.1",
            "TRADEWIND_SERVE__PORT": str(port),
        }
        tradewind = [sys.executable, "-m", "tradewind.cli"]
        _run([*tradewind, "install"], environment)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}}
        federation.hub.api.post("/api/v1/namespaces", body)
        for member in federation.spec.members:
            kubeconfig = str(federation.clusters[member.name].kubeconfig)
            flags = join_flags(member, federation.prometheus_url)
            _run([*tradewind, "join", member.name, "--member-kubeconfig", kubeconfig, *flags],
                 environment)  # fmt: skip
        with (folder / "operator.log").open("wb") as log:
            operator = subprocess.Popen(
                [*tradewind, "operator"], env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            _wait_ready(f"http://127.0.0.1:{port}/readyz", federation)
            yield Bench(federation, operator)
        finally:
            operator.terminate()
            try:
                operator.wait(20)
            except subprocess.TimeoutExpired:
                operator.kill()
                operator.wait()


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60,
                          check=False)  # fmt: skip
    if done.returncode:
        raise FederationError(f"{' '.join(command[3:5])}: {done.stdout}{done.stderr}")


def _wait_ready(url: str, federation: Federation) -> None:
    """Until the operator leads, and has every site's inventory."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own process
                pass
        except OSError:
            time.sleep(0.2)
            continue
        sites = federation.hub.api.get("/apis/tradewind.dev/v1alpha1/computesites")["items"]
        conditions = [c for site in sites for c in site.get("status", {}).get("conditions", [])]
        if sum(c["type"] == "Ready" and c["status"] == "True" for c in conditions) == len(sites):
            return
        time.sleep(0.2)
    raise FederationError(f"the operator and its sites were not ready within {_READY_S:.0f} s")


def _median_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose rate is the median, whole: figures of one run belong together."""
    middle = median([run["per_second"] for run in runs])
    chosen = min(runs, key=lambda run: abs(run["per_second"] - middle))
    return chosen | {"runs": [[run["per_second"], run["makespan_ratio"]] for run in runs]}


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Both federations, one after the other."""
    clients = ("--clients", str(given.clients))
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as scratch:
        say("API servers alone, fsync on")
        with _bench(_SPECS / "two-bare.yaml", Path(scratch, "bare")) as bench:
            bench.load("warm", _WARM_UP)
            bursts = []
            for number in range(given.repeat):
                bursts.append(bench.load(f"burst{number}", given.burst, *clients))
                say(f"burst of {given.burst}: {_short(bursts[-1])}")
            steady = bench.load("steady", int(given.rate * given.seconds), "--rate",
                                str(given.rate))  # fmt: skip
            say(f"steady {given.rate:g} a second for {given.seconds} s: {_short(steady)}")
            peak = peak_rss_mb(bench.operator.pid)
        say("whole members, fsync on")
        with _bench(_SPECS / "two-full.yaml", Path(scratch, "full")) as bench:
            bench.load("warm", _WARM_UP)
            full = bench.load("full", given.full, *clients)
            say(f"burst of {given.full}: {_short(full)}")
    burst = _median_of(bursts)
    cost = median([run["cpu_ms_per_workload"]["operator"] for run in bursts])
    return {
        "burst": burst,
        "steady": steady,
        "full": full,
        "cpu_ms_per_workload": cost,
        "peak_rss_mb": peak,
        "clients": given.clients,
        "machine": facts(),
    }


def _short(run: dict[str, Any]) -> str:
    return (
        f"{run['per_second']:g} a second, p50 {run['p50_ms']:g} ms, p99 {run['p99_ms']:g} ms, "
        f"makespan / creation {run['makespan_ratio']:g}, "
        f"operator {run['cpu_ms_per_workload']['operator']:g} ms CPU a workload"
    )


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--burst", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=3, help="bursts; the median is told")
    parser.add_argument(
        "--clients",
        type=int,
        default=1,
        help="that post at a time in a burst; kubectl apply is one",
    )
    parser.add_argument("--rate", type=float, default=20.0, help="a second, steady")
    parser.add_argument("--seconds", type=int, default=30, help="of the steady load")
    parser.add_argument("--full", type=int, default=300, help="burst on whole members")
    parser.add_argument("--check", action="store_true", help="fail when a limit is missed")
    given = parser.parse_args()
    return carry_out(lambda: tell(measure(given), _RESULT, _LIMITS, check=given.check))


if __name__ == "__main__":
    sys.exit(main())
