"""A service over several sites, on real clusters: how many replicas each has, and what a loss does.

Three small members of their own: where one of two sites is lost, a third has to be there.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.live import (
    Ledger,
    Live,
    Object,
    Operator,
    condition,
    deployment,
    job,
    reasons,
    sites_of,
    wait_for,
)

from federation.federation import Federation
from federation.spec import load_spec

DEPLOYMENTS = "/apis/apps/v1/deployments"
JOBS = "/apis/batch/v1/jobs"
MEMBERS = ("east", "north", "west")
#: Two nodes of eight chips at each; west is the dearest by its power.
SPEC = {
    "prometheus": False,
    "members": [
        {
            "name": name,
            "region": name,
            "jurisdiction": "DE",
            "energy": {"pue": 1.2, "carbonIntensity": 100, "pricePerMWh": price},
            "nodes": [{"template": "nvidia-h100", "count": 2}],
        }
        for name, price in zip(MEMBERS, (40, 60, 400), strict=True)
    ],
}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A federation of three members, with the kinds installed."""
    folder: Path = tmp_path_factory.mktemp("three")
    spec = folder / "federation.yaml"
    spec.write_text(yaml.safe_dump(SPEC))
    with Federation(load_spec(spec), folder / "federation", source=spec, say=print) as federation:
        made = Live(federation, folder)
        made.cli("install")
        for name in MEMBERS:
            made.join(name)
        try:
            yield made
        finally:
            made.stop_operators()


@pytest.fixture(scope="module", autouse=True)
def operator(three: Live) -> Iterator[Operator]:
    with three.operator(TRADEWIND_PLANNING__REPLAN_SECONDS="1") as operator:
        three.wait_sites(*MEMBERS)
        yield operator


@pytest.fixture
def namespace(three: Live, request: pytest.FixtureRequest) -> str:
    name = request.node.name.lower()
    return three.namespace(re.sub("[^a-z0-9]+", "-", name)[-50:].strip("-"))


@pytest.fixture
def create(three: Live) -> Iterator[Callable[[Object], Object]]:
    made: list[Object] = []

    def run(workload: Object) -> Object:
        made.append(three.create(workload))
        return made[-1]

    yield run
    three.remove(made)


def split(**bounds: int) -> dict[str, object]:
    """A spec of work that may be split."""
    return {"placement": {"split": bounds}, "failover": {"after": "2s"}}


def parts_of(workload: Object) -> dict[str, int]:
    """Replicas by site, of the parts that are at work."""
    return {
        part["site"]: part["replicas"]
        for part in workload.get("status", {}).get("placements", [])
        if part["phase"] != "Lost"
    }


def replicas_at(live: Live, workload: Object) -> dict[str, int]:
    """What each member that answers has been asked for, really."""
    found = {}
    for name in MEMBERS:
        try:
            children = live.children(name, workload, DEPLOYMENTS)
        except OSError:
            continue
        if children:
            found[name] = sum(child["spec"]["replicas"] for child in children)
    return found


def ready(live: Live, workload: Object, count: int) -> Object:
    """The workload, once so many replicas are ready, and no part is lost or without a site."""

    def look() -> Object | None:
        now = live.get(workload)
        status = now.get("status", {})
        whole = condition(now, "Placed").get("status") == "True"
        return now if whole and status.get("readyReplicas") == count else None

    return wait_for(look, f"{count} replicas to be ready", limit_s=90)


def test_a_service_runs_at_two_sites_and_a_lost_part_is_placed_anew_and_nothing_doubled(
    three: Live, namespace: str, create: Callable[[Object], Object]
) -> None:
    bounds = split(minSites=2, maxSites=2, minReplicasPerSite=2)
    with Ledger(list(three.members.values()), DEPLOYMENTS) as ledger:
        workload = create(deployment("serve", namespace, replicas=6, chips=1, **bounds))
        before = ready(three, workload, 6)
        # The dear site has none, the cheapest all that the other need not have.
        assert parts_of(before) == {"east": 4, "north": 2} == replicas_at(three, workload)
        [kept] = three.children("north", workload, DEPLOYMENTS)
        lost = three.members["east"]
        lost.stop_apiserver()
        try:
            after = wait_for(
                lambda: (
                    (now := three.get(workload))
                    and set(parts_of(now)) == {"north", "west"}
                    and now["status"].get("readyReplicas") == 6
                    and now
                ),
                "the lost part to run elsewhere",
                limit_s=90,
            )
            # Two sites again; the cheaper part takes what the dear site need not have.
            assert parts_of(after) == {"north": 4, "west": 2} == replicas_at(three, workload)
            assert after["status"]["epoch"] == 2
            assert reasons(after)[-1] == "Failover"
            [same] = three.children("north", workload, DEPLOYMENTS)
            assert same["metadata"]["uid"] == kept["metadata"]["uid"]
        finally:
            lost.start_apiserver()
        three.wait_sites("east", limit_s=90)
        # What comes back is removed before anything else, and its part stays where it is.
        wait_for(
            lambda: not three.children("east", workload, DEPLOYMENTS), "the old part to be removed"
        )
        wait_for(
            lambda: sorted(sites_of(three.get(workload))) == ["north", "west"],
            "the lost part to be forgotten",
        )
        assert replicas_at(three, workload) == {"north": 4, "west": 2}
        assert ledger.seen[workload["metadata"]["uid"]] == 3


def test_where_no_third_site_may_have_it_a_service_waits_or_what_is_left_of_it_grows(
    three: Live, namespace: str, create: Callable[[Object], Object]
) -> None:
    bounds = split(minSites=2, maxSites=2)
    workload = create(deployment("grow", namespace, replicas=4, chips=1, **bounds))
    before = parts_of(ready(three, workload, 4))
    assert before == {"east": 3, "north": 1}
    three.hub.api.patch(
        "/apis/tradewind.dev/v1alpha1/computesites/west", {"spec": {"unschedulable": True}}
    )
    lost = three.members["east"]
    try:
        lost.stop_apiserver()
        told = wait_for(
            lambda: (
                (found := condition(three.get(workload), "Placed")).get("reason") == "PartlyPlaced"
                and "minSites" in found["message"]
                and found["message"]
            ),
            "the missing part to be told",
        )
        assert told.startswith("3 of 4 pods have no site")
        assert "PartlyPlaced" in three.cli("workloads", "-n", namespace)
        # With one site content, the part that stands takes the rest.
        three.patch(workload, {"spec": {"placement": {"split": {"minSites": 1}}}})
        grown = wait_for(
            lambda: (
                (now := three.get(workload))
                and parts_of(now) == {"north": 4}
                and now["status"].get("readyReplicas") == 4
                and now
            ),
            "the part that stands to grow",
            limit_s=60,
        )
        assert grown["status"]["epoch"] == 1
        assert replicas_at(three, workload) == {"north": 4}
    finally:
        lost.start_apiserver()
        three.hub.api.patch(
            "/apis/tradewind.dev/v1alpha1/computesites/west", {"spec": {"unschedulable": False}}
        )
    three.wait_sites("east", limit_s=90)
    wait_for(lambda: replicas_at(three, workload) == {"north": 4}, "the old part to be removed")


def test_what_is_too_large_for_one_site_runs_at_two_and_scales(
    three: Live, namespace: str, create: Callable[[Object], Object]
) -> None:
    workload = create(deployment("large", namespace, replicas=4, chips=8, **split(maxSites=2)))
    assert parts_of(ready(three, workload, 4)) == {"east": 2, "north": 2}
    three.hub.kubectl("scale", "-n", namespace, "aiw/large", "--replicas=2")
    wait_for(lambda: replicas_at(three, workload) == {"east": 1, "north": 1}, "the parts to shrink")


def test_a_job_is_split_by_its_completions(
    three: Live, namespace: str, create: Callable[[Object], Object]
) -> None:
    work = job("many", namespace, pods=4, chips=8, run_for="2s", **split(maxSites=2))
    workload = create(work)
    done = three.wait_phase(workload, "Succeeded")
    completions = {
        name: [child["spec"]["completions"] for child in three.children(name, workload)]
        for name in sites_of(done)
    }
    assert completions == {"east": [2], "north": [2]}


# --- what-if


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "whole", "chips": 8, "pods": 2},
        {"kind": "cpu", "chips": 0, "pods": 3},
        {"kind": "split", "chips": 8, "pods": 3, "bounds": {"maxSites": 3}},
        {"kind": "apart", "chips": 1, "pods": 5, "bounds": {"minSites": 3, "maxSites": 3}},
        {"kind": "near", "chips": 1, "pods": 2, "site": "west"},
    ],
    ids=lambda spec: spec["kind"],
)
def test_what_if_tells_what_the_operator_then_chooses(
    three: Live, namespace: str, create: Callable[[Object], Object], spec: Object
) -> None:
    bounds = split(**spec["bounds"]) if "bounds" in spec else {}
    work = job(spec["kind"], namespace, chips=spec["chips"], pods=spec["pods"], run_for="1s",
               **bounds)  # fmt: skip
    if "site" in spec:
        work["spec"]["placement"] = {"data": [{"site": "west", "sizeGiB": 1, "pinned": True}]}

    def free(name: str) -> bool:
        [chips] = three.site(name)["status"]["accelerators"]
        return chips["freeByNode"] == {"8": 2}

    # What-if goes by statuses, which tell some seconds later what has ended.
    wait_for(lambda: all(map(free, MEMBERS)), "all chips to be told free")
    path = three.folder / f"{spec['kind']}.yaml"
    path.write_text(yaml.safe_dump(work))
    [planned] = json.loads(three.cli("plan", "-f", str(path), "-o", "json"))["plans"]
    before = len(three.hub.api.get("/apis/tradewind.dev/v1alpha1/aiworkloads")["items"])
    placed = three.wait_phase(create(work), "Placed", "Running", "Succeeded")
    assert len(three.hub.api.get("/apis/tradewind.dev/v1alpha1/aiworkloads")["items"]) == before + 1

    def shown(parts: list[Object]) -> list[tuple[str, int, str | None]]:
        return sorted((p["site"], p["replicas"], p.get("acceleratorClass")) for p in parts)

    assert shown(planned["placements"]) == shown(placed["status"]["placements"])
    told, decided = planned["decision"], placed["status"]["decision"]
    assert told["costUSD"] == pytest.approx(decided["costUSD"], rel=0.02)
    assert set(told["terms"]) == set(decided["terms"])
