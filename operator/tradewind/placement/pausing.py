"""Which running work should pause, because the hours ahead are dear or dirty?

Going on now is compared with every later start of what is left, at the same place, by the costs
that its placing was decided by (`runs.py`, `stopping.py`): what is behind it is spent either way.
It pauses when waiting saves more than what the stop loses: the run time since its last checkpoint
and the time to restart, at what an hour costs there, and at the policy's price of a lost
accelerator hour. Placement then looks for its next start as for any other work.

Work that is alike, at one place and with as much left, is looked at once, and only so many kinds in
one cycle: the next cycles see to the others.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from tradewind.api.policy import PolicySpec
from tradewind.placement.cost import SERVICE_CLASS
from tradewind.placement.feasibility import Evaluation, Evaluator
from tradewind.placement.groups import slots_of
from tradewind.placement.inputs import price_or_zero
from tradewind.placement.plan import TERM_INDEX, Eviction, Term
from tradewind.placement.progress import left_s, whole
from tradewind.placement.shapes import Shape, shape_of
from tradewind.placement.snapshot import CurrentPart, RuntimeNeed, Snapshot, Uid, WorkloadView
from tradewind.placement.stopping import may_pause
from tradewind.placement.table import F64, Mask

PAUSED = "Paused"

#: Kinds of running work that one cycle looks at, at some 3 ms each.
MOST_KINDS = 128
#: What is left to run is counted in whole steps of so many seconds, and at least one.
_STEP_S = 60.0

# Terms that are paid when work starts.
_AT_START = [TERM_INDEX[term] for term in (Term.DATA, Term.QUEUEING, Term.WAITING)]

#: As `Memo.evaluate`.
Evaluate = Callable[[Shape, PolicySpec], Evaluation]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Running work that is looked at together.

    Args:
        shape: of the whole work, without its deadline: what is left of it may be on time.
        rest: what is left of it.
        part: of one of them: where they run and on what.
        slots: how many start slots they may choose from.
    """

    shape: Shape
    rest: RuntimeNeed
    part: CurrentPart
    slots: int


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What a kind may expect.

    Args:
        starts_s: (T,) seconds after now.
        usd: (T,) of what is left, by start.
        run_s: of what is left.
        hour_usd: what a lost hour costs.
    """

    starts_s: F64
    usd: F64
    run_s: float
    hour_usd: float


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
    kinds: dict[_Kind, list[WorkloadView]] = {}
    pausable = [
        work
        for work in snapshot.running
        if _pausable(work) and work.uid not in besides and work.policy in snapshot.policies
    ]
    for work in sorted(pausable, key=lambda work: work.uid):
        slots = slots_of(work, evaluator.now, evaluator.config)
        if slots > 1:
            kinds.setdefault(_kind(work, slots, snapshot, evaluator), []).append(work)
    looked_at = list(kinds)
    if len(looked_at) > MOST_KINDS:
        # Each cycle goes on where the last one stopped.
        first = snapshot.serial * MOST_KINDS % len(looked_at)
        looked_at = (looked_at[first:] + looked_at[:first])[:MOST_KINDS]
    found: list[Eviction] = []
    for kind in looked_at:
        ahead = _ahead(kind, snapshot, evaluator, evaluate)
        if ahead is not None:
            found += _pauses(kinds[kind], ahead, evaluator)
    return tuple(sorted(found, key=lambda eviction: eviction.uid))


def _pausable(work: WorkloadView) -> bool:
    """Whether it has checkpoints, may wait, is known to end, and runs, whole, at one site."""
    return (
        may_pause(work.runtime)
        and work.runtime.duration_s is not None
        and work.workload_class != SERVICE_CLASS
        and whole(work)
        and work.current[0].started_at is not None
    )


def _kind(work: WorkloadView, slots: int, snapshot: Snapshot, evaluator: Evaluator) -> _Kind:
    (part,) = work.current
    left = left_s(work, part, evaluator.now, catalog=snapshot.catalog, config=evaluator.config)
    whole_s = _STEP_S * max(1.0, left // _STEP_S)
    return _Kind(
        replace(shape_of(work), runtime=replace(work.runtime, deadline=None)),
        replace(work.runtime, duration_s=whole_s),
        CurrentPart(part.site, part.class_name, part.replicas, 0),
        slots,
    )


def _ahead(
    kind: _Kind, snapshot: Snapshot, evaluator: Evaluator, evaluate: Evaluate
) -> _Ahead | None:
    """What a kind may expect; None when it might not go any more where it runs."""
    found = evaluate(kind.shape, snapshot.policies[kind.shape.policy])
    place = _place(found, kind.part, evaluator)
    if place is None:
        return None
    starts_s, usd, run_s = evaluator.starts_at(found, place, kind.rest, kind.slots)
    costs = found.costs
    running_usd = float(costs.total[place] - costs.terms[_AT_START, place].sum())
    price = price_or_zero(found.policy.move_per_accelerator_hour)
    hour_usd = running_usd / max(1.0, float(costs.run_s[place])) * 3600
    return _Ahead(starts_s, usd, run_s, hour_usd + price * float(found.takes.units[place]))


def _place(found: Evaluation, part: CurrentPart, evaluator: Evaluator) -> int | None:
    """Where on R' the work runs; None when it might not go there any more."""
    table = evaluator.table
    site = table.index.get(part.site, -1)
    for place in np.flatnonzero(found.row_site == site).tolist():
        accelerator = table.row_accelerator[int(found.rows[place])]
        if (accelerator.class_name if accelerator else None) == part.class_name:
            return place
    return None


def _pauses(members: list[WorkloadView], ahead: _Ahead, evaluator: Evaluator) -> Iterator[Eviction]:
    for work in members:
        (part,) = work.current
        lost_s = _lost_s(work, part, evaluator)
        usd = np.where(_in_time(work, ahead, lost_s, evaluator.now), ahead.usd, np.inf)
        best = int(usd[1:].argmin()) + 1
        saves = float(ahead.usd[0] - usd[best])
        if saves > lost_s / 3600 * ahead.hour_usd:
            yield Eviction(
                uid=work.uid,
                site=part.site,
                epoch=part.epoch,
                reason=PAUSED,
                message=(
                    f"waiting {ahead.starts_s[best] / 3600:.1f} h for cheaper or cleaner hours is "
                    f"expected to save {saves:.4g} of {ahead.usd[0]:.4g} USD"
                ),
            )


def _lost_s(work: WorkloadView, part: CurrentPart, evaluator: Evaluator) -> float:
    """Run time that a stop now wastes: since the last checkpoint, and for restarting."""
    ran_s, interval_s = 0.0, work.runtime.checkpoint_s or 0.0
    if part.started_at is not None:
        ran_s = max(0.0, (evaluator.now - part.started_at).total_seconds())
    return (ran_s % interval_s if interval_s > 0 else 0.0) + evaluator.config.restart_s


def _in_time(work: WorkloadView, ahead: _Ahead, lost_s: float, now: datetime) -> Mask:
    """(T,) whether what is left, begun then, ends before the deadline."""
    deadline = work.runtime.deadline
    if deadline is None:
        return np.ones(len(ahead.starts_s), bool)
    latest_s = (deadline - now).total_seconds() - ahead.run_s - lost_s
    return ahead.starts_s <= latest_s
