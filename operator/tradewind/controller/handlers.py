"""Kopf's part: watch the hub's five kinds and put what it shows into the store.

Only `on.event` is used: it writes nothing to the objects, where Kopf's richer handlers keep state
in annotations of the user's objects. Kopf does not tell of objects that vanished while a watch was
down, so `hub.audit` lists everything from time to time.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import kopf

from tradewind.api.names import GROUP, VERSION
from tradewind.sites.access import Endpoint
from tradewind.sites.informer import IDLE_TIMEOUT_S, WATCH_S

#: Plural names, as in paths.
PLURALS = (
    "aiworkloads",
    "computesites",
    "placementpolicies",
    "computequeues",
    "acceleratorclasses",
)

#: Takes (plural, object, deleted).
Sink = Callable[[str, dict[str, Any], bool], None]


def build_registry(sink: Sink, endpoint: Endpoint) -> kopf.OperatorRegistry:
    """Handlers that hand every event on to `sink`, and a login to the hub that we use ourselves."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        token = endpoint.token
        if endpoint.token_file:
            token = Path(endpoint.token_file).read_text(encoding="ascii").strip()
        return kopf.ConnectionInfo(
            server=endpoint.server,
            ca_data=endpoint.ca_pem.encode() or None,
            token=token or None,
            certificate_data=endpoint.cert_pem.encode() or None,
            private_key_data=endpoint.key_pem.encode() or None,
        )

    for plural in PLURALS:
        kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)(_handler(plural, sink))
    return registry


def build_settings() -> kopf.OperatorSettings:
    """Kopf, told to write nothing, to keep little, and to notice a dead watch."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.queueing.idle_timeout = 1.0  # a worker task for each object seen in the last second
    settings.watching.server_timeout = WATCH_S
    settings.watching.inactivity_timeout = IDLE_TIMEOUT_S
    settings.watching.chunk_size = 500
    return settings


def _handler(plural: str, sink: Sink) -> Callable[..., Any]:
    async def on_event(event: dict[str, Any], **_: Any) -> None:
        sink(plural, event["object"], event["type"] == "DELETED")

    return on_event


class _NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no last-handled state: without change handlers, each event would be copied for it."""

    def build(
        self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None
    ) -> kopf.BodyEssence:
        del body, extra_fields
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        del body
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        del body, patch, essence
