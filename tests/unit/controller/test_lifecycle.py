"""The steps of a placement: only along the edges, final for ever, one place at a time."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import START
from tests.unit.controller.works import decision, part, raw, ref, status

from tradewind.api.workload import AIWorkload, Placement, PlacementPhase, WorkloadStatus
from tradewind.controller import lifecycle
from tradewind.controller.lifecycle import (
    ACTIVE,
    ASSIGNED,
    DISPATCHED,
    EVICTING,
    FAILED,
    FINAL,
    HISTORY_LIMIT,
    HOLDING,
    LOST,
    RUNNING,
    SUCCEEDED,
    IllegalStepError,
)
from tradewind.controller.summary import summarise
from tradewind.workloads.adapter import Observed, ObservedState

PHASES = tuple(PlacementPhase)
WORK = AIWorkload.model_validate(raw())
#: What the drawing in lifecycle's docstring says, written out again.
EDGES = {
    ASSIGNED: {DISPATCHED, RUNNING, SUCCEEDED, FAILED, EVICTING, LOST},
    DISPATCHED: {RUNNING, SUCCEEDED, FAILED, EVICTING, LOST},
    RUNNING: {DISPATCHED, SUCCEEDED, FAILED, EVICTING, LOST},
    EVICTING: {LOST, SUCCEEDED, FAILED},
    LOST: {EVICTING},
    SUCCEEDED: set(),
    FAILED: set(),
}


def assigned(before: WorkloadStatus, *parts: Placement) -> WorkloadStatus:
    return lifecycle.assign(
        before, parts, decision=decision(), estimate=None, now=START, reason="Placed"
    )


def phase_of(found: WorkloadStatus, site: str = "ulanqab") -> PlacementPhase:
    placement = lifecycle.placement_at(found, site)
    assert placement is not None
    return placement.phase


@pytest.mark.parametrize("old", PHASES)
@pytest.mark.parametrize("new", PHASES)
def test_steps_go_along_the_edges_alone(old: PlacementPhase, new: PlacementPhase) -> None:
    before = status(part(phase=old))
    if new is old or new in EDGES[old]:
        assert phase_of(lifecycle.step(before, "ulanqab", new)) is new
    else:
        with pytest.raises(IllegalStepError, match=old.value):
            lifecycle.step(before, "ulanqab", new)
    assert phase_of(before) is old


def test_a_step_without_a_placement_is_a_fault() -> None:
    with pytest.raises(IllegalStepError, match="paris"):
        lifecycle.step(status(part()), "paris", RUNNING)


def test_a_step_leaves_other_parts_alone() -> None:
    before = status(part("a"), part("b"))
    after = lifecycle.step(before, "a", RUNNING, message="hello")
    assert (phase_of(after, "a"), phase_of(after, "b")) == (RUNNING, ASSIGNED)
    assert [one.message for one in after.placements] == ["hello", ""]


def test_the_first_placement_gets_epoch_one() -> None:
    after = assigned(WorkloadStatus(), part(epoch=1))
    assert (after.epoch, [one.site for one in after.placements]) == (1, ["ulanqab"])
    assert (after.history[-1].from_, after.history[-1].to) == ("", "ulanqab")


@pytest.mark.parametrize("epoch", [0, 3, 5])
def test_an_epoch_that_is_not_the_next_is_a_fault(epoch: int) -> None:
    with pytest.raises(IllegalStepError, match="epoch"):
        assigned(WorkloadStatus(epoch=3), part(epoch=epoch))


@pytest.mark.parametrize("phase", sorted(HOLDING))
def test_what_is_placed_is_not_placed_again(phase: PlacementPhase) -> None:
    with pytest.raises(IllegalStepError, match="again"):
        assigned(status(part(phase=phase)), part("paris", epoch=2))


def test_a_lost_part_stays_until_its_object_is_gone() -> None:
    before = status(part("old", LOST))
    after = assigned(before, part("new", epoch=2))
    assert [(one.site, one.phase, one.epoch) for one in after.placements] == [
        ("old", LOST, 1),
        ("new", ASSIGNED, 2),
    ]
    assert (after.history[-1].to, after.epoch) == ("new", 2)


def test_the_history_keeps_the_newest() -> None:
    found = WorkloadStatus()
    for epoch in range(1, HISTORY_LIMIT + 4):
        found = assigned(found, part(f"s{epoch}", epoch=epoch))
        found = lifecycle.step(found, f"s{epoch}", EVICTING)
        found = lifecycle.drop(found, f"s{epoch}")
    assert len(found.history) == HISTORY_LIMIT
    assert found.history[-1].to == f"s{HISTORY_LIMIT + 3}"
    assert found.history[-1].from_ == f"s{HISTORY_LIMIT + 2}"


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("final", [False, True])
def test_only_what_was_to_go_is_dropped(phase: PlacementPhase, *, final: bool) -> None:
    before = status(part(phase=phase), part("other"))
    if final or phase in (EVICTING, LOST):
        after = lifecycle.drop(before, "ulanqab", final=final)
        assert [one.site for one in after.placements] == ["other"]
        assert after.epoch == before.epoch
    else:
        with pytest.raises(IllegalStepError, match=phase.value):
            lifecycle.drop(before, "ulanqab", final=final)


def test_a_drop_of_nothing_changes_nothing() -> None:
    before = status(part())
    assert lifecycle.drop(before, "paris") is before


OBSERVED = {
    ObservedState.PENDING: DISPATCHED,
    ObservedState.SUSPENDED: DISPATCHED,
    ObservedState.RUNNING: RUNNING,
    ObservedState.SUCCEEDED: SUCCEEDED,
    ObservedState.FAILED: FAILED,
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("state", ObservedState)
def test_what_a_site_says_counts_while_the_work_may_be_there(
    phase: PlacementPhase, state: ObservedState
) -> None:
    before = status(part(phase=phase))
    after = lifecycle.record_observed(before, "ulanqab", ref(), Observed(state, ready=1))
    if phase in ACTIVE:
        assert phase_of(after) is OBSERVED[state]
        assert after.placements[0].object == ref()
        assert after.placements[0].ready_replicas == 1
    else:
        assert after is before


def test_the_same_report_again_is_the_same_object() -> None:
    seen = Observed(ObservedState.RUNNING, ready=2, started_at=START, message="ok")
    once = lifecycle.record_observed(status(part()), "ulanqab", ref(), seen)
    assert lifecycle.record_observed(once, "ulanqab", ref(), seen) is once


def test_the_time_of_the_start_outlives_a_report_without_it() -> None:
    seen = Observed(ObservedState.RUNNING, started_at=START)
    once = lifecycle.record_observed(status(part()), "ulanqab", ref(), seen)
    twice = lifecycle.record_observed(once, "ulanqab", ref(), Observed(ObservedState.PENDING))
    assert twice.placements[0].started_at == START


def test_an_object_that_was_made_is_noted_once() -> None:
    once = lifecycle.record_object(status(part(message="refused before")), "ulanqab", ref())
    assert (phase_of(once), once.placements[0].object) == (DISPATCHED, ref())
    assert once.placements[0].message == ""
    assert lifecycle.record_object(once, "ulanqab", ref()) is once
    assert lifecycle.record_object(once, "paris", ref()) is once


def test_an_object_does_not_set_running_work_back() -> None:
    after = lifecycle.record_object(status(part(phase=RUNNING)), "ulanqab", ref("other"))
    assert phase_of(after) is RUNNING


@pytest.mark.parametrize("phase", sorted(FINAL | {EVICTING, LOST}))
def test_an_object_that_comes_late_brings_nothing_back(phase: PlacementPhase) -> None:
    before = status(part(phase=phase))
    assert lifecycle.record_object(before, "ulanqab", ref()) is before


FINISHED: dict[str, tuple[tuple[PlacementPhase, ...], bool]] = {
    "nothing": ((), False),
    "one that succeeded": ((SUCCEEDED,), True),
    "one of two succeeded": ((SUCCEEDED, RUNNING), False),
    "one of two failed": ((FAILED, RUNNING), True),
    "one succeeded, one is lost": ((SUCCEEDED, LOST), True),
    "all are lost": ((LOST,), False),
}


@pytest.mark.parametrize(("phases", "finished"), FINISHED.values(), ids=FINISHED.keys())
def test_work_is_finished(phases: tuple[PlacementPhase, ...], *, finished: bool) -> None:
    parts = [part(f"s{number}", phase) for number, phase in enumerate(phases)]
    assert lifecycle.is_finished(status(*parts)) is finished


def summary(found: WorkloadStatus, **kwargs: Any) -> WorkloadStatus:
    return summarise(AIWorkload.model_validate(raw(**kwargs)), found, START)


def conditions(found: WorkloadStatus) -> dict[str, tuple[str, str]]:
    return {one.type: (one.status, one.reason) for one in found.conditions}


SUMMARIES: dict[str, tuple[tuple[PlacementPhase, ...], str]] = {
    "nothing": ((), "Pending"),
    "assigned": ((ASSIGNED,), "Placed"),
    "dispatched": ((DISPATCHED,), "Placed"),
    "running": ((RUNNING, ASSIGNED), "Running"),
    "half done": ((SUCCEEDED, DISPATCHED), "Running"),
    "done": ((SUCCEEDED, SUCCEEDED), "Succeeded"),
    "a part failed": ((FAILED, RUNNING), "Failed"),
    "lost": ((LOST,), "Pending"),
    "lost and elsewhere": ((LOST, RUNNING), "Running"),
    "evicting": ((EVICTING,), "Pending"),
}


@pytest.mark.parametrize(("phases", "phase"), SUMMARIES.values(), ids=SUMMARIES.keys())
def test_the_phase_sums_up_the_parts(phases: tuple[PlacementPhase, ...], phase: str) -> None:
    parts = [part(f"s{number}", one) for number, one in enumerate(phases)]
    found = summary(status(*parts))
    assert found.phase == phase
    live = [one for one in parts if one.phase is not LOST]
    assert found.sites == ",".join(one.site for one in live)
    assert found.replicas == sum(one.replicas for one in live)


def test_suspended_and_deleted_work_says_so() -> None:
    assert summary(status(), suspend=True).phase == "Suspended"
    assert summary(status(part(phase=RUNNING)), deleting=True).phase == "Deleting"


def test_ready_means_every_pod_of_every_part() -> None:
    half = status(part("a", RUNNING, ready_replicas=2), part("b", RUNNING, ready_replicas=1))
    assert conditions(summary(half))["Ready"] == ("False", "Running")
    assert summary(half).ready_replicas == 3
    whole = lifecycle.step(half, "b", RUNNING, ready_replicas=2)
    assert conditions(summary(whole))["Ready"] == ("True", "Running")
    assert "Reconciling" not in conditions(summary(whole))


def test_dispatched_means_every_part_has_its_object() -> None:
    half = status(part("a", DISPATCHED, object=ref()), part("b", message="Forbidden: no"))
    found = summary(half)
    assert conditions(found)["Dispatched"] == ("False", "Forbidden")
    assert "no" in {one.message for one in found.conditions}
    whole = lifecycle.record_object(half, "b", ref())
    assert conditions(summary(whole))["Dispatched"] == ("True", "Applied")


@pytest.mark.parametrize("message", ["", "the site said: no", "not a Reason: x", "Forbidden"])
def test_what_is_no_reason_is_not_shown_as_one(message: str) -> None:
    found = summary(status(part("a", message=message)))
    assert conditions(found)["Dispatched"] == ("False", "NotApplied")


def test_why_it_is_not_placed_is_told() -> None:
    assert conditions(summary(status()))["Placed"] == ("False", "NotPlanned")
    stuck = summary(status(decision=decision("Unplaceable")))
    assert conditions(stuck)["Placed"] == ("False", "Unplaceable")
    assert conditions(stuck)["Stalled"] == ("True", "Unplaceable")
    assert "Reconciling" not in conditions(stuck)


def deployment(replicas: int) -> AIWorkload:
    body = raw()
    body["spec"]["template"] |= {"apiVersion": "apps/v1", "kind": "Deployment"}
    body["spec"]["template"]["spec"]["replicas"] = replicas
    return AIWorkload.model_validate(body)


@pytest.mark.parametrize("replicas", [5, 1, 0])
def test_a_scaled_deployment_counts_as_it_was_scaled(replicas: int) -> None:
    running = status(part("a", RUNNING, ready_replicas=2))
    found = summarise(deployment(replicas), running, START)
    assert (found.replicas, found.placements[0].replicas) == (replicas, replicas)
    assert summarise(deployment(replicas), found, START) is found


def test_what_is_spread_or_finishes_keeps_the_numbers_it_was_placed_with() -> None:
    spread = status(part("a", RUNNING), part("b", RUNNING))
    assert summarise(deployment(9), spread, START).replicas == 4
    assert summary(status(part("a", RUNNING)), pods=9).replicas == 2


def test_conditions_that_no_longer_hold_are_left_out() -> None:
    stuck = summary(status(decision=decision("Unplaceable")))
    placed = summary(assigned(stuck, part()))
    assert "Stalled" not in conditions(placed)
    assert conditions(placed)["Reconciling"][0] == "True"


def test_a_condition_keeps_the_time_of_its_change() -> None:
    first = summary(status(part()))
    later = START + timedelta(minutes=5)
    again = summarise(WORK, lifecycle.step(first, "ulanqab", RUNNING), later)
    times = {one.type: one.last_transition_time for one in again.conditions}
    assert times["Placed"] == START


@given(
    phases=st.lists(st.sampled_from(PHASES), max_size=3),
    ready=st.integers(0, 2),
    suspend=st.booleans(),
    deleting=st.booleans(),
)
def test_a_summary_of_a_summary_is_the_same_object(
    phases: list[PlacementPhase], ready: int, *, suspend: bool, deleting: bool
) -> None:
    """Callers compare by identity to save a write: a later clock alone must not make one."""
    work = AIWorkload.model_validate(raw(suspend=suspend, deleting=deleting))
    parts = [part(f"s{n}", phase, ready_replicas=ready) for n, phase in enumerate(phases)]
    once = summarise(work, status(*parts), START)
    assert summarise(work, once, START + timedelta(hours=1)) is once


actions = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), st.sampled_from("ab")),
        st.tuples(st.sampled_from(list(ObservedState)), st.sampled_from("ab")),
        st.tuples(st.sampled_from([EVICTING, LOST]), st.sampled_from("ab")),
        st.tuples(st.just("drop"), st.sampled_from("ab")),
    ),
    max_size=40,
)


@given(actions)
def test_whatever_happens_work_is_in_one_place_and_what_is_final_stays(
    story: list[tuple[Any, str]],
) -> None:
    found = WorkloadStatus()
    for what, site in story:
        before = found
        try:
            if what == "assign":
                found = assigned(found, part(site, epoch=found.epoch + 1))
            elif what == "drop":
                found = lifecycle.drop(found, site)
            elif isinstance(what, ObservedState):
                found = lifecycle.record_observed(found, site, ref(), Observed(what))
            else:
                found = lifecycle.step(found, site, what)
        except IllegalStepError:
            assert found is before
        assert found.epoch >= before.epoch
        active = [one for one in found.placements if one.phase in ACTIVE]
        assert len(active) <= 1
        assert all(one.epoch == found.epoch for one in active)
        assert len({one.site for one in found.placements}) == len(found.placements)
        for one in before.placements:
            if one.phase in FINAL:
                assert phase_of(found, one.site) is one.phase
