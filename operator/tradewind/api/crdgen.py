"""From models to CustomResourceDefinitions: structural schemas, rules, columns, and docs/api.md.

The models are the single source. What a JSON schema of pydantic's cannot say (CEL rules, list
types, bounds, printer columns) stands in `crdrules`, keyed by the path of the field.

    python -m tradewind.api.crdgen --crds crds --docs docs/api.md [--check]
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tradewind.api.accelerator import AcceleratorClass
from tradewind.api.crdrules import CRDS, Crd, Extra, extras_of
from tradewind.api.fields import Model
from tradewind.api.names import GROUP, VERSION
from tradewind.api.policy import PlacementPolicy
from tradewind.api.queue import ComputeQueue
from tradewind.api.site import ComputeSite
from tradewind.api.workload import AIWorkload

MODELS: Final[tuple[type[Model], ...]] = (
    ComputeSite,
    AIWorkload,
    PlacementPolicy,
    AcceleratorClass,
    ComputeQueue,
)

Schema = dict[str, Any]

#: Without bounds a CEL rule's worst case is over the API server's budget.
DEFAULT_STRING: Final = 1024
DEFAULT_ITEMS: Final = 64
DEFAULT_PROPERTIES: Final = 64

_KEEP: Final = (
    "type",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "default",
    "description",
)


def crd_of(model: type[Model]) -> Schema:
    """The CustomResourceDefinition of a kind."""
    kind = model.__name__
    crd = CRDS[kind]
    raw = model.model_json_schema(by_alias=True, mode="validation")
    definitions = raw.get("$defs", {})
    properties = {
        part: _convert(raw["properties"][part], definitions, f"{kind}.{part}", extras_of(kind))
        for part in ("spec", "status")
        if part in raw["properties"]
    }
    for _, field in fields_of(properties.get("status", {})):
        field.pop("default", None)  # a status says what was written, and nothing else
    schema: Schema = {
        "description": _text(model),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Group and version of this schema."},
            "kind": {"type": "string", "description": "Kind of the object."},
            "metadata": {"type": "object"},
            **properties,
        },
    }
    schema |= extras_of(kind).get(kind, Extra()).keys()
    return _definition(crd, kind, schema, with_status="status" in properties)


def _definition(crd: Crd, kind: str, schema: Schema, *, with_status: bool) -> Schema:
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            {key: value for key, value in column.items() if value != ""} for column in crd.columns
        ],
        "schema": {"openAPIV3Schema": schema},
    }
    if with_status:
        version["subresources"] = {"status": {}} | ({"scale": dict(crd.scale)} if crd.scale else {})
    if crd.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in crd.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{crd.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if crd.namespaced else "Cluster",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": crd.plural,
                "singular": kind.lower(),
                "shortNames": list(crd.short_names),
                "categories": ["tradewind"],
            },
            "versions": [version],
        },
    }


def _convert(
    raw: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: str,
    extras: Mapping[str, Extra],
) -> Schema:
    """One field's structural schema: references inlined, nullable unions unfolded, bounds set."""
    extra = extras.get(path, Extra())
    resolved = _resolve(raw, definitions)
    schema = _plain(resolved)
    told = {"description": schema["description"]} if "description" in schema else {}
    if extra.preserve:
        kept = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        return told | kept | extra.keys()
    if extra.int_or_string:
        either = [{"type": "integer"}, {"type": "string"}]
        return told | {"x-kubernetes-int-or-string": True, "anyOf": either} | extra.keys()
    match resolved.get("type"):
        case "array":
            schema["items"] = _convert(resolved["items"], definitions, f"{path}[]", extras)
            schema["maxItems"] = DEFAULT_ITEMS
        case "object":
            schema |= _convert_object(resolved, definitions, path, extras)
        case "string" if "enum" not in schema and "format" not in schema:
            schema.setdefault("maxLength", DEFAULT_STRING)
        case None:
            schema["x-kubernetes-preserve-unknown-fields"] = True
    return schema | extra.keys()


def _plain(resolved: Mapping[str, Any]) -> Schema:
    """The keywords that mean the same in both worlds; empty defaults say nothing and are left."""
    schema: Schema = {key: resolved[key] for key in _KEEP if key in resolved}
    if "description" in schema:
        schema["description"] = " ".join(str(schema["description"]).split())
    # An object's default would write nulls into it; what has no effect need not be said.
    if isinstance(schema.get("default"), dict) or schema.get("default", ...) in (None, "", []):
        schema.pop("default")
    if "exclusiveMinimum" in resolved:
        schema |= {"minimum": resolved["exclusiveMinimum"], "exclusiveMinimum": True}
    return schema


def _convert_object(
    resolved: Mapping[str, Any],
    definitions: Mapping[str, Any],
    path: str,
    extras: Mapping[str, Extra],
) -> Schema:
    if "properties" in resolved:
        properties = {
            name: _convert(field, definitions, f"{path}.{name}", extras)
            for name, field in resolved["properties"].items()
        }
        required = list(resolved.get("required") or ())
        return {"properties": properties} | ({"required": required} if required else {})
    inner = resolved.get("additionalProperties")
    if isinstance(inner, dict) and inner:
        values = _convert(inner, definitions, f"{path}{{}}", extras)
        return {"additionalProperties": values, "maxProperties": DEFAULT_PROPERTIES}
    return {"x-kubernetes-preserve-unknown-fields": True}


def _resolve(raw: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Follow references and take the one branch of a union that is not null."""
    merged = dict(raw)
    while "$ref" in merged or "anyOf" in merged or "allOf" in merged:
        if "$ref" in merged:
            target = definitions[merged.pop("$ref").rpartition("/")[2]]
            merged = {**target, **merged}
            continue
        branches = [
            branch
            for branch in merged.pop("anyOf", None) or merged.pop("allOf")
            if branch.get("type") != "null"
        ]
        merged = {**branches[0], **merged}
    if "const" in merged:
        merged["enum"] = [merged.pop("const")]
    return merged


def _text(model: type[Model]) -> str:
    return " ".join((model.__doc__ or "").split())


def fields_of(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field below a schema with its dotted path, depth first."""
    for name, field in (schema.get("properties") or {}).items():
        here = f"{path}.{name}" if path else name
        yield here, field
        yield from fields_of(field, here)
        if "items" in field:
            yield from fields_of(field["items"], f"{here}[]")
        if isinstance(field.get("additionalProperties"), dict):
            yield from fields_of(field["additionalProperties"], f"{here}{{}}")


def render_crd(model: type[Model]) -> str:
    """The CRD as YAML."""
    head = "# Generated from operator/tradewind/api by `make generate`; do not edit.\n"
    text: str = yaml.safe_dump(crd_of(model), sort_keys=False, width=100, allow_unicode=True)
    return head + text


def render_docs() -> str:
    """docs/api.md: every field of every kind."""
    parts = [
        (
            "# API reference\n\n"
            f"Group `{GROUP}`, version `{VERSION}`. Generated from the models by `make generate`; "
            "`kubectl explain` shows the same.\n"
        )
    ]
    for model in MODELS:
        definition = crd_of(model)
        crd, schema = CRDS[model.__name__], definition["spec"]["versions"][0]["schema"]
        scope = definition["spec"]["scope"].lower()
        names = ", ".join(f"`{name}`" for name in (crd.plural, *crd.short_names))
        parts.append(f"\n## {model.__name__}\n\n{_text(model)} Scope: {scope}. Names: {names}.\n")
        parts.append("\n| field | type | default | meaning |\n|---|---|---|---|\n")
        for path, field in fields_of(schema["openAPIV3Schema"]):
            if path.startswith(("spec", "status")):
                parts.append(_doc_row(path, field))
    return "".join(parts)


def _doc_row(path: str, field: Schema) -> str:
    sort = field.get("type", "any")
    if "enum" in field:
        sort = ", ".join(str(value) for value in field["enum"])
    default = f"`{field['default']}`" if "default" in field else ""
    text = str(field.get("description", "")).replace("|", "\\|")
    return f"| `{path}` | {sort} | {default} | {text} |\n"


def outputs(crds: Path, docs: Path) -> dict[Path, str]:
    """What is generated, by file."""
    made = {
        crds / f"{GROUP}_{CRDS[model.__name__].plural}.yaml": render_crd(model) for model in MODELS
    }
    return made | {docs: render_docs()}


def main(arguments: list[str] | None = None) -> int:
    """Write, or with `--check` compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crds", type=Path, default=Path("crds"))
    parser.add_argument("--docs", type=Path, default=Path("docs/api.md"))
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    stale = []
    for path, text in outputs(given.crds, given.docs).items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(str(path))
        if not given.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale and given.check:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make generate`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
