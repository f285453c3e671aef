"""What outlives a workload: taken in once, in bounds, and readable after any change."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.api.workload import Usage, UsagePeriod
from tradewind.controller import ledger as module
from tradewind.controller.ledger import Key, Ledger, changes, decode, encode
from tradewind.controller.metering import Amounts

TODAY = date(2026, 11, 24)


def usage(*days: str, cost: float = 1.0, site: str = "s") -> Usage:
    periods = tuple(UsagePeriod(period=day, site=site, queue="q", policy="p", cost_usd=cost)
                    for day in days)  # fmt: skip
    return Usage(cost_usd=cost * len(days), periods=periods)


def total(ledger: Ledger) -> float:
    return sum(row.cost_usd for row in ledger.rows.values())


def test_a_workload_is_taken_in_once() -> None:
    ledger = Ledger()
    assert ledger.fold("u", "research", usage("2026-11-24"))
    assert not ledger.fold("u", "research", usage("2026-11-24"))
    assert total(ledger) == 1.0


def test_workloads_of_one_day_and_account_share_a_row() -> None:
    ledger = Ledger()
    for number in range(10):
        ledger.fold(f"u{number}", "research", usage("2026-11-23", "2026-11-24"))
    assert ledger.rows == {
        Key("2026-11-23", "research", "q", "s", "p"): Amounts(cost_usd=10.0),
        Key("2026-11-24", "research", "q", "s", "p"): Amounts(cost_usd=10.0),
    }


names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)
amounts = st.builds(Amounts, *[st.floats(-1e9, 1e9).map(lambda x: round(x, 9))] * 4)


@given(
    st.dictionaries(
        st.builds(Key, st.sampled_from(["2026-11-24", "2026-10"]), names, names, names, names),
        amounts,
        max_size=8,
    ),
    st.sets(st.uuids().map(str), max_size=5),
)
def test_what_is_written_is_what_is_read(rows: dict[Key, Amounts], folded: set[str]) -> None:
    made = decode(encode(Ledger(rows, folded)))
    assert made.folded == folded
    assert made.rows == rows


def test_a_change_writes_only_the_periods_it_touches() -> None:
    before = Ledger()
    before.fold("a", "n", usage("2026-11-22", "2026-11-23"))
    after = before.copy()
    after.fold("b", "n", usage("2026-11-23", "2026-11-24"))
    assert set(changes(encode(before), encode(after))) == {"2026-11-23", "2026-11-24", "folded"}


def test_a_period_that_went_is_taken_out() -> None:
    assert changes({"2026-11-24": "x", "folded": ""}, {"folded": ""}) == {"2026-11-24": None}


def test_somebody_s_edit_is_named() -> None:
    with pytest.raises(ValueError, match="2026-11-24"):
        decode({"2026-11-24": "head\nnot,enough"})


def test_old_days_become_months_and_very_old_months_go() -> None:
    ledger = Ledger()
    days = [(TODAY - timedelta(days=back)).isoformat() for back in (0, 20, 100, 1000)]
    ledger.fold("u", "n", usage(*days))
    ledger.compact(TODAY)
    assert sorted(key.period for key in ledger.rows) == ["2026-08", "2026-11-04", "2026-11-24"]


@pytest.mark.parametrize("namespaces", [10, 400])
def test_a_ledger_stays_in_bounds_and_keeps_its_sum(
    monkeypatch: pytest.MonkeyPatch, namespaces: int
) -> None:
    monkeypatch.setattr(module, "BYTES_KEPT", 9_000)
    ledger = Ledger()
    for number in range(namespaces):
        days = [(TODAY - timedelta(days=back)).isoformat() for back in range(40)]
        ledger.fold(f"u{number}", f"n{number}", usage(*days))
    ledger.compact(TODAY)
    assert ledger._bytes() <= 9_000
    assert total(ledger) == 40 * namespaces


def test_a_full_ledger_of_long_names_fits_into_an_object() -> None:
    long = "n" * 63
    ledger = Ledger()
    for number in range(5000):
        key = Key("2026-11-24", f"{long[:58]}{number:05}", long, long, long[:20])
        ledger.rows[key] = Amounts(*[-1234567890.123456789] * 4)
    ledger.compact(TODAY)
    size = sum(len(key) + len(text.encode()) for key, text in encode(ledger).items())
    assert 200_000 < size < module.BYTES_KEPT
