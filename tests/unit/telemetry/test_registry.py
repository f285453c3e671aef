"""Polling of sites: one that is ill says so, and delays no other; secrets are read each time."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.clock import FakeClock, settle
from tests.unit.telemetry.fake_prometheus import FakePrometheus, serving

from tradewind.api.site import ComputeSite, Signal, SignalState, SiteSignals
from tradewind.telemetry.outlook import NO_OUTLOOK
from tradewind.telemetry.registry import TelemetryRegistry
from tradewind.telemetry.watch import Options

POLL_S = 30


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serving() as server:
        server.says(({"signal": "load", "source": "node_exporter"}, "0.5"))
        yield server


class Polling:
    """A registry with a clock to step, and what it told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.secrets: dict[tuple[str, str], Mapping[str, bytes]] = {}
        self.told: list[str] = []
        self._heard: dict[str, asyncio.Event] = {}
        self.registry = TelemetryRegistry(
            read_secret=self._read,
            allow_loopback=True,
            on_signals=self._hear,
            clock=self.clock,
            options=Options(first_forecast_s=2 * POLL_S),
        )

    async def _read(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return self.secrets.get((namespace, name))

    def _hear(self, name: str) -> None:
        self.told.append(name)
        self._heard.setdefault(name, asyncio.Event()).set()

    async def poll(self, name: str = "ulanqab") -> None:
        """Step to the next poll, and wait for what it tells; its answer is another thread's."""
        heard = self._heard[name] = asyncio.Event()
        await self.clock.step(POLL_S)
        await heard.wait()
        await settle()

    def reason(self, name: str = "ulanqab") -> str:
        condition = self.registry.condition(name)
        return condition[1] if condition else ""

    def message(self, name: str = "ulanqab") -> str:
        condition = self.registry.condition(name)
        return condition[2] if condition else ""

    def load(self, name: str = "ulanqab") -> Signal:
        found = self.registry.signals(name).load
        assert found is not None
        return found


@asynccontextmanager
async def polling() -> AsyncIterator[Polling]:
    made = Polling()
    try:
        yield made
    finally:
        await made.registry.close()


def site(name: str = "ulanqab", **prometheus: Any) -> ComputeSite:
    spec: dict[str, Any] = {"access": {"hub": {}}}
    if prometheus:
        spec["prometheus"] = {"pollInterval": f"{POLL_S}s", **prometheus}
    return ComputeSite.model_validate({"metadata": {"name": name}, "spec": spec})


async def test_what_was_read_is_told(fake: FakePrometheus) -> None:
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        assert (made.reason(), made.registry.signals("ulanqab")) == ("NotPolled", SiteSignals())
        await made.poll()
        assert made.registry.condition("ulanqab") == ("True", "Polled", "")
        assert (made.load().value, made.load().state) == (0.5, SignalState.CURRENT)


async def test_an_unchanged_answer_is_not_told_again(fake: FakePrometheus) -> None:
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()
        signals = made.registry.signals("ulanqab")
        asked = len(fake.queries)
        await made.clock.step(POLL_S)
        while len(fake.queries) == asked:  # noqa: ASYNC110 - the server is a thread's
            await asyncio.sleep(0.001)
        assert made.told == ["ulanqab"]
        assert made.registry.signals("ulanqab") is signals


async def test_a_fault_is_told_and_the_value_ages(fake: FakePrometheus) -> None:
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()
        fake.status = 503
        await made.poll()
        assert made.reason() == "QueryFailed"
        assert (made.load().state, made.load().value) == (SignalState.STALE, 0.5)
        fake.status = 200
        await made.poll()
        assert (made.reason(), made.load().state) == ("Polled", SignalState.CURRENT)


async def test_a_site_that_hangs_delays_no_other(fake: FakePrometheus) -> None:
    async with polling() as made:
        with serving() as ill:
            ill.hangs = True
            for number in range(8):
                made.registry.sync(site(f"ill-{number}", url=ill.url))
            made.registry.sync(site(url=fake.url))
            await made.poll()
            assert made.reason() == "Polled"
            assert {made.reason(f"ill-{number}") for number in range(8)} == {"NotPolled"}


async def test_a_server_that_knows_nothing_says_so_and_gives_no_zero(fake: FakePrometheus) -> None:
    fake.says()
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()
        assert made.reason() == "NoSignals"
        assert made.registry.signals("ulanqab") == SiteSignals()


async def test_an_answer_of_another_form_does_not_end_the_polling(fake: FakePrometheus) -> None:
    fake.answers({"data": {"resultType": "scalar", "result": [1764000000, "0.5"]}})
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()
        assert made.reason() == "NotPrometheus"
        fake.says(({"signal": "load"}, "0.25"))
        await made.poll()
        assert (made.reason(), made.load().value) == ("Polled", 0.25)


async def test_a_query_of_the_sites_own_replaces_the_default(fake: FakePrometheus) -> None:
    async with polling() as made:
        made.registry.sync(
            site(url=fake.url, matchers={"dc": "1"}, queries={"pue": "avg(mine{$M})"})
        )
        fake.says(({}, "1.25"))
        await made.poll()
        combined, own = fake.queries[:2]
        assert '"signal", "pue"' not in combined
        assert own == 'avg(mine{dc="1"})'
        pue = made.registry.signals("ulanqab").pue
        assert pue is not None
        assert (pue.value, pue.source) == (1.25, "spec.prometheus.queries")


TOKEN = {"bearerTokenSecretRef": {"namespace": "sites", "name": "prom", "key": "token"}}


async def test_a_token_is_read_anew_at_each_poll(fake: FakePrometheus) -> None:
    async with polling() as made:
        made.secrets["sites", "prom"] = {"token": b"first\n"}
        made.registry.sync(site(url=fake.url, auth=TOKEN))
        await made.poll()
        made.secrets["sites", "prom"] = {"token": b"second"}
        fake.says(({"signal": "load"}, "0.75"))
        await made.poll()
        sent = [headers["Authorization"] for headers in fake.seen]
        assert (sent[0], sent[-1]) == ("Bearer first", "Bearer second")


async def test_user_and_password_come_from_one_secret(fake: FakePrometheus) -> None:
    async with polling() as made:
        made.secrets["sites", "prom"] = {"username": b"ali", "password": b"sesame"}
        auth = {"basicAuthSecretRef": {"namespace": "sites", "name": "prom"}}
        made.registry.sync(site(url=fake.url, auth=auth))
        await made.poll()
        assert fake.seen[0]["Authorization"] == "Basic YWxpOnNlc2FtZQ=="


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "SecretKeyNotFound"),
        ({"other": b"x"}, "SecretKeyNotFound"),
        ({"token": b"\xff\xfe"}, "SecretNotText"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_named_and_nothing_is_asked(
    fake: FakePrometheus, data: Mapping[str, bytes], reason: str
) -> None:
    async with polling() as made:
        made.secrets["sites", "prom"] = data
        made.registry.sync(site(url=fake.url, auth=TOKEN))
        await made.poll()
        assert made.reason() == reason
        assert fake.seen == []


@pytest.mark.parametrize("token", [b"open\nsesame", "芝麻sesame".encode()])
async def test_a_token_that_is_no_header_is_not_told(fake: FakePrometheus, token: bytes) -> None:
    async with polling() as made:
        made.secrets["sites", "prom"] = {"token": token}
        made.registry.sync(site(url=fake.url, auth=TOKEN))
        await made.poll()
        condition = made.registry.condition("ulanqab")
        assert condition is not None
        assert condition[:2] == ("False", "MalformedToken")
        assert "sesame" not in condition[2]


async def test_an_address_that_may_not_be_asked_is_named() -> None:
    async with polling() as made:
        made.registry.sync(site(url="http://169.254.169.254"))
        await made.poll()
        assert made.reason() == "AddressRefused"


async def test_another_server_is_taken_over_and_the_old_signals_are_forgotten(
    fake: FakePrometheus,
) -> None:
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()
        made.registry.sync(site(url=fake.url))
        assert made.reason() == "Polled"
        with serving() as other:
            other.says(({"signal": "pue"}, "1.5"))
            made.registry.sync(site(url=other.url))
            assert made.registry.signals("ulanqab") == SiteSignals()
            await made.poll()
            assert made.registry.signals("ulanqab").load is None
            assert made.registry.signals("ulanqab").pue is not None


async def test_a_site_without_a_prometheus_has_no_condition(fake: FakePrometheus) -> None:
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        made.registry.sync(site())
        assert made.registry.condition("ulanqab") is None
        await made.clock.step(3 * POLL_S)
        assert fake.seen == []


async def test_a_site_that_went_is_not_asked_any_more(fake: FakePrometheus) -> None:
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        made.registry.drop("ulanqab")
        await made.clock.step(3 * POLL_S)
        assert (fake.seen, made.told) == ([], [])
        assert made.registry.condition("ulanqab") is None


async def test_one_refused_query_takes_no_other_along_and_is_named(fake: FakePrometheus) -> None:
    fake.refuses, fake.about = "tradewind_power_usage_effectiveness", "node_cpu_seconds_total"
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()
        assert made.load().state is SignalState.CURRENT
        pue = made.registry.signals("ulanqab").pue
        assert pue is not None
        assert (pue.state, pue.value) == (SignalState.UNKNOWN, None)
        assert made.reason() == "SignalsNotCurrent"
        assert "pue is Unknown" in made.message()
        asked = len(fake.queries)
        fake.says(({"signal": "load", "source": "node_exporter"}, "0.25"))
        await made.poll()
        # From then on in one query again, without the sick one.
        assert made.load().value == 0.25
        polls = [query for query in fake.queries[asked:] if '"signal", "cpuLoad"' in query]
        assert len(polls) == 1
        assert fake.refuses not in polls[0]


async def test_a_refused_query_of_the_sites_own_is_named_and_the_rest_stands(
    fake: FakePrometheus,
) -> None:
    fake.refuses = "mine{"
    async with polling() as made:
        made.registry.sync(site(url=fake.url, queries={"pue": "mine{$M}", "mood": "up"}))
        await made.poll()
        assert made.load().state is SignalState.CURRENT
        assert "pue" in made.message()
        assert "queries.mood is no signal" in made.message()


async def test_a_signal_that_went_is_named_in_the_condition_until_it_is_back(
    fake: FakePrometheus,
) -> None:
    both = [({"signal": "load", "source": "a"}, "0.5"), ({"signal": "pue", "source": "b"}, "1.2")]
    fake.says(*both)
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()
        assert made.reason() == "Polled"
        fake.says(both[0])
        await made.poll()
        assert (made.reason(), made.message()) == ("SignalsNotCurrent", "pue is Stale: no reading")
        fake.says(*both)
        await made.poll()
        assert made.reason() == "Polled"


PARIS = {"latitude": 48.9, "longitude": 2.4}


def at_paris(**prometheus: Any) -> ComputeSite:
    made = site("paris", **prometheus)
    location = made.spec.location.model_validate({"region": "eu-west", "coordinates": PARIS})
    return made.model_copy(update={"spec": made.spec.model_copy(update={"location": location})})


async def test_a_round_trip_that_nobody_measures_is_estimated_and_marked() -> None:
    async with polling() as made:
        made.registry.sync(at_paris())
        assert made.registry.signals("paris").latency_ms == {}
        made.registry.note_regions(["london", "eu-west", "nowhere"])
        told = made.registry.signals("paris").latency_ms
        assert set(told) == {"london", "eu-west"}  # the second is where a site is
        assert (told["london"].state, told["london"].source) == (SignalState.FALLBACK, "geography")
        assert (told["london"].value, told["eu-west"].value) == (7.1, 1.0)
        assert made.told == ["paris"]
        made.registry.note_regions(["london"])
        assert made.told == ["paris"]


async def test_a_measured_round_trip_stands_before_the_estimate(fake: FakePrometheus) -> None:
    fake.says(({"signal": "latencyMs", "source": "probe", "key": "london"}, "9.5"))
    async with polling() as made:
        made.registry.note_regions(["london", "tokyo"])
        made.registry.sync(at_paris(url=fake.url))
        await made.poll("paris")
        told = made.registry.signals("paris").latency_ms
        assert (told["london"].value, told["london"].state) == (9.5, SignalState.CURRENT)
        assert told["tokyo"].state is SignalState.FALLBACK
        fake.says(({"signal": "latencyMs", "source": "probe", "key": "london"}, "NaN"))
        await made.poll("paris")
        assert made.registry.signals("paris").latency_ms["london"].value == 7.1


async def test_estimates_follow_a_site_that_moves_or_loses_its_prometheus(
    fake: FakePrometheus,
) -> None:
    async with polling() as made:
        made.registry.note_regions(["paris"])
        made.registry.sync(at_paris(url=fake.url))
        made.registry.sync(at_paris())
        assert made.registry.signals("paris").latency_ms["paris"].value == 1.0
        made.registry.sync(site("paris"))
        assert made.registry.signals("paris").latency_ms == {}


async def test_terms_are_asked_at_each_site_and_reach_its_outlook(fake: FakePrometheus) -> None:
    fake.says(({"signal": "load", "source": "node_exporter"}, "0.5"))
    term = 'spot_risk{site="$SITE"}'
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()
        assert made.registry.outlook("ulanqab") is NO_OUTLOOK
        made.registry.ask_terms([term])
        await made.poll()
        # Its one series has no label `site`, so it is the value here.
        assert made.registry.outlook("ulanqab").term_values == {term: 0.5}
        assert 'spot_risk{site="ulanqab"}' in fake.queries
        kept = made.registry.outlook("ulanqab")
        fake.status = 503
        await made.poll()
        assert made.registry.outlook("ulanqab") is kept
        made.registry.ask_terms([])
        assert made.registry.outlook("ulanqab") is NO_OUTLOOK


async def test_a_server_that_was_away_at_first_costs_no_hour_of_forecasts(
    fake: FakePrometheus,
) -> None:
    carbon = {"signal": "carbonIntensity", "source": "tradewind"}
    fake.status = 503
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        for _ in range(4):
            await made.clock.step(POLL_S)
        assert not made.registry.outlook("ulanqab").forecasts
        fake.status = 200
        fake.says(
            ({**carbon, "horizon_seconds": "0"}, "300"),
            ({**carbon, "horizon_seconds": "3600"}, "200"),
        )
        heard = made._heard["ulanqab"] = asyncio.Event()
        began = made.clock.monotonic()
        while not made.registry.outlook("ulanqab").forecasts:
            heard.clear()
            await made.clock.step(POLL_S)
            await asyncio.sleep(0.001)  # the answer is another thread's
        assert made.clock.monotonic() - began < 1200


async def test_a_forecast_series_reaches_the_outlook(fake: FakePrometheus) -> None:
    carbon = {"signal": "carbonIntensity", "source": "tradewind"}
    fake.says(
        ({**carbon, "horizon_seconds": "0"}, "300"), ({**carbon, "horizon_seconds": "3600"}, "200")
    )
    async with polling() as made:
        made.registry.sync(site(url=fake.url))
        await made.poll()  # two series for one value: no signal, but a forecast
        for _ in range(4):
            await made.clock.step(POLL_S)
        heard = made._heard["ulanqab"] = asyncio.Event()
        if not made.registry.outlook("ulanqab").forecasts:
            await heard.wait()
        told = made.registry.outlook("ulanqab").forecasts["carbonIntensity"]
        assert told.values == (300, 200)
