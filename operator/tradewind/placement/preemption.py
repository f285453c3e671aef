"""Room for work that only capacity, or its own queue's lesser work, keeps out: who has to go?

Looked for in the order in which workloads choose, after those of the same tier that need nobody's
room. For each of the cheapest rows on which victims would help, the smallest set is found: victims
are added in their order until the gang fits, then each that turns out to be unnecessary is given
back, the dearest first. Of the rows, the one with the mildest set is taken.

Nothing cascades: who waits for victims that are leaving looks for no others, and nobody makes room
that somebody before it would take.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tradewind.api.queue import PreemptionRule
from tradewind.placement.budgets import BILLED
from tradewind.placement.demands import PodNeed
from tradewind.placement.feasibility import Evaluation
from tradewind.placement.plan import TERM_INDEX, Eviction
from tradewind.placement.queues import Queues, Takes
from tradewind.placement.release import Leaving
from tradewind.placement.room import Room
from tradewind.placement.shapes import Shape
from tradewind.placement.snapshot import SiteName, WorkloadView
from tradewind.placement.table import SiteTable
from tradewind.placement.victims import RECLAIMED, Claim, Holder, Running

#: Rows on which victims are found, of which the mildest set is taken.
MOST_ROWS = 8

#: Trials of whether a gang fits, in one cycle; the work that comes after them waits for the next.
MOST_TRIALS = 4000


@dataclass(frozen=True, slots=True)
class _Found:
    """Victims for a row; the order of these is that of preference.

    Args:
        costly: one of them loses more than its checkpoints allow.
        priority: the highest among them.
        count: how many.
        lost_unit_s: accelerator seconds lost in all.
        rank: of the row by cost.
        place: of the row on R'.
        victims: with the reason for each.
        takes: of the workload on that row.
    """

    costly: bool
    priority: int
    count: int
    lost_unit_s: float
    rank: int
    place: int
    victims: tuple[tuple[Holder, str], ...]
    takes: Takes

    @property
    def key(self) -> tuple[bool, int, int, float, int]:
        return (self.costly, self.priority, self.count, self.lost_unit_s, self.rank)


class Preemption:
    """Makes room, while a cycle plans.

    Args:
        table: the sites.
        queues: as they stand; what room is made for is added.
        running: who may have to go.
        room: at the sites; what is made is kept there.
    """

    def __init__(self, table: SiteTable, queues: Queues, running: Running, room: Room) -> None:
        self._table = table
        self._queues = queues
        self._running = running
        self._room = room
        self._hopeless: set[tuple[Shape, bool]] = set()
        self._in_vain: dict[Shape, int] = {}
        self._ahead: dict[Shape, Evaluation] = {}
        self._made: dict[str, SiteName] = {}
        self._trials = 0

    @property
    def idle(self) -> bool:
        """Whether nobody has anything to ask: no queue takes, and nothing comes free."""
        rules = {queue.spec.preemption for queue in self._queues.standings.values()}
        return rules <= {PreemptionRule.NEVER} and not self._room.sites

    def nominated(self, workload: WorkloadView) -> SiteName | None:
        """Where room is made or kept for a workload in this cycle."""
        return self._made.get(workload.uid)

    def make_room(
        self, workload: WorkloadView, found: Evaluation, *, promised: bool
    ) -> tuple[Eviction, ...]:
        """End running work so that a workload fits, or keep what is coming free for it.

        Args:
            workload: that found no place.
            found: of its shape, as it stands.
            promised: it may only take what its queue is promised.
        """
        if workload.uid in self._made or (promised and self._may_borrow(workload, found)):
            return ()
        if workload.nominated_site is not None:
            self._room.add_strays(workload.nominated_site)
        if self._keep_coming(workload, found, promised=promised):
            return ()
        # Its victims are still leaving, or just left and the next cycle sees the room.
        waits = workload.nominated_site is not None
        best = None if waits else self._search(workload, found, promised=promised)
        if best is None:
            self._ahead.setdefault(found.shape, found)
            return ()
        return self._carry_out(workload, found, best)

    def _may_borrow(self, workload: WorkloadView, found: Evaluation) -> bool:
        """Whether it finds room as soon as what is not promised is placed: nobody has to go."""
        free = self._room.free(found)
        for place in found.order[free[found.order] > 0].tolist():
            claim = self._claim(workload, found, place, promised=False)
            if claim is not None and claim.within_quota():
                return True
        return False

    def _keep_coming(self, workload: WorkloadView, found: Evaluation, *, promised: bool) -> bool:
        """Keep room that comes free anyway for a workload; whether there was enough."""
        coming = self._room.sites
        if not coming or self._in_vain.get(found.shape) == self._room.version:
            return False
        first = self._table.index.get(workload.nominated_site or SiteName(""), -1)
        sites = self._table.row_site[found.rows[found.order]]
        # What was made for it is its own before any cheaper place that happens to come free.
        places = [
            *found.order[sites == first].tolist(),
            *found.order[np.isin(sites, list(coming - {first}))].tolist(),
        ]
        for place in places:
            claim = self._claim(workload, found, place, promised=promised)
            if claim is None or not claim.within_quota():
                continue
            row = int(found.rows[place])
            if self._room.holds(row, found.needs[place]):
                self._room.keep(row, found.needs[place])
                self._note(workload, claim.takes, row)
                return True
        self._in_vain[found.shape] = self._room.version
        return False

    def _search(
        self, workload: WorkloadView, found: Evaluation, *, promised: bool
    ) -> _Found | None:
        """The mildest victims among the cheapest rows; None when nobody's end would help."""
        key = (found.shape, promised)
        rule = self._queues.standings[workload.queue].spec.preemption
        if rule is PreemptionRule.NEVER or key in self._hopeless:
            return None
        seen: list[_Found] = []
        for rank, place in enumerate(found.order.tolist()):
            if len(seen) >= MOST_ROWS or self._trials >= MOST_TRIALS:
                break
            claim = self._claim(workload, found, place, promised=promised)
            victims = self._victims(claim, found, place) if claim is not None else None
            if claim is None or victims is None:
                continue
            holders = [victim for victim, _ in victims]
            seen.append(
                _Found(
                    costly=any(victim.costly for victim in holders),
                    priority=max(victim.workload.priority for victim in holders),
                    count=len(holders),
                    lost_unit_s=sum(victim.lost_unit_s for victim in holders),
                    rank=rank,
                    place=place,
                    victims=victims,
                    takes=claim.takes,
                )
            )
        if not seen:
            self._hopeless.add(key)
            return None
        return min(seen, key=lambda one: one.key)

    def _claim(
        self, workload: WorkloadView, found: Evaluation, place: int, *, promised: bool
    ) -> Claim | None:
        """What a workload would take on a row; None when its queue may not have that at all."""
        row = int(found.rows[place])
        accelerator = self._table.row_accelerator[row]
        takes = self._queues.takes(
            workload.demand,
            accelerator.class_name if accelerator else None,
            accelerator.resource_name if accelerator else None,
        )
        queue = self._queues.standings[workload.queue]
        lines = queue.lines_of(takes, self._queues.catalog)
        if promised and not lines:
            return None
        if any(takes.units > queue.most(line, promised=promised) for line in lines):
            return None
        usd = float(sum(found.costs.terms[TERM_INDEX[term], place] for term in BILLED))
        if not queue.purse.allows(usd, float(found.costs.carbon_kg[place])):
            return None
        return Claim(workload, takes, promised, self._queues, self._running)

    def _victims(
        self, claim: Claim, found: Evaluation, place: int
    ) -> tuple[tuple[Holder, str], ...] | None:
        """The smallest set of victims for a row; None when no set would do."""
        row, needs = int(found.rows[place]), found.needs[place]
        here = self._table.sites[int(self._table.row_site[row])].name
        ordered = self._in_order(claim, here)
        granted: list[tuple[Holder, str]] = []
        for victim in ordered:
            reason = claim.right_to(victim)
            if reason is not None:
                claim.take(victim)
                granted.append((victim, reason))
        if not granted or not self._fits(claim, row, needs, here, granted):
            return None
        # How many of them, in their order, are enough: more never hurt, so halving finds it.
        least, most = 1, len(granted)
        while least < most:
            half = (least + most) // 2
            trial = self._without(claim, granted[:half])
            if self._fits(trial, row, needs, here, granted[:half]):
                most = half
            else:
                least = half + 1
        kept = granted[:most]
        for spared in reversed(granted[:most]):
            fewer = [one for one in kept if one is not spared]
            if self._fits(self._without(claim, fewer), row, needs, here, fewer):
                kept = fewer
        if not kept or self._is_taken_before(row, kept, here):
            return None
        return tuple(kept)

    def _in_order(self, claim: Claim, here: SiteName) -> list[Holder]:
        """Whom to ask, the first to go first; quota is looked for at other sites too."""
        rule = self._queues.standings[claim.workload.queue].spec.preemption
        yields = self._running.may_yield(here, claim.workload, rule)
        asked = self._running.at(here) if yields else []
        if not claim.within_quota():
            asked += [
                victim
                for victim in self._running.of_queue(claim.workload.queue)
                if victim.part.site != here
            ]
        units, mine = claim.takes.units, claim.takes
        shares = self._running.shares

        def order(victim: Holder) -> tuple[bool, int, int, float, float, str]:
            takes = victim.takes
            same = takes.class_name == mine.class_name
            gain = takes.units if units and same else 0 if units else takes.cpu_millis
            started = victim.part.started_at
            return (
                victim.costly,
                victim.workload.priority,
                -min(gain, units or mine.cpu_millis),
                -shares.get(victim.workload.queue, 0.0),
                -started.timestamp() if started else -1e12,
                victim.workload.uid,
            )

        return sorted(asked, key=order)

    def _without(self, claim: Claim, victims: Sequence[tuple[Holder, str]]) -> Claim:
        """The same claim with these victims gone."""
        trial = replace(claim, trial={})
        for victim, _ in victims:
            trial.take(victim)
        return trial

    def _fits(
        self,
        claim: Claim,
        row: int,
        needs: Sequence[PodNeed],
        here: SiteName,
        victims: Sequence[tuple[Holder, str]],
    ) -> bool:
        self._trials += 1
        return claim.within_quota() and self._room.holds(row, needs, _leaving(victims, here))

    def _is_taken_before(
        self, row: int, victims: Sequence[tuple[Holder, str]], here: SiteName
    ) -> bool:
        """Whether work that chooses before, and found no room, would take what is made here."""
        leaving = _leaving(victims, here)
        for other in self._ahead.values():
            for place, found_row in enumerate(other.rows.tolist()):
                if self._table.row_site[found_row] != self._table.row_site[row]:
                    continue
                self._trials += 1
                if self._room.holds(found_row, other.needs[place], leaving):
                    return True
        return False

    def _carry_out(
        self, workload: WorkloadView, found: Evaluation, best: _Found
    ) -> tuple[Eviction, ...]:
        row = int(found.rows[best.place])
        here = self._table.sites[int(self._table.row_site[row])].name
        for victim, _ in best.victims:
            self._running.take(victim)
        self._room.keep(row, found.needs[best.place], _leaving(best.victims, here))
        self._note(workload, best.takes, row)
        return tuple(
            Eviction(
                uid=victim.workload.uid,
                site=victim.part.site,
                epoch=victim.part.epoch,
                reason=reason,
                message=_message(workload, victim, reason, here),
                by=workload.uid,
            )
            for victim, reason in best.victims
        )

    def _note(self, workload: WorkloadView, takes: Takes, row: int) -> None:
        self._made[workload.uid] = self._table.sites[int(self._table.row_site[row])].name
        self._queues.standings[workload.queue].add(takes, self._queues.catalog)


def _leaving(victims: Sequence[tuple[Holder, str]], here: SiteName) -> Leaving:
    """The victims that leave this site."""
    return {
        victim.workload.uid: (victim.workload, victim.part)
        for victim, _ in victims
        if victim.part.site == here
    }


def _message(workload: WorkloadView, victim: Holder, reason: str, here: SiteName) -> str:
    name = f"{workload.namespace}/{workload.name}"
    if reason == RECLAIMED:
        queue = victim.workload.queue
        of = f"queue {queue!r}" if queue else "work without a queue"
        why = f"queue {workload.queue!r} takes back for {name} what {of} had borrowed"
    else:
        theirs = victim.workload.priority
        why = f"makes room for {name} at {here} (priority {workload.priority} over {theirs})"
    return f"{why}; loses at most {victim.loss_s / 60:.0f} min of its run"
