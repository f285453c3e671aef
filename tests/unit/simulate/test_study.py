"""The command from files to figures, on a trace that is small enough to check by hand."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradewind.base.errors import ConfigurationError, InputFileError
from tradewind.cli.ask import Output
from tradewind.cli.main import app
from tradewind.cli.simulated import policies_of, run
from tradewind.simulate.baselines import BASELINES
from tradewind.simulate.study import Files
from tradewind.simulate.svg import Point, scatter

SITES = """
start: "2022-01-01T00:00:00Z"
power: {cpuWatts: 1000, memoryWatts: 0}
restart: 0s
pricing: {cpuHour: 0, memoryGiBHour: 0}
sites:
- {name: dirty, location: {gridZone: D, region: d}, energy: {pue: 1, pricePerMWh: 0},
   nodes: [{count: 2, cpu: 4, memory: 16Gi}]}
- {name: clean, location: {gridZone: C, region: c}, energy: {pue: 1, pricePerMWh: 0},
   nodes: [{count: 1, cpu: 4, memory: 16Gi}]}
jobs: {rules: [{maxDelay: 6h, checkpoint: 1s}]}
"""
POLICY = """
apiVersion: tradewind.dev/v1alpha1
kind: PlacementPolicy
metadata: {name: carbon-only}
spec: {carbonPerTonne: 1000}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sites.yaml").write_text(SITES)
    (tmp_path / "policy.yaml").write_text(POLICY)
    jobs = ["name,arrival_s,length_s,cpu,memory,home"]
    jobs += [f"job-{i},{i * 600},{1800 + 600 * i},2,1Gi,dirty" for i in range(6)]
    (tmp_path / "jobs.csv").write_text("\n".join(jobs) + "\n")
    hours = [f"2022-01-0{1 + h // 24}T{h % 24:02}:00:00Z,{400 + h},{100 + h}" for h in range(48)]
    (tmp_path / "carbon.csv").write_text("\n".join(["time,D,C", *hours]) + "\n")
    (tmp_path / "latency.csv").write_text("origin,d,c\nd,5,50\nc,50,5\n")
    return tmp_path


def call(folder: Path, *more: str) -> list[str]:
    return [
        "simulate",
        "--sites", str(folder / "sites.yaml"),
        "--jobs", str(folder / "jobs.csv"),
        "--carbon", str(folder / "carbon.csv"),
        "--latency", str(folder / "latency.csv"),
        "--policy", str(folder / "policy.yaml"),
        "--workers", "1",
        *more,
    ]  # fmt: skip


def test_the_command_replays_policies_and_baselines(folder: Path) -> None:
    report = folder / "report.html"
    done = CliRunner().invoke(
        app, call(folder, "--baseline", "all", "-o", "json", "--report", str(report))
    )
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    results = {result["name"]: result for result in answer["results"]}
    assert list(results) == ["carbon-only", *BASELINES]
    home, ours = results["home"], results["carbon-only"]
    # Six jobs of two cores, (1800 + 600 i) seconds each: 3 + 3 + … kWh.
    kwh = sum(2 * (1800 + 600 * i) / 3600 for i in range(6))
    assert home["energyKWh"] == pytest.approx(kwh)
    assert home["sites"]["dirty"]["jobs"] == 6
    # All run in hours 0 and 1 at home: between 400 and 402 g/kWh.
    assert kwh * 0.400 <= home["carbonKg"] <= kwh * 0.402
    assert ours["carbonKg"] < home["carbonKg"]
    assert ours["totalUSD"] >= answer["boundUSD"]
    for result in results.values():
        assert result["finished"] == 6
        assert not any(result["violations"].values())
        assert result["totalUSD"] == pytest.approx(sum(result["termsUSD"].values()), abs=1e-6)
    check_page(report.read_text(encoding="utf-8"))


def check_page(page: str) -> None:
    """The report is whole, and needs nothing from anywhere."""
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|<script|https?://", page)
    for heading in ("At a glance", "Why", "Where", "When", "Carbon against waiting"):
        assert heading in page
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) > 20
    for drawing in drawings:
        ET.fromstring(drawing)


def test_the_table_says_who_is_best_and_what_was_broken(folder: Path) -> None:
    done = CliRunner().invoke(app, call(folder, "--baseline", "home,lowest-carbon", "-o", "wide"))
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["NAME", "TOTAL", "USD"]
    assert [line.split()[0] for line in lines[1:4]] == ["carbon-only", "home", "lowest-carbon"]
    assert "none" in lines[1]
    assert any(line.split()[:2] == ["lowest-carbon", "clean"] for line in lines)


def test_replays_in_processes_come_to_the_same(folder: Path) -> None:
    names = ("--baseline", "home,random,ecovisor", "--seed", "7", "-o", "json")
    alone = CliRunner().invoke(app, call(folder, *names))
    beside = CliRunner().invoke(app, [*call(folder, *names), "--workers", "2"])
    assert json.loads(alone.stdout) == json.loads(beside.stdout)


@pytest.mark.parametrize(
    ("file", "text", "told"),
    {
        "a job that is too large": (
            "jobs.csv",
            "name,arrival_s,length_s,cpu,home\nbig,0,60,64,dirty\n",
            "line 2: job 'big' fits no site, even empty ones: 2 with too little room",
        ),
        "users that are too far away": (
            "jobs.csv",
            "name,arrival_s,length_s,home,max_latency_ms,jurisdictions\na,0,60,clean,3,FR\n",
            "2 further than 3 ms from clean, or unknown",
        ),
        "chips that nobody has": (
            "jobs.csv",
            "name,arrival_s,length_s,home,accelerators,classes\na,0,60,clean,1,h900\n",
            "2 without h900",
        ),
        "an unknown home": (
            "jobs.csv",
            "name,arrival_s,length_s,home\na,0,60,moon\n",
            "line 2, column 'home': job 'a' is at home in 'moon'",
        ),
        "a zone without carbon": (
            "carbon.csv",
            "time,D\n2022-01-01T00:00:00Z,1\n2022-01-01T01:00:00Z,1\n",
            "has no column 'C'",
        ),
        "a price that nobody states": (
            "sites.yaml",
            SITES.replace(", pricePerMWh: 0", "", 1),
            "no electricity price for the zone 'D'",
        ),
        "a latency that is none": (
            "latency.csv",
            "origin,d,c\nd,near,50\n",
            "line 2, column 'd': 'near' is not a number",
        ),
    }.values(),
)
def test_what_does_not_fit_together_is_refused(
    folder: Path, file: str, text: str, told: str
) -> None:
    (folder / file).write_text(text)
    with pytest.raises(InputFileError) as refused:
        run(
            Output.TABLE,
            Files(
                folder / "sites.yaml",
                folder / "jobs.csv",
                folder / "carbon.csv",
                latency=folder / "latency.csv",
            ),
            policies=("balanced",),
            baselines=("home",),
            prices=None,
            report=None,
            seed=0,
            workers=1,
        )
    assert told in refused.value.message
    assert refused.value.hint


def test_policies_are_named_or_given_as_files(folder: Path) -> None:
    assert policies_of("greenest")["greenest"].carbon_per_tonne > 100
    both = folder / "both.yaml"
    both.write_text(POLICY + "---" + POLICY.replace("carbon-only", "second"))
    assert list(policies_of(str(both))) == ["carbon-only", "second"]
    with pytest.raises(ConfigurationError, match="no policy 'grenest'"):
        policies_of("grenest")
    with pytest.raises(InputFileError, match="no PlacementPolicy"):
        policies_of(str(folder / "sites.yaml"))


def test_an_unknown_baseline_is_answered_with_those_that_exist(folder: Path) -> None:
    done = CliRunner().invoke(app, call(folder, "--baseline", "cheapest-ever"))
    assert done.exit_code == 1
    assert isinstance(done.exception, ConfigurationError)
    assert "lowest-window" in done.exception.hint


def test_names_of_points_do_not_cover_each_other() -> None:
    drawn = scatter([Point(f"policy-{i}", 1.0, 5.0, "policy") for i in range(4)], "x", "y")
    lines = re.findall(r'<text class="policy" x="[\d.]+" y="([\d.]+)"', drawn)
    assert len(set(lines)) == 4
