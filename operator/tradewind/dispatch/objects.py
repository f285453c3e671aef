"""Small questions about the objects at a site: where one is, whose it is, what it is called."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tradewind.api.names import LABEL_EPOCH, LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.api.workload import AIWorkload, Placement
from tradewind.dispatch.children import Child
from tradewind.dispatch.intents import Keep
from tradewind.workloads.adapter import Adapter
from tradewind.workloads.registry import adapter_for


class _Metadata(msgspec.Struct):
    name: str
    uid: str
    namespace: str = ""


class Made(msgspec.Struct):
    """What is read of the answer to an apply."""

    metadata: _Metadata


def adapter_of(keep: Keep) -> Adapter:
    """What is known of the kind that is kept."""
    template = keep.workload.spec.template
    return adapter_for(template["apiVersion"], template["kind"])


def belongs(child: Child, keep: Keep) -> bool:
    """Whether a child is the very object that a placement asks for."""
    template, metadata = keep.workload.spec.template, keep.workload.metadata
    return (
        child.epoch == keep.placement.epoch
        and child.kind == f"{template['apiVersion']}/{template['kind']}"
        and (child.namespace, child.name) == (metadata.namespace, metadata.name)
    )


def was_created(placement: Placement) -> bool:
    """Whether its object was seen or made at the site once."""
    return placement.object is not None and bool(placement.object.uid)


def path_of(workload: AIWorkload) -> str:
    """Where a workload's child is, at every site."""
    template, metadata = workload.spec.template, workload.metadata
    adapter = adapter_for(template["apiVersion"], template["kind"])
    return path_to(adapter, metadata.namespace, metadata.name)


def path_to(adapter: Adapter, namespace: str, name: str) -> str:
    """The path of an object of a kind."""
    root = "apis" if "/" in adapter.api_version else "api"
    return f"/{root}/{adapter.api_version}/namespaces/{namespace}/{adapter.plural}/{name}"


def discard(body: dict[str, Any], path: tuple[str, ...]) -> None:
    """Take a field out of an object, if it is there."""
    for part in path[:-1]:
        body = body.get(part) or {}
    body.pop(path[-1], None)


def pascal(code: str) -> str:
    """A code as a condition's reason.

    >>> pascal("foreign-object")
    'ForeignObject'
    """
    return "".join(part.capitalize() for part in code.split("-"))


def bears(existing: Mapping[str, Any], hub_id: str, workload_uid: str, epoch: int) -> bool:
    """Whether it is our own write of before a crash; anything else is not to be touched."""
    labels = existing.get("metadata", {}).get("labels") or {}
    return (
        labels.get(LABEL_HUB_ID) == hub_id
        and labels.get(LABEL_WORKLOAD_UID) == workload_uid
        and labels.get(LABEL_EPOCH) == str(epoch)
    )
