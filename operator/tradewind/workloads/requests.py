"""What one pod asks for: the scheduler's own sum over its containers.

For each resource the greater of two: what the containers and the sidecars (init containers that
restart always) ask for together; and, for each plain init container, what it asks for beside the
sidecars started before it. The RuntimeClass overhead comes on top. A request stated for the pod as
a whole (`spec.resources`) wins for the resources it names.

Source: Kubernetes' resource helper, as described for pod-level resources (KEP-2837) and sidecar
containers (KEP-753).
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from tradewind.api.fields import cpu_millis, memory_bytes, parse_quantity
from tradewind.base.errors import QuantityError
from tradewind.workloads.copying import as_mapping

Requests = dict[str, int]


def pod_requests(pod_spec: Mapping[str, Any]) -> Requests:
    """Effective requests of one pod.

    Returns:
        By resource name: `cpu` in thousandths of a core, `memory` and `ephemeral-storage` in bytes,
        extended resources in units.

    Raises:
        QuantityError: a request cannot be read; names the container and the resource.
    """
    together: Requests = {}
    for container in _containers(pod_spec, "containers"):
        _add(together, _requests_of(container))
    sidecars: Requests = {}
    peak: Requests = {}
    for container in _containers(pod_spec, "initContainers"):
        asked = _requests_of(container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, asked)
            _raise(peak, sidecars)
        else:
            beside = dict(sidecars)
            _add(beside, asked)
            _raise(peak, beside)
    _add(together, sidecars)
    _raise(together, peak)
    together |= _requests_of({"name": "(pod)", "resources": pod_spec.get("resources")})
    _add(together, _read(as_mapping(pod_spec.get("overhead")), "(overhead)"))
    return together


def _containers(pod_spec: Mapping[str, Any], field: str) -> Iterable[Mapping[str, Any]]:
    return (item for item in pod_spec.get(field) or () if isinstance(item, Mapping))


def _requests_of(container: Mapping[str, Any]) -> Requests:
    resources = as_mapping(container.get("resources"))
    limits = as_mapping(resources.get("limits"))
    # A limit without a request is a request too: the API server fills it in.
    asked = dict(limits) | dict(as_mapping(resources.get("requests")))
    return _read(asked, str(container.get("name", "")))


def _read(amounts: Mapping[str, Any], where: str) -> Requests:
    result: Requests = {}
    for resource, amount in amounts.items():
        try:
            result[resource] = _amount(resource, str(amount))
        except QuantityError as error:
            raise QuantityError(
                f"container {where}, resource {resource}: {error.message}", hint=error.hint
            ) from error
    return result


@lru_cache(maxsize=4096)
def _amount(resource: str, text: str) -> int:
    if parse_quantity(text) < 0:
        raise QuantityError(f"{text!r} is negative", hint="ask for zero or more")
    return cpu_millis(text) if resource == "cpu" else memory_bytes(text)


def _add(total: Requests, more: Requests) -> None:
    for resource, amount in more.items():
        total[resource] = total.get(resource, 0) + amount


def _raise(peak: Requests, other: Requests) -> None:
    for resource, amount in other.items():
        peak[resource] = max(peak.get(resource, 0), amount)
