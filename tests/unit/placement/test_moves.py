"""When running work is moved, told as small stories in a world that does what plans say."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.builders import (
    NOW,
    PRICES,
    SiteBuilder,
    WorkloadBuilder,
    queue,
    quota,
    site,
    snapshot,
    workload,
)
from tests.world import World

from tradewind.api.policy import PolicySpec, Rebalance
from tradewind.api.queue import PreemptionRule
from tradewind.placement.engine import plan
from tradewind.placement.plan import Eviction
from tradewind.placement.snapshot import SiteName, Uid, WorkloadView

MOVING = PRICES.model_copy(
    update={
        "rebalance": Rebalance(min_saving=0.2, cooldown=3600, max_concurrent_moves=2),
        "move_per_accelerator_hour": 2.0,
    }
)


def place(name: str, price: float, nodes: int = 1) -> SiteBuilder:
    return site(name).nodes(nodes, h100=8).charges(h100=price)


def train(
    name: str = "train", *, hours: float = 100, checkpoint_m: float | None = 30
) -> WorkloadBuilder:
    interval = None if checkpoint_m is None else checkpoint_m * 60
    return workload(name).gang(1, chips=8).lasts(hours, checkpoint_s=interval)


def world(*sites: SiteBuilder, prices: PolicySpec = MOVING, **queues: object) -> World:
    return World(sites, queues, prices=prices)  # type: ignore[arg-type]


def started(found: World, *work: WorkloadBuilder, hours: float = 2) -> World:
    """The work runs at the first site, where it was put while nothing else was there."""
    others = {name: view for i, (name, view) in enumerate(found.sites.items()) if i}
    for name, view in others.items():
        found.sites[name] = replace(view, unschedulable=True)
    found.submit(*work)
    found.cycle(minutes=hours * 60)
    found.sites.update(others)
    return found


def moves(found: World) -> list[Eviction]:
    return list(found.cycle(rebalance=True).evictions)


def test_work_moves_to_where_the_rest_of_it_costs_much_less() -> None:
    found = started(world(place("dear", 5), place("cheap", 1)), train())
    (move,) = moves(found)
    assert (move.uid, move.reason, move.site, move.target) == (
        "uid-train",
        "Moved",
        "dear",
        "cheap",
    )
    assert move.message.startswith("what is left costs ")
    found.settle()
    assert found.at_work == {"train": "cheap"}
    assert moves(found) == []


@pytest.mark.parametrize("price", [4.6, 5.0, 9.0])
def test_a_small_saving_moves_nothing(price: float) -> None:
    assert moves(started(world(place("here", 5), place("there", price)), train())) == []


def test_work_without_checkpoints_stays() -> None:
    found = started(world(place("dear", 5), place("cheap", 1)), train(checkpoint_m=None))
    assert moves(found) == []


def test_what_is_left_of_a_split_stays() -> None:
    """Two of its three pods are being placed anew; the one that runs is no whole that could go."""
    found = started(world(place("dear", 5), place("cheap", 1)), train())
    view = found.running[Uid("uid-train")]
    (pods,) = view.demand.pods
    three = replace(view.demand, pods=(replace(pods, count=3),))
    found.running[view.uid] = replace(view, demand=three)
    assert moves(found) == []


def test_a_policy_without_rebalancing_moves_nothing() -> None:
    assert moves(started(world(place("a", 5), place("b", 1), prices=PRICES), train())) == []


def test_nothing_moves_unless_it_is_asked() -> None:
    found = started(world(place("dear", 5), place("cheap", 1)), train())
    assert found.cycle().evictions == ()


def test_work_that_is_nearly_done_stays() -> None:
    """Half an hour is lost by moving; less than that is left."""
    found = started(world(place("dear", 5), place("cheap", 1)), train(hours=6), hours=2)
    assert moves(found) == []


def test_work_of_unknown_length_has_its_mean_left_however_long_it_ran() -> None:
    """Nearly its mean is behind it, and its mean is still to be expected."""
    found = world(place("dear", 5), place("cheap", 1))
    begun = train().lasts(100, checkpoint_s=1800, mean_only=True).but(done_s=99.5 * 3600)
    assert [move.target for move in moves(started(found, begun))] == ["cheap"]


def test_what_its_checkpoints_hold_is_not_run_again() -> None:
    """It was interrupted near its end: what is left is too little for a move."""
    found = world(place("dear", 5), place("cheap", 1))
    assert moves(started(found, train(hours=100).but(done_s=99.5 * 3600), hours=0.1)) == []


def test_where_there_is_no_room_nothing_moves() -> None:
    found = started(world(place("dear", 5), place("cheap", 1, nodes=0)), train())
    assert moves(found) == []


def test_work_that_just_came_stays_for_the_cooldown() -> None:
    found = started(world(place("dear", 5), place("cheap", 1)), train(), hours=0.9)
    assert moves(found) == []
    found.now += timedelta(minutes=10)
    assert len(moves(found)) == 1


def test_it_moves_again_only_after_the_cooldown() -> None:
    found = started(world(place("dear", 5), place("cheap", 1)), train())
    view = found.running[Uid("uid-train")]
    found.running[view.uid] = replace(view, moved_at=found.now - timedelta(minutes=59))
    assert moves(found) == []


def test_only_so_many_move_at_once_and_the_greatest_saving_goes_first() -> None:
    found = started(
        world(place("dear", 5, nodes=4), place("cheap", 1, nodes=4)),
        *(train(f"t{hours}", hours=hours) for hours in (50, 100, 200, 400)),
    )
    assert {move.uid for move in moves(found)} == {"uid-t400", "uid-t200"}
    assert moves(found) == []  # they are under way
    found.settle()
    assert {move.uid for move in moves(found)} == {"uid-t100", "uid-t50"}


def test_two_never_get_the_same_room() -> None:
    found = started(
        world(place("dear", 5, nodes=2), place("cheap", 1, nodes=1)), train("a"), train("b")
    )
    assert len(moves(found)) == 1


def test_the_target_is_kept_until_the_work_is_there() -> None:
    found = started(world(place("dear", 5), place("cheap", 1)), train())
    moves(found)
    found.submit(train("late").but(created=NOW + timedelta(hours=9)))
    during = found.cycle()
    assert not during.assignments
    found.settle()
    assert found.at_work == {"train": "cheap", "late": "dear"}


def test_a_higher_priority_goes_before_it_there() -> None:
    found = started(world(place("dear", 5), place("cheap", 1)), train())
    moves(found)
    found.submit(train("urgent").but(priority=1))
    found.settle()
    assert found.at_work == {"urgent": "cheap", "train": "dear"}


def test_a_draining_site_is_left_whatever_it_costs() -> None:
    found = started(world(place("old", 1), place("dear", 50), prices=PRICES), train(), hours=0.1)
    old = found.sites["old"]  # type: ignore[index]
    found.sites["old"] = replace(old, draining=True, unschedulable=True)  # type: ignore[index]
    (move,) = moves(found)
    assert (move.reason, move.target) == ("Drained", "dear")
    assert move.message == "old is being drained: moves to dear"
    found.settle()
    assert found.at_work == {"train": "dear"}


def test_draining_goes_before_saving() -> None:
    found = started(
        world(place("dear", 5, nodes=3), place("cheap", 1, nodes=3)),
        train("a", hours=900),
        train("b", hours=900),
    )
    far = replace(place("far", 2).view, name="far")
    found.sites["far"] = far  # type: ignore[index]
    found.nodes["far"] = []  # type: ignore[index]
    found.submit(train("c", hours=10))
    found.cycle()
    assert found.at_work["c"] == "cheap"
    cheap = found.sites["cheap"]  # type: ignore[index]
    found.sites["cheap"] = replace(cheap, draining=True, unschedulable=True)  # type: ignore[index]
    assert [move.uid for move in moves(found)] == ["uid-c"]


def test_work_without_checkpoints_ends_on_a_draining_site() -> None:
    found = started(world(place("old", 1), place("new", 1)), train(checkpoint_m=None))
    old = found.sites["old"]  # type: ignore[index]
    found.sites["old"] = replace(old, draining=True, unschedulable=True)  # type: ignore[index]
    assert moves(found) == []


def test_a_move_keeps_the_queues_quota() -> None:
    """On another class the queue may hold nothing."""
    there = site("there").nodes(1, a100=8).charges(a100=0.01)
    limits = queue(quota(8, 0, "h100"), quota(0, 0, "a100"))
    kept = started(world(place("here", 9), there, q=limits), train().but(queue="q"))
    free = started(world(place("here", 9), there), train())
    assert (moves(kept), len(moves(free))) == ([], 1)


def test_where_very_much_runs_the_cycles_look_at_it_by_turns_and_at_draining_sites_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tradewind.placement.moves.MOST_LOOKED_AT", 4)
    policy = MOVING.model_copy(update={"rebalance": Rebalance(max_concurrent_moves=20)})
    running = [train(f"t{n}").at("dear", ago_h=2).view for n in range(12)]
    sites = [place("dear", 5, nodes=12), place("cheap", 1, nodes=12)]

    def moved(serial: int, works: list[WorkloadView], *, drain: bool = False) -> set[str]:
        found = snapshot(
            [sites[0].but(draining=drain), sites[1]],
            running=works,
            prices=policy,
            rebalance=True,
            serial=serial,
        )
        return {move.uid for move in plan(found, NOW).evictions}

    turns = [moved(serial, running) for serial in range(3)]
    assert set.union(*turns) == {work.uid for work in running}
    assert sum(map(len, turns)) == 12
    assert moved(1, running[::-1]) == turns[1]
    assert moved(0, running, drain=True) == {work.uid for work in running}


def test_who_has_to_go_anyway_is_not_moved_too() -> None:
    lower = queue(preemption=PreemptionRule.LOWER_PRIORITY)
    found = started(world(place("dear", 5), place("cheap", 1), q=lower), train())
    only = frozenset({SiteName("dear")})
    found.submit(train("urgent").but(queue="q", priority=1).only(pinned_to=only))
    assert [(move.uid, move.reason) for move in moves(found)] == [("uid-train", "Preempted")]
