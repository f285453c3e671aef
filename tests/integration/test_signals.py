"""Signals on a real Prometheus: they arrive, follow, age and come back; and nobody waits for it.

They watch from this process; what concerns the whole is in `test_decisions_by_signals.py`.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.integration.scraping import energy
from tests.integration.test_exporters import _past
from tests.live import wait_for
from tests.unit.telemetry.fake_prometheus import break_, heal, serving

from federation.lone import LonePrometheus, Page, lone_prometheus
from tradewind.api.site import ComputeSite, Signal, SignalState, SiteSignals
from tradewind.base.aio import SystemClock
from tradewind.telemetry.registry import TelemetryRegistry
from tradewind.telemetry.watch import Options

pytestmark = pytest.mark.integration

LIMIT_S = 40


class Watching:
    """A registry in this process, on the real clock."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.registry = TelemetryRegistry(
            read_secret=self._no_secret,
            allow_loopback=True,
            on_signals=lambda _: self._changed.set(),
            clock=SystemClock(),
            # Stale after a missed poll, Unknown after some: seconds in place of minutes.
            options=Options(least_stale_s=2.0, step_s=60.0),
        )

    async def _no_secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return None

    def add(self, name: str, url: str, **prometheus: Any) -> None:
        spec = {"url": url, "pollInterval": "200ms", **prometheus}
        self.registry.sync(
            ComputeSite.model_validate(
                {
                    "metadata": {"name": name},
                    "spec": {"access": {"hub": {}}, "prometheus": spec},
                }
            )
        )

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until it holds; looked at when something was told."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            shown = {name: self.registry.condition(name) for name in ("here", "ill")}
            raise AssertionError(f"{what}: {shown}, {self.signals()}") from None

    def signals(self, name: str = "here") -> SiteSignals:
        return self.registry.signals(name)

    def carbon(self) -> Signal:
        return self.signals().carbon_intensity or Signal()

    def reason(self, name: str = "here") -> str:
        told = self.registry.condition(name)
        return told[1] if told else ""


@asynccontextmanager
async def watching() -> AsyncIterator[Watching]:
    made = Watching()
    try:
        yield made
    finally:
        await made.registry.close()


HERE = {"matchers": {"cluster": "here"}}


async def test_signals_arrive_follow_their_source_age_and_come_back(
    prometheus: LonePrometheus, page: Page
) -> None:
    async with watching() as made:
        made.add("here", prometheus.url, **HERE)
        await made.until(lambda: made.reason() == "Polled", "a first poll")
        assert (made.carbon().value, made.carbon().source) == (100, "tradewind")
        page.text = energy("here", carbon=250)
        await made.until(lambda: made.carbon().value == 250, "the change")
        assert made.carbon().state is SignalState.CURRENT
        page.text = ""  # the exporter is gone
        await made.until(lambda: made.carbon().state is SignalState.STALE, "Stale")
        assert made.carbon().value == 250
        await made.until(lambda: made.carbon().state is SignalState.UNKNOWN, "Unknown")
        assert made.carbon().value is None
        assert made.reason() == "NoSignals"
        page.text = energy("here", carbon=300)
        await made.until(lambda: made.carbon().value == 300, "the exporter's return")
        await made.until(lambda: made.reason() == "Polled", "all well")


async def test_one_exporter_that_stops_is_named_while_the_others_go_on(
    prometheus: LonePrometheus, page: Page
) -> None:
    async with watching() as made:
        made.add("here", prometheus.url, **HERE)
        await made.until(lambda: made.reason() == "Polled", "a first poll")
        page.text = "\n".join(energy("here").splitlines()[1:]) + "\n"
        await made.until(lambda: made.reason() == "SignalsNotCurrent", "the condition")
        told = made.registry.condition("here")
        assert told is not None
        assert "carbonIntensity is Stale" in told[2]
        assert made.signals().price_per_mwh.state is SignalState.CURRENT


@pytest.mark.parametrize(
    ("value", "state"),
    [("NaN", "Unknown"), ("+Inf", "Unknown"), ("-3", "Implausible"), ("0.3", "Implausible")],
)
async def test_what_cannot_be_is_no_value_on_the_real_server_either(
    prometheus: LonePrometheus, page: Page, value: str, state: str
) -> None:
    async with watching() as made:
        made.add("here", prometheus.url, **HERE)
        await made.until(lambda: made.carbon().value == 100, "a first poll")
        page.text = energy("here").replace("} 100.0", f"}} {value}").replace("} 100", f"}} {value}")
        await made.until(lambda: made.carbon().state == state, state)
        assert made.carbon().value is None


async def test_a_server_that_hangs_or_dies_is_named_holds_up_nobody_and_comes_back(
    prometheus: LonePrometheus, page: Page, tmp_path: Path
) -> None:
    with lone_prometheus(tmp_path / "other", targets=[page.target], scrape_s=0.5) as other:
        async with watching() as made:
            for number in range(40):
                made.add(f"ill-{number}", prometheus.url, **HERE)
            made.add("here", other.url, **HERE)
            await made.until(lambda: made.reason() == "Polled", "a first poll")
            await made.until(lambda: made.reason("ill-39") == "Polled", "a first poll")

            async def follows(carbon: float) -> None:
                page.text = energy("here", carbon=carbon)
                await made.until(lambda: made.carbon().value == carbon, "the change elsewhere")

            os.kill(prometheus.process.popen.pid, signal.SIGSTOP)
            await made.until(lambda: made.reason("ill-7") == "Timeout", "the hang")
            await follows(111)  # while forty others hang
            os.kill(prometheus.process.popen.pid, signal.SIGCONT)
            await made.until(lambda: made.reason("ill-7") == "Polled", "recovery")
            prometheus.kill()
            await made.until(lambda: made.reason("ill-7") == "Unreachable", "the death")
            await follows(222)
            prometheus.start_again()
            await made.until(lambda: made.reason("ill-7") == "Polled", "recovery")


async def test_an_answer_of_very_many_series_is_cut_and_the_rest_goes_on(
    prometheus: LonePrometheus, page: Page
) -> None:
    flood = "".join(f'flood{{cluster="here",a="{number}"}} 1\n' for number in range(20_000))
    page.text = energy("here") + flood
    wait_for(lambda: prometheus.ask("count(flood) == 20000"), "the flood")
    async with watching() as made:
        made.add("here", prometheus.url, **HERE)
        made.add("ill", prometheus.url, **HERE, queries={"load": "flood{$M}"})
        await made.until(lambda: made.reason("ill") == "AnswerTooLarge", "the limit")
        await made.until(lambda: made.reason() == "Polled", "the other")


@pytest.mark.parametrize("fault", ["503", "HTML", "a million series", "slow"])
async def test_what_a_real_server_never_says_is_named_and_mends_itself(
    prometheus: LonePrometheus, fault: str
) -> None:
    with serving() as fake:
        heal(fake, "1.1")
        async with watching() as made:
            made.add("here", prometheus.url, **HERE)
            made.add("ill", fake.url)
            await made.until(lambda: made.reason("ill") == "Polled", "a first poll")
            reason = break_(fake, fault)
            await made.until(lambda: made.reason("ill") == reason, fault)
            assert made.reason() == "Polled"
            heal(fake, "1.3")
            await made.until(lambda: made.reason("ill") == "Polled", "recovery")
            assert made.signals("ill").pue.value == 1.3


async def test_the_past_of_a_site_becomes_its_outlook(tmp_path: Path) -> None:
    with lone_prometheus(tmp_path / "lone", past=_past()) as prometheus:
        async with watching() as made:
            made.registry = TelemetryRegistry(
                read_secret=made._no_secret,
                allow_loopback=True,
                on_signals=lambda _: made._changed.set(),
                clock=SystemClock(),
                options=Options(first_forecast_s=1.0),
            )
            made.add("here", prometheus.url, matchers={"cluster": "past"})
            await made.until(lambda: bool(made.registry.outlook("here").forecasts), "a forecast")
            told = made.registry.outlook("here").forecasts["carbonIntensity"]
            assert (told.source, len(told.values)) == ("history", 49)
