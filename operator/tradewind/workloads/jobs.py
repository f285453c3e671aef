"""batch/v1 Job: work that ends.

Only the conditions Complete and Failed end a Job: SuccessCriteriaMet and FailureTarget come while
its pods still stop. `completionTime` is set on success alone, so a failure's time is that of its
condition. `ttlSecondsAfterFinished` is left out of copies: a Job that its member deletes after the
end would look as if it had never run.
"""

from collections.abc import Mapping
from typing import Any

from tradewind.workloads.adapter import Observed, ObservedState, PodSet, parse_time
from tradewind.workloads.copying import as_count, as_mapping, conditions_of, copy_object

_POD_TEMPLATE = ("spec", "template")
_CONTROLLER_LABELS = (
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
)


class JobAdapter:
    """The adapter of batch/v1 Job."""

    api_version = "batch/v1"
    kind = "Job"
    plural = "jobs"
    finishes = True
    owned_by_others = (("spec", "suspend"), ("spec", "parallelism"))

    def pod_sets(self, template: Mapping[str, Any]) -> tuple[PodSet, ...]:
        """One set: as many pods as may run at once."""
        spec = as_mapping(template.get("spec"))
        parallelism = as_count(spec.get("parallelism"), 1)
        completions = as_count(spec.get("completions"), parallelism)
        return (
            PodSet(
                name="job",
                count=min(parallelism, completions),
                template=as_mapping(spec.get("template")),
                template_path=_POD_TEMPLATE,
            ),
        )

    def clean(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """A copy that another cluster takes, and that no member deletes by itself."""
        body = copy_object(template)
        spec = body.setdefault("spec", {})
        for field in ("ttlSecondsAfterFinished", "managedBy"):
            spec.pop(field, None)
        if not spec.get("manualSelector"):
            spec.pop("selector", None)
            labels = as_mapping(as_mapping(spec.get("template")).get("metadata")).get("labels")
            for label in _CONTROLLER_LABELS:
                if isinstance(labels, dict):
                    labels.pop(label, None)
        return body

    def observe(self, obj: Mapping[str, Any]) -> Observed:
        """What its status says."""
        status = as_mapping(obj.get("status"))
        active = as_count(status.get("active"), 0)
        started_at = parse_time(status.get("startTime"))
        conditions = {
            sort: item
            for sort, item in conditions_of(status).items()
            if item.get("status") == "True"
        }
        if done := conditions.get("Complete"):
            ended = status.get("completionTime") or done.get("lastTransitionTime")
            return Observed(
                ObservedState.SUCCEEDED, started_at=started_at, finished_at=parse_time(ended)
            )
        if failed := conditions.get("Failed"):
            return Observed(
                ObservedState.FAILED,
                message=_reason(failed),
                started_at=started_at,
                finished_at=parse_time(failed.get("lastTransitionTime")),
            )
        if "Suspended" in conditions:
            return Observed(ObservedState.SUSPENDED, message="suspended at the site")
        ready = as_count(status.get("ready"), 0)
        succeeded = as_count(status.get("succeeded"), 0)
        state = ObservedState.RUNNING if ready or succeeded else ObservedState.PENDING
        wanted = self.pod_sets(obj)[0].count if started_at is None else active
        return Observed(state, replicas=wanted, ready=ready, started_at=started_at)


def _reason(condition: Mapping[str, Any]) -> str:
    return f"{condition.get('reason', '')}: {condition.get('message', '')}"[:1024]
