"""What must hold of sharing, whatever the queues want: nobody gets too much, and there is rest."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from tests.builders import H100, NOW, WorkloadBuilder, queue, quota, site, snapshot, workload
from tests.strategies import sometimes
from tests.world import World

from tradewind.api.policy import PolicySpec, Rebalance
from tradewind.api.queue import Budget, PreemptionRule, QueueSpec
from tradewind.placement.budgets import bill_usd
from tradewind.placement.engine import plan
from tradewind.placement.snapshot import QueueView, WorkloadView

NAMES = ("a", "b", "c")


@st.composite
def queue_views(draw: st.DrawFn) -> QueueView:
    nominal = st.sampled_from((0, 4, 8, 16))
    borrow = st.sampled_from((None, 0, 4, 8))
    which = st.sampled_from(({}, {"class_name": "h100"}, {"vendor": "nvidia"}))
    quotas = [
        quota(draw(nominal), draw(borrow), **draw(which)) for _ in range(draw(st.integers(0, 2)))
    ]
    return queue(
        *quotas,
        weight=draw(st.sampled_from((0.5, 1.0, 3.0))),
        preemption=draw(st.sampled_from(list(PreemptionRule))),
    )


@st.composite
def jobs(draw: st.DrawFn, name: str, age_s: int) -> WorkloadBuilder:
    work = workload(name, age_s=age_s).gang(
        draw(st.sampled_from((1, 1, 1, 2, 3))), chips=draw(st.sampled_from((1, 2, 4, 4, 8)))
    )
    checkpoint = draw(st.sampled_from((None, 600.0, 3600.0)))
    return work.lasts(24, checkpoint_s=checkpoint).but(
        queue=draw(st.sampled_from((*NAMES, ""))), priority=draw(st.integers(0, 2))
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    sites = [
        site(f"s{i}")
        .nodes(draw(st.integers(1, 2)), h100=draw(st.sampled_from((8, 8, 4))))
        .charges(h100=1 + i)
        for i in range(draw(st.integers(1, 2)))
    ]
    queues = {name: draw(queue_views()) for name in NAMES}
    return World(sites, queues, tells_nodes=draw(sometimes(st.just(False), True)))


def batches(draw: st.DrawFn) -> list[list[WorkloadBuilder]]:
    count = 0
    found = []
    for _ in range(draw(st.integers(1, 3))):
        batch = []
        for _ in range(draw(st.integers(1, 4))):
            batch.append(draw(jobs(f"w{count}", 1000 - count)))
            count += 1
        found.append(batch)
    return found


submissions = st.composite(batches)()


def limit_holds(world: World) -> None:
    """No queue holds more of a quota than its limit; all chips of these worlds are H100."""
    for name, view in world.queues.items():
        held = world.held_units(name)
        for line in view.spec.quotas:
            if line.borrowing_limit is not None:
                assert held <= line.nominal + line.borrowing_limit


@given(worlds(), submissions)
def test_quotas_hold_victims_are_fair_and_there_is_rest(
    world: World, waves: list[list[WorkloadBuilder]]
) -> None:
    for wave in waves:
        world.submit(*wave)
        for _ in range(2):
            running = dict(world.running)
            held = {name: world.held_units(name) for name in world.queues}
            leaving = dict.fromkeys(world.queues, 0)
            for view, _ in world.leaving.values():
                if view.queue in leaving:
                    leaving[view.queue] += _units(view)
            found = world.cycle()
            limit_holds(world)
            gone = dict.fromkeys(world.queues, 0)
            for eviction in found.evictions:
                victim = running[eviction.uid]
                taker = world.pending[eviction.by]  # type: ignore[index]
                rule = world.queues[taker.queue].spec.preemption
                if eviction.reason == "Preempted":
                    assert victim.priority < taker.priority
                    assert rule in (PreemptionRule.LOWER_PRIORITY, PreemptionRule.ANY)
                else:
                    assert rule in (PreemptionRule.RECLAIM, PreemptionRule.ANY)
                    assert victim.queue != taker.queue
                if victim.queue and victim.queue != taker.queue:
                    quotas = world.queues[victim.queue].spec.quotas
                    holds = held[victim.queue] - leaving[victim.queue] - gone[victim.queue]
                    assert not quotas or any(holds > line.nominal for line in quotas)
                if victim.queue:
                    gone[victim.queue] += _units(victim)
    world.settle(40)
    limit_holds(world)


def _units(view: WorkloadView) -> int:
    return sum(pod.count * pod.accelerators for pod in view.demand.pods)


@given(worlds(), st.lists(jobs("x", 0), min_size=4, max_size=8), jobs("last", 0))
def test_no_victim_is_unnecessary(
    world: World, work: list[WorkloadBuilder], last: WorkloadBuilder
) -> None:
    world.tells_nodes = True  # else it counts with less than the victims leave
    name = last.view.queue or "a"
    world.queues[name] = queue(preemption=PreemptionRule.LOWER_PRIORITY)
    world.submit(*(job.but(uid=f"uid-{i}", name=str(i)) for i, job in enumerate(work)))
    world.cycle()
    world.pending.clear()
    world.submit(last.but(priority=3, queue=name))
    found = plan(world.snapshot(), world.now)
    assume(found.evictions)
    victims = [e.uid for e in found.evictions]
    for spared in victims:
        # As if the others had never been there; it must still not fit.
        rest = _without(world, set(victims) - {spared})
        again = plan(rest.snapshot(), world.now)
        assert not again.assignments


def _without(world: World, gone: set[str]) -> World:
    rest = World([], world.queues, tells_nodes=world.tells_nodes)
    rest.sites = world.sites
    rest.nodes = {
        name: [
            replace(node, pods=[pod for pod in node.pods if pod[0] not in gone]) for node in nodes
        ]
        for name, nodes in world.nodes.items()
    }
    rest.pending = dict(world.pending)
    rest.running = {uid: view for uid, view in world.running.items() if uid not in gone}
    return rest


@given(
    st.lists(jobs("x", 0), min_size=1, max_size=8),
    st.floats(0, 300),
    st.floats(0, 20),
    st.floats(0, 300),
)
def test_a_budget_is_never_overspent(
    work: list[WorkloadBuilder], usd: float, carbon_kg: float, spent: float
) -> None:
    budget = Budget(monthly_usd=usd, monthly_carbon_kg=carbon_kg)
    mine = queue(budget=budget, spent=spent)
    pending = [
        job.but(uid=f"uid-{i}", name=str(i), queue="a").lasts(1 + 7 * (i % 3))
        for i, job in enumerate(work)
    ]
    sites = [site("s").nodes(20, h100=8), site("t").nodes(20, h100=8).costs(carbon=50)]
    found = plan(snapshot(sites, pending, queues={"a": mine}), NOW)
    chosen = [a.explanation.chosen for a in found.assignments]
    assert sum(bill_usd(a.cost) for a in found.assignments) <= max(0, usd - spent) + 1e-3
    assert sum(c.carbon_kg for c in chosen if c) <= carbon_kg + 1e-3


@given(st.lists(st.sampled_from((0.5, 1.0, 2.0, 4.0)), min_size=2, max_size=4), st.data())
def test_long_run_shares_follow_the_weights(weights: list[float], data: st.DataObject) -> None:
    """Everybody wants more than there is; of what ends, chosen blindly, each gets back its part."""
    names = [f"q{i}" for i in range(len(weights))]
    queues = {name: QueueView(QueueSpec(weight=w)) for name, w in zip(names, weights, strict=True)}
    world = World([site("s").nodes(2, h100=8)], queues)
    count = 0
    for _ in range(12):
        for name in names:
            waiting = sum(view.queue == name for view in world.pending.values())
            for _ in range(16 - waiting):
                world.submit(workload(f"w{count}").gang(1, chips=1).but(queue=name))
                count += 1
        world.cycle()
        ends = data.draw(st.integers(0, 3))
        for uid in [uid for i, uid in enumerate(world.running) if i % 4 == ends]:
            del world.running[uid]
            world._remove(uid)
    world.cycle()
    # As near to the weights as whole chips allow: with one less, nobody would have more for its
    # weight than anybody else.
    held = {name: world.held_units(name) for name in names}
    assert sum(held.values()) == 16
    for mine, weight in zip(names, weights, strict=True):
        for other, theirs in zip(names, weights, strict=True):
            assert (held[mine] - 1) / weight <= held[other] / theirs + 1e-9


@given(worlds(), submissions, st.integers(0, 3))
def test_a_higher_priority_never_fares_worse_in_its_queue(
    world: World, waves: list[list[WorkloadBuilder]], which: int
) -> None:
    """Work that finds a place keeps one when nothing changes but its priority, upwards."""
    pending = [job.view for wave in waves for job in wave]
    world.submit(*pending)
    found = plan(world.snapshot(), NOW)
    placed = {a.uid for a in found.assignments}
    assume(placed)
    lucky = sorted(placed)[which % len(placed)]
    world.pending[lucky] = replace(world.pending[lucky], priority=5)
    assert lucky in {a.uid for a in plan(world.snapshot(), NOW).assignments}


def test_these_worlds_have_one_class_of_chips() -> None:
    """`limit_holds` counts on it."""
    world = World([site("s").nodes(1, h100=8)])
    assert world.sites["s"].node_shapes[0].accelerators[0][0] == H100  # type: ignore[index]


@given(
    st.floats(0.5, 10),
    st.floats(0.5, 10),
    st.floats(1, 500),
    st.floats(0, 0.9),
    st.floats(0, 20),
)
def test_moves_happen_only_when_they_pay(
    here: float, there: float, hours: float, min_saving: float, move_price: float
) -> None:
    """Against a bound worked out by hand: chips alone, and what a move loses, at their prices."""
    prices = PolicySpec(
        rebalance=Rebalance(min_saving=min_saving, cooldown=0),
        move_per_accelerator_hour=move_price,
    )
    sites = [
        site(name).nodes(1, h100=8).charges(cpu=0, memory=0, h100=price).costs(power=0)
        for name, price in (("here", here), ("there", there))
    ]
    work = workload("w").gang(1, chips=8).lasts(hours, checkpoint_s=1800.0)
    work = work.but(runtime=replace(work.view.runtime, reference_class=H100))
    running = work.at("here", ago_h=0.5).view
    busy = sites[0].but(node_shapes=(), accelerators=sites[0].has(H100, 8).view.accelerators)
    found = plan(snapshot([busy, sites[1]], prices=prices, running=(running,), rebalance=True), NOW)
    left_h = max(0.0, hours - 0.5)
    stay = 8 * here * left_h
    go = 8 * there * left_h + 8 * move_price * (0.5 + 300 / 3600)
    if found.evictions:
        assert stay - go >= min_saving * stay - 1e-6
    # Lengths are rounded down, by less than a third: what pays by far is not missed.
    again = go + 8 * there * (0.5 + 300 / 3600)
    if 0.7 * (stay - 8 * there * left_h) - (again - 8 * there * left_h) > min_saving * stay + 1e-6:
        assert found.evictions
