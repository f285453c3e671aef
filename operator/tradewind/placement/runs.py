"""What do runs meet in price and carbon, by start, and do they pause on the way?

Work that may be stopped is priced with the pauses that will follow (`stopping.py`), so that
placing, deferring and pausing go by the same figures. That is worked out for the most promising
rows; on others it is priced as if it ran through, which makes no row look better than it is.
"""

from dataclasses import dataclass, replace

import numpy as np

from tradewind.api.policy import PolicySpec
from tradewind.placement.inputs import price_or_zero
from tradewind.placement.outlook import Outlook
from tradewind.placement.snapshot import RuntimeNeed
from tradewind.placement.stopping import Hours, Run, may_pause, with_pauses
from tradewind.placement.table import F64, I64, Mask

#: Rows on which pauses are worked out: as many as are cheapest without.
MOST_ROWS = 32


@dataclass(frozen=True, slots=True)
class Runs:
    """What is to run on some rows.

    Args:
        runtime: how well its length is known, and whether it may stop.
        prices: of its policy.
        run_s: (R',) seconds.
        transfer_s: (R',) seconds until the input is there.
        kwh: (R',) of the whole run.
        hour_usd: (R',) what an hour of running costs, electricity and carbon apart.
        units: (R',) accelerators.
        serves: it is a service, and never pauses.
    """

    runtime: RuntimeNeed
    prices: PolicySpec
    run_s: F64
    transfer_s: F64
    kwh: F64
    hour_usd: F64
    units: F64
    serves: bool = False

    def only(self, rows: Mask) -> "Runs":
        """The same on some of the rows."""
        return replace(
            self,
            run_s=self.run_s[rows],
            transfer_s=self.transfer_s[rows],
            kwh=self.kwh[rows],
            hour_usd=self.hour_usd[rows],
            units=self.units[rows],
        )

    @property
    def per_gram(self) -> float:
        """USD."""
        return price_or_zero(self.prices.carbon_per_tonne) / 1e6

    @property
    def per_hour(self) -> float:
        """USD an hour of waiting."""
        return price_or_zero(self.prices.wait_per_hour)


@dataclass(frozen=True, slots=True)
class Met:
    """What runs meet on average, by start: (R', T) each.

    Args:
        per_mwh: USD/MWh with the price of uncertainty.
        grams: gCO2e/kWh with the price of uncertainty.
        expected_grams: gCO2e/kWh as expected.
        waits_h: hours of waiting after the start.
        stops_usd: what stops lose.
    """

    per_mwh: F64
    grams: F64
    expected_grams: F64
    waits_h: F64
    stops_usd: F64


def met(runs: Runs, outlook: Outlook, site: I64, starts_s: F64, *, restart_s: float) -> Met:
    """What runs meet.

    Args:
        runs: what is to run.
        outlook: what electricity will cost and emit.
        site: (R',) of each row.
        starts_s: (T,) seconds after now.
        restart_s: from the start of interrupted work until it makes progress again.
    """
    only = runs.runtime.mean_only
    price, grams, expected = (
        outlook.mean(signal, site, runs.run_s, starts_s, mean_only=only)
        for signal in _signals(outlook)
    )
    found = Met(
        price,
        grams,
        expected,
        waits_h=np.zeros((len(site), len(starts_s))),
        stops_usd=np.zeros((len(site), len(starts_s))),
    )
    if may_pause(runs.runtime) and not runs.serves and outlook.on_slots(starts_s):
        here = _promising(runs, found, starts_s)
        paused = _paused(runs.only(here), outlook, site[here], starts_s, restart_s=restart_s)
        for name in Met.__slots__:
            getattr(found, name)[here] = getattr(paused, name)
    return found


def _signals(outlook: Outlook) -> tuple[F64, F64, F64]:
    carbon = outlook.carbon_intensity
    return outlook.price_per_mwh.priced, carbon.priced, carbon.expected


def _promising(runs: Runs, found: Met, starts_s: F64) -> Mask:
    """(R',) the rows that are cheapest without pauses; equals are not told apart."""
    energy = runs.kwh[:, None] * (found.per_mwh / 1000 + found.grams * runs.per_gram)
    usd = (energy + starts_s / 3600 * runs.per_hour).min(axis=1)
    usd += runs.hour_usd * runs.run_s / 3600
    if len(usd) <= MOST_ROWS:
        return np.ones(len(usd), bool)
    cheap: Mask = usd <= np.partition(usd, MOST_ROWS - 1)[MOST_ROWS - 1]
    return cheap


def _paused(runs: Runs, outlook: Outlook, site: I64, starts_s: F64, *, restart_s: float) -> Met:
    """The same with the best pauses."""
    slot_h = np.diff(outlook.edges_s) / 3600
    run_h = np.maximum(runs.run_s, 1.0) / 3600
    signals = np.stack([signal[site, :-1] for signal in _signals(outlook)])
    rate = (runs.kwh / run_h)[:, None] * (signals[0] / 1000 + signals[1] * runs.per_gram)
    lost_h = ((runs.runtime.checkpoint_s or 0.0) + restart_s) / 3600
    a_stop = runs.units * price_or_zero(runs.prices.move_per_accelerator_hour)
    work = Run(
        run_h=run_h,
        mean_only=runs.runtime.mean_only,
        slots_to_wait=_slots_to_wait(runs, outlook, starts_s),
        wait_usd_per_hour=runs.per_hour,
        stop_usd=lost_h * (runs.hour_usd + rate.mean(axis=1) + a_stop),
    )
    found = with_pauses(Hours(rate, signals, slot_h), work, len(starts_s))
    price, grams, expected = found.met / run_h[:, None]
    return Met(price, grams, expected, found.waits_h, found.stops_usd)


def _slots_to_wait(runs: Runs, outlook: Outlook, starts_s: F64) -> I64:
    """(R',) how many slots may be waited in all, for the deadline's sake too."""
    most = np.full(len(runs.run_s), len(starts_s) - 1)
    deadline = runs.runtime.deadline
    if deadline is None or runs.runtime.duration_s is None:
        return most
    latest_s = (deadline - outlook.now).total_seconds() - runs.run_s - runs.transfer_s
    found: I64 = np.clip(np.searchsorted(starts_s, latest_s, side="right") - 1, 0, most)
    return found
