"""Shares of a template: what may be split, and parts that add up to the whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.dispatch.objects import aiworkload, deployment, job, placement

from tradewind.dispatch.render import render
from tradewind.workloads.shares import completions_of, may_split, share_out


@given(st.integers(0, 10_000), st.lists(st.integers(0, 500), min_size=1, max_size=12))
def test_shares_add_up_and_nobody_is_more_than_one_off(total: int, weights: list[int]) -> None:
    shares = share_out(total, weights)
    assert sum(shares) == total
    assert all(share >= 0 for share in shares)
    whole = sum(weights)
    if whole:
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share - total * weight / whole) < 1


MAY: dict[str, tuple[dict[str, Any], bool]] = {
    "a Job": (job(), True),
    "a Deployment": (deployment(), True),
    "a Job with indexes": (
        {**job(), "spec": {**job()["spec"], "completionMode": "Indexed"}},
        False,
    ),
    "a kind that nobody shared out yet": ({"apiVersion": "v1", "kind": "Pod", "spec": {}}, False),
    "nonsense": ({}, False),
}


@pytest.mark.parametrize(("template", "may"), MAY.values(), ids=MAY.keys())
def test_what_may_be_split(template: dict[str, Any], may: bool) -> None:
    assert may_split(template) is may


def part(template: dict[str, Any], **changes: Any) -> dict[str, Any]:
    where = placement().model_copy(update={"partial": True, **changes})
    body = render(aiworkload(template=template), where, None, hub_id="hub-1", site_labels={})
    spec: dict[str, Any] = body["spec"]
    return spec


def test_a_part_of_a_deployment_has_its_own_replicas() -> None:
    assert part(deployment(replicas=7), replicas=3)["replicas"] == 3


def test_a_part_of_a_job_has_its_own_pods_and_completions() -> None:
    template = job(parallelism=6)
    template["spec"]["completions"] = 20
    assert completions_of(template) == 20
    spec = part(template, replicas=2, completions=7)
    assert (spec["parallelism"], spec["completions"]) == (2, 7)


def test_a_work_queue_job_stays_without_completions() -> None:
    template = job(parallelism=6)
    del template["spec"]["completions"]
    assert completions_of(template) is None
    spec = part(template, replicas=2)
    assert spec["parallelism"] == 2
    assert "completions" not in spec


def test_what_is_whole_is_rendered_as_the_user_wrote_it() -> None:
    body = render(
        aiworkload(template=job(parallelism=6)), placement(), None, hub_id="hub-1", site_labels={}
    )
    assert (body["spec"]["parallelism"], body["spec"]["completions"]) == (6, 6)
