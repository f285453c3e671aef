"""What does a shape cost on each row, in USD, term by term (DESIGN 5)?

Symbols, for one workload of the shape on row r at site s:

    run       hours it runs: duration * speed(reference) / speed(r). Work without accelerators, and
              services, run as long everywhere; a service is priced for a stated horizon.
    power     kW at the meter, see `power.py`
    hardware  run * (units * price(r) + cores * cpu(s) + GiB * memory(s))
    electricity  run * power * USD/MWh(s) / 1000, the mean over the run (`outlook.py`)
    carbon    run * power * gCO2e/kWh(s) / 1e6 * USD/t, the mean over the run
    latency   run * sum of share * ms(region, s) * USD/(ms·h)
    data      sum of GiB elsewhere * (USD/GiB + hours to move it * USD/h of waiting)
    queueing  wait(load(s)) * USD/h of waiting, see `waits.py`
    waiting   hours from now to the start, and of pauses, * USD/h of waiting
    move      what stops on the way lose, where the work pauses (`runs.py`)
    policy    run * sum of value(s) * USD per unit and hour, the policy's own terms

Intensity is the location-based average. Only the policy's own terms can be negative.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tradewind.api.policy import PolicySpec
from tradewind.hardware.catalog import Catalog
from tradewind.placement.config import EngineConfig
from tradewind.placement.inputs import Input, Inputs, price_or_zero
from tradewind.placement.outlook import Outlook
from tradewind.placement.plan import DECIMALS, TERM_INDEX, Term
from tradewind.placement.power import kilowatts
from tradewind.placement.priced import MOST_USD, START_NOW, Costs, Footprint
from tradewind.placement.runs import Runs, met
from tradewind.placement.shapes import Shape
from tradewind.placement.snapshot import RuntimeNeed, SiteName
from tradewind.placement.table import F64, I64, Mask, SiteTable, clean
from tradewind.placement.waits import queue_hours

# The terms that can be negative are the policy's own.
_LEAST_USD = np.array([[-MOST_USD if term is Term.POLICY else 0.0] for term in Term])

# Terms that grow with every hour of running, electricity and carbon apart.
_BY_THE_HOUR = [TERM_INDEX[term] for term in (Term.HARDWARE, Term.LATENCY, Term.POLICY)]
_LEAST_H = 1 / 3600
_IN_TIME = [TERM_INDEX[term] for term in (Term.ELECTRICITY, Term.CARBON, Term.WAITING)]

#: Its work has no end of its own: it is priced for a horizon, and faster chips do not shorten it.
SERVICE_CLASS = "Inference"

_GIB = 2**30
_GBIT_PER_GIB = 8 * _GIB / 1e9


def weights_of(prices: PolicySpec) -> tuple[float, float, float]:
    """USD of a kWh at 1 USD/MWh, of a gram of CO2e, and of an hour of waiting."""
    per_gram = price_or_zero(prices.carbon_per_tonne) / 1e6
    return 1e-3, per_gram, price_or_zero(prices.wait_per_hour)


class Pricer:
    """Prices shapes on rows; made once a cycle.

    Args:
        table: the sites.
        inputs: cleaned figures.
        outlook: what electricity will cost and emit.
        catalog: for the speed of reference classes.
        config: stated figures.
    """

    def __init__(
        self,
        table: SiteTable,
        inputs: Inputs,
        outlook: Outlook,
        catalog: Catalog,
        config: EngineConfig,
    ) -> None:
        self._table = table
        self._in = inputs
        self._outlook = outlook
        self._catalog = catalog
        self._config = config

    def price(
        self,
        shape: Shape,
        prices: PolicySpec,
        rows: I64,
        takes: Footprint,
        starts_s: F64 = START_NOW,
    ) -> list[Costs]:
        """Price a shape on some rows, by start.

        Args:
            shape: whose duration, data and consumers count.
            prices: of its policy.
            rows: (R',) places on the axis R.
            takes: what one gang takes there.
            starts_s: (T,) seconds after now.

        Returns:
            T costs on these rows.
        """
        known = self._in
        site = self._table.row_site[rows]
        run_h, assumed = self._run_hours(shape, rows, takes)
        run_s = run_h * 3600
        kwh = run_h * self._kilowatts(rows, site, takes)
        wait_price = price_or_zero(prices.wait_per_hour)
        gib, hours = self._transfer(shape.placement.data, site)
        terms = np.zeros((len(Term), len(rows)))
        terms[TERM_INDEX[Term.HARDWARE]] = run_h * (
            takes.units * known.accelerator_hour.values[rows]
            + takes.cores * known.cpu_hour.values[site]
            + takes.memory_gib * known.memory_gib_hour.values[site]
        )
        terms[TERM_INDEX[Term.LATENCY]] = (
            run_h * self._distance(shape, site) * price_or_zero(prices.latency_per_millisecond_hour)
        )
        terms[TERM_INDEX[Term.DATA]] = gib * price_or_zero(prices.data_per_gib) + hours * wait_price
        waits = queue_hours(run_h, known.load.values[site], takes.servers)
        terms[TERM_INDEX[Term.QUEUEING]] = waits * wait_price
        terms[TERM_INDEX[Term.POLICY]], guessed = self._own_terms(prices, site, run_h)
        assumed += [*self._assumed(shape, prices, rows, site, takes), *guessed]
        by_the_hour = terms[_BY_THE_HOUR].sum(axis=0) / np.maximum(run_h, _LEAST_H)
        runs = Runs(
            shape.runtime,
            prices,
            run_s=run_s,
            transfer_s=hours * 3600,
            kwh=kwh,
            hour_usd=by_the_hour,
            units=takes.units,
            serves=shape.workload_class == SERVICE_CLASS,
        )
        ahead = met(runs, self._outlook, site, starts_s, restart_s=self._config.restart_s)
        found = []
        for t, start_s in enumerate(starts_s.tolist()):
            now = terms.copy() if len(starts_s) > 1 else terms
            now[TERM_INDEX[Term.ELECTRICITY]] = kwh / 1000 * ahead.per_mwh[:, t]
            now[TERM_INDEX[Term.CARBON]] = kwh * ahead.grams[:, t] * runs.per_gram
            now[TERM_INDEX[Term.WAITING]] = (start_s / 3600 + ahead.waits_h[:, t]) * wait_price
            now[TERM_INDEX[Term.MOVE]] = ahead.stops_usd[:, t]
            # Rounded here and nowhere else: every total is a sum of these very numbers.
            now[:] = np.round(np.clip(now, _LEAST_USD, MOST_USD), DECIMALS)
            found.append(
                Costs(
                    terms=now,
                    total=np.round(now.sum(axis=0), DECIMALS),
                    run_s=run_s,
                    transfer_s=hours * 3600,
                    energy_kwh=kwh,
                    carbon_kg=kwh * ahead.expected_grams[:, t] / 1000,
                    assumed=tuple(assumed),
                )
            )
        return found

    def at_starts(self, now: Costs, prices: PolicySpec, site: I64, starts_s: F64) -> Costs:
        """The costs of runs that go through, each with its own start.

        Args:
            now: costs of the same runs if they started now, (P,).
            prices: of the policy.
            site: (P,) places on the axis S.
            starts_s: (P,) seconds after now.
        """
        _, per_gram, per_hour = weights_of(prices)
        ahead, kwh = self._outlook, now.energy_kwh
        carbon = ahead.carbon_intensity
        price = ahead.mean_each(ahead.price_per_mwh.priced, site, now.run_s, starts_s)
        grams = ahead.mean_each(carbon.priced, site, now.run_s, starts_s)
        expected = ahead.mean_each(carbon.expected, site, now.run_s, starts_s)
        changed = np.stack((kwh / 1000 * price, kwh * grams * per_gram, starts_s / 3600 * per_hour))
        terms = now.terms.copy()
        terms[_IN_TIME] = np.round(np.clip(changed, 0.0, MOST_USD), decimals=DECIMALS)
        return replace(
            now,
            terms=terms,
            total=np.round(terms.sum(axis=0), DECIMALS),
            carbon_kg=kwh * expected / 1000,
        )

    def latency_by_region(
        self, shape: Shape, prices: PolicySpec, site: I64, run_s: F64
    ) -> tuple[F64, F64]:
        """What of the term `latency` is due to the consumers of each region.

        Args:
            shape: whose consumers; those of a region without any share are left out.
            prices: of its policy.
            site: (M,) places on the axis S.
            run_s: (M,) seconds.

        Returns:
            (K,) shares of the regions, and (K, M) USD, not rounded; their sum is the term.
        """
        shares = [(region, price_or_zero(share)) for region, share in shape.placement.latency_from]
        shares = [(region, share) for region, share in shares if share > 0]
        price = price_or_zero(prices.latency_per_millisecond_hour)
        found = np.zeros((len(shares), len(site)))
        for k, (region, share) in enumerate(shares):
            found[k] = share * price * run_s / 3600 * self._in.latency_ms(region).values[site]
        return np.array([share for _, share in shares]), found

    def _own_terms(
        self, prices: PolicySpec, site: I64, run_h: F64
    ) -> tuple[F64, list[tuple[str, Mask]]]:
        """(R',) USD of the policy's own terms; which of their values were assumed.

        A price may be negative: that is a reward. An unknown value counts as the dearest known.
        """
        total = np.zeros(len(site))
        assumed: list[tuple[str, Mask]] = []
        for term in prices.terms:
            each = clean(term.price_per_unit, low=-1e9)
            if not each or math.isnan(each):
                continue
            values = self._in.term(term.query, dear=each > 0)
            total += run_h * values.values[site] * each
            if values.assumed[site].any():
                assumed.append((f"term {term.name}", values.assumed[site]))
        return total, assumed

    def run_s(self, runtime: RuntimeNeed, class_name: str | None) -> float:
        """How long work of a stated length runs on a class, seconds; on no class as stated."""
        duration_s = clean(runtime.duration_s)
        made = self._catalog.get(class_name) if class_name else None
        if class_name is None:
            return duration_s
        stated = self._config.fallbacks.speed_tflops
        reference = self._catalog.get(runtime.reference_class or self._config.reference_class)
        base = clean(reference.speed if reference else None, low=1e-9)
        speed = clean(made.speed if made else None, low=1e-9)
        return (
            duration_s
            * (stated if math.isnan(base) else base)
            / (stated if math.isnan(speed) else speed)
        )

    def _run_hours(
        self, shape: Shape, rows: I64, takes: Footprint
    ) -> tuple[F64, list[tuple[str, Mask]]]:
        """(R',) hours the shape runs, and what was assumed for it."""
        config, runtime = self._config, shape.runtime
        everywhere = np.ones(len(rows), bool)
        assumed: list[tuple[str, Mask]] = []
        duration_s = clean(runtime.duration_s)
        serves = shape.workload_class == SERVICE_CLASS
        if np.isnan(duration_s):
            duration_s = config.duration_of(shape.workload_class)
            assumed.append(("horizon" if serves else "duration", everywhere))
        run_h = np.full(len(rows), duration_s / 3600)
        scales = takes.units > 0
        if serves or not scales.any():
            return run_h, assumed
        reference = self._catalog.get(runtime.reference_class or config.reference_class)
        base = reference.speed if reference else None
        if base is None or not runtime.reference_class:
            assumed.append(("referenceClass", scales))
        speed = self._in.speed.values[rows]
        assumed.append(("acceleratorSpeed", scales & self._in.speed.assumed[rows]))
        scale = (config.fallbacks.speed_tflops if base is None else base) / speed
        return np.where(scales, run_h * scale, run_h), assumed

    def _kilowatts(self, rows: I64, site: I64, takes: Footprint) -> F64:
        """(R',) power of the gang at the meter, kW."""
        return kilowatts(
            takes.units,
            self._in.draw_watts.values[rows],
            self._in.pue.values[site],
            cores=takes.cores,
            memory_gib=takes.memory_gib,
            config=self._config,
        )

    def _distance(self, shape: Shape, site: I64) -> F64:
        """(R',) round trip to the consumers, weighted by their shares, milliseconds."""
        total = np.zeros(len(site))
        for region, share in shape.placement.latency_from:
            total += price_or_zero(share) * self._in.latency_ms(region).values[site]
        return total

    def _transfer(self, data: Sequence[tuple[SiteName, float]], site: I64) -> tuple[F64, F64]:
        """(R',) GiB that lie elsewhere, and (R',) hours to bring them."""
        gib = np.zeros(len(site))
        for name, size in data:
            amount = price_or_zero(size)
            gib += np.where(site == self._table.index.get(name, -1), 0.0, amount)
        seconds = gib * _GBIT_PER_GIB / self._config.transfer_gbit_per_s
        return gib, seconds / 3600

    def _assumed(
        self, shape: Shape, prices: PolicySpec, rows: I64, site: I64, takes: Footprint
    ) -> list[tuple[str, Mask]]:
        """Inputs that entered the terms at an assumed figure; those that no term read are left."""
        known, chips = self._in, takes.units > 0
        read: list[tuple[str, Input, Mask | bool]] = [
            ("pricePerMWh", known.price_per_mwh, True),
            ("pue", known.pue, True),
            ("carbonIntensity", known.carbon_intensity, prices.carbon_per_tonne > 0),
            ("load", known.load, prices.wait_per_hour > 0),
            ("cpuHour", known.cpu_hour, takes.cores > 0),
            ("memoryGiBHour", known.memory_gib_hour, takes.memory_gib > 0),
        ]
        if prices.latency_per_millisecond_hour > 0:
            read += [
                ("latency", known.latency_ms(region), True)
                for region, _ in shape.placement.latency_from
            ]
        marks = [(name, source.assumed[site] & used) for name, source, used in read]
        marks.append(("acceleratorHour", known.accelerator_hour.assumed[rows] & chips))
        marks.append(("acceleratorPower", known.draw_watts.assumed[rows] & chips))
        return [(name, mask) for name, mask in marks if mask.any()]
