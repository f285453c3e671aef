"""What every kind of template has to tell: its pods, what to leave out of a copy, its status."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PodSet:
    """Equal pods of a template.

    Attributes:
        name: unique in the template.
        count: how many run at once.
        template: the PodTemplateSpec as given; not to be changed.
        template_path: where it stands in the object.
    """

    name: str
    count: int
    template: Mapping[str, Any]
    template_path: tuple[str, ...]


class ObservedState(Enum):
    """What a member object says of its work."""

    PENDING = "Pending"
    SUSPENDED = "Suspended"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Observed:
    """A member object's status, in the same words for every kind.

    Attributes:
        state: how far it is.
        replicas: pods that its controller wants or has at work now.
        ready: pods that are ready.
        message: trouble, or why it ended; empty when all is well.
        started_at: when it began.
        finished_at: when it ended.
    """

    state: ObservedState
    replicas: int = 0
    ready: int = 0
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Adapter(Protocol):
    """One kind of template."""

    @property
    def api_version(self) -> str:
        """Group and version."""
        ...

    @property
    def kind(self) -> str:
        """Kind."""
        ...

    @property
    def plural(self) -> str:
        """As in paths."""
        ...

    @property
    def finishes(self) -> bool:
        """Whether its work ends by itself; such an object is never made twice for one epoch."""
        ...

    @property
    def owned_by_others(self) -> tuple[tuple[str, ...], ...]:
        """Fields that other controllers own after the object was created."""
        ...

    def pod_sets(self, template: Mapping[str, Any]) -> tuple[PodSet, ...]:
        """The pods it makes."""
        ...

    def clean(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """A deep copy that another cluster takes."""
        ...

    def observe(self, obj: Mapping[str, Any]) -> Observed:
        """What its status says; `obj` needs metadata, spec and status only."""
        ...


def parse_time(text: str | None) -> datetime | None:
    """A Kubernetes time, or None for what is none: a lying member's text is no reason to fail."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo is not None else None
