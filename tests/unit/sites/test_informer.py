"""What is there, through everything that a watch may do: lists, events, losses, lies."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import pytest
from tests.clock import FakeClock, settle

from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.sites.client import ApiSession
from tradewind.sites.informer import ABSENT_CHECK_S, Informer
from tradewind.sites.slim import Node


def node(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or f"u-{name}", "resourceVersion": str(version)}}


def page(version: int, *items: dict[str, Any], more: str = "") -> bytes:
    metadata = {"resourceVersion": str(version)} | ({"continue": more} if more else {})
    return json.dumps({"metadata": metadata, "items": list(items)}).encode()


def event(sort: str, item: dict[str, Any]) -> bytes:
    return json.dumps({"type": sort, "object": item}).encode()


class Script:
    """An API server that answers as written; a watch that is not written stays open."""

    def __init__(self, lists: list[Any], watches: list[list[Any]]) -> None:
        self.lists, self.watches = lists, watches
        self.asked: list[dict[str, str]] = []

    async def get(self, path: str, params: Mapping[str, str]) -> bytes:
        self.asked.append({"verb": "list", **params})
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("bytes", answer)

    async def stream(
        self, path: str, params: Mapping[str, str], *, idle_timeout_s: float
    ) -> AsyncIterator[bytes]:
        del idle_timeout_s
        self.asked.append({"verb": "watch", **params})
        if not self.watches:
            await asyncio.Event().wait()
        for line in self.watches.pop(0):
            if isinstance(line, Exception):
                raise line
            yield line


class Watched:
    """An informer that runs against a script, and what it told."""

    def __init__(
        self, lists: list[Any], watches: list[list[Any]], *, optional: bool = False
    ) -> None:
        self.script = Script(lists, watches)
        self.clock = FakeClock()
        self.told: list[tuple[str | None, str | None]] = []
        self.synced = 0
        self.informer = Informer[Node](
            lambda: cast("ApiSession", self.script),
            "/api/v1/nodes",
            Node,
            site="s",
            selectors={"labelSelector": "a=b"},
            on_change=self._changed,
            on_synced=self._synced,
            on_answer=lambda: None,
            clock=self.clock,
            optional=optional,
        )

    def _changed(self, old: Node | None, new: Node | None) -> None:
        self.told.append((_shown(old), _shown(new)))

    def _synced(self) -> None:
        self.synced += 1

    async def run(self, seconds: float = 60.0) -> None:
        task = asyncio.create_task(self.informer.run())
        await settle()
        await self.clock.step(seconds)
        assert not task.done(), task.exception()
        task.cancel()

    @property
    def names(self) -> list[str]:
        return sorted(item.metadata.name for item in self.informer.items)

    def verbs(self) -> list[str]:
        return [asked["verb"] for asked in self.script.asked]


def _shown(item: Node | None) -> str | None:
    return None if item is None else f"{item.metadata.name}@{item.metadata.resource_version}"


async def test_a_list_in_pages_is_one_list() -> None:
    watched = Watched([page(9, node("a", 1), more="t"), page(9, node("b", 2))], [])
    await watched.run()
    assert watched.told == [(None, "a@1"), (None, "b@2")]
    assert watched.synced == 1
    assert [asked.get("continue") for asked in watched.script.asked] == [None, "t", None]
    assert all(asked["labelSelector"] == "a=b" for asked in watched.script.asked)


async def test_events_are_told_with_before_and_after() -> None:
    lines = [
        event("ADDED", node("b", 11)),
        event("MODIFIED", node("a", 12)),
        event("DELETED", node("b", 13)),
    ]
    watched = Watched([page(10, node("a", 1))], [lines])
    await watched.run()
    assert watched.told[1:] == [(None, "b@11"), ("a@1", "a@12"), ("b@11", None)]
    assert watched.names == ["a"]


async def test_a_broken_watch_goes_on_from_the_last_version_without_a_list() -> None:
    watched = Watched(
        [page(10)],
        [[event("ADDED", node("a", 11)), SiteUnreachableError("broke", site="s")]],
    )
    await watched.run()
    assert watched.verbs() == ["list", "watch", "watch"]
    assert watched.script.asked[-1]["resourceVersion"] == "11"


async def test_a_bookmark_moves_the_version_on() -> None:
    mark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "77"}}}
    watched = Watched([page(10)], [[json.dumps(mark).encode()]])
    await watched.run()
    assert watched.script.asked[-1]["resourceVersion"] == "77"


@pytest.mark.parametrize(
    "lost",
    [
        event("ERROR", {"code": 410, "reason": "Expired"}),
        ApiError(410, "Expired", "too old"),
    ],
)
async def test_after_410_a_new_list_tells_what_was_missed(lost: Any) -> None:
    watched = Watched([page(10, node("a", 1), node("b", 2)), page(90, node("b", 50))], [[lost]])
    await watched.run()
    assert watched.told[2:] == [("a@1", None), ("b@2", "b@50")]
    assert watched.synced == 2


async def test_410_in_the_midst_of_pages_begins_again_and_tells_nothing_twice() -> None:
    watched = Watched(
        [page(9, node("a", 1), more="t"), ApiError(410, "Expired", ""), page(20, node("a", 1))], []
    )
    await watched.run()
    assert watched.told == [(None, "a@1")]


async def test_a_failed_list_keeps_what_is_known() -> None:
    watched = Watched(
        [page(10, node("a", 1)), ApiError(500, "", "no"), page(30, node("a", 1))],
        [[event("ERROR", {"code": 410})]],
    )
    await watched.run()
    assert watched.told == [(None, "a@1")]
    assert watched.names == ["a"]


async def test_an_object_made_again_under_its_name_is_two_objects() -> None:
    lines = [event("DELETED", node("a", 11, "old")), event("ADDED", node("a", 12, "new"))]
    watched = Watched([page(10, node("a", 1, "old"))], [lines])
    await watched.run()
    assert watched.told[1:] == [("a@1", None), (None, "a@12")]


async def test_what_is_older_than_known_is_passed_over() -> None:
    watched = Watched([page(10, node("a", 9))], [[event("MODIFIED", node("a", 3))]])
    await watched.run()
    assert watched.told == [(None, "a@9")]


@pytest.mark.parametrize(
    "line", [b"no json", b"{}", b'{"type":"ADDED","object":{"metadata":7}}', b'{"type":"ADDED"}']
)
async def test_a_line_that_makes_no_sense_costs_a_list_and_not_the_task(line: bytes) -> None:
    watched = Watched([page(10, node("a", 1)), page(20, node("a", 1))], [[line]])
    await watched.run()
    assert watched.verbs()[:3] == ["list", "watch", "list"]
    assert watched.names == ["a"]


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"metadata":{}}', b'{"items":null}'])
async def test_a_list_that_makes_no_sense_does_not_end_the_task(answer: bytes) -> None:
    watched = Watched([answer, page(5, node("a", 1))], [])
    await watched.run()
    assert watched.verbs() == ["list", "list", "watch"]
    assert watched.synced == 1
    assert watched.names == ["a"]


async def test_a_listener_that_fails_does_not_end_the_task() -> None:
    watched = Watched([page(10, node("a", 1))], [[event("ADDED", node("b", 11))]])
    told = watched.told

    class Fails(list[Any]):
        def append(self, item: Any) -> None:
            told.append(item)
            raise RuntimeError

    watched.told = Fails()
    await watched.run()
    assert len(told) == 2


async def test_a_throttled_list_waits_as_long_as_it_was_told() -> None:
    watched = Watched([ApiError(429, "", "", retry_after_s=40.0), page(5)], [])
    await watched.run(39)
    assert watched.verbs() == ["list"]


def absent(status: int) -> ApiError:
    return ApiError(status, "Absent", "no such kind, or not for us")


@pytest.mark.parametrize("status", [403, 404])
async def test_a_kind_that_a_site_lacks_or_keeps_to_itself_counts_as_listed_and_empty(
    status: int,
) -> None:
    watched = Watched([absent(status)], [], optional=True)
    await watched.run(ABSENT_CHECK_S - 1)
    assert (watched.synced, watched.informer.synced, watched.names) == (1, True, [])
    assert watched.verbs() == ["list"]  # and is not asked for again at once


async def test_a_kind_that_comes_later_is_found_at_the_next_look() -> None:
    watched = Watched([absent(404), page(9, node("a", 1))], [], optional=True)
    await watched.run(ABSENT_CHECK_S + 1)
    assert (watched.names, watched.synced) == (["a"], 2)
    assert watched.verbs() == ["list", "list", "watch"]


async def test_a_kind_that_is_taken_away_takes_its_objects_along() -> None:
    watched = Watched([page(9, node("a", 1))], [[absent(403)]], optional=True)
    await watched.run()
    assert watched.told == [(None, "a@1"), ("a@1", None)]
    assert (watched.names, watched.synced) == ([], 2)


@pytest.mark.parametrize("status", [403, 404])
async def test_what_a_site_must_have_is_not_done_without(status: int) -> None:
    watched = Watched([absent(status), page(9, node("a", 1))], [])
    await watched.run()
    assert (watched.names, watched.synced) == (["a"], 1)


async def test_another_fault_of_an_optional_kind_is_a_fault() -> None:
    watched = Watched([absent(500), page(9, node("a", 1))], [], optional=True)
    await watched.run()
    assert (watched.names, watched.synced) == (["a"], 1)
