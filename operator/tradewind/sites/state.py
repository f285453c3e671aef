"""What is known of an engaged site at the moment, how it is talked to, and who is told of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tradewind.base.errors import AccessRefusedError
from tradewind.sites.slim import Dispatched


class SiteListener(Protocol):
    """Told of everything that a site shows; must not block."""

    def on_inventory(self, site: str) -> None:
        """Nodes or pods changed."""
        ...

    def on_object(
        self, site: str, kind: str, old: Dispatched | None, new: Dispatched | None
    ) -> None:
        """An object of this hub's changed; `kind` is `apiVersion/Kind`."""
        ...

    def on_objects_synced(self, site: str) -> None:
        """Every kind of dispatched objects has been listed whole."""
        ...

    def on_health(self, site: str) -> None:
        """Reachability, access or identity changed."""
        ...


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """How a site is talked to.

    Attributes:
        hub_id: marks our objects.
        request_timeout_s: limit of one request.
        probe_s: between two probes, and the limit of one.
        probe_failures: so many in a row make the site unreachable.
    """

    hub_id: str
    request_timeout_s: float = 10.0
    probe_s: float = 5.0
    probe_failures: int = 3


@dataclass(slots=True)
class SiteState:
    """What is known of a site at the moment.

    Attributes:
        reachable: None until the first answer or the first lost probe.
        since: when `reachable` last changed.
        fault: why it cannot be used: access refused, or another cluster than before.
        detail: what the last lost probe said.
        kubernetes_version: of its API server.
        cluster_uid: which cluster it is.
        kinds: template kinds that it serves.
        inventory_synced: nodes, pods, devices and claims have been listed.
        objects_synced: dispatched objects have been listed.
        synced_kinds: paths that have been listed, or that the site does not have.
        runtime_classes: names of its RuntimeClasses.
    """

    reachable: bool | None = None
    since: datetime | None = None
    fault: AccessRefusedError | None = None
    detail: str = ""
    kubernetes_version: str = ""
    cluster_uid: str = ""
    kinds: frozenset[str] = frozenset()
    inventory_synced: bool = False
    objects_synced: bool = False
    synced_kinds: set[str] = field(default_factory=set)
    runtime_classes: set[str] = field(default_factory=set)
