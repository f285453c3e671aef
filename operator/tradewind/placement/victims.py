"""Whose running work may be taken for a workload, and whose first?

Whose: by the queue's `preemption`. `LowerPriority`: work of lower priority, of its own queue or of
others; `Reclaim`: of other queues, whatever its priority, where the taker stays within its quota;
else, at equal or lower priority, while the taker's share stays at most that of the queue which
gives; `Any`: both. What another queue is promised is nobody else's to take: of what it holds, in
the order in which its work chooses, as much as its quotas hold; the rest is borrowed.

These rules cannot take turns against each other: what is taken within a quota can be taken back by
its own queue only, a higher priority never yields to a lower one's share, and a share that gave is
at least that of the taker.

Whose first: what loses no more than its checkpoints allow, then the lowest priority, the one whose
end makes most of the room (few victims), of the queue with the largest share, the youngest, by UID.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from tradewind.api.queue import PreemptionRule
from tradewind.placement.progress import loss_s
from tradewind.placement.queues import Queues, Standing, Takes
from tradewind.placement.release import accelerator_of, part_share
from tradewind.placement.shapes import order_of
from tradewind.placement.snapshot import CurrentPart, SiteName, Snapshot, Uid, WorkloadView
from tradewind.placement.table import SiteTable

PREEMPTED, RECLAIMED = "Preempted", "Reclaimed"

_BY_PRIORITY = (PreemptionRule.LOWER_PRIORITY, PreemptionRule.ANY)
_BY_RECLAIM = (PreemptionRule.RECLAIM, PreemptionRule.ANY)


@dataclass(frozen=True, slots=True)
class Holder:
    """A part of running work at a site.

    Args:
        workload: whose.
        part: where, and since when.
        takes: what it holds of its queue.
        loss_s: at most lost when it ends now, seconds.
    """

    workload: WorkloadView
    part: CurrentPart
    takes: Takes
    loss_s: float

    @property
    def costly(self) -> bool:
        """Whether it loses more than its checkpoints allow; without checkpoints, anything is."""
        return self.workload.runtime.checkpoint_s is None and self.loss_s > 0

    @property
    def lost_unit_s(self) -> float:
        """What is lost in all, accelerator seconds; work without accelerators counts as one."""
        return self.loss_s * max(1, self.takes.units)


class Running:
    """Running work by site and by queue; made when the first question is asked.

    Args:
        snapshot: whose running work.
        table: its sites.
        queues: as they stand.
        now: of the cycle.

    Attributes:
        leaving: what is being evicted, the victims of this cycle among it.
    """

    def __init__(self, snapshot: Snapshot, table: SiteTable, queues: Queues, now: datetime) -> None:
        self._snapshot = snapshot
        self._table = table
        self._queues = queues
        self._now = now
        self._gone: set[tuple[Uid, SiteName]] = set()
        self._promised: dict[str, frozenset[tuple[Uid, SiteName]]] = {}
        self.leaving = tuple(
            self.holder(workload, part)
            for workload in snapshot.evicting
            for part in workload.current
        )

    @cached_property
    def _by_site(self) -> dict[SiteName, list[tuple[WorkloadView, CurrentPart]]]:
        found: dict[SiteName, list[tuple[WorkloadView, CurrentPart]]] = {}
        for workload in self._snapshot.running:
            for part in workload.current:
                found.setdefault(part.site, []).append((workload, part))
        return found

    @cached_property
    def _lowest(self) -> dict[SiteName, int]:
        return {
            site: min(workload.priority for workload, _ in parts)
            for site, parts in self._by_site.items()
        }

    def may_yield(self, site: SiteName, workload: WorkloadView, rule: PreemptionRule) -> bool:
        """Whether anything at a site could be taken for a workload, as a first guess."""
        lowest = self._lowest.get(site)
        if lowest is None or rule is PreemptionRule.NEVER:
            return False
        return rule in _BY_RECLAIM or lowest < workload.priority

    def at(self, site: SiteName) -> list[Holder]:
        """What runs at a site and was not taken yet."""
        return [
            self.holder(workload, part)
            for workload, part in self._by_site.get(site, ())
            if (workload.uid, site) not in self._gone
        ]

    def of_queue(self, name: str) -> list[Holder]:
        """What runs of a queue and was not taken yet."""
        return [
            self.holder(workload, part)
            for workload in self._snapshot.running
            if workload.queue == name
            for part in workload.current
            if (workload.uid, part.site) not in self._gone
        ]

    def holder(self, workload: WorkloadView, part: CurrentPart) -> Holder:
        """A part with what it holds and what its end would lose."""
        site = self._table.index.get(part.site)
        accelerator = None if site is None else accelerator_of(self._table.sites[site], part)
        takes = self._queues.takes(
            workload.demand,
            part.class_name,
            accelerator.resource_name if accelerator else None,
            part_share(workload, part),
        )
        return Holder(workload, part, takes, loss_s(workload, part, self._now))

    def is_promised(self, victim: Holder) -> bool:
        """Whether a part is of what its queue is promised.

        Who holds the promise follows the order in which the queue's work chooses: else work could
        be taken as borrowed, and get its place back as promised, for ever.
        """
        name = victim.workload.queue
        if name not in self._promised:
            self._promised[name] = self._read_promised(name)
        return (victim.workload.uid, victim.part.site) in self._promised[name]

    def _read_promised(self, name: str) -> frozenset[tuple[Uid, SiteName]]:
        queue = self._queues.standings.get(name)
        if queue is None or not queue.lines:
            return frozenset()
        left = {id(line): line.quota.nominal for line in queue.lines}
        found = set()
        holders = self.of_queue(name)
        holders.sort(key=lambda one: (*order_of(one.workload), one.part.site))
        for holder in holders:
            units = holder.takes.units
            lines = queue.lines_of(holder.takes, self._queues.catalog)
            if lines and all(units <= left[id(line)] for line in lines):
                found.add((holder.workload.uid, holder.part.site))
                for line in lines:
                    left[id(line)] -= units
        return frozenset(found)

    @cached_property
    def shares(self) -> dict[str, float]:
        """The queues' shares when victims were first looked for."""
        return {
            name: self._queues.share(queue.held, queue.weight)
            for name, queue in self._queues.standings.items()
        }

    def take(self, victim: Holder) -> None:
        """Count a victim as leaving: it is nobody else's victim.

        Its queue's standing stays as it is: until the victim has left, it holds what it holds.
        """
        self._gone.add((victim.workload.uid, victim.part.site))
        self._promised.pop(victim.workload.queue, None)
        self.leaving = (*self.leaving, victim)


@dataclass(slots=True)
class Claim:
    """What a workload may take, while victims are looked for; nothing outside of it changes.

    Args:
        workload: for which room is made.
        takes: what it would hold on the row in question.
        promised: it would stand within its queue's quota.
        queues: as they stand.
        running: tells what is promised, and what is being evicted, which counts as gone.
        trial: copies of the standings that victims have been taken from.
    """

    workload: WorkloadView
    takes: Takes
    promised: bool
    queues: Queues
    running: Running
    trial: dict[str, Standing] = field(default_factory=dict)

    def standing(self, name: str) -> Standing:
        """A queue as it would stand without the victims so far."""
        found = self.trial.get(name)
        if found is None:
            # A queue that was deleted promises nothing to work that still names it.
            known = self.queues.standings.get(name) or self.queues.standings[""]
            found = self.trial[name] = known.copy()
            for gone in self.running.leaving:
                if gone.workload.queue == name:
                    found.add(gone.takes, self.queues.catalog, sign=-1)
        return found

    def within_quota(self) -> bool:
        """Whether the workload's queue may hold it, without the victims so far."""
        queue = self.standing(self.workload.queue)
        return all(
            line.held + self.takes.units <= queue.most(line, promised=self.promised)
            for line in queue.lines_of(self.takes, self.queues.catalog)
        )

    def right_to(self, victim: Holder) -> str | None:
        """The reason for which a part may be taken now; None when it may not."""
        mine, theirs = self.workload, victim.workload
        rule = self.standing(mine.queue).spec.preemption
        by_priority = theirs.priority < mine.priority and rule in _BY_PRIORITY
        if theirs.queue == mine.queue:
            return PREEMPTED if by_priority else None
        if self.running.is_promised(victim):
            return None
        if by_priority or rule not in _BY_RECLAIM:
            return PREEMPTED if by_priority else None
        fair = theirs.priority <= mine.priority and self._stays_smaller(victim)
        return RECLAIMED if self.promised or fair else None

    def take(self, victim: Holder, sign: int = 1) -> None:
        """Count a victim as gone in the trial, or with the sign -1 as there again."""
        self.standing(victim.workload.queue).add(victim.takes, self.queues.catalog, sign=-sign)

    def _stays_smaller(self, victim: Holder) -> bool:
        """Whether the taker's share with the workload is at most the giver's without the victim."""
        mine = self.standing(self.workload.queue).copy()
        without = self.standing(victim.workload.queue).copy()
        mine.add(self.takes, self.queues.catalog)
        without.add(victim.takes, self.queues.catalog, sign=-1)
        share = self.queues.share
        return share(mine.held, mine.weight) <= share(without.held, without.weight)
