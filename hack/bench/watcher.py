"""The measured process of `make bench-telemetry`: it watches sites and counts its own CPU time.

First polls alone, for so many seconds after each site was polled twice; then every site's forecasts
once, as the operator makes them once an hour. Prints one JSON document.
"""

import argparse
import asyncio
import json
import os
import resource
import sys
from collections.abc import Mapping

from bench.machine import peak_rss_mb
from tradewind.api.site import ComputeSite
from tradewind.base.aio import SystemClock
from tradewind.base.observe import configure_logging
from tradewind.telemetry.foresight import Foresight
from tradewind.telemetry.prometheus import Access, Prometheus
from tradewind.telemetry.registry import TelemetryRegistry
from tradewind.telemetry.watch import POLLS, Options

#: Later than any bench: forecasts are measured apart.
_NEVER_S = 1e6


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _polls() -> float:
    return sum(
        sample.value
        for metric in POLLS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


async def _no_secret(namespace: str, name: str) -> Mapping[str, bytes] | None:
    del namespace, name
    return None


def _site(number: int, url: str, poll_s: float) -> ComputeSite:
    name = f"site-{number}"
    prometheus = {"url": url, "matchers": {"cluster": name}, "pollInterval": f"{poll_s:g}s"}
    return ComputeSite.model_validate(
        {
            "metadata": {"name": name},
            "spec": {"access": {"hub": {}}, "prometheus": prometheus},
        }
    )


async def watch(url: str, sites: int, poll_s: float, seconds: float) -> dict[str, float]:
    """Poll, and count."""
    changes = 0

    def changed(_: str) -> None:
        nonlocal changes
        changes += 1

    registry = TelemetryRegistry(
        read_secret=_no_secret,
        allow_loopback=True,
        on_signals=changed,
        clock=SystemClock(),
        options=Options(step_s=_NEVER_S, first_forecast_s=_NEVER_S),
    )
    # As sites come when an operator starts: all at once. Their polls stay spread over a second,
    # which is the dearest way: 200 in one second, and silence.
    for number in range(sites):
        registry.sync(_site(number, url, poll_s))
    while _polls() < 2 * sites:  # noqa: ASYNC110 - a counter tells nobody
        await asyncio.sleep(0.2)
    sys.stdout.write("begin\n")
    sys.stdout.flush()
    polls, cpu_s, changes = _polls(), _cpu_s(), 0
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.sleep(seconds)
    wall_s, used_s = loop.time() - began, _cpu_s() - cpu_s
    known = registry.signals("site-0")
    found = {
        "polls": _polls() - polls,
        "wall_s": wall_s,
        "cpu_s": used_s,
        "changes": changes,
        "signals_known": sum(
            getattr(known, name) not in (None, {}) for name in type(known).model_fields
        ),
    }
    await registry.close()
    return found


def forecast(url: str, sites: int) -> dict[str, float]:
    """Each site's forecasts once; CPU time for all of them."""
    sources = dict.fromkeys(("carbonIntensity", "pricePerMWh"), "tradewind")
    sources["load"] = "node_exporter"
    now = SystemClock().now()
    before, made = _cpu_s(), 0
    for number in range(sites):
        spec = _site(number, url, 30.0).spec.prometheus
        if spec is None:
            raise AssertionError("it was just given one")
        server = Prometheus(Access(url), allow_loopback=True)
        made += len(Foresight(f"site-{number}", spec).look(server, sources, now))
        server.close()
    return {"forecasts": made, "forecast_cpu_s": _cpu_s() - before}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.watcher", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--poll", type=float, default=30.0, help="seconds between two polls")
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring")
    given = parser.parse_args()
    configure_logging("ERROR", "text")
    figures: dict[str, float] = asyncio.run(
        watch(given.url, given.sites, given.poll, given.seconds)
    )
    sys.stdout.write("end\n")
    sys.stdout.flush()
    sys.stdin.readline()  # requests are being counted
    figures |= forecast(given.url, given.sites)
    figures["peak_rss_mb"] = peak_rss_mb(os.getpid())
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
