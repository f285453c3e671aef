"""The demo fails when what it shows is not what it promises."""

from typing import Any

import pytest
from tests.unit.cli import objects

from demo.promises import (
    Promise,
    every_site_says_why,
    is_nowhere,
    is_ready,
    judge,
    runs_on_class,
    runs_on_vendor,
    stays_in,
)
from tradewind.api.workload import WorkloadPhase

SITES = [objects.ulanqab(), objects.paris()]


def promise(name: str, phase: WorkloadPhase, check: Any) -> Promise:
    return Promise(name, phase, "", check)


def test_a_promise_waits_until_its_phase_is_reached() -> None:
    wanted = [promise("llama", WorkloadPhase.SUCCEEDED, runs_on_class("nvidia-h100-sxm", 8))]
    assert judge(wanted, [], SITES).missing == ("llama is not on the hub",)
    running = judge(wanted, [objects.training()], SITES)
    assert running.missing == ("llama is Running, to become Succeeded",)
    assert not running.broken
    assert judge(wanted, [objects.training(phase="Succeeded")], SITES).kept


def test_a_failed_workload_breaks_its_promise_at_once() -> None:
    wanted = [promise("llama", WorkloadPhase.SUCCEEDED, is_ready(8))]
    outcome = judge(wanted, [objects.training(phase="Failed")], SITES)
    assert outcome.broken == ("llama is Failed, to become Succeeded",)


WRONG = {
    "on other chips": (runs_on_class("nvidia-a100-sxm-80gb", 8), "not on nvidia-a100"),
    "not the whole gang": (runs_on_class("nvidia-h100-sxm", 9), "has 8 pods, not 9"),
    "of another maker": (runs_on_vendor("huawei"), "not of huawei"),
    "out of its jurisdiction": (stays_in("FR"), "in CN, not in FR"),
    "placed though it should be nowhere": (is_nowhere, "was placed at ulanqab"),
}


@pytest.mark.parametrize(("check", "problem"), WRONG.values(), ids=WRONG)
def test_a_finished_workload_that_ran_wrongly_breaks_its_promise(check: Any, problem: str) -> None:
    done = objects.training(phase="Succeeded")
    outcome = judge([promise("llama", WorkloadPhase.SUCCEEDED, check)], [done], SITES)
    assert problem in outcome.broken[0]


def test_a_deployment_that_is_not_ready_is_waited_for() -> None:
    serving = objects.training(readyReplicas=3)
    wanted = [promise("llama", WorkloadPhase.RUNNING, is_ready(8))]
    assert judge(wanted, [serving], SITES).missing == ("llama: 3 of 8 replicas are ready",)


def unplaceable_says(**changes: Any) -> str:
    frontier = objects.unplaceable()
    frontier["status"]["decision"].update(changes)
    wanted = [promise("frontier", WorkloadPhase.PENDING, every_site_says_why)]
    outcome = judge(wanted, [frontier], SITES)
    assert not outcome.broken
    return " ".join(outcome.missing)


def refusal(site: str, example: str) -> dict[str, Any]:
    return {"reason": "TooLargeForSite", "sites": [site], "example": example}


def test_what_fits_nowhere_must_say_of_each_site_how_much_is_missing() -> None:
    lacks = "needs 512 nvidia-h200-sxm; site has 32 in all"
    both = [refusal("ulanqab", lacks), refusal("paris", lacks)]
    assert unplaceable_says(refused=both) == ""
    assert "why not at paris" in unplaceable_says(refused=both[:1])
    bare = [refusal("ulanqab", lacks), refusal("paris", "wants nvidia-h200-sxm")]
    assert "how much is missing" in unplaceable_says(refused=bare)
