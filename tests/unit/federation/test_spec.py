"""Descriptions of federations: mistakes are named by file and field before anything starts."""

from pathlib import Path

import pytest

from federation.federation import Federation
from federation.nodes import TEMPLATES, node_objects
from federation.processes import FederationError
from federation.spec import Member, load_spec
from federation.tools import ROOT
from tradewind.api.fields import memory_bytes
from tradewind.hardware.catalog import builtin_catalog
from tradewind.hardware.labels import UNKNOWN, identify

SPECS = [*(ROOT / "hack/federation/specs").glob("*.yaml"), ROOT / "tests/federation.yaml"]


def written(folder: Path, text: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_shipped_ones_are_sound(path: Path, tmp_path: Path) -> None:
    spec = load_spec(path)
    Federation(spec, tmp_path, source=path)._check()
    assert spec.members


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("members: [{name: a, nods: []}]", "members.0.nods"),
        ("members: [{name: A_b}]", "members.0.name"),
        ("members: [{name: a}, {name: a}]", "names of their own"),
        ("members: [{name: hub}]", "names of their own"),
        ("members: [{name: a, nodes: [{count: 0}]}]", "members.0.nodes.0.count"),
        ("members: [{name: a, signals: {carbon: {csv: c.csv}}}]", "a csv needs a column"),
        ("hub: {components: half}", "hub.components"),
        ("clock: {speed: 0}", "clock.speed"),
        ('clock: {start: "2026-11-24T00:00:00"}', "clock.start"),
        ("members: [", "spec.yaml"),
    ],
)
def test_a_mistake_is_named_by_file_and_field(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(FederationError) as raised:
        load_spec(written(tmp_path, text))
    assert "spec.yaml" in str(raised.value)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("members: [{name: a, nodes: [{template: z80}]}]", "no node template 'z80'"),
        ("members: [{name: a, signals: {carbon: {csv: no.csv, column: FR}}}]", "no.csv"),
    ],
)
def test_what_only_shows_later_is_found_before_anything_starts(
    tmp_path: Path, text: str, told: str
) -> None:
    path = written(tmp_path, text)
    folder = tmp_path / "up"
    with pytest.raises(FederationError, match=told):
        Federation(load_spec(path), folder, source=path).up()
    assert not folder.exists()


def test_no_file_is_named() -> None:
    with pytest.raises(FederationError, match=r"/nowhere\.yaml"):
        load_spec(Path("/nowhere.yaml"))


@pytest.mark.parametrize("template", sorted(TEMPLATES.keys() - {"cpu"}))
def test_simulated_nodes_are_read_as_the_products_they_play(template: str) -> None:
    member = Member.model_validate({"name": "m", "nodes": [{"template": template}]})
    (node,) = node_objects(member)
    amounts = {name: memory_bytes(text) for name, text in node["status"]["allocatable"].items()}
    (found,) = identify(node["metadata"]["labels"], amounts, builtin_catalog())
    assert found.class_name != UNKNOWN
    assert found.vendor == template.partition("-")[0]
    assert found.count == TEMPLATES[template].resources[found.resource_name]
