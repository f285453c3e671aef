"""From neutral requests to device claims, where a site serves a class by DRA alone. Pure.

Each container that asks for chips gets a claim of its own for exactly so many devices; the pod
names the ResourceClaimTemplate that claims are made of. A claim is for the whole life of a pod, so
an init container has no devices beside those of the containers: one that asks for as many as a
container does uses that one's claim.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tradewind.api.fields import parse_quantity
from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.base.errors import QuantityError, TemplateRefusedError
from tradewind.hardware.site import SiteHardware

#: Name of the one request in each claim.
REQUEST: Final = "accelerator"


def claim_devices(
    spec: dict[str, Any],
    hardware: SiteHardware,
    template_name: Callable[[Mapping[str, Any]], str],
) -> tuple[dict[str, Any], ...]:
    """Put claims in the place of neutral requests.

    Args:
        spec: of a pod; changed.
        hardware: with the DeviceClass.
        template_name: names a ResourceClaimTemplate by the spec of its claims.

    Returns:
        The spec of each template's claims, equal ones once.

    Raises:
        TemplateRefusedError: an init container asks for another number of chips than any container,
            or a number cannot be read.
    """
    by_count: dict[int, str] = {}
    names = {claim.get("name") for claim in spec.get("resourceClaims") or ()}
    claims: list[dict[str, str]] = []
    templates: dict[str, dict[str, Any]] = {}
    for container in spec.get("containers") or ():
        count = _take_request(container)
        if count is None:
            continue
        wanted = _claim_spec(hardware, count)
        name = _free_name(names)
        template = template_name(wanted)
        templates[template] = wanted
        claims.append({"name": name, "resourceClaimTemplateName": template})
        by_count.setdefault(count, name)
        _use(container, name)
    for container in spec.get("initContainers") or ():
        count = _take_request(container)
        if count is None:
            continue
        if count not in by_count:
            raise TemplateRefusedError(
                f"init container {container.get('name')!r} asks for {count} {NEUTRAL_ACCELERATOR}, "
                "which no container does: this site serves them by claims for a pod's whole life",
                hint="ask for as many as a container, or for none",
            )
        _use(container, by_count[count])
    if claims:
        spec["resourceClaims"] = [*(spec.get("resourceClaims") or ()), *claims]
    return tuple(templates.values())


def _take_request(container: dict[str, Any]) -> int | None:
    """How many chips a container asks for; the request is taken out."""
    resources = container.get("resources") or {}
    amounts = [
        section.pop(NEUTRAL_ACCELERATOR)
        for name in ("requests", "limits")
        if NEUTRAL_ACCELERATOR in (section := resources.get(name) or {})
    ]
    if not amounts:
        return None
    try:
        count = parse_quantity(str(amounts[0]))
    except QuantityError as error:
        raise TemplateRefusedError(
            f"container {container.get('name')!r}: {error.message}", hint=error.hint
        ) from error
    if count <= 0 or count != int(count):
        raise TemplateRefusedError(
            f"container {container.get('name')!r} asks for {amounts[0]} {NEUTRAL_ACCELERATOR}",
            hint="ask for a whole number of them",
        )
    return int(count)


def _claim_spec(hardware: SiteHardware, count: int) -> dict[str, Any]:
    exactly: dict[str, Any] = {
        "deviceClassName": hardware.device_class,
        "allocationMode": "ExactCount",
        "count": count,
    }
    selectors = hardware.device_selectors
    if selectors and all(selectors):
        each = [f"({text})" for text in selectors] if len(selectors) > 1 else list(selectors)
        exactly["selectors"] = [{"cel": {"expression": " || ".join(each)}}]
    return {"devices": {"requests": [{"name": REQUEST, "exactly": exactly}]}}


def _free_name(names: set[Any]) -> str:
    number = next(n for n in range(len(names) + 1) if f"accelerator-{n}" not in names)
    names.add(f"accelerator-{number}")
    return f"accelerator-{number}"


def _use(container: dict[str, Any], name: str) -> None:
    resources = container.setdefault("resources", {})
    resources["claims"] = [*(resources.get("claims") or ()), {"name": name}]
