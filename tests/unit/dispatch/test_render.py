"""What a site is sent: its own resource's name, our labels, and nothing that was forged."""

from copy import deepcopy
from typing import Any

import pytest
from tests.unit.dispatch.memory_site import HUB
from tests.unit.dispatch.objects import ASCEND, H100, aiworkload, deployment, job, placement

from tradewind.api.names import (
    ANNOTATION_SPEC_HASH,
    ANNOTATION_WORKLOAD,
    LABEL_EPOCH,
    LABEL_HUB_ID,
    LABEL_MANAGED_BY,
    LABEL_WORKLOAD_UID,
    NEUTRAL_ACCELERATOR,
)
from tradewind.api.workload import AIWorkload
from tradewind.base.errors import TemplateRefusedError
from tradewind.dispatch.render import render
from tradewind.hardware.site import SiteHardware

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def sent(
    workload: AIWorkload,
    hardware: SiteHardware | None = None,
    *,
    epoch: int = 1,
    **site_labels: str,
) -> dict[str, Any]:
    return render(workload, placement(epoch=epoch), hardware, hub_id=HUB, site_labels=site_labels)


def pod_spec(body: dict[str, Any]) -> dict[str, Any]:
    return body["spec"]["template"]["spec"]


def main(body: dict[str, Any]) -> dict[str, Any]:
    return pod_spec(body)["containers"][0]


def spec_hash(body: dict[str, Any]) -> str:
    return body["metadata"]["annotations"][ANNOTATION_SPEC_HASH]


@pytest.mark.parametrize("hardware", [ASCEND, H100])
def test_chips_are_asked_for_by_the_sites_own_name(hardware: SiteHardware) -> None:
    resources = main(sent(aiworkload(template=job(chips=8)), hardware))["resources"]
    assert resources["requests"] == {"cpu": "1", hardware.resource_name: "8"}
    assert resources["limits"] == {hardware.resource_name: "8"}


def test_init_containers_are_translated_too() -> None:
    template = job(chips=8)
    first = {"name": "warm", "resources": {"limits": {NEUTRAL_ACCELERATOR: 1}}}
    template["spec"]["template"]["spec"]["initContainers"] = [first]
    container = pod_spec(sent(aiworkload(template=template), ASCEND))["initContainers"][0]
    assert container["resources"] == {
        "limits": {"huawei.com/Ascend910": 1},
        "requests": {"huawei.com/Ascend910": 1},
    }


def test_pods_are_drawn_to_nodes_of_the_class_by_any_of_its_labels() -> None:
    affinity = pod_spec(sent(aiworkload(template=job(chips=8)), ASCEND))["affinity"]
    terms = affinity["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    keys = [[(e["key"], e["operator"], e["values"]) for e in t["matchExpressions"]] for t in terms]
    assert keys == [
        [("accelerator/huawei-npu", "In", ["ascend-910b"])],
        [("node.kubernetes.io/npu.chip.name", "In", ["910B1"])],
    ]


def test_the_templates_own_affinity_still_holds() -> None:
    zone = {"key": "zone", "operator": "In", "values": ["a"]}
    arch = {"key": "arch", "operator": "In", "values": ["arm64"]}
    given = {"nodeSelectorTerms": [{"matchExpressions": [zone]}, {"matchExpressions": [arch]}]}
    template = job(chips=8, affinity={"nodeAffinity": {REQUIRED: given}})
    affinity = pod_spec(sent(aiworkload(template=template), ASCEND))["affinity"]
    terms = affinity["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert len(terms) == 4
    assert [term["matchExpressions"][0] for term in terms] == [zone, zone, arch, arch]
    assert all(len(term["matchExpressions"]) == 2 for term in terms)


def test_pods_tolerate_the_taint_that_guards_their_chips() -> None:
    mine = {"key": "dedicated", "operator": "Exists"}
    body = sent(aiworkload(template=job(chips=8, tolerations=[mine])), ASCEND)
    own = {"key": "huawei.com/Ascend910", "operator": "Exists"}
    assert pod_spec(body)["tolerations"] == [mine, own]


def test_work_without_chips_is_left_as_it_is() -> None:
    spec = pod_spec(sent(aiworkload(template=job()), ASCEND))
    assert "affinity" not in spec
    assert "tolerations" not in spec
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "1"}}


def test_chips_without_a_class_are_refused() -> None:
    with pytest.raises(TemplateRefusedError, match="names no accelerator class"):
        sent(aiworkload(template=job(chips=8)), None)


def test_the_object_says_whose_it_is() -> None:
    body = sent(aiworkload(template=job(chips=8)), ASCEND, epoch=7)
    metadata = body["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("train", "research")
    assert metadata["labels"] == {
        LABEL_HUB_ID: HUB,
        LABEL_WORKLOAD_UID: "uid-train",
        LABEL_MANAGED_BY: "tradewind",
        LABEL_EPOCH: "7",
    }
    assert metadata["annotations"][ANNOTATION_WORKLOAD] == "research/train"
    assert body["spec"]["template"]["metadata"]["labels"] == {
        LABEL_HUB_ID: HUB,
        LABEL_WORKLOAD_UID: "uid-train",
    }


def test_labels_of_the_templates_own_stay_beside_ours() -> None:
    template = deployment()
    template["metadata"] = {"labels": {"team": "nlp"}, "annotations": {"note": "x"}}
    body = sent(aiworkload(template=template))
    assert body["metadata"]["labels"]["team"] == "nlp"
    assert body["metadata"]["annotations"]["note"] == "x"
    assert body["spec"]["template"]["metadata"]["labels"]["app"] == "serve"


def test_pods_get_no_credentials_of_the_sites_api() -> None:
    assert pod_spec(sent(aiworkload()))["automountServiceAccountToken"] is False


def test_the_workload_is_not_changed() -> None:
    workload = aiworkload(template=job(chips=8))
    before = deepcopy(workload.spec.template)
    sent(workload, ASCEND)
    assert workload.spec.template == before


def test_what_a_server_wrote_is_left_out() -> None:
    template = job()
    template["metadata"] = {"uid": "x", "resourceVersion": "1", "managedFields": [], "name": "y"}
    template["status"] = {"succeeded": 1}
    template["spec"]["ttlSecondsAfterFinished"] = 5
    body = sent(aiworkload(template=template))
    assert "status" not in body
    assert body["metadata"].keys() == {"name", "namespace", "labels", "annotations"}
    assert "ttlSecondsAfterFinished" not in body["spec"]


# --- variants


VARIANTS = [
    {
        "when": {"vendor": "huawei"},
        "containers": [
            {
                "name": "main",
                "image": "train-cann:1",
                "command": ["torchrun"],
                "env": [{"name": "BACKEND", "value": "hccl"}],
                "resources": {"requests": {"cpu": "24"}},
            }
        ],
    },
    {"when": {}, "containers": [{"name": "main", "image": "train-any:1"}]},
]


def test_the_first_variant_that_fits_applies() -> None:
    workload = aiworkload(template=job(chips=8), variants=VARIANTS)
    container = main(sent(workload, ASCEND))
    assert (container["image"], container["command"]) == ("train-cann:1", ["torchrun"])
    assert container["env"] == [{"name": "BACKEND", "value": "hccl"}]
    assert container["resources"]["requests"] == {"cpu": "24", "huawei.com/Ascend910": "8"}
    assert main(sent(workload, H100))["image"] == "train-any:1"


def test_a_variant_of_a_container_that_is_not_there_is_refused() -> None:
    variants = [{"when": {}, "containers": [{"name": "other", "image": "x"}]}]
    with pytest.raises(TemplateRefusedError, match="no container 'other'"):
        sent(aiworkload(template=job(chips=8), variants=variants), ASCEND)


# --- overrides


def overrides(*patch: dict[str, Any], **labels: str) -> list[dict[str, Any]]:
    return [{"siteSelector": {"matchLabels": labels}, "patch": list(patch)}]


def test_an_override_applies_where_its_selector_fits() -> None:
    patch = {"op": "replace", "path": "/spec/backoffLimit", "value": 0}
    template = job()
    template["spec"]["backoffLimit"] = 6
    workload = aiworkload(template=template, overrides=overrides(patch, tier="edge"))
    assert sent(workload, tier="edge")["spec"]["backoffLimit"] == 0
    assert sent(workload, tier="core")["spec"]["backoffLimit"] == 6


def test_an_override_may_set_null() -> None:
    patch = {"op": "add", "path": "/spec/activeDeadlineSeconds", "value": None}
    body = sent(aiworkload(overrides=overrides(patch)))
    assert body["spec"]["activeDeadlineSeconds"] is None


FORGED = {
    "our labels on the object": {
        "op": "add",
        "path": "/metadata/labels",
        "value": {LABEL_HUB_ID: "other"},
    },
    "our labels on the pods": {
        "op": "add",
        "path": "/spec/template/metadata",
        "value": {"labels": {LABEL_WORKLOAD_UID: "other"}},
    },
    "the host's network": {"op": "add", "path": "/spec/template/spec/hostNetwork", "value": True},
    "another kind": {"op": "replace", "path": "/kind", "value": "Secret"},
    "no containers": {"op": "remove", "path": "/spec/template/spec/containers"},
    "a path that is not there": {"op": "remove", "path": "/spec/nothing"},
    "a pointer that is none": {"op": "remove", "path": "nothing"},
    "an operation that is none": {"op": "smash", "path": "/spec"},
    "a move without a source": {"op": "move", "path": "/spec"},
    "the whole object": {"op": "replace", "path": "", "value": []},
    "text for the pods": {"op": "replace", "path": "/spec/template", "value": "x"},
    "text for the containers": {
        "op": "replace",
        "path": "/spec/template/spec/containers",
        "value": "x",
    },
    "text for the object's metadata": {"op": "add", "path": "/metadata", "value": "x"},
    "a list for its labels": {"op": "add", "path": "/metadata/labels", "value": ["x"]},
    "a number for its annotations": {"op": "add", "path": "/metadata/annotations", "value": 5},
    "text for the pods' metadata": {"op": "add", "path": "/spec/template/metadata", "value": "x"},
}


@pytest.mark.parametrize("patch", FORGED.values(), ids=FORGED.keys())
def test_an_override_that_breaks_the_template_is_refused(patch: dict[str, Any]) -> None:
    with pytest.raises(TemplateRefusedError):
        sent(aiworkload(overrides=overrides(patch)))


@pytest.mark.parametrize("path", ["/metadata", "/spec/template/metadata"])
@pytest.mark.parametrize("value", [None, {"labels": None, "annotations": None}])
def test_metadata_that_is_null_is_as_if_it_were_absent(path: str, value: Any) -> None:
    patch = {"op": "add", "path": path, "value": value}
    body, plain = sent(aiworkload(overrides=overrides(patch))), sent(aiworkload())
    assert body["metadata"]["labels"] == plain["metadata"]["labels"]
    labels = body["spec"]["template"]["metadata"]["labels"]
    assert labels == plain["spec"]["template"]["metadata"]["labels"]


def test_name_and_namespace_cannot_be_overridden() -> None:
    patch = {"op": "add", "path": "/metadata/name", "value": "kube-root"}
    assert sent(aiworkload(overrides=overrides(patch)))["metadata"]["name"] == "train"


# --- the digest


def test_the_digest_knows_a_new_spec_from_a_new_epoch() -> None:
    workload = aiworkload(template=deployment())
    same = sent(workload, epoch=2)
    assert spec_hash(sent(workload)) == spec_hash(same)
    assert spec_hash(sent(aiworkload(template=deployment(replicas=2)))) != spec_hash(same)


def test_the_digest_does_not_hang_on_the_order_of_keys() -> None:
    template = deployment()
    turned = dict(reversed(list(template.items())))
    turned["spec"] = dict(reversed(list(template["spec"].items())))
    assert spec_hash(sent(aiworkload(template=turned))) == spec_hash(
        sent(aiworkload(template=template))
    )
