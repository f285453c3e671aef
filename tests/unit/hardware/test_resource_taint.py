"""Nodes tainted by their own resource's name are open to pods that ask for chips neutrally."""

from typing import Any

from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.hardware.site import SiteHardware
from tradewind.hardware.translate import translate_pod_template

NVIDIA = SiteHardware("nvidia-h100-sxm", "nvidia", "nvidia.com/gpu")
OWN = {"key": "nvidia.com/gpu", "operator": "Exists"}
THEIRS = {"key": "dedicated", "operator": "Exists"}


def pod(resource: str, *tolerations: dict[str, str]) -> dict[str, Any]:
    limits = {resource: "8"}
    return {
        "spec": {
            "containers": [{"name": "main", "resources": {"limits": limits}}],
            "tolerations": list(tolerations),
        }
    }


def tolerations_of(template: dict[str, Any], hardware: SiteHardware | None = NVIDIA) -> list[Any]:
    found: list[Any] = translate_pod_template(template, hardware)["spec"]["tolerations"]
    return found


def test_a_neutral_request_brings_the_toleration_with_it() -> None:
    given = pod(NEUTRAL_ACCELERATOR, THEIRS)
    assert tolerations_of(given) == [THEIRS, OWN]
    assert given["spec"]["tolerations"] == [THEIRS]


def test_it_is_not_given_twice() -> None:
    assert tolerations_of(pod(NEUTRAL_ACCELERATOR, OWN)) == [OWN]


def test_a_template_that_names_the_resource_is_taken_at_its_word() -> None:
    assert tolerations_of(pod("nvidia.com/gpu", THEIRS)) == [THEIRS]
