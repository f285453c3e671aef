"""Deferred starts on real clusters, under the fast clock: an hour of beta's signals in 3 seconds.

Beta's carbon intensity swings between 200 and 600 g/kWh once a day, which is 72 seconds here. The
source exports it as a forecast, with horizons in real seconds, and the operator plans in slots of
as many.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import yaml
from tests.live import (
    Ledger,
    Live,
    Operator,
    condition,
    events_of,
    job,
    path_of,
    reasons,
    time_of,
    wait_for,
)

from tradewind.base.aio import SystemClock

HOUR_S = 3
POLICY = {
    "apiVersion": "tradewind.dev/v1alpha1",
    "kind": "PlacementPolicy",
    "metadata": {"name": "by-the-hour"},
    # Work of seconds emits grams: a price at which they count more than anything else.
    "spec": {"carbonPerTonne": 1e7, "waitPerHour": 0},
}

Object = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def operator(live: Live) -> Iterator[Operator]:
    live.hub.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(POLICY))
    began = SystemClock().now()
    with live.operator(
        TRADEWIND_PLANNING__SLOT_SECONDS=str(HOUR_S),
        TRADEWIND_PLANNING__REPLAN_SECONDS="1",
        TRADEWIND_PLANNING__REBALANCE_SECONDS="1",
        # Five minutes of a restart would be four days here.
        TRADEWIND_PLANNING__RESTART_SECONDS="0",
        TRADEWIND_TELEMETRY__FORECAST_STEP_SECONDS=str(HOUR_S),
    ) as operator:
        live.wait_sites("alpha", "beta")
        # Statuses outlive the operators of other modules; what those left says nothing of now.
        wait_for(lambda: told_since(live, began), "signals and forecast of this one", limit_s=60)
        yield operator


def told_since(live: Live, began: datetime) -> bool:
    """Whether beta's carbon intensity and its forecast were told after that."""
    status = live.site("beta").get("status", {})
    at = status.get("signals", {}).get("carbonIntensity", {}).get("at")
    start = status.get("forecast", {}).get("carbonIntensity", {}).get("start")
    return all(text and time_of(text) > began for text in (at, start))


def carbon(live: Live) -> float:
    """What beta's grid emits at present, g/kWh, as the operator last saw it."""
    signals = live.site("beta")["status"].get("signals", {})
    value: float = signals.get("carbonIntensity", {}).get("value") or 0.0
    return value


def forecast(live: Live) -> list[float]:
    found: list[float] = (
        live.site("beta")["status"].get("forecast", {}).get("carbonIntensity", {}).get("values", [])
    )
    return found


def test_deferrable_work_waits_for_its_hour_and_starts_in_it(live: Live, namespace: str) -> None:
    wait_for(lambda: len(forecast(live)) > 24, "a day of forecast", limit_s=60)
    wait_for(lambda: carbon(live) > 450, "dirty hours", limit_s=90)
    runtime = {"duration": "3s", "maxDelay": "70s"}
    workload = live.create(
        job("patient", namespace, site="beta", chips=1, run_for="2s", policy="by-the-hour",
            runtime=runtime)
    )  # fmt: skip
    deferred = live.wait_phase(workload, "Deferred")
    assert condition(deferred, "Placed")["reason"] == "Deferred"
    decision = deferred["status"]["decision"]
    assert decision["site"] == "beta"
    assert time_of(decision["startAt"]) > time_of(decision["at"])
    assert "a start now" in decision["message"]
    assert not live.children("beta", workload)
    told = live.cli("explain", f"{namespace}/patient")
    assert "Deferred" in told

    def placed() -> tuple[Object, float] | None:
        now = live.get(workload)
        if not now["status"].get("placements"):
            return None
        return now, carbon(live)

    started, emits = wait_for(placed, "its hour to come", limit_s=90)
    planned = time_of(started["status"]["decision"]["startAt"])
    begun = next(e for e in started["status"]["history"] if e["reason"] == "Placed")
    # Not before its hour, nor long after it: the loop wakes when the start is due.
    assert abs((time_of(begun["at"]) - planned).total_seconds()) <= HOUR_S
    # The lowest is 200, the mean 400; the signal is a poll and a scrape behind.
    assert emits < 300
    live.wait_phase(workload, "Succeeded")


def test_what_if_tells_the_hour_that_the_operator_then_waits_for(
    live: Live, namespace: str
) -> None:
    wait_for(lambda: len(forecast(live)) > 24, "a day of forecast", limit_s=60)
    wait_for(lambda: carbon(live) > 450, "dirty hours", limit_s=90)
    work = job("asked", namespace, site="beta", chips=1, run_for="1s", policy="by-the-hour",
               runtime={"duration": "3s", "maxDelay": "70s"})  # fmt: skip
    path = live.folder / "asked.yaml"
    path.write_text(yaml.safe_dump(work))
    slots = {"TRADEWIND_PLANNING__SLOT_SECONDS": str(HOUR_S)}
    [planned] = json.loads(live.cli("plan", "-f", str(path), "-o", "json", **slots))["plans"]
    decided = live.wait_phase(live.create(work), "Deferred")["status"]["decision"]
    told = planned["decision"]
    assert (told["reason"], told["site"]) == (decided["reason"], decided["site"])
    # The command saw the forecast some seconds before, each of which is twenty minutes of beta's.
    apart = (time_of(told["startAt"]) - time_of(decided["startAt"])).total_seconds()
    assert abs(apart) <= 3 * HOUR_S
    live.remove([work])


def test_work_that_may_not_wait_starts_at_once(live: Live, namespace: str) -> None:
    wait_for(lambda: len(forecast(live)) > 24, "a day of forecast", limit_s=60)
    workload = live.create(
        job("hasty", namespace, site="beta", run_for="1s", policy="by-the-hour",
            runtime={"duration": "3s"})
    )  # fmt: skip
    done = live.wait_phase(workload, "Succeeded")
    assert [entry["reason"] for entry in done["status"]["history"]] == ["Placed"]


def test_work_that_may_pause_stops_for_dirty_hours_and_goes_on_in_clean_ones(
    live: Live, namespace: str
) -> None:
    wait_for(lambda: len(forecast(live)) > 24, "a day of forecast", limit_s=60)
    wait_for(lambda: 0 < carbon(live) < 300, "clean hours", limit_s=90)
    runtime = {
        "duration": "30s",
        "durationIs": "Mean",
        "maxDelay": "70s",
        "checkpoint": {"interval": "1s"},
    }
    with Ledger([live.members["beta"]]) as ledger:
        workload = live.create(
            job("tidal", namespace, site="beta", run_for="1h", policy="by-the-hour",
                runtime=runtime)
        )  # fmt: skip
        live.wait_phase(workload, "Running", limit_s=90)
        paused = live.wait_phase(workload, "Deferred", limit_s=90)
        assert reasons(paused) == ["Placed", "Paused"]
        assert condition(paused, "Placed")["reason"] == "Deferred"
        status, decision = paused["status"], paused["status"]["decision"]
        assert status["doneSeconds"] > 0
        assert status["movedAt"]
        assert "placements" not in status
        assert decision["site"] == "beta"
        assert time_of(decision["startAt"]) > time_of(decision["at"])
        assert "a start now" in decision["message"]
        assert not live.children("beta", workload)
        assert events_of(live, workload)["Paused"].startswith("waiting ")
        # Through the dirtiest hours it stands still, and goes on when they are over.
        wait_for(lambda: carbon(live) > 520, "the dirtiest hours", limit_s=90)
        assert live.get(workload)["status"]["phase"] == "Deferred"
        again = live.wait_phase(workload, "Running", limit_s=90)
        assert reasons(again) == ["Placed", "Paused", "Placed"]
        assert again["status"]["epoch"] == 2
        assert carbon(live) < 520
        assert ledger.seen[workload["metadata"]["uid"]] == 2
    live.hub.api.delete(path_of(workload))
