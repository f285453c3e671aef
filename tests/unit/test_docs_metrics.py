"""The page of metrics, the alerts and the dashboard speak of the metrics that there are."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase

import tradewind.controller.app  # noqa: F401 - brings every metric into the registry
from federation.tools import TOOLS, find
from tradewind.base.observe import REGISTRY
from tradewind.controller.gauges import FAMILIES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
RULES = ROOT / "manifests" / "monitoring" / "rules.yaml"
DASHBOARD = ROOT / "manifests" / "monitoring" / "dashboard.json"
ROW = re.compile(r"^\| `(tradewind_\w+)` \| (\w+) \|([^|]*)\| (.+) \|$", re.MULTILINE)


class Metric(NamedTuple):
    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def exported() -> Iterator[Metric]:
    for name, text, labels in FAMILIES:
        yield Metric(name, "gauge", labels, text)
    for collector in set(REGISTRY._names_to_collectors.values()):
        if isinstance(collector, MetricWrapperBase):
            kind = collector._type
            name = collector._name + ("_total" if kind == "counter" else "")
            yield Metric(name, kind, tuple(collector._labelnames), collector._documentation)


def documented() -> Iterator[Metric]:
    for name, kind, labels, text in ROW.findall(PAGE.read_text()):
        yield Metric(name, kind, tuple(re.findall(r"`(\w+)`", labels)), text)


def test_the_page_tells_every_metric_and_no_other() -> None:
    told = list(documented())
    assert len({metric.name for metric in told}) == len(told)
    assert sorted(metric[:3] for metric in told) == sorted(metric[:3] for metric in exported())


@pytest.mark.parametrize("metric", sorted(documented()), ids=lambda metric: metric.name)
def test_the_page_says_what_the_help_text_says_and_perhaps_more(metric: Metric) -> None:
    (code,) = (known for known in exported() if known.name == metric.name)
    assert metric.help.replace("`", "").startswith(code.help.removesuffix("."))


@pytest.mark.parametrize("metric", sorted(exported()), ids=lambda metric: metric.name)
def test_a_metric_is_named_by_the_conventions(metric: Metric) -> None:
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert (metric.kind == "histogram") <= metric.name.endswith("_seconds")
    assert not re.search(r"_(ms|minutes|hours|kwh|kg|mb|gib|percent|usd)(_|$)", metric.name)
    assert not {"workload", "pod", "uid", "name", "node"} & set(metric.labels)
    assert metric.help.endswith(".")


def asked_of() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(RULES.read_text())["spec"]["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for line in PAGE.read_text().splitlines():
        if line.count("|") == 3 and "`" in line:
            yield line.split("|")[1].strip(), line.split("|")[2]


@pytest.mark.parametrize(("where", "promql"), list(asked_of()))
def test_alerts_panels_and_questions_ask_for_metrics_that_there_are(
    where: str, promql: str
) -> None:
    names = {
        name + suffix
        for name, kind, _, _ in exported()
        for suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))
    }
    asked = set(re.findall(r"tradewind_\w+", promql))
    assert asked, where
    assert asked <= names


def test_promtool_has_nothing_to_say_about_alerts(tmp_path: Path) -> None:
    path = find(TOOLS["promtool"])
    if path is None:
        pytest.skip("promtool is not built: make tools")
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(yaml.safe_load(RULES.read_text())["spec"]))
    done = subprocess.run([path, "check", "rules", rules], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"SUCCESS" in done.stdout


def test_promtool_has_nothing_to_say_about_the_registry() -> None:
    path = find(TOOLS["promtool"])
    if path is None:
        pytest.skip("promtool is not built: make tools")
    done = subprocess.run(
        [path, "check", "metrics"],
        input=generate_latest(REGISTRY),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
