"""Tradewind's policies against published baselines: `make bench-simulate DATA=<folder>`.

Each case is one call of `tradewind simulate`; the calls are printed, so that each can be repeated
by hand. Figures go to `.bench/simulate.json`, those of cases that are not run anew stay there. The
folder holds the files that `FILES` names; where they come from is in docs/benchmarks.md.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

SCENARIOS = Path(__file__).parent / "scenarios"
OUT = Path(".bench")
STARTS = "home,lowest-slot,carbon-time,lowest-window"
PAUSES = f"{STARTS},lets-wait-awhile,ecovisor,wait-awhile"
#: Where the published figures of GAIA's artifact lie, in per cent of run-now's carbon.
PUBLISHED = {
    "lowest-slot": -22.0,
    "carbon-time": -27.5,
    "lowest-window": -31.6,
    "ecovisor": -36.1,
    "wait-awhile": -45.4,
}
COLUMNS = (
    "total USD",
    "over bound",
    "kg CO2e",
    "against home",
    "mean wait h",
    "published",
    "broken",
    "less carbon no later",
)
FILES = {
    "openb": "openb_pod_list_default.csv",
    "nodes": "openb_node_list_gpu_node.csv",
    "gaia": "gaia_pai_1k.csv",
    "carbon": "carbon_2022_hourly.csv",
    "carbon-au": "carbon_au_sa_2022_hourly.csv",
    "forecast": "carbon_2022_hourly_forecast20.csv",
    "price": "price_2022_hourly_usd_per_mwh.csv",
    "latency": "latency_ms.csv",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One call of the command.

    Args:
        name: of the case.
        options: of the command; `DATA/` and `SCENARIOS/` stand for the folders.
        base: the replay that carbon is compared with.
    """

    name: str
    options: tuple[str, ...]
    base: str


def _gaia(name: str, baselines: str) -> Case:
    policies = "SCENARIOS/gaia-policies.yaml"
    return Case(
        name,
        (
            *("--sites", f"SCENARIOS/{name}.yaml", "--jobs", f"DATA/{FILES['gaia']}"),
            *("--carbon", f"DATA/{FILES['carbon-au']}"),
            *("--policy", policies, "--baseline", baselines),
        ),
        "home",
    )


def _openb(name: str, sites: str, policies: str, baselines: str, *, forecast: bool) -> Case:
    options: tuple[str, ...] = (
        *("--sites", f"SCENARIOS/{sites}", "--jobs", f"DATA/{FILES['openb']}"),
        *("--carbon", f"DATA/{FILES['carbon']}", "--price", f"DATA/{FILES['price']}"),
        *("--latency", f"DATA/{FILES['latency']}"),
        *("--policy", policies, "--baseline", baselines, "--prices", "balanced"),
    )
    if forecast:
        options = (*options, "--forecast", f"DATA/{FILES['forecast']}")
    return Case(name, options, "home")


_MIGRATION = Case(
    "migration",
    (
        *("--sites", "SCENARIOS/migration.yaml", "--jobs", f"DATA/{FILES['gaia']}"),
        *("--carbon", f"DATA/{FILES['carbon']}"),
        *("--policy", "SCENARIOS/migration-policies.yaml"),
        *("--baseline", "home,lowest-carbon"),
    ),
    "home",
)

CASES = (
    _gaia("gaia", STARTS),
    _gaia("gaia-pausing", PAUSES),
    _gaia("gaia-first-month", STARTS),
    _gaia("gaia-first-month-pausing", PAUSES),
    _openb("openb", "openb.yaml", "balanced,cheapest,greenest,fastest", "all", forecast=False),
    _openb("openb-20%-error", "openb.yaml", "balanced,greenest", "home", forecast=True),
    _openb("openb-owned", "openb-owned.yaml", "balanced,greenest", "all", forecast=False),
    _openb("openb-owned-20%-error", "openb-owned.yaml", "balanced", "home", forecast=True),
    _MIGRATION,
)


_NAMES = ", ".join(case.name for case in CASES)


def main() -> int:
    """Run the cases; 0 if all ran."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the traces")
    parser.add_argument("--only", default="*", help="cases by a pattern: openb, gaia*")
    asked = parser.parse_args()
    if missing := [name for name in FILES.values() if not (asked.data / name).is_file()]:
        sys.stderr.write(f"{asked.data} has no {', '.join(missing)}; see docs/benchmarks.md\n")
        return 2
    cases = [case for case in CASES if fnmatchcase(case.name, asked.only)]
    if not cases:
        sys.stderr.write(f"no case is called {asked.only}; there are {_NAMES}\n")
        return 2
    OUT.mkdir(exist_ok=True)
    out = OUT / "simulate.json"
    told: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    for case in cases:
        began = time.perf_counter()
        answer = _run(case, asked.data)
        if answer is None:
            return 1
        answer["seconds"] = round(time.perf_counter() - began, 1)
        told[case.name] = answer
        print(_table(case, answer), flush=True)
        out.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0


def _run(case: Case, data: Path) -> dict[str, Any] | None:
    """What the command answers; None when it failed, which it has told."""
    options = [
        option.replace("DATA/", f"{data}/").replace("SCENARIOS/", f"{SCENARIOS}/")
        for option in case.options
    ]
    shown = " ".join(
        option.replace("SCENARIOS/", "hack/bench/scenarios/") for option in case.options
    )
    print(f"\n## {case.name}\n\ntradewind simulate {shown}\n", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "tradewind.cli", "simulate", *options, "-o", "json"],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    if done.returncode:
        return None
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _table(case: Case, answer: dict[str, Any]) -> str:
    results = answer["results"]
    base = next(r["carbonKg"] for r in results if r["name"] == case.base)
    lines = [
        f"{answer['jobs']} jobs, {answer['seconds']} s; bound {answer['boundUSD']:,.2f} USD",
        "",
        f"| | {' | '.join(COLUMNS)} |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for result in results:
        published = PUBLISHED.get(result["name"]) if case.name in ("gaia", "gaia-pausing") else None
        over = result["overBound"]
        lines.append(
            f"| {result['name']} | {result['totalUSD']:,.2f} "
            f"| {'-' if over is None else format(round(over, 6) + 0.0, '+.2%')} "
            f"| {result['carbonKg']:,.2f} | {result['carbonKg'] / base - 1:+.2%} "
            f"| {result['meanWaitHours']:.2f} | {'' if published is None else f'{published}%'} "
            f"| {sum(result['violations'].values())} | {better(result, results)} |"
        )
    return "\n".join(lines)


def better(result: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """The policies that emit less than a baseline at the same or a shorter mean wait."""
    if result["kind"] != "baseline":
        return ""
    return ", ".join(
        other["name"]
        for other in results
        if other["kind"] == "policy"
        and other["carbonKg"] < result["carbonKg"]
        and other["meanWaitHours"] <= result["meanWaitHours"]
    )


if __name__ == "__main__":
    sys.exit(main())
