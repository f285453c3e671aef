"""Neutral requests as device claims, where a site serves a class by DRA alone."""

from typing import Any

import pytest

from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.base.errors import TemplateRefusedError
from tradewind.hardware.site import SiteHardware
from tradewind.hardware.translate import translate

H100 = SiteHardware(
    "nvidia-h100-sxm",
    "nvidia",
    "deviceclass.resource.kubernetes.io/gpu.nvidia.com",
    device_class="gpu.nvidia.com",
    device_selectors=('device.attributes["gpu.nvidia.com"].productName == "NVIDIA H100"',),
)


def container(name: str, count: int | str | None, **more: Any) -> dict[str, Any]:
    limits = {} if count is None else {NEUTRAL_ACCELERATOR: count}
    return {"name": name, "resources": {"limits": {"cpu": "4", **limits}}, **more}


def template(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def named(spec: Any) -> str:
    return f"t-{spec['devices']['requests'][0]['exactly']['count']}"


def test_a_request_becomes_a_claim_for_exactly_so_many_devices() -> None:
    made = translate(template(container("main", "3")), H100, claim_name=named)
    spec = made.template["spec"]
    assert spec["resourceClaims"] == [{"name": "accelerator-0", "resourceClaimTemplateName": "t-3"}]
    assert spec["containers"][0]["resources"] == {
        "limits": {"cpu": "4"},
        "claims": [{"name": "accelerator-0"}],
    }
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    (need,) = made.claims
    assert need.template_name == "t-3"
    assert need.spec == {
        "devices": {
            "requests": [
                {
                    "name": "accelerator",
                    "exactly": {
                        "deviceClassName": "gpu.nvidia.com",
                        "allocationMode": "ExactCount",
                        "count": 3,
                        "selectors": [{"cel": {"expression": H100.device_selectors[0]}}],
                    },
                }
            ]
        }
    }


def test_each_container_has_a_claim_of_its_own_and_equal_ones_share_a_template() -> None:
    given = template(
        container("a", 2),
        container("b", 2),
        container("c", 1),
        container("d", None),
        resourceClaims=[{"name": "accelerator-0", "resourceClaimName": "theirs"}],
    )
    made = translate(given, H100, claim_name=named)
    claims = made.template["spec"]["resourceClaims"]
    assert [claim["name"] for claim in claims] == [
        "accelerator-0", "accelerator-1", "accelerator-2", "accelerator-3",
    ]  # fmt: skip
    assert sorted(need.template_name for need in made.claims) == ["t-1", "t-2"]
    assert "claims" not in made.template["spec"]["containers"][3]["resources"]
    assert "resourceClaims" in given["spec"]
    assert len(given["spec"]["resourceClaims"]) == 1


def test_an_init_container_uses_a_containers_claim() -> None:
    given = template(container("main", 2), initContainers=[container("warm", 2)])
    spec = translate(given, H100, claim_name=named).template["spec"]
    assert spec["initContainers"][0]["resources"]["claims"] == [{"name": "accelerator-0"}]
    assert len(spec["resourceClaims"]) == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (template(container("main", 2), initContainers=[container("warm", 1)]), "whole life"),
        (template(container("main", "500m")), "asks for 500m"),
        (template(container("main", "many")), "many"),
    ],
)
def test_what_cannot_be_claimed_is_refused_with_the_reason(given: dict[str, Any], why: str) -> None:
    with pytest.raises(TemplateRefusedError, match=why):
        translate(given, H100, claim_name=named)


def test_devices_that_nothing_singles_out_are_asked_for_by_their_class_alone() -> None:
    for selectors in ((), ("",), ("", "x")):
        hardware = SiteHardware("c", "v", "r/x", device_class="d", device_selectors=selectors)
        (need,) = translate(template(container("main", 1)), hardware, claim_name=named).claims
        assert "selectors" not in need.spec["devices"]["requests"][0]["exactly"]
    several = SiteHardware("c", "v", "r/x", device_class="d", device_selectors=("a", "b"))
    (need,) = translate(template(container("main", 1)), several, claim_name=named).claims
    exactly = need.spec["devices"]["requests"][0]["exactly"]
    assert exactly["selectors"] == [{"cel": {"expression": "(a) || (b)"}}]


def test_a_template_that_names_a_resource_itself_is_taken_at_its_word() -> None:
    given = template({"name": "main", "resources": {"limits": {"nvidia.com/gpu": "8"}}})
    made = translate(given, H100, claim_name=named)
    assert (made.template, made.claims, made.neutral) == (given, (), False)
