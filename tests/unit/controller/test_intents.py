"""What each site should hold, by what is durably written, and what its reports change."""

from typing import Any

import pytest
from tests.clock import START, FakeClock
from tests.unit.controller.works import decide, part, ref, status, take

from tradewind.api.workload import PlacementPhase
from tradewind.base.observe import REGISTRY
from tradewind.controller import lifecycle
from tradewind.controller.intents import StoreIntents
from tradewind.controller.lifecycle import (
    ACTIVE,
    ASSIGNED,
    DISPATCHED,
    EVICTING,
    FAILED,
    FINAL,
    LOST,
    RUNNING,
    SUCCEEDED,
)
from tradewind.controller.refusals import Refusals
from tradewind.controller.store import Record, Store
from tradewind.dispatch.children import Child
from tradewind.dispatch.intents import Hold, Keep, Remove
from tradewind.hardware.site import SiteHardware
from tradewind.workloads.adapter import Observed, ObservedState

SITE, UID = "ulanqab", "uid-train"
H100 = SiteHardware("nvidia-h100-sxm", "nvidia", "nvidia.com/gpu")


class Hub:
    """Intents on a store, and whom they told."""

    def __init__(self) -> None:
        self.store, self.clock = Store(), FakeClock()
        self.loaded = True
        self.hardware: dict[tuple[str, str], SiteHardware] = {}
        self.now: list[str] = []
        self.later: list[str] = []
        self.cycles = 0
        self.clean: list[tuple[str, str]] = []
        self.refusals = Refusals(self.store)
        self.intents = StoreIntents(
            self.store,
            self,  # type: ignore[arg-type]
            hardware=lambda site, name, _resource: self.hardware.get((site, name)),
            loaded=lambda: self.loaded,
            on_capacity=self._cycle,
            on_clean=lambda site, uid: self.clean.append((site, uid)),
            clock=self.clock,
            refusals=self.refusals,
        )

    def add(self, uid: str) -> None:
        self.now.append(uid)

    def add_later(self, uid: str) -> None:
        self.later.append(uid)

    def _cycle(self) -> None:
        self.cycles += 1

    def take(self, phase: PlacementPhase = ASSIGNED, **changes: Any) -> Record:
        """A workload that the hub shows with a placement."""
        return take(self.store, status=status(part(SITE, phase, **changes)))

    @property
    def wanted(self) -> Any:
        return self.intents.wanted(SITE, UID)

    def phase(self, record: Record) -> PlacementPhase:
        found = lifecycle.placement_at(record.status, SITE)
        assert found is not None
        return found.phase


def child(state: ObservedState = ObservedState.RUNNING, *, epoch: int = 1) -> Child:
    return Child(
        kind="batch/v1/Job",
        namespace="research",
        name="train",
        uid="site-uid",
        workload_uid=UID,
        epoch=epoch,
        spec_hash="",
        deleting=False,
        observed=Observed(state, ready=2, started_at=START),
    )


@pytest.mark.parametrize("phase", sorted(ACTIVE))
def test_what_is_written_is_kept(phase: PlacementPhase) -> None:
    hub = Hub()
    record = hub.take(phase)
    assert hub.wanted == Keep(record.model, record.status.placements[0], None)


def test_what_is_decided_and_not_written_waits() -> None:
    hub = Hub()
    record = take(hub.store)
    decide(hub.store, record, part(SITE))
    assert hub.wanted == Hold()
    record.written = record.status
    assert isinstance(hub.wanted, Keep)


def test_a_new_epoch_waits_until_it_is_written() -> None:
    hub = Hub()
    record = hub.take(LOST)
    decide(hub.store, record, part(SITE, epoch=2))
    assert hub.wanted == Hold()


@pytest.mark.parametrize("phase", [EVICTING, LOST])
def test_a_removal_waits_until_it_is_written(phase: PlacementPhase) -> None:
    hub = Hub()
    record = hub.take(RUNNING)
    hub.store.set_status(record, lifecycle.step(record.status, SITE, phase))
    assert hub.wanted == Hold()
    record.written = record.status
    # It is to run elsewhere: nothing of it may run on here.
    assert hub.wanted == Remove(record.model, whole=True)


@pytest.mark.parametrize("phase", sorted(FINAL))
def test_what_is_finished_is_left_to_its_user(phase: PlacementPhase) -> None:
    hub = Hub()
    hub.take(phase)
    assert hub.wanted == Hold()


def test_absence_means_nothing_before_the_hub_was_listed() -> None:
    hub = Hub()
    hub.loaded = False
    assert hub.wanted == Hold()
    hub.loaded = True
    assert hub.wanted == Remove()


def test_work_of_another_site_may_not_be_here() -> None:
    hub = Hub()
    record = hub.take(RUNNING)
    assert hub.intents.wanted("paris", UID) == Remove(record.model)


@pytest.mark.parametrize("phase", list(PlacementPhase))
def test_deleted_work_is_removed_whatever_its_phase(phase: PlacementPhase) -> None:
    hub = Hub()
    record = take(hub.store, deleting=True, finalized=True, status=status(part(SITE, phase)))
    assert hub.wanted == Remove(record.model)


def test_chips_wait_until_the_site_has_shown_them() -> None:
    hub = Hub()
    hub.take(accelerator_class="nvidia-h100-sxm")
    assert hub.wanted == Hold()
    hub.hardware[SITE, "nvidia-h100-sxm"] = H100
    assert hub.wanted.hardware == H100


def test_an_object_that_was_made_is_noted_and_written_later() -> None:
    hub = Hub()
    record = hub.take()
    hub.intents.on_applied(SITE, UID, 1, ref())
    assert hub.phase(record) is DISPATCHED
    assert (hub.now, hub.later) == ([], [UID])
    hub.intents.on_applied(SITE, UID, 1, ref())
    assert hub.later == [UID]


@pytest.mark.parametrize("watch_is_faster", [False, True])
def test_the_time_to_an_object_is_counted_once_from_the_placement_s_being_durable(
    watch_is_faster: bool,
) -> None:
    hub = Hub()
    record = hub.take()
    record.bound_s = 0.0
    labels = {"site": SITE}
    before = [REGISTRY.get_sample_value(f"tradewind_dispatch_seconds_{part}", labels) or 0.0
              for part in ("count", "sum")]  # fmt: skip
    hub.clock._elapsed = 0.5
    if watch_is_faster:
        hub.intents.on_observed(SITE, child(ObservedState.PENDING))
    for _ in range(2):
        hub.intents.on_applied(SITE, UID, 1, ref())
    after = [REGISTRY.get_sample_value(f"tradewind_dispatch_seconds_{part}", labels) or 0.0
             for part in ("count", "sum")]  # fmt: skip
    assert [b - a for a, b in zip(before, after, strict=True)] == [1.0, 0.5]


@pytest.mark.parametrize("epoch", [0, 2])
def test_reports_of_another_epoch_change_nothing(epoch: int) -> None:
    hub = Hub()
    record = hub.take(RUNNING)
    before = record.status
    hub.intents.on_applied(SITE, UID, epoch, ref())
    hub.intents.on_observed(SITE, child(epoch=epoch))
    hub.intents.on_vanished(SITE, UID, epoch)
    hub.intents.on_refused(SITE, UID, epoch, "Forbidden", "no")
    assert record.status is before
    assert (hub.now, hub.later, hub.cycles) == ([], [], 0)


def test_reports_of_work_that_is_gone_change_nothing() -> None:
    hub = Hub()
    hub.intents.on_applied(SITE, UID, 1, ref())
    hub.intents.on_observed(SITE, child())
    hub.intents.on_vanished(SITE, UID, 1)
    hub.intents.on_refused(SITE, UID, 1, "Forbidden", "no")
    assert (hub.now, hub.later, hub.cycles) == ([], [], 0)


def test_what_a_site_shows_is_taken_over() -> None:
    hub = Hub()
    record = hub.take()
    hub.intents.on_observed(SITE, child())
    (placement,) = record.status.placements
    assert (placement.phase, placement.ready_replicas) == (RUNNING, 2)
    assert placement.object == ref()
    assert hub.later == [UID]


@pytest.mark.parametrize("state", [ObservedState.SUCCEEDED, ObservedState.FAILED])
def test_an_end_is_written_at_once_and_makes_room(state: ObservedState) -> None:
    hub = Hub()
    hub.take(RUNNING)
    hub.intents.on_observed(SITE, child(state))
    assert (hub.now, hub.later, hub.cycles) == ([UID], [], 1)


def test_what_vanished_failed_and_is_not_started_again() -> None:
    hub = Hub()
    record = hub.take(RUNNING)
    hub.intents.on_vanished(SITE, UID, 1)
    assert hub.phase(record) is FAILED
    assert "not started again" in record.status.placements[0].message
    assert not record.pending


def test_a_refusal_is_told_once_and_the_placement_stands() -> None:
    hub = Hub()
    record = hub.take()
    for _ in range(3):
        hub.intents.on_refused(SITE, UID, 1, "Forbidden", "quota")
    assert hub.phase(record) is ASSIGNED
    assert record.status.placements[0].message == "Forbidden: quota"
    assert hub.later == [UID]


def test_a_refusal_of_great_length_is_cut() -> None:
    hub = Hub()
    record = hub.take()
    for _ in range(2):
        hub.intents.on_refused(SITE, UID, 1, "Invalid", "x" * 9999)
    assert len(record.status.placements[0].message) == 1024
    assert hub.later == [UID]


@pytest.mark.parametrize("phase", [EVICTING, LOST, SUCCEEDED, FAILED])
def test_reports_that_come_late_change_nothing(phase: PlacementPhase) -> None:
    """A site was asked, and meanwhile it was decided otherwise."""
    hub = Hub()
    record = hub.take(phase)
    before = record.status
    hub.intents.on_applied(SITE, UID, 1, ref())
    hub.intents.on_observed(SITE, child())
    hub.intents.on_refused(SITE, UID, 1, "Forbidden", "quota")
    hub.intents.on_vanished(SITE, UID, 1)
    assert record.status is before


@pytest.mark.parametrize("phase", [EVICTING, LOST])
def test_what_is_gone_is_forgotten_and_makes_room(phase: PlacementPhase) -> None:
    hub = Hub()
    record = hub.take(phase)
    hub.intents.on_gone(SITE, UID)
    assert record.status.placements == ()
    assert record.pending
    assert (hub.now, hub.clean) == ([UID], [(SITE, UID)])
    assert hub.cycles


def test_deleted_work_ends_in_any_phase() -> None:
    hub = Hub()
    record = take(hub.store, deleting=True, finalized=True, status=status(part(SITE, RUNNING)))
    hub.intents.on_gone(SITE, UID)
    assert record.status.placements == ()
    assert hub.now == [UID]


def test_what_nobody_knows_is_clean_all_the_same() -> None:
    hub = Hub()
    hub.intents.on_gone(SITE, "uid-forgotten")
    assert hub.clean == [(SITE, "uid-forgotten")]
    assert (hub.now, hub.cycles) == ([], 0)


@pytest.mark.parametrize(
    ("state", "phase"),
    [(ObservedState.SUCCEEDED, SUCCEEDED), (ObservedState.FAILED, FAILED)],
)
def test_work_that_ended_before_its_eviction_came_does_not_run_again(
    state: ObservedState, phase: PlacementPhase
) -> None:
    hub = Hub()
    record = hub.take(EVICTING)
    hub.intents.on_ended(SITE, child(state))
    assert hub.phase(record) is phase
    assert hub.wanted == Hold()
    assert not record.pending
    assert hub.now == [UID]


@pytest.mark.parametrize("phase", [LOST, RUNNING, SUCCEEDED])
def test_an_end_is_taken_over_from_an_eviction_alone(phase: PlacementPhase) -> None:
    hub = Hub()
    record = hub.take(phase)
    before = record.status
    hub.intents.on_ended(SITE, child(ObservedState.SUCCEEDED))
    assert record.status is before


@pytest.mark.parametrize(("reason", "moves"), [("Drained", 1), ("Paused", 0), ("Preempted", 0)])
def test_a_move_is_timed_from_its_decision_until_it_runs_again(reason: str, moves: int) -> None:
    hub = Hub()
    record = hub.take(RUNNING)
    told = {"message": "", "now": START, "done_seconds": 0.0}
    status = lifecycle.evict(record.status, SITE, reason=reason, moved_at=START, **told)  # type: ignore[arg-type]
    hub.store.set_status(record, lifecycle.drop(status, SITE))
    decide(hub.store, record, part(SITE, epoch=2))
    record.written = record.status

    def measured() -> float:
        name = "tradewind_move_seconds"
        value: float = REGISTRY.get_sample_value(f"{name}_count", {"reason": reason}) or 0.0
        return value

    before = measured()
    hub.intents.on_observed(SITE, child(ObservedState.PENDING, epoch=2))
    assert measured() == before
    for _ in range(2):
        hub.intents.on_observed(SITE, child(epoch=2))
    assert measured() == before + moves


def test_refusals_are_noted_until_the_object_is_taken() -> None:
    hub = Hub()
    hub.take(ASSIGNED)
    hub.intents.on_refused(SITE, UID, 1, "Forbidden", "quota")
    assert hub.refusals.since(UID, SITE, 1) == hub.clock.now()
    hub.intents.on_applied(SITE, UID, 1, ref())
    assert hub.refusals.since(UID, SITE, 1) is None
