"""Kubernetes Events, for `kubectl describe` and whoever collects them.

What Tradewind does to running work makes one, and a queue's budget that is nearly spent or spent:
such things are rare, and somebody will ask. An Event is a courtesy: history and conditions tell the
same, so one that cannot be written is dropped.
"""

import asyncio
import platform
from collections import deque
from collections.abc import Callable
from datetime import UTC
from typing import Any, Final

from tradewind.api.fields import ObjectMeta
from tradewind.api.names import API_VERSION
from tradewind.api.queue import ComputeQueue
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
        self._note("AIWorkload", record.model.metadata, "Evict", reason, message)

    def budget(self, queue: ComputeQueue, reason: str, message: str) -> None:
        """A queue's budget is nearly spent, or spent."""
        self._note("ComputeQueue", queue.metadata, "Account", reason, message, warns=True)

    def _note(
        self,
        kind: str,
        about: ObjectMeta,
        action: str,
        reason: str,
        message: str,
        *,
        warns: bool = False,
    ) -> None:
        now = self._clock.now().astimezone(UTC)
        # Events about what has no namespace are where the API server wants them.
        namespace = about.namespace or "default"
        regarding = {"apiVersion": API_VERSION, "kind": kind, "name": about.name, "uid": about.uid}
        if about.namespace:
            regarding["namespace"] = about.namespace
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                # The API server checks this part by itself, as the name of an object.
                "generateName": f"{about.name[:40].rstrip('-.')}-",
                "namespace": namespace,
            },
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": _CONTROLLER,
            "reportingInstance": platform.node()[:128] or "operator",
            "action": action,
            "reason": reason[:128],
            "type": "Warning" if warns else "Normal",
            "note": (message or reason)[:_NOTE_LIMIT],
            "regarding": regarding,
        }
        self._waiting.append((f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", body))
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
