"""From a neutral template to the site's own terms."""

from copy import deepcopy
from typing import Any

import pytest

from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.api.workload import Variant
from tradewind.base.errors import TemplateRefusedError
from tradewind.hardware.site import SiteHardware
from tradewind.hardware.translate import translate_pod_template

ASCEND = SiteHardware(
    "huawei-ascend-910b3",
    "huawei",
    "huawei.com/Ascend910",
    ((("node.kubernetes.io/npu.chip.name", "910B3"),),),
)


def container(name: str = "main", **resources: Any) -> dict[str, Any]:
    return {"name": name, "image": "train:cuda", "resources": resources}


def template(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def chips(count: str = "8") -> dict[str, str]:
    return {"cpu": "4", NEUTRAL_ACCELERATOR: count}


def terms_of(result: dict[str, Any]) -> list[Any]:
    affinity = result["spec"]["affinity"]["nodeAffinity"]
    found: list[Any] = affinity["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    return found


@pytest.mark.parametrize("sections", [("requests",), ("limits",), ("requests", "limits")])
def test_the_sites_resource_stands_in_both_places(sections: tuple[str, ...]) -> None:
    given = template(container(**{section: chips() for section in sections}))
    before = deepcopy(given)
    resources = translate_pod_template(given, ASCEND)["spec"]["containers"][0]["resources"]
    assert given == before
    for section in ("requests", "limits"):
        assert resources[section]["huawei.com/Ascend910"] == "8"
        assert NEUTRAL_ACCELERATOR not in resources[section]


def test_pods_are_drawn_to_nodes_of_the_class() -> None:
    result = translate_pod_template(template(container(limits=chips())), ASCEND)
    key = "node.kubernetes.io/npu.chip.name"
    assert terms_of(result) == [
        {"matchExpressions": [{"key": key, "operator": "In", "values": ["910B3"]}]}
    ]


def test_alternatives_over_one_key_become_one_term_and_others_their_own() -> None:
    hardware = SiteHardware(
        "c", "v", "v.com/x", ((("k", "b"),), (("k", "a"),), (("m", "1"), ("n", "2")))
    )
    terms = terms_of(translate_pod_template(template(container(limits=chips())), hardware))
    assert [[item["key"] for item in term["matchExpressions"]] for term in terms] == [
        ["m", "n"],
        ["k"],
    ]
    assert terms[1]["matchExpressions"][0]["values"] == ["a", "b"]


def test_what_the_template_requires_still_holds_in_every_alternative() -> None:
    own = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}]}
    other = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    required = {"nodeSelectorTerms": [own, other]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    terms = terms_of(
        translate_pod_template(template(container(limits=chips()), affinity=affinity), ASCEND)
    )
    assert len(terms) == 2
    assert terms[0]["matchExpressions"][0] == own["matchExpressions"][0]
    assert terms[1]["matchFields"] == other["matchFields"]
    assert all(len(term["matchExpressions"]) >= 1 for term in terms)


def test_work_without_chips_is_left_as_it_is() -> None:
    given = template(container(requests={"cpu": "1"}))
    assert translate_pod_template(given, None) == given
    assert translate_pod_template(given, ASCEND) == given


def test_a_template_that_names_the_makers_resource_is_taken_at_its_word() -> None:
    given = template(container(limits={"nvidia.com/gpu": "8"}))
    assert translate_pod_template(given, None) == given


def test_chips_without_a_class_are_refused() -> None:
    with pytest.raises(TemplateRefusedError, match="names no accelerator class"):
        translate_pod_template(template(container(limits=chips())), None)


def variant(when: dict[str, str], **change: Any) -> Variant:
    return Variant.model_validate({"when": when, "containers": [{"name": "main", **change}]})


def test_the_first_variant_that_fits_changes_the_container() -> None:
    variants = [
        variant({"vendor": "amd"}, image="train:rocm"),
        variant(
            {"vendor": "huawei"},
            image="train:cann",
            command=["run"],
            args=["--npu"],
            env=[{"name": "A", "value": "new"}],
            resources={"requests": {"memory": "2Gi"}},
        ),
        variant({}, image="train:any"),
    ]
    given = container(requests=chips())
    given["env"] = [{"name": "A", "value": "old"}, {"name": "B", "value": "kept"}]
    (made,) = translate_pod_template(template(given), ASCEND, variants)["spec"]["containers"]
    assert (made["image"], made["command"], made["args"]) == ("train:cann", ["run"], ["--npu"])
    assert {item["name"]: item["value"] for item in made["env"]} == {"A": "new", "B": "kept"}
    assert made["resources"]["requests"] == {
        "cpu": "4",
        "memory": "2Gi",
        "huawei.com/Ascend910": "8",
    }


def test_no_variant_fits_and_nothing_changes() -> None:
    variants = [variant({"class": "nvidia-h100-sxm"}, image="x")]
    result = translate_pod_template(template(container(limits=chips())), ASCEND, variants)
    assert result["spec"]["containers"][0]["image"] == "train:cuda"


def test_a_variant_of_a_container_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(TemplateRefusedError, match="no container 'main'"):
        translate_pod_template(
            template(container("worker", limits=chips())), ASCEND, [variant({}, image="x")]
        )
