"""The counters of usage: base units, bounded labels, never falling."""

import pytest
from tests.clock import START
from tests.unit.controller import works

from tradewind.api.workload import Usage, UsagePeriod
from tradewind.base.observe import REGISTRY
from tradewind.controller import usagebook
from tradewind.controller.ledger import Ledger
from tradewind.controller.store import Store
from tradewind.controller.usagebook import OTHER_LABEL, UsageBook


def entry(queue: str = "q", **amounts: float) -> UsagePeriod:
    return UsagePeriod(period="2026-11-24", site="book", queue=queue, policy="p", **amounts)


def value(
    metric: str, namespace: str, queue: str = "q", policy: str = "p", site: str = "book"
) -> float:
    labels = {"site": site, "queue": queue, "namespace": namespace, "policy": policy}
    return REGISTRY.get_sample_value(f"tradewind_usage_{metric}_total", labels) or 0.0


def test_usage_is_counted_in_base_units() -> None:
    book = UsageBook(label_limit=10)
    book.charge("units", [entry(accelerator_hours=2, energy_kwh=3, carbon_kg=0.5, cost_usd=7)])
    assert value("accelerator_seconds", "units") == 7200
    assert value("energy_joules", "units") == 10.8e6
    assert value("carbon_grams", "units") == 500
    assert value("cost_dollars", "units") == 7


def test_what_is_given_back_is_taken_off_what_comes_next() -> None:
    book = UsageBook(label_limit=10)
    for cost in (5, -2, 1, 4):
        before = value("cost_dollars", "back")
        book.charge("back", [entry(cost_usd=cost)])
        assert value("cost_dollars", "back") >= before
    assert value("cost_dollars", "back") == 8
    assert book.spent("q", START).cost_usd == 8


def test_namespaces_beyond_the_limit_are_counted_together() -> None:
    book = UsageBook(label_limit=3)
    for number in range(10):
        book.charge(f"many{number}", [entry(cost_usd=1)])
    assert [value("cost_dollars", f"many{number}") for number in range(4)] == [1, 1, 1, 0]
    assert value("cost_dollars", OTHER_LABEL) == 7


def test_combinations_of_labels_are_bounded_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usagebook, "COMBINATIONS", 5)
    book = UsageBook(label_limit=100)
    before = value("cost_dollars", "other", "other", "other", "other")
    for number in range(20):
        book.charge(f"combined{number}", [entry(f"queue{number}", cost_usd=1)])
    assert value("cost_dollars", "other", "other", "other", "other") == before + 15


def test_a_workload_that_is_in_the_ledger_and_still_on_the_hub_is_spent_once() -> None:
    store, ledger = Store(), Ledger()
    usage = Usage(cost_usd=5, periods=(entry(cost_usd=5),))
    for name in ("folded", "living"):
        works.take(store, name, status=works.status(usage=usage))
    ledger.fold("uid-folded", "research", usage)
    book = UsageBook(label_limit=10)
    book.fill(store.workloads.values(), ledger)
    assert book.spent("q", START).cost_usd == 10
