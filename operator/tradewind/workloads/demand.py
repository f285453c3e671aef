"""What a workload asks of a site, read from its template."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tradewind.api.demand import Demand, PodDemand
from tradewind.api.fields import Toleration
from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.api.workload import AIWorkload
from tradewind.base.errors import QuantityError, TemplateRefusedError
from tradewind.workloads.adapter import PodSet
from tradewind.workloads.copying import as_mapping
from tradewind.workloads.guard import check_template, check_variant
from tradewind.workloads.registry import adapter_for
from tradewind.workloads.requests import pod_requests

_PLAIN = frozenset({"cpu", "memory", "ephemeral-storage", NEUTRAL_ACCELERATOR})
#: Pods times units that a template may ask for in all, of each resource, in the resource's smallest
#: unit. An exbibyte is beyond any federation; a cycle counts in 64 bits, with room for its sums.
_MOST = 2**60
_TOLERATIONS = TypeAdapter(tuple[Toleration, ...])


def demand_of(workload: AIWorkload) -> Demand:
    """Read and check a workload's template.

    Raises:
        TemplateRefusedError: its kind is not served, or it holds what may not run at a site.
        QuantityError: a request cannot be read.
    """
    template = workload.spec.template
    adapter = adapter_for(str(template.get("apiVersion")), str(template.get("kind")))
    check_template(template)
    for number, variant in enumerate(workload.spec.variants):
        check_variant(variant.volumes, f"spec.variants[{number}]")
    pods = tuple(_pod_demand(pod_set) for pod_set in adapter.pod_sets(template) if pod_set.count)
    if not pods:
        raise TemplateRefusedError(
            "spec.template asks for no pods", hint="set parallelism or replicas above zero"
        )
    return Demand(kind=f"{adapter.api_version}/{adapter.kind}", pods=pods)


def _pod_demand(pod_set: PodSet) -> PodDemand:
    spec: Mapping[str, Any] = as_mapping(pod_set.template.get("spec"))
    try:
        asked = pod_requests(spec)
        tolerations = _TOLERATIONS.validate_python(spec.get("tolerations") or ())
    except QuantityError as error:
        raise TemplateRefusedError(f"spec.template: {error.message}", hint=error.hint) from error
    except ValidationError as error:
        raise TemplateRefusedError(
            f"spec.template: tolerations cannot be read: {error.error_count()} fault(s)",
            hint="write them as in a Pod",
        ) from error
    for resource, amount in {"pods": 1, **asked}.items():
        if amount * pod_set.count > _MOST:
            raise TemplateRefusedError(
                f"spec.template: its pods ask for more {resource} than anybody has",
                hint="check the unit and the number of pods",
            )
    extended = sorted((name, n) for name, n in asked.items() if name not in _PLAIN and "/" in name)
    accelerators = asked.get(NEUTRAL_ACCELERATOR, 0)
    return PodDemand(
        count=pod_set.count,
        cpu_millis=asked.get("cpu", 0),
        memory_bytes=asked.get("memory", 0),
        accelerators=accelerators,
        vendor_resources=tuple(extended),
        tolerations=tolerations,
    )
