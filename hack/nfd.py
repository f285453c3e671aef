"""Generate NodeFeatureRules for Node Feature Discovery from the accelerator catalogue.

    python hack/nfd.py            writes manifests/nfd/node-feature-rules.yaml
    python hack/nfd.py --check    compares, and ends with 1 where it is out of date

For those who would rather have NFD write the standard labels than the operator: the same keys and
values, for whole chips. NFD sees PCI ids, and the labels that GPU Feature Discovery hands it as
local features; it sees neither resources nor other node labels, so counts, parts and makers without
a rule of their own are left out.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tradewind.hardware.catalog import Catalog, HardwareClass, builtin_catalog
from tradewind.hardware.clean import NVIDIA_PRODUCT
from tradewind.hardware.evidence import AMD_DEVICE
from tradewind.hardware.labels import Recognition
from tradewind.hardware.standard import STATE, class_labels

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = ROOT / "manifests" / "nfd" / "node-feature-rules.yaml"
_HEADER: Final = (
    "# Generated from the accelerator catalogue by `make generate`; do not edit.\n"
    "# Apply where Node Feature Discovery is, with nodeLabels: false in the ComputeSite.\n"
)

#: PCI ids of products that the catalogue tells by other labels (the PCI ID database; Google's
#: TPU driver for Kubernetes).
_PCI: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "intel-gaudi2": ("1da3", ("1020",)),
    "intel-gaudi3": ("1da3", ("1062", "1063")),
    "intel-max-1550": ("8086", ("0bd5",)),
    "google-tpu-v4": ("1ae0", ("005e",)),
    "google-tpu-v5e": ("1ae0", ("0063",)),
    "google-tpu-v5p": ("1ae0", ("0062",)),
    "google-tpu-v6e": ("1ae0", ("006f",)),
    "google-tpu-v7": ("1ae0", ("0076",)),
}
_AMD: Final = "1002"


def features_of(made: HardwareClass) -> list[dict[str, Any]]:
    """What NFD sees of a product; empty if it sees nothing that tells it."""
    match = dict(made.match)
    if products := match.get(NVIDIA_PRODUCT):
        expression = {NVIDIA_PRODUCT: {"op": "In", "value": list(products)}}
        return [{"feature": "local.label", "matchExpressions": expression}]
    if devices := match.get(AMD_DEVICE):
        return [_pci(_AMD, devices)]
    if made.name in _PCI:
        return [_pci(*_PCI[made.name])]
    return []


def _pci(vendor: str, devices: tuple[str, ...]) -> dict[str, Any]:
    return {
        "feature": "pci.device",
        "matchExpressions": {
            "vendor": {"op": "In", "value": [vendor]},
            "device": {"op": "In", "value": list(devices)},
        },
    }


def rules_of(catalog: Catalog) -> Iterator[tuple[str, dict[str, Any]]]:
    """Maker and rule of each product that NFD can tell."""
    for made in sorted(catalog, key=lambda made: made.name):
        features = features_of(made)
        if features:
            labels = {key: value for key, value in class_labels(made).items() if value}
            labels[STATE] = Recognition.CLASSIFIED.value
            yield made.vendor, {"name": made.name, "labels": labels, "matchFeatures": features}


def render(catalog: Catalog) -> str:
    """The rules as YAML, an object for each maker."""
    by_vendor: dict[str, list[dict[str, Any]]] = {}
    for vendor, rule in rules_of(catalog):
        by_vendor.setdefault(vendor, []).append(rule)
    objects = [
        {
            "apiVersion": "nfd.k8s-sigs.io/v1alpha1",
            "kind": "NodeFeatureRule",
            "metadata": {"name": f"tradewind-{vendor}"},
            "spec": {"rules": rules},
        }
        for vendor, rules in sorted(by_vendor.items())
    ]
    text: str = yaml.safe_dump_all(objects, sort_keys=False, width=100)
    return _HEADER + text


def main(arguments: list[str] | None = None) -> int:
    """Write or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true")
    check: bool = parser.parse_args(arguments).check
    text = render(builtin_catalog())
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    if check:
        sys.stderr.write(f"out of date: {TARGET.relative_to(ROOT)}; run `make generate`\n")
        return 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
