"""What the API server is told of our kinds: generated, described, bounded, and up to date."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradewind.api import crdgen
from tradewind.api.crdgen import MODELS, crd_of, fields_of, outputs
from tradewind.api.crdrules import CRDS, extras_of
from tradewind.api.fields import Model
from tradewind.api.site import SiteSignals
from tradewind.telemetry.signals import FIELDS

ROOT = Path(__file__).parents[3]
KINDS = {model.__name__: crd_of(model) for model in MODELS}

each_kind = pytest.mark.parametrize("kind", KINDS)


def schema_of(kind: str) -> dict[str, Any]:
    (version,) = KINDS[kind]["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def test_what_is_checked_in_is_what_the_models_say() -> None:
    """As CI asks: `make generate` has been run."""
    ran = subprocess.run(
        [sys.executable, "-m", "tradewind.api.crdgen", "--check"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.fixture
def where(tmp_path: Path) -> list[str]:
    return ["--crds", str(tmp_path / "crds"), "--docs", str(tmp_path / "docs" / "api.md")]


def test_drift_is_told_by_file_and_nothing_is_written(
    tmp_path: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert crdgen.main(where) == 0
    assert crdgen.main([*where, "--check"]) == 0
    stale = tmp_path / "crds" / "tradewind.dev_computesites.yaml"
    stale.write_text("changed by hand\n")
    (tmp_path / "docs" / "api.md").unlink()
    capsys.readouterr()
    assert crdgen.main([*where, "--check"]) == 1
    told = capsys.readouterr().err
    assert "computesites.yaml" in told
    assert "api.md" in told
    assert "aiworkloads" not in told
    assert stale.read_text() == "changed by hand\n"
    assert crdgen.main(where) == 0
    assert crdgen.main([*where, "--check"]) == 0


@each_kind
def test_what_is_written_reads_back_the_same(kind: str) -> None:
    (model,) = [model for model in MODELS if model.__name__ == kind]
    assert yaml.safe_load(crdgen.render_crd(model)) == json.loads(json.dumps(KINDS[kind]))


def test_each_kind_has_its_file() -> None:
    made = outputs(Path("crds"), Path("docs/api.md"))
    assert len(made) == len(MODELS) + 1
    assert {path.name for path in (ROOT / "crds").iterdir()} == {
        path.name for path in made if path.parent.name == "crds"
    }


@each_kind
def test_every_field_says_what_it_is(kind: str) -> None:
    bare = [
        path
        for path, field in fields_of(schema_of(kind))
        if path != "metadata" and not str(field.get("description", "")).strip()
    ]
    assert bare == []


@each_kind
def test_the_kind_says_what_it_is(kind: str) -> None:
    assert schema_of(kind)["description"].endswith(".")


@each_kind
def test_descriptions_stand_in_the_docs(kind: str) -> None:
    docs = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    section = docs.partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
    paths = set(re.findall(r"^\| `([^`]+)`", section, re.MULTILINE))
    assert paths == {
        path for path, _ in fields_of(schema_of(kind)) if path.startswith(("spec", "status"))
    }


def _nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema below one, itself included: fields, items and values of maps."""
    yield path, schema
    for name, field in (schema.get("properties") or {}).items():
        yield from _nodes(field, f"{path}.{name}")
    for part, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(part), dict):
            yield from _nodes(schema[part], path + mark)


@each_kind
def test_every_schema_is_structural(kind: str) -> None:
    """The API server takes no other: one type each, nothing referred to, no union."""
    for path, node in _nodes(schema_of(kind)):
        free = node.get("x-kubernetes-preserve-unknown-fields")
        either = node.get("x-kubernetes-int-or-string")
        assert "type" in node or free or either, path
        assert not {"$ref", "oneOf", "allOf", "const", "title", "$defs"} & node.keys(), path
        assert "anyOf" not in node or either, path
        assert not {"properties", "additionalProperties"} <= node.keys(), path
        if node.get("type") == "array":
            assert "items" in node, path


@each_kind
def test_every_list_map_and_text_has_an_end(kind: str) -> None:
    """Without bounds a rule's worst case is over the API server's budget."""
    for path, node in _nodes(schema_of(kind)):
        if path == ".metadata":
            continue
        sort = node.get("type")
        if sort == "array":
            assert node["maxItems"] > 0, path
        elif "additionalProperties" in node:
            assert node["maxProperties"] > 0, path
        elif sort == "string" and path not in (".apiVersion", ".kind"):
            assert "maxLength" in node or "enum" in node or "format" in node, path


@each_kind
def test_every_required_field_is_there(kind: str) -> None:
    for path, node in _nodes(schema_of(kind)):
        if "properties" in node:
            assert set(node.get("required", ())) <= node["properties"].keys(), path


@each_kind
def test_rules_say_what_they_ask_for(kind: str) -> None:
    for path, node in _nodes(schema_of(kind)):
        for rule in node.get("x-kubernetes-validations", ()):
            assert rule["rule"].strip(), path
            assert rule.get("message") or rule.get("messageExpression"), path


@each_kind
def test_no_rule_is_left_over(kind: str) -> None:
    """A rule for a field that was renamed would be lost without a word."""
    paths = {f"{kind}{path}" for path, _ in _nodes(schema_of(kind))}
    left = {path for path in extras_of(kind) if path.startswith(kind)} - paths
    # Those of conditions are made for every kind, and some have no status.
    assert {path for path in left if not path.startswith(f"{kind}.status.conditions")} == set()


@each_kind
def test_a_default_fits_its_own_field(kind: str) -> None:
    sorts = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict}
    for path, node in _nodes(schema_of(kind)):
        if "default" not in node:
            continue
        default = node["default"]
        assert not path.startswith(".status"), path
        assert isinstance(default, sorts[node["type"]]), path
        assert default in node.get("enum", [default]), path
        if "pattern" in node:
            assert re.search(node["pattern"], default), path
        if "minimum" in node:
            assert default >= node["minimum"], path


def at(schema: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The field that a JSONPath of names and `[*]` leads to."""
    found: dict[str, Any] | None = schema
    for part in path.removeprefix(".").split("."):
        name, _, each = part.partition("[")
        found = (found or {}).get("properties", {}).get(name)
        if each:
            found = (found or {}).get("items")
    return found


@each_kind
def test_columns_show_fields_that_are_there(kind: str) -> None:
    (version,) = KINDS[kind]["spec"]["versions"]
    for column in version["additionalPrinterColumns"]:
        path = re.sub(r"\[\?.*?\].*", "", column["jsonPath"])
        if not path.startswith(".metadata"):
            assert at(schema_of(kind), path) is not None, column["name"]
    for field in version.get("selectableFields", ()):
        assert at(schema_of(kind), field["jsonPath"]) is not None


@each_kind
def test_names_are_the_groups_own(kind: str) -> None:
    definition = KINDS[kind]
    plural = CRDS[kind].plural
    assert definition["metadata"]["name"] == f"{plural}.tradewind.dev"
    assert definition["spec"]["names"]["plural"] == plural
    has_status = "status" in schema_of(kind)["properties"]
    assert ("subresources" in definition["spec"]["versions"][0]) == has_status


def test_only_workloads_live_in_namespaces() -> None:
    assert {kind for kind, one in KINDS.items() if one["spec"]["scope"] == "Namespaced"} == {
        "AIWorkload"
    }


def test_short_names_are_given_once() -> None:
    names = [
        name
        for one in KINDS.values()
        for name in (one["spec"]["names"]["plural"], *one["spec"]["names"]["shortNames"])
    ]
    assert len(names) == len(set(names))


def test_a_template_keeps_fields_that_we_do_not_know() -> None:
    template = schema_of("AIWorkload")["properties"]["spec"]["properties"]["template"]
    assert template["x-kubernetes-preserve-unknown-fields"] is True


def test_every_signal_has_its_place_in_the_status() -> None:
    aliases = {name: field.alias or name for name, field in SiteSignals.model_fields.items()}
    assert {aliases[field] for field in FIELDS.values()} == FIELDS.keys()


class Part(Model):
    """A part."""

    amount: int
    """How much."""


class Bare(Model):
    """A kind."""

    described: Part | None = None
    """It is told."""
    many: tuple[Part, ...] = ()
    """Parts."""
    named: dict[str, Part] = {}  # noqa: RUF012 - a model's field
    """Parts by name."""


def test_fields_are_found_at_every_depth() -> None:
    raw = Bare.model_json_schema(by_alias=True)
    schema = crdgen._convert(raw, raw["$defs"], "", {})
    assert [path for path, _ in fields_of(schema)] == [
        "described",
        "described.amount",
        "many",
        "many[].amount",
        "named",
        "named{}.amount",
    ]
