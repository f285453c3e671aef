"""What is asked of a site's Prometheus: one query for all signals, each with its source.

The series of the answer carry the labels `signal`, `source` and, for signals of several values,
`key`. Which exporters are asked: `candidates.py`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final

from tradewind.telemetry.candidates import ASKED, LOAD, Asked

#: Where a server takes no POST, so many characters go into one address: proxies refuse longer ones.
ADDRESS_CHARS: Final = 5000

#: Signals that are asked for or derived; their queries may be replaced in `spec.prometheus`.
SIGNALS: Final = frozenset(ASKED) | {"load"}
#: Forecast series, by the signal that they foretell.
FORECASTS: Final[Mapping[str, str]] = {
    "carbonIntensity": "carbonForecast",
    "pricePerMWh": "priceForecast",
    "load": "loadForecast",
}


@lru_cache(maxsize=4096)
def signal_query(signal: str) -> str:
    """The query of one signal, every candidate in it, not yet filled."""
    return _whole(signal, ASKED[signal])


def signal_queries(signals: Iterable[str]) -> dict[str, str]:
    """The queries of some signals."""
    return {signal: signal_query(signal) for signal in signals}


def joined(queries: Collection[str], limit: int | None = None) -> list[str]:
    """Some queries as one, or as few as do not exceed so many characters each.

    >>> joined(["a", "b", "c"], limit=6)
    ['a or b', 'c']
    """
    batches: list[str] = []
    for query in queries:
        longer = f"{batches[-1]} or {query}" if batches else ""
        if longer and (limit is None or len(longer) <= limit):
            batches[-1] = longer
        else:
            batches.append(query)
    return batches


def tagged(query: str, signal: str, source: str, key: str = "") -> str:
    """A query whose series say which signal they are of."""
    if key:
        query = f'label_replace({query}, "key", "$1", "{key}", "(.*)")'
    named = f'label_replace({query}, "signal", "{signal}", "", "")'
    return f'label_replace({named}, "source", "{source}", "", "")'


def history_query(signal: str) -> tuple[tuple[str, str], ...]:
    """The candidates of a signal that is forecast, for a range query of its past."""
    return (("node_exporter", LOAD),) if signal == "load" else ASKED[signal].candidates


def fill(query: str, matchers: Mapping[str, str], site: str) -> str:
    r"""Put a site's matchers and name into a query.

    >>> fill('avg(x{$M})', {"cluster": 'a"b'}, "s")
    'avg(x{cluster="a\\"b"})'
    """
    text = ",".join(f'{name}="{_escape(value)}"' for name, value in sorted(matchers.items()))
    values = {"$M": text, "$SITE": _escape(site)}
    # In one go: what a matcher's value holds is no place to fill.
    return re.sub(r"\$(?:M|SITE)\b", lambda found: values[found[0]], query)


def _whole(signal: str, asked: Asked) -> str:
    parts = [tagged(query, signal, source, asked.key) for source, query in asked.candidates]
    # Each region has its own best prober; of other signals one source is taken whole.
    apart = "key" if asked.key == "region" else ""
    between = " or " if asked.together else f" or on ({apart}) "
    return "(" + between.join(parts) + ")"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
