"""Parts of a split from plan to status: growth, what is missing, and the decision of them all."""

from typing import Any

import pytest
from tests.builders import H100
from tests.clock import START
from tests.unit.controller import works

from tradewind.api.workload import WorkloadStatus
from tradewind.controller import lifecycle
from tradewind.controller.jointly import joint_decision
from tradewind.controller.splits import placements_of, remainder_view
from tradewind.controller.store import Record, Store
from tradewind.controller.summary import summarise
from tradewind.placement.plan import Assignment, Candidate, CostTerms, Explanation, Term
from tradewind.placement.snapshot import SiteName, Uid
from tradewind.placement.views import workload_view
from tradewind.workloads.demand import demand_of

A, B, C = SiteName("a"), SiteName("b"), SiteName("c")


def service(pods: int = 6, **split: int) -> dict[str, Any]:
    """An AIWorkload with a Deployment that may be split."""
    raw = works.raw(
        "serve", placement={"split": {"maxSites": 2, **split}}, **{"class": "Inference"}
    )
    pod = raw["spec"]["template"]["spec"]["template"]
    pod = {"metadata": {"labels": {"app": "x"}}, "spec": {**pod["spec"], "restartPolicy": "Always"}}
    raw["spec"]["template"] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"replicas": pods, "selector": {"matchLabels": {"app": "x"}}, "template": pod},
    }
    return raw


def record_of(raw: dict[str, Any]) -> Record:
    record = Store().take_workload(raw)
    assert record is not None
    return record


def costs(hardware: float, latency: float = 0.0) -> CostTerms:
    usd = {Term.HARDWARE: hardware, Term.LATENCY: latency}
    return CostTerms(tuple(usd.get(term, 0.0) for term in Term))


def assignment(
    site: SiteName, pods: int, usd: float = 1.0, *others: tuple[SiteName, float], epoch: int = 1
) -> Assignment:
    chosen = Candidate(site, H100, costs(usd))
    why = Explanation(
        "balanced", chosen, tuple(Candidate(s, H100, costs(o, 0.5)) for s, o in others)
    )
    uid = Uid("uid-serve")
    return Assignment(uid, site, H100, "nvidia.com/gpu", pods, epoch, START, costs(usd), why)


def placed(record: Record, *parts: Assignment, status: WorkloadStatus | None = None) -> Any:
    before = status or record.status
    return lifecycle.assign(
        before,
        placements_of(parts, record.model.spec.template, before),
        decision=works.decision(),
        estimate=None,
        now=START,
        reason="Placed",
    )


def test_a_part_of_a_service_grows_under_the_epoch_it_has() -> None:
    record = record_of(service())
    status = placed(record, assignment(A, 4), assignment(B, 2))
    lost = lifecycle.step(status, A, lifecycle.LOST)
    grown = placed(record, assignment(B, 4, epoch=2), status=lost)
    assert [(p.site, p.epoch, p.replicas, p.phase.value) for p in grown.placements] == [
        (A, 1, 4, "Lost"),
        (B, 1, 6, "Assigned"),
    ]
    assert (grown.epoch, grown.desired_replicas, lifecycle.missing(grown)) == (1, 6, 0)


def test_a_part_may_grow_beside_a_new_one() -> None:
    record = record_of(service())
    status = placed(record, assignment(A, 4), assignment(B, 2))
    lost = lifecycle.step(status, A, lifecycle.LOST)
    grown = placed(record, assignment(B, 1, epoch=2), assignment(C, 3, epoch=2), status=lost)
    assert [(p.site, p.epoch, p.replicas) for p in grown.placements] == [
        (A, 1, 4),
        (B, 1, 3),
        (C, 2, 3),
    ]
    assert grown.epoch == 2


def test_only_a_part_that_is_at_work_grows() -> None:
    record = record_of(service())
    status = placed(record, assignment(A, 4), assignment(B, 2))
    lost = lifecycle.step(status, A, lifecycle.LOST)
    leaving = lifecycle.step(lost, B, lifecycle.EVICTING)
    assert view(record, leaving, grows=True).grows == frozenset()
    with pytest.raises(lifecycle.IllegalStepError):
        placed(record, assignment(B, 4, epoch=2), status=leaving)


def view(record: Record, status: WorkloadStatus, *, grows: bool) -> Any:
    whole = workload_view(record.model, demand_of(record.model), default_policy="balanced")
    return remainder_view(whole, status, grows=grows)


def test_what_is_missing_is_asked_for_beside_what_stands() -> None:
    record = record_of(service(9, minSites=3, maxSites=4, minReplicasPerSite=3))
    status = placed(record, assignment(A, 3), assignment(B, 3), assignment(C, 3))
    lost = lifecycle.step(lifecycle.step(status, A, lifecycle.LOST), B, lifecycle.LOST)
    rest = view(record, lost, grows=True)
    assert rest.demand.replicas == 6
    assert [(part.site, part.replicas) for part in rest.current] == [(C, 3)]
    assert rest.grows == {C}
    need = rest.placement
    assert (need.min_sites, need.max_sites, need.min_replicas_per_site) == (2, 3, 3)


def test_fewer_pods_than_the_sites_would_need_lower_what_each_must_have() -> None:
    """Scaled down from nine to five while two parts of three were lost."""
    record = record_of(service(9, minSites=3, maxSites=3, minReplicasPerSite=3))
    status = placed(record, assignment(A, 3), assignment(B, 3), assignment(C, 3))
    lost = lifecycle.step(lifecycle.step(status, A, lifecycle.LOST), B, lifecycle.LOST)
    rest = view(record, lost.model_copy(update={"desired_replicas": 5}), grows=True)
    assert rest.demand.replicas == 2
    need = rest.placement
    assert (need.min_sites, need.max_sites, need.min_replicas_per_site) == (2, 2, 1)


def test_whoever_asks_for_fewer_pods_gives_up_first_those_without_a_site() -> None:
    record = record_of(service(4))
    status = placed(record_of(service(6)), assignment(A, 4), assignment(B, 2))
    lost = lifecycle.step(status, A, lifecycle.LOST)
    after = summarise(record.model, lost, START)
    assert {p.site: p.replicas for p in after.placements} == {A: 4, B: 2}
    assert (after.desired_replicas, lifecycle.missing(after)) == (4, 2)
    fewer = summarise(record_of(service(1)).model, lost, START)
    assert {p.site: p.replicas for p in fewer.placements} == {A: 4, B: 1}
    assert lifecycle.missing(fewer) == 0


def test_an_alternative_of_a_split_costs_the_whole_with_one_part_elsewhere() -> None:
    parts = (assignment(A, 4, 4.0, (C, 5.0)), assignment(B, 2, 2.0, (C, 2.25)))
    told = joint_decision(parts, START, WorkloadStatus())
    assert (told.cost_usd, told.terms) == (6.0, {"hardware": 6.0})
    assert [(o.site, o.instead_of, o.cost_usd, o.terms) for o in told.alternatives] == [
        (C, B, 6.75, {"hardware": 6.25, "latency": 0.5}),
        (C, A, 7.5, {"hardware": 7.0, "latency": 0.5}),
    ]


def test_the_decision_on_a_lost_part_names_the_site_it_went_to() -> None:
    record = record_of(service())
    status = placed(record, assignment(A, 4), assignment(B, 2))
    lost = lifecycle.step(status, A, lifecycle.LOST)
    assert joint_decision((assignment(C, 4),), START, lost).site == C
    assert joint_decision((assignment(C, 4),), START, WorkloadStatus()).site == ""
