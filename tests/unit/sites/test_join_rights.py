"""The rights that a join gives at a member: what Tradewind uses, and no more."""

from typing import Any

import yaml

from tradewind.sites.joinobjects import member_objects


def rules(**wanted: bool) -> set[tuple[str, str, str]]:
    (role,) = [body for body in member_objects(**wanted) if body["kind"] == "ClusterRole"]
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule["verbs"]
    }


def test_the_right_to_patch_nodes_is_for_labels_alone_and_can_be_kept_back() -> None:
    assert rules() - rules(node_labels=False) == {("", "nodes", "patch")}


def test_no_right_reaches_secrets_accounts_or_rights() -> None:
    for group, resource, verb in rules():
        assert group in {"", "batch", "apps", "resource.k8s.io", "node.k8s.io"}
        assert resource not in {"secrets", "serviceaccounts", "pods/exec"}
        assert verb in {"get", "list", "watch", "create", "patch", "delete"}
        if verb in {"create", "patch", "delete"}:
            assert resource in {"nodes", "namespaces", "jobs", "deployments",
                                "resourceclaimtemplates"}  # fmt: skip


def test_the_hub_as_a_site_needs_the_same_rights() -> None:
    from pathlib import Path

    chart = Path(__file__).parents[3] / "helm/tradewind/templates/rbac.yaml"
    text = chart.read_text(encoding="utf-8").partition("-hub-site")[2]
    block = text.partition("rules:")[2].partition("---")[0]
    told: list[dict[str, Any]] = yaml.safe_load(block)
    given = {
        (group, resource, verb)
        for rule in told
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule["verbs"]
    }
    assert given == rules()
