"""What did workloads take that are gone from the hub? A table that outlives them. Pure.

A living workload's usage stands in its own status. When one is deleted, its usage is folded in here
before our finalizer lets it go, and its uid is noted with it: a fold is one write of one object, so
it happened or it did not, and whoever finds the uid here does not fold it again. Once the workload
is gone from the hub its uid can never come back and is forgotten. Usage of everything is therefore
the living statuses, without those noted here, plus this table.

Rows are by period, namespace, queue, site and policy. Days become months when they are old, and
months go when they are very old; when there are too many rows, days become months sooner, and then
the smallest rows of the oldest period become one row of `OTHER`.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, NamedTuple

from tradewind.api.workload import Usage
from tradewind.controller.metering import DAYS_KEPT, Amounts, amounts_of, month_of

#: The ConfigMap in the operator's namespace.
CONFIG_MAP: Final = "tradewind-usage"
#: Months are kept as long as a yearly comparison needs.
MONTHS_KEPT: Final = 25
#: An object may have 1 MiB, and every fold has the hub write it whole.
BYTES_KEPT: Final = 600_000
#: The namespace, queue, site and policy of what was too small to be told apart.
OTHER: Final = "(other)"

#: Four figures and their commas, at most.
_FIGURES_BYTES: Final = 4 * 22

_FOLDED: Final = "folded"
_HEADER: Final = (
    "namespace", "queue", "site", "policy", "acceleratorHours", "energyKWh", "carbonKg", "costUSD",
)  # fmt: skip


class Key(NamedTuple):
    """What a row is about."""

    period: str
    namespace: str
    queue: str
    site: str
    policy: str


@dataclass(slots=True)
class Ledger:
    """The table, and the uids whose workloads may still exist."""

    rows: dict[Key, Amounts] = field(default_factory=dict)
    folded: set[str] = field(default_factory=set)

    def copy(self) -> "Ledger":
        """One to try something on."""
        return Ledger(dict(self.rows), set(self.folded))

    def fold(self, uid: str, namespace: str, usage: Usage) -> bool:
        """Take in a workload's usage; False if it was taken in before."""
        if uid in self.folded:
            return False
        self.folded.add(uid)
        for entry in usage.periods:
            key = Key(entry.period, namespace, entry.queue, entry.site, entry.policy)
            self.rows[key] = self.rows.get(key, Amounts()) + amounts_of(entry)
        return True

    def compact(self, today: date) -> None:
        """Keep to the bounds; sums change only by what is older than `MONTHS_KEPT`."""
        self._drop_before(_months_back(today, MONTHS_KEPT))
        for days in (DAYS_KEPT, 14, 7, 1):
            self._by_month((today - timedelta(days=days)).isoformat())
            if self._bytes() <= BYTES_KEPT:
                return
        while len(self.rows) > 1 and self._bytes() > BYTES_KEPT:
            self._merge_smallest()

    def _bytes(self) -> int:
        return sum(sum(map(len, key[1:])) + _FIGURES_BYTES for key in self.rows)

    def _drop_before(self, month: str) -> None:
        self.rows = {key: row for key, row in self.rows.items() if month_of(key.period) >= month}

    def _by_month(self, first_day: str) -> None:
        for key in [key for key in self.rows if month_of(key.period) < key.period < first_day]:
            self._move(key, key._replace(period=month_of(key.period)))

    def _merge_smallest(self) -> None:
        """Of the period with most rows, the cheaper half becomes one row."""
        sizes = Counter(key.period for key in self.rows)
        period = min(sizes, key=lambda name: (-sizes[name], name))
        keys = sorted(
            (key for key in self.rows if key.period == period),
            key=lambda key: (self.rows[key].cost_usd, key),
        )
        for key in keys[: len(keys) // 2 + 1]:
            self._move(key, Key(period, OTHER, OTHER, OTHER, OTHER))

    def _move(self, key: Key, to: Key) -> None:
        row = self.rows.pop(key)
        self.rows[to] = self.rows.get(to, Amounts()) + row


def encode(ledger: Ledger) -> dict[str, str]:
    """The ConfigMap's data: a CSV for each period, and the noted uids."""
    tables: dict[str, io.StringIO] = {}
    for key in sorted(ledger.rows):
        row = ledger.rows[key]
        text = tables.get(key.period)
        if text is None:
            text = tables[key.period] = io.StringIO()
            csv.writer(text, lineterminator="\n").writerow(_HEADER)
        figures = (row.accelerator_hours, row.energy_kwh, row.carbon_kg, row.cost_usd)
        csv.writer(text, lineterminator="\n").writerow([*key[1:], *figures])
    data = {period: text.getvalue() for period, text in tables.items()}
    return data | {_FOLDED: "\n".join(sorted(ledger.folded))}


def decode(data: Mapping[str, str]) -> Ledger:
    """The table from the ConfigMap's data.

    Raises:
        ValueError: somebody else wrote into it; says into which key.
    """
    ledger = Ledger(folded=set(filter(None, data.get(_FOLDED, "").split("\n"))))
    for period, text in data.items():
        if period == _FOLDED:
            continue
        try:
            # As a stream: names may hold characters that `str.splitlines` takes for line ends.
            rows = csv.reader(io.StringIO(text, newline=""))
            next(rows, None)
            for row in rows:
                namespace, queue, site, policy, *figures = row
                hours, kwh, kilograms, usd = map(float, figures)
                key = Key(period, namespace, queue, site, policy)
                ledger.rows[key] = Amounts(hours, kwh, kilograms, usd)
        except ValueError as error:
            raise ValueError(f"data[{period!r}]: {error}") from error
    return ledger


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """A merge patch of the data: only the keys that differ, None for those that go."""
    changed: dict[str, str | None] = {key: None for key in before if key not in after}
    return changed | {key: text for key, text in after.items() if before.get(key) != text}


def living(uids: Iterable[str], ledger: Ledger) -> set[str]:
    """The workloads whose own statuses count: those that are not folded."""
    return set(uids) - ledger.folded


def _months_back(today: date, months: int) -> str:
    index = today.year * 12 + today.month - 1 - months
    return f"{index // 12:04d}-{index % 12 + 1:02d}"
