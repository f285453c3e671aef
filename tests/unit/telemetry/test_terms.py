"""Policies' own terms: asked once for all sites where that is possible."""

import asyncio
import doctest
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.clock import FakeClock, settle
from tests.unit.telemetry.fake_prometheus import FakePrometheus, serving

from tradewind.base.errors import AccessRefusedError
from tradewind.telemetry import poll, terms
from tradewind.telemetry.credentials import access_from_files
from tradewind.telemetry.poll import term_value
from tradewind.telemetry.prometheus import Access, Sample
from tradewind.telemetry.terms import CentralTerms, asked_at_sites, asked_once

POLL_S = 30.0


@pytest.fixture
def fake() -> Iterator[FakePrometheus]:
    with serving() as server:
        yield server


def test_examples_in_the_docs_hold() -> None:
    assert doctest.testmod(terms).failed == doctest.testmod(poll).failed == 0


def test_a_query_is_asked_once_or_at_each_site_and_never_both() -> None:
    queries = ["risk", 'risk{site="$SITE"}', "risk{$M}", "risk"]
    at_sites, once = asked_at_sites(queries, central=True), asked_once(queries)
    assert sorted([*at_sites, *once]) == sorted(set(queries))
    assert once == ("risk",)
    assert set(asked_at_sites(queries, central=False)) == set(queries)


@pytest.mark.parametrize(
    ("samples", "value"),
    [
        ([], None),
        ([Sample({}, 4.0)], 4.0),
        ([Sample({"site": "other"}, 4.0)], None),
        ([Sample({"site": "here"}, 1.0), Sample({}, 4.0)], 1.0),
        ([Sample({"site": "here"}, 1.0), Sample({"site": "here", "a": "b"}, 2.0)], None),
        ([Sample({"site": "here"}, float("nan"))], None),
        ([Sample({"site": "here"}, float("inf"))], None),
    ],
)
def test_a_value_is_one_finite_number_of_this_site(
    samples: list[Sample], value: float | None
) -> None:
    assert term_value(samples, "here") == value


class Central:
    """The terms of one Prometheus, with a clock to step."""

    def __init__(self, fake: FakePrometheus) -> None:
        self.clock = FakeClock()
        self.changed = asyncio.Event()
        self.terms = CentralTerms(
            lambda: Access(fake.url),
            poll_s=POLL_S,
            least_stale_s=60,
            allow_loopback=True,
            clock=self.clock,
        )
        self.terms.on_change = self.changed.set

    async def poll(self, *, changes: bool = True) -> None:
        self.changed.clear()
        await self.clock.step(POLL_S)
        if changes:
            await self.changed.wait()
        # The poll before may have ended in time to be asked again: that one has to end, too.
        async with asyncio.timeout(30):
            while not self.clock._sleepers:  # noqa: ASYNC110 - the server is a thread's
                await asyncio.sleep(0.001)
        await settle()


@asynccontextmanager
async def central(fake: FakePrometheus) -> AsyncIterator[Central]:
    made = Central(fake)
    task = asyncio.create_task(made.terms.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def says(fake: FakePrometheus, **values: Any) -> None:
    fake.says(*(({"site": site}, str(value)) for site, value in values.items()))


async def test_each_site_gets_its_series_of_one_query(fake: FakePrometheus) -> None:
    says(fake, a=1, b=2)
    async with central(fake) as made:
        made.terms.ask(["risk", 'risk{site="$SITE"}'])
        await made.poll()
        assert made.terms.at("a") == {"risk": 1.0}
        assert made.terms.at("b") == {"risk": 2.0}
        assert made.terms.at("c") == {}
        assert fake.queries == ["risk"]


async def test_values_are_kept_for_a_while_when_none_come_and_no_longer(
    fake: FakePrometheus,
) -> None:
    says(fake, a=1)
    async with central(fake) as made:
        made.terms.ask(["risk"])
        await made.poll()
        fake.status = 503
        for _ in range(9):
            await made.poll(changes=False)
        assert made.terms.at("a") == {"risk": 1.0}
        await made.poll()
        assert made.terms.at("a") == {}


async def test_a_series_that_vanished_is_gone_at_once(fake: FakePrometheus) -> None:
    says(fake, a=1)
    async with central(fake) as made:
        made.terms.ask(["risk"])
        await made.poll()
        fake.says()
        await made.poll()
        assert made.terms.at("a") == {}


async def test_one_refused_term_takes_no_other_along(fake: FakePrometheus) -> None:
    says(fake, a=1)
    fake.refuses = "broken("
    async with central(fake) as made:
        made.terms.ask(["broken(", "risk"])
        await made.poll()
        assert made.terms.at("a") == {"risk": 1.0}


async def test_nobody_is_asked_while_there_are_no_terms(fake: FakePrometheus) -> None:
    async with central(fake) as made:
        await made.poll(changes=False)
        assert fake.queries == []


def test_credentials_come_from_files_that_are_read_anew(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    assert access_from_files("https://x.example", token, None).token == "first"
    token.write_text("second")
    assert access_from_files("https://x.example", token, None).token == "second"
    with pytest.raises(AccessRefusedError) as caught:
        access_from_files("https://x.example", tmp_path / "none", None)
    assert caught.value.reason == "FileNotRead"
