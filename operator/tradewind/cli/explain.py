"""`tradewind explain`: why a workload is where it is, what else would have done, what would not.

It reads the decision that the operator wrote into the workload's status: what is shown is what was
decided from, not what a look now would find. Costs stand beside each other by term, so that the
difference between two sites can be read off.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tradewind.api.fields import condition_of, format_duration
from tradewind.api.workload import AIWorkload, Decision, WorkloadPhase, WorkloadStatus
from tradewind.cli import hub, parts
from tradewind.cli.ask import Ask
from tradewind.cli.view import NOTHING, Cell, Column, Table, Tone, age, carbon, sentence, usd
from tradewind.cli.watching import Page, show_page
from tradewind.cli.workloads import PARTLY, accelerators, why
from tradewind.placement.plan import Term

Line = Sequence[Cell]

_INDENT: Final = Cell("  ")
_EMPTY: Final[Line] = (Cell(""),)


def show(ask: Ask, workload: str) -> None:
    """Run the command; a name may carry its namespace: NAMESPACE/NAME."""
    namespace, _, name = workload.rpartition("/")
    namespace = namespace or hub.namespace_of(ask)

    async def page(there: hub.Hub, now: datetime) -> Page:
        item = await there.get(hub.WORKLOADS, name, namespace)
        return Page(lines(item, now), document(item))

    show_page(ask, page)


def document(item: Mapping[str, Any]) -> dict[str, Any]:
    """The decision for programs: the status' own fields under the workload's name."""
    status = item.get("status", {})
    wanted = (
        "phase",
        "sites",
        "placements",
        "decision",
        "estimate",
        "usage",
        "history",
        "conditions",
    )
    metadata = item["metadata"]
    return {
        "workload": {key: metadata.get(key) for key in ("namespace", "name", "uid", "generation")},
        **{key: status[key] for key in wanted if key in status},
    }


def lines(item: Mapping[str, Any], now: datetime) -> list[Line]:
    """The whole explanation of an AIWorkload object, for people."""
    workload = AIWorkload.model_validate(item)
    status = workload.status or WorkloadStatus()
    text = [*_headline(workload, status, now), *_decided(status, now)]
    text += parts.standing(status)
    decision = status.decision
    if decision is not None:
        text += costs(decision, status.sites, accelerators(status))
        text += refused(decision)
    text += _history(status, now)
    return text


def _headline(workload: AIWorkload, status: WorkloadStatus, now: datetime) -> list[Line]:
    metadata, template = workload.metadata, workload.spec.template
    kind = f"{workload.spec.class_name.value} {template.get('kind', 'object')}"
    title = [Cell(f"{metadata.namespace}/{metadata.name}", Tone.STRONG), Cell(f"   {kind}")]
    progress = _progress(workload, status)
    return [title, *_state(status, now), *progress, *_estimate(status), *_usage(status)]


def _state(status: WorkloadStatus, now: datetime) -> list[Line]:
    """One line on the phase; for what waits, also what would have to change."""
    if status.sites:
        on = f" on {accelerators(status)}" if accelerators(status) else ""
        found: list[Line] = [
            [Cell(f"{status.phase.value} at {status.sites}{on}{_pods(status, now)}")]
        ]
        placed = condition_of(status.conditions, "Placed")
        if placed is not None and placed.reason == PARTLY:
            found.append([_INDENT, Cell(placed.message, Tone.WAITING)])
        return found + [
            [_INDENT, Cell(f"{part.site}: {part.message}", Tone.WAITING)]
            for part in status.placements
            if part.message
        ]
    reason, message = why(status)
    if status.decision is not None and status.decision.refused:
        message = ""  # the refusals say it site by site
    told = " - ".join(part for part in (reason, message) if part)
    head = Cell(f"{status.phase.value}{': ' + told if told else ''}", Tone.WAITING)
    stalled = condition_of(status.conditions, "Stalled")
    if status.phase is WorkloadPhase.SUSPENDED:
        after = "It is not placed until spec.suspend is false."
    elif stalled is not None and stalled.status == "True":
        after = "Waiting does not help: its spec, or a site, would have to change."
    elif status.decision is not None:
        after = "It is planned again whenever capacity or a site changes."
    else:
        after = "No planning cycle has looked at it yet; is the operator running?"
    return [[head], [Cell(after)]]


def _pods(status: WorkloadStatus, now: datetime) -> str:
    """How its pods fare, and since when; for finished work, how long it took."""
    started = min((p.started_at for p in status.placements if p.started_at), default=None)
    ended = max((p.finished_at for p in status.placements if p.finished_at), default=None)
    if started is not None and ended is not None:
        return f" after {age((ended - started).total_seconds())}"
    since = f", started {_ago(started, now)}" if started else ""
    return f", {status.ready_replicas} of {status.replicas} pods ready{since}"


def _progress(workload: AIWorkload, status: WorkloadStatus) -> list[Line]:
    """What earlier runs of interrupted work are worth."""
    finished = status.phase in (WorkloadPhase.SUCCEEDED, WorkloadPhase.FAILED)
    if finished or not status.done_seconds > 0:
        return []
    whole = workload.spec.runtime.duration
    of = f" of {age(whole)}" if whole else ""
    return [[Cell(f"Its checkpoints keep {age(status.done_seconds)}{of} from earlier runs")]]


def _estimate(status: WorkloadStatus) -> list[Line]:
    estimate = status.estimate
    if estimate is None or not status.sites:
        return []
    told = []
    if estimate.energy_kwh is not None:
        told.append(f"{estimate.energy_kwh:,.2f} kWh")
    if estimate.carbon_kg is not None:
        told.append(f"{carbon(estimate.carbon_kg)} CO2e")
    if estimate.finish_at is not None:
        told.append(f"done by {estimate.finish_at:%Y-%m-%d %H:%M} UTC")
    return [[Cell(f"Estimate: {', '.join(told)}")]] if told else []


def _usage(status: WorkloadStatus) -> list[Line]:
    """What it has taken so far, and how sure that is."""
    usage = status.usage
    if usage is None:
        return []
    told = [f"{usage.accelerator_hours:,.2f} accelerator hours"] if usage.accelerator_hours else []
    told += [
        f"{usage.energy_kwh:,.2f} kWh",
        f"{carbon(usage.carbon_kg)} CO2e",
        f"{usd(usage.cost_usd)} USD",
    ]
    found: list[Line] = [[Cell(f"Used so far: {', '.join(told)}")]]
    if usage.assumed_inputs:
        assumed = ", ".join(usage.assumed_inputs)
        found.append(
            [Cell(f"Not known at some time, charged at a fallback: {assumed}", Tone.WAITING)]
        )
    return found


def _decided(status: WorkloadStatus, now: datetime) -> list[Line]:
    decision = status.decision
    if decision is None:
        return []
    text = f"Decided {_ago(decision.at, now)}"
    if decision.policy:
        text += f" by the prices of policy {decision.policy}"
    if decision.inputs_age is not None:
        text += f", from signals at most {format_duration(round(decision.inputs_age))} old"
    if decision.start_at is not None and decision.start_at > now:
        text += f"; starts at {decision.start_at:%Y-%m-%d %H:%M} UTC"
    found: list[Line] = [[Cell(text)]]
    if decision.assumed_inputs:
        assumed = ", ".join(decision.assumed_inputs)
        found.append([Cell(f"Not measured, priced at a fallback: {assumed}", Tone.WAITING)])
    return found


def costs(decision: Decision, sites: str, on: str) -> list[Line]:
    """The choice and its alternatives, term beside term, USD.

    Args:
        decision: of a cycle.
        sites: the chosen ones; empty: not known.
        on: accelerator classes there; empty: none.
    """
    if decision.cost_usd is None and not decision.alternatives:
        return []
    terms = _terms([decision.terms, *(other.terms for other in decision.alternatives)])
    shown = Table(
        [
            Column("SITE"),
            Column("ACCELERATOR"),
            *(Column(term.upper(), right=True) for term in terms),
            Column("TOTAL", right=True),
            Column("DIFFERENCE", right=True),
        ]
    )
    if decision.cost_usd is not None:
        chosen: list[Cell | str] = [
            Cell(decision.site or sites or "(chosen)", Tone.GOOD),
            on or NOTHING,
            *(usd(decision.terms.get(term, 0.0)) for term in terms),
            Cell(usd(decision.cost_usd), Tone.STRONG),
            Cell("chosen", Tone.GOOD),
        ]
        shown.rows.append(chosen)
    for other in decision.alternatives:
        more = None if decision.cost_usd is None else other.cost_usd - decision.cost_usd
        shown.rows.append(
            [
                f"{other.site} instead of {other.instead_of}" if other.instead_of else other.site,
                other.accelerator_class or NOTHING,
                *(usd(other.terms.get(term, 0.0)) for term in terms),
                usd(other.cost_usd),
                NOTHING if more is None else f"{'+' if more >= 0 else ''}{usd(more)}",
            ]
        )
    title = (
        "What it costs, USD" if decision.alternatives else "What it costs, USD (no other would do)"
    )
    return [_EMPTY, [Cell(title, Tone.STRONG)], *_indented(shown)]


def _terms(costs: Sequence[Mapping[str, float]]) -> list[str]:
    """Terms that are not zero everywhere, in the engine's order; a policy's own come last."""
    used = {name for terms in costs for name, amount in terms.items() if amount}
    known = [term.value for term in Term]
    return [name for name in known if name in used] + sorted(used.difference(known))


def refused(decision: Decision) -> list[Line]:
    """The sites that said no, by reason; each with its own numbers where the status has them."""
    if not decision.refused:
        return []
    grouped: dict[str, list[Line]] = {}
    counts: dict[str, int] = {}
    for refusal in decision.refused:
        more = refusal.count - len(refusal.sites)
        sites = sentence(refusal.sites) + (f" and {more} more" if more > 0 else "")
        line = [_INDENT, _INDENT, Cell(f"{sites}: {refusal.example}")]
        grouped.setdefault(refusal.reason, []).append(line)
        counts[refusal.reason] = counts.get(refusal.reason, 0) + refusal.count
    found: list[Line] = [_EMPTY, [Cell("Refused", Tone.STRONG)]]
    for reason, members in grouped.items():
        count = counts[reason]
        word = "site" if count == 1 else "sites"
        found += [[_INDENT, Cell(reason, Tone.BAD), Cell(f" ({count} {word})")], *members]
    return found


def _history(status: WorkloadStatus, now: datetime) -> list[Line]:
    if len(status.history) < 2:  # noqa: PLR2004 - its first placement is no change of place
        return []
    shown = Table([Column("WHEN"), Column("FROM"), Column("TO"), Column("REASON")])
    for entry in status.history:
        when = _ago(entry.at, now)
        shown.rows.append([when, entry.from_ or NOTHING, entry.to or NOTHING, entry.reason])
    return [_EMPTY, [Cell("Where it has been", Tone.STRONG)], *_indented(shown)]


def _indented(shown: Table) -> list[Line]:
    return [[_INDENT, *line] for line in shown.styled()]


def _ago(moment: datetime, now: datetime) -> str:
    return f"{age((now - moment).total_seconds())} ago"
