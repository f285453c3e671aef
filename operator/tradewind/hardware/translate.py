"""From a neutral template to one that a site's nodes understand.

A pod asks for `tradewind.dev/accelerator`; at the site it asks for the maker's own resource, and is
drawn to nodes of the chosen class by the labels that tell them there. Variants change image,
entrypoint, environment and resources on other hardware. A template that names a maker's resource
itself is taken at its word.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.api.workload import Variant, VariantContainer
from tradewind.base.errors import TemplateRefusedError
from tradewind.hardware.claims import claim_devices
from tradewind.hardware.resources import own_taints
from tradewind.hardware.site import SiteHardware


@dataclass(frozen=True, slots=True)
class ClaimNeed:
    """Devices that a pod claims, where only DRA serves the class.

    Attributes:
        template_name: of the ResourceClaimTemplate that the pods name.
        spec: of the claims that are made of it.
    """

    template_name: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Translation:
    """A pod template in a site's terms.

    Attributes:
        template: a PodTemplateSpec.
        claims: the ResourceClaimTemplates that it names.
        neutral: whether it asked for chips by the neutral resource.
    """

    template: dict[str, Any]
    claims: tuple[ClaimNeed, ...] = ()
    neutral: bool = False


def translate_pod_template(
    template: Mapping[str, Any],
    hardware: SiteHardware | None,
    variants: Sequence[Variant] = (),
) -> dict[str, Any]:
    """A pod template in the site's own terms, drawn to nodes; see `translate`."""
    result = translate(template, hardware, variants)
    if result.neutral and hardware is not None:
        draw_to_nodes(result.template, hardware)
    return result.template


def translate(
    template: Mapping[str, Any],
    hardware: SiteHardware | None,
    variants: Sequence[Variant] = (),
    *,
    claim_name: Callable[[Mapping[str, Any]], str] = lambda _spec: "accelerator",
) -> Translation:
    """A pod template in the site's own terms, but for the nodes it is drawn to (`draw_to_nodes`).

    Args:
        template: a PodTemplateSpec; not changed.
        hardware: what the placement chose; None for work without accelerators.
        variants: the workload's; the first that fits applies.
        claim_name: names a ResourceClaimTemplate by the spec of its claims.

    Raises:
        TemplateRefusedError: the template asks for the neutral resource, but no class was chosen;
            a variant names a container that is not there; or the site serves the class by claims,
            and the template's requests cannot be put into claims.
    """
    result: dict[str, Any] = deepcopy(dict(template))
    spec = result.setdefault("spec", {})
    if hardware is not None:
        _apply_variant(spec, _variant_for(hardware, variants))
    if hardware is not None and hardware.device_class:
        claims = claim_devices(spec, hardware, claim_name)
        neutral = bool(claims)
    else:
        claims = ()
        containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
        # Every container is asked: `any` would stop at the first.
        neutral = bool(sum(_rename_resource(container, hardware) for container in containers))
    if neutral and hardware is not None:
        _tolerate_own_taint(spec, hardware.resource_name)
        if hardware.runtime_class and not spec.get("runtimeClassName"):
            spec["runtimeClassName"] = hardware.runtime_class
    return Translation(
        result,
        tuple(ClaimNeed(claim_name(claim), claim) for claim in claims),
        neutral,
    )


def draw_to_nodes(template: dict[str, Any], hardware: SiteHardware) -> None:
    """Draw a translated pod template to nodes of the class; changes it.

    Claims find their nodes by themselves.
    """
    if not hardware.device_class:
        _draw_to_nodes(_section(template, "spec"), hardware.node_labels)


def _tolerate_own_taint(spec: dict[str, Any], resource_name: str) -> None:
    """Let the pods onto nodes that keep everybody off who does not ask for the resource.

    Such nodes are tainted by the name of their resource, or of the whole chip's where that is cut.
    The admission plugin ExtendedResourceToleration
    would add the same; not every site has it on, and placement counts on it.
    """
    tolerations = [*(spec.get("tolerations") or ())]
    own = [{"key": key, "operator": "Exists"} for key in sorted(own_taints(resource_name))]
    missing = [toleration for toleration in own if toleration not in tolerations]
    if missing:
        spec["tolerations"] = [*tolerations, *missing]


def _variant_for(hardware: SiteHardware, variants: Iterable[Variant]) -> Variant | None:
    for variant in variants:
        when = variant.when
        if when.vendor in ("", hardware.vendor) and when.class_name in ("", hardware.class_name):
            return variant
    return None


def _apply_variant(spec: dict[str, Any], variant: Variant | None) -> None:
    if variant is None:
        return
    containers = {
        container.get("name"): container
        for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    }
    for change in variant.containers:
        container = containers.get(change.name)
        if container is None:
            raise TemplateRefusedError(
                f"spec.variants: the template has no container {change.name!r}",
                hint=f"its containers are {', '.join(map(str, containers))}",
            )
        _change_container(container, change)
    if variant.volumes:
        spec["volumes"] = _merged(spec.get("volumes"), variant.volumes, "name")


def _merged(
    given: Sequence[Mapping[str, Any]] | None, changes: Sequence[Mapping[str, Any]], key: str
) -> list[Mapping[str, Any]]:
    """A list whose items are known by a key, the changed ones in place of their namesakes."""
    changed = {item.get(key): item for item in changes}
    return [*(item for item in given or () if item.get(key) not in changed), *changed.values()]


def _change_container(container: dict[str, Any], change: VariantContainer) -> None:
    if change.image is not None:
        container["image"] = change.image
    if change.command is not None:
        container["command"] = list(change.command)
    if change.args is not None:
        container["args"] = list(change.args)
    if change.env:
        container["env"] = _merged(container.get("env"), change.env, "name")
    if change.volume_mounts:
        container["volumeMounts"] = _merged(
            container.get("volumeMounts"), change.volume_mounts, "mountPath"
        )
    for section, amounts in (change.resources or {}).items():
        if not isinstance(amounts, Mapping):
            raise TemplateRefusedError(
                f"spec.variants: resources.{section} of container {change.name!r} is not an object"
            )
        resources = _section(container, "resources")
        resources[section] = {**(resources.get(section) or {}), **amounts}


def _rename_resource(container: dict[str, Any], hardware: SiteHardware | None) -> bool:
    """Put the site's resource name in place of the neutral one; True if it stood there."""
    resources = container.get("resources") or {}
    amounts = [
        section[NEUTRAL_ACCELERATOR]
        for name in ("requests", "limits")
        if NEUTRAL_ACCELERATOR in (section := resources.get(name) or {})
    ]
    if not amounts:
        return False
    if hardware is None:
        raise TemplateRefusedError(
            f"container {container.get('name')!r} asks for {NEUTRAL_ACCELERATOR}, "
            "but the placement names no accelerator class"
        )
    for name in ("requests", "limits"):
        section = _section(resources, name)
        section.pop(NEUTRAL_ACCELERATOR, None)
        # Extended resources cannot be overcommitted: request and limit must be there and equal.
        section[hardware.resource_name] = amounts[0]
    return True


def _draw_to_nodes(spec: dict[str, Any], alternatives: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Require one of the label sets, beside whatever the template requires already."""
    if not alternatives:
        return
    affinity = _section(_section(spec, "affinity"), "nodeAffinity")
    required = _section(affinity, "requiredDuringSchedulingIgnoredDuringExecution")
    # Terms are alternatives, so each given term is joined with each of ours.
    given = required.get("nodeSelectorTerms") or [{}]
    required["nodeSelectorTerms"] = [
        {**term, "matchExpressions": [*(term.get("matchExpressions") or ()), *ours]}
        for term in given
        for ours in _expressions(alternatives)
    ]


def _section(parent: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of an object, made if it is absent or null."""
    if parent.get(name) is None:
        parent[name] = {}
    section: dict[str, Any] = parent[name]
    return section


def _expressions(
    alternatives: Sequence[Sequence[tuple[str, str]]],
) -> list[list[dict[str, Any]]]:
    """Match expressions of each alternative; sets over the same single key become one `In`."""
    by_key: dict[str, list[str]] = {}
    terms: list[list[dict[str, Any]]] = []
    for labels in alternatives:
        if len(labels) == 1:
            by_key.setdefault(labels[0][0], []).append(labels[0][1])
        else:
            terms.append(
                [{"key": key, "operator": "In", "values": [value]} for key, value in labels]
            )
    for key, values in sorted(by_key.items()):
        terms.append([{"key": key, "operator": "In", "values": sorted(set(values))}])
    return terms
