"""When does what runs give its capacity back? Expected ends, on the lines of a market.

Only work whose length somebody stated is expected to end; a service, or work that is late, may go
on for ever. Asked only where later starts compete for room: it looks at all that runs.
"""

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from tradewind.placement.cost import SERVICE_CLASS
from tradewind.placement.demands import needs_on
from tradewind.placement.feasibility import Evaluator
from tradewind.placement.lines import Sorts
from tradewind.placement.market import Lines
from tradewind.placement.snapshot import CurrentPart, WorkloadView
from tradewind.placement.table import F64, SiteTable


def over_time(
    lines: Lines,
    sorts: Sorts,
    running: Iterable[WorkloadView],
    evaluator: Evaluator,
    starts_s: F64,
) -> Lines:
    """The lines in each slot: what is free now, and what will have ended by then.

    Args:
        lines: as they are now, (L, 1).
        sorts: of these lines.
        running: what is placed and not finished.
        evaluator: tells how long work runs on which class.
        starts_s: (T,) seconds after now.
    """
    freed = np.zeros((len(lines.capacity), len(starts_s)))
    table, now = evaluator.table, evaluator.now
    for workload in running:
        if workload.workload_class == SERVICE_CLASS or workload.runtime.duration_s is None:
            continue
        for part in workload.current:
            row = _row_of(part, table)
            ends_s = None if row is None else _ends_s(workload, part, evaluator, now)
            if row is None or ends_s is None or ends_s > starts_s[-1]:
                continue
            needs = needs_on(workload.demand, table.row_accelerator[row])
            share = part.replicas / max(1, workload.demand.replicas)
            slot = int(np.searchsorted(starts_s, ends_s, side="left"))
            for q, amount in enumerate(sorts.usage(needs)):
                freed[lines.of_row[q, row], slot] += amount * share
    capacity = lines.capacity + np.cumsum(freed, axis=1)
    return Lines(lines.of_row, capacity)


def _row_of(part: CurrentPart, table: SiteTable) -> int | None:
    site = table.index.get(part.site)
    if site is None or part.class_name is None:
        return site
    return table.class_row.get((site, part.class_name))


def _ends_s(
    workload: WorkloadView, part: CurrentPart, evaluator: Evaluator, now: datetime
) -> float | None:
    """Seconds from now to its expected end; None where it is not known or behind us."""
    if part.started_at is None:
        return None
    run_s = evaluator.run_s(workload.runtime, part.class_name)
    if workload.runtime.mean_only:
        return run_s  # from now on, however long it has run
    left = 1.0 - workload.done_s / max(1e-9, workload.runtime.duration_s or 0.0)
    ends_s = run_s * max(0.0, left) - (now - part.started_at).total_seconds()
    return ends_s if ends_s > 0 else None
