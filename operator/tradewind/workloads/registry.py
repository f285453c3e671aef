"""Which kinds a template may be: an allow-list, since it is applied with our credentials."""

from typing import Final

from tradewind.base.errors import TemplateRefusedError
from tradewind.workloads.adapter import Adapter
from tradewind.workloads.jobs import JobAdapter
from tradewind.workloads.serving import DeploymentAdapter

#: By `apiVersion/Kind`.
ADAPTERS: Final[dict[str, Adapter]] = {
    f"{adapter.api_version}/{adapter.kind}": adapter
    for adapter in (JobAdapter(), DeploymentAdapter())
}


def adapter_for(api_version: str, kind: str) -> Adapter:
    """The adapter of a kind.

    Raises:
        TemplateRefusedError: the kind is not on the list.
    """
    adapter = ADAPTERS.get(f"{api_version}/{kind}")
    if adapter is None:
        raise TemplateRefusedError(
            f"spec.template: kind {kind!r} of {api_version!r} cannot be dispatched",
            hint=f"use one of {', '.join(ADAPTERS)}",
        )
    return adapter
