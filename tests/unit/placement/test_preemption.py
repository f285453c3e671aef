"""Who has to go, and for whom, told as small stories in a world that does what plans say."""

from datetime import timedelta

import pytest
from tests.builders import H100, NOW, WorkloadBuilder, queue, quota, site, workload
from tests.world import World

from tradewind.api.queue import PreemptionRule

ANY, NEVER = PreemptionRule.ANY, PreemptionRule.NEVER
LOWER, RECLAIM = PreemptionRule.LOWER_PRIORITY, PreemptionRule.RECLAIM
ONE = site("s").nodes(1, h100=8)
TWO = site("s").nodes(2, h100=8)


def job(
    name: str, chips: int = 8, *, of: str = "a", priority: int = 0, checkpoint_m: float | None = 30
) -> WorkloadBuilder:
    interval = None if checkpoint_m is None else checkpoint_m * 60
    work = workload(name).gang(1, chips=chips).lasts(24, checkpoint_s=interval)
    return work.but(queue=of, priority=priority)


def told(world: World) -> list[tuple[str, str, str]]:
    """(victim, reason, for whom) of all evictions so far."""
    return [
        (e.uid.removeprefix("uid-"), e.reason, (e.by or "").removeprefix("uid-"))
        for found in world.log
        for e in found.evictions
    ]


def test_a_higher_priority_takes_the_place_of_a_lower_one_and_the_victim_waits() -> None:
    world = World([ONE], {"a": queue(preemption=LOWER)})
    world.submit(job("low"))
    world.cycle()
    world.submit(job("high", priority=1))
    world.settle()
    assert world.at_work == {"high": "s"}
    assert told(world) == [("low", "Preempted", "high")]
    assert world.names(world.pending) == {"low"}


@pytest.mark.parametrize("rule", [NEVER, RECLAIM])
def test_without_the_rule_nobody_has_to_go(rule: PreemptionRule) -> None:
    world = World([ONE], {"a": queue(preemption=rule)})
    world.submit(job("low"))
    world.cycle()
    world.submit(job("high", priority=1))
    world.settle()
    assert (world.at_work, told(world)) == ({"low": "s"}, [])


def test_work_without_a_queue_takes_nobodys_place() -> None:
    world = World([ONE])
    world.submit(job("low", of=""))
    world.cycle()
    world.submit(job("high", of="", priority=1))
    world.settle()
    assert world.at_work == {"low": "s"}


def test_an_equal_priority_is_never_taken() -> None:
    world = World([ONE], {"a": queue(preemption=ANY)})
    world.submit(job("first"))
    world.cycle()
    world.submit(job("second"))
    world.settle()
    assert told(world) == []


def test_where_there_is_room_nobody_has_to_go() -> None:
    dear = site("dear").nodes(1, h100=8).charges(h100=50)
    world = World([ONE, dear], {"a": queue(preemption=ANY)})
    world.submit(job("low"))
    world.cycle()
    world.submit(job("high", priority=1))
    world.settle()
    assert (world.at_work, told(world)) == ({"low": "s", "high": "dear"}, [])


def test_the_lowest_priority_goes_first() -> None:
    world = World([TWO], {"a": queue(preemption=LOWER)})
    world.submit(job("lower", priority=1), job("low", priority=2))
    world.cycle()
    world.submit(job("high", priority=3))
    world.settle()
    assert told(world) == [("lower", "Preempted", "high")]


def test_few_victims_rather_than_many() -> None:
    world = World([TWO], {"a": queue(preemption=LOWER)})
    world.submit(job("four1", 4), job("four2", 4), job("eight", 8))
    world.cycle()
    world.submit(job("high", priority=1))
    world.settle()
    assert told(world) == [("eight", "Preempted", "high")]


def test_the_youngest_of_equals_goes() -> None:
    world = World([TWO], {"a": queue(preemption=LOWER)})
    world.submit(job("old"))
    world.cycle(minutes=60)
    world.submit(job("young"))
    world.cycle()
    world.submit(job("high", priority=1))
    world.settle()
    assert told(world) == [("young", "Preempted", "high")]


def test_what_loses_more_than_its_checkpoints_allow_is_spared_when_another_will_do() -> None:
    """The one without checkpoints is younger, and stays."""
    world = World([TWO], {"a": queue(preemption=LOWER)})
    world.submit(job("kept"))
    world.cycle(minutes=60)
    world.submit(job("lost", checkpoint_m=None))
    world.cycle(minutes=60)
    world.submit(job("high", priority=2))
    world.settle()
    assert told(world) == [("kept", "Preempted", "high")]


def test_it_goes_when_no_other_will_do() -> None:
    world = World([ONE], {"a": queue(preemption=LOWER)})
    world.submit(job("lost", checkpoint_m=None))
    world.cycle(minutes=60)
    world.submit(job("high", priority=2))
    found = world.cycle()
    (eviction,) = found.evictions
    assert eviction.message == (
        "makes room for research/high at s (priority 2 over 0); loses at most 60 min of its run"
    )


def test_pods_on_the_same_node_are_seen_to_leave_a_whole_one() -> None:
    world = World([ONE], {"a": queue(preemption=LOWER)})
    world.submit(*(job(f"two{i}", 2) for i in range(4)))
    world.cycle()
    world.submit(job("high", 8, priority=1))
    world.settle()
    assert world.at_work == {"high": "s"}


def test_where_nobody_tells_which_nodes_no_whole_one_is_promised() -> None:
    world = World([ONE], {"a": queue(preemption=LOWER)}, tells_nodes=False)
    world.submit(*(job(f"two{i}", 2) for i in range(4)))
    world.cycle()
    world.submit(job("big", 8, priority=1), job("small", 2, priority=2))
    world.settle()
    assert told(world) == [("two0", "Preempted", "small")]


def test_only_those_go_whose_nodes_help() -> None:
    """Half of each node is taken by somebody who stays: the two on one node must go together."""
    world = World([TWO], {"a": queue(preemption=LOWER)})
    world.submit(job("stays", 4, priority=5))
    world.cycle()
    world.submit(job("a1", 4))
    world.cycle()
    world.submit(job("b1", 4), job("b2", 4))
    world.cycle()
    world.submit(job("high", 8, priority=1))
    world.settle()
    assert {victim for victim, _, _ in told(world)} == {"b1", "b2"}


def test_a_queue_takes_back_what_was_borrowed_whatever_the_priority() -> None:
    queues = {"a": queue(quota(8)), "b": queue(quota(8), preemption=RECLAIM)}
    world = World([TWO], queues)
    world.submit(job("a1", priority=9), job("a2", priority=9))
    world.cycle()
    world.submit(job("b1", of="b"))
    world.settle()
    assert sorted(world.at_work) in (["a1", "b1"], ["a2", "b1"])
    ((victim, reason, by),) = told(world)
    assert (victim[0], reason, by) == ("a", "Reclaimed", "b1")


def test_no_more_is_taken_back_than_was_borrowed() -> None:
    queues = {"a": queue(quota(8)), "b": queue(quota(16), preemption=ANY)}
    world = World([TWO], queues)
    world.submit(job("a1"), job("a2"))
    world.cycle()
    world.submit(job("b1", of="b", priority=9), job("b2", of="b", priority=9))
    world.settle()
    assert sorted(name[0] for name in world.at_work) == ["a", "b"]


def test_work_without_a_promise_yields_to_a_promise() -> None:
    world = World([ONE], {"b": queue(quota(8), preemption=RECLAIM)})
    world.submit(job("free", of="", priority=9))
    world.cycle()
    world.submit(job("b1", of="b"))
    world.settle()
    assert world.at_work == {"b1": "s"}


def test_a_borrower_takes_nothing_back() -> None:
    queues = {"a": queue(quota(8)), "b": queue(quota(0), preemption=RECLAIM, weight=0.01)}
    world = World([TWO], queues)
    world.submit(job("a1"), job("a2"))
    world.cycle()
    world.submit(job("b1", of="b"))
    world.settle()
    assert told(world) == []


def test_queues_without_quotas_take_back_their_share() -> None:
    four = site("s").nodes(4, h100=8)
    world = World([four], {"a": queue(), "b": queue(preemption=RECLAIM)})
    world.submit(*(job(f"a{i}") for i in range(4)))
    world.cycle()
    world.submit(*(job(f"b{i}", of="b") for i in range(4)))
    world.settle()
    assert sorted(name[0] for name in world.at_work) == ["a", "a", "b", "b"]


def test_a_share_is_never_taken_back_from_a_higher_priority() -> None:
    world = World([TWO], {"a": queue(), "b": queue(preemption=RECLAIM)})
    world.submit(job("a1", priority=1), job("a2", priority=1))
    world.cycle()
    world.submit(job("b1", of="b"))
    world.settle()
    assert told(world) == []


def test_a_queue_at_its_limit_gives_up_lesser_work_of_its_own_even_elsewhere() -> None:
    """There is room; what is missing is quota, and that is held at another site."""
    near = site("near").nodes(1, h100=8).charges(h100=1)
    far = site("far").nodes(1, h100=8).charges(h100=9)
    world = World([near, far], {"a": queue(quota(8, 0), preemption=LOWER)})
    world.submit(job("low"))
    world.cycle()
    assert world.at_work == {"low": "near"}
    world.submit(job("high", priority=1).only(pinned_to=frozenset({"far"})))
    world.settle()
    assert world.at_work == {"high": "far"}
    assert told(world) == [("low", "Preempted", "high")]


def test_room_that_is_made_is_kept_from_lesser_work() -> None:
    world = World([ONE], {"a": queue(preemption=LOWER)})
    world.submit(job("low"))
    world.cycle()
    world.submit(job("high", priority=2))
    world.cycle()  # low is told to go
    world.submit(job("quick", 4, priority=1))
    found = world.cycle()  # low's pods stand still
    assert not found.assignments
    assert not found.evictions
    world.settle()
    assert world.at_work == {"high": "s"}


def test_who_waits_for_victims_asks_for_no_more() -> None:
    world = World([TWO], {"a": queue(preemption=LOWER)})
    world.submit(job("low1"), job("low2"))
    world.cycle()
    world.submit(job("high", priority=2))
    world.settle()
    assert len(told(world)) == 1


def test_two_may_share_the_room_of_one_victim() -> None:
    world = World([TWO], {"a": queue(preemption=LOWER)})
    world.submit(job("low1"), job("low2"))
    world.cycle()
    world.submit(job("four1", 4, priority=1), job("four2", 4, priority=1))
    world.settle()
    assert len(told(world)) == 1
    assert {"four1", "four2"} <= world.at_work.keys()


def test_nobody_makes_room_that_somebody_before_it_would_take() -> None:
    """The one before may not preempt: it would get what each of the other's victims leaves."""
    world = World([ONE], {"a": queue(preemption=LOWER), "b": queue(preemption=NEVER)})
    world.submit(job("low"))
    world.cycle()
    world.submit(job("first", of="b", priority=5), job("second", priority=4))
    world.settle()
    assert told(world) == []


def test_work_that_has_not_begun_to_run_loses_nothing() -> None:
    world = World([TWO], {"a": queue(preemption=LOWER)})
    world.submit(job("begun", checkpoint_m=None), job("fresh", checkpoint_m=None))
    world.cycle(minutes=60)
    fresh = world.running.pop("uid-fresh")  # type: ignore[call-overload]
    part = fresh.current[0]
    world.running["uid-fresh"] = type(fresh)(  # type: ignore[index]
        **{
            **{name: getattr(fresh, name) for name in type(fresh).__slots__},
            "current": (type(part)(part.site, H100, 1, 1, None),),
        }
    )
    world.submit(job("high", priority=1))
    world.cycle()
    assert told(world) == [("fresh", "Preempted", "high")]
    assert world.now > NOW + timedelta(hours=1)
