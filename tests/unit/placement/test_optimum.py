"""The engine against the exact optimum, found by HiGHS, on many small instances.

The model, for workloads w, candidates c of w (a site and a class), nodes n of the candidate's site:

    min   sum cost[w, c] x[w, c] + sum wait[w] u[w]
    (1)   sum over c of x[w, c] + u[w] = 1
    (2)   sum over n of y[w, c, n] = pods[w] x[w, c]
    (3)   sum of y[w, c, n] * ask <= free, for each node n and each of its resources
    x, u in {0, 1}; y whole

Candidates, their costs and what waiting counts are asked of the engine one workload at a time; what
this holds it to is how it divides capacity among them.
"""

import random
from dataclasses import replace

import highspy
import numpy as np
import pytest
from tests import oracle
from tests.builders import A100, H100, NOW, WorkloadBuilder, site, snapshot, workload

from tradewind.placement.contest import felt
from tradewind.placement.engine import plan
from tradewind.placement.plan import Plan
from tradewind.placement.snapshot import SiteView, WorkloadView

INSTANCES = 240


def instance(seed: int) -> tuple[list[SiteView], list[WorkloadView]]:
    """A few sites with broken-up nodes, and more work than they hold."""
    luck = random.Random(seed)
    sites = []
    for i in range(luck.randint(2, 4)):
        made = site(f"s{i}").costs(carbon=luck.uniform(20, 900), power=luck.uniform(10, 150))
        made = made.charges(h100=luck.uniform(1.5, 4), a100=luck.uniform(0.8, 2))
        for chip in luck.sample(["h100", "a100"], luck.randint(1, 2)):
            for free in luck.sample([8, 4, 2, 1], luck.randint(1, 2)):
                nodes, cpu = luck.randint(1, 2), luck.choice([16, 32, 64])
                made = made.nodes(nodes, cpu=cpu, memory_gib=cpu * 4, **{chip: free})
        sites.append(made.view)
    works = []
    for i in range(luck.randint(3, 9)):
        work: WorkloadBuilder = workload(f"w{i}", age_s=i)
        work = work.gang(
            luck.choice([1, 1, 2, 3]),
            chips=luck.choice([1, 1, 2, 4, 8]),
            cpu=luck.choice([1, 4, 8, 16]),
            memory_gib=luck.choice([4, 16, 64]),
        )
        if luck.random() < 0.3:
            work = work.chips(classes=(luck.choice([H100, A100]),))
        works.append(work.lasts(luck.choice([0.5, 2, 8])).view)
    return sites, works


def candidates(sites: list[SiteView], work: WorkloadView) -> list[tuple[str, str | None, float]]:
    """(site, class, cost) of each place that would do if the workload were alone."""
    found = []
    for place in sites:
        for class_name in oracle.classes(place, work):
            need = replace(work.accelerator, classes=(class_name,))
            alone = plan(snapshot([place], [replace(work, accelerator=need)]), NOW)
            (pod,) = work.demand.pods
            # Feasible in both directions, one workload alone.
            fits = oracle.room(place, pod, class_name) >= pod.count
            assert bool(alone.assignments) is fits
            if fits:
                found.append((place.name, class_name, alone.assignments[0].cost.total))
    return found


def counted(
    found: Plan, options: dict[str, dict[tuple[str, str | None], float]], wait: dict
) -> float:
    placed = {a.uid: options[a.uid][a.site, a.class_name] for a in found.assignments}
    return sum(placed.get(uid, wait[uid]) for uid in options)


def optimum(
    sites: list[SiteView],
    works: list[WorkloadView],
    options: dict[str, dict[tuple[str, str | None], float]],
    wait: dict[str, float],
) -> float:
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("mip_rel_gap", 1e-6)
    nodes = {place.name: [n for n in place.node_shapes for _ in range(n.nodes)] for place in sites}
    asked: dict[tuple[str, int], list] = {}
    objective = 0
    for work in works:
        (pod,) = work.demand.pods
        leave = model.addBinary()
        chosen = []
        objective += wait[work.uid] * leave
        for (name, class_name), cost in options[work.uid].items():
            x = model.addBinary()
            chosen.append(x)
            objective += cost * x
            pods = []
            for i in range(len(nodes[name])):
                y = model.addIntegral(0, pod.count)
                pods.append(y)
                asked.setdefault((name, i), []).append((y, pod, class_name))
            model.addConstr(sum(pods) == pod.count * x)
        model.addConstr(sum(chosen) + leave == 1)
    for (name, i), there in asked.items():
        node = nodes[name][i]
        model.addConstr(sum(y * pod.cpu_millis for y, pod, _ in there) <= node.free_cpu_millis)
        gib = 2**30
        model.addConstr(
            sum(y * (pod.memory_bytes // gib) for y, pod, _ in there)
            <= node.free_memory_bytes // gib
        )
        model.addConstr(sum(y for y, _, _ in there) <= node.free_pods)
        for class_name in {c for _, _, c in there}:
            free = sum(f for c, _, f in node.accelerators if c == class_name)
            model.addConstr(sum(y * p.accelerators for y, p, c in there if c == class_name) <= free)
    model.minimize(objective)
    assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(model.getInfo().objective_function_value)


def gap(seed: int) -> float:
    sites, works = instance(seed)
    options, wait = {}, {}
    for work in works:
        found = candidates(sites, work)
        costs = np.array([cost for _, _, cost in found])
        (counts,), (wait[work.uid],) = felt(costs[None, :], np.zeros((1, 1), bool), np.ones(1))
        options[work.uid] = {(s, c): float(v) for (s, c, _), v in zip(found, counts, strict=True)}
    made = plan(snapshot(sites, works), NOW)
    by_uid = {work.uid: work for work in works}
    for place in sites:
        there = [a for a in made.assignments if a.site == place.name]
        gangs = [(by_uid[a.uid].demand.pods[0], a.class_name) for a in there]
        gangs.sort(key=lambda gang: (-gang[0].accelerators, -gang[0].cpu_millis))
        assert oracle.packs(place, gangs)
    best = optimum(sites, works, options, wait)
    mine = counted(made, options, wait)
    assert mine >= best - 1e-4 * max(1.0, best)
    return mine / best - 1 if best > 0 else 0.0


@pytest.mark.parametrize("part", range(4))
def test_plans_are_within_a_percent_of_the_optimum(part: int) -> None:
    gaps = [gap(seed) for seed in range(part, INSTANCES, 4)]
    assert np.mean(gaps) <= 0.01
    assert max(gaps) <= 0.05
