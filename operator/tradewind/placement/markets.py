"""From the cases of a round to the arrays of its market, few candidates of each or all of them."""

from collections.abc import Sequence

import numpy as np

from tradewind.placement.board import Stake
from tradewind.placement.capacity import Ledger
from tradewind.placement.contest import WIDEST, Case, felt
from tradewind.placement.expected_ends import over_time
from tradewind.placement.feasibility import Evaluator
from tradewind.placement.lines import Sorts, short_sorts
from tradewind.placement.market import Carried, Lines, Market
from tradewind.placement.priced import START_NOW
from tradewind.placement.snapshot import WorkloadView
from tradewind.placement.table import F64, I64
from tradewind.placement.wide import Wide

# Where very many groups compete, each has fewer candidates.
_NARROWEST = 96
_MOST_CANDIDATES = 200_000


def stake_of(case: Case, places: I64) -> Stake:
    """What the board must know of a case."""
    needs = case.found.needs
    pods = needs[int(places[0])] if len(places) and needs else ()
    size = tuple(
        -max((getattr(need, field) for need in pods), default=0)
        for field in ("units", "cpu_millis", "memory_bytes")
    )
    alike = None
    if len(pods) == 1:
        (pod,) = pods
        alike = (pod.units, pod.cpu_millis, pod.memory_bytes, pod.others, pod.pod.tolerations)
    count = pods[0].count if pods else 0
    return Stake(case.group.shape.queue, case.lot, needs, places, size, alike, count)


def sorts_of(cases: Sequence[Case], evaluator: Evaluator) -> Sorts:
    """The sorts of lines that the cases take from."""
    pods = {
        need.units
        for case in cases
        for need in (case.found.needs[0] if case.found.needs else ())
        if need.units
    }
    return Sorts(evaluator.table, sorted(pods))


def wide_of(cases: Sequence[Case], sorts: Sorts, lines: Lines, rows: int) -> Wide:
    """All rows that somebody may have, for cases without later starts."""
    open_ = [case.is_open for case in cases]
    used = np.zeros(rows, bool)
    for case, there in zip(cases, open_, strict=True):
        used[case.found.rows[there]] = True
    column = np.cumsum(used) - 1
    cost = np.full((len(cases), int(used.sum())), np.inf, np.float32)
    soft = any(case.found.avoided.any() for case in cases)
    avoided = np.zeros(cost.shape if soft else (1, 1), bool)
    for g, (case, there) in enumerate(zip(cases, open_, strict=True)):
        at = column[case.found.rows[there]]
        cost[g, at] = case.found.costs.total[there]
        if soft:
            avoided[g, at] = case.found.avoided[case.found.row_site[there]]
    urgency = np.array([case.group.urgency for case in cases])
    counts, wait = felt(cost, avoided, urgency.astype(np.float32))
    usage = np.array(
        [sorts.usage(case.found.needs[0] if case.found.needs else ()) for case in cases]
    )
    columns = np.flatnonzero(used).astype(np.int64)
    return Wide(
        count=np.array([len(case.group.members) for case in cases], np.float64),
        wait=wait.astype(np.float64),
        usage=usage,
        rows=columns,
        cost=counts,
        lines=lines,
        sorts=short_sorts(lines, usage, columns, sorts.row_site[columns]),
    )


def widest(groups: int) -> int:
    """How many candidates each of so many groups may have in a market."""
    return min(WIDEST, max(_NARROWEST, _MOST_CANDIDATES // max(1, groups)))


def lines_of(
    cases: Sequence[Case],
    sorts: Sorts,
    evaluator: Evaluator,
    ledger: Ledger,
    running: Sequence[WorkloadView],
) -> Lines:
    """The lines of a round, in the start slots of its cases."""
    later = starts_of(cases)
    lines = sorts.lines(ledger)
    return lines if len(later) == 1 else over_time(lines, sorts, running, evaluator, later)


def starts_of(cases: Sequence[Case]) -> F64:
    """(T,) start slots of all cases; each has the first of them, up to as many as it may wait."""
    return max((case.starts_s for case in cases), key=len, default=START_NOW)


def market_of(
    cases: Sequence[Case],
    counts: Sequence[int],
    sorts: Sorts,
    lines: Lines,
    carried: Carried | None = None,
) -> tuple[Market, list[Stake], list[I64]]:
    """The market of some cases.

    Args:
        cases: its groups.
        counts: how many workloads of each have no place yet.
        sorts: of lines.
        lines: what is left.
        carried: prices by which candidates are chosen; None: there are none yet.

    Returns:
        The market, what the board must know of its groups, and the start slot of each candidate.
    """
    most = widest(len(cases))
    options = [case.short_list(most, sorts, lines, carried) for case in cases]
    width = max((len(places) for places, _ in options), default=0)
    shape = (len(cases), width)
    row, slot = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    end, cost = np.ones(shape, np.int64), np.full(shape, np.inf)
    usage, wait = np.zeros((len(cases), len(lines.of_row))), np.zeros(len(cases))
    starts_s = starts_of(cases)
    for g, (case, (places, slots)) in enumerate(zip(cases, options, strict=True)):
        if not len(places):
            continue
        size = len(places)
        row[g, :size], slot[g, :size] = case.found.rows[places], slots
        if len(starts_s) > 1:
            end[g, :size] = case.ends(starts_s)[places, slots]
        counted, wait[g] = case.felt
        cost[g, :size] = counted[places, slots]
        usage[g] = sorts.usage(case.found.needs[int(places[0])])
    market = Market(
        count=np.array(counts, np.float64),
        wait=wait,
        usage=usage,
        row=row,
        slot=slot,
        end=end,
        cost=cost,
        lines=lines,
    )
    stakes = [stake_of(case, places) for case, (places, _) in zip(cases, options, strict=True)]
    return market, stakes, [slots for _, slots in options]
