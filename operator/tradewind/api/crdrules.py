"""What the API server checks and shows beyond the shape of an object, by field path.

A path is `Kind.spec.field`, with `[]` for the items of a list and `{}` for the values of a map.
Each rule's message names the mend: it is all that a user sees of a refused object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tradewind.api.fields import DURATION_PATTERN

_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_JURISDICTION = r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"


@dataclass(frozen=True, slots=True)
class Extra:
    """What is added to one field's schema.

    Attributes:
        rules: CEL rules: (rule, message).
        more: keywords set as they are.
        preserve: keep every field: the value is free-form.
        int_or_string: a number or a text.
    """

    rules: tuple[tuple[str, str], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    preserve: bool = False
    int_or_string: bool = False

    def keys(self) -> dict[str, Any]:
        """The keywords to merge into the schema."""
        result = dict(self.more)
        if self.rules:
            result["x-kubernetes-validations"] = [
                {"rule": rule, "message": message} for rule, message in self.rules
            ]
        return result


@dataclass(frozen=True, slots=True)
class Crd:
    """Names, columns and subresources of a kind."""

    plural: str
    short_names: tuple[str, ...]
    namespaced: bool
    columns: tuple[Mapping[str, Any], ...]
    selectable: tuple[str, ...] = ()
    scale: Mapping[str, str] | None = None


def _column(
    name: str, path: str, sort: str = "string", *, wide: bool = False, description: str = ""
) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": sort, "jsonPath": path}
    if description:
        column["description"] = description
    if wide:
        column["priority"] = 1
    return column


_AGE = _column("Age", ".metadata.creationTimestamp", "date")


def _condition(kind: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].status'


CRDS: Final[Mapping[str, Crd]] = {
    "ComputeSite": Crd(
        plural="computesites",
        short_names=("site", "sites"),
        namespaced=False,
        columns=(
            _column("Ready", _condition("Ready")),
            _column("Region", ".spec.location.region"),
            _column("Law", ".spec.location.jurisdiction"),
            _column("Nodes", ".status.nodes", "integer"),
            _column("Accelerators", ".status.acceleratorSummary"),
            _column("Load", ".status.signals.load.value", "number"),
            _column("Carbon", ".status.signals.carbonIntensity.value", "number"),
            _column("Price", ".status.signals.pricePerMWh.value", "number"),
            _column("Workloads", ".status.workloads", "integer"),
            _column("Version", ".status.kubernetesVersion", wide=True),
            _column("Reachable", _condition("Reachable"), wide=True),
            _column("Cordoned", ".spec.unschedulable", "boolean", wide=True),
            _AGE,
        ),
    ),
    "AIWorkload": Crd(
        plural="aiworkloads",
        short_names=("aiw",),
        namespaced=True,
        columns=(
            _column("Class", ".spec.class"),
            _column("Phase", ".status.phase"),
            _column("Site", ".status.sites"),
            _column("Accelerator", ".status.placements[*].acceleratorClass"),
            _column("Ready", ".status.readyReplicas", "integer"),
            _column("Of", ".status.replicas", "integer"),
            _column("Cost", ".status.decision.costUSD", "number"),
            _column("Policy", ".status.decision.policy", wide=True),
            _column("Carbon kg", ".status.estimate.carbonKg", "number", wide=True),
            _column("Used USD", ".status.usage.costUSD", "number", wide=True),
            _column("Used kWh", ".status.usage.energyKWh", "number", wide=True),
            _column("Message", ".status.decision.message", wide=True),
            _AGE,
        ),
        selectable=(".spec.queue", ".status.phase"),
        # A Deployment's; the API server tells of a Job that it has no such field.
        scale={
            "specReplicasPath": ".spec.template.spec.replicas",
            "statusReplicasPath": ".status.replicas",
        },
    ),
    "PlacementPolicy": Crd(
        plural="placementpolicies",
        short_names=("policy", "pp"),
        namespaced=False,
        columns=(
            _column("Carbon/t", ".spec.carbonPerTonne", "number"),
            _column("Wait/h", ".spec.waitPerHour", "number"),
            _column("Latency/ms-h", ".spec.latencyPerMillisecondHour", "number"),
            _AGE,
        ),
    ),
    "AcceleratorClass": Crd(
        plural="acceleratorclasses",
        short_names=("accel",),
        namespaced=False,
        columns=(
            _column("Vendor", ".spec.vendor"),
            _column("Product", ".spec.product"),
            _column("Memory GiB", ".spec.memoryGiB", "number"),
            _column("BF16 TFLOPS", ".spec.tflops.bf16", "number"),
            _AGE,
        ),
    ),
    "ComputeQueue": Crd(
        plural="computequeues",
        short_names=("cq",),
        namespaced=False,
        columns=(
            _column("Weight", ".spec.weight", "number"),
            _column("Pending", ".status.pending", "integer"),
            _column("Placed", ".status.placed", "integer"),
            _column("Held", ".status.heldAccelerators", "integer"),
            _column("Borrowed", ".status.borrowedAccelerators", "integer"),
            _column("Budget", ".status.budgetUsed"),
            _column("USD", ".status.spent.costUSD", "number", wide=True),
            _column("Carbon kg", ".status.spent.carbonKg", "number", wide=True),
            _AGE,
        ),
    ),
}

_DURATION = Extra(more={"type": "string", "pattern": DURATION_PATTERN, "maxLength": 32})
_BY_TYPE = Extra(more={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})
_WHOLE = Extra(more={"x-kubernetes-map-type": "atomic"})
_SET = Extra(more={"x-kubernetes-list-type": "set"})
_COUNTRY = Extra(more={"pattern": _JURISDICTION, "maxLength": 6})
_SITE: Final[Mapping[str, Extra]] = {
    "ComputeSite": Extra(
        rules=(
            (
                "size(self.metadata.name) <= 63",
                "the name of a ComputeSite may have 63 characters at most: it stands in labels",
            ),
        )
    ),
    "ComputeSite.spec.location.jurisdiction": Extra(
        more={"pattern": rf"^$|{_JURISDICTION}", "maxLength": 6}
    ),
    "ComputeSite.spec.location.region": Extra(more={"maxLength": 63}),
    "ComputeSite.spec.access": Extra(
        rules=(
            (
                (
                    "[has(self.kubeconfigSecretRef), has(self.hub), has(self.agent)]"
                    ".filter(given, given).size() == 1"
                ),
                "give exactly one of kubeconfigSecretRef, hub and agent",
            ),
        )
    ),
    "ComputeSite.spec.prometheus.url": Extra(
        rules=(
            (
                "isURL(self) && url(self).getScheme() in ['http', 'https']",
                "write a URL such as https://prometheus.example",
            ),
        ),
        more={"maxLength": 512},
    ),
    "ComputeSite.spec.prometheus.auth": Extra(
        rules=(
            (
                "!(has(self.bearerTokenSecretRef) && has(self.basicAuthSecretRef))",
                "give bearerTokenSecretRef or basicAuthSecretRef, not both",
            ),
        )
    ),
    "ComputeSite.spec.prometheus.pollInterval": Extra(
        rules=(
            (
                "duration(self) >= duration('1s') && duration(self) <= duration('1h')",
                "poll between 1s and 1h",
            ),
        ),
        more={
            "type": "string",
            "pattern": r"^([0-9]+(\.[0-9]+)?(ms|[hms]))+$",
            "maxLength": 16,
            "default": "30s",
        },
    ),
    "ComputeSite.spec.prometheus.queries{}": Extra(more={"maxLength": 4096, "minLength": 1}),
    "ComputeSite.spec.pricing.acceleratorHour{}": Extra(more={"minimum": 0}),
    "ComputeSite.spec.taints": Extra(
        more={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key", "effect"]}
    ),
    "ComputeSite.spec.taints[].key": Extra(more={"minLength": 1, "maxLength": 316}),
    "ComputeSite.status.signals": _WHOLE,
    "ComputeSite.status.forecast": _WHOLE,
    "ComputeSite.status.forecast.load.step": _DURATION,
    "ComputeSite.status.forecast.load.values": Extra(more={"maxItems": 48}),
    "ComputeSite.status.forecast.load.low": Extra(more={"maxItems": 48}),
    "ComputeSite.status.forecast.load.high": Extra(more={"maxItems": 48}),
    "ComputeSite.status.forecast.carbonIntensity.step": _DURATION,
    "ComputeSite.status.forecast.carbonIntensity.values": Extra(more={"maxItems": 48}),
    "ComputeSite.status.forecast.carbonIntensity.low": Extra(more={"maxItems": 48}),
    "ComputeSite.status.forecast.carbonIntensity.high": Extra(more={"maxItems": 48}),
    "ComputeSite.status.forecast.pricePerMWh.step": _DURATION,
    "ComputeSite.status.forecast.pricePerMWh.values": Extra(more={"maxItems": 48}),
    "ComputeSite.status.forecast.pricePerMWh.low": Extra(more={"maxItems": 48}),
    "ComputeSite.status.forecast.pricePerMWh.high": Extra(more={"maxItems": 48}),
    "ComputeSite.status.resources": _WHOLE,
    "ComputeSite.status.orphans": Extra(more={"maxItems": 100}),
    "ComputeSite.status.accelerators": Extra(more={"maxItems": 256}),
    "ComputeSite.status.terms": Extra(more={"x-kubernetes-list-type": "atomic"}),
    "ComputeSite.status.terms[].query": Extra(more={"maxLength": 4096}),
    "ComputeSite.status.freeShapes": Extra(
        more={"maxItems": 64, "x-kubernetes-list-type": "atomic"}
    ),
}

_RESERVED: Final = {
    f"ComputeSite.spec.reserved.{name}": Extra(
        rules=(
            (
                (
                    "type(self) == int ? self >= 0 : "
                    r"self.matches('^[0-9]+(\\.[0-9]+)?(%|[KMGTPE]i|[mkMGTPE])?$')"
                ),
                "write an amount such as 4 or 64Gi, or a share such as 10%",
            ),
        ),
        more={"maxLength": 32},
        int_or_string=True,
    )
    for name in ("cpu", "memory", "accelerators")
}

_WORKLOAD: Final[Mapping[str, Extra]] = {
    "AIWorkload": Extra(
        rules=(
            (
                "size(self.metadata.name) <= 63",
                (
                    "the name of an AIWorkload may have 63 characters at most: its pods' labels "
                    "carry it"
                ),
            ),
        )
    ),
    "AIWorkload.spec": Extra(
        rules=(
            (
                "!has(self.placement) || !has(self.placement.split) || self.class != 'Training'",
                "placement.split is for Inference and Batch: leave it out, or change class",
            ),
            (
                (
                    "!has(self.runtime) || !has(self.runtime.checkpoint) || "
                    "self.class != 'Inference'"
                ),
                "runtime.checkpoint is for Training and Batch: leave it out, or change class",
            ),
        )
    ),
    "AIWorkload.spec.class": Extra(
        rules=(("self == oldSelf", "class cannot be changed: create a new workload"),),
        more={"default": "Batch"},
    ),
    "AIWorkload.spec.template": Extra(
        rules=(
            (
                "self.apiVersion == oldSelf.apiVersion && self.kind == oldSelf.kind",
                "the template's apiVersion and kind cannot be changed: create a new workload",
            ),
        ),
        # Not an embedded resource: the API server would coerce its metadata anew at each decoding
        # (a fifth of a status write's cost). Atomic: a template is one thing, with one owner.
        more={
            "x-kubernetes-map-type": "atomic",
            "required": ["apiVersion", "kind", "spec"],
            "properties": {
                "apiVersion": {
                    "type": "string",
                    "description": "Group and version of the object: batch/v1 or apps/v1.",
                    "minLength": 1,
                    "maxLength": 317,
                },
                "kind": {
                    "type": "string",
                    "description": "Kind of the object: Job or Deployment.",
                    "minLength": 1,
                    "maxLength": 63,
                },
                "metadata": {
                    "type": "object",
                    "description": "Labels and annotations of the object; its name and namespace "
                    "are the workload's.",
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "spec": {
                    "type": "object",
                    "description": "The object's own spec.",
                    "x-kubernetes-preserve-unknown-fields": True,
                },
            },
        },
        preserve=True,
    ),
    "AIWorkload.spec.policy": Extra(more={"maxLength": 253, "pattern": rf"^$|{_NAME}"}),
    "AIWorkload.spec.queue": Extra(more={"maxLength": 253, "pattern": rf"^$|{_NAME}"}),
    "AIWorkload.spec.priority": Extra(
        more={"minimum": -1000000000, "maximum": 1000000000, "format": "int32"}
    ),
    "AIWorkload.spec.accelerator.classes": _SET,
    "AIWorkload.spec.accelerator.vendors": _SET,
    "AIWorkload.spec.placement.jurisdictions": _SET,
    "AIWorkload.spec.placement.jurisdictions[]": _COUNTRY,
    "AIWorkload.spec.placement.latency.from": Extra(
        rules=(
            (
                "self.map(o, o.share).sum() <= 1.0001 || self.all(o, o.share == 1.0)",
                "the shares add up to more than 1: they are parts of all use",
            ),
        ),
        more={"maxItems": 32},
    ),
    "AIWorkload.spec.placement.latency.from[].share": Extra(more={"default": 1.0}),
    "AIWorkload.spec.placement.split": Extra(
        rules=(
            ("self.maxSites <= 64", "maxSites may be 64 at most"),
            (
                "self.minSites <= self.maxSites",
                "minSites is above maxSites: raise maxSites, or lower minSites",
            ),
        )
    ),
    "AIWorkload.spec.runtime": Extra(
        rules=(
            (
                "!has(self.checkpoint) || !has(self.duration) || self.checkpoint.interval != '0'",
                "checkpoint.interval must be more than 0",
            ),
        )
    ),
    "AIWorkload.spec.runtime.duration": _DURATION,
    "AIWorkload.spec.runtime.maxDelay": Extra(more={**_DURATION.more, "default": "0"}),
    "AIWorkload.spec.runtime.checkpoint.interval": _DURATION,
    "AIWorkload.spec.failover": Extra(more={"default": {}}),
    "AIWorkload.spec.failover.after": Extra(more={**_DURATION.more, "default": "5m"}),
    "AIWorkload.spec.ttlAfterFinished": _DURATION,
    "AIWorkload.spec.variants": Extra(more={"maxItems": 16}),
    "AIWorkload.spec.variants[].when": Extra(
        rules=(
            (
                "has(self.vendor) || has(self.class)",
                "name a vendor or a class; a variant for all hardware belongs into the template",
            ),
        )
    ),
    "AIWorkload.spec.variants[].containers": Extra(
        more={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "maxItems": 16,
        }
    ),
    "AIWorkload.spec.variants[].containers[].env[]": Extra(
        more={
            "type": "object",
            "description": "An environment variable, as in a container.",
        },
        preserve=True,
    ),
    "AIWorkload.spec.variants[].containers[].resources": Extra(preserve=True),
    "AIWorkload.spec.variants[].containers[].volumeMounts": Extra(more={"maxItems": 32}),
    "AIWorkload.spec.variants[].containers[].volumeMounts[]": Extra(
        more={"type": "object", "description": "A volume mount, as in a container."},
        preserve=True,
    ),
    "AIWorkload.spec.variants[].volumes": Extra(more={"maxItems": 16}),
    "AIWorkload.spec.variants[].volumes[]": Extra(
        more={"type": "object", "description": "A volume, as in a pod."},
        preserve=True,
    ),
    "AIWorkload.spec.overrides": Extra(more={"maxItems": 16}),
    "AIWorkload.spec.overrides[].patch": Extra(more={"minItems": 1, "maxItems": 64}),
    "AIWorkload.spec.overrides[].patch[].op": Extra(
        more={"enum": ["add", "remove", "replace", "move", "copy", "test"], "maxLength": 8}
    ),
    "AIWorkload.spec.overrides[].patch[].value": Extra(
        more={"x-kubernetes-preserve-unknown-fields": True}
    ),
    # One writer owns the status. Atomic parts keep managedFields, which every write decodes and
    # encodes again, at a tenth of what they would be leaf by leaf.
    "AIWorkload.status.decision": _WHOLE,
    "AIWorkload.status.estimate": _WHOLE,
    "AIWorkload.status.usage": _WHOLE,
    "AIWorkload.status.usage.periods": Extra(more={"maxItems": 128}),
    "AIWorkload.status.usage.periods[].period": Extra(more={"maxLength": 10}),
    "AIWorkload.status.decision.message": Extra(more={"maxLength": 32768}),
    "AIWorkload.status.decision.refused[].example": Extra(more={"maxLength": 4096}),
    "AIWorkload.status.decision.inputsAge": _DURATION,
    "AIWorkload.status.sites": Extra(more={"maxLength": 4096}),
}

_OTHERS: Final[Mapping[str, Extra]] = {
    "PlacementPolicy.spec.rebalance.cooldown": Extra(more={**_DURATION.more, "default": "1h"}),
    "PlacementPolicy.spec.terms": Extra(
        more={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "maxItems": 16,
        }
    ),
    "PlacementPolicy.spec.terms[].query": Extra(more={"maxLength": 4096, "minLength": 1}),
    "PlacementPolicy.spec.defaults.jurisdictions[]": _COUNTRY,
    "AcceleratorClass.spec.vendor": Extra(more={"pattern": _NAME, "maxLength": 63}),
    "AcceleratorClass.spec": Extra(
        rules=(
            (
                "!has(self.idleWatts) || !has(self.tdpWatts) || self.idleWatts <= self.tdpWatts",
                "idleWatts cannot be more than tdpWatts",
            ),
            (
                "has(self.resourceNames) && size(self.resourceNames) > 0",
                "name the extended resource by which pods ask for it in resourceNames",
            ),
        )
    ),
    "ComputeQueue.status.spent": _WHOLE,
    "ComputeQueue.spec.quotas[]": Extra(
        rules=(
            (
                ("!(has(self.class) && self.class != '' && has(self.vendor) && self.vendor != '')"),
                "give class or vendor, not both",
            ),
        )
    ),
}


def extras_of(kind: str) -> dict[str, Extra]:
    """What is added to the fields of a kind, conditions included."""
    every = {**_SITE, **_RESERVED, **_WORKLOAD, **_OTHERS}
    mine = {path: extra for path, extra in every.items() if path.split(".")[0] == kind}
    conditions = f"{kind}.status.conditions[]"
    return mine | {
        f"{kind}.status.conditions": _BY_TYPE,
        conditions: _WHOLE,
        f"{conditions}.type": Extra(more={"maxLength": 316}),
        f"{conditions}.reason": Extra(more={"maxLength": 1024}),
        f"{conditions}.message": Extra(more={"maxLength": 32768}),
    }
