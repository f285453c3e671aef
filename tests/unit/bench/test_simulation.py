"""The cases of `make bench-simulate` fit the command that they call."""

from pathlib import Path
from typing import Any

import pytest

from bench.simulation import CASES, FILES, SCENARIOS, Case, better, main
from tradewind.cli.simulated import policies_of
from tradewind.simulate.baselines import BASELINES
from tradewind.simulate.scenario import read_scenario


def _option(case: Case, name: str) -> str:
    return case.options[case.options.index(name) + 1].replace("SCENARIOS", str(SCENARIOS))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_names_scenarios_policies_and_baselines_that_exist(case: Case) -> None:
    assert read_scenario(Path(_option(case, "--sites"))).sites
    for policy in _option(case, "--policy").split(","):
        assert policies_of(policy)
    baselines = _option(case, "--baseline")
    assert baselines == "all" or set(baselines.split(",")) <= set(BASELINES)
    data = [option for option in case.options if option.startswith("DATA/")]
    assert {option.removeprefix("DATA/") for option in data} <= set(FILES.values())


def _line(name: str, kind: str, carbon: float, wait: float) -> dict[str, Any]:
    return {"name": name, "kind": kind, "carbonKg": carbon, "meanWaitHours": wait}


def test_better_is_who_emits_less_and_waits_no_longer() -> None:
    rival = _line("rival", "baseline", 100, 5)
    knows = _line("knows", "clairvoyant", 200, 9)
    policies = [
        _line("cleaner, later", "policy", 80, 5.1),
        _line("cleaner, as late", "policy", 99, 5),
        _line("as clean, sooner", "policy", 100, 1),
        _line("both", "policy", 90, 4),
    ]
    assert better(rival, [rival, knows, *policies]) == "cleaner, as late, both"
    assert better(knows, [rival, knows, *policies]) == ""


def test_what_is_missing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["simulation", str(tmp_path)])
    assert main() == 2
    assert "gaia_pai_1k.csv" in capsys.readouterr().err
    for name in FILES.values():
        (tmp_path / name).touch()
    monkeypatch.setattr("sys.argv", ["simulation", str(tmp_path), "--only", "gaya*"])
    assert main() == 2
    assert "there are gaia, gaia-pausing" in capsys.readouterr().err
