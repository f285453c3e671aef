"""Why this site, and why not the others? Whole on demand, bounded for an object's status.

Each site is chosen, another candidate, or refused; none is passed over in silence. Items are made
when they are read, from what the cycle knew at the moment of the choice.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from tradewind.api.workload import Alternative, Decision, Estimate, RefusalSummary
from tradewind.placement.capacity import CapacityView
from tradewind.placement.chips import Chips
from tradewind.placement.demands import needs_on
from tradewind.placement.feasibility import NONE, REASONS, Evaluation
from tradewind.placement.limits import Closed
from tradewind.placement.misfit import misfit
from tradewind.placement.plan import (
    TERM_INDEX,
    Assignment,
    Candidate,
    Deferred,
    Explanation,
    LazySequence,
    Refusal,
    RefusalReason,
    Term,
    Verdict,
    Waiting,
)
from tradewind.placement.priced import Told
from tradewind.placement.rules import SITE_RULES
from tradewind.placement.shortage import Place, shortage
from tradewind.placement.table import I64, SiteTable
from tradewind.placement.taints import show, untolerated

#: What a status holds at most, so that it stays small whatever the federation's size.
MOST_ALTERNATIVES = 3
MOST_SITES = 5
# With a summary for every reason there is, still within the 64 items that the CRD admits.
MOST_TOLD = 32


# Parts of a saving below this are not told, USD.
_CENT = 0.005


class _Survey:
    """Where else a workload could have gone; worked out when somebody asks.

    Attributes:
        others: places on R' that have room, the best first, without the chosen one.
        refused: places on S of all other sites.
    """

    def __init__(
        self,
        table: SiteTable,
        found: Evaluation,
        view: CapacityView,
        chosen: int | None,
        closed: Closed | None,
    ) -> None:
        self._table = table
        self.found = found
        self.view = view
        self._chosen = chosen
        self.closed = closed

    @cached_property
    def room(self) -> I64:
        """(R',) gangs that fit."""
        return self.found.room(self.view)

    @cached_property
    def others(self) -> I64:
        fits = self.found.order[self.room[self.found.order] > 0]
        if self.closed is not None:
            fits = fits[~self.closed.where[fits]]
        return fits if self._chosen is None else fits[fits != self._chosen]

    @cached_property
    def refused(self) -> I64:
        left = np.ones(len(self._table.sites), bool)
        row_site = self._table.row_site[self.found.rows]
        left[row_site[self.others]] = False
        if self._chosen is not None:
            left[row_site[self._chosen]] = False
        return np.flatnonzero(left)


class Explainer:
    """Makes the explanations of one cycle."""

    def __init__(self, table: SiteTable, chips: Chips) -> None:
        self._table = table
        self._chips = chips

    def explain(
        self,
        found: Evaluation,
        view: CapacityView,
        chosen: int | None,
        closed: Closed | None = None,
        *,
        told: Told | None = None,
        later: bool = False,
    ) -> Explanation:
        """Explain a choice.

        Args:
            found: of the workload's shape.
            view: what is free to others than the workload.
            chosen: place of the chosen row on R'; None when the workload waits.
            closed: rows that its queue may not take; None: it may take all.
            told: what is told of the chosen row; None: what it costs now.
            later: it starts later; alternatives are starts now, the chosen row among them.
        """
        survey = _Survey(self._table, found, view, None if later else chosen, closed)
        candidate = None
        if chosen is not None:
            candidate = self._candidate(found, chosen, told or found.costs.told([chosen])[0])
        return Explanation(
            policy=found.shape.policy,
            chosen=candidate,
            alternatives=LazySequence(
                lambda: (
                    len(survey.others),
                    lambda i: self._now(found, int(survey.others[i])),
                )
            ),
            refused=LazySequence(
                lambda: (
                    len(survey.refused),
                    lambda i: self._no(survey, int(survey.refused[i])),
                )
            ),
        )

    def _no(self, survey: "_Survey", site: int) -> Refusal:
        return self._closed(survey, site) or self._refusal(survey.found, survey.view, site)

    def _now(self, found: Evaluation, place: int) -> Candidate:
        return self._candidate(found, place, found.costs.told([place])[0])

    def _candidate(self, found: Evaluation, place: int, told: Told) -> Candidate:
        row = int(found.rows[place])
        site = self._table.sites[int(self._table.row_site[row])]
        accelerator = self._table.row_accelerator[row]
        soft = None
        if site.taints:
            soft = untolerated(site.taints, found.shape.placement.tolerations, soft=True)
        return Candidate(
            site=site.name,
            class_name=accelerator.class_name if accelerator else None,
            cost=told.terms,
            avoid=show(soft) if soft else "",
            run_s=told.run_s,
            energy_kwh=told.energy_kwh,
            carbon_kg=told.carbon_kg,
        )

    def _closed(self, survey: "_Survey", site: int) -> Refusal | None:
        """Why the queue may not have a site that has room; None when room is what is missing."""
        closed = survey.closed
        if closed is None:
            return None
        here = (self._table.row_site[survey.found.rows] == site) & (survey.room > 0) & closed.where
        if not here.any():
            return None
        return closed.refusal(int(here.argmax()), self._table.sites[site].name)

    def _refusal(self, found: Evaluation, view: CapacityView, site: int) -> Refusal:
        """Why a site is refused; of several classes there, the nearest miss."""
        table = self._table
        rule = int(found.site_rule[site])
        if rule != NONE:
            return SITE_RULES[rule].tell(found.shape, table.sites[site])
        refusals = [
            shortage(
                Place(table.sites[site], view.groups(site), table.row_accelerator[row]),
                needs_on(found.shape.demand, table.row_accelerator[row]),
            )
            for row in found.rows[table.row_site[found.rows] == site].tolist()
        ]
        if refusals:
            # The class with most to offer comes nearest.
            return max(
                refusals,
                key=lambda refusal: (refusal.verdict is Verdict.WAIT, refusal.available or 0.0),
            )
        rows = np.flatnonzero((table.row_site == site) & (found.row_reason != NONE))
        if not rows.size:
            return misfit(table.sites[site], found, RefusalReason.NO_ACCELERATOR, ())
        nearest = int(found.row_reason[rows].max())
        chips = [
            chip
            for row in rows[found.row_reason[rows] == nearest].tolist()
            if (chip := self._chips.known.distinct[int(self._chips.known.codes[row])]) is not None
        ]
        return misfit(
            table.sites[site], found, REASONS[nearest], chips, found.late_s.get(site, 0.0)
        )


def verdict_of(refused: Iterable[Refusal]) -> Verdict:
    """What a workload waits for: one site that may say yes later is enough; so is a new site."""
    verdicts = {refusal.verdict for refusal in _until_wait(refused)}
    return Verdict.NEVER if verdicts == {Verdict.NEVER} else Verdict.WAIT


def _until_wait(refused: Iterable[Refusal]) -> Iterable[Refusal]:
    for refusal in refused:
        yield refusal
        if refusal.verdict is Verdict.WAIT:
            return


def summarise(refused: Iterable[Refusal]) -> tuple[RefusalSummary, ...]:
    """Group refusals by reason, the most frequent first, with a few sites and one message each."""
    groups: dict[RefusalReason, list[Refusal]] = defaultdict(list)
    for refusal in refused:
        groups[refusal.reason].append(refusal)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0].value))
    return tuple(
        RefusalSummary(
            reason=reason.value,
            count=len(group),
            sites=tuple(refusal.site for refusal in group[:MOST_SITES] if refusal.site),
            example=_nearest(group).message,
        )
        for reason, group in ordered
    )


def each_or_summary(refused: Iterable[Refusal]) -> tuple[RefusalSummary, ...]:
    """A reason's sites one by one, each with its own numbers, or together when they are many."""
    told: list[RefusalSummary] = []
    every, left = list(refused), MOST_TOLD
    for summary in summarise(every):
        if summary.count > min(MOST_SITES, left):
            told.append(summary)
            continue
        left -= summary.count
        told += [
            RefusalSummary(
                reason=one.reason.value,
                sites=(one.site,) if one.site else (),
                example=one.message,
            )
            for one in every
            if one.reason.value == summary.reason
        ]
    return tuple(told)


def _nearest(group: list[Refusal]) -> Refusal:
    # The site with most to offer tells most about what is missing.
    return max(group, key=lambda refusal: refusal.available or 0.0)


def decision_of(outcome: Assignment | Waiting | Deferred, at: datetime) -> Decision:
    """What a workload's status says of a choice; bounded in size.

    Args:
        outcome: of the cycle.
        at: when the cycle ran.
    """
    why = outcome.explanation
    alternatives = tuple(
        Alternative(
            site=other.site,
            accelerator_class=other.class_name,
            cost_usd=other.cost.total,
            terms=other.cost.as_dict(),
        )
        for other in why.alternatives[:MOST_ALTERNATIVES]
    )
    refused = each_or_summary(why.refused)
    if isinstance(outcome, Waiting):
        return Decision(
            at=at,
            policy=why.policy,
            reason=reason_of(outcome),
            message=message_of(outcome),
            alternatives=alternatives,
            refused=refused,
        )
    return Decision(
        at=at,
        policy=why.policy,
        reason=reason_of(outcome),
        message=message_of(outcome),
        start_at=outcome.start_at,
        site=outcome.site if isinstance(outcome, Deferred) else "",
        cost_usd=outcome.cost.total,
        terms=outcome.cost.as_dict(),
        assumed_inputs=outcome.cost.assumed_inputs,
        alternatives=alternatives,
        refused=refused,
    )


def reason_of(outcome: Assignment | Waiting | Deferred) -> str:
    """The code of a choice: Placed, Deferred, Waiting or Unplaceable."""
    if isinstance(outcome, Assignment):
        return "Placed"
    if isinstance(outcome, Deferred):
        return "Deferred"
    return "Waiting" if outcome.verdict is Verdict.WAIT else "Unplaceable"


def message_of(outcome: Assignment | Waiting | Deferred) -> str:
    """A sentence for people: where, when and at what cost, or why nowhere."""
    why = outcome.explanation
    if isinstance(outcome, Deferred):
        text = f"until {outcome.start_at:%Y-%m-%d %H:%M:%S} UTC: {outcome.site}"
        text += f" then costs {outcome.cost.total:.2f} USD"
        if outcome.cost_now is None:
            return text + "; nothing has room now"
        return text + f", a start now {outcome.cost_now.total:.2f} USD: {saving_of(outcome)}"
    if isinstance(outcome, Assignment):
        on = f" on {outcome.class_name}" if outcome.class_name else ""
        text = f"{outcome.site}{on} at {outcome.cost.total:.2f} USD"
        if why.alternatives:
            other = why.alternatives[0]
            text += f"; next best {other.site} at {other.cost.total:.2f} USD"
        return text
    if not why.refused:
        return "no site has joined"
    groups = summarise(why.refused)
    parts = [f"{group.count} {group.reason} ({group.example})" for group in groups]
    return f"none of {len(why.refused)} sites will do: " + "; ".join(parts)


def saving_of(outcome: Deferred) -> str:
    """What waiting saves against a start now, the largest parts of it by name."""
    if outcome.cost_now is None:
        return ""
    before, after = outcome.cost_now, outcome.cost
    parts = sorted(
        ((before[term] - after[term], term) for term in Term),
        key=lambda part: (-part[0], TERM_INDEX[part[1]]),
    )
    named = [f"{usd:.2f} {term.value}" for usd, term in parts if usd >= _CENT]
    saved = f"saves {before.total - after.total:.2f} USD"
    return f"{saved}, of which {', '.join(named)}" if named else saved


def estimate_of(assignment: Assignment) -> Estimate:
    """What an assignment is expected to take."""
    chosen = assignment.explanation.chosen
    if chosen is None:
        return Estimate(cost_usd=assignment.cost.money, start_at=assignment.start_at)
    return Estimate(
        energy_kwh=round(chosen.energy_kwh, 3),
        carbon_kg=round(chosen.carbon_kg, 3),
        cost_usd=assignment.cost.money,
        start_at=assignment.start_at,
        finish_at=assignment.start_at + timedelta(seconds=min(chosen.run_s, 1e9)),
    )
