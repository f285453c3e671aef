"""One member stops or hangs: work at the other goes on at full speed; the lost one comes back."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.live import Ledger, Live, Operator, condition, job, wait_for

from federation.cluster import Cluster

BATCH = 40
LOST_WITHIN_S = 30.0


@pytest.fixture
def operator(live: Live) -> Iterator[Operator]:
    """With the operator's own defaults for probes: the figure is about these."""
    with live.operator(TRADEWIND_SITES__PROBE_SECONDS="5") as operator:
        live.wait_sites("alpha", "beta")
        yield operator


@contextmanager
def stopped(member: Cluster) -> Iterator[None]:
    """Connections are refused."""
    member.stop_apiserver()
    try:
        yield
    finally:
        member.start_apiserver()


@contextmanager
def hanging(member: Cluster) -> Iterator[None]:
    """Connections are accepted and never answered."""
    member.hang()
    try:
        yield
    finally:
        member.resume()


def rate_at_alpha(live: Live, ledger: Ledger, namespace: str, prefix: str) -> float:
    """Workloads a second from the first POST to the last child at alpha."""
    began = time.monotonic()
    made = [live.create(job(f"{prefix}{n}", namespace, site="alpha", run_for="1s"))
            for n in range(BATCH)]  # fmt: skip
    uids = [workload["metadata"]["uid"] for workload in made]
    wait_for(lambda: all(ledger.seen[uid] for uid in uids), f"{prefix}: all children at alpha")
    return BATCH / (time.monotonic() - began)


@pytest.mark.parametrize("fault", [stopped, hanging])
def test_work_elsewhere_goes_on_at_full_speed(
    live: Live,
    namespace: str,
    operator: Operator,
    fault: Callable[[Cluster], "contextmanager[None]"],
) -> None:
    beta = live.members["beta"]
    with Ledger([live.members["alpha"]]) as ledger:
        rate_at_alpha(live, ledger, namespace, "warm-")
        healthy = [rate_at_alpha(live, ledger, namespace, f"before{n}-") for n in range(2)]
        # Work that is bound for the lost site must not hold anybody else up.
        with fault(beta):
            lost_at = time.monotonic()
            stuck = [live.create(job(f"stuck{n}", namespace, site="beta")) for n in range(5)]
            during = [rate_at_alpha(live, ledger, namespace, f"during{n}-") for n in range(2)]
            live.wait_sites("beta", kind="Reachable", status="False",
                            limit_s=LOST_WITHIN_S - (time.monotonic() - lost_at))  # fmt: skip
            assert condition(live.site("beta"), "Ready")["status"] == "False"
            assert condition(live.site("alpha"), "Ready")["status"] == "True"
            during.append(rate_at_alpha(live, ledger, namespace, "after-"))
        live.wait_sites("beta", kind="Reachable", limit_s=60)
        live.wait_sites("beta", limit_s=60)
        for workload in stuck:
            live.wait_phase(workload, "Succeeded")
    told = f"healthy {healthy}, during the fault {during} workloads a second"
    print(told)
    # Both sides take their best round, so that a neighbour's burst on this machine weighs on none.
    assert max(during) >= 0.8 * max(healthy), told
    assert all(ledger.seen[uid] == 1 for uid in ledger.seen)
