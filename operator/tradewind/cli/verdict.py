"""How a what-if's answer reads: a sentence, the costs beside those of the next best, refusals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tradewind.api.workload import AIWorkload, Decision, Estimate
from tradewind.cli.explain import costs, refused
from tradewind.cli.parts import planned
from tradewind.cli.view import Cell, Tone, age, carbon, usd
from tradewind.placement.plan import Assignment, Eviction

Line = Sequence[Cell]

_INDENT: Final = Cell("  ")
_EMPTY: Final[Line] = (Cell(""),)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of one workload.

    Args:
        workload: as the hub would take it.
        decision: as its status would say.
        parts: where it would go; empty while it waits.
        estimate: what it would take; None while it waits.
        evictions: running work that would be ended for it.
    """

    workload: AIWorkload
    decision: Decision
    parts: Sequence[Assignment] = ()
    estimate: Estimate | None = None
    evictions: Sequence[tuple[str, Eviction]] = ()

    def document(self) -> dict[str, Any]:
        """For programs."""
        metadata = self.workload.metadata
        found: dict[str, Any] = {
            "workload": {"namespace": metadata.namespace, "name": metadata.name},
            "placements": [
                {
                    "site": part.site,
                    "replicas": part.replicas,
                    **({"acceleratorClass": part.class_name} if part.class_name else {}),
                    **(_costs(part) if len(self.parts) > 1 else {}),
                }
                for part in self.parts
            ],
            "decision": _dump(self.decision),
        }
        if self.estimate is not None:
            found["estimate"] = _dump(self.estimate)
        if self.evictions:
            found["evictions"] = [
                {"workload": label, "site": one.site, "reason": one.reason, "message": one.message}
                for label, one in self.evictions
            ]
        return found


def lines(verdict: Verdict, now: datetime) -> list[Line]:
    """The answer for one workload."""
    metadata, decision = verdict.workload.metadata, verdict.decision
    kind = f"{verdict.workload.spec.class_name.value} {verdict.workload.spec.template.get('kind')}"
    title = [Cell(f"{metadata.namespace}/{metadata.name}", Tone.STRONG), Cell(f"   {kind}")]
    found: list[Line] = [title, [_sentence(verdict, now)], *_estimate(verdict)]
    if decision.policy:
        text = f"By the prices of policy {decision.policy}"
        if decision.assumed_inputs:
            text += f"; priced at a fallback: {', '.join(decision.assumed_inputs)}"
        found.append([Cell(text)])
    found += _evictions(verdict)
    sites = ",".join(part.site for part in verdict.parts)
    on = ",".join(dict.fromkeys(part.class_name for part in verdict.parts if part.class_name))
    found += planned(verdict.parts)
    found += costs(decision, sites, on)
    found += refused(decision)
    return [*found, _EMPTY]


def _sentence(verdict: Verdict, now: datetime) -> Cell:
    decision = verdict.decision
    if verdict.parts:
        where = " and ".join(
            f"{part.site} ({part.replicas} pod{'s' if part.replicas != 1 else ''}"
            f"{f' on {part.class_name}' if part.class_name else ''})"
            for part in verdict.parts
        )
        return Cell(f"Would start now at {where}", Tone.GOOD)
    if decision.start_at is not None and decision.site:
        wait = age(max(0.0, (decision.start_at - now).total_seconds()))
        return Cell(
            f"Would wait {wait}, {decision.message}",
            Tone.WAITING,
        )
    told = f": {decision.message}" if decision.message and not decision.refused else ""
    return Cell(f"Would not start: {decision.reason}{told}", Tone.BAD)


def _estimate(verdict: Verdict) -> Iterator[Line]:
    estimate = verdict.estimate
    if estimate is None:
        return
    parts = [f"{usd(estimate.cost_usd)} USD for hardware and electricity"]
    if estimate.energy_kwh is not None:
        parts.append(f"{estimate.energy_kwh:,.2f} kWh")
    if estimate.carbon_kg is not None:
        parts.append(f"{carbon(estimate.carbon_kg)} CO2e")
    if estimate.finish_at is not None:
        parts.append(f"done by {estimate.finish_at:%Y-%m-%d %H:%M} UTC")
    yield [Cell(f"Estimate: {', '.join(parts)}")]


def _evictions(verdict: Verdict) -> Iterator[Line]:
    for label, eviction in verdict.evictions:
        text = f"Would end {label} at {eviction.site}: {eviction.reason}"
        if eviction.message:
            text += f", {eviction.message}"
        yield [_INDENT, Cell(text, Tone.WAITING)]


def _costs(part: Assignment) -> dict[str, Any]:
    return {"costUSD": part.cost.total, "terms": part.cost.as_dict()}


def _dump(value: Decision | Estimate) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
