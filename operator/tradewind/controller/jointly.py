"""What a workload's status says of several parts together: one decision, one estimate.

Terms of the parts add up to the whole's, to the last digit. An alternative is the whole with one
part elsewhere, so that it compares with what was chosen.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tradewind.api.workload import Alternative, Decision, Estimate, WorkloadStatus
from tradewind.controller import lifecycle
from tradewind.placement.explain import MOST_ALTERNATIVES, decision_of, estimate_of
from tradewind.placement.plan import DECIMALS, Assignment

Terms = dict[str, float]


def joint_decision(
    assignments: Sequence[Assignment], now: datetime, before: WorkloadStatus
) -> Decision:
    """The decision of all parts: that of the first, with everybody's costs.

    Args:
        assignments: the parts that were placed.
        now: of the cycle.
        before: the status with what stands already; that is no part of the decision.
    """
    first = decision_of(assignments[0], now)
    if lifecycle.missing(before):
        sites = ",".join(part.site for part in assignments)
        first = first.model_copy(update={"site": sites})
    if len(assignments) == 1:
        return first
    terms = _added(part.cost.as_dict() for part in assignments)
    told = "; ".join(
        f"{part.replicas} at {part.site} for {part.cost.total:.2f} USD" for part in assignments
    )
    others = sorted(_alternatives(assignments, terms), key=lambda other: other.cost_usd)
    assumed = {name for part in assignments for name in part.cost.assumed_inputs}
    return first.model_copy(
        update={
            "message": f"split: {told}",
            "terms": terms,
            "cost_usd": _sum(terms.values()),
            "assumed_inputs": tuple(sorted(assumed)),
            "alternatives": tuple(others[:MOST_ALTERNATIVES]),
        }
    )


def _alternatives(assignments: Sequence[Assignment], terms: Terms) -> Iterator[Alternative]:
    """The whole with one part at the next best places for it."""
    for part in assignments:
        less = {name: -usd for name, usd in part.cost.as_dict().items()}
        for other in part.explanation.alternatives[:MOST_ALTERNATIVES]:
            moved = _added((terms, less, other.cost.as_dict()))
            yield Alternative(
                site=other.site,
                instead_of=part.site,
                accelerator_class=other.class_name,
                cost_usd=_sum(moved.values()),
                terms=moved,
            )


def _added(each: Iterable[Terms]) -> Terms:
    found: Terms = {}
    for terms in each:
        for name, usd in terms.items():
            found[name] = round(found.get(name, 0.0) + usd, DECIMALS)
    return {name: usd for name, usd in found.items() if usd}


def joint_estimate(status: WorkloadStatus, assignments: Sequence[Assignment]) -> Estimate:
    """What all parts take together; those that stand already keep their share of the old one."""
    estimates = [estimate_of(part) for part in assignments]
    before, desired = status.estimate, status.desired_replicas
    lack = lifecycle.missing(status)
    if before is not None and desired and lack:
        kept = 1 - lack / desired
        estimates.append(
            before.model_copy(
                update={
                    name: value * kept
                    for name in ("energy_kwh", "carbon_kg", "cost_usd")
                    if (value := getattr(before, name)) is not None
                }
            )
        )
    if len(estimates) == 1:
        return estimates[0]
    return Estimate(
        energy_kwh=_sum(one.energy_kwh for one in estimates),
        carbon_kg=_sum(one.carbon_kg for one in estimates),
        cost_usd=_sum(one.cost_usd for one in estimates),
        start_at=min((one.start_at for one in estimates if one.start_at), default=None),
        finish_at=max((one.finish_at for one in estimates if one.finish_at), default=None),
    )


def _sum(amounts: Iterable[float | None]) -> float:
    return round(sum(amount for amount in amounts if amount is not None), 6)
