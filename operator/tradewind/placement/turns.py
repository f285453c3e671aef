"""Whose turn is it among queues, and what do their turns put beyond the capacity there is?

Progressive filling: the queue with the smallest weighted dominant share has the next turn, its
share grows by what its workload would take, and so on. Where a workload may run on several classes
it is counted with a part of each, by what is free of them. All this is in totals of the federation:
the solver then finds real nodes, in this order.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tradewind.placement.chips import chip_of, chip_refusal
from tradewind.placement.config import EngineConfig
from tradewind.placement.demands import named_resources
from tradewind.placement.queues import CPU, MEMORY, Queues, Takes, units_of
from tradewind.placement.shapes import Shape, shape_of
from tradewind.placement.snapshot import SiteAccelerator, WorkloadView


@dataclass(frozen=True, slots=True)
class _Asks:
    """What a shape asks for, in totals.

    Args:
        fixed: (resource, amount) that it takes wherever it goes.
        units: (class, accelerators there) of the classes that would do; empty: it needs none.
        homeless: it needs accelerators and no class would do.
    """

    fixed: tuple[tuple[str, float], ...]
    units: tuple[tuple[str, float], ...]
    homeless: bool = False


class Turns:
    """The turns of one tier.

    Args:
        queues: as they stand; not changed.
    """

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._asked: dict[Shape, _Asks] = {}
        self._free = queues.free()

    def split(self, tier: Iterable[WorkloadView]) -> tuple[list[WorkloadView], list[WorkloadView]]:
        """Put a tier in the order of turns.

        Args:
            tier: workloads of one priority, in order.

        Returns:
            Those that the federation's totals hold, and the others; both in the order of turns.
        """
        waiting: dict[str, deque[WorkloadView]] = {}
        for workload in tier:
            waiting.setdefault(workload.queue, deque()).append(workload)
        if len(waiting) == 1:
            return list(*waiting.values()), []
        shares = {
            name: self._queues.share(
                self._queues.standings[name].held, self._queues.standings[name].weight
            )
            for name in waiting
        }
        held = {name: dict(self._queues.standings[name].held) for name in waiting}
        first: list[WorkloadView] = []
        left: dict[str, deque[WorkloadView]] = {name: deque() for name in waiting}
        for workload in self._turns(waiting, shares):
            taken = self._take(self._asks(workload))
            if taken is None:
                left[workload.queue].append(workload)
                continue
            first.append(workload)
            self._grow(workload.queue, taken, shares, held)
        others: list[WorkloadView] = []
        for workload in self._turns(left, shares):
            others.append(workload)
            asks = self._asks(workload)
            units = [(name, amount / len(asks.units)) for name, amount in asks.units]
            self._grow(workload.queue, (*asks.fixed, *units), shares, held)
        return first, others

    def by_room(
        self, tier: Iterable[WorkloadView], take: Callable[[WorkloadView], Takes | None]
    ) -> tuple[list[WorkloadView], list[WorkloadView]]:
        """Deal out real room in turns.

        Args:
            tier: workloads of one priority, each queue's in order.
            take: gives a workload room; what it took, None when there is none.

        Returns:
            Those that got room, and the others; both in the order of turns.
        """
        waiting: dict[str, deque[WorkloadView]] = {}
        for workload in tier:
            waiting.setdefault(workload.queue, deque()).append(workload)
        standings = self._queues.standings
        held = {name: dict(standings[name].held) for name in waiting}
        shares = {name: self._queues.share(held[name], standings[name].weight) for name in waiting}
        first: list[WorkloadView] = []
        others: list[WorkloadView] = []
        for workload in self._turns(waiting, shares):
            taken = take(workload)
            if taken is None:
                others.append(workload)
            else:
                first.append(workload)
                self._grow(workload.queue, taken.amounts().items(), shares, held)
        return first, others

    @staticmethod
    def _turns(
        waiting: dict[str, deque[WorkloadView]],
        shares: dict[str, float],
    ) -> Iterable[WorkloadView]:
        """One workload after the other; the receiver makes the share grow before the next."""
        heap = [(shares[name], name) for name, line in waiting.items() if line]
        heapq.heapify(heap)
        while heap:
            _, name = heapq.heappop(heap)
            yield waiting[name].popleft()
            if waiting[name]:
                heapq.heappush(heap, (shares[name], name))

    def _grow(
        self,
        name: str,
        taken: Iterable[tuple[str, float]],
        shares: dict[str, float],
        held: dict[str, dict[str, float]],
    ) -> None:
        # A share only grows here, so only what was added can raise it.
        mine, weight, totals = held[name], self._queues.standings[name].weight, self._queues.totals
        share = shares[name]
        for resource, amount in taken:
            mine[resource] = mine.get(resource, 0.0) + amount
            total = totals.get(resource, 0.0)
            if total > 0:
                share = max(share, mine[resource] / total / weight)
        shares[name] = share

    def _take(self, asks: _Asks) -> list[tuple[str, float]] | None:
        """What a workload takes of what is free in all; None when that does not hold it."""
        free = self._free
        if asks.homeless or any(free.get(name, 0.0) < amount for name, amount in asks.fixed):
            return None
        taken = list(asks.fixed)
        if asks.units:
            open_ = [(name, max(0.0, free.get(name, 0.0)), units) for name, units in asks.units]
            gangs = sum(left / units for _, left, units in open_)
            if gangs < 1:
                return None
            taken += [(name, left / gangs) for name, left, _ in open_]
        for name, amount in taken:
            free[name] -= amount
        return taken

    def _asks(self, workload: WorkloadView) -> _Asks:
        shape = shape_of(workload)
        found = self._asked.get(shape)
        if found is None:
            found = self._asked[shape] = self._read(shape)
        return found

    def _read(self, shape: Shape) -> _Asks:
        pods = shape.demand.pods
        cpu = sum(pod.count * pod.cpu_millis for pod in pods)
        memory = sum(pod.count * pod.memory_bytes for pod in pods)
        fixed = tuple((name, n) for name, n in ((CPU, float(cpu)), (MEMORY, float(memory))) if n)
        catalog = self._queues.catalog
        named = named_resources(shape.demand)
        units: dict[str, float] = {}
        wants = False
        for class_name, resource in self._queues.accelerators:
            asked = units_of(shape.demand, resource)
            wants = wants or asked > 0
            chip = chip_of(SiteAccelerator(class_name, resource), catalog, EngineConfig())
            if asked > 0 and chip_refusal(shape, named, chip, catalog) is None:
                units[class_name] = float(asked)
        return _Asks(fixed, tuple(sorted(units.items())), homeless=wants and not units)
