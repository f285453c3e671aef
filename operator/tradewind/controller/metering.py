"""What does running work take? Spans of time × rates, summed by day and site. Pure arithmetic.

    kWh    hours × kW at the meter
    kg     kWh × gCO2e/kWh / 1000
    USD    hours × hardware + kWh × USD/MWh / 1000

Rates come from `rates.py`, spans from `meter.py`. A span may be negative: work that was metered up
to now, and is then said to have ended earlier, is given back what it did not take. Totals are the
sums of the periods, so that what is shown by day and what is shown in all can never disagree.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from tradewind.api.workload import Usage, UsagePeriod

#: Days older than this are told by month: a budget and a bill ask for no more.
DAYS_KEPT: Final = 35
#: A status has so many periods at most; beyond it the oldest are merged.
PERIODS_KEPT: Final = 100
#: Seconds of a single small pod still count in the ninth decimal of a kWh.
DECIMALS: Final = 9

_MONTH: Final = len("2026-11")


@dataclass(frozen=True, slots=True)
class Amounts:
    """Accelerator hours, energy at the meter, emissions, money."""

    accelerator_hours: float = 0.0
    energy_kwh: float = 0.0
    carbon_kg: float = 0.0
    cost_usd: float = 0.0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            round(self.accelerator_hours + other.accelerator_hours, DECIMALS),
            round(self.energy_kwh + other.energy_kwh, DECIMALS),
            round(self.carbon_kg + other.carbon_kg, DECIMALS),
            round(self.cost_usd + other.cost_usd, DECIMALS),
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """What a part of a workload takes while it runs.

    Args:
        units: accelerators that it holds.
        kilowatts: at the meter.
        measured: the power rests on a measurement of the site's.
        carbon_g_per_kwh: location-based average.
        usd_per_mwh: electricity; may be negative.
        hardware_usd_per_hour: accelerators, cores and memory.
        assumed: inputs that were not known and stand at their stated fallback.
    """

    units: float
    kilowatts: float
    measured: bool
    carbon_g_per_kwh: float
    usd_per_mwh: float
    hardware_usd_per_hour: float
    assumed: tuple[str, ...] = ()

    def over(self, hours: float) -> Amounts:
        """What so many hours take; negative hours give back.

        >>> Rates(8, 5.6, False, 500.0, 50.0, 16.0).over(10)
        Amounts(accelerator_hours=80, energy_kwh=56.0, carbon_kg=28.0, cost_usd=162.8)
        """
        kwh = hours * self.kilowatts
        return Amounts(
            hours * self.units,
            kwh,
            kwh * self.carbon_g_per_kwh / 1000,
            hours * self.hardware_usd_per_hour + kwh * self.usd_per_mwh / 1000,
        )


@dataclass(frozen=True, slots=True)
class Account:
    """To whom a span is charged."""

    site: str
    queue: str
    policy: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one part's running.

    Args:
        start: aware.
        end: before `start` when something is given back.
        unwatched_s: how much of it nobody watched, seconds.
    """

    start: datetime
    end: datetime
    unwatched_s: float = 0.0


def by_day(span: Span) -> Iterator[tuple[str, float]]:
    """A span's hours by UTC day; negative where it gives back.

    >>> noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    >>> list(by_day(Span(noon, noon + timedelta(hours=18))))
    [('2026-11-24', 12.0), ('2026-11-25', 6.0)]
    >>> list(by_day(Span(noon, noon - timedelta(hours=1))))
    [('2026-11-24', -1.0)]
    """
    sign = 1 if span.end >= span.start else -1
    at, end = sorted((span.start.astimezone(UTC), span.end.astimezone(UTC)))
    while at < end:
        midnight = (at + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        until = min(midnight, end)
        yield at.date().isoformat(), sign * (until - at).total_seconds() / 3600
        at = until


def charges(account: Account, rates: Rates, span: Span) -> list[UsagePeriod]:
    """What a span takes, one entry a day."""
    return [_entry(day, account, rates.over(hours)) for day, hours in by_day(span)]


def amounts_of(entry: UsagePeriod | Usage) -> Amounts:
    """The four sums of an entry."""
    return Amounts(entry.accelerator_hours, entry.energy_kwh, entry.carbon_kg, entry.cost_usd)


def add(usage: Usage | None, charged: Sequence[UsagePeriod], rates: Rates, span: Span) -> Usage:
    """Usage with a span added to it.

    Args:
        usage: so far; None: nothing yet.
        charged: the span's charges.
        rates: that they were made with.
        span: that they are for.
    """
    usage = usage or Usage()
    periods = merged([*usage.periods, *charged])
    if charged:
        periods = compacted(periods, span.end.astimezone(UTC).date())
    total = total_of(periods)
    kwh = sum(entry.energy_kwh for entry in charged)
    # What is given back was metered at the last figures, as far as these were measured.
    measured = usage.measured_kwh + (kwh if rates.measured else 0.0)
    return Usage(
        accelerator_hours=total.accelerator_hours,
        energy_kwh=total.energy_kwh,
        carbon_kg=total.carbon_kg,
        cost_usd=total.cost_usd,
        through=span.end,
        measured_kwh=round(min(max(0.0, measured), max(0.0, total.energy_kwh)), DECIMALS),
        estimated_hours=round(max(0.0, usage.estimated_hours + span.unwatched_s / 3600), DECIMALS),
        assumed_inputs=tuple(sorted({*usage.assumed_inputs, *rates.assumed})),
        periods=periods,
    )


def total_of(entries: Iterable[UsagePeriod]) -> Amounts:
    """The sum of entries."""
    total = Amounts()
    for entry in entries:
        total += amounts_of(entry)
    return total


def merged(entries: Iterable[UsagePeriod]) -> tuple[UsagePeriod, ...]:
    """One entry for each period, site, queue and policy, the oldest first."""
    found: dict[tuple[str, str, str, str], UsagePeriod] = {}
    for entry in entries:
        key = (entry.period, entry.site, entry.queue, entry.policy)
        known = found.get(key)
        if known is None:
            found[key] = entry
        else:
            account = Account(entry.site, entry.queue, entry.policy)
            found[key] = _entry(entry.period, account, amounts_of(known) + amounts_of(entry))
    return tuple(found[key] for key in sorted(found))


def compacted(entries: Sequence[UsagePeriod], today: date) -> tuple[UsagePeriod, ...]:
    """Entries in bounds: old days by month, and the oldest merged when there still are too many.

    Args:
        entries: merged.
        today: the UTC day from which age counts.
    """
    first = (today - timedelta(days=DAYS_KEPT)).isoformat()
    if len(entries) <= PERIODS_KEPT and entries[0].period >= first:
        return tuple(entries)
    months = merged(
        entry.model_copy(update={"period": month_of(entry.period)})
        if entry.period < first
        else entry
        for entry in entries
    )
    excess = len(months) - PERIODS_KEPT
    if excess <= 0:
        return months
    oldest, rest = months[: excess + 1], months[excess + 1 :]
    return (_entry(oldest[-1].period, Account("", "", ""), total_of(oldest)), *rest)


def month_of(period: str) -> str:
    """The month of a day or month.

    >>> month_of("2026-11-24"), month_of("2026-11")
    ('2026-11', '2026-11')
    """
    return period[:_MONTH]


def _entry(period: str, account: Account, amounts: Amounts) -> UsagePeriod:
    return UsagePeriod(
        period=period,
        site=account.site,
        queue=account.queue,
        policy=account.policy,
        accelerator_hours=round(amounts.accelerator_hours, DECIMALS),
        energy_kwh=round(amounts.energy_kwh, DECIMALS),
        carbon_kg=round(amounts.carbon_kg, DECIMALS),
        cost_usd=round(amounts.cost_usd, DECIMALS),
    )
