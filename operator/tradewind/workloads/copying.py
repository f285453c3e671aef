"""What must not go along when an object is copied to another cluster."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

_SERVER_METADATA = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "generateName",
    "namespace",
    "name",
)


def copy_object(template: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy without status and without what a server writes into metadata."""
    body = {key: deepcopy(value) for key, value in template.items() if key != "status"}
    metadata = body.get("metadata") or {}
    for field in _SERVER_METADATA:
        metadata.pop(field, None)
    body["metadata"] = metadata
    return body


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: templates are free-form."""
    return value if isinstance(value, Mapping) else {}


def as_count(value: Any, default: int) -> int:
    """A number of pods; the default where there is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        return default
    return max(0, value)


def conditions_of(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The conditions of a status by type; what is none is passed over."""
    items = status.get("conditions")
    return {
        item["type"]: item
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, Mapping) and isinstance(item.get("type"), str)
    }
