"""Two candidates, one Lease: who leads, for how long, and that never both do."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import FakeClock, settle

from tradewind.base.aio import cancel_and_wait
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.controller.lease import LeaseElector
from tradewind.controller.settings import LeaseSettings

TIMES = LeaseSettings()
DURATION_S, DEADLINE_S, RETRY_S = (
    TIMES.duration_seconds,
    TIMES.renew_deadline_seconds,
    TIMES.retry_seconds,
)


class LeaseApi:
    """One Lease with optimistic locking, as an API server keeps it."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.cut_off: set[str] = set()
        self.answers: dict[str, Exception] = {}
        self.after_read: Callable[[], None] = lambda: None
        self.writes: list[str] = []

    def session(self, who: str) -> "Client":
        return Client(self, who)

    def put(self, body: dict[str, Any]) -> None:
        if self.lease is not None:
            version = body["metadata"].get("resourceVersion")
            if version != self.lease["metadata"]["resourceVersion"]:
                raise ApiError(409, "Conflict", "the object has been modified")
        self.version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self.version)}
        self.lease = msgspec.json.decode(msgspec.json.encode({**body, "metadata": metadata}))

    @property
    def holder(self) -> str:
        assert self.lease is not None
        return self.lease["spec"]["holderIdentity"]

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        return self.lease["spec"]


class Client:
    """What one candidate sees of it."""

    def __init__(self, api: LeaseApi, who: str) -> None:
        self._api = api
        self._who = who

    async def request(
        self, method: str, path: str, *, body: Any = None, timeout_s: float | None = None
    ) -> bytes:
        await asyncio.sleep(0)
        if self._who in self._api.cut_off:
            raise SiteUnreachableError("hub: no answer")
        if method in self._api.answers:
            raise self._api.answers[method]
        collection = "/apis/coordination.k8s.io/v1/namespaces/tw/leases"
        if method == "POST":
            assert path == collection
            if self._api.lease is not None:
                raise ApiError(409, "AlreadyExists", "it exists")
            self._api.put(body)
        else:
            assert path == f"{collection}/{TIMES.name}"
            if self._api.lease is None:
                raise ApiError(404, "NotFound", "no such Lease")
            if method == "PUT":
                self._api.put(body)
        if method != "GET":
            self._api.writes.append(self._who)
        answer = msgspec.json.encode(self._api.lease)
        if method == "GET":
            self._api.after_read()
        return answer


class Candidate:
    """A process that wants to lead."""

    def __init__(self, api: LeaseApi, clock: FakeClock, who: str) -> None:
        self.lost = False
        self.elector = LeaseElector(
            api.session(who),  # type: ignore[arg-type]
            namespace="tw",
            identity=who,
            settings=TIMES,
            clock=clock,
            on_lost=self._lose,
        )
        self._task = asyncio.create_task(self._run())

    def _lose(self) -> None:
        self.lost = True

    async def _run(self) -> None:
        await self.elector.acquire()
        await self.elector.keep()

    @property
    def leading(self) -> bool:
        return self.elector.leading

    async def die(self) -> None:
        """End without a word, as a process that is killed."""
        await cancel_and_wait(self._task)

    async def stop(self) -> None:
        """End in order."""
        await self.die()
        await self.elector.release()


class Stage:
    """A Lease, a clock, and candidates that are ended with the test."""

    def __init__(self) -> None:
        self.api, self.clock = LeaseApi(), FakeClock()
        self.candidates: list[Candidate] = []

    async def candidate(self, who: str) -> Candidate:
        made = Candidate(self.api, self.clock, who)
        self.candidates.append(made)
        await settle()
        return made

    @property
    def leaders(self) -> int:
        return sum(one.leading for one in self.candidates)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        for one in self.candidates:
            with suppress(asyncio.CancelledError):
                await one.die()


async def test_the_first_one_makes_the_lease_and_leads() -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        assert a.leading
        assert a.elector.identity == "a"
        assert stage.api.spec["holderIdentity"] == "a"
        assert stage.api.spec["leaseDurationSeconds"] == DURATION_S
        assert stage.api.spec["leaseTransitions"] == 1
        assert stage.api.spec["acquireTime"] == stage.api.spec["renewTime"]


async def test_it_renews_and_the_time_of_acquiring_stays() -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        acquired = stage.api.spec["acquireTime"]
        await stage.clock.step(10 * DURATION_S)
        assert a.leading
        assert stage.api.spec["acquireTime"] == acquired < stage.api.spec["renewTime"]
        assert stage.api.spec["leaseTransitions"] == 1


async def test_a_second_one_waits_while_the_first_renews() -> None:
    async with Stage() as stage:
        a, b = await stage.candidate("a"), await stage.candidate("b")
        await stage.clock.step(10 * DURATION_S)
        assert (a.leading, b.leading) == (True, False)
        assert set(stage.api.writes) == {"a"}


async def test_a_holder_that_died_is_followed_after_its_whole_duration() -> None:
    async with Stage() as stage:
        a, b = await stage.candidate("a"), await stage.candidate("b")
        await a.die()
        await stage.clock.step(DURATION_S - RETRY_S)
        assert not b.leading
        await stage.clock.step(2 * RETRY_S)
        assert b.leading
        assert stage.api.spec["leaseTransitions"] == 2


async def test_a_lease_that_looks_old_is_still_watched_for_its_duration() -> None:
    """The holder's clock may be wrong by years: its times are compared with nothing of ours."""
    async with Stage() as stage:
        stage.api.put(
            {
                "metadata": {"name": TIMES.name},
                "spec": {
                    "holderIdentity": "x",
                    "renewTime": "1999-01-01T00:00:00.000000Z",
                    "leaseDurationSeconds": 12,
                },
            }
        )
        b = await stage.candidate("b")
        await stage.clock.step(12 - RETRY_S)
        assert not b.leading
        await stage.clock.step(2 * RETRY_S)
        assert b.leading


async def test_a_holder_that_renews_starts_the_wait_anew() -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        b = await stage.candidate("b")
        await stage.clock.step(DURATION_S)
        await a.die()
        await stage.clock.step(DURATION_S - 2 * RETRY_S)
        assert not b.leading


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("status", [500, 403, 409])
async def test_a_holder_that_cannot_renew_loses_at_the_deadline(method: str, status: int) -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        stage.api.answers[method] = ApiError(status, "", "no")
        await stage.clock.step(DEADLINE_S - RETRY_S)
        assert (a.leading, a.lost) == (True, False)
        await stage.clock.step(RETRY_S)
        assert (a.leading, a.lost) == (False, True)


async def test_it_does_not_lead_past_the_deadline_even_while_nothing_runs() -> None:
    """`leading` goes by the clock: a process that was frozen must not write when it wakes."""
    async with Stage() as stage:
        a = await stage.candidate("a")
        await a.die()
        await stage.clock.step(DEADLINE_S)
        assert not a.leading


async def test_a_short_silence_costs_nothing() -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        stage.api.cut_off.add("a")
        await stage.clock.step(DEADLINE_S - RETRY_S)
        stage.api.cut_off.clear()
        await stage.clock.step(5 * DURATION_S)
        assert (a.leading, a.lost) == (True, False)


async def test_a_holder_that_finds_another_one_stops_at_once() -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        assert stage.api.lease is not None
        stage.api.put({**stage.api.lease, "spec": {**stage.api.spec, "holderIdentity": "b"}})
        await stage.clock.step(RETRY_S)
        assert (a.leading, a.lost) == (False, True)
        assert stage.api.holder == "b"


async def test_of_two_writes_on_one_version_one_wins() -> None:
    async with Stage() as stage:
        b = Candidate(stage.api, stage.clock, "b")
        a = Candidate(stage.api, stage.clock, "a")
        stage.candidates += [a, b]
        await settle()
        assert stage.leaders == 1
        await stage.clock.step(DURATION_S)
        assert stage.leaders == 1


async def test_an_orderly_stop_hands_over_at_the_next_retry() -> None:
    async with Stage() as stage:
        a, b = await stage.candidate("a"), await stage.candidate("b")
        await a.stop()
        assert (a.leading, a.lost, stage.api.holder) == (False, False, "")
        await stage.clock.step(RETRY_S)
        assert b.leading
        assert stage.api.holder == "b"


async def test_who_does_not_lead_releases_nothing() -> None:
    async with Stage() as stage:
        a, b = await stage.candidate("a"), await stage.candidate("b")
        await b.stop()
        assert a.leading
        assert stage.api.holder == "a"


async def test_a_release_that_finds_another_holder_leaves_it() -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        await a.die()
        assert stage.api.lease is not None
        stage.api.put({**stage.api.lease, "spec": {**stage.api.spec, "holderIdentity": "b"}})
        await a.elector.release()
        assert stage.api.holder == "b"


async def test_a_release_without_the_hub_ends_quietly() -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        stage.api.cut_off.add("a")
        await a.stop()
        assert not a.leading
        assert stage.api.holder == "a"


async def test_a_lease_that_was_deleted_is_made_anew() -> None:
    async with Stage() as stage:
        a = await stage.candidate("a")
        stage.api.lease = None
        await stage.clock.step(RETRY_S)
        assert a.leading
        assert stage.api.holder == "a"


async def test_a_lease_without_a_spec_is_taken() -> None:
    async with Stage() as stage:
        stage.api.put({"metadata": {"name": TIMES.name}})
        assert (await stage.candidate("a")).leading


async def test_a_write_between_read_and_write_wins() -> None:
    """Somebody renews while we decide: the resource version tells, and we go on waiting."""
    async with Stage() as stage:
        a = await stage.candidate("a")
        await a.die()
        b = await stage.candidate("b")

        def renew() -> None:
            assert stage.api.lease is not None
            times = {"renewTime": f"renewed-{stage.api.version}"}
            stage.api.put({**stage.api.lease, "spec": {**stage.api.spec, **times}})

        stage.api.after_read = renew
        await stage.clock.step(5 * DURATION_S)
        assert not b.leading
        assert stage.api.holder == "a"


faults = st.lists(
    st.tuples(
        st.sampled_from(["cut", "mend", "kill", "stop", "start"]),
        st.integers(0, 2),
        st.floats(0.1, 15),
    ),
    max_size=25,
)


@given(story=faults)
def test_two_never_lead_whatever_happens(story: list[tuple[str, int, float]]) -> None:
    async def play() -> None:
        async with Stage() as stage:
            for serial in range(3):
                await stage.candidate(f"c{serial}")
            for what, number, wait_s in story:
                one = stage.candidates[number]
                who = one.elector.identity
                if what == "cut":
                    stage.api.cut_off.add(who)
                elif what == "mend":
                    stage.api.cut_off.discard(who)
                elif what == "kill":
                    await one.die()
                elif what == "stop":
                    await one.stop()
                else:
                    await one.die()
                    await stage.candidate(f"c{len(stage.candidates)}")
                    stage.candidates[number] = stage.candidates[-1]
                left_s = wait_s
                while left_s > 0:
                    await stage.clock.step(min(0.5, left_s))
                    left_s -= 0.5
                    leading = {c.elector.identity for c in stage.candidates if c.leading}
                    assert len(leading) <= 1

    asyncio.run(play())
