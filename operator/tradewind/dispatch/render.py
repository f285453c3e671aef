"""What is sent to a site: a workload and its placement made into one object of the template's kind.

Pure. The object carries the name and namespace of the workload, and labels that tell hub, workload
and epoch; its pods carry hub and workload too, so that the site's inventory can tell whose chips
they hold. Labels of ours are written last: no template and no override can forge them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonpatch
import msgspec

from tradewind.api.names import (
    ANNOTATION_SPEC_HASH,
    ANNOTATION_WORKLOAD,
    LABEL_EPOCH,
    LABEL_HUB_ID,
    LABEL_MANAGED_BY,
    LABEL_WORKLOAD_UID,
    MANAGED_BY,
)
from tradewind.api.workload import AIWorkload, Placement
from tradewind.base.errors import TemplateRefusedError
from tradewind.hardware.site import SiteHardware
from tradewind.hardware.translate import ClaimNeed, draw_to_nodes, translate
from tradewind.workloads.adapter import Adapter
from tradewind.workloads.copying import as_mapping
from tradewind.workloads.guard import check_template
from tradewind.workloads.registry import adapter_for
from tradewind.workloads.shares import take_share


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is sent to a site for one placement.

    Attributes:
        body: the object that runs the workload.
        claims: the ResourceClaimTemplates that its pods name; they have to be there first.
    """

    body: dict[str, Any]
    claims: tuple[dict[str, Any], ...] = ()


def render(
    workload: AIWorkload,
    placement: Placement,
    hardware: SiteHardware | None,
    *,
    hub_id: str,
    site_labels: Mapping[str, str],
) -> dict[str, Any]:
    """The object alone; see `render_all`."""
    return render_all(workload, placement, hardware, hub_id=hub_id, site_labels=site_labels).body


def render_all(
    workload: AIWorkload,
    placement: Placement,
    hardware: SiteHardware | None,
    *,
    hub_id: str,
    site_labels: Mapping[str, str],
) -> Rendered:
    """Make the objects that run a workload at a site.

    Args:
        workload: as on the hub; not changed.
        placement: where, under which epoch, on which class.
        hardware: the class as this site serves it; None for work without accelerators.
        hub_id: stands in a label.
        site_labels: for the selectors of `spec.overrides`.

    Returns:
        Objects ready for server-side apply.

    Raises:
        TemplateRefusedError: an override breaks the template, or the result may not run.
    """
    template = workload.spec.template
    adapter = adapter_for(template["apiVersion"], template["kind"])
    body = adapter.clean(template)
    if placement.partial:
        take_share(body, placement.replicas, placement.completions)
    needs: list[ClaimNeed] = []
    drawn = []
    for pod_set in adapter.pod_sets(template):
        made = translate(
            pod_set.template,
            hardware,
            workload.spec.variants,
            claim_name=lambda spec: _claim_name(workload, placement, spec),
        )
        _put(body, pod_set.template_path, made.template)
        needs += made.claims
        if made.neutral:
            drawn.append(pod_set.template_path)
    overridden = _override(body, workload, site_labels)
    if overridden is not body:
        if not isinstance(overridden, dict):
            raise TemplateRefusedError("spec.overrides: what they leave is no object")
        check_template(overridden)
        body = overridden
    _sign(body, adapter, workload, placement, hub_id)
    # Last, and no part of the digest: which labels tell a class changes with the site's nodes, and
    # must not roll out anew what runs well where it is.
    if hardware is not None:
        for path in drawn:
            draw_to_nodes(_get(body, path), hardware)
    claims = {need.template_name: need for need in needs}
    return Rendered(
        body, tuple(_claim_template(need, workload, placement, hub_id) for need in claims.values())
    )


def _claim_name(workload: AIWorkload, placement: Placement, spec: Mapping[str, Any]) -> str:
    """A name of its own for each spec and epoch: a template cannot be changed."""
    digest = spec_hash({"spec": spec, "epoch": placement.epoch})
    return f"{workload.metadata.name}-{digest[:10]}"


def _claim_template(
    need: ClaimNeed, workload: AIWorkload, placement: Placement, hub_id: str
) -> dict[str, Any]:
    metadata = workload.metadata
    whose = {LABEL_HUB_ID: hub_id, LABEL_WORKLOAD_UID: metadata.uid}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {
            "name": need.template_name,
            "namespace": metadata.namespace,
            "labels": {
                **whose,
                LABEL_MANAGED_BY: MANAGED_BY,
                LABEL_EPOCH: str(placement.epoch),
            },
            "annotations": {ANNOTATION_WORKLOAD: f"{metadata.namespace}/{metadata.name}"},
        },
        # Claims bear the labels too: the site's inventory tells by them whose devices they hold.
        "spec": {"metadata": {"labels": whose}, "spec": dict(need.spec)},
    }


def spec_hash(body: Mapping[str, Any]) -> str:
    """A short digest of a rendered object; equal objects, equal digests."""
    text = msgspec.json.encode(body, order="deterministic")
    return hashlib.blake2b(text, digest_size=10).hexdigest()


def _sign(
    body: dict[str, Any],
    adapter: Adapter,
    workload: AIWorkload,
    placement: Placement,
    hub_id: str,
) -> None:
    whose = {LABEL_HUB_ID: hub_id, LABEL_WORKLOAD_UID: workload.metadata.uid}
    for pod_set in adapter.pod_sets(body):
        pods = _get(body, pod_set.template_path)
        metadata = pods["metadata"] = {**as_mapping(pods.get("metadata"))}
        metadata["labels"] = {**as_mapping(metadata.get("labels")), **whose}
        # A pod that needs the member's API says so; by default it gets no credentials there.
        pods["spec"].setdefault("automountServiceAccountToken", False)
    given = as_mapping(body.get("metadata"))
    body["metadata"] = {
        "name": workload.metadata.name,
        "namespace": workload.metadata.namespace,
        "labels": {**as_mapping(given.get("labels")), **whose, LABEL_MANAGED_BY: MANAGED_BY},
        "annotations": {
            **as_mapping(given.get("annotations")),
            ANNOTATION_WORKLOAD: f"{workload.metadata.namespace}/{workload.metadata.name}",
        },
    }
    digest = spec_hash(body)  # before the epoch: a new epoch alone is no new spec
    body["metadata"]["labels"][LABEL_EPOCH] = str(placement.epoch)
    body["metadata"]["annotations"][ANNOTATION_SPEC_HASH] = digest


def _override(
    body: dict[str, Any], workload: AIWorkload, site_labels: Mapping[str, str]
) -> dict[str, Any]:
    """Apply the JSON patches whose selector picks this site; the same object if none does."""
    for number, override in enumerate(workload.spec.overrides):
        if not override.site_selector.matches(site_labels):
            continue
        patch = [
            operation.model_dump(by_alias=True, exclude_unset=True) for operation in override.patch
        ]
        try:
            body = jsonpatch.apply_patch(body, patch)
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
            raise TemplateRefusedError(
                f"spec.overrides[{number}].patch does not fit the template: {error}",
                hint="paths are those of the template after variants were applied",
            ) from error
    return body


def _get(body: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        body = body[part]
    return body


def _put(body: Any, path: tuple[str, ...], value: Any) -> None:
    _get(body, path[:-1])[path[-1]] = value
