"""Kubernetes Events about workloads, for `kubectl describe` and whoever collects them.

Only what Tradewind does to running work makes one: such things are rare, and somebody will ask. An
Event is a courtesy: history and conditions tell the same, so one that cannot be written is dropped.
"""

import asyncio
import platform
from collections import deque
from collections.abc import Callable
from datetime import UTC
from typing import Any, Final

from tradewind.api.names import API_VERSION
from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.base.observe import get_logger
from tradewind.controller.store import Record
from tradewind.sites.client import ApiSession

log = get_logger(__name__)

#: What waits to be written; the oldest is dropped for a newer one.
LIMIT: Final = 500
_NOTE_LIMIT: Final = 1024
_CONTROLLER: Final = "tradewind.dev/operator"


class EventRecorder:
    """Writes Events to the hub, one after the other.

    Args:
        session: the hub.
        may_write: False while leadership is in doubt.
        clock: whose time counts.
    """

    def __init__(self, session: ApiSession, *, may_write: Callable[[], bool], clock: Clock) -> None:
        self._session = session
        self._may_write = may_write
        self._clock = clock
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=LIMIT)
        self._wake = asyncio.Event()

    def evicted(self, record: Record, reason: str, message: str) -> None:
        """Running work was ended."""
        metadata = record.model.metadata
        now = self._clock.now().astimezone(UTC)
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                # The API server checks this part by itself, as the name of an object.
                "generateName": f"{metadata.name[:40].rstrip('-.')}-",
                "namespace": metadata.namespace,
            },
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": _CONTROLLER,
            "reportingInstance": platform.node()[:128] or "operator",
            "action": "Evict",
            "reason": reason[:128],
            "type": "Normal",
            "note": (message or reason)[:_NOTE_LIMIT],
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": "AIWorkload",
                "namespace": metadata.namespace,
                "name": metadata.name,
                "uid": metadata.uid,
            },
        }
        path = f"/apis/events.k8s.io/v1/namespaces/{metadata.namespace}/events"
        self._waiting.append((path, body))
        self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                path, body = self._waiting.popleft()
                if not self._may_write():
                    continue
                try:
                    await self._session.request("POST", path, body=body)
                except (ApiError, SiteUnreachableError) as error:
                    log.warning("event was not written", reason=body["reason"], error=str(error))
