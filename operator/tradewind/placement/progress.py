"""How much of running work is still to be done, and what would be done twice if it stopped now?

Lengths are in seconds on the workload's reference class, as `runtime.duration` is.
"""

import math
from datetime import datetime

from tradewind.hardware.catalog import Catalog
from tradewind.placement.config import EngineConfig
from tradewind.placement.cost import SERVICE_CLASS
from tradewind.placement.snapshot import CurrentPart, RuntimeNeed, WorkloadView
from tradewind.placement.table import clean


def loss_s(workload: WorkloadView, part: CurrentPart, now: datetime) -> float:
    """Run time that is lost when a part ends now, at most, seconds as the clock has them.

    With checkpoints no more than their interval; without, all since it started.
    """
    ran_s = _ran_s(part, now)
    interval = workload.runtime.checkpoint_s
    return ran_s if interval is None else min(ran_s, max(0.0, interval))


def speed_ratio(
    runtime: RuntimeNeed, class_name: str | None, catalog: Catalog, config: EngineConfig
) -> float:
    """Seconds on the reference class that one second on a class is worth; 1 without a class."""
    if class_name is None:
        return 1.0
    reference = catalog.get(runtime.reference_class or config.reference_class)
    here = catalog.get(class_name)
    stated = config.fallbacks.speed_tflops
    base = clean(reference.speed if reference else None, low=1e-9)
    speed = clean(here.speed if here else None, low=1e-9)
    return (stated if math.isnan(speed) else speed) / (stated if math.isnan(base) else base)


def left_s(
    workload: WorkloadView,
    part: CurrentPart,
    now: datetime,
    *,
    catalog: Catalog,
    config: EngineConfig,
) -> float:
    """What a part that runs has still to do, never below 0; a service's whole horizon.

    Where only the mean is known, the mean: what has run tells nothing of the rest (`stopping.py`).
    """
    duration_s = clean(workload.runtime.duration_s)
    if math.isnan(duration_s):
        duration_s = config.duration_of(workload.workload_class)
    if workload.workload_class == SERVICE_CLASS or workload.runtime.mean_only:
        return duration_s
    ratio = speed_ratio(workload.runtime, part.class_name, catalog, config)
    done_s = clean(workload.done_s)
    behind_s = (0.0 if math.isnan(done_s) else done_s) + _ran_s(part, now) * ratio
    return max(0.0, duration_s - behind_s)


def rounded_down(seconds: float) -> float:
    """To the next lower power of the root of two: kinds stay few, and savings are not overrated.

    >>> [round(rounded_down(s)) for s in (0.0, 100.0, 3600.0, 5000.0)]
    [0, 91, 2896, 4096]
    """
    return 2.0 ** (math.floor(2 * math.log2(seconds)) / 2) if 1 <= seconds < math.inf else 0.0


def whole(workload: WorkloadView) -> bool:
    """Whether all of it is at one place; what is left of a split is no whole that could move."""
    parts = workload.current
    return len(parts) == 1 and parts[0].replicas >= workload.demand.replicas


def _ran_s(part: CurrentPart, now: datetime) -> float:
    if part.started_at is None:
        return 0.0
    return max(0.0, (now - part.started_at).total_seconds())
