"""The operator is killed while work moves: between intent and act, and on the way to the target.

Whatever was written last: each workload runs at its new site once, and nothing is left at the old.
"""

import pytest
from tests.live import (
    Apply,
    Ledger,
    Live,
    Object,
    cpu_prices,
    job,
    movable,
    reasons,
    running_at,
    time_of,
    wait_for,
)

from tradewind.base.faults import AFTER_DELETE, AFTER_EVICTION, AFTER_RELEASE

WORKLOADS = 5
AT_ONCE = 2
QUICK = {
    "TRADEWIND_PLANNING__REPLAN_SECONDS": "1",
    "TRADEWIND_PLANNING__REBALANCE_SECONDS": "1",
}


@pytest.mark.parametrize("point", [AFTER_EVICTION, AFTER_DELETE, AFTER_RELEASE])
@pytest.mark.parametrize("nth", [1, 4])
def test_killed_amid_a_drain(
    live: Live,
    namespace: str,
    apply: Apply,
    *,
    point: str,
    nth: int,
) -> None:
    apply("PlacementPolicy", "swift", rebalance={"cooldown": "1h", "maxConcurrentMoves": AT_ONCE})
    with Ledger(list(live.members.values())) as ledger, cpu_prices(live, alpha=1, beta=9):
        with live.operator(**QUICK):
            live.wait_sites("alpha", "beta")
            made = [
                live.create(job(f"w{n}", namespace, **movable(policy="swift")))
                for n in range(WORKLOADS)
            ]
            for workload in made:
                wait_for(running_at(live, workload, "alpha"), "the work to run at alpha")
        doomed = live.start_operator(TRADEWIND_FAULT_POINT=f"{point}:{nth}", **QUICK)
        doomed.wait_ready()
        live.cli("drain", "alpha")
        try:
            doomed.wait_killed()
            with live.operator(**QUICK):
                moved = [
                    wait_for(running_at(live, workload, "beta"), "the work to run at beta")
                    for workload in made
                ]
                left = {workload["metadata"]["name"]: live.children("alpha", workload)
                        for workload in made}  # fmt: skip
                live.remove(made)
        finally:
            live.cli("uncordon", "alpha")
    lost = [one["metadata"]["name"] for one in moved if one["status"]["readyReplicas"] != 1]
    assert not lost
    assert not any(left.values()), left
    # Once at each site, in this order: not a third time, and not twice at one.
    where = {one["metadata"]["name"]: ledger.where[one["metadata"]["uid"]] for one in made}
    assert set(map(tuple, where.values())) == {("alpha", "beta")}, where
    for workload in moved:
        assert reasons(workload) == ["Placed", "Drained", "Placed"]
        assert workload["status"]["epoch"] == 2
        assert workload["status"]["doneSeconds"] > 0
        assert workload["status"]["movedAt"]
    assert max(under_way(moved)) <= AT_ONCE


def under_way(moved: list[Object]) -> list[int]:
    """How many moves were under way when each began: decided, and not begun to run elsewhere."""
    spans = []
    for workload in moved:
        [left] = [one for one in workload["status"]["history"] if one["reason"] == "Drained"]
        [part] = workload["status"]["placements"]
        spans.append((time_of(left["at"]), time_of(part["startedAt"])))
    return [sum(begun <= now < done for begun, done in spans) for now, _ in spans]
