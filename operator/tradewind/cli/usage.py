"""`tradewind usage`: who took how much, for showback.

Living workloads tell by their statuses, deleted ones by the ledger (`controller/ledger.py`); what
is in the ledger while its workload is being deleted counts once. Usage is told by UTC days: the
days from `--since` ago until now.
"""

import calendar
import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from tradewind.api.workload import AIWorkload
from tradewind.base.aio import SystemClock
from tradewind.base.errors import ApiError, ConfigurationError
from tradewind.cli import answer, hub
from tradewind.cli.ask import Ask, Output
from tradewind.cli.scales import Form, UsageBy
from tradewind.cli.view import Cell, Column, Table, Tone
from tradewind.controller.ledger import CONFIG_MAP, Ledger, decode
from tradewind.controller.metering import Amounts, amounts_of


class Entry(NamedTuple):
    """What one account took in one period."""

    period: str
    namespace: str
    workload: str
    queue: str
    site: str
    policy: str
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Report:
    """Usage by one thing.

    Args:
        by: the thing.
        first: UTC day from which it is counted.
        last: UTC day until which it is counted.
        rows: by name, the dearest first.
        notes: what the reader should know of its exactness.
    """

    by: UsageBy
    first: date
    last: date
    rows: Mapping[str, Amounts]
    notes: Sequence[str]


#: What stands where an entry has no queue, or where a deleted workload had a name.
NONE: Final = "(none)"
DELETED: Final = "(deleted)"

_WORTH_TELLING_H: Final = 0.1
_FIELDS: Final = ("acceleratorHours", "energyKWh", "carbonKg", "costUSD")


def show(ask: Ask, by: UsageBy, since_s: float, form: Form | None, operator_namespace: str) -> None:
    """Run the command.

    Raises:
        ConfigurationError: the ledger cannot be read.
    """
    now = SystemClock().now()
    # Not the context's namespace: a bill is the federation's, unless one is asked for by name.
    namespace = None if ask.all_namespaces else ask.namespace

    async def work(there: hub.Hub) -> Report:
        items = await there.list(hub.WORKLOADS, namespace)
        ledger, notes = await read_ledger(there, operator_namespace)
        workloads = [AIWorkload.model_validate(item) for item in items]
        entries = entries_of(workloads, ledger, namespace)
        return report(entries, by, since_s, now, [*notes, *doubts(workloads)])

    _write(hub.on_hub(ask, work), form or Form(ask.form.value))


async def read_ledger(there: hub.Hub, namespace: str) -> tuple[Ledger, list[str]]:
    """The ledger, and a note when it could not be looked at.

    Raises:
        ConfigurationError: somebody wrote into it what is none.
    """
    path = f"/api/v1/namespaces/{namespace}/configmaps/{CONFIG_MAP}"
    try:
        data = msgspec.json.decode(await there.session.get(path)).get("data") or {}
    except ApiError as error:
        if error.not_found:
            return Ledger(), []
        if error.status != 403:  # noqa: PLR2004 - Forbidden
            raise
        return Ledger(), [f"deleted workloads are missing: {error.message}"]
    try:
        return decode(data), []
    except ValueError as error:
        raise ConfigurationError(
            f"ConfigMap {namespace}/{CONFIG_MAP}: {error}",
            hint="mend that key, or restart the operator, which puts aside what it cannot read",
        ) from error


def entries_of(
    workloads: Iterable[AIWorkload], ledger: Ledger, namespace: str | None = None
) -> list[Entry]:
    """Every entry of the living and of the deleted; None: of every namespace."""
    found = []
    for workload in workloads:
        metadata, usage = workload.metadata, workload.status.usage if workload.status else None
        if usage is None or metadata.uid in ledger.folded:
            continue
        name = f"{metadata.namespace}/{metadata.name}"
        found += [
            Entry(e.period, metadata.namespace, name, e.queue, e.site, e.policy, amounts_of(e))
            for e in usage.periods
        ]
    for key, amounts in ledger.rows.items():
        if namespace in (None, key.namespace):
            name = f"{key.namespace}/{DELETED}"
            found.append(
                Entry(key.period, key.namespace, name, key.queue, key.site, key.policy, amounts)
            )
    return found


def doubts(workloads: Iterable[AIWorkload]) -> list[str]:
    """What of the living workloads' usage rests on fallbacks, or was not watched."""
    inputs: Counter[str] = Counter()
    unwatched_h = 0.0
    for workload in workloads:
        usage = workload.status.usage if workload.status else None
        if usage is not None:
            inputs.update(usage.assumed_inputs)
            unwatched_h += usage.estimated_hours
    notes = []
    if inputs:
        told = ", ".join(f"{name} ({count})" for name, count in sorted(inputs.items()))
        notes.append(f"workloads charged at a fallback at some time, by input: {told}")
    if unwatched_h >= _WORTH_TELLING_H:
        notes.append(f"{unwatched_h:,.1f} hours of running were charged afterwards: nobody watched")
    return notes


def report(
    entries: Iterable[Entry], by: UsageBy, since_s: float, now: datetime, notes: Sequence[str] = ()
) -> Report:
    """Sum the entries of the days from `since_s` ago until now.

    A month that is told as a whole counts as a whole when any day of it does, and a note says so.
    """
    last = now.astimezone(UTC).date()
    # A span longer than the calendar means everything.
    first = last - timedelta(seconds=min(since_s, (last - date.min).total_seconds()))
    sums: dict[str, Amounts] = {}
    whole: set[str] = set()
    for entry in entries:
        begins, ends = bounds(entry.period)
        if ends < first:
            continue
        if begins < first:
            whole.add(entry.period)
        name = getattr(entry, by.value) or NONE
        sums[name] = sums.get(name, Amounts()) + entry.amounts
    ordered = sorted(sums.items(), key=lambda row: (-row[1].cost_usd, row[0]))
    told = [f"{month} is told as a whole month, from its first day" for month in sorted(whole)]
    return Report(by, first, last, dict(ordered), [*notes, *told])


def bounds(period: str) -> tuple[date, date]:
    """The first and the last day of a period.

    >>> bounds("2026-02")
    (datetime.date(2026, 2, 1), datetime.date(2026, 2, 28))
    """
    if period.count("-") > 1:
        day = date.fromisoformat(period)
        return day, day
    year, month = map(int, period.split("-"))
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def table(shown: Report) -> Table:
    """The report for people, with a last row for all."""
    columns = (
        Column(shown.by.value.upper()),
        Column("ACCELERATOR-H", right=True),
        Column("kWh", right=True),
        Column("kg CO2e", right=True),
        Column("USD", right=True),
        Column("gCO2e/kWh", right=True),
        Column("USD/ACCELERATOR-H", wide=True, right=True),
        Column("SHARE", right=True),
    )
    days = f"{shown.first} to {shown.last}"
    made = Table(columns, empty=f"no usage from {days}")
    total = sum(shown.rows.values(), Amounts())
    for name, amounts in shown.rows.items():
        made.rows.append([name, *_cells(amounts, total)])
    if len(shown.rows) > 1:
        made.rows.append([Cell("all", Tone.STRONG), *_cells(total, total)])
    return made


def _cells(amounts: Amounts, total: Amounts) -> list[str]:
    share = amounts.cost_usd / total.cost_usd if total.cost_usd > 0 else None
    clean = amounts.carbon_kg * 1000 / amounts.energy_kwh if amounts.energy_kwh > 0 else None
    hours = amounts.accelerator_hours
    return [
        f"{hours:,.2f}",
        f"{amounts.energy_kwh:,.2f}",
        f"{amounts.carbon_kg:,.2f}",
        f"{amounts.cost_usd:,.2f}",
        "-" if clean is None else f"{clean:.0f}",
        f"{amounts.cost_usd / hours:.2f}" if hours > 0 else "-",
        "-" if share is None else f"{share:.0%}",
    ]


def document(shown: Report) -> dict[str, Any]:
    """The report for programs."""
    total = sum(shown.rows.values(), Amounts())
    return {
        "by": shown.by.value,
        "from": shown.first.isoformat(),
        "to": shown.last.isoformat(),
        "items": [{"name": name, **_named(amounts)} for name, amounts in shown.rows.items()],
        "total": _named(total),
        "notes": list(shown.notes),
    }


def as_csv(shown: Report) -> str:
    """The report for spreadsheets: a header, a row each, no row for all."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([shown.by.value, *_FIELDS])
    for name, amounts in shown.rows.items():
        rows.writerow([name, *_named(amounts).values()])
    return text.getvalue()


def _named(amounts: Amounts) -> dict[str, float]:
    figures = (
        amounts.accelerator_hours, amounts.energy_kwh, amounts.carbon_kg, amounts.cost_usd,
    )  # fmt: skip
    return {name: round(value, 6) for name, value in zip(_FIELDS, figures, strict=True)}


def _write(shown: Report, form: Form) -> None:
    if form is Form.CSV:
        sys.stdout.write(as_csv(shown))
    elif form in (Form.JSON, Form.YAML):
        answer.document(document(shown), Output(form.value))
    else:
        answer.table(table(shown), Output(form.value))
    sys.stdout.flush()
    if form not in (Form.JSON, Form.YAML):
        for text in shown.notes:
            answer.note(text)
