"""What each ComputeQueue holds and has spent: sums over its workloads, kept up to date one by one.

What is spent is what the meter charged this month, deleted work included (`usagebook.py`), and what
placed work is yet to take.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tradewind.api.fields import MonthTotal
from tradewind.api.queue import QueueSpec
from tradewind.controller import lifecycle
from tradewind.controller.metering import Amounts
from tradewind.controller.progress import committed
from tradewind.controller.splits import part_demand
from tradewind.controller.store import Record, Store
from tradewind.hardware.catalog import Catalog
from tradewind.placement.queues import NO_QUEUE_NAME
from tradewind.placement.snapshot import QueueView

#: Phases in which a placement holds what it asks for.
_HOLDS = lifecycle.ACTIVE | {lifecycle.EVICTING}

_NOTHING = Amounts()
_NO_SPEC = QueueSpec()


@dataclass(slots=True)
class Share:
    """What one workload counts for in its queue; the same form holds a queue's sums.

    Attributes:
        queue: name of the ComputeQueue; empty for work without one, and in sums.
        units: accelerators held, by class.
        cpu_millis, memory_bytes: held.
        rest_usd, rest_carbon_kg: yet to be taken this month.
        pending, placed: 1 or 0; in sums, workloads.
    """

    queue: str = ""
    units: Counter[str] = field(default_factory=Counter)
    cpu_millis: int = 0
    memory_bytes: int = 0
    rest_usd: float = 0.0
    rest_carbon_kg: float = 0.0
    pending: int = 0
    placed: int = 0

    def add(self, other: "Share", sign: int) -> None:
        """Count another in, or out again."""
        for name, units in other.units.items():
            self.units[name] += sign * units
            if not self.units[name]:
                del self.units[name]
        self.cpu_millis += sign * other.cpu_millis
        self.memory_bytes += sign * other.memory_bytes
        self.rest_usd += sign * other.rest_usd
        self.rest_carbon_kg += sign * other.rest_carbon_kg
        self.pending += sign * other.pending
        self.placed += sign * other.placed


class QueueAccounts:
    """The accounts of all queues that any workload names.

    Args:
        store: workloads and queues.
        metered: what the work of a queue took in the month of a moment.
    """

    def __init__(
        self,
        store: Store,
        metered: Callable[[str, datetime], Amounts] = lambda *_: _NOTHING,
    ) -> None:
        self._store = store
        self._metered = metered
        self._changes = store.follow()
        self._sums: dict[str, Share] = {}
        self._shares: dict[str, Share] = {}
        self._views: dict[str, tuple[tuple[object, ...], QueueView]] = {}
        self._month = ""
        self._touched: set[str] = set()

    def views(self, now: datetime) -> Mapping[str, QueueView]:
        """Each ComputeQueue for the engine; a view is the same object until its sums change.

        The name "" stands for work without a queue.
        """
        self.refresh(now)
        views = {
            name: self._view(name, made.spec, now) for name, made in self._store.queues.items()
        }
        return {NO_QUEUE_NAME: self._view(NO_QUEUE_NAME, _NO_SPEC, now), **views}

    def sums(self, queue: str) -> Share:
        """The sums of a queue, as of the last refresh."""
        return self._sums.get(queue) or Share()

    def spent(self, queue: str, now: datetime) -> MonthTotal:
        """What a queue spent this month, what runs taken to its expected end."""
        metered, sums = self._metered(queue, now), self.sums(queue)
        return MonthTotal(
            month=now.strftime("%Y-%m"),
            cost_usd=max(0.0, metered.cost_usd + sums.rest_usd),
            carbon_kg=max(0.0, metered.carbon_kg + sums.rest_carbon_kg),
        )

    def take_touched(self) -> set[str]:
        """The queues whose sums changed since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def refresh(self, now: datetime) -> None:
        """Bring the sums up to date with what changed, and with the month."""
        changed, month = self._changes.take(), now.strftime("%Y-%m")
        if self._month != month:
            self._month = month
            changed |= self._shares.keys()
            self._touched |= self._store.queues.keys()
        for uid in changed:
            self._count(uid, self._store.workloads.get(uid), now)

    def _count(self, uid: str, record: Record | None, now: datetime) -> None:
        before, after = self._shares.get(uid), None
        if record is not None:
            after = share_of(record, now, self._store.catalog)
        if before == after:
            return
        if before is not None:
            self._sums[before.queue].add(before, -1)
            self._touched.add(before.queue)
            del self._shares[uid]
        if after is not None:
            self._sums.setdefault(after.queue, Share()).add(after, 1)
            self._touched.add(after.queue)
            self._shares[uid] = after

    def _view(self, name: str, spec: QueueSpec, now: datetime) -> QueueView:
        sums, spent = self.sums(name), self.spent(name, now)
        made_of = (
            spec,
            tuple(sorted(sums.units.items())),
            sums.cpu_millis,
            sums.memory_bytes,
            spent,
        )
        known = self._views.get(name)
        if known is not None and known[0] == made_of:
            return known[1]
        view = QueueView(
            spec=spec,
            held_units=dict(sums.units),
            held_cpu_millis=sums.cpu_millis,
            held_memory_bytes=sums.memory_bytes,
            spent_usd=spent.cost_usd,
            spent_carbon_kg=spent.carbon_kg,
        )
        self._views[name] = made_of, view
        return view


def share_of(record: Record, now: datetime, catalog: Catalog) -> Share:
    """What a workload counts for in its queue now."""
    status = record.status
    rest_usd, rest_kg = committed(status, now)
    share = Share(
        queue=record.model.spec.queue,
        rest_usd=rest_usd,
        rest_carbon_kg=rest_kg,
        pending=int(record.pending),
    )
    for part in status.placements:
        if part.phase not in _HOLDS or record.demand is None:
            continue
        share.placed = 1
        names = _resources(part.accelerator_class, catalog)
        for pod in part_demand(record.demand, part).pods:
            share.cpu_millis += pod.count * pod.cpu_millis
            share.memory_bytes += pod.count * pod.memory_bytes
            named = sum(amount for name, amount in pod.vendor_resources if name in names)
            if part.accelerator_class:
                share.units[part.accelerator_class] += pod.count * (pod.accelerators + named)
    return share


def _resources(class_name: str | None, catalog: Catalog) -> tuple[str, ...]:
    found = catalog.get(class_name) if class_name else None
    return found.resource_names if found else ()
