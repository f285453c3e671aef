"""What becomes of placed work without planning: lost, evicted, expired, let go, and when."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.clock import START
from tests.unit.controller import works
from tests.unit.controller.sites import compute_site

from tradewind.api.workload import Placement, PlacementPhase
from tradewind.controller import lifecycle
from tradewind.controller.evictions import Evictor
from tradewind.controller.housekeeping import ANNOTATION_FORGET, Housekeeper
from tradewind.controller.store import Record, Store
from tradewind.placement.config import EngineConfig

SITE = "ulanqab"


@dataclass
class Scene:
    """A store, what the housekeeper asks for, and what it told."""

    store: Store = field(default_factory=Store)
    silent_since: dict[str, datetime] = field(default_factory=dict)
    orphans: list[tuple[str, str, int]] = field(default_factory=list)
    expired: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store.sites[SITE] = compute_site(SITE)
        self._keeper = Housekeeper(
            self.store,
            self,  # type: ignore[arg-type] - as a writer, `add` is all of it
            unreachable_since=self.silent_since.get,
            on_orphan=self._note,
            expire=lambda record: self.expired.append(record.label),
            evictor=Evictor(self.store, self, config=EngineConfig()),  # type: ignore[arg-type]
        )

    def _note(self, site: str, record: Record, placement: Placement) -> None:
        self.orphans.append((site, record.label, placement.epoch))

    def add(self, uid: str) -> None:
        self.written.append(uid)

    def place(self, phase: PlacementPhase = lifecycle.RUNNING, **kwargs: Any) -> Record:
        part = works.part(SITE, phase, **kwargs.pop("part", {}))
        return works.take(self.store, status=works.status(part), **kwargs)

    def look(self, after_s: float = 0) -> None:
        self._keeper.run(START + timedelta(seconds=after_s))


def phase(record: Record) -> PlacementPhase:
    (placement,) = record.status.placements
    return placement.phase


def message(record: Record) -> str:
    (placement,) = record.status.placements
    return placement.message


@pytest.mark.parametrize("state", list(PlacementPhase))
def test_work_at_a_site_that_answers_is_left_alone(state: PlacementPhase) -> None:
    scene = Scene()
    record = scene.place(state)
    before = record.status
    scene.look(1e6)
    assert record.status is before
    assert (scene.written, scene.expired, scene.orphans) == ([], [], [])


@pytest.mark.parametrize("state", sorted({*lifecycle.ACTIVE, lifecycle.EVICTING}))
def test_a_silent_site_loses_its_work_when_the_time_is_over_and_not_before(
    state: PlacementPhase,
) -> None:
    scene = Scene()
    record = scene.place(state, failover={"after": "2m"})
    scene.silent_since[SITE] = START
    scene.look(119)
    assert (phase(record), scene.written) == (state, [])
    scene.look(120)
    assert (phase(record), message(record)) == (lifecycle.LOST, "SiteLost")
    assert record.pending
    assert scene.written == [record.uid]


def test_what_is_lost_is_lost_once() -> None:
    scene = Scene()
    scene.place(failover={"after": "2m"})
    scene.silent_since[SITE] = START
    for after_s in (120, 121, 500):
        scene.look(after_s)
    assert len(scene.written) == 1


def test_work_that_may_not_be_made_again_waits_for_its_site() -> None:
    scene = Scene()
    record = scene.place(failover={"mode": "Never", "after": "1s"})
    scene.silent_since[SITE] = START
    scene.look(1e6)
    assert phase(record) is lifecycle.RUNNING


@pytest.mark.parametrize("state", sorted(lifecycle.FINAL))
def test_what_is_finished_is_never_lost(state: PlacementPhase) -> None:
    scene = Scene()
    record = scene.place(state)
    scene.silent_since[SITE] = START
    scene.look(1e6)
    del scene.store.sites[SITE]
    scene.look(1e6)
    assert phase(record) is state


def test_a_site_that_went_or_is_given_up_loses_its_work_at_once() -> None:
    forgotten = compute_site(SITE)
    metadata = forgotten.metadata.model_copy(update={"annotations": {ANNOTATION_FORGET: ""}})
    for site in (None, forgotten.model_copy(update={"metadata": metadata})):
        for state in (*lifecycle.ACTIVE, lifecycle.EVICTING):
            scene = Scene()
            record = scene.place(state)
            del scene.store.sites[SITE]
            if site is not None:
                scene.store.sites[SITE] = site
            scene.look()
            assert (phase(record), message(record)) == (lifecycle.LOST, "SiteRemoved")
            scene.look()
            assert phase(record) is lifecycle.LOST  # kept while it waits: it may not go back there


def test_what_was_lost_at_a_site_that_went_is_forgotten_once_it_runs_elsewhere() -> None:
    scene = Scene()
    record = scene.place()
    del scene.store.sites[SITE]
    scene.look()
    works.decide(scene.store, record, works.part("shaoxing", epoch=2))
    scene.store.sites["shaoxing"] = compute_site("shaoxing")
    scene.look()
    assert [part.site for part in record.status.placements] == ["shaoxing"]


EVICTIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "suspended": ({"suspend": True}, {}, "Suspended"),
    "its site is being removed": ({}, {"deleting": True}, "SiteRemoved"),
    "a taint that it does not tolerate": (
        {},
        {"taints": [{"key": "fire", "effect": "NoExecute"}]},
        "TaintNotTolerated: fire",
    ),
    "a taint of another value": (
        {"placement": {"tolerations": [{"key": "fire", "value": "small"}]}},
        {"taints": [{"key": "fire", "value": "big", "effect": "NoExecute"}]},
        "TaintNotTolerated: fire",
    ),
}


@pytest.mark.parametrize(("spec", "site", "why"), EVICTIONS.values(), ids=EVICTIONS.keys())
def test_work_is_evicted(spec: dict[str, Any], site: dict[str, Any], why: str) -> None:
    scene = Scene()
    record = scene.place(**spec)
    scene.store.sites[SITE] = compute_site(SITE, **site)
    scene.look()
    assert (phase(record), message(record)) == (lifecycle.EVICTING, why)
    assert not record.pending
    assert scene.written == [record.uid]
    scene.look()
    assert len(scene.written) == 1


STAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a cordon": ({}, {"unschedulable": True}),
    "a taint for new work only": ({}, {"taints": [{"key": "fire", "effect": "NoSchedule"}]}),
    "a taint that it tolerates": (
        {"placement": {"tolerations": [{"key": "fire", "operator": "Exists"}]}},
        {"taints": [{"key": "fire", "effect": "NoExecute"}]},
    ),
}


@pytest.mark.parametrize(("spec", "site"), STAYS.values(), ids=STAYS.keys())
def test_work_stays(spec: dict[str, Any], site: dict[str, Any]) -> None:
    scene = Scene()
    record = scene.place(**spec)
    scene.store.sites[SITE] = compute_site(SITE, **site)
    scene.look()
    assert phase(record) is lifecycle.RUNNING


def test_nothing_is_evicted_from_a_site_that_cannot_hear_it() -> None:
    scene = Scene()
    record = scene.place(suspend=True, failover={"after": "5m"})
    scene.silent_since[SITE] = START
    scene.look(10)
    assert phase(record) is lifecycle.RUNNING


ENDED = {"finished_at": START}


def test_a_finished_workload_goes_when_its_time_is_over() -> None:
    scene = Scene()
    scene.place(lifecycle.SUCCEEDED, part=ENDED, ttlAfterFinished="1h")
    scene.look(3599)
    assert scene.expired == []
    scene.look(3600)
    assert scene.expired == ["research/train"]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"part": ENDED},
        {"ttlAfterFinished": "1s"},
        {"part": ENDED, "ttlAfterFinished": "1s", "deleting": True},
    ],
    ids=["no time to live", "no end known", "being deleted already"],
)
def test_a_finished_workload_stays(kwargs: dict[str, Any]) -> None:
    scene = Scene()
    scene.place(lifecycle.FAILED, **kwargs)
    scene.look(1e6)
    assert scene.expired == []


@pytest.mark.parametrize("state", list(PlacementPhase))
def test_a_deletion_does_not_wait_for_a_silent_site_and_what_is_left_is_noted(
    state: PlacementPhase,
) -> None:
    scene = Scene()
    record = scene.place(state, deleting=True, part={"epoch": 4})
    scene.silent_since[SITE] = START
    scene.look()
    assert record.status.placements == ()
    assert scene.orphans == [(SITE, "research/train", 4)]
    assert scene.written == [record.uid]


def test_a_deletion_waits_for_a_site_that_answers() -> None:
    scene = Scene()
    record = scene.place(deleting=True)
    scene.look(1e6)
    assert len(record.status.placements) == 1
    assert scene.orphans == []
