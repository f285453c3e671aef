"""Which running work should pause, because the hours ahead are dear or dirty?

Going on now is compared with every later start of what is left at the same place, by the costs
that its placing was decided by (`cost.py`, `stopping.py`): what is behind it is spent either way.
What is left of work of which only the mean length is known is as long as the whole was. It pauses
when waiting saves more than what the stop loses: the run time since its last checkpoint and the
time to restart, at what an hour costs there, and at the policy's price of a lost accelerator hour;
and when its deadline leaves time for all that. Placement then looks for its next start as for any
other work.

What is left is rounded down: alike work is priced once, and no saving is overrated.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace

from tradewind.api.policy import PolicySpec
from tradewind.placement.cost import SERVICE_CLASS
from tradewind.placement.feasibility import Evaluation, Evaluator
from tradewind.placement.groups import slots_of
from tradewind.placement.inputs import price_or_zero
from tradewind.placement.plan import Eviction
from tradewind.placement.progress import left_s, rounded_down, whole
from tradewind.placement.shapes import Shape, shape_of
from tradewind.placement.snapshot import CurrentPart, Snapshot, Uid, WorkloadView
from tradewind.placement.stopping import may_pause

#: As `Memo.evaluate`.
Evaluate = Callable[[Shape, PolicySpec], Evaluation]


def pauses(
    snapshot: Snapshot,
    evaluator: Evaluator,
    evaluate: Evaluate,
    besides: AbstractSet[Uid] = frozenset(),
) -> tuple[Eviction, ...]:
    """The work that should pause now, in the order of its uids.

    Args:
        snapshot: whose running work is looked at.
        evaluator: of this cycle.
        evaluate: evaluates shapes in this cycle.
        besides: work that is ended in this cycle anyway.
    """
    works = [work for work in pausable(snapshot.running) if work.uid not in besides]
    return tuple(_pauses(works, snapshot, evaluator, evaluate))


def pausable(running: Iterable[WorkloadView]) -> list[WorkloadView]:
    """Running work that may pause, whole at one site, of which somebody said how long it lasts."""
    found = [
        work
        for work in running
        if may_pause(work.runtime)
        and work.runtime.duration_s is not None
        and work.workload_class != SERVICE_CLASS
        and whole(work)
        and work.current[0].started_at is not None
    ]
    return sorted(found, key=lambda work: work.uid)


def _pauses(
    works: Iterable[WorkloadView],
    snapshot: Snapshot,
    evaluator: Evaluator,
    evaluate: Evaluate,
) -> Iterator[Eviction]:
    for work in works:
        policy = snapshot.policies.get(work.policy)
        slots = slots_of(work, evaluator.now, evaluator.config)
        if policy is None or slots == 1:
            continue
        (part,) = work.current
        found = evaluate(_rest(work, part, evaluator), policy)
        place = _place(found, part, evaluator)
        if place is None:
            continue
        starts_s, costs = evaluator.starts_of(found, slots)
        latest_s = _latest_s(work, found, place, evaluator)
        totals = [
            cost.total[place] if not t or start_s <= latest_s else math.inf
            for t, (start_s, cost) in enumerate(zip(starts_s.tolist(), costs, strict=True))
        ]
        best = min(range(len(totals)), key=lambda t: (totals[t], t))
        saves = totals[0] - totals[best]
        if saves > _loss_usd(work, part, found, place, evaluator):
            yield Eviction(
                uid=work.uid,
                site=part.site,
                epoch=part.epoch,
                reason="Paused",
                message=(
                    f"waiting {starts_s[best] / 3600:.1f} h for cheaper or cleaner hours is "
                    f"expected to save {saves:.4g} of {totals[0]:.4g} USD"
                ),
            )


def _rest(work: WorkloadView, part: CurrentPart, evaluator: Evaluator) -> Shape:
    """The shape of what is still to be done."""
    shape = shape_of(work)
    if work.runtime.mean_only:
        return shape
    rest_s = left_s(work, part, evaluator.now, catalog=evaluator.catalog, config=evaluator.config)
    return replace(shape, runtime=replace(shape.runtime, duration_s=rounded_down(rest_s)))


def _latest_s(work: WorkloadView, found: Evaluation, place: int, evaluator: Evaluator) -> float:
    """The latest start that keeps the deadline, seconds after now: nothing rounded down here."""
    deadline = work.runtime.deadline
    if deadline is None:
        return math.inf
    # The rest was rounded down by less than the root of two.
    run_s = float(found.costs.run_s[place]) * (1 if work.runtime.mean_only else math.sqrt(2))
    lost_s = (work.runtime.checkpoint_s or 0.0) + evaluator.config.restart_s
    return (deadline - evaluator.now).total_seconds() - run_s - lost_s


def _place(found: Evaluation, part: CurrentPart, evaluator: Evaluator) -> int | None:
    """Where on R' the work runs; None when it might not go there any more."""
    table = evaluator.table
    site = table.index.get(part.site, -1)
    for place, row in enumerate(found.rows.tolist()):
        accelerator = table.row_accelerator[row]
        name = accelerator.class_name if accelerator else None
        if table.row_site[row] == site and name == part.class_name:
            return place
    return None


def _loss_usd(
    work: WorkloadView, part: CurrentPart, found: Evaluation, place: int, evaluator: Evaluator
) -> float:
    """What a stop now loses, USD."""
    interval_s, ran_s = work.runtime.checkpoint_s or 0.0, 0.0
    if part.started_at is not None:
        ran_s = max(0.0, (evaluator.now - part.started_at).total_seconds())
    lost_s = ran_s % interval_s if interval_s > 0 else 0.0
    lost_h = (lost_s + evaluator.config.restart_s) / 3600
    hour_usd = float(found.costs.total[place]) / max(1.0, float(found.costs.run_s[place])) * 3600
    price = price_or_zero(found.policy.move_per_accelerator_hour)
    return lost_h * (hour_usd + price * float(found.takes.units[place]))
