"""The operator is killed after each of its writes, and started again: nothing is lost, nothing
runs twice, nothing is orphaned. Counted by a watch at the members that outlives the operators.
"""

from collections.abc import Iterator

import pytest
from tests.live import Ledger, Live, job, path_of, wait_for

from tradewind.base.faults import AFTER_APPLY, AFTER_DELETE, AFTER_FINALIZER, AFTER_STATUS

WORKLOADS = 12
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@pytest.fixture
def no_admission(live: Live) -> Iterator[None]:
    """A hub that gives no finalizer at admission, as one of an older Kubernetes."""
    path = f"{ADMISSION}/mutatingadmissionpolicybindings/tradewind-finalizer"
    live.hub.api.delete(path)
    probe = job("probe", "default")
    probe["spec"]["suspend"] = True

    def bare() -> bool:
        made = live.create(probe)
        live.hub.api.delete(path_of(made))
        if "finalizers" not in made["metadata"]:
            return True
        live.hub.api.patch(path_of(made), {"metadata": {"finalizers": None}})
        return False

    wait_for(bare, "the hub to give no finalizer")
    yield
    live.cli("install")


@pytest.mark.usefixtures("no_admission")
@pytest.mark.parametrize("nth", [1, 5])
def test_killed_after_its_finalizer(live: Live, namespace: str, nth: int) -> None:
    _kill_at(live, namespace, AFTER_FINALIZER, nth)


@pytest.mark.parametrize("point", [AFTER_STATUS, AFTER_APPLY])
@pytest.mark.parametrize("nth", [1, 5])
def test_killed_between_two_writes(live: Live, namespace: str, point: str, nth: int) -> None:
    _kill_at(live, namespace, point, nth)


def _kill_at(live: Live, namespace: str, point: str, nth: int) -> None:
    with Ledger(list(live.members.values())) as ledger:
        doomed = live.start_operator(TRADEWIND_FAULT_POINT=f"{point}:{nth}")
        doomed.wait_ready()
        made = [live.create(job(f"w{n}", namespace, run_for="2s")) for n in range(WORKLOADS)]
        doomed.wait_killed()
        with live.operator():
            for workload in made:
                live.wait_phase(workload, "Succeeded")
        counts = {workload["metadata"]["name"]: ledger.seen[workload["metadata"]["uid"]]
                  for workload in made}  # fmt: skip
    lost = [name for name, count in counts.items() if count == 0]
    twice = [name for name, count in counts.items() if count > 1]
    assert not lost
    assert not twice, f"{twice}: {ledger.where}"
    ours = {workload["metadata"]["uid"] for workload in made}
    orphans = [
        child["metadata"]["name"]
        for member in live.members
        for child in live.children(member)
        if child["metadata"]["namespace"] == namespace
        and child["metadata"]["labels"]["tradewind.dev/workload-uid"] not in ours
    ]
    assert not orphans


@pytest.mark.parametrize("nth", [1, 3])
def test_killed_while_it_deletes(live: Live, namespace: str, nth: int) -> None:
    with live.operator():
        live.wait_sites("alpha", "beta")
        made = [live.create(job(f"w{n}", namespace, run_for="1h")) for n in range(6)]
        for workload in made:
            live.wait_phase(workload, "Running")
    doomed = live.start_operator(TRADEWIND_FAULT_POINT=f"{AFTER_DELETE}:{nth}")
    doomed.wait_ready()
    for workload in made:
        live.hub.api.delete(path_of(workload))
    doomed.wait_killed()
    with live.operator():
        for workload in made:
            path = path_of(workload)
            wait_for(lambda path=path: not live.hub.api.exists(path), f"{path} to be gone")
    for member in live.members:
        for workload in made:
            assert not live.children(member, workload)


def test_deleted_while_no_operator_runs(live: Live, namespace: str) -> None:
    with live.operator():
        live.wait_sites("alpha", "beta")
        workload = live.create(job("left", namespace, run_for="1h"))
        placed = live.wait_phase(workload, "Running")
    where = placed["status"]["placements"][0]["site"]
    live.hub.api.delete(path_of(workload))
    # The finalizer holds it until somebody has looked after the child.
    assert live.hub.api.exists(path_of(workload))
    with live.operator():
        wait_for(lambda: not live.hub.api.exists(path_of(workload)), "the workload to be gone")
    assert not live.children(where, workload)


def test_finished_while_no_operator_runs(live: Live, namespace: str) -> None:
    with Ledger(list(live.members.values())) as ledger:
        with live.operator():
            live.wait_sites("alpha", "beta")
            workload = live.create(job("done", namespace, run_for="3s"))
            placed = live.wait_phase(workload, "Placed", "Running")
        where = placed["status"]["placements"][0]["site"]

        def finished() -> bool:
            [child] = live.children(where, workload)
            return child["status"].get("succeeded", 0) == 1

        wait_for(finished, "the child to finish")
        with live.operator():
            live.wait_phase(workload, "Succeeded")
        assert ledger.seen[workload["metadata"]["uid"]] == 1
