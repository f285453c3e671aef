"""The chart and the manifests are what the code says."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import chart
from tradewind.controller.handlers import PLURALS
from tradewind.sites.joinobjects import member_objects

MANIFEST = chart.MANIFESTS / "install.yaml"


def objects(path: Path) -> list[dict[str, Any]]:
    return [made for made in yaml.safe_load_all(path.read_text()) if made]


def rules_of(text: str, suffix: str) -> list[dict[str, Any]]:
    """The rules of the ClusterRole whose name ends so, of a template without its Helm lines."""
    plain = "\n".join(line for line in text.splitlines() if "{{" not in line or "name:" in line)
    for part in plain.replace("{{ $name }}", "tradewind").split("\n---\n"):
        if "kind: ClusterRole\n" in part and f"name: tradewind{suffix}\n" in part:
            rules: list[dict[str, Any]] = yaml.safe_load(part[part.index("rules:") :])["rules"]
            return rules
    raise AssertionError(f"no ClusterRole tradewind{suffix}")


def test_copies_in_the_chart_are_current() -> None:
    copied = chart.copies()
    assert chart.out_of_date(copied, write=False) == []
    assert chart.strays(copied, write=False) == []


def test_a_changed_copy_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart, "ROOT", tmp_path)
    path = tmp_path / "crds" / "one.yaml"
    assert chart.out_of_date({path: "new"}, write=True) == ["crds/one.yaml"]
    assert path.read_text() == "new"
    path.write_text("old")
    assert chart.out_of_date({path: "new"}, write=False) == ["crds/one.yaml"]


def test_the_manifest_holds_the_crds_of_today() -> None:
    want = {path.name: objects(path)[0] for path in (chart.ROOT / "crds").glob("*.yaml")}
    found = [made for made in objects(MANIFEST) if made["kind"] == "CustomResourceDefinition"]
    assert sorted(found, key=lambda made: made["metadata"]["name"]) == sorted(
        want.values(), key=lambda made: made["metadata"]["name"]
    )


def test_the_operator_may_watch_every_kind_and_write_no_spec() -> None:
    rules = [
        rule
        for made in objects(MANIFEST)
        if made["kind"] == "ClusterRole"
        for rule in made["rules"]
        if "tradewind.dev" in rule.get("apiGroups", ())
    ]
    watched = {name for rule in rules if "watch" in rule["verbs"] for name in rule["resources"]}
    assert watched == set(PLURALS)
    verbs = {verb for rule in rules for verb in rule["verbs"]}
    assert not verbs & {"*", "create", "update", "deletecollection"}


def test_the_operator_may_read_no_secret_of_another_namespace() -> None:
    reach = {
        (made["kind"], made["metadata"].get("namespace"))
        for made in objects(MANIFEST)
        if made["kind"] in ("Role", "ClusterRole")
        and any("secrets" in rule.get("resources", ()) for rule in made["rules"])
    }
    assert reach == {("Role", chart.NAMESPACE)}


def test_the_hub_as_a_site_grants_what_a_member_grants() -> None:
    (member,) = (made for made in member_objects() if made["kind"] == "ClusterRole")
    rbac = (chart.CHART / "templates" / "rbac.yaml").read_text()
    hub = rules_of(rbac, "-hub-site")
    resources = [rule for rule in member["rules"] if "resources" in rule]
    assert [rule for rule in hub if "resources" in rule] == resources
    urls = {url for rule in member["rules"] for url in rule.get("nonResourceURLs", ())}
    granted = {
        url for rule in [*hub, *rules_of(rbac, "")] for url in rule.get("nonResourceURLs", ())
    }
    assert urls <= granted


def test_the_pods_are_restricted() -> None:
    (deployment,) = (made for made in objects(MANIFEST) if made["kind"] == "Deployment")
    pods = deployment["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    assert pods["securityContext"]["runAsNonRoot"] is True
    assert pods["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_every_value_has_a_schema() -> None:
    values = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    schema = json.loads((chart.CHART / "values.schema.json").read_text())
    assert set(values) <= set(schema["properties"])
    assert set(schema["properties"]) - set(values) == {"global"}
