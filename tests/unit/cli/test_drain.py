"""Cordon, uncordon and drain edit one field each, and a drain is waited for until it is over."""

import json
from typing import Any

import pytest
from tests.unit.cli import objects

from tradewind.base.errors import ConfigurationError
from tradewind.cli import drain
from tradewind.cli.ask import Ask
from tradewind.cli.hub import Hub


class Session:
    """A hub with one site; an operator empties it, look by look."""

    def __init__(self, *messages: str) -> None:
        self.changes: list[Any] = []
        self.messages = list(messages)

    async def get(self, path: str, params: dict[str, str] | None = None) -> bytes:
        site = objects.ulanqab()
        site["metadata"]["generation"] = 4
        if self.messages:
            message = self.messages.pop(0)
            told = objects.condition("Drained", "False", "Draining", message)
        else:
            told = objects.condition("Drained", "True", "Empty")
        site["status"]["conditions"] = [{**told, "observedGeneration": 4}]
        return json.dumps(site).encode()

    async def request(self, method: str, path: str, *, body: Any, content_type: str) -> bytes:
        assert (method, content_type) == ("PATCH", "application/merge-patch+json")
        assert path.endswith("/computesites/ulanqab")
        self.changes.append(body)
        return b"{}"


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    import asyncio

    made = Session()
    monkeypatch.setattr(drain, "on_hub", lambda _, work: asyncio.run(work(Hub(made))))  # type: ignore[arg-type]
    monkeypatch.setattr(drain, "_EVERY_S", 0.001)
    return made


def test_each_command_says_only_what_it_changes(session: Session) -> None:
    drain.cordon(Ask(), ["ulanqab"])
    drain.drain(Ask(), "ulanqab", wait_s=None)
    drain.uncordon(Ask(), ["ulanqab"])
    assert session.changes == [
        {"spec": {"unschedulable": True}},
        {"spec": {"drain": True}},
        {"spec": {"unschedulable": False, "drain": False}},
    ]


def test_a_drain_is_waited_for_and_tells_what_is_left_when_that_changes(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    session.messages = ["", "2 at work: a, b", "2 at work: a, b", "1 at work: a"]
    drain.drain(Ask(), "ulanqab", wait_s=60)
    told = capsys.readouterr().err.splitlines()[1:]
    assert told == [
        "site ulanqab: 2 at work: a, b",
        "site ulanqab: 1 at work: a",
        "site ulanqab is empty",
    ]


def test_a_drain_that_does_not_end_in_time_names_what_is_left(session: Session) -> None:
    session.messages = ["", *["1 at work: research/train"] * 10]
    with pytest.raises(ConfigurationError, match="research/train"):
        drain.drain(Ask(), "ulanqab", wait_s=0)
