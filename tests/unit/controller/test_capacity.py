"""Capacity is counted once: as the inventory's bound pods or as assumed, never as both or none."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.unit.controller.works import decide, part, ref, status, take

from tradewind.api.names import LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.controller import lifecycle
from tradewind.controller.assumed import AssumedCapacity
from tradewind.controller.lifecycle import ACTIVE, EVICTING, LOST, RUNNING
from tradewind.controller.store import Record, Store
from tradewind.hardware.catalog import builtin_catalog
from tradewind.sites.inventory import Inventory
from tradewind.sites.slim import Pod, PodMetadata, PodSpec, PodStatus

HUB = "hub-1"
SITES = ("a", "b")
PODS = 2


class Runtime:
    """As much of an engaged site as capacity is counted by."""

    def __init__(self) -> None:
        self.inventory = Inventory(builtin_catalog, hub_id=HUB)


def pod(uid: str, workload: str, *, node: str = "n1", phase: str = "Running") -> Pod:
    labels = {LABEL_HUB_ID: HUB, LABEL_WORKLOAD_UID: f"uid-{workload}"}
    return Pod(
        metadata=PodMetadata(name=uid, uid=uid, labels=labels),
        spec=PodSpec(node_name=node),
        status=PodStatus(phase=phase),
    )


class World:
    """A store, engaged sites, and what is assumed."""

    def __init__(self) -> None:
        self.store = Store()
        self.sites: dict[str, Any] = {name: Runtime() for name in SITES}
        self.capacity = AssumedCapacity(self.store, self.sites.get)

    def assumed(self) -> dict[str, int]:
        """Pods assumed by site; sites with none are left out."""
        found: Counter[str] = Counter()
        for one in self.capacity.take():
            assert one.demand.replicas == one.replicas > 0
            found[one.site] += one.replicas
        return dict(found)

    def place(self, site: str = "a", name: str = "train") -> Record:
        record = take(self.store, name, pods=PODS)
        decide(self.store, record, part(site, replicas=PODS))
        return record

    def bind(self, site: str, uid: str, workload: str = "train", **kwargs: Any) -> None:
        self.sites[site].inventory.on_pod(None, pod(uid, workload, **kwargs))


def test_a_placement_is_assumed_from_its_decision_on() -> None:
    world = World()
    assert world.assumed() == {}
    world.place()
    assert world.assumed() == {"a": PODS}


def test_a_pod_that_is_bound_is_the_inventorys() -> None:
    world = World()
    world.place()
    world.bind("a", "p1")
    assert world.assumed() == {"a": PODS - 1}
    world.bind("a", "p2")
    assert world.assumed() == {}


def test_a_pod_that_went_is_assumed_again_while_the_work_lasts() -> None:
    world = World()
    world.place()
    world.bind("a", "p1")
    world.assumed()
    world.sites["a"].inventory.on_pod(pod("p1", "train"), None)
    assert world.assumed() == {"a": PODS}


def test_more_pods_than_asked_for_are_no_credit() -> None:
    world = World()
    world.place(name="train")
    world.place(name="other")
    for number in range(PODS + 3):
        world.bind("a", f"p{number}")
    assert world.assumed() == {"a": PODS}


def test_pods_at_another_site_do_not_count() -> None:
    world = World()
    world.place("a")
    world.bind("b", "p1")
    assert world.assumed() == {"a": PODS}


@pytest.mark.parametrize("phase", sorted(set(lifecycle.PlacementPhase) - ACTIVE))
def test_what_is_not_at_work_is_not_assumed(phase: lifecycle.PlacementPhase) -> None:
    world = World()
    take(world.store, status=status(part("a", phase)))
    assert world.assumed() == {}


def test_a_site_that_is_not_engaged_keeps_its_assumption() -> None:
    world = World()
    del world.sites["a"]
    world.place("a")
    assert world.assumed() == {"a": PODS}


def test_a_site_that_is_engaged_anew_is_counted_anew() -> None:
    world = World()
    world.place()
    world.bind("a", "p1")
    assert world.assumed() == {"a": PODS - 1}
    world.sites["a"] = Runtime()
    assert world.assumed() == {"a": PODS}


def test_a_workload_that_is_gone_holds_nothing() -> None:
    world = World()
    record = world.place()
    world.assumed()
    world.store.drop_workload(record.uid)
    assert world.assumed() == {}


def test_equal_pods_are_one_entry() -> None:
    world = World()
    world.place(name="one")
    world.place(name="two")
    (found,) = world.capacity.take()
    assert found.replicas == 2 * PODS


class Counting(RuleBasedStateMachine):
    """The kept sums against a count from nothing, whatever comes in whatever order."""

    names = st.sampled_from(["w1", "w2", "w3"])
    places = st.sampled_from(SITES)

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.pods: dict[tuple[str, str], Pod] = {}

    def _record(self, name: str) -> Record | None:
        return self.world.store.workloads.get(f"uid-{name}")

    @rule(name=names, site=places)
    def place(self, name: str, site: str) -> None:
        record = self._record(name) or take(self.world.store, name, pods=PODS)
        if record.pending:
            epoch = record.status.epoch + 1
            decide(self.world.store, record, part(site, epoch=epoch, replicas=PODS))

    @rule(name=names, site=places, phase=st.sampled_from([RUNNING, EVICTING, LOST]))
    def step(self, name: str, site: str, phase: lifecycle.PlacementPhase) -> None:
        record = self._record(name)
        try:
            if record is not None:
                after = lifecycle.step(record.status, site, phase, object=ref())
                self.world.store.set_status(record, after)
        except lifecycle.IllegalStepError:
            return

    @rule(name=names, site=places)
    def leave(self, name: str, site: str) -> None:
        record = self._record(name)
        if record is not None:
            after = lifecycle.drop(record.status, site, final=True)
            self.world.store.set_status(record, after)

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.world.store.drop_workload(f"uid-{name}")

    @rule(name=names, site=places, number=st.integers(0, 2), node=st.sampled_from(["n1", "n2", ""]))
    def show(self, name: str, site: str, number: int, node: str) -> None:
        key = site, f"{name}-{number}"
        new = pod(key[1], name, node=node)
        self.world.sites[site].inventory.on_pod(self.pods.get(key), new)
        self.pods[key] = new

    @rule(name=names, site=places, number=st.integers(0, 2))
    def hide(self, name: str, site: str, number: int) -> None:
        old = self.pods.pop((site, f"{name}-{number}"), None)
        if old is not None:
            self.world.sites[site].inventory.on_pod(old, None)

    @rule(site=places)
    def engage_anew(self, site: str) -> None:
        self.world.sites[site] = Runtime()
        for key in [key for key in self.pods if key[0] == site]:
            del self.pods[key]

    @rule()
    def look(self) -> None:
        """Cycles come at any time: what is kept must not hang on how often it is read."""
        assert self.world.assumed() == self.expected()

    def expected(self) -> dict[str, int]:
        found: Counter[str] = Counter()
        for record in self.world.store.workloads.values():
            for one in record.status.placements:
                bound = sum(
                    shown.metadata.labels is not None
                    and shown.metadata.labels[LABEL_WORKLOAD_UID] == record.uid
                    and bool(shown.spec.node_name)
                    for (site, _), shown in self.pods.items()
                    if site == one.site
                )
                if one.phase in ACTIVE:
                    found[one.site] += max(0, PODS - bound)
        return {site: count for site, count in found.items() if count}

    @invariant()
    def an_index_of_the_store_agrees_with_its_records(self) -> None:
        store = self.world.store
        for site in SITES:
            here = {
                record.uid
                for record in store.workloads.values()
                if lifecycle.placement_at(record.status, site) is not None
            }
            assert {record.uid for record in store.placed_at(site)} == here
            assert (site in store.sites_with_placements()) == bool(here)
        waiting = {record.uid for record in store.workloads.values() if record.pending}
        assert {record.uid for record in store.pending()} == waiting
        assert store.has_pending == bool(waiting)


TestCounting = Counting.TestCase
