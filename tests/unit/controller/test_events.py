"""Events about workloads: as the API server takes them, and never in anybody's way."""

import asyncio
import re
from typing import Any

import pytest
from tests.clock import FakeClock, settle
from tests.unit.controller import works

from tradewind.api.queue import ComputeQueue
from tradewind.base.aio import cancel_and_wait
from tradewind.base.errors import ApiError
from tradewind.controller.events import LIMIT, EventRecorder
from tradewind.controller.store import Store

#: The API server's own rule for names (RFC 1123 subdomain).
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


class Hub:
    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.refuses = 0

    async def request(self, method: str, path: str, *, body: dict[str, Any]) -> bytes:
        await asyncio.sleep(0)
        namespace = body["metadata"]["namespace"]
        assert (method, path) == ("POST", f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
        if self.refuses:
            self.refuses -= 1
            raise ApiError(403, "Forbidden", "no")
        self.bodies.append(body)
        return b"{}"


async def told(*names: str, refuses: int = 0, leads: bool = True) -> list[dict[str, Any]]:
    hub, store = Hub(), Store()
    hub.refuses = refuses
    events = EventRecorder(hub, may_write=lambda: leads, clock=FakeClock())  # type: ignore[arg-type]
    for name in names:
        record = store.workloads.get(f"uid-{name}") or works.take(store, name)
        events.evicted(record, "Preempted", "for eval")
    task = asyncio.create_task(events.run())
    for _ in range(len(names)):
        await settle()
    await cancel_and_wait(task)
    return hub.bodies


@pytest.mark.parametrize("name", ["train", "a" * 63, "a" * 39 + "-b", "a" * 38 + ".-b", "a.b"])
async def test_names_are_ones_that_the_api_server_takes(name: str) -> None:
    (body,) = await told(name)
    # It is checked with the last character left out of account, as of a prefix.
    prefix = body["metadata"]["generateName"]
    assert NAME.fullmatch(prefix + "x1y2z")
    assert prefix.endswith("-")
    assert NAME.fullmatch(prefix[:-1])
    assert body["regarding"]["name"] == name
    assert (body["reason"], body["note"]) == ("Preempted", "for eval")


async def test_a_spent_budget_is_a_warning_about_the_queue() -> None:
    hub = Hub()
    events = EventRecorder(hub, may_write=lambda: True, clock=FakeClock())  # type: ignore[arg-type]
    metadata = {"name": "research", "uid": "uid-q"}
    queue = ComputeQueue.model_validate({"metadata": metadata, "spec": {}})
    events.budget(queue, "BudgetExceeded", "12.00 of 10 USD")
    task = asyncio.create_task(events.run())
    await settle()
    await cancel_and_wait(task)
    (body,) = hub.bodies
    assert (body["type"], body["reason"], body["note"]) == (
        "Warning",
        "BudgetExceeded",
        "12.00 of 10 USD",
    )
    # The API server takes Events about what has no namespace here alone.
    assert body["metadata"]["namespace"] == "default"
    assert body["regarding"] == {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "ComputeQueue",
        **metadata,
    }


async def test_an_event_that_is_refused_is_dropped_and_the_next_is_written() -> None:
    bodies = await told("a", "b", refuses=1)
    assert [body["regarding"]["name"] for body in bodies] == ["b"]


async def test_who_does_not_lead_tells_nothing() -> None:
    assert await told("a", leads=False) == []


async def test_a_flood_keeps_to_its_bound() -> None:
    assert len(await told(*["a"] * (LIMIT + 5))) == LIMIT
