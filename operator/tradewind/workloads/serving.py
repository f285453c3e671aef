"""apps/v1 Deployment: work that goes on until it is taken away."""

from collections.abc import Mapping
from typing import Any

from tradewind.workloads.adapter import Observed, ObservedState, PodSet, parse_time
from tradewind.workloads.copying import as_count, as_mapping, conditions_of, copy_object

_REVISIONS = ("deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history")


class DeploymentAdapter:
    """The adapter of apps/v1 Deployment."""

    api_version = "apps/v1"
    kind = "Deployment"
    plural = "deployments"
    finishes = False
    owned_by_others = ()

    def pod_sets(self, template: Mapping[str, Any]) -> tuple[PodSet, ...]:
        """One set: the replicas. What a rollout adds for a while is not counted."""
        spec = as_mapping(template.get("spec"))
        return (
            PodSet(
                name="deployment",
                count=as_count(spec.get("replicas"), 1),
                template=as_mapping(spec.get("template")),
                template_path=("spec", "template"),
            ),
        )

    def clean(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """A copy that another cluster takes."""
        body = copy_object(template)
        annotations = body["metadata"].get("annotations") or {}
        for annotation in _REVISIONS:
            annotations.pop(annotation, None)
        return body

    def observe(self, obj: Mapping[str, Any]) -> Observed:
        """What its status says; a Deployment never ends, and trouble is a message."""
        status, metadata = as_mapping(obj.get("status")), as_mapping(obj.get("metadata"))
        wanted = self.pod_sets(obj)[0].count
        ready = as_count(status.get("readyReplicas"), 0)
        behind = as_count(status.get("observedGeneration"), 0) < as_count(
            metadata.get("generation"), 0
        )
        conditions = conditions_of(status)
        available = as_mapping(conditions.get("Available"))
        running = ready > 0 and not behind
        return Observed(
            ObservedState.RUNNING if running else ObservedState.PENDING,
            replicas=wanted,
            ready=ready,
            message=_trouble(conditions),
            started_at=parse_time(available.get("lastTransitionTime")) if running else None,
        )


def _trouble(conditions: Mapping[str, Mapping[str, Any]]) -> str:
    failure = as_mapping(conditions.get("ReplicaFailure"))
    if failure.get("status") == "True":
        return f"{failure.get('reason', '')}: {failure.get('message', '')}"[:1024]
    progress = as_mapping(conditions.get("Progressing"))
    if progress.get("status") == "False":
        return f"{progress.get('reason', '')}: {progress.get('message', '')}"[:1024]
    return ""
