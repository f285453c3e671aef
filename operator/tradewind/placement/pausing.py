"""Which running work of unknown length should pause, because the hours ahead are dear or dirty?

Going on now is compared with every later start of the same work at the same place, by the costs
that its placing was decided by (`cost.py`, `stopping.py`): what is behind it is spent either way,
and a memoryless rest is as long as the whole was. It pauses when waiting saves more than what the
stop loses: the run time since its last checkpoint and the time to restart, at what an hour costs
there, and at the policy's price of a lost accelerator hour. Placement then looks for its next start
as for any other work.
"""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime

from tradewind.api.policy import PolicySpec
from tradewind.placement.feasibility import Evaluation, Evaluator
from tradewind.placement.groups import slots_of
from tradewind.placement.inputs import price_or_zero
from tradewind.placement.plan import Eviction
from tradewind.placement.shapes import Shape, shape_of
from tradewind.placement.snapshot import CurrentPart, Snapshot, Uid, WorkloadView
from tradewind.placement.stopping import may_pause

#: As `Memo.evaluate`.
Evaluate = Callable[[Shape, PolicySpec], Evaluation]


def pauses(
    snapshot: Snapshot,
    now: datetime,
    evaluator: Evaluator,
    evaluate: Evaluate,
    besides: AbstractSet[Uid] = frozenset(),
) -> tuple[Eviction, ...]:
    """The work that should pause now, in the order of its uids.

    Args:
        snapshot: whose running work is looked at.
        now: of the cycle.
        evaluator: of this cycle.
        evaluate: evaluates shapes in this cycle.
        besides: work that is ended in this cycle anyway.
    """
    works = [work for work in pausable(snapshot.running) if work.uid not in besides]
    return tuple(_pauses(works, snapshot, now, evaluator, evaluate))


def pausable(running: Iterable[WorkloadView]) -> list[WorkloadView]:
    """Running work that may pause and of which only the mean length is known, whole at one site."""
    found = [
        work
        for work in running
        if work.runtime.mean_only
        and may_pause(work.runtime)
        and len(work.current) == 1
        and work.current[0].started_at is not None
    ]
    return sorted(found, key=lambda work: work.uid)


def _pauses(
    works: Iterable[WorkloadView],
    snapshot: Snapshot,
    now: datetime,
    evaluator: Evaluator,
    evaluate: Evaluate,
) -> Iterator[Eviction]:
    for work in works:
        policy = snapshot.policies.get(work.policy)
        slots = slots_of(work, now, evaluator.config)
        if policy is None or slots == 1:
            continue
        found = evaluate(shape_of(work), policy)
        (part,) = work.current
        place = _place(found, part, evaluator)
        if place is None:
            continue
        starts_s, costs = evaluator.starts_of(found, slots)
        totals = [cost.total[place] for cost in costs]
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
