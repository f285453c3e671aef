"""How far a drain is: what is left at the site, and what of it stays to its end."""

from typing import Any

from tests.clock import START
from tests.unit.controller import works
from tests.unit.controller.sites import Sites, compute_site

from tradewind.api.fields import Condition, condition_of
from tradewind.controller import lifecycle
from tradewind.controller.siteconditions import site_conditions
from tradewind.controller.store import Store

SITE = "ulanqab"


def told(store: Store, before: list[Condition] | None = None, **spec: Any) -> list[Condition]:
    sites = Sites()
    runtime = sites.engage(SITE)
    site = compute_site(SITE, **spec)
    return site_conditions(site, runtime, None, store.placed_at(SITE), before or [], START)


def drained(conditions: list[Condition]) -> Condition | None:
    return condition_of(conditions, "Drained")


def test_a_site_that_is_not_drained_says_nothing_of_it() -> None:
    before = told(Store(), drain=True)
    assert drained(before) is not None
    assert drained(told(Store(), before)) is None


def test_an_empty_site_is_drained() -> None:
    store = Store()
    works.take(store, "over", status=works.status(works.part(SITE, lifecycle.SUCCEEDED)))
    found = drained(told(store, drain=True))
    assert found is not None
    assert (found.status, found.reason) == ("True", "Empty")


def test_what_is_left_is_named_and_what_cannot_leave_apart() -> None:
    store = Store()
    there = works.status(works.part(SITE, lifecycle.RUNNING))
    works.take(store, "moves", status=there, runtime={"checkpoint": {"interval": "5m"}})
    works.take(store, "stays", status=there)
    found = drained(told(store, drain=True))
    assert found is not None
    assert (found.status, found.reason) == ("False", "Draining")
    assert found.message == (
        "2 at work: research/moves, research/stays; without a checkpoint, and so staying to their "
        "end: research/stays"
    )


def test_many_are_counted_and_some_of_them_named() -> None:
    store = Store()
    for number in range(8):
        works.take(store, f"w{number}", status=works.status(works.part(SITE, lifecycle.RUNNING)))
    found = drained(told(store, drain=True))
    assert found is not None
    assert (
        "8 at work: research/w0, research/w1, research/w2, research/w3, research/w4 and 3 more"
        in (found.message)
    )
