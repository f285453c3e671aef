"""Running work leaves its site, on real clusters: for a drain, for a better price, and not at all.

KWOK's pods know no checkpoints: work that was moved runs for its whole time again.
"""

import json
from collections.abc import Callable, Iterator

import pytest
import yaml
from tests.live import (
    API,
    ENDLESS,
    Apply,
    Ledger,
    Live,
    Object,
    Operator,
    condition,
    cpu_prices,
    events_of,
    job,
    movable,
    path_of,
    reasons,
    running_at,
    sites_of,
    wait_for,
)

#: Keeps pods that were deleted.
HOLD = "tests.tradewind.dev/hold"

Create = Callable[[Object], Object]


@pytest.fixture(scope="module", autouse=True)
def operator(live: Live) -> Iterator[Operator]:
    with live.operator(
        TRADEWIND_PLANNING__REPLAN_SECONDS="1", TRADEWIND_PLANNING__REBALANCE_SECONDS="1"
    ) as operator:
        live.wait_sites("alpha", "beta")
        yield operator


def metric(operator: Operator, line: str) -> float:
    """The value of a series, 0 if there is none."""
    found = (row for row in operator.get("/metrics")[1].splitlines() if row.startswith(line + " "))
    return float(next(found, "0").rpartition(" ")[2])


def test_a_drain_moves_what_has_a_checkpoint_and_it_ends_elsewhere_once(
    live: Live, namespace: str, create: Create, operator: Operator
) -> None:
    counted = 'tradewind_evictions_total{reason="Drained"}'
    before = metric(operator, counted)
    with Ledger(list(live.members.values())) as ledger:
        moves = create(job("moves", namespace, **movable(run_for="10s")))
        site = sites_of(live.wait_phase(moves, "Running"))[0]
        stays = create(job("stays", namespace, chips=0, run_for=ENDLESS, site=site))
        live.wait_phase(stays, "Running")
        other = next(name for name in live.members if name != site)
        try:
            live.cli("drain", site)
            moved = wait_for(running_at(live, moves, other), "the work to run elsewhere")
            assert reasons(moved) == ["Placed", "Drained", "Placed"]
            assert moved["status"]["epoch"] == 2
            assert moved["status"]["movedAt"]
            assert not live.children(site, moves)
            assert sites_of(live.get(stays)) == [site]
            told = wait_for(
                lambda: (
                    (found := condition(live.site(site), "Drained"))
                    and "/moves" not in found["message"]
                    and found
                ),
                "the site to tell what is left",
            )
            assert (told["status"], told["reason"]) == ("False", "Draining")
            assert f"{namespace}/stays" in told["message"]
            live.hub.api.delete(path_of(stays))
            live.cli("drain", site, "--wait", "40")
            live.wait_phase(moves, "Succeeded")
        finally:
            live.cli("uncordon", site)
        assert ledger.where[moves["metadata"]["uid"]] == [site, other]
        assert ledger.seen[stays["metadata"]["uid"]] == 1
    assert metric(operator, counted) == before + 1
    note = wait_for(lambda: events_of(live, moves).get("Drained"), "the Event")
    assert note == f"{site} is being drained: moves to {other}"


def test_a_saving_moves_running_work_and_one_too_small_does_not(
    live: Live, namespace: str, apply: Apply, create: Create
) -> None:
    rebalance = {"minSaving": 0.5, "cooldown": "1s", "maxConcurrentMoves": 2}
    apply("PlacementPolicy", "mover", rebalance=rebalance)
    apply("PlacementPolicy", "content", rebalance=rebalance | {"minSaving": 0.97})
    apply("PlacementPolicy", "still")
    with Ledger(list(live.members.values())) as ledger, cpu_prices(live, alpha=1, beta=9) as charge:
        made = {
            policy: create(job(policy, namespace, **movable(policy=policy, run_for=run_for)))
            for policy, run_for in (("mover", "20s"), ("content", ENDLESS), ("still", ENDLESS))
        }
        for workload in made.values():
            wait_for(running_at(live, workload, "alpha"), "the work to run where it is cheap")
        charge(alpha=9, beta=1)
        moved = wait_for(running_at(live, made["mover"], "beta"), "the work to move")
        assert reasons(moved) == ["Placed", "Moved", "Placed"]
        assert moved["status"]["decision"]["costUSD"] < 10
        note = wait_for(lambda: events_of(live, made["mover"]).get("Moved"), "the Event")
        assert "at beta" in note
        assert "saves 8" in note
        live.wait_phase(made["mover"], "Succeeded")
        # The same cycles looked at all three, for as long as the first ran at beta.
        for policy in ("content", "still"):
            kept = live.get(made[policy])
            assert (sites_of(kept), kept["status"]["epoch"]) == (["alpha"], 1), policy
        file = live.folder / "still.yaml"
        changed = live.hub.api.get(f"{API}/placementpolicies/still")
        file.write_text(yaml.safe_dump(changed | {"spec": {"rebalance": rebalance}}))
        told = json.loads(live.cli("plan", "-f", str(file), "--running", "-o", "json"))["leaving"]
        assert [(one["workload"], one["from"], one["to"], one["reason"]) for one in told] == [
            (f"{namespace}/still", "alpha", "beta", "Moved")
        ]
        where = {policy: ledger.where[work["metadata"]["uid"]] for policy, work in made.items()}
    assert where == {"mover": ["alpha", "beta"], "content": ["alpha"], "still": ["alpha"]}


def test_a_cordon_keeps_new_work_out_and_leaves_what_runs(
    live: Live, namespace: str, create: Create
) -> None:
    there = create(job("there", namespace, site="alpha", **movable()))
    live.wait_phase(there, "Running")
    try:
        live.cli("cordon", "alpha")
        late = create(job("late", namespace, site="alpha", chips=0))
        refused = wait_for(
            lambda: (
                (found := condition(live.get(late), "Placed")).get("reason") == "Unplaceable"
                and found
            ),
            "the cordon to be named",
        )
        assert "alpha" in json.dumps(refused)
        assert (sites_of(live.get(there)), reasons(live.get(there))) == (["alpha"], ["Placed"])
    finally:
        live.cli("uncordon", "alpha")
    live.wait_phase(late, "Succeeded")


def test_the_next_run_waits_for_the_last_pod_and_a_deletion_does_not(
    live: Live, namespace: str, create: Create, operator: Operator
) -> None:
    """A finalizer keeps the pods, as a node that is dead would."""
    path, member = f"/api/v1/namespaces/{namespace}/pods", live.members["alpha"].api

    def hold(*own: str) -> None:
        for pod in member.get(path)["items"]:
            others = [one for one in pod["metadata"].get("finalizers", []) if one != HOLD]
            change = {"metadata": {"finalizers": [*others, *own]}}
            member.patch(f"{path}/{pod['metadata']['name']}", change)

    spec = movable(accelerator={"vendors": ["nvidia"]}, chips=1)
    made = [create(job(name, namespace, site="alpha", **spec)) for name in ("goes", "deleted")]
    for workload in made:
        live.wait_phase(workload, "Running")
    hold(HOLD)
    for workload in made:
        live.patch(workload, {"spec": {"suspend": True}})
    for workload in made:
        wait_for(
            lambda workload=workload: (
                condition(live.get(workload), "Placed").get("reason") == "Evicting"
            ),
            "it to be evicted",
        )
    goes, deleted = made
    live.patch(goes, {"spec": {"suspend": False}})
    cycles = metric(operator, "tradewind_cycles_total")
    wait_for(lambda: metric(operator, "tradewind_cycles_total") > cycles + 3, "cycles to go by")
    assert reasons(live.get(goes)) == ["Placed", "Suspended"]
    live.remove([deleted])
    assert sites_of(live.get(goes)) == ["alpha"]
    hold()
    again = live.wait_phase(goes, "Running")
    assert reasons(again) == ["Placed", "Suspended", "Placed"]


def test_a_move_to_a_site_that_refuses_the_object_is_undone(
    live: Live, namespace: str, apply: Apply, create: Create
) -> None:
    """Somebody else's Job bears its name at the target."""
    apply("PlacementPolicy", "eager", rebalance={"minSaving": 0.5, "cooldown": "1s"})
    with cpu_prices(live, alpha=1, beta=9) as charge:
        spec = movable(policy="eager", failover={"after": "2s"})
        workload = create(job("taken", namespace, **spec))
        placed = wait_for(running_at(live, workload, "alpha"), "the work to run where it is cheap")
        [ours] = live.children("alpha", placed)
        there = live.members["beta"].api
        there.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        foreign = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": ours["metadata"]["name"]},
            "spec": {"suspend": True, "template": {"spec": ours["spec"]["template"]["spec"]}},
        }
        there.post(f"/apis/batch/v1/namespaces/{namespace}/jobs", foreign)
        charge(alpha=9, beta=1)
        wait_for(lambda: "Refused" in reasons(live.get(workload)), "the move to be taken back")
        back = wait_for(running_at(live, workload, "alpha"), "the work to run where it was")
        assert reasons(back) == ["Placed", "Moved", "Placed", "Refused", "Placed"]
        refused = back["status"]["decision"]["refused"]
        assert [(entry["reason"], entry["sites"]) for entry in refused] == [
            ("RefusedBySite", ["beta"])
        ]
        assert "ForeignObject" in events_of(live, workload)["Refused"]


def test_the_cool_down_outlives_the_operator(
    live: Live, namespace: str, apply: Apply, operator: Operator
) -> None:
    """What another process moved is not moved back before its time, and after it is."""
    apply("PlacementPolicy", "calm", rebalance={"minSaving": 0.5, "cooldown": "1s"})
    with cpu_prices(live, alpha=1, beta=9) as charge:
        workload = live.create(job("calm", namespace, **movable(policy="calm")))
        wait_for(running_at(live, workload, "alpha"), "the work to run where it is cheap")
        charge(alpha=9, beta=1)
        wait_for(running_at(live, workload, "beta"), "the work to move")
        apply("PlacementPolicy", "calm", rebalance={"minSaving": 0.5, "cooldown": "1h"})
        operator.stop()
        charge(alpha=1, beta=9)
        with live.operator(
            TRADEWIND_PLANNING__REPLAN_SECONDS="1", TRADEWIND_PLANNING__REBALANCE_SECONDS="1"
        ) as second:
            cycles = metric(second, "tradewind_cycles_total")
            wait_for(
                lambda: metric(second, "tradewind_cycles_total") > cycles + 3, "cycles to go by"
            )
            assert sites_of(live.get(workload)) == ["beta"]
            apply("PlacementPolicy", "calm", rebalance={"minSaving": 0.5, "cooldown": "1s"})
            back = wait_for(running_at(live, workload, "alpha"), "the work to move back")
            assert reasons(back) == ["Placed", "Moved", "Placed", "Moved", "Placed"]
            live.remove([workload])
