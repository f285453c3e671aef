"""Hardware of many makers on real servers: labels, one workload for all, and devices by DRA."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests import hardware
from tests.live import API, Live, condition, job, path_of, wait_for

from federation.cluster import Cluster

PREFIX = "accelerator.tradewind.dev/"
DRA = "/apis/resource.k8s.io/v1"
ACME = {
    "apiVersion": "tradewind.dev/v1alpha1",
    "kind": "AcceleratorClass",
    "metadata": {"name": "acme-x1"},
    "spec": {
        "vendor": "acme",
        "resourceNames": ["acme.example/chip"],
        "match": [{"key": "acme.example/model", "values": ["X1"]}],
        "memoryGiB": 48,
        "tflops": {"bf16": 100},
    },
}


@pytest.fixture(scope="module", autouse=True)
def operator(live: Live) -> Any:
    with live.operator() as operator:
        live.wait_sites("alpha", "beta")
        yield operator


@pytest.fixture(scope="module", autouse=True)
def makers(live: Live) -> Iterator[None]:
    """At beta, beside AMD, Ascend and TPU: a maker that nobody knows, and NVIDIA by DRA alone.

    At alpha, beside whole NVIDIA cards: two that HAMi offers ten times each, without any label.
    """
    alpha, beta = live.members["alpha"], live.members["beta"]
    shared_out = hardware.node("hami-0", {"nvidia.com/gpu": 20})
    shared_out["metadata"]["annotations"]["hami.io/node-nvidia-register"] = json.dumps(
        [{"id": f"GPU-{n}", "count": 10, "type": "NVIDIA-NVIDIA L20", "health": True} for n in "01"]
    )
    bodies = (
        hardware.node("acme-0", {"acme.example/chip": 8}, **{"acme.example/model": "X1"}),
        hardware.node("biren-0", {"birentech.com/gpu": 8}),
        hardware.node("dra-0", {}),
    )
    beta.api.post(f"{DRA}/deviceclasses", hardware.device_class())
    with hardware.nodes(alpha, shared_out), hardware.nodes(beta, *bodies):
        made = hardware.resource_slice("dra-0", "NVIDIA H100 80GB HBM3", 8)
        beta.api.post(f"{DRA}/resourceslices", made)
        try:
            yield
        finally:
            beta.api.delete(f"{DRA}/resourceslices/{made['metadata']['name']}")
            beta.api.delete(f"{DRA}/deviceclasses/{hardware.DRIVER}")


def labels_of(live: Live, member: str, node: str) -> dict[str, str]:
    found = live.members[member].api.get(f"/api/v1/nodes/{node}")["metadata"]["labels"]
    return {k.removeprefix(PREFIX): v for k, v in found.items() if k.startswith(PREFIX)}


def nodes_at(live: Live, member: str, selector: str) -> list[Any]:
    found: list[Any] = live.members[member].api.get("/api/v1/nodes", labelSelector=selector)[
        "items"
    ]
    return found


LABELS = {
    "alpha-nvidia-h100-000": {"vendor": "nvidia", "class": "nvidia-h100-sxm", "count": "8",
                              "memory-gib": "80", "sharing": "none", "interconnect": "nvlink",
                              "family": "nvidia-h100", "bf16-tflops": "989", "source": "r2"},
    "beta-amd-mi300x-000": {"vendor": "amd", "class": "amd-mi300x", "memory-gib": "192",
                            "units": "8", "fp8-tflops": "2615", "source": "r3"},
    "beta-huawei-ascend-910b-000": {"vendor": "huawei", "class": "huawei-ascend-910b3",
                                    "family": "huawei-ascend-910b", "source": "r4"},
    "beta-google-tpu-v5e-000": {"vendor": "google", "class": "google-tpu-v5e", "count": "8"},
    "hami-0": {"vendor": "nvidia", "class": "nvidia-l20", "count": "2", "units": "2",
               "sharing": "hami", "source": "r6"},
    "dra-0": {"vendor": "nvidia", "class": "nvidia-h100-sxm", "units": "8", "source": "r1"},
    "biren-0": {"vendor": "biren", "units": "8", "state": "Unclassified", "source": "r10"},
}  # fmt: skip


def test_nodes_of_every_maker_bear_the_standard_labels(live: Live) -> None:
    for name, want in LABELS.items():
        member = "alpha" if name.startswith(("alpha", "hami")) else "beta"
        found = wait_for(
            lambda member=member, name=name: labels_of(live, member, name), f"labels of {name}"
        )
        assert want.items() <= found.items()
        assert found["state"] == want.get("state", "Classified")
    assert "class" not in labels_of(live, "beta", "biren-0")
    [node] = nodes_at(live, "beta", "kubernetes.io/hostname=dra-0")
    managers = {entry["manager"]: entry["fieldsV1"] for entry in node["metadata"]["managedFields"]}
    [owned] = managers["tradewind-labeller"]["f:metadata"].values()
    assert all(key.startswith(f"f:{PREFIX}") for key in owned)
    wait_for(
        lambda: condition(live.site("beta"), "NodesLabelled").get("status") == "True",
        "beta's nodes to be labelled",
    )
    # The status may still tell what an operator before this one saw, without these nodes.
    told = wait_for(
        lambda: (
            (found := condition(live.site("beta"), "HardwareRecognised"))
            and found["reason"] == "UnknownAccelerators"
            and "acme.example/chip" in found["message"]
            and found
        ),
        "beta's unknown accelerators to be told",
    )
    assert "biren-0" in told["message"]
    assert "acme.example/chip on 1 node(s): no class names that resource" in told["message"]


def test_an_unknown_maker_is_named_by_an_accelerator_class(live: Live) -> None:
    assert not labels_of(live, "beta", "acme-0")
    live.hub.api.post(f"{API}/acceleratorclasses", ACME)
    found = wait_for(lambda: labels_of(live, "beta", "acme-0"), "labels of acme-0")
    assert (found["vendor"], found["class"], found["memory-gib"]) == ("acme", "acme-x1", "48")


def test_conflicting_labels_are_told_with_the_mend_and_the_mend_works(live: Live) -> None:
    alpha = live.members["alpha"]
    torn = hardware.of_template("torn-0", "nvidia-h100")
    torn["metadata"]["labels"]["cloud.google.com/gke-accelerator"] = "nvidia-l4"

    def told(reason: str) -> dict[str, Any]:
        found = condition(live.site("alpha"), "HardwareRecognised")
        return found if found.get("reason") == reason else {}

    with hardware.nodes(alpha, torn):
        found = wait_for(lambda: labels_of(live, "alpha", "torn-0"), "labels of torn-0")
        assert (found["state"], found.get("class")) == ("Conflict", None)
        message = wait_for(lambda: told("ConflictingLabels"), "the condition")["message"]
        assert "gke-accelerator=nvidia-l4 tells nvidia-l4" in message
        mend = f"{PREFIX}override"
        assert mend in message
        annotated = {"metadata": {"annotations": {mend: "nvidia-h100-sxm"}}}
        alpha.api.patch("/api/v1/nodes/torn-0", annotated)
        wait_for(
            lambda: labels_of(live, "alpha", "torn-0").get("class") == "nvidia-h100-sxm",
            "the class that the operator named",
        )
        wait_for(lambda: told("Recognised"), "the condition to be well")


VARIANTS = [
    {"when": {"vendor": "nvidia"}, "containers": [{"name": "main", "image": "work:cuda"}]},
    {"when": {"vendor": "amd"}, "containers": [{"name": "main", "image": "work:rocm"}]},
    {"when": {"vendor": "huawei"}, "containers": [{"name": "main", "image": "work:cann"}]},
    {"when": {"vendor": "google"}, "containers": [{"name": "main", "image": "work:xla"}]},
    {"when": {"vendor": "acme"}, "containers": [{"name": "main", "image": "work:acme"}]},
]


def test_one_workload_runs_on_each_maker_by_changing_nothing_but_the_selector(
    live: Live, namespace: str
) -> None:
    ran = {}
    for vendor in ("nvidia", "amd", "huawei", "google", "acme", "biren"):
        # A TPU host gives all of its chips or none, so the one template asks for eight.
        work = job("work", namespace, chips=8, variants=VARIANTS)
        work["spec"]["accelerator"] = {"vendors": [vendor]}
        made = live.create(work)
        done = live.wait_phase(made, "Succeeded")
        [placement] = done["status"]["placements"]
        [child] = live.children(placement["site"], made)
        ran[vendor] = child["spec"]["template"]["spec"]["containers"][0]["image"]
        live.hub.api.delete(path_of(made))
        wait_for(lambda made=made: not live.hub.api.exists(path_of(made)), "it to be gone")
    assert ran == {
        "nvidia": "work:cuda",
        "amd": "work:rocm",
        "huawei": "work:cann",
        "google": "work:xla",
        "acme": "work:acme",
        "biren": "registry.example/work:1",
    }


def test_pods_are_drawn_to_nodes_by_the_standard_labels(live: Live, namespace: str) -> None:
    work = job("drawn", namespace, chips=2, accelerator={"vendors": ["amd"]})
    made = live.create(work)
    live.wait_phase(made, "Succeeded")
    [child] = live.children("beta", made)
    affinity = child["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    [term] = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    wanted = {e["key"].removeprefix(PREFIX): e["values"] for e in term["matchExpressions"]}
    assert wanted == {"class": ["amd-mi300x"], "sharing": ["none"]}


def test_cards_that_hami_shares_out_are_asked_for_whole(
    live: Live, namespace: str, create: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    work = job("cards", namespace, chips=2, run_for="1h", accelerator={"classes": ["nvidia-l20"]})
    live.wait_phase(create(work), "Running")
    [pod] = live.members["alpha"].api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    assert pod["spec"]["nodeName"] == "hami-0"
    # Eighteen slots are left, and no card.
    create(job("late", namespace, chips=1, accelerator={"classes": ["nvidia-l20"]}))
    wait_for(
        lambda: (
            "InsufficientAccelerators" in live.cli("explain", f"{namespace}/late", "-o", "json")
        ),
        "the second to be told what is missing",
    )


def _dra(live: Live) -> dict[str, Any]:
    classes = live.site("beta")["status"].get("accelerators", [])
    return next((c for c in classes if c["resourceName"].endswith(hardware.DRIVER)), {})


def test_a_neutral_request_runs_on_devices_that_exist_only_by_dra(
    live: Live, namespace: str
) -> None:
    counted = wait_for(lambda: _dra(live), "devices to be counted")
    assert (counted["class"], counted["allocatable"], counted["requested"]) == (
        "nvidia-h100-sxm", 8, 0,
    )  # fmt: skip
    work = job("devices", namespace, site="beta", chips=3, run_for="1h")
    work["spec"]["accelerator"] = {"vendors": ["nvidia"]}
    made = live.create(work)
    live.wait_phase(made, "Running")
    beta = live.members["beta"]
    templates = f"{DRA}/namespaces/{namespace}/resourceclaimtemplates"
    [template] = beta.api.get(templates)["items"]
    [child] = live.children("beta", made)
    assert (
        template["metadata"]["labels"].items()
        >= {
            "tradewind.dev/workload-uid": made["metadata"]["uid"],
            "tradewind.dev/epoch": "1",
        }.items()
    )
    assert [o["uid"] for o in template["metadata"]["ownerReferences"]] == [child["metadata"]["uid"]]
    [claim] = beta.api.get(f"{DRA}/namespaces/{namespace}/resourceclaims")["items"]
    results = claim["status"]["allocation"]["devices"]["results"]
    assert len({result["device"] for result in results}) == 3
    [pod] = beta.api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
    assert pod["spec"]["nodeName"] == "dra-0"
    wait_for(lambda: _dra(live).get("requested") == 3, "the claim to be counted")

    # Six more are not there; and what is gone gives its devices back, and leaves nothing.
    late = live.create(
        job("late", namespace, site="beta", chips=6, accelerator={"vendors": ["nvidia"]})
    )
    wait_for(
        lambda: (
            "InsufficientAccelerators" in live.cli("explain", f"{namespace}/late", "-o", "json")
        ),
        "the second to be told what is missing",
    )
    live.hub.api.delete(path_of(made))
    live.wait_phase(late, "Succeeded")
    wait_for(
        lambda: [t["metadata"]["labels"]["tradewind.dev/workload-uid"]
                 for t in beta.api.get(templates)["items"]] == [late["metadata"]["uid"]],
        "the first one's claim template to be gone",
    )  # fmt: skip
    live.hub.api.delete(path_of(late))
    wait_for(lambda: not beta.api.get(templates)["items"], "all claim templates to be gone")


def test_a_foreign_claim_template_is_left_alone(live: Live, namespace: str) -> None:
    work = job("twin", namespace, site="beta", chips=1, accelerator={"vendors": ["nvidia"]})
    first = live.create(work)
    live.wait_phase(first, "Succeeded")
    beta = live.members["beta"]
    templates = f"{DRA}/namespaces/{namespace}/resourceclaimtemplates"
    [template] = beta.api.get(templates)["items"]
    name = template["metadata"]["name"]
    live.hub.api.delete(path_of(first))
    wait_for(lambda: not live.hub.api.exists(path_of(first)), "the first to be gone")
    wait_for(lambda: not beta.api.get(templates)["items"], "the template to be gone")
    foreign = {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
               "metadata": {"name": name}, "spec": template["spec"]}  # fmt: skip
    beta.api.post(templates, foreign)
    again = live.create(work)
    wait_for(
        lambda: condition(live.get(again), "Dispatched").get("reason") == "ForeignObject",
        "the workload to say that the name is taken",
    )
    assert not live.children("beta", again)
    live.hub.api.delete(path_of(again))
    wait_for(lambda: not live.hub.api.exists(path_of(again)), "the workload to be gone")
    [kept] = beta.api.get(templates)["items"]
    assert "ownerReferences" not in kept["metadata"]


def test_labels_go_with_the_hardware_and_with_the_wish(live: Live) -> None:
    beta = live.members["beta"]
    with hardware.nodes(beta, hardware.node("fleeting", {"birentech.com/gpu": 4})):
        wait_for(lambda: labels_of(live, "beta", "fleeting"), "labels")
        gone = {"status": {"allocatable": {"birentech.com/gpu": None},
                           "capacity": {"birentech.com/gpu": None}}}  # fmt: skip
        beta.api.patch("/api/v1/nodes/fleeting/status", gone)
        wait_for(lambda: not labels_of(live, "beta", "fleeting"), "labels to be gone")
    live.hub.api.patch(f"{API}/computesites/beta", {"spec": {"nodeLabels": False}})
    try:
        wait_for(lambda: not nodes_at(live, "beta", f"{PREFIX}vendor"), "all labels to be gone")
        assert condition(live.site("beta"), "NodesLabelled")["reason"] == "NotWanted"
    finally:
        live.hub.api.patch(f"{API}/computesites/beta", {"spec": {"nodeLabels": True}})
    wait_for(lambda: len(nodes_at(live, "beta", f"{PREFIX}vendor")) >= 30, "labels to be back")


def _label_writes(member: Cluster) -> float:
    """Applies to nodes that the member's API server has seen."""
    text = member.kubectl("get", "--raw", "/metrics")
    lines = (line for line in text.splitlines() if line.startswith("apiserver_request_total{"))
    mine = (line for line in lines if 'resource="nodes"' in line and 'verb="APPLY"' in line)
    return sum(float(line.rpartition(" ")[2]) for line in mine)


def test_a_node_that_changes_otherwise_is_not_written_again(live: Live) -> None:
    beta = live.members["beta"]
    wait_for(
        lambda: condition(live.site("beta"), "NodesLabelled").get("status") == "True", "all labels"
    )
    before = _label_writes(beta)
    for number in range(5):
        path = f"/api/v1/nodes/beta-amd-mi300x-00{number}"
        beta.api.patch(path, {"metadata": {"labels": {"tests/touched": "yes"}}})
    with hardware.nodes(beta, hardware.node("after-them", {"birentech.com/gpu": 4})):
        wait_for(lambda: labels_of(live, "beta", "after-them"), "labels of the node that came last")
        assert _label_writes(beta) == before + 1


def test_a_member_without_the_right_goes_on_without_labels(live: Live, namespace: str) -> None:
    alpha = live.members["alpha"]
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/tradewind-dispatch"
    role = alpha.api.get(path)
    less = [rule for rule in role["rules"] if "patch" not in rule["verbs"]
            or "nodes" not in rule.get("resources", ())]  # fmt: skip
    alpha.api.patch(path, {"rules": less})
    try:
        with hardware.nodes(alpha, hardware.of_template("late-0", "nvidia-l4")):
            told = wait_for(
                lambda: (
                    (c := condition(live.site("alpha"), "NodesLabelled")).get("reason")
                    == "Forbidden"
                    and c
                ),
                "the condition to tell",
            )
            assert "tradewind join" in told["message"]
            work = job("without", namespace, chips=1)
            work["spec"]["accelerator"] = {"classes": ["nvidia-l4"]}
            made = live.create(work)
            live.wait_phase(made, "Succeeded")
            text = json.dumps(live.children("alpha", made)[0]["spec"]["template"]["spec"])
            assert "nvidia.com/gpu.product" in text
    finally:
        alpha.api.patch(path, {"rules": role["rules"]})


def test_a_site_that_leaves_keeps_none_of_our_labels(live: Live) -> None:
    wait_for(lambda: nodes_at(live, "beta", f"{PREFIX}class"), "labels at beta")
    live.cli("leave", "beta", "--member-kubeconfig", str(live.members["beta"].kubeconfig))
    assert not nodes_at(live, "beta", f"{PREFIX}vendor")
    live.join("beta")
    live.wait_sites("beta")
