"""Which program is taken: one on PATH of the right version, else the cache's, else it is built."""

import re
from pathlib import Path

import pytest

from federation import tools
from federation.processes import FederationError
from federation.tools import TOOLS, cache_folder, find, pinned


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_every_program_has_a_pinned_version() -> None:
    for tool in TOOLS.values():
        assert re.match(r"v\d+\.\d+\.\d+", pinned(tool.module))


def test_nothing_is_found_on_an_empty_machine() -> None:
    assert all(find(tool) is None for tool in TOOLS.values())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("etcd", "etcd Version: {version}"),
        ("kube-apiserver", "Kubernetes {version}"),
        ("kubectl", "Client Version: {version}"),
        ("helm", "{version}+gabc"),
    ],
)
def test_one_of_the_right_minor_version_on_path_is_taken(
    tmp_path: Path, name: str, says: str
) -> None:
    version = pinned(TOOLS[name].module)
    made = program(tmp_path / "path", name, says.format(version=version))
    assert find(TOOLS[name]) == made


def test_prometheus_tells_its_release_and_not_its_module(tmp_path: Path) -> None:
    found = re.fullmatch(r"v0\.(\d)(\d\d)\.\d+", pinned(TOOLS["prometheus"].module))
    assert found is not None
    release = f"prometheus, version {found[1]}.{int(found[2])}.0 (branch: x)"
    made = program(tmp_path / "path", "prometheus", release)
    assert find(TOOLS["prometheus"]) == made


@pytest.mark.parametrize("says", ["Kubernetes v1.11.0", "no version", ""])
def test_one_of_another_version_is_passed_over(tmp_path: Path, says: str) -> None:
    program(tmp_path / "path", "kube-apiserver", says)
    assert find(TOOLS["kube-apiserver"]) is None


def test_kubebuilders_assets_come_before_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = program(cache_folder(), "etcd", "built here")
    assert find(TOOLS["etcd"]) == cached
    version = pinned(TOOLS["etcd"].module)
    made = program(tmp_path / "assets", "etcd", f"etcd Version: {version}")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    assert find(TOOLS["etcd"]) == made


def test_another_state_of_the_module_has_a_cache_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cache_folder()
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module x\n")
    (module / "go.sum").write_text("")
    monkeypatch.setattr(tools, "MODULE", module)
    assert cache_folder() != before
    with pytest.raises(FederationError, match="does not say the version of etcd"):
        pinned("etcd")


def test_a_build_that_fails_tells_what_the_compiler_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = tmp_path / "path" / "go"
    go.parent.mkdir(exist_ok=True)
    go.write_text(
        '#!/bin/sh\nif [ "$1" = env ]; then echo go9.9.9; else echo "undefined: x"; exit 1; fi\n'
    )
    go.chmod(0o755)
    said: list[str] = []
    with pytest.raises(FederationError, match="undefined: x"):
        tools.ensure(["etcd"], said.append)
    assert said[0].startswith(f"building etcd {pinned(TOOLS['etcd'].module)} (1 of 1)")
    assert not (cache_folder() / "etcd").exists()
