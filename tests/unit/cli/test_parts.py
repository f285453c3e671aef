"""Work over several sites, as people see it: each part, what is missing, and what else would do."""

from typing import Any

from tests.unit.cli import objects
from tests.unit.cli.test_pages import golden, text
from tests.unit.cli.test_whatif import Session, ask, policy, site, work
from tests.unit.cli.test_whatif import text as told

from tradewind.cli import explain, workloads


def service(**status: Any) -> dict[str, Any]:
    """A service whose part at ulanqab was lost."""
    chip = {"acceleratorClass": "nvidia-h100-sxm"}
    found = objects.training(
        sites="guizhou",
        replicas=2,
        desiredReplicas=6,
        readyReplicas=2,
        placements=[
            {
                "site": "ulanqab",
                "epoch": 1,
                "replicas": 4,
                "partial": True,
                "phase": "Lost",
                **chip,
            },
            {
                "site": "guizhou",
                "epoch": 1,
                "replicas": 2,
                "readyReplicas": 2,
                "partial": True,
                "phase": "Running",
                "startedAt": "2026-11-24T11:55:00Z",
                **chip,
            },
        ],
        conditions=[
            objects.condition(
                "Placed", "False", "PartlyPlaced", "4 of 6 pods have no site: no room"
            )
        ],
        **status,
    )
    found["spec"]["class"] = "Inference"
    return found


def test_explain_shows_each_part_and_what_has_no_site() -> None:
    page = text(explain.lines(service(), objects.NOW))
    assert "  4 of 6 pods have no site: no room\n" in page
    assert (
        golden("""
        Its parts
          SITE      ACCELERATOR       PHASE     READY
          ulanqab   nvidia-h100-sxm   Lost      -
          guizhou   nvidia-h100-sxm   Running   2/2
          -         -                 no site   0/4
        """)
        in page
    )


def test_explain_says_nothing_of_parts_of_work_that_is_whole() -> None:
    assert "Its parts" not in text(explain.lines(objects.training(), objects.NOW))


def test_an_alternative_names_the_part_that_it_stands_for() -> None:
    decision = objects.training()["status"]["decision"]
    decision["alternatives"][0]["insteadOf"] = "ulanqab"
    assert "guizhou instead of ulanqab" in text(
        explain.lines(service(decision=decision), objects.NOW)
    )


def test_workloads_count_the_pods_without_a_site_and_say_why() -> None:
    [_, row] = workloads.table([service()], objects.NOW, namespaces=False).plain().splitlines()
    assert "2/6" in row
    assert "PartlyPlaced" in row


async def test_what_if_shows_the_costs_of_each_part() -> None:
    split = {"placement": {"split": {"minSites": 2, "maxSites": 2}}}
    (verdict,) = await ask(
        Session(site("dear", price=500), site("cheap", price=5), policy()),
        work(pods=4, **split),
    )
    page = told(verdict)
    assert "Would start now at cheap (3 pods) and dear (1 pod)" in page
    assert "Its parts, USD\n  SITE    ACCELERATOR   PODS   HARDWARE" in page
    parts = verdict.document()["placements"]
    assert [(part["site"], part["replicas"]) for part in parts] == [("cheap", 3), ("dear", 1)]
    assert all(part["costUSD"] == round(sum(part["terms"].values()), 6) for part in parts)


async def test_what_if_tells_with_numbers_why_the_parts_find_no_place() -> None:
    split = {"placement": {"split": {"minSites": 3, "maxSites": 3}}}
    (verdict,) = await ask(Session(site("a"), site("b"), policy()), work(pods=4, **split))
    assert not verdict.parts
    assert "split.minSites asks for 3 sites; only 2 may have it" in told(verdict)
