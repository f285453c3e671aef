"""Whose figures work is charged at: the last poll's, the status' after a restart, a gone site's."""

from typing import Any

from tests.clock import FakeClock
from tests.unit.controller.sites import Sites, compute_site

from tradewind.api.site import Signal, SignalState, SiteSignals, SiteStatus
from tradewind.controller.figures import FRESH_S, SiteFigureBoard
from tradewind.controller.store import Store
from tradewind.placement.config import EngineConfig

SITE = "ulanqab"


def grid(intensity: float) -> SiteSignals:
    return SiteSignals(carbon_intensity=Signal(value=intensity, state=SignalState.CURRENT))


class Scene:
    def __init__(self, **spec: Any) -> None:
        self.clock, self.store, self.sites = FakeClock(), Store(), Sites()
        self.store.sites[SITE] = compute_site(SITE, **spec)
        self.polled = SiteSignals()
        self.board = SiteFigureBoard(
            self.store,
            runtime=self.sites.runtimes.get,
            signals=lambda _: self.polled,
            clock=self.clock,
            config=EngineConfig(),
        )

    @property
    def intensity(self) -> float:
        found = self.board.of(SITE)
        assert found is not None
        return found.carbon_intensity


def test_a_new_poll_counts_at_once() -> None:
    scene = Scene()
    scene.polled = grid(100)
    assert scene.intensity == 100
    scene.polled = grid(200)
    assert scene.intensity == 200


def test_before_the_first_poll_what_the_status_says_of_the_last_one_counts() -> None:
    scene = Scene(energy={"carbonIntensity": 640})
    site = scene.store.sites[SITE]
    scene.store.sites[SITE] = site.model_copy(update={"status": SiteStatus(signals=grid(150))})
    assert scene.intensity == 150
    scene.polled = grid(100)
    assert scene.intensity == 100


def test_without_any_poll_the_spec_counts() -> None:
    assert Scene(energy={"carbonIntensity": 640}).intensity == 640


def test_an_inventory_is_looked_at_again_after_a_while_and_not_at_each_charge() -> None:
    scene = Scene()
    first = scene.board.of(SITE)
    scene.sites.engage(SITE)
    scene.sites.node(SITE, "n1", **{"nvidia.com/gpu": "8"})
    assert scene.board.of(SITE) is first
    scene.clock._elapsed += FRESH_S
    fresh = scene.board.of(SITE)
    assert fresh is not None
    assert set(fresh.accelerators) == {"unknown"}


def test_work_of_a_removed_site_is_charged_at_its_last_figures() -> None:
    scene = Scene()
    scene.polled = grid(100)
    known = scene.board.of(SITE)
    del scene.store.sites[SITE]
    assert scene.board.of(SITE) is known
    assert scene.board.of("never-seen") is None
