"""Spans × rates: sums by hand, days, giving back, bounds."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tradewind.api.workload import Usage, UsagePeriod
from tradewind.controller.metering import (
    DAYS_KEPT,
    PERIODS_KEPT,
    Account,
    Amounts,
    Rates,
    Span,
    add,
    amounts_of,
    by_day,
    charges,
    compacted,
    merged,
    total_of,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ACCOUNT = Account("ulanqab", "research", "balanced")
# 8 accelerators, 5 kW, 400 g/kWh, 60 USD/MWh, 16 USD/h.
RATES = Rates(
    8, 5.0, measured=False, carbon_g_per_kwh=400, usd_per_mwh=60, hardware_usd_per_hour=16
)


def metered(usage: Usage | None, start: datetime, end: datetime, rates: Rates = RATES) -> Usage:
    span = Span(start, end)
    return add(usage, charges(ACCOUNT, rates, span), rates, span)


def test_three_hours_cost_what_a_person_works_out() -> None:
    usage = metered(None, NOON, NOON + 3 * HOUR)
    assert amounts_of(usage) == Amounts(24, 15, 6, 48.9)
    assert usage.through == NOON + 3 * HOUR
    (entry,) = usage.periods
    assert (entry.period, entry.site, entry.queue, entry.policy) == (
        "2026-11-24", "ulanqab", "research", "balanced",
    )  # fmt: skip


def test_many_short_spans_sum_to_the_long_one() -> None:
    usage = None
    for minute in range(180):
        start = NOON + timedelta(minutes=minute)
        usage = metered(usage, start, start + timedelta(minutes=1))
    assert usage is not None
    assert amounts_of(usage).accelerator_hours == pytest.approx(24, abs=1e-6)
    assert amounts_of(usage).cost_usd == pytest.approx(48.9, abs=1e-6)
    assert len(usage.periods) == 1


def test_a_span_over_midnight_belongs_to_both_days() -> None:
    usage = metered(None, NOON, NOON + 18 * HOUR)
    assert [(e.period, e.accelerator_hours) for e in usage.periods] == [
        ("2026-11-24", 96.0),
        ("2026-11-25", 48.0),
    ]


def test_days_are_utc_days_wherever_the_times_come_from() -> None:
    east = datetime.fromisoformat("2026-11-25T07:00:00+08:00")
    assert [day for day, _ in by_day(Span(east, east + HOUR))] == ["2026-11-24"]


def test_what_was_metered_beyond_the_end_is_given_back() -> None:
    usage = metered(None, NOON, NOON + 2 * HOUR)
    usage = metered(usage, NOON + 2 * HOUR, NOON + HOUR)
    assert amounts_of(usage) == amounts_of(metered(None, NOON, NOON + HOUR))


def test_totals_are_the_sums_of_the_periods() -> None:
    usage = metered(metered(None, NOON, NOON + 40 * HOUR), NOON + 41 * HOUR, NOON + 90 * HOUR)
    assert total_of(usage.periods) == amounts_of(usage)


def test_negative_electricity_prices_are_paid_out() -> None:
    paid = Rates(
        0, 10, measured=False, carbon_g_per_kwh=0, usd_per_mwh=-50, hardware_usd_per_hour=0
    )
    assert metered(None, NOON, NOON + HOUR, paid).cost_usd == -0.5


def test_measured_energy_is_told_apart() -> None:
    measured = Rates(
        8, 5, measured=True, carbon_g_per_kwh=1, usd_per_mwh=1, hardware_usd_per_hour=1
    )
    usage = metered(metered(None, NOON, NOON + HOUR), NOON + HOUR, NOON + 3 * HOUR, measured)
    assert (usage.energy_kwh, usage.measured_kwh) == (15, 10)


def test_what_was_assumed_once_stays_named() -> None:
    unsure = Rates(8, 5, False, 1, 1, 1, assumed=("pue", "carbonIntensity"))
    usage = metered(metered(None, NOON, NOON + HOUR, unsure), NOON + HOUR, NOON + 2 * HOUR)
    assert usage.assumed_inputs == ("carbonIntensity", "pue")


def entries(days: int, sites: int = 1) -> list[UsagePeriod]:
    first = date(2026, 11, 24)
    return [
        UsagePeriod(period=(first - timedelta(days=day)).isoformat(), site=f"s{site}", cost_usd=1.0)
        for day in range(days)
        for site in range(sites)
    ]


def test_days_become_months_when_they_are_old() -> None:
    kept = compacted(merged(entries(100)), date(2026, 11, 24))
    assert kept[0].period == "2026-08"
    assert sum(len(entry.period) == 10 for entry in kept) == DAYS_KEPT + 1
    assert total_of(kept).cost_usd == 100


def test_the_usage_of_a_service_that_runs_for_a_year_stays_in_bounds() -> None:
    usage = None
    for day in range(400):
        start = NOON + day * 24 * HOUR
        usage = metered(usage, start, start + 24 * HOUR)
    assert usage is not None
    assert len(usage.periods) <= DAYS_KEPT + 2 + 14
    assert usage.accelerator_hours == 400 * 24 * 8


@pytest.mark.parametrize("sites", [1, 5, 40])
def test_periods_stay_in_bounds_and_keep_their_sum(sites: int) -> None:
    kept = compacted(merged(entries(400, sites)), date(2026, 11, 24))
    assert len(kept) <= PERIODS_KEPT
    assert total_of(kept).cost_usd == 400 * sites
    assert list(kept) == sorted(kept, key=lambda entry: entry.period)
