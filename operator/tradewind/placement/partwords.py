"""Why do the parts of a workload go where they go, and why does it wait for a place for them?

Each part is explained like a workload of its own: its alternatives are other places for it, with
the other parts where they are. A workload that waits hears of each site what keeps the smallest
part away; sites that would take one hear why the parts do not come together.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from tradewind.placement.capacity import CapacityView
from tradewind.placement.explain import Explainer, verdict_of
from tradewind.placement.limits import Closed, Limits
from tradewind.placement.parted import Member
from tradewind.placement.plan import (
    NO_SITE,
    Assignment,
    Candidate,
    Explanation,
    LazySequence,
    Refusal,
    RefusalReason,
    Verdict,
    Waiting,
)
from tradewind.placement.snapshot import SiteName, WorkloadView
from tradewind.placement.splitting import Part, roomiest
from tradewind.placement.table import I64, SiteTable

T = TypeVar("T")


class PartExplainer:
    """Tells the outcomes of workloads that may be split, in one round.

    Args:
        table: the sites.
        explainer: of the cycle.
        view: what is free once the round is placed.
        limits: what queues may still take then.
        now: of the cycle.
    """

    def __init__(
        self,
        table: SiteTable,
        explainer: Explainer,
        view: CapacityView,
        limits: Limits,
        now: datetime,
    ) -> None:
        self._table = table
        self._explainer = explainer
        self._view = view
        self._limits = limits
        self._now = now

    def assignments(self, member: Member) -> tuple[Assignment, ...]:
        """The parts of a workload that has its place, the largest first."""
        parts = sorted(member.parts, key=lambda part: (-part.pods, part.place))
        names = [self._site(member, part.place) for part in parts]
        held = {part.site for part in member.workload.current} - member.workload.grows
        found = []
        for part, name in zip(parts, names, strict=True):
            why = self._why(member, part, frozenset({*names, *held} - {name}))
            if why.chosen is None:
                raise AssertionError(f"{member.workload.uid}: a part without a candidate")
            row = int(member.replica.found.rows[part.place])
            accelerator = self._table.row_accelerator[row]
            found.append(
                Assignment(
                    member.workload.uid,
                    name,
                    why.chosen.class_name,
                    accelerator.resource_name if accelerator else None,
                    part.pods,
                    member.workload.epoch + 1,
                    self._now,
                    why.chosen.cost,
                    why,
                )
            )
        return tuple(found)

    def waiting(self, member: Member, room: I64) -> Waiting:
        """Why a workload has no place.

        Args:
            member: which.
            room: (R',) replicas that each row takes, whatever its queue may take.
        """
        replica, task = member.replica, member.task
        least = min(task.least, task.pods)
        smallest = Part(0, least, replica.asked * (least / max(1, replica.whole)))
        closed = self._closed(member, least)
        alone = self._explainer.explain(replica.of(smallest), self._view, None, closed)
        together = _together(member, room)
        whole = self._closed(member, task.pods)

        def every() -> list[Refusal]:
            told = {refusal.site: refusal for refusal in alone.refused}
            for one in alone.alternatives:
                told[one.site] = self._apart(member, one, together, whole)
            for part in member.workload.current:
                if part.site in told and part.site not in member.workload.grows:
                    told[part.site] = _stands(part.site, part.replicas)
            return [told[name] for name in sorted(told)]

        refused = _listed(every)
        why = Explanation(alone.policy, None, (), refused)
        return Waiting(member.workload.uid, verdict_of(refused), why)

    def _why(self, member: Member, part: Part, others: frozenset[SiteName]) -> Explanation:
        closed = self._closed(member, part.pods)
        why = self._explainer.explain(member.replica.of(part), self._view, part.place, closed)
        return replace(
            why,
            alternatives=_listed(lambda: [c for c in why.alternatives if c.site not in others]),
            refused=_listed(lambda: [r for r in why.refused if r.site not in others]),
        )

    def _closed(self, member: Member, pods: int) -> Closed | None:
        return self._limits.closed(member.workload.queue, member.replica.lot_of(pods))

    def _site(self, member: Member, place: int) -> SiteName:
        return self._table.sites[int(member.replica.found.row_site[place])].name

    def _apart(
        self, member: Member, one: Candidate, together: str, whole: Closed | None
    ) -> Refusal:
        """Why a site that would take a part gets none."""
        site = self._table.index[one.site]
        there = [p for p, s in enumerate(member.replica.found.row_site.tolist()) if s == site]
        if together:
            never = bool(_in_vain(member))
            reason = RefusalReason.FEW_SITES if never else RefusalReason.PARTS
            return Refusal(one.site, reason, together)
        if whole is not None and (closed := [place for place in there if whole.where[place]]):
            return whole.refusal(closed[0], one.site)
        # Room is enough, and so is the quota at any one site: not as it has to be divided.
        message = (
            f"has room, but what is left of the quotas and the budget of queue"
            f" {member.workload.queue!r} is too little for any division of"
            f" {member.task.pods} replicas"
        )
        return Refusal(one.site, RefusalReason.QUOTA, message, member.task.pods)


def cannot_split(workload: WorkloadView) -> Waiting:
    """Work that has to be split, and cannot be."""
    need = workload.placement
    message = (
        f"split.minSites is {need.min_sites}, but the pods of this template belong together: only"
        " a Deployment, or a Job without indexes, of class Inference or Batch is split"
    )
    refusal = Refusal(NO_SITE, RefusalReason.CANNOT_SPLIT, message, need.min_sites, 1)
    why = Explanation(workload.policy, None, (), (refusal,))
    return Waiting(workload.uid, Verdict.NEVER, why)


def _in_vain(member: Member) -> str:
    """Why no room would ever be enough; empty: some would."""
    task = member.task
    more = " more" if member.workload.current else ""
    if task.pods < task.fewest * task.least:
        return (
            f"{task.pods} replicas are too few for {task.fewest}{more} sites with {task.least} each"
            " (split.minSites, split.minReplicasPerSite)"
        )
    sites = len(set(member.replica.found.row_site.tolist()))
    if sites < task.fewest:
        return f"split.minSites asks for {task.fewest}{more} sites; only {sites} may have it"
    return ""


def _together(member: Member, room: I64) -> str:
    """Why its parts do not come together; empty: not for want of room."""
    if never := _in_vain(member):
        return never
    task, sites, grows = member.task, member.replica.found.row_site, member.replica.standing.grows
    more = " more" if member.workload.current else ""
    enough = ~grows & (room >= task.least)
    rooms = roomiest(sites[enough], room[enough])
    if len(rooms) < task.fewest:
        return (
            f"split.minSites asks for {task.fewest}{more} sites with room for {task.least}"
            f" replica{'s' if task.least > 1 else ''} each; there are {len(rooms)}"
        )
    most = int(rooms[: task.most].sum()) + int(room[grows].sum())
    if most < task.pods:
        return (
            f"needs room for {task.pods} replicas at {task.most}{more} sites at most"
            f" (split.maxSites); the roomiest have room for {most}"
        )
    return ""


def _stands(site: SiteName, pods: int) -> Refusal:
    message = f"a part of it with {pods} replicas stands there"
    return Refusal(site, RefusalReason.PART_STANDS, message)


def _listed(make: Callable[[], list[T]]) -> LazySequence[T]:
    """A sequence that is made whole when somebody first looks."""

    def look() -> tuple[int, Callable[[int], T]]:
        items = make()
        return len(items), items.__getitem__

    return LazySequence(look)
