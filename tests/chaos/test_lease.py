"""The Lease's holder is killed, frozen or ended: another takes over, and nothing runs twice."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.live import HUB_NAMESPACE, Ledger, Live, Operator, job, wait_for

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{HUB_NAMESPACE}/leases/tradewind-operator"
HANDOVER_S = 20.0


def holder(live: Live) -> str:
    """Who leads, by the Lease."""
    identity: str = live.hub.api.get(LEASE)["spec"].get("holderIdentity") or ""
    return identity


@contextmanager
def two_operators(live: Live) -> Iterator[tuple[Operator, Operator]]:
    """A leader and one that waits."""
    leader = live.start_operator()
    leader.wait_ready()
    waiting = live.start_operator()
    try:
        wait_for(lambda: waiting.get("/healthz")[0] == 200, "the second operator to be up")
        yield leader, waiting
    finally:
        if leader.process.poll() is None:
            os.kill(leader.process.pid, signal.SIGCONT)
        leader.stop()
        waiting.stop()


def test_a_killed_leader_is_replaced_in_time(live: Live, namespace: str) -> None:
    with Ledger(list(live.members.values())) as ledger, two_operators(live) as (leader, _waiting):
        first = [live.create(job(f"a{n}", namespace, run_for="2s")) for n in range(8)]
        before = holder(live)
        leader.kill()
        killed = time.monotonic()
        second = [live.create(job(f"b{n}", namespace, run_for="2s")) for n in range(8)]
        # The figure is the issue's: a handover in under 20 s, from the kill to work that goes on.
        wait_for(
            lambda: all(live.get(w).get("status", {}).get("placements") for w in second),
            "the new leader to place work", limit_s=HANDOVER_S,
        )  # fmt: skip
        took = time.monotonic() - killed
        assert holder(live) not in ("", before)
        for workload in first + second:
            live.wait_phase(workload, "Succeeded")
        counts = [ledger.seen[workload["metadata"]["uid"]] for workload in first + second]
    assert counts == [1] * 16
    print(f"handover took {took:.1f} s")


def test_a_leader_that_ends_hands_over_at_once(live: Live, namespace: str) -> None:
    with Ledger(list(live.members.values())) as ledger, two_operators(live) as (leader, waiting):
        assert leader.stop() == 0
        assert waiting.process.poll() is None
        workload = live.create(job("next", namespace))
        live.wait_phase(workload, "Succeeded", limit_s=HANDOVER_S)
        assert ledger.seen[workload["metadata"]["uid"]] == 1


def test_a_frozen_leader_does_nothing_when_it_wakes(live: Live, namespace: str) -> None:
    with Ledger(list(live.members.values())) as ledger, two_operators(live) as (leader, waiting):
        before = holder(live)
        os.kill(leader.process.pid, signal.SIGSTOP)
        made = [live.create(job(f"w{n}", namespace, run_for="2s")) for n in range(8)]
        for workload in made:
            live.wait_phase(workload, "Succeeded")
        assert holder(live) != before
        os.kill(leader.process.pid, signal.SIGCONT)
        # It sees that its time is over and ends itself; it wrote nothing meanwhile.
        assert leader.process.wait(30) != 0
        assert waiting.process.poll() is None
        later = live.create(job("later", namespace, run_for="1s"))
        live.wait_phase(later, "Succeeded")
        counts = [ledger.seen[workload["metadata"]["uid"]] for workload in [*made, later]]
    assert counts == [1] * 9
