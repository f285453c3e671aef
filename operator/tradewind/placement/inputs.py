"""At which figure is each input priced, and was it known?

Unknown is not zero and not a bargain: what is NaN in the site table becomes the stated fallback or
the worst figure known of any site, whichever is dearer. So a site never gains by falling silent.
"""

import math
from dataclasses import dataclass

import numpy as np

from tradewind.placement.chips import Chips
from tradewind.placement.config import EngineConfig
from tradewind.placement.table import F64, Mask, SiteTable, clean


@dataclass(frozen=True, slots=True)
class Input:
    """One input of the costs along an axis: its figures, and where they were assumed."""

    values: F64
    assumed: Mask


def filled(values: F64, fallback: float, *, high_is_dear: bool = True) -> Input:
    """Replace NaN by the fallback or the worst known figure, whichever is dearer.

    >>> filled(np.array([50.0, np.nan, 120.0]), 100.0).values.tolist()
    [50.0, 120.0, 120.0]
    """
    assumed = np.isnan(values)
    if not assumed.any():
        return Input(values, assumed)
    known = values[~assumed]
    worst = fallback
    if known.size:
        worst = max(fallback, known.max()) if high_is_dear else min(fallback, known.min())
    return Input(np.where(assumed, worst, values), assumed)


class Inputs:
    """All inputs of a cycle that depend on sites and rows alone.

    Attributes:
        carbon_intensity: (S,) gCO2e/kWh.
        price_per_mwh: (S,) USD.
        load: (S,) 0 to the cap.
        pue: (S,).
        cpu_hour, memory_gib_hour: (S,) USD.
        accelerator_hour: (R,) USD per unit. `assumed` where the site does not state it.
        speed: (R,) effective BF16 TFLOPS.
        draw_watts: (R,) of one unit at work.
    """

    def __init__(self, table: SiteTable, chips: Chips, config: EngineConfig) -> None:
        stated = config.fallbacks
        self._table = table
        self._fallback_latency = stated.latency_ms
        self._latency: dict[str, Input] = {}
        self.carbon_intensity = filled(table.carbon_intensity, stated.carbon_intensity)
        self.price_per_mwh = filled(table.price_per_mwh, stated.price_per_mwh)
        load = filled(table.load, stated.load)
        self.load = Input(np.minimum(load.values, config.load_cap), load.assumed)
        self.pue = filled(table.pue, stated.pue)
        self.cpu_hour = filled(table.cpu_hour, stated.cpu_hour)
        self.memory_gib_hour = filled(table.memory_gib_hour, stated.memory_gib_hour)
        price = filled(chips.price_hour, stated.accelerator_hour)
        self.accelerator_hour = Input(price.values, ~chips.price_stated)
        self.speed = filled(chips.speed, stated.speed_tflops, high_is_dear=False)
        self.draw_watts = filled(chips.draw_watts, stated.draw_watts)

    def latency_ms(self, region: str) -> Input:
        """(S,) round trip from a consumer region, milliseconds."""
        found = self._latency.get(region)
        if found is None:
            column = self._table.latency_ms(region)
            found = self._latency[region] = filled(column, self._fallback_latency)
        return found

    def term(self, query: str, *, dear: bool) -> Input:
        """(S,) values of a policy's own term; unknown ones are the worst known, 0 if none is.

        Args:
            query: its PromQL.
            dear: a high value is the worst; False: a low one.
        """
        values = np.array(
            [clean(site.term_values.get(query), low=-1e12, high=1e12) for site in self._table.sites]
        )
        known = values[~np.isnan(values)]
        worst = (known.max() if dear else known.min()) if known.size else 0.0
        return filled(values, worst, high_is_dear=dear)


def price_or_zero(price: float) -> float:
    """A policy's price; one that is no price at all (NaN, infinite, negative) counts as 0."""
    return price if math.isfinite(price) and price > 0 else 0.0
