"""What the operator knows after each thing that the hub shows, in any order and more than once."""

import pytest
from tests.unit.controller import works

from tradewind.api.accelerator import AcceleratorClass
from tradewind.base.errors import TemplateRefusedError
from tradewind.controller import lifecycle
from tradewind.controller.store import Record, Store


def pending(store: Store) -> set[str]:
    return {record.label for record in store.pending()}


def names(store: Store) -> set[str]:
    return {one.name for one in store.catalog}


def placed(store: Store, site: str = "ulanqab") -> set[str]:
    return {record.label for record in store.placed_at(site)}


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_new_workload_is_pending(store: Store) -> None:
    record = works.take(store)
    assert pending(store) == {"research/train"}
    assert store.has_pending
    assert (record.finalized, record.deleting, record.status.epoch) == (False, False, 0)
    assert record.demand is not None
    assert record.demand.replicas == 2


def test_a_status_on_the_hub_is_taken_as_decided_and_written(store: Store) -> None:
    """As after a restart: nothing is placed a second time."""
    stands = works.status(works.part())
    record = works.take(store, status=stands, finalized=True)
    assert record.status == record.written == stands
    assert record.finalized
    assert pending(store) == set()
    assert placed(store) == {"research/train"}


NOT_PENDING = {
    "suspended": {"suspend": True},
    "being deleted": {"deleting": True},
    "placed": {"status": works.status(works.part())},
    "still being evicted": {"status": works.status(works.part(phase=lifecycle.EVICTING))},
    "finished": {"status": works.status(works.part(phase=lifecycle.SUCCEEDED))},
    "failed": {"status": works.status(works.part(phase=lifecycle.FAILED))},
    "without pods": {"pods": 0},
}


@pytest.mark.parametrize("kwargs", NOT_PENDING.values(), ids=NOT_PENDING.keys())
def test_what_is_not_to_be_placed_is_not_pending(store: Store, kwargs: dict[str, object]) -> None:
    works.take(store, **kwargs)
    assert not store.has_pending


def test_lost_at_its_only_site_it_is_pending_again(store: Store) -> None:
    works.take(store, status=works.status(works.part(phase=lifecycle.LOST)))
    assert store.has_pending
    assert placed(store) == {"research/train"}


def test_a_template_that_is_refused_says_why_and_is_read_again_when_it_changes(
    store: Store,
) -> None:
    record = works.take(store, pods=0)
    assert isinstance(record.fault, TemplateRefusedError)
    works.take(store, pods=1, generation=2)
    assert record.fault is None
    assert pending(store) == {"research/train"}


@pytest.mark.parametrize("version", [9, 10])
def test_what_is_older_or_the_same_changes_nothing(store: Store, version: int) -> None:
    record = works.take(store, version=10, priority=1)
    assert store.take_workload(works.raw(version=version, generation=2, priority=5)) is None
    assert record.model.spec.priority == 1


def test_what_comes_before_our_own_write_is_older(store: Store) -> None:
    """An apply was answered with version 20; a watch event of version 15 comes after it."""
    record = works.take(store, version=10)
    record.resource_version = 20
    assert store.take_workload(works.raw(version=15, generation=2)) is None


def test_our_own_status_write_coming_back_changes_nothing_decided(store: Store) -> None:
    record = works.take(store)
    works.decide(store, record, works.part())
    decided, model = record.status, record.model
    works.take(store, status=works.status(works.part()))
    assert record.status is decided
    assert record.written.placements == ()
    assert record.model is model


def test_a_decision_of_another_leader_wins_by_its_higher_epoch(store: Store) -> None:
    record = works.take(store, status=works.status(works.part(epoch=1)))
    theirs = works.status(works.part("shaoxing", epoch=2))
    works.take(store, status=theirs)
    assert record.status == record.written == theirs
    assert (placed(store), placed(store, "shaoxing")) == (set(), {"research/train"})


def test_an_older_epoch_never_wins(store: Store) -> None:
    mine = works.status(works.part(epoch=3))
    record = works.take(store, status=mine)
    works.take(store, status=works.status(works.part("shaoxing", epoch=2)))
    assert record.status == mine


def test_a_decision_that_is_not_written_yet_beats_an_equal_epoch(store: Store) -> None:
    record = works.take(store)
    works.decide(store, record, works.part("ulanqab"))
    works.take(store, status=works.status(works.part("shaoxing", epoch=1)))
    assert record.status.placements[0].site == "ulanqab"


def test_a_new_spec_is_read_and_keeps_its_status(store: Store) -> None:
    record = works.take(store, status=works.status(works.part()))
    record.view = "made from the old spec"
    works.take(store, generation=2, priority=7)
    assert record.model.spec.priority == 7
    assert record.view is None
    assert placed(store) == {"research/train"}


def test_a_deletion_shows_without_a_new_generation(store: Store) -> None:
    record = works.take(store)
    works.take(store, deleting=True)
    assert record.deleting
    assert not store.has_pending


def test_a_finalizer_that_somebody_took_away_is_missed(store: Store) -> None:
    record = works.take(store, finalized=True)
    works.take(store, finalized=False)
    assert not record.finalized


def test_unsuspending_makes_it_pending(store: Store) -> None:
    works.take(store, suspend=True)
    works.take(store, suspend=False, generation=2)
    assert store.has_pending


def test_indices_follow_what_is_decided(store: Store) -> None:
    record = works.take(store)
    works.decide(store, record, works.part("ulanqab"), works.part("shaoxing"))
    assert pending(store) == set()
    assert placed(store) == placed(store, "shaoxing") == {"research/train"}
    assert set(store.sites_with_placements()) == {"ulanqab", "shaoxing"}
    evicting = lifecycle.step(record.status, "ulanqab", lifecycle.EVICTING)
    store.set_status(record, lifecycle.drop(evicting, "ulanqab"))
    assert placed(store) == set()
    assert set(store.sites_with_placements()) == {"shaoxing"}


def test_a_workload_that_is_gone_is_nowhere(store: Store) -> None:
    waiting, running = works.take(store, "a"), works.take(store, "b")
    works.decide(store, running, works.part())
    assert store.drop_workload(waiting.uid) is waiting
    assert store.drop_workload(running.uid) is running
    assert store.drop_workload(running.uid) is None
    assert not store.has_pending
    assert placed(store) == set()
    assert list(store.sites_with_placements()) == []


def test_a_workload_made_anew_under_its_name_is_another_one(store: Store) -> None:
    works.take(store, status=works.status(works.part()))
    raw = works.raw()
    raw["metadata"]["uid"] = "uid-second"
    second = store.take_workload(raw)
    assert second is not None
    assert second.status.placements == ()
    assert [record.uid for record in store.pending()] == ["uid-second"]


def test_changes_are_told_once(store: Store) -> None:
    changes = store.follow()

    def changed(record: Record) -> bool:
        return record.uid in changes.take()

    record = works.take(store)
    assert changed(record)
    assert not changed(record)
    works.decide(store, record, works.part())
    assert changed(record)
    store.drop_workload(record.uid)
    assert changed(record)
    assert changes.take() == set()


def test_each_reader_is_told_of_every_change_and_of_what_was_there_before(store: Store) -> None:
    record = works.take(store)
    one, other = store.follow(), store.follow()
    assert one.take() == other.take() == {record.uid}
    works.decide(store, record, works.part())
    assert one.take() == {record.uid}
    assert other.take() == {record.uid}


def test_a_class_of_the_clusters_own_comes_and_goes(store: Store) -> None:
    made = AcceleratorClass.model_validate(
        {
            "metadata": {"name": "acme-one"},
            "spec": {"vendor": "acme", "memoryGiB": 96, "resourceNames": ["acme.example/chip"]},
        }
    )
    builtin = names(store)
    store.take_class("acme-one", made)
    assert names(store) - builtin == {"acme-one"}
    store.take_class("acme-one", None)
    store.take_class("acme-one", None)
    assert names(store) == builtin
