"""A template is free-form: whatever it holds is read or refused, and stops nobody's watch."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.controller import works

from tradewind.api.names import NEUTRAL_ACCELERATOR
from tradewind.api.workload import AIWorkload
from tradewind.base.errors import TemplateRefusedError, TradewindError
from tradewind.controller.store import Store
from tradewind.dispatch.render import render
from tradewind.hardware.site import SiteHardware
from tradewind.workloads.demand import demand_of

H100 = SiteHardware("nvidia-h100-sxm", "nvidia", "nvidia.com/gpu", ((("class", "h100"),),))


def full_template(kind: str) -> dict[str, Any]:
    """A template that uses each part of a pod that we look at."""
    resources = {
        "requests": {"cpu": "1", NEUTRAL_ACCELERATOR: "1"},
        "limits": {"memory": "1Gi", NEUTRAL_ACCELERATOR: "1"},
    }
    container = {
        "name": "main",
        "image": "train:1",
        "resources": resources,
        "env": [{"name": "A", "value": "b"}],
        "ports": [{"containerPort": 80}],
        "securityContext": {"capabilities": {"add": ["CHOWN"]}},
        "livenessProbe": {"httpGet": {"path": "/"}},
        "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
    }
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    pod = {
        "containers": [container],
        "initContainers": [{"name": "warm", "restartPolicy": "Always"}],
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "volumes": [{"name": "tmp", "projected": {"sources": [{"configMap": {"name": "x"}}]}}],
        "affinity": {"nodeAffinity": required},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "overhead": {"cpu": "1m"},
        "resources": {"requests": {"cpu": "2"}},
    }
    metadata = {"labels": {"app": "train"}, "annotations": {"note": "x"}}
    spec = {"template": {"metadata": metadata, "spec": pod}, "replicas": 2, "parallelism": 2}
    spec |= {"completions": 2, "selector": {"matchLabels": {"app": "train"}}}
    api_version = "batch/v1" if kind == "Job" else "apps/v1"
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": copy.deepcopy(metadata),
        "spec": spec,
        "status": {"ready": 1},
    }


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document."""
    if path:
        yield path
    parts = node.items() if isinstance(node, dict) else []
    if isinstance(node, list):
        parts = enumerate(node)
    for key, value in parts:
        yield from places(value, (*path, key))


PLACES = {kind: list(places(full_template(kind))) for kind in ("Job", "Deployment")}
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A template with something else in place of one or two of its parts."""
    kind = draw(st.sampled_from(sorted(PLACES)))
    template = full_template(kind)
    for path in draw(st.lists(st.sampled_from(PLACES[kind]), min_size=1, max_size=2)):
        put(template, path, draw(anything))
    return template


def put(template: Any, path: tuple[Any, ...], value: Any) -> None:
    *above, last = path
    node = template
    for key in above:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return  # an earlier damage took it away
    if isinstance(node, dict) or (isinstance(node, list) and isinstance(last, int) and node):
        node[last] = value


def read(template: dict[str, Any]) -> AIWorkload:
    raw = works.raw()
    raw["spec"]["template"] = template
    return AIWorkload.model_validate(raw)


def render_it(workload: AIWorkload) -> dict[str, Any]:
    return render(workload, works.part(), H100, hub_id="hub-1", site_labels={})


def look_at(workload: AIWorkload) -> None:
    """Read and render; a refusal will do, any other fault is the test's."""
    with suppress(TradewindError):
        demand_of(workload)
        render_it(workload)


@pytest.mark.parametrize("kind", PLACES)
def test_the_whole_template_is_taken(kind: str) -> None:
    """Else the tests below would look at nothing but one refusal."""
    workload = read(full_template(kind))
    assert demand_of(workload).replicas == 2
    assert render_it(workload)["kind"] == kind


ODD = (None, 5, -1, True, "x", [], ["x"], [None], {}, {"x": None}, [[]], [{}])


@pytest.mark.parametrize("kind", PLACES)
def test_no_part_of_a_template_ends_the_intake_whatever_stands_there(kind: str) -> None:
    """Every part in turn by every odd value: the workload is read, or says what is wrong."""
    store = Store()
    for number, path in enumerate(PLACES[kind]):
        for which, odd in enumerate(ODD):
            template = full_template(kind)
            put(template, path, copy.deepcopy(odd))
            raw = works.raw(f"w-{number}-{which}")
            raw["spec"]["template"] = template
            record = store.take_workload(raw)
            assert record is not None
            assert (record.demand is None) == (record.fault is not None), (path, odd)


@pytest.mark.parametrize("kind", PLACES)
def test_what_was_read_is_rendered_or_refused(kind: str) -> None:
    for path in PLACES[kind]:
        for odd in ODD:
            template = full_template(kind)
            put(template, path, copy.deepcopy(odd))
            look_at(read(template))


@given(template=damaged())
def test_any_damage_is_read_and_rendered_or_refused(template: dict[str, Any]) -> None:
    look_at(read(template))


WRONG_FORMS = {
    "containers": (("spec", "template", "spec", "containers"), 5, "is not a list"),
    "a container": (("spec", "template", "spec", "containers", 0), "x", "containers[0] is not an"),
    "no container": (("spec", "template", "spec", "containers"), [None], "containers[0] is null"),
    "a container's name": (("spec", "template", "spec", "containers", 0, "name"), [], "not text"),
    "labels": (("metadata", "labels"), ["x"], "spec.template.metadata.labels is not an object"),
}


@pytest.mark.parametrize(("path", "odd", "told"), WRONG_FORMS.values(), ids=WRONG_FORMS.keys())
def test_a_part_of_another_form_is_named(path: tuple[Any, ...], odd: Any, told: str) -> None:
    template = full_template("Job")
    put(template, path, odd)
    with pytest.raises(TemplateRefusedError) as caught:
        demand_of(read(template))
    assert told in caught.value.message


@pytest.mark.parametrize("path", [path for path in PLACES["Job"] if path[-1] == "affinity"])
def test_null_is_the_same_as_absent(path: tuple[Any, ...]) -> None:
    template = full_template("Job")
    put(template, path, None)
    spec = render_it(read(template))["spec"]["template"]["spec"]
    assert "nodeAffinity" in spec["affinity"]


def test_a_variants_resources_of_another_form_are_refused() -> None:
    raw = works.raw()
    raw["spec"]["template"] = full_template("Job")
    change = {"name": "main", "resources": {"requests": 5}}
    raw["spec"]["variants"] = [{"when": {}, "containers": [change]}]
    with pytest.raises(TemplateRefusedError, match=r"resources\.requests"):
        render_it(AIWorkload.model_validate(raw))
