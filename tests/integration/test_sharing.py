"""Queues, preemption, prices and drains on real clusters, as users see them.

Beta's sixteen Ascend chips are what is short here; the tests take turns with them.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from tests.live import (
    API,
    Apply,
    Ledger,
    Live,
    Operator,
    condition,
    events_of,
    job,
    path_of,
    reasons,
    sites_of,
    wait_for,
)

HUAWEI = {"vendors": ["huawei"]}
#: All of beta's Ascend chips, in pods of eight.
ALL = {"accelerator": HUAWEI, "chips": 8, "pods": 2}
ENDLESS = "1h"

Object = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def operator(live: Live) -> Iterator[Operator]:
    with live.operator(
        TRADEWIND_PLANNING__REPLAN_SECONDS="2", TRADEWIND_PLANNING__REBALANCE_SECONDS="2"
    ) as operator:
        live.wait_sites("alpha", "beta")
        yield operator


def test_higher_priority_takes_the_room_of_lower_which_goes_on_afterwards(
    live: Live, namespace: str, apply: Apply, create: Callable[[Object], Object]
) -> None:
    apply("ComputeQueue", "urgent", preemption="LowerPriority")
    with Ledger([live.members["beta"]]) as ledger:
        checkpoint = {"runtime": {"checkpoint": {"interval": "1s"}}}
        low = create(job("low", namespace, run_for=ENDLESS, **ALL, **checkpoint))
        live.wait_phase(low, "Running")
        high = create(job("high", namespace, run_for="2s", priority=10, queue="urgent", **ALL))
        live.wait_phase(high, "Succeeded")
        again = live.wait_phase(low, "Running")
        assert reasons(again)[-2:] == ["Preempted", "Placed"]
        assert again["status"]["epoch"] == 2
        assert again["status"]["doneSeconds"] > 0
        assert ledger.seen[low["metadata"]["uid"]] == 2
        assert ledger.seen[high["metadata"]["uid"]] == 1
    told = live.hub.kubectl("get", "events", "-n", namespace, "-o", "json")
    events = [(one["reason"], one["regarding"]["name"] if "regarding" in one else
               one["involvedObject"]["name"]) for one in json.loads(told)["items"]]  # fmt: skip
    assert ("Preempted", "low") in events


def test_a_quota_holds_back_what_is_beyond_it_and_says_so_with_numbers(
    live: Live, namespace: str, apply: Apply, create: Callable[[Object], Object]
) -> None:
    quota = {"vendor": "huawei", "nominal": 8, "borrowingLimit": 0}
    apply("ComputeQueue", "small", quotas=[quota])
    half = {"accelerator": HUAWEI, "chips": 8, "queue": "small"}
    first = create(job("first", namespace, run_for=ENDLESS, **half))
    live.wait_phase(first, "Running")
    second = create(job("second", namespace, run_for="1s", **half))
    told = wait_for(
        lambda: (
            (found := condition(live.get(second), "QuotaReserved"))
            and found["reason"] == "QuotaExceeded"
            and found
        ),
        "the quota to be named",
    )
    assert "8" in told["message"]
    assert condition(live.get(first), "QuotaReserved")["status"] == "True"

    def queue() -> Object | None:
        status = live.hub.api.get(f"{API}/computequeues/small").get("status", {})
        return status if status.get("heldAccelerators") == 8 and status.get("pending") else None

    status = wait_for(queue, "the queue to tell what it holds")
    [line] = status["quotas"]
    assert (line["held"], line["nominal"], line["borrowed"]) == (8, 8, 0)
    live.hub.api.delete(path_of(first))
    live.wait_phase(second, "Succeeded")


def test_two_queues_share_what_is_short(
    live: Live, namespace: str, apply: Apply, create: Callable[[Object], Object]
) -> None:
    """Four slots of four chips come free at once; one queue was there first with all its work."""
    apply("ComputeQueue", "red", weight=1)
    apply("ComputeQueue", "blue", weight=1)
    blocker = create(job("blocker", namespace, run_for=ENDLESS, **ALL))
    live.wait_phase(blocker, "Running")
    slot = {"accelerator": HUAWEI, "chips": 4, "run_for": ENDLESS}
    made = {
        colour: [create(job(f"{colour}{n}", namespace, queue=colour, **slot)) for n in range(4)]
        for colour in ("red", "blue")
    }
    for works in made.values():
        live.wait_phase(works[-1], "Pending")
    live.hub.api.delete(path_of(blocker))

    def placed() -> dict[str, int] | None:
        found = {
            colour: sum(bool(sites_of(live.get(work))) for work in works)
            for colour, works in made.items()
        }
        return found if sum(found.values()) == 4 else None

    assert wait_for(placed, "four of them to be placed") == {"red": 2, "blue": 2}


def test_a_spent_budget_places_nothing_new_and_says_so(
    live: Live, namespace: str, apply: Apply, create: Callable[[Object], Object]
) -> None:
    apply("ComputeQueue", "poor", budget={"monthlyUSD": 0})
    work = create(job("waits", namespace, queue="poor"))
    wait_for(
        lambda: condition(live.get(work), "QuotaReserved").get("reason") == "BudgetExceeded",
        "the budget to be named",
    )
    wait_for(
        lambda: (
            condition(live.hub.api.get(f"{API}/computequeues/poor"), "BudgetExceeded").get("status")
            == "True"
        ),
        "the queue to say that its budget is spent",
    )
    queue = live.hub.api.get(f"{API}/computequeues/poor")
    note = wait_for(
        lambda: events_of(live, queue, "default").get("BudgetExceeded"), "the Event about the queue"
    )
    assert note.startswith("0.00 of 0 USD in ")


def test_a_price_changed_by_kubectl_apply_changes_the_next_decision_and_the_what_if_knows(
    live: Live, namespace: str, apply: Apply, create: Callable[[Object], Object]
) -> None:
    """Alpha is clean and, for this test, dear."""
    dear = {"spec": {"pricing": {"acceleratorHour": {"nvidia-h100-sxm": 30}}}}
    live.hub.api.patch(f"{API}/computesites/alpha", dear)
    chips = {"classes": ["nvidia-h100-sxm", "amd-mi300x"]}

    def decide(name: str) -> str:
        workload = job(name, namespace, run_for="1s", accelerator=chips, policy="ours")
        path = live.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(workload))
        told = json.loads(live.cli("plan", "-f", str(path), "-o", "json"))
        [planned] = told["plans"]
        done = live.wait_phase(create(workload), "Succeeded")
        [site] = sites_of(done)
        assert [part["site"] for part in planned["placements"]] == [site]
        assert planned["decision"]["costUSD"] == pytest.approx(
            done["status"]["decision"]["costUSD"], rel=0.05
        )
        return site

    try:
        apply("PlacementPolicy", "ours", carbonPerTonne=0)
        assert decide("cheap") == "beta"
        apply("PlacementPolicy", "ours", carbonPerTonne=1e6)
        assert decide("clean") == "alpha"
    finally:
        live.hub.api.patch(f"{API}/computesites/alpha", {"spec": {"pricing": None}})


def test_a_site_that_is_drained_gets_nothing_new_and_says_what_is_left(
    live: Live, namespace: str, create: Callable[[Object], Object]
) -> None:
    stays = create(job("stays", namespace, chips=0, run_for=ENDLESS))
    [site] = sites_of(live.wait_phase(stays, "Running"))
    try:
        live.cli("drain", site)
        told = wait_for(lambda: condition(live.site(site), "Drained"), "what is left to be told")
        assert (told["status"], told["reason"]) == ("False", "Draining")
        assert f"{namespace}/stays" in told["message"]
        [elsewhere] = sites_of(live.wait_phase(create(job("new", namespace, chips=0)), "Succeeded"))
        assert elsewhere != site
        assert sites_of(live.get(stays)) == [site]
        live.hub.api.delete(path_of(stays))
        live.cli("drain", site, "--wait", "40")
    finally:
        live.cli("uncordon", site)
    wait_for(lambda: not condition(live.site(site), "Drained"), "the drain to be forgotten")
