"""Who took how much: the living and the deleted, by day, each once."""

import json
from datetime import date
from typing import Any

import pytest
from tests.unit.cli import objects

from tradewind.api.workload import AIWorkload
from tradewind.base.errors import ApiError, ConfigurationError
from tradewind.cli import usage
from tradewind.cli.scales import UsageBy
from tradewind.cli.usage import Entry, as_csv, bounds, document, entries_of, report, table
from tradewind.controller.ledger import Key, Ledger, encode
from tradewind.controller.metering import Amounts

DAY_S = 86_400.0


def workload(
    name: str, *periods: tuple[str, str, float], namespace: str = "research", queue: str = "q"
) -> AIWorkload:
    """A workload with usage: (period, site, USD); an accelerator hour and 2 kWh a dollar."""
    found = objects.training()
    found["metadata"] |= {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    found["status"]["usage"] = {
        "periods": [
            {"period": period, "site": site, "queue": queue, "policy": "balanced",
             "acceleratorHours": usd, "energyKWh": 2 * usd, "carbonKg": usd, "costUSD": usd}
            for period, site, usd in periods
        ]
    }  # fmt: skip
    return AIWorkload.model_validate(found)


def deleted(*rows: tuple[str, str, float], folded: set[str] | None = None) -> Ledger:
    """A ledger: (period, namespace, USD)."""
    return Ledger(
        {
            Key(period, namespace, "q", "paris", "balanced"): Amounts(usd, 2 * usd, usd, usd)
            for period, namespace, usd in rows
        },
        folded or set(),
    )


LIVING = [
    workload("a", ("2026-11-23", "ulanqab", 30), ("2026-11-24", "paris", 10)),
    workload("b", ("2026-11-24", "paris", 20), namespace="serving", queue=""),
]


def usd(by: UsageBy, entries: list[Entry], days: float = 30) -> dict[str, float]:
    shown = report(entries, by, days * DAY_S, objects.NOW)
    return {name: amounts.cost_usd for name, amounts in shown.rows.items()}


@pytest.mark.parametrize(
    ("by", "want"),
    [
        (UsageBy.NAMESPACE, {"research": 45.0, "serving": 20.0}),
        (UsageBy.QUEUE, {"q": 45.0, "(none)": 20.0}),
        (UsageBy.SITE, {"paris": 35.0, "ulanqab": 30.0}),
        (UsageBy.POLICY, {"balanced": 65.0}),
        (UsageBy.WORKLOAD, {"research/a": 40.0, "serving/b": 20.0, "research/(deleted)": 5.0}),
    ],
)
def test_usage_is_summed_over_the_living_and_the_deleted_the_dearest_first(
    by: UsageBy, want: dict[str, float]
) -> None:
    got = usd(by, entries_of(LIVING, deleted(("2026-11-20", "research", 5))))
    assert list(got.items()) == list(want.items())


def test_a_workload_that_is_being_deleted_counts_once() -> None:
    ledger = deleted(("2026-11-24", "serving", 20), folded={"uid-b"})
    assert usd(UsageBy.NAMESPACE, entries_of(LIVING, ledger)) == {"research": 40, "serving": 20}


def test_one_namespace_may_be_asked_for() -> None:
    ledger = deleted(("2026-11-24", "serving", 1), ("2026-11-24", "research", 2))
    assert usd(UsageBy.WORKLOAD, entries_of(LIVING[1:], ledger, "serving")) == {
        "serving/b": 20,
        "serving/(deleted)": 1,
    }


@pytest.mark.parametrize(("days", "want"), [(0, 30.0), (1, 60.0), (1e9, 60.0)])
def test_whole_days_are_counted_back_to_since(days: float, want: float) -> None:
    assert sum(usd(UsageBy.POLICY, entries_of(LIVING, Ledger()), days).values()) == want


def test_a_month_is_counted_whole_and_a_note_says_so() -> None:
    entries = entries_of([], deleted(("2026-10", "research", 9), ("2026-09", "research", 7)))
    shown = report(entries, UsageBy.NAMESPACE, 30 * DAY_S, objects.NOW)
    assert shown.rows["research"].cost_usd == 9
    assert shown.notes == ["2026-10 is told as a whole month, from its first day"]


def test_what_rests_on_fallbacks_or_was_not_watched_is_told() -> None:
    first, second = objects.training(), objects.training()
    first["status"]["usage"] = {"assumedInputs": ["pue", "cpuHour"], "estimatedHours": 1.25}
    second["status"]["usage"] = {"assumedInputs": ["pue"], "estimatedHours": 0.75}
    assert usage.doubts(map(AIWorkload.model_validate, [first, second])) == [
        "workloads charged at a fallback at some time, by input: cpuHour (1), pue (2)",
        "2.0 hours of running were charged afterwards: nobody watched",
    ]
    assert usage.doubts(LIVING) == []


def test_a_leap_month_has_its_last_day() -> None:
    assert bounds("2028-02") == (date(2028, 2, 1), date(2028, 2, 29))


def test_the_table_tells_intensity_and_share_and_the_whole() -> None:
    shown = report(entries_of(LIVING, Ledger()), UsageBy.NAMESPACE, DAY_S, objects.NOW)
    lines = [line.split() for line in table(shown).plain().splitlines()]
    assert lines == [
        ["NAMESPACE", "ACCELERATOR-H", "kWh", "kg", "CO2e", "USD", "gCO2e/kWh", "SHARE"],
        ["research", "40.00", "80.00", "40.00", "40.00", "500", "67%"],
        ["serving", "20.00", "40.00", "20.00", "20.00", "500", "33%"],
        ["all", "60.00", "120.00", "60.00", "60.00", "500", "100%"],
    ]
    assert max(map(len, table(shown).plain().splitlines())) <= 120


def test_no_usage_is_said_with_the_days() -> None:
    shown = report([], UsageBy.QUEUE, 30 * DAY_S, objects.NOW)
    assert table(shown).plain() == "no usage from 2026-10-25 to 2026-11-24"


def test_programs_get_numbers_and_a_sum() -> None:
    shown = report(entries_of(LIVING, Ledger()), UsageBy.QUEUE, DAY_S, objects.NOW)
    told = json.loads(json.dumps(document(shown)))
    assert (told["by"], told["from"], told["to"]) == ("queue", "2026-11-23", "2026-11-24")
    assert told["items"][0] == {
        "name": "q", "acceleratorHours": 40, "energyKWh": 80, "carbonKg": 40, "costUSD": 40,
    }  # fmt: skip
    assert told["total"]["costUSD"] == 60


def test_spreadsheets_get_a_header_and_a_line_each() -> None:
    shown = report(entries_of(LIVING, Ledger()), UsageBy.SITE, DAY_S, objects.NOW)
    assert as_csv(shown).splitlines() == [
        "site,acceleratorHours,energyKWh,carbonKg,costUSD",
        "paris,30.0,60.0,30.0,30.0",
        "ulanqab,30.0,60.0,30.0,30.0",
    ]


class Session:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def get(self, path: str) -> bytes:
        assert path == "/api/v1/namespaces/here/configmaps/tradewind-usage"
        if isinstance(self.answer, Exception):
            raise self.answer
        return json.dumps(self.answer).encode()


class There:
    def __init__(self, answer: Any) -> None:
        self.session = Session(answer)


async def test_the_ledger_is_read_as_the_operator_wrote_it() -> None:
    made = deleted(("2026-11-20", "research", 5), folded={"u"})
    got, notes = await usage.read_ledger(There({"data": encode(made)}), "here")  # type: ignore[arg-type]
    assert (got, notes) == (made, [])


async def test_no_ledger_yet_is_an_empty_one() -> None:
    got, notes = await usage.read_ledger(There(ApiError(404, "NotFound", "")), "here")  # type: ignore[arg-type]
    assert (got, notes) == (Ledger(), [])


async def test_without_rights_the_reader_is_told_what_is_missing() -> None:
    there = There(ApiError(403, "Forbidden", "may not get configmaps"))
    got, notes = await usage.read_ledger(there, "here")  # type: ignore[arg-type]
    assert got == Ledger()
    assert "deleted workloads are missing: " in notes[0]


async def test_a_ledger_that_somebody_broke_is_named() -> None:
    there = There({"data": {"2026-11-24": "h\nbroken"}})
    with pytest.raises(ConfigurationError, match="here/tradewind-usage"):
        await usage.read_ledger(there, "here")  # type: ignore[arg-type]
