"""What does one workload owe when its status changes? Its parts, step by step.

A part (a placement) is metered while it runs, and while it is being evicted until its object is
gone. `meteredUntil` of the part says up to when it stands in the usage. A part is charged when its
pods at work become more or fewer, and when it ends: exactly to the end that its site tells, so that
what was metered beyond it is given back. `meter.py` charges in passing what goes on.

A Job's own start counts, for its pods hold their accelerators from then on, and all of its pods
until it ends; of a Deployment the ready pods count.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from tradewind.api.workload import Placement, PlacementPhase, UsagePeriod, WorkloadStatus
from tradewind.controller import lifecycle
from tradewind.controller.metering import Rates, Span, add
from tradewind.controller.store import Record
from tradewind.workloads.registry import ADAPTERS

#: A site's clock may be ahead by so much; an end that is later is not believed.
SKEW: Final = timedelta(minutes=5)


class Tariff(Protocol):
    """What a bill is made with."""

    def rates(self, record: Record, part: Placement) -> Rates | None:
        """Of a part as it stands; None when what it asks for cannot be read."""
        ...

    def unwatched_s(self, part: Placement, start: datetime, end: datetime) -> float:
        """How much of a span nobody watched, seconds."""
        ...

    def charge(
        self, record: Record, part: Placement, rates: Rates, span: Span
    ) -> Sequence[UsagePeriod]:
        """What a span takes, by day; whoever keeps books is told of it."""
        ...


class Bill:
    """One change of one workload.

    Args:
        record: as it was decided before.
        status: that is to follow.
        now: in whole seconds.
        tariff: what it is made with.
    """

    def __init__(
        self, record: Record, status: WorkloadStatus, now: datetime, tariff: Tariff
    ) -> None:
        self._record = record
        self._status = status
        self._now = now
        self._tariff = tariff
        self._usage = status.usage

    def settled(self) -> WorkloadStatus:
        """The status, with what has ended or changed charged; the same if there is nothing."""
        olds = {(part.site, part.epoch): part for part in self._record.status.placements}
        parts = []
        for part in self._status.placements:
            old = olds.pop((part.site, part.epoch), None)
            parts.append(part if part is old else self._follow(old, part))
        for gone in olds.values():
            if is_metered(gone):
                self._charge(gone, self._now, gone)
        return self._result(parts)

    def passing(self) -> WorkloadStatus:
        """The status, with everything that runs charged until now."""
        return self._result(
            [
                self._charge(part, self._now, part) if is_metered(part) else part
                for part in self._status.placements
            ]
        )

    def _result(self, parts: list[Placement]) -> WorkloadStatus:
        status = self._status
        same = all(a is b for a, b in zip(parts, status.placements, strict=True))
        if same and self._usage is status.usage:
            return status
        usage = self._usage
        if usage is not None:
            through = max(
                (p.metered_until for p in parts if p.metered_until), default=usage.through
            )
            usage = usage.model_copy(update={"through": through})
        return status.model_copy(update={"placements": tuple(parts), "usage": usage})

    def _follow(self, old: Placement | None, new: Placement) -> Placement:
        """A part's successor, metered as far as it must be."""
        if old is not None and is_metered(old):
            if not is_metered(new):
                return self._charge(old, _end(new, self._now), new)
            same = pods_at_work(self._record, old) == pods_at_work(self._record, new)
            return new if same else self._charge(old, self._now, new)
        if new.phase is lifecycle.RUNNING:
            return _until(new, self._begin(new))
        if new.phase is PlacementPhase.EVICTING:
            return _until(new, None)  # it was not running when its eviction began
        if new.phase in lifecycle.FINAL and (old is None or old.phase not in lifecycle.FINAL):
            return self._charge_unseen(new)
        return new

    def _charge_unseen(self, part: Placement) -> Placement:
        """A part that ended and was never seen to run; without both times it owes nothing."""
        if part.started_at is None or part.finished_at is None:
            return part
        return self._charge(_until(part, self._begin(part)), _end(part, self._now), part)

    def _charge(self, part: Placement, end: datetime, successor: Placement) -> Placement:
        """Charge a part up to a moment; returns its successor, metered until then."""
        start = part.metered_until or self._begin(part)
        rates = self._tariff.rates(self._record, part) if end != start else None
        if rates is not None:
            span = Span(start, end, self._tariff.unwatched_s(part, start, end))
            charged = self._tariff.charge(self._record, part, rates, span)
            self._usage = add(self._usage, charged, rates, span)
        return _until(successor, end)

    def _begin(self, part: Placement) -> datetime:
        """From when a part that was not running is metered.

        A site that lies, or whose clock is wrong, cannot charge for a time before it had the work.
        """
        started, now = part.started_at, self._now
        if part.metered_until is not None:  # it ran before, and stood still meanwhile
            return min(started, now) if started and started > part.metered_until else now
        if started is None:
            return now
        given = [entry.at for entry in self._status.history if part.site in entry.to.split(",")]
        earliest = given[-1] if given else (self._record.model.created or started)
        return min(max(earliest.replace(microsecond=0), started), now)


def is_metered(part: Placement) -> bool:
    """Whether a part is running up a bill."""
    return part.phase is lifecycle.RUNNING or (
        part.phase is PlacementPhase.EVICTING and part.metered_until is not None
    )


def pods_at_work(record: Record, part: Placement) -> int:
    """The pods of a part that hold what they ask for."""
    adapter = ADAPTERS.get(record.demand.kind) if record.demand else None
    if adapter is None or adapter.finishes:
        return part.replicas
    return min(part.ready_replicas or 0, part.replicas)


def _end(part: Placement, now: datetime) -> datetime:
    """When a part that no longer runs stopped running."""
    if part.phase in lifecycle.FINAL and part.finished_at is not None:
        return min(part.finished_at, now + SKEW)
    return now


def _until(part: Placement, moment: datetime | None) -> Placement:
    if part.metered_until == moment:
        return part
    return part.model_copy(update={"metered_until": moment})
