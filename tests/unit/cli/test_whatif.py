"""The what-if: planned from what the objects of the hub say, as the operator would plan."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.clock import START
from tests.unit.cli.objects import condition

from tradewind.api.site import SiteStatus
from tradewind.base.errors import ApiError, ConfigurationError
from tradewind.cli.documents import STDIN, read_documents
from tradewind.cli.hub import Hub
from tradewind.cli.hubsnapshot import HubObjects, hub_view
from tradewind.cli.verdict import Verdict, lines
from tradewind.cli.whatif import Foreseen, what_if
from tradewind.controller.outlooks import outlook_of, published, terms_told
from tradewind.telemetry.outlook import NO_OUTLOOK, Outlook, SignalForecast

GIB = 2**30


def site(name: str, *, price: float = 50, nodes: int = 2, **spec: Any) -> dict[str, Any]:
    return {
        "kind": "ComputeSite",
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {"name": name}},
        "spec": {
            "access": {"hub": {}},
            "energy": {"pue": 1.2, "carbonIntensity": 300, "pricePerMWh": price},
            "pricing": {"cpuHour": 0.01, "memoryGiBHour": 0.001},
            **spec,
        },
        "status": {
            "conditions": [
                condition("Reachable", "True", "Answering"),
                condition("InventoryCurrent", "True", "Watching"),
            ],
            "workloadKinds": ["batch/v1/Job"],
            "nodes": nodes,
            "resources": {"allocatable": {"cpu": f"{16 * nodes}", "memory": "64Gi", "pods": 220}},
            "freeShapes": [
                {"nodes": nodes, "cpu": "16", "memory": str(32 * GIB), "pods": 110},
            ],
        },
    }


def work(name: str = "train", *, cpu: int = 8, pods: int = 1, **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": "registry.example/work:1",
        "resources": {"requests": {"cpu": str(cpu)}},
    }
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "AIWorkload",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "spec": {"parallelism": pods, "completions": pods, "template": template},
            },
            **spec,
        },
    }


def on_hub(item: dict[str, Any], *placements: dict[str, Any]) -> dict[str, Any]:
    """A workload that the hub has, with placements."""
    name = item["metadata"]["name"]
    metadata = {
        "name": name,
        "namespace": "research",
        "uid": f"uid-{name}",
        "resourceVersion": "7",
        "generation": 1,
    }
    status = {"epoch": 1, "placements": list(placements)}
    return {**item, "metadata": metadata, "status": status}


def policy(name: str = "balanced", **spec: Any) -> dict[str, Any]:
    return {"kind": "PlacementPolicy", "metadata": {"name": name}, "spec": spec}


class Session:
    """A hub: lists what it holds, and answers a dry run."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = list(items)
        self.refuses: ApiError | None = None
        self.written: list[tuple[str, Any]] = []

    async def get(self, path: str, params: dict[str, str] | None = None) -> bytes:
        kinds = {
            "computesites": "ComputeSite",
            "aiworkloads": "AIWorkload",
            "placementpolicies": "PlacementPolicy",
            "computequeues": "ComputeQueue",
            "acceleratorclasses": "AcceleratorClass",
        }
        kind = kinds[path.rpartition("/")[2]]
        found = [item for item in self.items if item["kind"] == kind]
        page = {"apiVersion": "tradewind.dev/v1alpha1", "kind": f"{kind}List", "metadata": {}}
        return json.dumps(page | {"items": found}).encode()

    async def request(
        self, method: str, path: str, *, body: Any, content_type: str, params: dict[str, str]
    ) -> bytes:
        assert params["dryRun"] == "All"
        if self.refuses is not None:
            raise self.refuses
        self.written.append((method, path))
        metadata = {**body["metadata"], "uid": "made-up", "resourceVersion": "1"}
        return json.dumps({**body, "metadata": metadata}).encode()


async def ask(session: Session, *documents: dict[str, Any]) -> list[Verdict]:
    there = Hub(session)  # type: ignore[arg-type]
    found = await what_if(there, documents, "research", START, default_policy="balanced")
    assert found.leaving is None
    return found.verdicts


async def leaving(session: Session, *documents: dict[str, Any]) -> Foreseen:
    there = Hub(session)  # type: ignore[arg-type]
    return await what_if(
        there, documents, "research", START, default_policy="balanced", running=True
    )


def text(verdict: Verdict) -> str:
    return "\n".join("".join(cell.text for cell in line).rstrip() for line in lines(verdict, START))


async def test_it_tells_where_at_what_cost_and_what_else_would_do() -> None:
    session = Session(site("dear", price=500), site("cheap", price=5), policy())
    (verdict,) = await ask(session, work())
    assert [part.site for part in verdict.parts] == ["cheap"]
    told = text(verdict)
    assert "research/train   Batch Job" in told
    assert "Would start now at cheap (1 pod)" in told
    assert "By the prices of policy balanced" in told
    assert "dear" in told
    assert [method for method, _ in session.written] == ["PATCH"]
    document = verdict.document()
    assert document["placements"] == [{"site": "cheap", "replicas": 1}]
    assert document["decision"]["reason"] == "Placed"
    assert document["decision"]["alternatives"][0]["site"] == "dear"


async def test_what_waits_on_the_hub_competes_and_what_is_not_bound_yet_is_spoken_for() -> None:
    one = site("only", nodes=1)
    first = on_hub(work("first", priority=5))
    (verdict,) = await ask(Session(one, policy(), first), work(cpu=16))
    assert verdict.decision.reason == "Waiting"
    assert "InsufficientCPU" in text(verdict)
    part = {"site": "only", "epoch": 1, "replicas": 1, "phase": "Dispatched"}
    placed = on_hub(work("first"), part)
    (verdict,) = await ask(Session(one, policy(), placed), work(cpu=16))
    assert verdict.decision.reason == "Waiting"
    running = on_hub(work("first"), {**part, "phase": "Running", "readyReplicas": 1})
    (verdict,) = await ask(Session(one, policy(), running), work(cpu=16))
    assert verdict.decision.reason == "Placed"  # the status shows its pods as bound


async def test_several_workloads_are_planned_together() -> None:
    session = Session(site("only", nodes=1), policy())
    verdicts = await ask(session, work("a", cpu=16), work("b", cpu=16))
    assert [verdict.decision.reason for verdict in verdicts] == ["Placed", "Waiting"]


async def test_a_workload_that_is_there_already_does_not_compete_with_itself() -> None:
    session = Session(site("only", nodes=1), policy(), on_hub(work(cpu=16)))
    (verdict,) = await ask(session, work(cpu=16))
    assert verdict.decision.reason == "Placed"


async def test_a_policy_in_the_files_counts_instead_of_the_hubs() -> None:
    clean = site("clean", price=500, energy={"pue": 1.2, "carbonIntensity": 10, "pricePerMWh": 500})
    session = Session(clean, site("cheap", price=5), policy())
    (before,) = await ask(session, work())
    assert before.parts[0].site == "cheap"
    (after,) = await ask(session, work(), policy(carbonPerTonne=1e6))
    assert after.parts[0].site == "clean"


def running_work() -> dict[str, Any]:
    """Work that has run for two hours of a hundred."""
    runtime = {"duration": "100h", "checkpoint": {"interval": "10m"}}
    started = (START - timedelta(hours=2)).isoformat()
    part = {
        "site": "dear", "epoch": 1, "replicas": 1, "readyReplicas": 1, "phase": "Running",
        "startedAt": started,
    }  # fmt: skip
    return on_hub(work(runtime=runtime), part)


REBALANCE = {"minSaving": 0.2, "cooldown": "1h", "maxConcurrentMoves": 2}


async def test_it_tells_what_running_work_would_move_under_a_changed_policy() -> None:
    dear = site("dear", pricing={"cpuHour": 1, "memoryGiBHour": 0.001})
    session = Session(dear, site("cheap"), policy(), running_work())
    stays = await leaving(session)
    assert (stays.verdicts, stays.leaving) == ([], [])
    assert [[cell.text for cell in line] for line in stays.lines(START)] == [
        ["No running work would move or pause now"]
    ]
    moves = await leaving(session, policy(rebalance=REBALANCE))
    (told,) = moves.document(START)["leaving"]
    assert told["message"].startswith("what is left costs ")
    del told["message"]
    assert told == {
        "workload": "research/train",
        "from": "dear",
        "to": "cheap",
        "reason": "Moved",
    }
    page = "\n".join("".join(cell.text for cell in line) for line in moves.lines(START))
    assert "Running work that would leave its site now" in page
    assert session.written == []


async def test_running_work_and_new_work_may_be_asked_about_together() -> None:
    drained = site("dear", drain=True)
    session = Session(drained, site("cheap", nodes=1), policy(), running_work())
    found = await leaving(session, work("new", cpu=16))
    assert [verdict.decision.reason for verdict in found.verdicts] == ["Placed"]
    assert found.leaving == []  # the new work takes the only room
    (alone,) = (await leaving(session)).leaving or []
    assert (alone.eviction.reason, alone.eviction.target) == ("Drained", "cheap")


async def test_a_site_that_does_not_answer_is_refused() -> None:
    silent = site("silent")
    silent["status"]["conditions"] = [condition("Reachable", "False", "NoAnswer")]
    (verdict,) = await ask(Session(silent, policy()), work())
    assert "SiteUnreachable" in text(verdict)


async def test_a_site_without_a_status_is_no_crash() -> None:
    bare = site("new")
    del bare["status"]
    (verdict,) = await ask(Session(bare, policy()), work())
    assert verdict.decision.reason == "Waiting"


async def test_the_reserve_counts_as_for_the_operator() -> None:
    kept = site("kept", nodes=1, reserved={"cpu": "60%"})
    (verdict,) = await ask(Session(kept, policy()), work())
    assert "CapacityReserved" in text(verdict)
    kept["status"]["resources"]["others"] = {"cpu": "9", "memory": "0"}
    (verdict,) = await ask(Session(kept, policy()), work())
    assert verdict.decision.reason == "Placed"  # their pods take the reserve already


async def test_a_template_that_may_not_run_says_so() -> None:
    hostile = work()
    hostile["spec"]["template"]["spec"]["template"]["spec"]["hostPID"] = True
    (verdict,) = await ask(Session(site("a"), policy()), hostile)
    assert "Would not start: TemplateRefused" in text(verdict)
    assert "hostPID" in text(verdict)


async def test_a_suspended_workload_is_not_planned() -> None:
    (verdict,) = await ask(Session(site("a"), policy()), work(suspend=True))
    assert "Would not start: Suspended" in text(verdict)


async def test_what_the_hub_would_refuse_is_told_in_its_words() -> None:
    session = Session(site("a"), policy())
    session.refuses = ApiError(422, "Invalid", "spec.class: class cannot be changed")
    with pytest.raises(ConfigurationError, match="class cannot be changed"):
        await ask(session, work())


async def test_without_the_right_to_a_dry_run_the_models_check() -> None:
    session = Session(site("a"), policy())
    session.refuses = ApiError(403, "Forbidden", "may not patch")
    (verdict,) = await ask(session, work())
    assert verdict.decision.reason == "Placed"
    with pytest.raises(ConfigurationError, match=r"research/train: spec\.priority"):
        await ask(session, work(priority="high"))


async def test_other_kinds_are_passed_over_and_none_at_all_is_an_error() -> None:
    other = {"kind": "ConfigMap", "metadata": {"name": "x"}}
    assert len(await ask(Session(site("a"), policy()), other, work())) == 1
    with pytest.raises(ConfigurationError, match="no AIWorkload"):
        await ask(Session(site("a")), other)
    with pytest.raises(ConfigurationError, match="apiVersion"):
        await ask(Session(site("a")), {**work(), "apiVersion": "v1"})


def test_queues_have_spent_what_their_statuses_say() -> None:
    queue = {
        "kind": "ComputeQueue",
        "metadata": {"name": "research", "uid": "u"},
        "spec": {"budget": {"monthlyUSD": 100}},
        "status": {"spent": {"month": "2026-11", "costUSD": 60.0, "carbonKg": 5}},
    }
    view = hub_view(HubObjects(queues=[queue]), default_policy="balanced")
    found = view.snapshot(START).queues["research"]
    assert (found.spent_usd, found.spent_carbon_kg) == (60, 5)


def test_what_is_expected_of_a_site_goes_into_its_status_and_comes_back() -> None:
    made = Outlook(
        {"carbonIntensity": SignalForecast(START, 3600, (1.5, 2.25), (1, 2), (2, 3), "x")},
        {"up": 1.0},
    )
    status = SiteStatus(forecast=published(made, None, START), terms=terms_told(made))
    again = SiteStatus.model_validate(status.model_dump(mode="json", by_alias=True))
    assert outlook_of(again) == made
    assert outlook_of(SiteStatus()) is NO_OUTLOOK


# --- files


def test_files_hold_several_objects_and_lists_and_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "work.yaml"
    path.write_text("kind: A\nmetadata: {name: a}\n---\n---\nkind: B\nmetadata: {name: b}\n")
    listed = {"kind": "List", "items": [{"kind": "C", "metadata": {"name": "c"}}]}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(listed)))
    assert [item["kind"] for item in read_documents([path, STDIN])] == ["A", "B", "C"]


WRONG = {
    "no YAML": "a: [",
    "no object": "- 1",
    "no name": "kind: AIWorkload\n",
    "text": "hello",
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "work.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"work\.yaml"):
        read_documents([path])
    with pytest.raises(ConfigurationError, match="missing"):
        read_documents([tmp_path / "missing"])
