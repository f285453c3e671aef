"""Generate what the chart and the manifests share with the code: CRDs, policies, settings, install.

    python hack/chart.py            writes
    python hack/chart.py --check    compares, and ends with 1 where something is out of date

Copied into the chart are `crds/` and what ships with the command line, since Helm takes files of
its own folder only; the schema of `settings` in `values.schema.json` is made from the operator's
settings. The manifests are the chart as the pinned Helm renders it, which is built where it is
missing; a check without it compares the rest, and says so.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from federation.tools import TOOLS, ensure, find
from tradewind.controller.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[1]
CHART: Final = ROOT / "helm" / "tradewind"
MANIFESTS: Final = ROOT / "manifests"
NAMESPACE: Final = "tradewind-system"

#: The chart's own to say: where the operator runs, and which cluster is the hub.
_FIXED: Final = {"hub": ("kubeconfig", "context", "namespace")}
_HEADER: Final = "# Rendered from helm/tradewind by `make generate`; change the chart, not this.\n"
_INSTALL_HEADER: Final = f"""{_HEADER}---
apiVersion: v1
kind: Namespace
metadata:
  name: {NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
"""


def copies() -> dict[Path, str]:
    """What is copied, and the schema, by file."""
    made = {
        CHART / "crds" / path.name: path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "crds").glob("*.yaml"))
    }
    for path in (ROOT / "operator/tradewind/cli/shipped").glob("*.yaml"):
        made[CHART / "files" / path.name] = path.read_text(encoding="utf-8")
    schema = CHART / "values.schema.json"
    values = json.loads(schema.read_text(encoding="utf-8"))
    values["properties"]["settings"] = settings_schema()
    made[schema] = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    return made


def settings_schema() -> dict[str, Any]:
    """JSON schema of the chart's `settings`, every group and setting with its text and bounds."""
    schema = Settings.model_json_schema()
    groups = {}
    for name, reference in schema["properties"].items():
        group = schema["$defs"][reference["$ref"].rpartition("/")[2]]
        fixed = _FIXED.get(name, ())
        groups[name] = {
            "type": "object",
            "description": group["description"],
            "additionalProperties": False,
            "properties": {
                key: _without_title(setting)
                for key, setting in group["properties"].items()
                if key not in fixed
            },
        }
    return {
        "type": "object",
        "description": "The operator's settings; see docs/configuration.md.",
        "additionalProperties": False,
        "properties": groups,
    }


def _without_title(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}


def manifests(helm: Path) -> dict[Path, str]:
    """The plain install, by file; the chart's copies must be up to date.

    The policies are apart: kubectl cannot apply objects of a kind in the same breath as the kind.
    So is admission: hubs below Kubernetes 1.36 do not serve its kinds.
    """
    install = _render(helm, "--include-crds", "--set", "policies.create=false")
    policies = _render(helm, "--show-only", "templates/policies.yaml")
    admission = _render(
        helm, "--show-only", "templates/admission.yaml", "--api-versions",
        "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
    )  # fmt: skip
    return {
        MANIFESTS / "install.yaml": _INSTALL_HEADER + install,
        MANIFESTS / "policies.yaml": _HEADER + policies,
        MANIFESTS / "admission.yaml": _HEADER + admission,
    }


def _render(helm: Path, *arguments: str) -> str:
    command = [str(helm), "template", "tradewind", str(CHART), "--namespace", NAMESPACE, *arguments]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    kept = [line for line in answer.stdout.splitlines() if not line.startswith("# Source: ")]
    return "\n".join(line.rstrip() for line in kept if "managed-by: Helm" not in line) + "\n"


def out_of_date(wanted: Mapping[Path, str], *, write: bool) -> list[str]:
    """The files that differ from what is wanted; written if asked."""
    found = []
    for path, text in wanted.items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        found.append(str(path.relative_to(ROOT)))
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return found


def strays(wanted: Mapping[Path, str], *, write: bool) -> list[str]:
    """CRDs in the chart that the code does not have any more; removed if asked."""
    found = sorted(set((CHART / "crds").glob("*.yaml")) - set(wanted))
    for path in found if write else ():
        path.unlink()
    return [str(path.relative_to(ROOT)) for path in found]


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(arguments: list[str] | None = None) -> int:
    """Write or compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true")
    check: bool = parser.parse_args(arguments).check
    copied = copies()
    stale = out_of_date(copied, write=not check) + strays(copied, write=not check)
    helm = find(TOOLS["helm"]) if check else ensure(["helm"], _say)["helm"]
    if helm is None:
        _say("there is no Helm here: manifests/ was not compared")
    else:
        stale += out_of_date(manifests(helm), write=not check)
    if stale and check:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make generate`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
