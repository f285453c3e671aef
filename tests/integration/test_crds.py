"""The real API server takes the CRDs, refuses bad objects by field, and explains each field."""

import copy
import json
from typing import Any

import pytest
from tests.live import API, Live, job

from federation.cluster import ApiError

KINDS = {
    "computesites": "ComputeSite",
    "aiworkloads": "AIWorkload",
    "placementpolicies": "PlacementPolicy",
    "computequeues": "ComputeQueue",
    "acceleratorclasses": "AcceleratorClass",
}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.mark.parametrize("plural", KINDS)
def test_each_kind_is_established(live: Live, plural: str) -> None:
    crd = live.hub.api.get(f"{CRDS}/{plural}.tradewind.dev")
    conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    # A schema that is not structural is accepted and then ignored: nothing would be checked.
    assert conditions.get("NonStructuralSchema", "False") == "False"
    assert crd["spec"]["names"]["categories"] == ["tradewind"]
    assert crd["spec"]["names"]["shortNames"]


@pytest.mark.parametrize("plural", KINDS)
def test_every_field_is_described(live: Live, plural: str) -> None:
    crd = live.hub.api.get(f"{CRDS}/{plural}.tradewind.dev")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    bare: list[str] = []

    def walk(node: dict[str, Any], path: str) -> None:
        for name, field in node.get("properties", {}).items():
            where = f"{path}.{name}"
            if where != ".metadata" and not field.get("description"):
                bare.append(where)
            walk(field, where)
            walk(field.get("items") or {}, f"{where}[]")
            more = field.get("additionalProperties")
            walk(more if isinstance(more, dict) else {}, f"{where}{{}}")

    walk(schema, "")
    assert not bare


def test_kubectl_explains_a_field(live: Live) -> None:
    text = live.hub.kubectl("explain", "aiworkload.spec.placement.jurisdictions")
    assert "ISO 3166-1" in text
    assert "FIELD: jurisdictions" in text


def _with(workload: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(workload)
    *parents, last = path.split(".")
    at = changed
    for parent in parents:
        at = at.setdefault(parent, {})
    at[last] = value
    return changed


#: Field of an AIWorkload, a bad value, and what the refusal must say.
BAD_WORKLOADS = [
    ("spec.class", "Gaming", "Training"),
    ("spec.runtime", {"duration": "six hours"}, "spec.runtime.duration"),
    ("spec.runtime", {"duration": "1h", "maxDelay": "2x"}, "spec.runtime.maxDelay"),
    ("spec.runtime", {"deadline": "tomorrow"}, "spec.runtime.deadline"),
    ("spec.placement.jurisdictions", ["france"], "spec.placement.jurisdictions"),
    ("spec.placement.split", {"maxSites": 0}, "spec.placement.split.maxSites"),
    ("spec.placement.split", {"minSites": 2}, "minSites is above maxSites"),
    ("spec.placement.latency", {"maxMilliseconds": -1}, "maxMilliseconds"),
    ("spec.placement.latency", {"from": [{"region": "x", "share": 3}]}, "share"),
    ("spec.placement.data", [{"site": "a", "sizeGiB": -5}], "sizeGiB"),
    ("spec.accelerator.minMemoryGiB", -4, "minMemoryGiB"),
    ("spec.failover", {"mode": "Sometimes"}, "spec.failover.mode"),
    ("spec.template", {"apiVersion": "v1", "kind": "Secret"}, "spec.template"),
    ("spec.template", {"apiVersion": "batch/v1"}, "spec.template"),
    ("spec.overrides", [{"patch": []}], "spec.overrides"),
    ("spec.overrides", [{"patch": [{"op": "eat", "path": "/x"}]}], "op"),
    ("spec.placement.jurisdictions", ["FR"] * 300, "spec.placement.jurisdictions"),
    ("spec.template", None, "spec.template"),
]


@pytest.mark.parametrize(("path", "value", "said"), BAD_WORKLOADS)
def test_a_bad_workload_is_refused_by_field(live: Live, path: str, value: Any, said: str) -> None:
    bad = _with(job("bad", "default"), path, value)
    with pytest.raises(ApiError) as refused:
        live.hub.api.post(f"{API}/namespaces/default/aiworkloads?dryRun=All", bad)
    assert refused.value.status in (400, 422)
    assert said in str(refused.value)


def test_contradictory_fields_are_refused_with_the_mend(live: Live) -> None:
    split = _with(job("split", "default"), "spec.class", "Training")
    split["spec"]["placement"]["split"] = {"maxSites": 2}
    with pytest.raises(ApiError) as refused:
        live.hub.api.post(f"{API}/namespaces/default/aiworkloads?dryRun=All", split)
    assert "placement.split is for Inference and Batch" in str(refused.value)
    assert "leave it out, or change class" in str(refused.value)


def test_the_template_s_kind_cannot_change(live: Live, namespace: str) -> None:
    workload = live.create(job("fixed", namespace, suspend=True))
    with pytest.raises(ApiError) as refused:
        live.patch(
            workload, {"spec": {"template": {"apiVersion": "apps/v1", "kind": "Deployment"}}}
        )
    assert refused.value.status == 422
    assert "kind" in str(refused.value)


def test_an_unknown_field_is_an_error_to_a_strict_client(live: Live) -> None:
    bad = _with(job("typo", "default"), "spec.acelerator", {})
    path = f"{API}/namespaces/default/aiworkloads?dryRun=All&fieldValidation=Strict"
    with pytest.raises(ApiError, match="acelerator"):
        live.hub.api.post(path, bad)


SITE = {
    "apiVersion": "tradewind.dev/v1alpha1",
    "kind": "ComputeSite",
    "metadata": {"name": "candidate"},
    "spec": {"access": {"kubeconfigSecretRef": {"namespace": "x", "name": "y"}}},
}

BAD_SITES = [
    ("spec.access", {"kubeconfigSecretRef": {"name": "y"}, "local": True}, "spec.access"),
    ("spec.access", {}, "spec.access"),
    ("spec.energy", {"pue": 0.4}, "pue"),
    ("spec.energy", {"carbonIntensity": -1}, "carbonIntensity"),
    ("spec.location", {"jurisdiction": "France"}, "jurisdiction"),
    ("spec.location", {"coordinates": {"latitude": 123, "longitude": 0}}, "latitude"),
    ("spec.prometheus", {"url": "gopher://x"}, "spec.prometheus.url"),
    ("spec.pricing", {"acceleratorHour": {"x": -1}}, "acceleratorHour"),
    ("spec.taints", [{"key": "a", "effect": "Explode"}], "effect"),
]


@pytest.mark.parametrize(("path", "value", "said"), BAD_SITES)
def test_a_bad_site_is_refused_by_field(live: Live, path: str, value: Any, said: str) -> None:
    with pytest.raises(ApiError) as refused:
        live.hub.api.post(f"{API}/computesites?dryRun=All", _with(SITE, path, value))
    assert refused.value.status in (400, 422)
    assert said in str(refused.value)


def test_defaults_are_written_at_admission(live: Live) -> None:
    minimal = job("minimal", "default")
    del minimal["spec"]["class"]
    made = live.hub.api.post(f"{API}/namespaces/default/aiworkloads?dryRun=All", minimal)
    assert made["spec"]["class"] == "Batch"
    assert made["spec"]["failover"]["after"] == "5m"
    assert made["spec"]["suspend"] is False


def test_columns_tell_what_matters(live: Live) -> None:
    sites = live.hub.kubectl("get", "sites")
    assert sites.split()[:5] == ["NAME", "READY", "REGION", "LAW", "NODES"]
    assert "alpha" in sites
    raw = json.loads(live.hub.kubectl("get", "--raw", f"{CRDS}/aiworkloads.tradewind.dev"))
    columns = raw["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [c["name"] for c in columns][:5] == ["Class", "Phase", "Site", "Accelerator", "Ready"]


def test_everything_of_ours_is_one_category(live: Live) -> None:
    assert "computesite.tradewind.dev/alpha" in live.hub.kubectl("get", "tradewind", "-o", "name")
