"""End running work at a site, whoever wants it: a step of the status, and nothing at the site yet.

The status says Evicting, how far the work has come, and why; the dispatcher deletes the object only
when that is written. A crash before the write leaves the work running, a crash after it finds the
intent and goes on. When the object is gone the workload is pending again by itself.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from prometheus_client import Counter

from tradewind.api.workload import Placement
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.controller import lifecycle
from tradewind.controller.progress import done_seconds
from tradewind.controller.store import Record, Store
from tradewind.controller.writer import WorkloadWriter
from tradewind.placement.config import EngineConfig

log = get_logger(__name__)

EVICTIONS = Counter(
    "tradewind_evictions_total",
    "Placements ended by Tradewind's own decision, by its reason.",
    ["reason"],
    registry=REGISTRY,
)

#: Reasons that set the cool-down: the work is sent elsewhere, or to another hour.
_VOLUNTARY: Final = frozenset({"Moved", "Paused", "Drained"})
#: Reasons of more than a word come as `Reason: detail`; metrics get the word.
_SEPARATOR: Final = ": "

#: Told of each eviction: the workload, its reason and its message.
OnEvicted = Callable[[Record, str, str], None]


class Evictor:
    """Takes placements to Evicting.

    Args:
        store: the records.
        writer: carries the change to the hub.
        config: the engine's, for the speed of classes.
        on_evicted: told of each.
    """

    def __init__(
        self,
        store: Store,
        writer: WorkloadWriter,
        *,
        config: EngineConfig,
        on_evicted: OnEvicted = lambda *_: None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._config = config
        self._on_evicted = on_evicted

    def evict(
        self, record: Record, placement: Placement, reason: str, message: str, now: datetime
    ) -> None:
        """End a placement that is at work.

        Args:
            record: whose.
            placement: as it stands in the record's status.
            reason: PascalCase.
            message: for people, with the numbers.
            now: the wall clock.
        """
        done_s = done_seconds(
            record.model,
            record.status,
            placement,
            catalog=self._store.catalog,
            config=self._config,
            now=now,
        )
        status = lifecycle.evict(
            record.status,
            placement.site,
            reason=reason,
            message=message,
            now=now,
            done_seconds=done_s,
            moved_at=now.replace(microsecond=0) if reason in _VOLUNTARY else record.status.moved_at,
        )
        log.info(
            "workload evicted",
            workload=record.label,
            site=placement.site,
            epoch=placement.epoch,
            reason=reason,
            message=message,
            done_s=done_s,
        )
        EVICTIONS.labels(reason.partition(_SEPARATOR)[0]).inc()
        self._store.set_status(record, status)
        self._writer.add(record.uid)
        self._on_evicted(record, reason, message)
