"""The NodeFeatureRules: up to date, and of one mind with the operator's own labels."""

import re
from typing import Any

import pytest
import yaml

import nfd
from tradewind.hardware.catalog import builtin_catalog
from tradewind.hardware.labels import identify
from tradewind.hardware.standard import standard_labels

CATALOG = builtin_catalog()
RULES = [
    rule
    for made in yaml.safe_load_all(nfd.TARGET.read_text(encoding="utf-8"))
    for rule in made["spec"]["rules"]
]
VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def test_what_is_checked_in_is_what_the_catalogue_says() -> None:
    assert nfd.main(["--check"]) == 0


def node_of(name: str) -> tuple[dict[str, str], str]:
    """A label that tells the product to the operator, and the resource that it is asked for by."""
    made = CATALOG.get(name)
    assert made is not None
    key, values = made.match[0]
    return {key: values[0]}, made.resource_names[0]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"])
def test_a_rule_gives_the_labels_that_the_operator_would(rule: dict[str, Any]) -> None:
    labels, resource = node_of(rule["name"])
    found = identify(labels, {resource: 8}, CATALOG)
    made = standard_labels(found, labels, CATALOG)
    assert rule["labels"].items() <= made.items()
    assert made.keys() - rule["labels"].keys() == {
        f"accelerator.tradewind.dev/{name}" for name in ("count", "units", "sharing", "source")
    }
    assert all(VALUE.fullmatch(value) for value in rule["labels"].values())


def test_every_product_that_pci_or_gfd_tells_has_a_rule() -> None:
    named = {rule["name"] for rule in RULES}
    for made in CATALOG:
        if made.vendor in ("nvidia", "amd", "google", "intel"):
            assert made.name in named
    assert len(named) == len(RULES) >= 45
