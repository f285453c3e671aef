"""What is sent to a site: a workload and its placement made into one object of the template's kind.

Pure. The object carries the name and namespace of the workload, and labels that tell hub, workload
and epoch; its pods carry hub and workload too, so that the site's inventory can tell whose chips
they hold. Labels of ours are written last: no template and no override can forge them.
"""

import hashlib
from collections.abc import Mapping
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
from tradewind.hardware.translate import SiteHardware, translate_pod_template
from tradewind.workloads.adapter import Adapter
from tradewind.workloads.copying import as_mapping
from tradewind.workloads.guard import check_template
from tradewind.workloads.registry import adapter_for
from tradewind.workloads.shares import take_share


def render(
    workload: AIWorkload,
    placement: Placement,
    hardware: SiteHardware | None,
    *,
    hub_id: str,
    site_labels: Mapping[str, str],
) -> dict[str, Any]:
    """Make the object that runs a workload at a site.

    Args:
        workload: as on the hub; not changed.
        placement: where, under which epoch, on which class.
        hardware: the class as this site serves it; None for work without accelerators.
        hub_id: stands in a label.
        site_labels: for the selectors of `spec.overrides`.

    Returns:
        An object ready for server-side apply.

    Raises:
        TemplateRefusedError: an override breaks the template, or the result may not run.
    """
    template = workload.spec.template
    adapter = adapter_for(template["apiVersion"], template["kind"])
    body = adapter.clean(template)
    if placement.partial:
        take_share(body, placement.replicas, placement.completions)
    for pod_set in adapter.pod_sets(template):
        pods = translate_pod_template(pod_set.template, hardware, workload.spec.variants)
        _put(body, pod_set.template_path, pods)
    overridden = _override(body, workload, site_labels)
    if overridden is not body:
        if not isinstance(overridden, dict):
            raise TemplateRefusedError("spec.overrides: what they leave is no object")
        check_template(overridden)
        body = overridden
    _sign(body, adapter, workload, placement, hub_id)
    return body


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
