"""What is electricity expected to cost, and to emit, in the hours to come? All sites at once.

The first step, the one that `now` lies in, is what was measured. Later steps are the forecast plus
a price for its uncertainty: so many standard deviations, which grow with the lead time. A site that
has no forecast is taken to stay as it is, with the uncertainty of a forecast that does not tell
how sure it is: knowing less never wins. After the last known step comes the mean of those known.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from tradewind.placement.config import EngineConfig
from tradewind.placement.deferral import Profile, grid_edges, mean_over_runs
from tradewind.placement.forecasts import Table, on_grid
from tradewind.placement.inputs import Inputs
from tradewind.placement.parts import SitePart
from tradewind.placement.table import F64, I64

# Ten days of hours: what lies beyond has the mean.
_MOST_STEPS = 240


class Signal:
    """One signal over time.

    Attributes:
        expected: (S, H + 1), the last column is what follows the last step.
        priced: (S, H + 1) with the price of uncertainty.
    """

    def __init__(self, expected: F64, priced: F64) -> None:
        self.expected = expected
        self.priced = priced


class Outlook:
    """Forecasts of a cycle.

    Args:
        parts: of the sites, on the axis S.
        inputs: what is known of now.
        config: steps, and what uncertainty counts.
        now: of the cycle.

    Attributes:
        now: of the cycle.
        known: whether any site has a forecast; without, everything stays as it is.
        edges_s: (H+1,) ends of the steps, seconds after now.
        carbon_intensity: gCO2e/kWh.
        price_per_mwh: USD.
    """

    def __init__(
        self, parts: Sequence[SitePart], inputs: Inputs, config: EngineConfig, now: datetime
    ) -> None:
        self._config = config
        self._sums: dict[int, F64] = {}
        self.now = now
        carbon = [part.carbon for part in parts]
        price = [part.price for part in parts]
        self.known = any(found is not None for found in (*carbon, *price))
        self.edges_s = grid_edges(now, config.step_s, self._steps((*carbon, *price)))
        self.carbon_intensity = self._signal(carbon, inputs.carbon_intensity.values)
        self.price_per_mwh = self._signal(price, inputs.price_per_mwh.values)

    def _steps(self, forecasts: Sequence[Table | None]) -> int:
        ends = [
            (found.start - self.now).total_seconds() + found.step_s * len(found.values)
            for found in forecasts
            if found is not None and found.step_s > 0
        ]
        return min(_MOST_STEPS, max(1, int(max(ends, default=0.0) // self._config.step_s) + 1))

    def _signal(self, forecasts: Sequence[Table | None], present: F64) -> Signal:
        steps = len(self.edges_s) - 1
        expected = np.repeat(present[:, None], steps, axis=1)
        error = self._config.error_per_root_hour
        lead_h = (self.edges_s[:-1] + self.edges_s[1:]) / 7200
        risk = np.abs(expected) * error * np.sqrt(lead_h) if self.known else 0 * expected
        sites = [s for s, found in enumerate(forecasts) if found is not None]
        told = [found for found in forecasts if found is not None]
        values, unsure = on_grid(told, self.now, self.edges_s, error_per_root_hour=error)
        later = np.arange(steps) > 0
        there = np.isfinite(values) & later
        known = there.any(axis=1, keepdims=True)
        values = np.where(there, np.maximum(0.0, values), 0.0)
        mean = values.sum(axis=1, keepdims=True) / np.maximum(1, there.sum(axis=1, keepdims=True))
        values = np.where(there, values, mean)
        expected[sites] = np.where(known & later, values, expected[sites])
        risk[sites] = np.where(there, unsure, risk[sites])
        risk[:, 0] = 0.0  # measured
        priced = expected + self._config.risk_price * risk
        return Signal(_with_tail(expected), _with_tail(priced))

    def on_slots(self, starts_s: F64) -> bool:
        """Whether there are forecasts, and starts lie where steps begin, so that it may pause."""
        count = len(starts_s)
        return (
            self.known
            and 1 < count < len(self.edges_s)
            and bool(np.allclose(starts_s, self.edges_s[:count]))
        )

    def mean(
        self, signal: F64, site: I64, run_s: F64, starts_s: F64, *, mean_only: bool = False
    ) -> F64:
        """Mean of a signal over runs.

        Args:
            signal: (S, H + 1) of this outlook.
            site: (R',) of each row.
            run_s: (R',) of each row.
            starts_s: (T,).
            mean_only: the run times are no more than means.

        Returns:
            (R', T) in the unit of the signal.
        """
        if not self.known:
            return np.repeat(signal[site, :1], len(starts_s), axis=1)
        if not mean_only:
            begins = np.broadcast_to(starts_s, (len(site), len(starts_s)))
            return self.mean_each(signal, site[:, None], run_s[:, None], begins)
        found = np.empty((len(site), len(starts_s)))
        lengths, which = np.unique(run_s, return_inverse=True)
        for i, length in enumerate(lengths.tolist()):
            rows = np.flatnonzero(which == i)
            profile = Profile(length, exponential=True)
            here = signal[site[rows]]
            found[rows] = mean_over_runs(here[:, :-1], here[:, -1], profile, self.edges_s, starts_s)
        return found

    def mean_each(self, signal: F64, site: I64, run_s: F64, starts_s: F64) -> F64:
        """Mean of a signal over runs of known length, each with its own start.

        Args:
            signal: (S, H + 1) of this outlook.
            site: of each run; this and the next two in shapes that fit each other.
            run_s: of each run; one of no length meets the signal of its start.
            starts_s: of each run.

        Returns:
            In the unit of the signal, by run.
        """
        if not self.known:
            stays: F64 = signal[site, 0] + 0 * starts_s
            return stays
        length = np.maximum(run_s, 1.0)
        found = self._until(signal, site, starts_s + length)
        if starts_s.any():
            found -= self._until(signal, site, starts_s)
        found /= length
        return found

    def _until(self, signal: F64, site: I64, moments_s: F64) -> F64:
        """The integral of a signal from now on; linear between the edges."""
        sums = self._sums.get(id(signal))
        if sums is None:
            sums = self._sums[id(signal)] = np.zeros(signal.shape)
            np.cumsum(signal[:, :-1] * np.diff(self.edges_s), axis=1, out=sums[:, 1:])
        at = np.searchsorted(self.edges_s, moments_s, side="right") - 1
        place = site * signal.shape[1] + at
        found: F64 = moments_s - self.edges_s[at]
        found *= signal.ravel()[place]
        found += sums.ravel()[place]
        return found


def _with_tail(values: F64) -> F64:
    later = values[:, 1:] if values.shape[1] > 1 else values
    return np.column_stack((values, later.mean(axis=1)))
