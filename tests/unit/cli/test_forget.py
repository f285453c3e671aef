"""Giving up a site: refused while it answers, finished only when nothing waits for it."""

import json
from typing import Any

import pytest
from tests.unit.cli import objects

from tradewind.api.site import ComputeSite
from tradewind.cli import forget
from tradewind.cli.hub import Hub


class Session:
    """A hub on which an operator takes the site's placement for lost once the mark is there."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.workload = objects.training()

    async def get(self, path: str, params: dict[str, str] | None = None) -> bytes:
        self.done.append(("GET", path.rpartition("/")[2]))
        page = {"apiVersion": "v", "kind": "AIWorkloadList", "metadata": {}}
        answer = json.dumps(page | {"items": [self.workload]}).encode()
        self.workload["status"]["placements"][0]["phase"] = "Lost"
        return answer

    async def request(self, method: str, path: str, *, body: Any, content_type: str) -> bytes:
        assert "tradewind.dev/forget" in body["metadata"]["annotations"]
        assert content_type == "application/merge-patch+json"
        self.done.append((method, path.rpartition("/")[2]))
        return b"{}"

    async def delete(self, path: str) -> bytes:
        self.done.append(("DELETE", path.rpartition("/")[2]))
        return b"{}"


async def test_the_site_goes_only_after_its_last_placement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forget, "_EVERY_S", 0.001)
    session = Session()
    await forget.carry_out(Hub(session), "ulanqab")  # type: ignore[arg-type]
    assert session.done == [
        ("PATCH", "ulanqab"),
        ("GET", "aiworkloads"),
        ("GET", "aiworkloads"),
        ("DELETE", "ulanqab"),
    ]


@pytest.mark.parametrize(("status", "want"), [("True", True), ("False", False), ("Unknown", False)])
def test_a_site_answers_when_its_condition_says_so(status: str, want: bool) -> None:
    site = objects.ulanqab()
    site["status"]["conditions"] = [objects.condition("Reachable", status, "Probed")]
    assert forget.answers(ComputeSite.model_validate(site)) is want


def test_a_site_that_nobody_looked_at_does_not_answer() -> None:
    site = objects.ulanqab()
    del site["status"]
    assert forget.answers(ComputeSite.model_validate(site)) is False
