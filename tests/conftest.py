"""How hard Hypothesis looks, and the live federation that the tests on real servers share.

`HYPOTHESIS_PROFILE=deep` before a release, less while developing.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings
from tests.live import Apply, Live, Object

from federation.federation import Federation
from federation.spec import load_spec

# No deadline: a shared machine's hiccup is not a fault of the code.
settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("deep", max_examples=5000, deadline=None)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)

_SPEC = Path(__file__).parent / "federation.yaml"


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A federation with the kinds installed and both members joined; no operator runs yet."""
    folder = tmp_path_factory.mktemp("live")
    with Federation(load_spec(_SPEC), folder / "federation", source=_SPEC, say=print) as federation:
        made = Live(federation, folder)
        made.cli("install")
        for name in made.members:
            made.join(name, "--prometheus-interval", "1s")
        try:
            yield made
        finally:
            made.stop_operators()


@pytest.fixture
def namespace(live: Live, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own on the hub."""
    name = request.node.name.lower().replace("_", "-").replace("[", "-").replace("]", "")
    return live.namespace(name[:50].strip("-"))


@pytest.fixture
def apply(live: Live) -> Iterator[Apply]:
    """Apply objects of the whole cluster, as people do; they are gone after the test."""
    made: list[str] = []

    def run(kind: str, name: str, **spec: Any) -> None:
        body = {
            "apiVersion": "tradewind.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        live.hub.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(body))
        made.append(f"{kind}/{name}")

    yield run
    for name in dict.fromkeys(made):
        live.hub.kubectl("delete", name)


@pytest.fixture
def create(live: Live) -> Iterator[Callable[[Object], Object]]:
    """Create workloads that are gone, at their sites too, after the test."""
    made: list[Object] = []

    def run(workload: Object) -> Object:
        made.append(live.create(workload))
        return made[-1]

    yield run
    live.remove(made)
