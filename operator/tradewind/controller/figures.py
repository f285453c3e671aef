"""The figures by which work at each site is charged now, made anew when what they rest on changes.

Before a site was polled for the first time, what its status says of the last poll counts: after a
restart, that is what was last known while nobody watched.
"""

from collections.abc import Callable
from typing import Final

from tradewind.api.site import SiteSignals
from tradewind.base.aio import Clock
from tradewind.controller.rates import SiteFigures, figures_of
from tradewind.controller.store import Store
from tradewind.placement.config import EngineConfig
from tradewind.sites.inventory import InventoryView
from tradewind.sites.runtime import SiteRuntime

#: An inventory changes with every pod, and its part in a measured power is a slow average.
FRESH_S: Final = 5.0

_NOTHING: Final = SiteSignals()


class SiteFigureBoard:
    """Figures by site.

    Args:
        store: the ComputeSites.
        runtime: the engaged site of a name.
        signals: what was last polled of a site.
        clock: whose time counts.
        config: the engine's stated figures.
    """

    def __init__(
        self,
        store: Store,
        *,
        runtime: Callable[[str], SiteRuntime | None],
        signals: Callable[[str], SiteSignals],
        clock: Clock,
        config: EngineConfig,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._signals = signals
        self._clock = clock
        self._config = config
        self._made: dict[str, tuple[float, tuple[object, ...], SiteFigures]] = {}

    def of(self, name: str) -> SiteFigures | None:
        """The figures of a site; of one that was removed, as they last were."""
        site = self._store.sites.get(name)
        known = self._made.get(name)
        if site is None:
            return known[2] if known else None
        signals = self._signals(name)
        if signals == _NOTHING and site.status is not None:
            signals = site.status.signals
        made_of = (site, signals, self._store.catalog)
        now_s = self._clock.monotonic()
        if (
            known is not None
            and now_s - known[0] < FRESH_S
            and all(a is b for a, b in zip(known[1], made_of, strict=True))
        ):
            return known[2]
        runtime = self._runtime(name)
        inventory = runtime.inventory.view() if runtime else InventoryView()
        figures = figures_of(site, signals, inventory, self._store.catalog, self._config)
        self._made[name] = (now_s, made_of, figures)
        return figures
