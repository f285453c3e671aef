"""How far has interrupted work come, and what is running work yet to cost? Pure.

Both are what the next decision goes by: the run time that need not be repeated, and the part of a
queue's budget that is promised to what runs.
"""

import math
from datetime import UTC, datetime, timedelta

from tradewind.api.workload import AIWorkload, Placement, WorkloadStatus
from tradewind.controller.lifecycle import ACTIVE, RUNNING
from tradewind.hardware.catalog import Catalog
from tradewind.placement.config import EngineConfig


def done_seconds(
    workload: AIWorkload,
    status: WorkloadStatus,
    placement: Placement,
    *,
    catalog: Catalog,
    config: EngineConfig,
    now: datetime,
) -> float:
    """Run time on the reference class that is behind work which is interrupted now, seconds.

    What ran since the last checkpoint is lost; without checkpoints, everything is. Parts of a split
    do not add up to a whole that could go on, so nothing is counted for them; nor for a Job whose
    pods are pending, which has its start time all the same.
    """
    checkpoint = workload.spec.runtime.checkpoint
    if checkpoint is None or placement.partial or placement.phase is not RUNNING:
        return status.done_seconds
    if placement.started_at is None:
        return status.done_seconds
    ran_s = max(0.0, (now - placement.started_at).total_seconds())
    kept_s = ran_s // checkpoint.interval * checkpoint.interval if checkpoint.interval > 0 else 0.0
    ratio = _speed_ratio(workload, placement.accelerator_class, catalog, config)
    return round(status.done_seconds + kept_s * ratio, 3)


def _speed_ratio(
    workload: AIWorkload, class_name: str | None, catalog: Catalog, config: EngineConfig
) -> float:
    """Seconds on the reference class that one second on this class is worth."""
    if class_name is None:
        return 1.0
    reference = catalog.get(workload.spec.runtime.reference_class or config.reference_class)
    here = catalog.get(class_name)
    unknown = config.fallbacks.speed_tflops
    base = (reference.speed if reference else None) or unknown
    ratio = ((here.speed if here else None) or unknown) / base
    return ratio if math.isfinite(ratio) else 1.0


def committed(status: WorkloadStatus, now: datetime) -> tuple[float, float]:
    """What work that stands is yet to take in this calendar month (UTC): USD, and kg CO2e.

    The part of the estimate that is not metered yet, in equal parts over the expected time. What
    runs longer than expected is metered, and has nothing more to come.
    """
    estimate = status.estimate
    if estimate is None or estimate.start_at is None or estimate.finish_at is None:
        return 0.0, 0.0
    share = sum(
        _share_to_come(status, estimate.start_at, estimate.finish_at, part, now)
        for part in status.placements
        if part.phase in ACTIVE
    )
    return share * _known(estimate.cost_usd), share * _known(estimate.carbon_kg)


def _share_to_come(
    status: WorkloadStatus, start: datetime, finish: datetime, part: Placement, now: datetime
) -> float:
    """Which share of the estimate one part takes from now on, to the end of this month."""
    run_s = (finish - start).total_seconds()
    if run_s <= 0:
        return 0.0
    begun = part.started_at or max(start, now)
    end = begun + timedelta(seconds=run_s)
    metered = part.metered_until or begun
    within = (min(end, _next_month(now)) - max(metered, begun)).total_seconds()
    of = part.replicas / status.desired_replicas if status.desired_replicas else 1.0
    return of * max(0.0, within) / run_s


def _next_month(now: datetime) -> datetime:
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def _known(amount: float | None) -> float:
    """Money or emissions as a number: what is not known is not charged."""
    return amount if amount is not None and math.isfinite(amount) else 0.0
