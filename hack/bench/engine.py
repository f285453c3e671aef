"""How fast and how good is the engine? `make bench-engine`; figures to `.bench/engine.json`.

Each case is planned again and again by one `Planner`, a second of simulated time after the other;
of the calls after the first the quickest counts. Then once more with a site that changed and other
workloads of the same shapes, which is told beside it (`changed_seconds`). One core: BLAS is held to
one thread. The collector is set, and paused while a plan is made, as the operator does it. Cost and
bound are worked out apart from the solver, see `bound.py`.
"""

import argparse
import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

# Before numpy is loaded, by whatever comes first.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from bench.bound import Judge  # noqa: E402
from bench.continent import NOW, Size, make_running, make_shapes, make_snapshot  # noqa: E402
from bench.machine import facts  # noqa: E402
from tradewind.api.site import SignalState  # noqa: E402
from tradewind.base.collector import paused_collector  # noqa: E402
from tradewind.placement.engine import Planner  # noqa: E402
from tradewind.placement.plan import Plan  # noqa: E402
from tradewind.placement.snapshot import SignalValue, Snapshot, Uid  # noqa: E402

OUT = Path(".bench/engine.json")
LOADS = (0.6, 0.9, 1.3)
GROWTH = [(w, s) for s in (10, 100, 1000) for w in (100, 1000, 10_000, 100_000)]
#: Of so many calls after the first the quickest counts: others use the machine, too.
CALLS = 5
# What is asked: seconds, and cost over the bound, without and with later starts.
ASKED = {1: (1.0, 0.01), 24: (5.0, 0.02)}


def as_the_operator_does() -> None:
    """Collector settings of `controller.app`."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of wall time, and what came of it."""
    started = time.perf_counter()
    found = call()
    return time.perf_counter() - started, found


def case(size: Size, *, judged: bool = True) -> dict[str, Any]:
    """Plan a case."""
    snapshot = make_snapshot(size)
    planner = Planner()
    first, _ = timed(partial(planned, planner, snapshot, NOW))
    as_the_operator_does()
    took = []
    for calls in range(1, CALLS + 1):
        later = NOW + timedelta(seconds=calls)
        seconds, plan = timed(partial(planned, planner, snapshot, later))
        took.append(seconds)
    changed = one_site_changed(snapshot)
    anew, _ = timed(partial(planned, planner, changed, later + timedelta(seconds=1)))
    figures: dict[str, Any] = {
        "workloads": size.workloads,
        "shapes": size.shapes,
        "sites": size.sites,
        "classes": 3,
        "load": size.load,
        "slots": size.slots,
        "seconds": round(min(took), 3),
        "all_seconds": [round(seconds, 3) for seconds in took],
        "changed_seconds": round(anew, 3),
        "first_seconds": round(first, 3),
        "placed": len(plan.assignments),
        "deferred": len(plan.deferred),
        "waiting": len(plan.waiting),
    }
    if judged:
        judge = Judge(snapshot, later)
        cost, bound = judge.cost(plan), judge.bound(judge.prices())
        figures |= {
            "cost_usd": round(cost, 2),
            "bound_usd": round(bound, 2),
            "cost_over_bound": round(cost / bound - 1, 5),
        }
    return figures


def planned(planner: Planner, snapshot: Snapshot, now: datetime) -> Plan:
    """A plan, made as `controller.loop` does."""
    with paused_collector():
        return planner.plan(snapshot, now)


def one_site_changed(snapshot: Snapshot) -> Snapshot:
    """The same with a site whose price is another, and other workloads of the same shapes."""
    first, *others = snapshot.sites
    price = SignalValue(91.0, SignalState.CURRENT)
    pending = [replace(w, uid=Uid(f"next-{w.uid}")) for w in snapshot.pending]
    return replace(
        snapshot,
        sites=(replace(first, price_per_mwh=price), *others),
        pending=tuple(pending),
    )


def incremental(snapshot: Snapshot, running: int = 100_000, rounds: int = 60) -> float:
    """Median milliseconds to plan one new workload while much runs; a site changes each time."""
    sites = list(snapshot.sites)
    busy = replace(snapshot, running=make_running(sites, running), pending=())
    works = make_shapes(Size(shapes=rounds), random.Random(3))  # noqa: S311
    planner, took = Planner(), []
    for i, work in enumerate(works):
        changed = sites[i % len(sites)]
        sites[i % len(sites)] = replace(changed, node_shapes=changed.node_shapes[1:])
        one = replace(work, uid=Uid(f"new-{i}"), name=f"new-{i}")
        asked = replace(busy, sites=tuple(sites), pending=(one,), serial=i)
        seconds, _ = timed(partial(planned, planner, asked, NOW + timedelta(seconds=i)))
        took.append(seconds * 1000)
    return round(median(took[5:]), 2)


def freeze(sites: int = 1000, running: int = 100_000) -> float:
    """Median milliseconds to freeze a snapshot of as many sites and placed workloads."""
    from bench.hub import freezer

    frozen = freezer(sites, running)
    as_the_operator_does()
    took = [timed(partial(frozen, serial))[0] * 1000 for serial in range(8)]
    return round(median(took[2:]), 2)


def told(figures: dict[str, Any]) -> str:
    """A line of the table."""
    over = figures.get("cost_over_bound")
    judged = ""
    if over is not None:
        judged = f" {figures['cost_usd']:>12,.0f} {figures['bound_usd']:>12,.0f} {over:>7.2%}"
    return (
        f"{figures['workloads']:>8} {figures['shapes']:>6} {figures['sites']:>6}"
        f" {figures['load']:>5.0%} {figures['slots']:>5} {figures['first_seconds']:>7.2f}"
        f" {figures['seconds']:>8.3f} {figures['deferred']:>8} {figures['waiting']:>8}{judged}"
    )


def main() -> int:
    """Run what is asked for, and write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="without later starts and growth")
    options.add_argument("--check", action="store_true", help="fail where less is reached")
    given = options.parse_args()
    print(
        f"{'work':>8} {'shapes':>6} {'sites':>6} {'load':>5} {'slots':>5} {'first s':>7}"
        f" {'seconds':>8} {'deferred':>8} {'waiting':>8} {'cost USD':>12} {'bound USD':>12}"
        f" {'over':>7}"
    )
    found: dict[str, Any] = {"machine": facts(), "cases": [], "growth": []}
    for slots in (1,) if given.quick else (1, 24):
        for load in LOADS:
            found["cases"].append(case(Size(load=load, slots=slots)))
            print(told(found["cases"][-1]), flush=True)
    for workloads, sites in () if given.quick else GROWTH:
        size = Size(workloads, max(1, min(2000, workloads // 50)), sites)
        found["growth"].append(case(size, judged=False))
        print(told(found["growth"][-1]), flush=True)
    found["incremental_p50_ms"] = incremental(make_snapshot(Size()))
    print(f"one new workload beside 100,000 running: {found['incremental_p50_ms']} ms (p50)")
    found["freeze_ms"] = freeze()
    print(f"freeze: {found['freeze_ms']} ms")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    missed = [
        figures
        for figures in found["cases"]
        if figures["seconds"] > ASKED[figures["slots"]][0]
        or figures["cost_over_bound"] > ASKED[figures["slots"]][1]
    ]
    return 1 if given.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
