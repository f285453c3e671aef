"""However often a run is looked at, and wherever it is cut, it takes the same."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.controller.metering import (
    PERIODS_KEPT,
    Account,
    Rates,
    Span,
    add,
    amounts_of,
    charges,
    total_of,
)

START = datetime(2026, 11, 24, 22, tzinfo=UTC)
ACCOUNT = Account("s", "q", "p")

seconds = st.integers(0, 400_000)
figures = st.floats(0, 1e4)
rates = st.builds(
    Rates,
    units=st.integers(0, 4096),
    kilowatts=figures,
    measured=st.booleans(),
    carbon_g_per_kwh=st.floats(0, 1500),
    usd_per_mwh=st.floats(-500, 5000),
    hardware_usd_per_hour=figures,
)


@given(rates, st.lists(seconds, min_size=2, max_size=30))
def test_a_run_looked_at_at_any_moments_takes_what_the_whole_run_takes(
    rate: Rates, moments: list[int]
) -> None:
    """In any order: what was metered too far is given back."""
    usage = None
    for before, after in pairwise(moments):
        span = Span(START + timedelta(seconds=before), START + timedelta(seconds=after))
        usage = add(usage, charges(ACCOUNT, rate, span), rate, span)
    assert usage is not None
    hours = (moments[-1] - moments[0]) / 3600
    whole = rate.over(hours)
    near = pytest.approx
    assert usage.accelerator_hours == near(whole.accelerator_hours, rel=1e-9, abs=1e-6)
    assert usage.energy_kwh == near(whole.energy_kwh, rel=1e-9, abs=1e-5)
    assert usage.carbon_kg == near(whole.carbon_kg, rel=1e-9, abs=1e-4)
    assert usage.cost_usd == near(whole.cost_usd, rel=1e-9, abs=1e-3)
    assert total_of(usage.periods) == amounts_of(usage)
    assert len(usage.periods) <= PERIODS_KEPT
    assert 0 <= usage.measured_kwh <= max(0.0, usage.energy_kwh)
