"""Signals of the members of a live federation: decisions follow them, and survive their sources."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.scraping import energy, point
from tests.live import API, Live, Operator, condition, job, wait_for
from tests.unit.telemetry.fake_prometheus import break_, heal, serving

from federation.lone import LonePrometheus, Page

pytestmark = pytest.mark.integration


def _polls(operator: Operator, site: str) -> float:
    found = re.findall(
        rf'tradewind_telemetry_polls_total{{result="\w+",site="{site}"}} (\S+)',
        operator.get("/metrics")[1],
    )
    return sum(map(float, found))


def _signal(live: Live, site: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = live.site(site).get("status", {}).get("signals", {}).get(name, {})
    return found


def test_the_next_decision_goes_by_a_change_of_carbon_within_two_polls(
    live: Live, namespace: str, moved: Page, prometheus: LonePrometheus
) -> None:
    def placed(name: str) -> str:
        made = live.create(job(name, namespace, chips=0, policy="greenest"))
        found = live.wait_phase(made, "Running", "Succeeded")
        site: str = found["status"]["placements"][0]["site"]
        return site

    with live.operator(TRADEWIND_TELEMETRY__STALE_SECONDS="3") as operator:
        live.wait_sites("alpha", "beta", kind="TelemetryCurrent")
        assert placed("before") == "alpha"
        moved.text = energy("alpha", carbon=800) + energy("beta", carbon=100)
        changed = 'tradewind_carbon_intensity_g_per_kwh{cluster="alpha"} == 800'
        wait_for(lambda: prometheus.ask(changed), "the change in Prometheus")
        seen_at = {site: _polls(operator, site) for site in ("alpha", "beta")}
        # The decision after the second poll at the latest.
        wait_for(
            lambda: all(_polls(operator, site) >= seen_at[site] + 2 for site in seen_at),
            "two polls",
        )
        assert placed("after") == "beta"
        assert _signal(live, "alpha", "carbonIntensity")["value"] == 800


def test_a_stopped_exporter_and_a_stopped_prometheus_show_in_the_site_and_stop_nothing(
    live: Live, namespace: str, moved: Page, prometheus: LonePrometheus
) -> None:
    with live.operator(TRADEWIND_TELEMETRY__STALE_SECONDS="3") as operator:
        wait_for(
            lambda: _signal(live, "alpha", "carbonIntensity").get("value") == 100, "a first poll"
        )
        live.wait_sites("alpha", "beta", kind="TelemetryCurrent")
        moved.text = energy("beta")  # alpha's exporter is gone
        wait_for(lambda: _signal(live, "alpha", "carbonIntensity").get("state") == "Stale", "Stale")
        live.wait_sites("alpha", kind="TelemetryCurrent", status="False")
        told = condition(live.site("alpha"), "TelemetryCurrent")
        assert told["reason"] in {"NoSignals", "SignalsNotCurrent"}
        wait_for(
            lambda: _signal(live, "alpha", "carbonIntensity").get("state") == "Unknown", "Unknown"
        )
        assert "value" not in _signal(live, "alpha", "carbonIntensity")

        os.kill(prometheus.process.popen.pid, signal.SIGSTOP)
        live.wait_sites("beta", kind="TelemetryCurrent", status="False")
        # While every Prometheus hangs, cycles go on and work is placed and runs.
        work = live.create(job("meanwhile", namespace))
        live.wait_phase(work, "Succeeded")
        cycles = r"^tradewind_cycles_total (\S+)"
        first = float(re.findall(cycles, operator.get("/metrics")[1], re.MULTILINE)[0])
        again = live.create(job("again", namespace))
        live.wait_phase(again, "Running", "Succeeded")
        assert float(re.findall(cycles, operator.get("/metrics")[1], re.MULTILINE)[0]) > first
        os.kill(prometheus.process.popen.pid, signal.SIGCONT)
        moved.text = energy("alpha") + energy("beta")
        live.wait_sites("alpha", "beta", kind="TelemetryCurrent")
        assert _signal(live, "alpha", "carbonIntensity")["value"] == 100


def _cycles(operator: Operator) -> float:
    found = re.findall(r"^tradewind_cycles_total (\S+)", operator.get("/metrics")[1], re.MULTILINE)
    return float(found[0])


def _pace(operator: Operator, *, polls: int = 5) -> float:
    """Planning cycles while the healthy site is polled so many times."""

    def at(count: float) -> float:
        wait_for(lambda: _polls(operator, "beta") >= count, "beta's polls")
        return _cycles(operator)

    begin = _polls(operator, "beta") + 1
    first = at(begin)
    return at(begin + polls) - first


def _peak_mib(operator: Operator) -> float:
    status = Path(f"/proc/{operator.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


def _reason(live: Live, site: str) -> str:
    reason: str = condition(live.site(site), "TelemetryCurrent").get("reason", "")
    return reason


def test_planning_keeps_its_pace_and_memory_its_bounds_while_a_prometheus_is_ill(
    live: Live, namespace: str, moved: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    """A workload that fits nowhere keeps planning going; the polls of beta are the clock."""
    quick = {"TRADEWIND_TELEMETRY__STALE_SECONDS": "3", "TRADEWIND_PLANNING__REPLAN_SECONDS": "0.2"}
    with live.operator(**quick) as operator:
        paces: dict[str, float] = {}

        def goes_on(state: str, reason: str) -> None:
            wait_for(lambda: _reason(live, "alpha") == reason, state)
            paces[state] = _pace(operator)
            # The site whose Prometheus is ill takes work as ever.
            made = live.create(job(state.rsplit(maxsplit=1)[-1].lower(), namespace, site="alpha"))
            live.wait_phase(made, "Succeeded")

        with serving() as fake:
            heal(fake, "1.1")
            point(live, "alpha", {"url": fake.url, "pollInterval": "1s"})
            live.create(job("waits", namespace, pods=10_000, site="alpha"))
            live.wait_sites("alpha", "beta", kind="NodesLabelled")
            goes_on("at first", "Polled")
            goes_on("well", "Polled")
            memory_mib = _peak_mib(operator)
            for fault in ("slow", "503", "HTML", "NaN", "a million series"):
                goes_on(fault, break_(fake, fault))
                heal(fake, "1.1")
                wait_for(lambda: _reason(live, "alpha") == "Polled", "recovery")
        goes_on("down", "Unreachable")
        with serving(port=int(fake.url.rpartition(":")[2])) as again:
            heal(again, "1.2")
            goes_on("well again", "Polled")
        grown_mib = _peak_mib(operator) - memory_mib
    del paces["at first"]
    with capsys.disabled():
        print(f"\ncycles in five polls: {paces}; memory grew by {grown_mib:.0f} MiB")
    usual = min(paces["well"], paces["well again"])
    assert all(pace > 0.7 * usual for pace in paces.values()), paces
    assert grown_mib < 64


@pytest.fixture
def policies(live: Live) -> Iterator[dict[str, str]]:
    """Two policies with a term each, by the way in which the term is asked."""
    queries = {"once": "litres_per_hour", "each": 'sum(noise{$M,place="$SITE"})'}
    path = f"{API}/placementpolicies"
    for name, query in queries.items():
        term = {"name": "own", "query": query, "pricePerUnit": 1}
        body = {
            "apiVersion": "tradewind.dev/v1alpha1",
            "kind": "PlacementPolicy",
            "metadata": {"name": f"own-{name}"},
            "spec": {"terms": [term]},
        }
        live.hub.api.post(path, body)
    try:
        yield queries
    finally:
        for name in queries:
            live.hub.api.delete(f"{path}/own-{name}")


def _own_terms(at: dict[str, float]) -> str:
    """One series for all sites, told apart by `site`; and one of each site's own exporters."""
    return "".join(
        f'litres_per_hour{{site="{site}"}} {value}\n'
        f'noise{{cluster="{site}",place="{site}"}} {value}\n'
        for site, value in at.items()
    )


def test_terms_of_policies_steer_decisions_asked_once_for_all_or_at_each_site(
    live: Live, namespace: str, moved: Page, prometheus: LonePrometheus, policies: dict[str, str]
) -> None:
    alike = energy("alpha") + energy("beta")
    own = {
        "TRADEWIND_TELEMETRY__PROMETHEUS_URL": prometheus.url,
        "TRADEWIND_TELEMETRY__PROMETHEUS_POLL_SECONDS": "1",
    }

    def told(site: str) -> dict[str, float]:
        terms = live.site(site).get("status", {}).get("terms", [])
        return {term["query"]: term["value"] for term in terms}

    with live.operator(**own):
        for number, (best, worst) in enumerate((("alpha", "beta"), ("beta", "alpha"))):
            moved.text = alike + _own_terms({best: 1, worst: 900})
            want = {best: dict.fromkeys(policies.values(), 1.0),
                    worst: dict.fromkeys(policies.values(), 900.0)}  # fmt: skip
            wait_for(lambda want=want: {s: told(s) for s in want} == want, "the terms' values")
            for name in policies:
                work = job(f"{name}-{number}", namespace, chips=0, policy=f"own-{name}")
                done = live.wait_phase(live.create(work), "Running", "Succeeded")
                assert done["status"]["placements"][0]["site"] == best, name
