"""Job and Deployment: their pods, their copies, and what their statuses mean."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.base.errors import TemplateRefusedError
from tradewind.workloads.adapter import Adapter, ObservedState
from tradewind.workloads.registry import ADAPTERS, adapter_for

JOB = adapter_for("batch/v1", "Job")
DEPLOYMENT = adapter_for("apps/v1", "Deployment")
NOON = "2026-11-24T12:00:00Z"


def observed(adapter: Adapter, spec: dict[str, Any], status: Any, **metadata: Any) -> Any:
    return adapter.observe({"metadata": metadata, "spec": spec, "status": status})


def condition(sort: str, status: str = "True", **more: str) -> dict[str, str]:
    return {"type": sort, "status": status, "lastTransitionTime": NOON, **more}


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({}, 1),
        ({"parallelism": 4}, 4),
        ({"parallelism": 4, "completions": 2}, 2),
        ({"parallelism": 2, "completions": 9}, 2),
        ({"parallelism": 0}, 0),
        ({"parallelism": "4"}, 1),
        ({"parallelism": True}, 1),
        ({"parallelism": -3}, 0),
        ({"parallelism": None, "completions": 3}, 1),
    ],
)
def test_a_job_has_as_many_pods_as_run_at_once(spec: dict[str, Any], count: int) -> None:
    (pods,) = JOB.pod_sets({"spec": spec})
    assert pods.count == count


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, ObservedState.PENDING),
        (None, ObservedState.PENDING),
        ({"active": 2, "startTime": NOON}, ObservedState.PENDING),
        ({"active": 2, "ready": 1}, ObservedState.RUNNING),
        ({"active": 1, "succeeded": 1}, ObservedState.RUNNING),
        ({"conditions": [condition("Suspended")]}, ObservedState.SUSPENDED),
        ({"conditions": [condition("SuccessCriteriaMet")], "ready": 1}, ObservedState.RUNNING),
        ({"conditions": [condition("FailureTarget")], "ready": 1}, ObservedState.RUNNING),
        ({"conditions": [condition("Complete", "False")]}, ObservedState.PENDING),
        ({"conditions": [condition("Complete")]}, ObservedState.SUCCEEDED),
        ({"conditions": [condition("Failed")]}, ObservedState.FAILED),
        ({"conditions": ["x", 7, None]}, ObservedState.PENDING),
        ({"ready": "many"}, ObservedState.PENDING),
    ],
)
def test_only_complete_and_failed_end_a_job(status: Any, state: ObservedState) -> None:
    assert observed(JOB, {"parallelism": 2}, status).state is state


def test_a_job_ends_when_it_says_and_fails_when_its_condition_says() -> None:
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    done = observed(
        JOB,
        {},
        {"conditions": [condition("Complete")], "completionTime": "2026-11-24T11:00:00Z"},
    )
    assert done.finished_at == noon.replace(hour=11)
    failed = observed(
        JOB,
        {},
        {"conditions": [condition("Failed", reason="BackoffLimitExceeded", message="7 times")]},
    )
    assert (failed.finished_at, failed.message) == (noon, "BackoffLimitExceeded: 7 times")


@pytest.mark.parametrize("text", ["yesterday", "2026-11-24", "2026-11-24T12:00:00", 7, ""])
def test_a_time_that_is_none_is_no_time(text: Any) -> None:
    assert observed(JOB, {}, {"startTime": text}).started_at is None


def test_a_copy_of_a_job_ends_with_us_and_not_at_the_member() -> None:
    template = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j", "uid": "u", "finalizers": ["f"], "labels": {"team": "a"}},
        "spec": {
            "ttlSecondsAfterFinished": 30,
            "managedBy": "x/y",
            "selector": {"matchLabels": {"controller-uid": "u"}},
            "template": {"metadata": {"labels": {"controller-uid": "u", "app": "a"}}, "spec": {}},
        },
        "status": {"active": 1},
    }
    before = deepcopy(template)
    body = JOB.clean(template)
    assert template == before
    assert body == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"labels": {"team": "a"}},
        "spec": {"template": {"metadata": {"labels": {"app": "a"}}, "spec": {}}},
    }


def test_a_selector_of_ones_own_is_kept() -> None:
    spec = {"manualSelector": True, "selector": {"matchLabels": {"a": "b"}}, "template": {}}
    assert JOB.clean({"spec": spec})["spec"]["selector"] == {"matchLabels": {"a": "b"}}


def test_a_deployment_runs_once_a_replica_is_ready_for_the_newest_spec() -> None:
    available = {"conditions": [condition("Available")], "observedGeneration": 2}
    ready = {"readyReplicas": 1, **available}
    assert observed(DEPLOYMENT, {}, ready, generation=2).state is ObservedState.RUNNING
    assert observed(DEPLOYMENT, {}, ready, generation=3).state is ObservedState.PENDING
    assert observed(DEPLOYMENT, {}, available, generation=2).state is ObservedState.PENDING


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ([condition("ReplicaFailure", reason="Quota", message="exceeded")], "Quota: exceeded"),
        ([condition("Progressing", "False", reason="Deadline", message="m")], "Deadline: m"),
        ([condition("Progressing", "True", reason="r", message="m")], ""),
        ([], ""),
    ],
)
def test_a_deployments_trouble_is_told(conditions: list[Any], message: str) -> None:
    assert observed(DEPLOYMENT, {}, {"conditions": conditions}).message == message


def test_a_deployments_copy_has_no_revision() -> None:
    annotations = {"deployment.kubernetes.io/revision": "7", "note": "kept"}
    body = DEPLOYMENT.clean({"metadata": {"name": "d", "annotations": annotations}, "spec": {}})
    assert body["metadata"] == {"annotations": {"note": "kept"}}


@pytest.mark.parametrize(
    ("api_version", "kind"), [("v1", "Pod"), ("batch/v1", "CronJob"), ("apps/v1", "Job"), ("", "")]
)
def test_a_kind_that_is_not_listed_is_refused_with_the_list(api_version: str, kind: str) -> None:
    with pytest.raises(TemplateRefusedError) as refused:
        adapter_for(api_version, kind)
    assert "batch/v1/Job" in str(refused.value.hint)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["conditions", "active", "ready", "succeeded", "startTime", "completionTime", "readyReplicas"]
)


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS.keys())
@given(status=st.dictionaries(FIELDS, JSON), spec=st.dictionaries(st.just("parallelism"), JSON))
def test_a_member_that_lies_does_not_make_it_fail(
    adapter: Adapter, status: dict[str, Any], spec: dict[str, Any]
) -> None:
    found = observed(adapter, spec, status)
    assert found.replicas >= 0
    assert found.ready >= 0
    assert len(found.message) <= 1024
