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
from tradewind.controller.refusals import SHUNNED_FOR, Refusals
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
        self.refusals = Refusals(self.store)
        self._keeper = Housekeeper(
            self.store,
            self,  # type: ignore[arg-type] - as a writer, `add` is all of it
            unreachable_since=self.silent_since.get,
            on_orphan=self._note,
            expire=lambda record: self.expired.append(record.label),
            evictor=Evictor(self.store, self, config=EngineConfig()),  # type: ignore[arg-type]
            refusals=self.refusals,
        )

    def refuse(self, record: Record, after_s: float = 0, *, epoch: int = 1) -> None:
        """The site says no to the object of a placement."""
        self.refusals.note(record.uid, SITE, epoch, START + timedelta(seconds=after_s))

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


# --- refused by the site


def test_a_placement_that_its_site_goes_on_refusing_is_taken_back() -> None:
    scene = Scene()
    record = scene.place(
        lifecycle.ASSIGNED, part={"message": "Forbidden: quota"}, failover={"after": "2m"}
    )
    scene.refuse(record)
    scene.refuse(record, 60)  # again: what counts is the first time
    scene.look(119)
    assert phase(record) is lifecycle.ASSIGNED
    scene.look(120)
    assert (phase(record), scene.written) == (lifecycle.EVICTING, [record.uid])
    assert message(record) == "Refused: ulanqab refused its object, Forbidden: quota"
    assert record.status.history[-1].reason == "Refused"
    assert scene.refusals.sites(record.uid) == {SITE}
    over = START + timedelta(seconds=120) + SHUNNED_FOR
    assert scene.refusals.begin(over - timedelta(seconds=1)) == {record.uid}
    assert scene.refusals.begin(over - timedelta(seconds=1)) == frozenset()
    assert scene.refusals.begin(over) == {record.uid}
    assert scene.refusals.sites(record.uid) == frozenset()


REFUSED_AND_STAYS: dict[str, dict[str, Any]] = {
    "another placement of it was refused": {"epoch": 2},
    "its object is there, and only a change was refused": {
        "phase": lifecycle.DISPATCHED,
        "part": {"object": works.ref()},
    },
    "it may not be made again": {"failover": {"mode": "Never", "after": "1s"}},
}


@pytest.mark.parametrize("case", REFUSED_AND_STAYS.values(), ids=REFUSED_AND_STAYS.keys())
def test_it_stays_where(case: dict[str, Any]) -> None:
    scene, epoch = Scene(), case.get("epoch", 1)
    spec = {key: case[key] for key in ("failover", "part") if key in case}
    record = scene.place(case.get("phase", lifecycle.ASSIGNED), **spec)
    scene.refuse(record, epoch=epoch)
    scene.look(1e6)
    assert scene.written == []


def test_an_object_that_was_taken_after_all_was_not_refused() -> None:
    scene = Scene()
    record = scene.place(lifecycle.ASSIGNED)
    scene.refuse(record)
    scene.refusals.clear(record.uid, SITE)
    scene.look(1e6)
    assert phase(record) is lifecycle.ASSIGNED


def test_what_is_gone_is_forgotten() -> None:
    scene = Scene()
    record = scene.place(lifecycle.ASSIGNED)
    scene.refuse(record)
    scene.refusals.shun(record.uid, "shaoxing", START)
    scene.store.drop_workload(record.uid)
    scene.refusals.begin(START)
    assert scene.refusals.sites(record.uid) == frozenset()
    assert scene.refusals.since(record.uid, SITE, 1) is None
