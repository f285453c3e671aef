"""The program as it is called: flags on both sides, exit codes, and JSON that is only JSON."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.cli import objects

from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.cli import hub, main
from tradewind.cli.ask import Ask

ROOT = Path(__file__).parents[3]


class Session:
    """An API server of fixed objects: answers GET of collections and names, refuses the rest."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.items = items
        self.asked: list[str] = []

    async def get(self, path: str, params: dict[str, str] | None = None) -> bytes:
        self.asked.append(path)
        if path.rpartition("/")[2] in ("computesites", "aiworkloads", "placementpolicies"):
            kind = "AIWorkload" if path.endswith("aiworkloads") else "ComputeSite"
            found = [item for item in self.items if item["kind"] == kind]
            if "/namespaces/" in path:
                wanted = path.partition("/namespaces/")[2].partition("/")[0]
                found = [item for item in found if item["metadata"].get("namespace") == wanted]
            bare = [
                {k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in found
            ]
            page = {"apiVersion": "tradewind.dev/v1alpha1", "kind": f"{kind}List", "metadata": {}}
            return json.dumps(page | {"items": bare}).encode()
        for item in self.items:
            if path.endswith(f"/{item['metadata']['name']}") and (
                "/namespaces/" not in path
                or f"/namespaces/{item['metadata'].get('namespace')}/" in path
            ):
                return json.dumps(item).encode()
        raise ApiError(404, "NotFound", f"{path} not found")


@dataclass
class Result:
    code: int
    out: str
    err: str


Call = Callable[..., Result]


@pytest.fixture
def seen() -> list[Ask]:
    return []


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seen: list[Ask]
) -> Call:
    """Call the program against a hub that holds some objects."""
    session = Session(objects.ulanqab(), objects.paris(), objects.training(), objects.unplaceable())

    @asynccontextmanager
    async def connect(ask: Ask) -> AsyncIterator[hub.Hub]:
        seen.append(ask)
        if ask.context == "down":
            raise SiteUnreachableError("hub: connection refused", hint="see --context")
        yield hub.Hub(session)  # type: ignore[arg-type]

    monkeypatch.setattr(hub, "connect", connect)
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")

    def run(*arguments: str, program: str = "tradewind") -> Result:
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(SystemExit) as ended:
            main.main()
        captured = capsys.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return run


SHARED = ["--kubeconfig", "/k", "--context", "c", "-n", "research", "-o", "json"]


def test_shared_flags_mean_the_same_on_either_side_of_the_command(
    call: Call, seen: list[Ask]
) -> None:
    before = call(*SHARED, "workloads")
    after = call("workloads", *SHARED)
    assert before == after
    assert before.code == 0
    assert seen[0] == seen[1]
    assert seen[0].namespace == "research"


def test_a_flag_after_the_command_wins(call: Call, seen: list[Ask]) -> None:
    call("--context", "first", "sites", "--context", "second")
    assert seen[0].context == "second"


@pytest.mark.parametrize("command", [["sites"], ["site", "paris"], ["workloads", "-A"]])
def test_json_is_only_json_and_whole(call: Call, command: list[str]) -> None:
    result = call(*command, "-o", "json")
    document = json.loads(result.out)
    assert result.err == ""
    items = document["items"] if document["kind"] == "List" else [document]
    assert {item["apiVersion"] for item in items} == {"tradewind.dev/v1alpha1"}
    assert all(item["kind"] in ("ComputeSite", "AIWorkload") for item in items)
    assert yaml.safe_load(call(*command, "-o", "yaml").out) == document


def test_a_table_keeps_its_notes_off_standard_output(call: Call) -> None:
    result = call("sites")
    assert "\n* not measured" in "\n" + result.err
    assert "not measured" not in result.out


def test_explain_for_programs_has_the_decision_under_the_workloads_name(call: Call) -> None:
    document = json.loads(call("explain", "research/llama", "-o", "json").out)
    assert document["workload"]["name"] == "llama"
    assert document["decision"] == objects.training()["status"]["decision"]


def test_workloads_are_those_of_the_namespace_unless_all_are_asked_for(call: Call) -> None:
    assert call("workloads").out == "no workloads in namespace default\n"
    assert "llama" in call("workloads", "-n", "research").out
    assert call("workloads", "-A").out.startswith("NAMESPACE")


NOT_FOUND = {
    "a near name is offered": (["site", "pariss"], "did you mean paris?"),
    "what is there is listed": (["site", "zzz"], "there are: paris, ulanqab"),
    "the same name elsewhere is told": (["explain", "llama"], "add -n research"),
    "near names are of the namespace": (["explain", "research/lama"], "did you mean llama?"),
    "nothing at all": (["explain", "nowhere/what"], "no workload in namespace nowhere at all"),
}


@pytest.mark.parametrize(("arguments", "hint"), NOT_FOUND.values(), ids=NOT_FOUND)
def test_what_is_not_found_ends_with_1_and_a_hint(
    call: Call, arguments: list[str], hint: str
) -> None:
    result = call(*arguments)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: not-found:")
    assert hint in result.err


def test_a_hub_that_is_down_ends_with_1_and_a_hint(call: Call) -> None:
    result = call("sites", "--context", "down")
    assert (result.code, result.out) == (1, "")
    assert result.err == "error: site-unreachable: hub: connection refused\nhint: see --context\n"


def test_watching_a_document_is_refused(call: Call) -> None:
    result = call("sites", "-w", "-o", "json")
    assert result.code == 1
    assert "kubectl get -w -o json" in result.err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["sites", "--nonsense"], ["explain"], ["sites", "-o", "xml"]]
)
def test_a_wrong_call_ends_with_2(call: Call, arguments: list[str]) -> None:
    result = call(*arguments)
    assert (result.code, result.out) == (2, "")


def test_the_plugin_speaks_of_itself_as_people_type_it(call: Call) -> None:
    assert "kubectl tradewind sites" in call("sites", "--help", program="kubectl-tradewind").out
    assert "kubectl" not in call("sites", "--help", program="tradewind").out.split("Options")[0]


def test_help_comes_up_in_a_moment_and_without_the_operators_imports() -> None:
    code = (
        "import sys; sys.argv = ['tradewind', '--help']\n"
        "from tradewind.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'kopf', 'kubernetes', 'aiohttp', 'numpy', 'pydantic', 'prometheus_api_client'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    took = time.perf_counter() - began
    assert done.stderr.strip() == "[]"
    assert "explain" in done.stdout
    assert took < 3  # the promise is 0.3 s; a busy machine must not fail the suite
