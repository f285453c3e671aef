"""Work that is split and work that is not, against the exact optimum by HiGHS.

The model, for workloads w, candidates c of w (a site and a class), nodes n of the candidate's site:

    min   sum each[w, c] pods[w, c] + sum wait[w] u[w]
    (1)   sum over c of pods[w, c] = replicas[w] (1 - u[w])
    (2)   least[w] x[w, c] <= pods[w, c] <= replicas[w] x[w, c];  whole: least = replicas
    (3)   fewest[w] (1 - u[w]) <= sum over c of x[w, c] <= most[w];  at each site at most one
    (4)   sum over n of y[w, c, n] = pods[w, c]
    (5)   sum of y[w, c, n] * ask <= free, for each node n and each of its resources
    x, u in {0, 1}; pods, y whole

Costs are those of `tests/oracle.py`; what waiting counts is taken from each workload alone.
"""

import random
from collections import defaultdict
from dataclasses import replace

import highspy
import numpy as np
import pytest
from tests import oracle
from tests.builders import NOW, PRICES, site, snapshot, workload

from tradewind.placement.contest import felt
from tradewind.placement.engine import plan
from tradewind.placement.snapshot import SiteView, WorkloadView

INSTANCES = 200


def instance(seed: int) -> tuple[list[SiteView], list[WorkloadView]]:
    """A few sites with broken-up nodes, and about as much work as they hold; half of it splits."""
    luck = random.Random(seed)
    sites = []
    for i in range(luck.randint(2, 5)):
        made = site(f"s{i}").costs(carbon=luck.uniform(20, 900), power=luck.uniform(10, 150))
        made = made.charges(h100=luck.uniform(1.5, 4), a100=luck.uniform(0.8, 2))
        for chip in luck.sample(["h100", "a100"], luck.randint(1, 2)):
            for free in luck.sample([8, 4, 2], luck.randint(1, 2)):
                nodes, cpu = luck.randint(1, 2), luck.choice([16, 32, 64])
                made = made.nodes(nodes, cpu=cpu, memory_gib=cpu * 4, **{chip: free})
        sites.append(made.view)
    works = []
    for i in range(luck.randint(2, 6)):
        splits = luck.random() < 0.6
        work = workload(f"w{i}", age_s=i).gang(
            luck.randint(2, 8) if splits else luck.choice([1, 2, 3]),
            chips=luck.choice([1, 1, 2, 4]),
            cpu=luck.choice([1, 4, 8]),
            memory_gib=luck.choice([4, 16]),
        )
        if splits:
            fewest = luck.choice([1, 1, 2, 3])
            most = max(2, fewest + luck.randint(0, 2))
            least = luck.choice([1, 1, 2])
            work = work.only(min_sites=fewest, max_sites=most, min_replicas_per_site=least)
        works.append(work.lasts(luck.choice([0.5, 2, 8])).view)
    return sites, works


def total(found: object, uid: str) -> float:
    return sum(part.cost.total for part in found.assignments if part.uid == uid)


def wait_of(sites: list[SiteView], work: WorkloadView) -> float:
    """What leaving it unplaced counts; 0 when it has no place even alone."""
    alone = plan(snapshot(sites, [work]), NOW)
    if not alone.assignments:
        return 0.0
    least = np.array([[total(alone, work.uid)]])
    return float(felt(least, np.zeros((1, 1), bool), np.ones(1))[1][0])


def optimum(sites: list[SiteView], works: list[WorkloadView], wait: dict[str, float]) -> float:
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("mip_rel_gap", 1e-6)
    nodes = {place.name: [n for n in place.node_shapes for _ in range(n.nodes)] for place in sites}
    asked: dict[tuple[str, int], list] = defaultdict(list)
    objective = 0
    for work in works:
        (pod,), need = work.demand.pods, work.placement
        splits = need.max_sites > 1
        least = need.min_replicas_per_site if splits else pod.count
        leave = model.addBinary()
        objective += wait[work.uid] * leave
        chosen, taken = defaultdict(list), []
        for place in sites:
            for name in oracle.classes(place, work):
                x, pods = model.addBinary(), model.addIntegral(0, pod.count)
                chosen[place.name].append(x)
                taken.append(pods)
                each = oracle.cost(place, name, work, PRICES, sites) / pod.count
                objective += each * pods
                model.addConstr(pods >= least * x)
                model.addConstr(pods <= pod.count * x)
                stand = []
                for i in range(len(nodes[place.name])):
                    y = model.addIntegral(0, pod.count)
                    stand.append(y)
                    asked[place.name, i].append((y, pod, name))
                model.addConstr(sum(stand) == pods)
        model.addConstr(sum(taken) + pod.count * leave == pod.count)
        every = [x for there in chosen.values() for x in there]
        model.addConstr(sum(every) + need.min_sites * leave >= need.min_sites)
        model.addConstr(sum(every) <= need.max_sites)
        for there in chosen.values():
            model.addConstr(sum(there) <= 1)
    for (name, i), there in asked.items():
        node = nodes[name][i]
        gib = 2**30
        model.addConstr(sum(y * pod.cpu_millis for y, pod, _ in there) <= node.free_cpu_millis)
        model.addConstr(
            sum(y * (pod.memory_bytes // gib) for y, pod, _ in there)
            <= node.free_memory_bytes // gib
        )
        for class_name in {c for _, _, c in there}:
            free = sum(f for c, _, f in node.accelerators if c == class_name)
            model.addConstr(sum(y * p.accelerators for y, p, c in there if c == class_name) <= free)
    model.minimize(objective)
    assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return float(model.getInfo().objective_function_value)


def gap(seed: int) -> float:
    sites, works = instance(seed)
    wait = {work.uid: wait_of(sites, work) for work in works}
    works = [work for work in works if wait[work.uid]]
    if not works:
        return 0.0
    made = plan(snapshot(sites, works), NOW)
    by_uid = {work.uid: work for work in works}
    for place in sites:
        gangs = [
            (replace(by_uid[a.uid].demand.pods[0], count=a.replicas), a.class_name)
            for a in made.assignments
            if a.site == place.name
        ]
        gangs.sort(key=lambda gang: (-gang[0].accelerators, -gang[0].cpu_millis))
        assert oracle.packs(place, gangs)
    placed = {a.uid for a in made.assignments}
    mine = sum(total(made, work.uid) if work.uid in placed else wait[work.uid] for work in works)
    best = optimum(sites, works, wait)
    assert mine >= best - 1e-4 * max(1.0, best)
    return mine / best - 1 if best > 0 else 0.0


@pytest.mark.parametrize("part", range(4))
def test_plans_with_splits_are_within_a_percent_of_the_optimum(part: int) -> None:
    gaps = [gap(seed) for seed in range(part, INSTANCES, 4)]
    assert np.mean(gaps) <= 0.01
    assert max(gaps) <= 0.05
