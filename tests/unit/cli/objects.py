"""Hub objects as an API server would give them, for views: fixed times, hand-written statuses."""

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-11-24T11:58:00Z",
    }


def site(name: str, *, region: str, jurisdiction: str, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "ComputeSite",
        "metadata": {"name": name, "creationTimestamp": "2026-11-24T11:00:00Z"},
        "spec": {
            "location": {"region": region, "jurisdiction": jurisdiction, "gridZone": jurisdiction},
            "access": {"kubeconfigSecretRef": {"namespace": "tradewind-system", "name": name}},
            "energy": {"carbonIntensity": 640, "pricePerMWh": 45, "pue": 1.2},
        },
        "status": {
            "conditions": [condition("Ready", "True", "Ready")],
            "kubernetesVersion": "v1.37.2",
            **status,
        },
    }


def ulanqab() -> dict[str, Any]:
    return site(
        "ulanqab",
        region="cn-nm",
        jurisdiction="CN",
        nodes=18,
        workloadKinds=["batch/v1/Job", "apps/v1/Deployment"],
        accelerators=[
            {
                "class": "nvidia-h100-sxm",
                "vendor": "nvidia",
                "resourceName": "nvidia.com/gpu",
                "memoryGiB": 80,
                "nodes": 16,
                "allocatable": 128,
                "requested": 64,
                "freeByNode": {"8": 7, "4": 2},
            },
            {
                "class": "huawei-ascend-910b",
                "vendor": "huawei",
                "resourceName": "huawei.com/Ascend910",
                "nodes": 2,
                "allocatable": 16,
                "requested": 0,
                "freeByNode": {"8": 2},
            },
        ],
        signals={
            "load": {"value": 0.42, "state": "Current", "at": "2026-11-24T11:59:50Z"},
            "carbonIntensity": {"value": 512.4, "state": "Stale", "at": "2026-11-24T11:40:00Z"},
        },
    )


def paris() -> dict[str, Any]:
    found = site("paris", region="fr-idf", jurisdiction="FR")
    found["status"]["conditions"] = [
        condition("Ready", "False", "Unreachable", "no answer for 31 s")
    ]
    return found


def training(**status: Any) -> dict[str, Any]:
    """A training gang that runs at ulanqab."""
    return {
        "apiVersion": "tradewind.dev/v1alpha1",
        "kind": "AIWorkload",
        "metadata": {
            "name": "llama",
            "namespace": "research",
            "uid": "u-1",
            "creationTimestamp": "2026-11-24T11:50:00Z",
        },
        "spec": {
            "class": "Training",
            "policy": "balanced",
            "template": {"apiVersion": "batch/v1", "kind": "Job"},
        },
        "status": {
            "phase": "Running",
            "sites": "ulanqab",
            "replicas": 8,
            "readyReplicas": 8,
            "placements": [
                {
                    "site": "ulanqab",
                    "epoch": 1,
                    "replicas": 8,
                    "phase": "Running",
                    "acceleratorClass": "nvidia-h100-sxm",
                    "startedAt": "2026-11-24T11:55:00Z",
                }
            ],
            "decision": {
                "at": "2026-11-24T11:50:01Z",
                "policy": "balanced",
                "reason": "Placed",
                "costUSD": 464.7,
                # as an API server gives maps: sorted by key
                "terms": {"carbon": 12.0, "electricity": 40.1, "hardware": 412.6, "latency": 0.0},
                "assumedInputs": ["pricePerMWh"],
                "inputsAge": "12s",
                "alternatives": [
                    {
                        "site": "guizhou",
                        "acceleratorClass": "nvidia-h100-sxm",
                        "costUSD": 480.0,
                        "terms": {"carbon": 15.2, "electricity": 52.2, "hardware": 412.6},
                    }
                ],
                "refused": [
                    {
                        "reason": "AcceleratorClassMismatch",
                        "count": 1,
                        "sites": ["paris"],
                        "example": "has nvidia-l40s; wants nvidia-h100-sxm",
                    }
                ],
            },
            "estimate": {"energyKWh": 538.2, "carbonKg": 344.4, "costUSD": 464.7},
            **status,
        },
    }


def unplaceable() -> dict[str, Any]:
    """A gang for which no site has the chips."""
    found = training()
    found["metadata"]["name"] = "frontier"
    why = "no site can ever run it as it is"
    found["status"] = {
        "phase": "Pending",
        "conditions": [
            condition("Placed", "False", "FitsNowhere", why),
            condition("Stalled", "True", "FitsNowhere", why),
        ],
        "decision": {
            "at": "2026-11-24T11:59:30Z",
            "policy": "balanced",
            "reason": "FitsNowhere",
            "message": why,
            "refused": [
                {
                    "reason": "AcceleratorClassMismatch",
                    "sites": ["guizhou"],
                    "example": "wants nvidia-h200-sxm; has huawei-ascend-910b",
                },
                {
                    "reason": "AcceleratorClassMismatch",
                    "sites": ["paris"],
                    "example": "wants nvidia-h200-sxm; has nvidia-l40s",
                },
                {
                    "reason": "TooLargeForSite",
                    "sites": ["ulanqab"],
                    "example": "needs 512 nvidia-h200-sxm, has 32 in all: 480 missing",
                },
            ],
        },
    }
    return found
