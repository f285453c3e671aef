"""`make bench-telemetry`: what it costs to know 200 sites.

A real Prometheus holds the series of all sites, as a central one does, told apart by the label
`cluster`. A process of its own watches them (`watcher.py`); only its CPU time counts. Requests are
counted by Prometheus. Figures go to `.bench/telemetry.json`.
"""

import argparse
import json
import random
import select
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.figures import tell
from bench.machine import facts
from federation.lone import LonePrometheus, Page, lone_prometheus
from federation.person import carry_out, say
from federation.processes import FederationError
from federation.tools import ROOT

_RESULT: Final = ROOT / ".bench" / "telemetry.json"
_LIMITS: Final = ROOT / "tests" / "bench" / "limits-telemetry.yaml"

_NODES, _CHIPS = 4, 8
_REGIONS: Final = ("paris", "shanghai", "virginia")
_HOURS: Final = 28 * 24
#: Lines by which the watching process tells that polling begins and ends to be measured.
_MARKS: Final = ("begin", "end")
_SCRAPED_S: Final = 60.0
#: Hours of the day at which the past of the bench is high.
_HIGH_HOURS: Final = range(13, 24)


def page_of(sites: int, seconds: float, random_: random.Random) -> str:
    """What all sites' exporters show after so many seconds."""
    lines = (line for number in range(sites) for line in _site(number, seconds, random_))
    return "".join(f"{line}\n" for line in lines)


def _site(number: int, seconds: float, random_: random.Random) -> Iterator[str]:
    site = f'cluster="site-{number}"'
    busy = 0.2 + 0.6 * random_.random()
    for node in range(_NODES):
        here = f'{site},node="n{node}",instance="n{node}"'
        for mode, share in (("user", busy), ("idle", 1 - busy), ("iowait", 0.0), ("system", 0.0)):
            yield f'node_cpu_seconds_total{{{here},cpu="0",mode="{mode}"}} {seconds * share}'
        yield f"node_memory_MemAvailable_bytes{{{here}}} {random_.uniform(1e11, 4e11)}"
        yield f"node_memory_MemTotal_bytes{{{here}}} 5e11"
        for resource, amount in (("cpu", 64), ("memory", 5e11), ("nvidia_com_gpu", _CHIPS)):
            yield f'kube_node_status_allocatable{{{here},resource="{resource}"}} {amount}'
        yield f"node_cpu_hourly_cost{{{here}}} 0.03"
        yield f"node_ram_hourly_cost{{{here}}} 0.004"
        yield f'node_gpu_hourly_cost{{{here},instance_type="p5.48xlarge"}} 2.5'
        for chip in range(_CHIPS):
            device = f'{here},UUID="{node}-{chip}",modelName="NVIDIA H100 80GB HBM3"'
            yield f"DCGM_FI_DEV_GPU_UTIL{{{device}}} {random_.randrange(100)}"
            yield f"DCGM_FI_DEV_POWER_USAGE{{{device}}} {random_.randrange(100, 700)}"
    pod = f'{site},namespace="n",pod="p",uid="1"'
    yield f'kube_pod_status_phase{{{pod},phase="Running"}} 1'
    yield (
        f'kube_pod_container_resource_requests{{{pod},container="m",node="n0",'
        f'resource="nvidia_com_gpu"}} 4'
    )
    yield (
        f'tradewind_carbon_intensity_g_per_kwh{{{site},kind="average"}} {random_.uniform(50, 700)}'
    )
    yield f"tradewind_electricity_price_usd_per_mwh{{{site}}} {random_.uniform(10, 150)}"
    yield f"tradewind_power_usage_effectiveness{{{site}}} 1.2"
    yield f'kueue_pending_workloads{{{site},cluster_queue="q",status="active"}} 3'
    yield f'vllm:num_requests_waiting{{{site},pod="v",model_name="m"}} {random_.randrange(50)}'
    yield f'vllm:generation_tokens_total{{{site},pod="v",model_name="m"}} {seconds * 900}'
    for region in _REGIONS:
        probe = f'site="site-{number}",region="{region}",instance="{region}"'
        told = random_.uniform(0.005, 0.2)
        yield f'probe_icmp_duration_seconds{{{probe},phase="rtt"}} {told}'
        yield f"probe_success{{{probe}}} 1"


def past_of(sites: int, random_: random.Random) -> Iterator[str]:
    """Four weeks of hourly carbon and price for each site."""
    hour = int(time.time()) // 3600 * 3600  # noqa: TID251 - the real Prometheus has the real time
    for number in range(sites):
        for name, labels, base in (
            ("tradewind_carbon_intensity_g_per_kwh", ',kind="average"', 300),
            ("tradewind_electricity_price_usd_per_mwh", "", 80),
        ):
            series = f'{name}{{cluster="site-{number}"{labels}}}'
            for step in range(_HOURS):
                at = hour - 3600 * (_HOURS - step)
                value = base + 100 * (step % 24 in _HIGH_HOURS) + random_.uniform(-40, 40)
                yield f"{series} {value} {at}"


def _requests(prometheus: LonePrometheus) -> float:
    """How many queries Prometheus has answered since it started, instant and range."""
    with urllib.request.urlopen(f"{prometheus.url}/metrics", timeout=10) as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith("prometheus_http_requests_total{") and "/api/v1/query" in line
    )


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Start Prometheus, let its series grow, and watch."""
    random_ = random.Random(1)  # noqa: S311 - the same series each time
    began = time.monotonic()
    page = Page(page_of(given.sites, 0.0, random_))
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as scratch:
        say(f"a Prometheus with {page.text.count(chr(10))} series of {given.sites} sites")
        with lone_prometheus(
            Path(scratch, "prometheus"),
            targets=[page.target],
            past=past_of(given.sites, random_),
            scrape_s=5.0,
            say=say,
        ) as prometheus:
            _await_scrapes(prometheus, given.sites)
            command = [
                sys.executable, "-m", "bench.watcher", "--url", prometheus.url,
                "--sites", str(given.sites), "--poll", str(given.poll),
                "--seconds", str(given.seconds),
            ]  # fmt: skip
            with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as watcher:
                requests: list[float] = []
                # What the exporters show changes at every scrape, as it does in life.
                while watcher.poll() is None and len(requests) < len(_MARKS):
                    line = _line_or_change(watcher, page, given.sites, began, random_)
                    if line == _MARKS[len(requests)]:
                        requests.append(_requests(prometheus))
                last, _ = watcher.communicate("go on\n")
                if watcher.returncode or not last:
                    raise FederationError("the watching process failed")
                told = json.loads(last)
    page.close()
    return _figures(told, requests, given)


def _await_scrapes(prometheus: LonePrometheus, sites: int) -> None:
    """Until every site was scraped twice, so that rates are known."""
    query = f"count(count_over_time(tradewind_power_usage_effectiveness[1m]) >= 2) == {sites}"
    deadline = time.monotonic() + _SCRAPED_S
    while not prometheus.ask(query):
        if time.monotonic() > deadline:
            raise FederationError(f"not scraped twice within {_SCRAPED_S:.0f} s")
        time.sleep(0.5)


def _line_or_change(
    watcher: subprocess.Popen[str],
    page: Page,
    sites: int,
    began: float,
    random_: random.Random,
) -> str:
    """The watcher's next line; until it comes the page changes every five seconds."""
    while watcher.stdout is not None:
        ready, _, _ = select.select([watcher.stdout], [], [], 5.0)
        if ready:
            return watcher.stdout.readline().strip()
        page.text = page_of(sites, time.monotonic() - began, random_)
    return ""


def _figures(
    told: dict[str, Any], requests: list[float], given: argparse.Namespace
) -> dict[str, Any]:
    polling = told["cpu_s"] / told["wall_s"]
    forecasting = told["forecast_cpu_s"] / 3600
    return {
        "sites": given.sites,
        "poll_s": given.poll,
        "core_fraction": round(polling + forecasting, 4),
        "core_fraction_polls": round(polling, 4),
        "core_fraction_forecasts": round(forecasting, 4),
        "cpu_ms_per_poll": round(1000 * told["cpu_s"] / told["polls"], 2),
        "cpu_ms_per_forecast": round(1000 * told["forecast_cpu_s"] / told["forecasts"], 2),
        "queries_per_poll": round((requests[1] - requests[0]) / told["polls"], 2),
        "signals_known": told["signals_known"],
        "peak_rss_mb": told["peak_rss_mb"],
        "machine": facts(),
    }


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.telemetry", description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--poll", type=float, default=30.0, help="seconds between two polls")
    parser.add_argument("--seconds", type=float, default=60.0, help="of measuring")
    parser.add_argument("--check", action="store_true", help="fail when a limit is missed")
    given = parser.parse_args()
    return carry_out(lambda: _tell(measure(given), check=given.check))


def _tell(figures: dict[str, Any], *, check: bool) -> int:
    for name, value in figures.items():
        if name != "machine":
            say(f"{name:<24} {value:>8g}")
    return tell(figures, _RESULT, _LIMITS, check=check)


if __name__ == "__main__":
    sys.exit(main())
