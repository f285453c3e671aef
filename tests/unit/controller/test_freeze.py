"""What a cycle is told: sites and workloads as they stand, and never less than is spoken for."""

from dataclasses import replace
from typing import Any

import pytest
from tests.clock import START
from tests.unit.controller import works
from tests.unit.controller.sites import Sites, compute_site

from tradewind.api.policy import PlacementPolicy
from tradewind.api.site import (
    ForecastSeries,
    PrometheusSpec,
    Signal,
    SignalState,
    SiteForecast,
    SiteSignals,
    SiteStatus,
)
from tradewind.base.errors import AccessRefusedError, TemplateRefusedError
from tradewind.controller import lifecycle
from tradewind.controller.freeze import Freezer
from tradewind.controller.store import Store
from tradewind.placement.engine import plan
from tradewind.placement.snapshot import Forecast, Reserve, SiteView, Snapshot
from tradewind.telemetry.outlook import NO_OUTLOOK, Outlook, SignalForecast

JOB = "batch/v1/Job"


class Scene:
    """A store with sites that are engaged, and the freezer over it."""

    def __init__(self, *names: str) -> None:
        self.store, self.sites = Store(), Sites()
        self.signals: dict[str, SiteSignals] = {}
        self.outlooks: dict[str, Outlook] = {}
        self._none = SiteSignals()
        for name in names:
            self.store.sites[name] = compute_site(name)
            self.sites.engage(name, catalog=lambda: self.store.catalog)
        self.store.policies["balanced"] = PlacementPolicy.model_validate(
            {"metadata": {"name": "balanced"}, "spec": {"carbonPerTonne": 80}}
        )
        self._freezer = Freezer(
            self.store,
            runtime=self.sites.runtimes.get,
            signals=lambda name: self.signals.get(name, self._none),
            default_policy="balanced",
            outlook=lambda name: self.outlooks.get(name, NO_OUTLOOK),
        )

    def freeze(self) -> Snapshot:
        return self._freezer.freeze(7, START)

    async def warm(self) -> None:
        await self._freezer.warm()

    def site(self) -> SiteView:
        (view,) = self.freeze().sites
        return view

    def placed(self) -> dict[str, str]:
        """What a cycle would do now: workload to site."""
        return {
            one.uid.removeprefix("uid-"): one.site for one in plan(self.freeze(), START).assignments
        }


def test_a_site_that_is_not_engaged_is_unreachable_and_has_nothing() -> None:
    scene = Scene()
    scene.store.sites["ulanqab"] = compute_site("ulanqab")
    view = scene.site()
    assert (view.reachable, view.synced, view.node_shapes) == (False, False, ())


def test_an_engaged_site_shows_what_its_nodes_have() -> None:
    scene = Scene("ulanqab")
    scene.sites.node("ulanqab", "n1", cpu="64")
    scene.sites.node("ulanqab", "n2", cpu="64")
    view = scene.site()
    assert (view.reachable, view.synced, view.kinds) == (True, True, frozenset({JOB}))
    (shape,) = view.node_shapes
    assert (shape.nodes, shape.free_cpu_millis) == (2, 64_000)


@pytest.mark.parametrize("reachable", [None, False])
def test_only_an_answer_makes_a_site_reachable(reachable: bool | None) -> None:
    scene = Scene("ulanqab")
    scene.sites.runtimes["ulanqab"].state.reachable = reachable
    assert scene.site().reachable is False


def test_a_site_is_synced_only_when_its_inventory_is_whole_and_it_may_be_used() -> None:
    scene = Scene("ulanqab")
    state = scene.sites.runtimes["ulanqab"].state
    state.inventory_synced = False
    assert scene.site().synced is False
    state.inventory_synced = True
    assert scene.site().synced is True
    state.fault = AccessRefusedError("another cluster", reason="OtherCluster")
    assert scene.site().synced is False


def test_a_site_that_is_being_deleted_gets_nothing_new() -> None:
    scene = Scene("ulanqab")
    assert scene.site().unschedulable is False
    scene.store.sites["ulanqab"] = compute_site("ulanqab", deleting=True)
    assert scene.site().unschedulable is True


def test_a_view_is_made_anew_only_when_something_it_is_made_of_changes() -> None:
    scene = Scene("ulanqab")
    scene.sites.node("ulanqab", "n1")
    first = scene.site()
    assert scene.site() is first

    def changed() -> bool:
        nonlocal first
        before, first = first, scene.site()
        return first is not before

    scene.sites.node("ulanqab", "n2", cpu="32")
    assert changed()
    scene.signals["ulanqab"] = SiteSignals(load=Signal(value=0.5, state=SignalState.CURRENT))
    assert changed()
    scene.sites.runtimes["ulanqab"].state.reachable = False
    assert changed()
    scene.store.sites["ulanqab"] = compute_site("ulanqab", unschedulable=True)
    assert changed()
    assert not changed()


def test_the_reserve_shrinks_by_what_others_pods_take_and_not_by_ours() -> None:
    scene = Scene("ulanqab")
    scene.store.sites["ulanqab"] = compute_site("ulanqab", reserved={"cpu": "50%"})
    scene.sites.node("ulanqab", "n1", cpu="64")
    assert scene.site().reserved == Reserve(cpu_millis=32_000)
    scene.sites.pod("ulanqab", "ours", workload="uid-train", cpu="8")
    assert scene.site().reserved == Reserve(cpu_millis=32_000)
    scene.sites.pod("ulanqab", "theirs", cpu="8")
    assert scene.site().reserved == Reserve(cpu_millis=24_000)


def test_a_reserve_that_cannot_be_read_reserves_everything() -> None:
    """Admission refuses it; what came in by another way must not free the reserve."""
    scene = Scene("ulanqab")
    scene.store.sites["ulanqab"] = compute_site("ulanqab", reserved={"cpu": "a lot"})
    scene.sites.node("ulanqab", "n1", cpu="64")
    works.take(scene.store)
    assert scene.site().reserved.cpu_millis == 64_000
    assert scene.placed() == {}


@pytest.mark.parametrize("amount", ["1k", "0.5", "1Gi", "9E", "500%", "x"])
@pytest.mark.parametrize("resource", ["cpu", "memory", "accelerators"])
def test_no_reserve_that_can_be_written_stops_the_cycle(resource: str, amount: str) -> None:
    """What admission lets in for one site must not end planning for all of them."""
    scene = Scene("ulanqab", "shaoxing")
    scene.store.sites["ulanqab"] = compute_site("ulanqab", reserved={resource: amount})
    for name in ("ulanqab", "shaoxing"):
        scene.sites.node(name, "n1", cpu="8")
    works.take(scene.store, "a", pods=1)
    works.take(scene.store, "b", pods=1)
    assert "shaoxing" in scene.placed().values()


@pytest.mark.parametrize("amount", ["9E", "1e9999999", "9223372036854775807", "x", "-1", ""])
@pytest.mark.parametrize("resource", ["cpu", "memory", "pods", "nvidia.com/gpu"])
def test_no_node_that_can_be_shown_stops_the_cycle(resource: str, amount: str) -> None:
    scene = Scene("ulanqab", "shaoxing")
    for number in range(3):
        scene.sites.node("ulanqab", f"n{number}", **{resource: amount})
    scene.sites.node("shaoxing", "n1", cpu="8")
    works.take(
        scene.store, "a", pods=1, placement={"siteSelector": {"matchLabels": {"is": "shaoxing"}}}
    )
    scene.store.sites["shaoxing"] = compute_site("shaoxing", labels={"is": "shaoxing"})
    assert scene.placed() == {"a": "shaoxing"}


ABSURD = {
    "cores": {"cpu": "9E"},
    "cores beyond bounds": {"cpu": "1e9999999"},
    "memory": {"memory": "8E"},
    "chips": {"tradewind.dev/accelerator": "9223372036854775807"},
    "chips by their maker's name": {"nvidia.com/gpu": "9223372036854775807"},
}


@pytest.mark.parametrize("requests", ABSURD.values(), ids=ABSURD.keys())
def test_a_demand_beyond_all_bounds_is_refused_and_stops_nobody_else(
    requests: dict[str, str],
) -> None:
    scene = Scene("ulanqab")
    scene.sites.node("ulanqab", "n1", cpu="64")
    raw = works.raw("huge")
    (container,) = raw["spec"]["template"]["spec"]["template"]["spec"]["containers"]
    container["resources"] = {"requests": requests}
    record = scene.store.take_workload(raw)
    works.take(scene.store, "train")
    assert record is not None
    assert isinstance(record.fault, TemplateRefusedError)
    assert scene.placed() == {"train": "ulanqab"}


@pytest.mark.parametrize("pods", [2**60 + 1, 10**30])
def test_pods_beyond_number_are_refused(pods: int) -> None:
    scene = Scene("ulanqab")
    scene.sites.node("ulanqab", "n1", cpu="64")
    record = works.take(scene.store, "huge", pods=pods)
    works.take(scene.store, "train")
    assert isinstance(record.fault, TemplateRefusedError)
    assert scene.placed() == {"train": "ulanqab"}


# --- workloads


def test_what_is_pending_is_in_the_snapshot_and_what_is_placed_is_not() -> None:
    scene = Scene("ulanqab")
    train, _ = works.take(scene.store, "train"), works.take(scene.store, "eval")
    works.decide(scene.store, train, works.part())
    snapshot = scene.freeze()
    assert [view.name for view in snapshot.pending] == ["eval"]
    assert snapshot.serial == 7
    assert snapshot.policies.keys() == {"balanced"}


def test_a_workload_that_names_no_policy_gets_the_default() -> None:
    scene = Scene()
    works.take(scene.store, "train")
    works.take(scene.store, "eval", policy="green")
    assert {view.name: view.policy for view in scene.freeze().pending} == {
        "train": "balanced",
        "eval": "green",
    }


def test_a_lost_site_gets_nothing_of_the_workload_again_and_the_epoch_goes_on() -> None:
    scene = Scene("ulanqab", "shaoxing")
    for name in ("ulanqab", "shaoxing"):
        scene.sites.node(name, "n1", cpu="64")
    train = works.take(scene.store, "train")
    before = scene.freeze().pending[0]
    assert (before.epoch, before.excluded_sites) == (0, frozenset())
    works.decide(scene.store, train, works.part("ulanqab"))
    lost = lifecycle.step(train.status, "ulanqab", lifecycle.LOST)
    scene.store.set_status(train, lost)
    (view,) = scene.freeze().pending
    assert (view.epoch, view.excluded_sites) == (1, frozenset({"ulanqab"}))
    assert scene.placed() == {"train": "shaoxing"}
    scene.store.set_status(train, lifecycle.drop(lost, "ulanqab"))
    (view,) = scene.freeze().pending
    assert (view.epoch, view.excluded_sites) == (1, frozenset())


def test_the_view_of_a_workload_is_kept_until_its_spec_changes() -> None:
    scene = Scene()
    works.take(scene.store, "train")
    (first,) = scene.freeze().pending
    (again,) = scene.freeze().pending
    assert again is first
    works.take(scene.store, "train", generation=2, priority=5)
    (second,) = scene.freeze().pending
    assert replace(second, generation=1, priority=0) == first
    assert second.priority == 5


# --- capacity, as a cycle sees it


def test_what_one_cycle_placed_the_next_one_does_not_place_again() -> None:
    """Two workloads, room for one: the decision takes it, before anything is written."""
    scene = Scene("ulanqab")
    scene.sites.node("ulanqab", "n1", cpu="16")
    works.take(scene.store, "a")
    works.take(scene.store, "b")
    ((name, site),) = scene.placed().items()
    works.decide(scene.store, scene.store.workloads[f"uid-{name}"], works.part(site))
    assert scene.placed() == {}


def test_room_comes_back_when_the_workload_is_forgotten() -> None:
    scene = Scene("ulanqab")
    scene.sites.node("ulanqab", "n1", cpu="16")
    a = works.take(scene.store, "a")
    works.decide(scene.store, a, works.part())
    works.take(scene.store, "b")
    assert scene.placed() == {}
    scene.store.drop_workload(a.uid)
    assert scene.placed() == {"b": "ulanqab"}


def told(snapshot: Snapshot) -> list[tuple[Any, ...]]:
    return [(one.site, one.class_name, one.replicas) for one in snapshot.assumed]


def test_equal_pods_of_many_workloads_are_told_together() -> None:
    scene = Scene("ulanqab")
    for name in ("a", "b", "c"):
        works.decide(scene.store, works.take(scene.store, name), works.part())
    assert told(scene.freeze()) == [("ulanqab", None, 6)]


def test_forecasts_and_terms_reach_the_view_and_leave_it() -> None:
    scene = Scene("ulanqab")
    before = scene.site()
    told = SignalForecast(START, 3600, (300.0, 250.0), (280.0, 200.0), (320.0, 300.0), "history")
    scene.outlooks["ulanqab"] = Outlook({"carbonIntensity": told}, {"up": 2.0})
    view = scene.site()
    assert view.carbon_forecast == Forecast(START, 3600, told.values, told.low, told.high)
    assert (view.price_forecast, view.load_forecast) == (None, None)
    assert view.term_values == {"up": 2.0}
    assert scene.site() is view
    del scene.outlooks["ulanqab"]
    assert scene.site() == before


def test_after_a_restart_the_forecast_in_the_status_holds_until_there_is_one() -> None:
    scene = Scene("ulanqab")
    site = scene.store.sites["ulanqab"]
    left = SiteForecast(carbon_intensity=ForecastSeries(start=START, step=3600, values=(300, 250)))
    spec = site.spec.model_copy(update={"prometheus": PrometheusSpec(url="https://p.example")})
    status = SiteStatus(forecast=left)
    scene.store.sites["ulanqab"] = site.model_copy(update={"spec": spec, "status": status})
    view = scene.site()
    assert view.carbon_forecast == Forecast(START, 3600, (300, 250), (), ())
    assert scene.site() is view
    fresh = SignalForecast(START, 3600, (310.0, 260.0))
    scene.outlooks["ulanqab"] = Outlook({"carbonIntensity": fresh})
    assert scene.site().carbon_forecast == Forecast(START, 3600, fresh.values, (), ())
    scene.store.sites["ulanqab"] = site.model_copy(update={"status": status})
    del scene.outlooks["ulanqab"]
    assert scene.site().carbon_forecast is None  # nobody foretells a site without a Prometheus


async def test_a_start_with_many_workloads_is_prepared_in_slices_and_ends_the_same() -> None:
    scene, other = Scene("ulanqab"), Scene("ulanqab")
    for made in (scene, other):
        for number in range(1200):
            works.take(made.store, f"w{number}")
    await scene.warm()
    assert set(scene.freeze().pending) == set(other.freeze().pending)
