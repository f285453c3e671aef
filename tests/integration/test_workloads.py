"""A workload's life on real servers: placed, rendered for the site, run, reported, removed."""

import json
from typing import Any

import pytest
from tests.live import Ledger, Live, Operator, condition, deployment, job, path_of, wait_for


@pytest.fixture(scope="module", autouse=True)
def operator(live: Live) -> Any:
    with live.operator() as operator:
        live.wait_sites("alpha", "beta")
        yield operator


def _pod_spec(child: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = child["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize(
    ("vendor", "member", "resource", "class_name"),
    [
        ("nvidia", "alpha", "nvidia.com/gpu", "nvidia-h100-sxm"),
        ("amd", "beta", "amd.com/gpu", "amd-mi300x"),
        ("huawei", "beta", "huawei.com/Ascend910", "huawei-ascend-910b3"),
        ("google", "beta", "google.com/tpu", "google-tpu-v5e"),
    ],
)
def test_a_job_runs_on_each_maker_s_chips(  # noqa: PLR0917 - pytest fills them in by name
    live: Live, namespace: str, vendor: str, member: str, resource: str, class_name: str
) -> None:
    chips = 8 if vendor == "google" else 2
    workload = live.create(
        job("work", namespace, chips=chips, accelerator={"vendors": [vendor]}, run_for="1s")
    )
    done = live.wait_phase(workload, "Succeeded")
    [placement] = done["status"]["placements"]
    assert placement["site"] == member
    assert placement["acceleratorClass"] == class_name
    assert placement["phase"] == "Succeeded"
    [child] = live.children(member, workload)
    limits = _pod_spec(child)["containers"][0]["resources"]["limits"]
    assert limits[resource] == str(chips)
    assert "tradewind.dev/accelerator" not in limits
    assert child["metadata"]["labels"]["tradewind.dev/epoch"] == str(placement["epoch"])
    assert placement["object"]["uid"] == child["metadata"]["uid"]
    managers = {entry["manager"] for entry in child["metadata"]["managedFields"]}
    assert "tradewind" in managers
    # The user's spec is as the user wrote it.
    asked = live.get(workload)["spec"]["template"]
    assert asked == workload["spec"]["template"]


def test_our_finalizer_comes_with_the_object_and_goes_after_its_child(
    live: Live, namespace: str
) -> None:
    asked = job("held", namespace, site="alpha", run_for="1h")
    asked["metadata"]["finalizers"] = ["example.com/theirs"]
    workload = live.create(asked)
    assert workload["metadata"]["finalizers"] == ["example.com/theirs", "tradewind.dev/dispatched"]
    live.wait_phase(workload, "Running")
    live.hub.api.delete(path_of(workload))
    wait_for(
        lambda: live.get(workload)["metadata"]["finalizers"] == ["example.com/theirs"],
        "our finalizer to be gone",
    )
    assert not live.children("alpha", workload)
    live.hub.api.patch(path_of(workload), {"metadata": {"finalizers": None}})
    wait_for(lambda: not live.hub.api.exists(path_of(workload)), "the workload to be gone")


def test_a_namespace_at_the_member_gets_a_pod_security_level(live: Live, namespace: str) -> None:
    workload = live.create(job("work", namespace, site="alpha"))
    live.wait_phase(workload, "Placed", "Running", "Succeeded")
    found = wait_for(
        lambda: live.members["alpha"].api.get(f"/api/v1/namespaces/{namespace}"), "the namespace"
    )
    assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"


def test_a_failed_job_is_reported_as_failed(live: Live, namespace: str) -> None:
    workload = live.create(job("breaks", namespace, annotations={"federation/fail": "true"}))
    done = live.wait_phase(workload, "Failed")
    assert done["status"]["placements"][0]["phase"] == "Failed"


def test_a_deployment_runs_scales_and_is_removed(live: Live, namespace: str) -> None:
    workload = live.create(deployment("serve", namespace, replicas=2))
    running = live.wait_phase(workload, "Running")
    assert running["status"]["readyReplicas"] == 2
    where = running["status"]["placements"][0]["site"]
    live.hub.kubectl("scale", "-n", namespace, "aiw/serve", "--replicas=5")
    wait_for(lambda: live.get(workload)["status"].get("readyReplicas") == 5, "five replicas")
    scaled = live.get(workload)["status"]
    assert (scaled["replicas"], scaled["placements"][0]["site"]) == (5, where)
    assert live.hub.api.get(f"{path_of(workload)}/scale")["status"]["replicas"] == 5
    live.hub.api.delete(path_of(workload))
    wait_for(lambda: not live.hub.api.exists(path_of(workload)), "the workload to be gone")
    assert not live.children(where, workload, "/apis/apps/v1/deployments")


def test_deleting_a_workload_deletes_its_child_first(live: Live, namespace: str) -> None:
    workload = live.create(job("long", namespace, site="beta", run_for="1h"))
    live.wait_phase(workload, "Running")
    assert live.children("beta", workload)
    live.hub.api.delete(path_of(workload))
    wait_for(lambda: not live.hub.api.exists(path_of(workload)), "the workload to be gone")
    assert not live.children("beta", workload)


def test_a_suspended_workload_waits_and_then_runs(live: Live, namespace: str) -> None:
    workload = live.create(job("held", namespace, suspend=True))
    live.wait_phase(workload, "Suspended")
    assert not live.children("alpha", workload) + live.children("beta", workload)
    live.patch(workload, {"spec": {"suspend": False}})
    live.wait_phase(workload, "Succeeded")


def test_suspending_a_running_workload_takes_it_off_its_site(live: Live, namespace: str) -> None:
    workload = live.create(job("pause", namespace, site="alpha", run_for="1h"))
    live.wait_phase(workload, "Running")
    live.patch(workload, {"spec": {"suspend": True}})
    wait_for(lambda: not live.children("alpha", workload), "the child to be gone")
    live.wait_phase(workload, "Suspended")


def test_what_is_not_ours_is_neither_taken_over_nor_removed(live: Live, namespace: str) -> None:
    alpha = live.members["alpha"]
    alpha.api.post(
        "/api/v1/namespaces",
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
    )
    theirs = job("taken", namespace)["spec"]["template"] | {"metadata": {"name": "taken"}}
    theirs["spec"]["suspend"] = True
    theirs["spec"]["template"]["spec"]["containers"][0]["resources"] = {}
    made = alpha.api.post(f"/apis/batch/v1/namespaces/{namespace}/jobs", theirs)
    workload = live.create(job("taken", namespace, site="alpha"))

    wait_for(
        lambda: condition(live.get(workload), "Dispatched").get("reason") == "ForeignObject",
        "the workload to say that the name is taken",
    )
    live.hub.api.delete(path_of(workload))
    wait_for(lambda: not live.hub.api.exists(path_of(workload)), "the workload to be gone")
    kept = alpha.api.get(f"/apis/batch/v1/namespaces/{namespace}/jobs/taken")
    assert kept["metadata"]["uid"] == made["metadata"]["uid"]
    assert kept["spec"] == made["spec"]


def test_what_fits_nowhere_says_per_site_what_is_missing(live: Live, namespace: str) -> None:
    workload = live.create(job("huge", namespace, chips=8, pods=100))
    live.wait_phase(workload, "Pending")
    wait_for(
        lambda: condition(live.get(workload), "Stalled").get("status") == "True",
        "the workload to be told that waiting is in vain",
    )
    text = live.cli("explain", f"{namespace}/huge")
    assert "alpha: needs 800 nvidia-h100-sxm; site has 240" in text
    assert "beta: needs 800 amd-mi300x; site has 208" in text
    told = json.loads(live.cli("explain", f"{namespace}/huge", "-o", "json"))
    assert {site for entry in told["decision"]["refused"] for site in entry["sites"]} == {
        "alpha",
        "beta",
    }


def test_a_workload_may_be_removed_some_time_after_it_finished(live: Live, namespace: str) -> None:
    workload = live.create(job("brief", namespace, ttlAfterFinished="1s"))
    wait_for(lambda: not live.hub.api.exists(path_of(workload)), "the workload to be gone")
    assert not live.children("alpha", workload) + live.children("beta", workload)


def test_a_finished_job_does_not_run_again(live: Live, namespace: str, operator: Operator) -> None:
    with Ledger(list(live.members.values())) as ledger:
        workload = live.create(job("once", namespace, site="alpha"))
        live.wait_phase(workload, "Succeeded")
        [child] = live.children("alpha", workload)
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{child['metadata']['name']}"
        live.members["alpha"].api.delete(path)
        wait_for(lambda: not live.members["alpha"].api.exists(path), "the child to be gone")
        # A later workload has gone through every step, so an earlier one would have too.
        later = live.create(job("later", namespace, site="alpha"))
        live.wait_phase(later, "Succeeded")
        assert live.get(workload)["status"]["phase"] == "Succeeded"
        assert ledger.seen[workload["metadata"]["uid"]] == 1


def test_a_template_that_could_take_over_a_node_is_refused(live: Live, namespace: str) -> None:
    workload = job("hostile", namespace)
    spec = workload["spec"]["template"]["spec"]["template"]["spec"]
    spec["hostPID"] = True
    spec["volumes"] = [{"name": "root", "hostPath": {"path": "/"}}]
    made = live.create(workload)
    text = wait_for(
        lambda: condition(live.get(made), "Placed").get("message"), "the template to be refused"
    )
    assert "hostPID may not be true; leave it out" in text
    assert condition(live.get(made), "Stalled")["reason"] == "TemplateRefused"
    assert not live.children("alpha", made) + live.children("beta", made)


def test_probes_and_metrics_answer(live: Live, operator: Operator) -> None:
    assert operator.get("/healthz")[0] == 200
    assert operator.get("/readyz")[0] == 200
    status, metrics = operator.get("/metrics")
    assert status == 200
    assert "tradewind_" in metrics


def test_logs_carry_workload_and_site(live: Live, namespace: str, operator: Operator) -> None:
    workload = live.create(job("logged", namespace, site="beta"))
    live.wait_phase(workload, "Succeeded")
    lines = [json.loads(line) for line in operator.text().splitlines() if line.startswith("{")]
    applied = [line for line in lines if line.get("workload") == f"{namespace}/logged"]
    assert any(line.get("site") == "beta" for line in applied)
