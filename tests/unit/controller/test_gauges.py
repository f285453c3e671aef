"""What a scrape shows of sites, signals, queues and budgets."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tests.clock import START
from tests.unit.controller import works
from tests.unit.controller.sites import Sites, compute_site

from tradewind.api.queue import ComputeQueue
from tradewind.api.site import Signal, SignalState, SiteSignals
from tradewind.api.workload import UsagePeriod
from tradewind.controller import lifecycle
from tradewind.controller.gauges import FederationGauges
from tradewind.controller.store import Store
from tradewind.controller.usagebook import UsageBook


class Scene:
    def __init__(self, label_limit: int = 10) -> None:
        self.store, self.book, self.sites = Store(), UsageBook(label_limit=10), Sites()
        self.signals: dict[str, SiteSignals] = {}
        self.leads = True
        self.registry = CollectorRegistry()
        self.gauges = FederationGauges(
            self.store,
            self.book,
            runtime=self.sites.runtimes.get,
            signals=lambda name: self.signals.get(name, SiteSignals()),
            leading=lambda: self.leads,
            now=lambda: START,
            label_limit=label_limit,
        )
        self.registry.register(self.gauges)

    def value(self, name: str, **labels: str) -> float | None:
        self.gauges.refresh()
        return self.registry.get_sample_value(f"tradewind_{name}", labels)

    def site(self, name: str) -> None:
        self.store.sites[name] = compute_site(name)
        self.sites.engage(name)

    def queue(self, name: str, **budget: Any) -> None:
        body = {"metadata": {"name": name}, "spec": {"budget": budget} if budget else {}}
        self.store.queues[name] = ComputeQueue.model_validate(body)


def test_a_site_that_stops_answering_is_0_and_one_that_never_did_is_absent() -> None:
    scene = Scene()
    for name in ("up", "down", "new"):
        scene.site(name)
    scene.sites.runtimes["down"].state.reachable = False
    scene.sites.runtimes["new"].state.reachable = None
    assert scene.value("site_reachable", site="up") == 1
    assert scene.value("site_reachable", site="down") == 0
    assert scene.value("site_reachable", site="new") is None
    assert [scene.value("site_ready", site=name) for name in ("up", "down", "new")] == [1, 0, 0]


def test_a_site_that_left_leaves_the_scrape() -> None:
    scene = Scene()
    scene.site("gone")
    assert scene.value("site_reachable", site="gone") == 1
    del scene.store.sites["gone"]
    assert scene.value("site_reachable", site="gone") is None


def test_signals_are_counted_by_state_those_of_regions_one_by_one() -> None:
    scene = Scene()
    scene.site("s")
    current, stale = Signal(value=1, state=SignalState.CURRENT), Signal(state=SignalState.STALE)
    scene.signals["s"] = SiteSignals(load=current, pue=stale, latency_ms={"a": stale, "b": current})
    assert scene.value("site_signals", site="s", state="Current") == 2
    assert scene.value("site_signals", site="s", state="Stale") == 2
    assert scene.value("site_signals", site="s", state="Unknown") is None


def test_accelerators_are_told_by_class_with_what_is_asked_for() -> None:
    scene = Scene()
    scene.site("s")
    scene.sites.node("s", "n1", **{"nvidia.com/gpu": "8"})
    assert scene.value("site_accelerators", site="s", **{"class": "unknown"}) == 8
    assert scene.value("site_accelerators_requested", site="s", **{"class": "unknown"}) == 0


def test_the_oldest_of_a_queue_tells_its_age() -> None:
    scene = Scene()
    works.take(scene.store, "a", queue="q")
    works.take(scene.store, "b", queue="q")
    works.take(scene.store, "c")
    works.take(scene.store, "d", queue="q", status=works.status(works.part()))
    assert scene.value("queue_pending", queue="q") == 2
    assert scene.value("queue_oldest_seconds", queue="q") == 60
    assert scene.value("queue_pending", queue="") == 1


def test_queues_beyond_the_limit_are_told_together() -> None:
    scene = Scene(label_limit=2)
    for number in range(5):
        works.take(scene.store, f"w{number}", queue=f"q{number}")
    assert scene.value("queue_pending", queue="other") == 3


def test_budgets_stand_beside_what_was_spent() -> None:
    scene = Scene()
    scene.queue("rich", monthlyUSD=1000, monthlyCarbonKg=50)
    scene.queue("free")
    for queue in ("rich", "free"):
        entry = UsagePeriod(period="2026-11-24", queue=queue, cost_usd=250, carbon_kg=2)
        scene.book.charge("n", [entry])
    assert scene.value("queue_spent_dollars", queue="rich") == 250
    assert scene.value("queue_budget_dollars", queue="rich") == 1000
    assert scene.value("queue_emitted_grams", queue="rich") == 2000
    assert scene.value("queue_carbon_budget_grams", queue="rich") == 50_000
    assert scene.value("queue_spent_dollars", queue="free") == 250
    assert scene.value("queue_budget_dollars", queue="free") is None


def test_budgets_of_queues_beyond_the_limit_are_not_told() -> None:
    scene = Scene(label_limit=1)
    for name in ("first", "second"):
        scene.queue(name, monthlyUSD=10)
    assert scene.value("queue_budget_dollars", queue="first") == 10
    for name in ("second", "other"):
        assert scene.value("queue_budget_dollars", queue=name) is None


def test_placements_count_while_they_may_use_the_site() -> None:
    scene = Scene()
    scene.site("s")
    works.take(scene.store, "a", status=works.status(works.part("s", lifecycle.RUNNING)))
    works.take(scene.store, "b", status=works.status(works.part("s", lifecycle.SUCCEEDED)))
    assert scene.value("site_placements", site="s") == 1


@pytest.mark.parametrize("leads", [True, False])
def test_a_standby_says_that_it_is_one_and_nothing_else(*, leads: bool) -> None:
    scene = Scene()
    scene.site("s")
    scene.leads = leads
    assert scene.value("leading") == float(leads)
    assert (scene.value("site_reachable", site="s") is not None) == leads
