"""One poll of one site: every signal, the site's own queries, and the policies' terms.

Blocks, so it runs in a thread. All default queries go in one exchange. When the server refuses that
(two exporters that clash in one signal are enough), each is asked alone, and from then on the
refused ones stay apart, so that one sick signal takes no other along.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tradewind.api.site import PrometheusSpec
from tradewind.telemetry.candidates import ASKED
from tradewind.telemetry.products import class_of
from tradewind.telemetry.prometheus import Prometheus, PrometheusError, Sample
from tradewind.telemetry.queries import FORECASTS, SIGNALS, fill, signal_queries
from tradewind.telemetry.signals import BOUNDS, Reading, derived

#: A refused query is tried again together with the others after so many polls.
RETRY_POLLS: Final = 20
#: The source of what a query of the site's own gave.
OWN: Final = "spec.prometheus.queries"

_BY_CLASS: Final = frozenset(
    {"acceleratorUtilisationByClass", "acceleratorAllocation", "acceleratorHour"}
)


@dataclass(frozen=True, slots=True)
class Polled:
    """What one poll found.

    Attributes:
        readings: of all signals.
        terms: value of each term's query that has one here.
        refused: what the server, or we, did not take, and why.
    """

    readings: list[Reading]
    terms: Mapping[str, float]
    refused: tuple[str, ...] = ()


@dataclass(slots=True)
class Questions:
    """What a site is asked, and what of it its server refused.

    Attributes:
        site: its name.
        spec: its Prometheus.
        terms: queries of the policies' terms that are asked at each site.
    """

    site: str
    spec: PrometheusSpec
    terms: tuple[str, ...] = ()
    _defaults: dict[str, str] = field(default_factory=dict)
    _own: dict[str, str] = field(default_factory=dict)
    _apart: dict[str, Reading] = field(default_factory=dict)
    _polls: int = 0

    def __post_init__(self) -> None:
        own = {name: query for name, query in self.spec.queries.items() if name in SIGNALS}
        self._own = {name: self._filled(query) for name, query in own.items()}
        defaults = signal_queries(name for name in ASKED if name not in own)
        self._defaults = {name: self._filled(query) for name, query in defaults.items()}

    def ask(self, server: Prometheus) -> Polled:
        """Poll.

        Raises:
            PrometheusError: the server gives no answer, or none that can be used.
        """
        self._polls += 1
        if self._polls % RETRY_POLLS == 0:
            self._apart.clear()
        samples = self._asked_together(server)
        readings = [_reading(sample) for sample in samples]
        readings += self._apart.values()
        readings = derived(readings)
        for signal, query in self._own.items():
            readings = [reading for reading in readings if reading.signal != signal]
            readings += _own(server, signal, query)
        refused = [f"{one.signal}: {one.refused}" for one in readings if one.refused]
        refused += [
            f"spec.prometheus.queries.{name} is no signal"
            for name in self.spec.queries
            if name not in SIGNALS and name not in FORECASTS.values()
        ]
        terms, ill = self._asked_terms(server)
        readings = [reading for reading in readings if reading.signal in BOUNDS]
        return Polled(readings, terms, (*refused, *ill))

    def _asked_together(self, server: Prometheus) -> list[Sample]:
        wanted = {name: query for name, query in self._defaults.items() if name not in self._apart}
        try:
            return server.query(*wanted.values())
        except PrometheusError as error:
            if not error.query_refused:
                raise
        samples = []
        for name, query in wanted.items():
            try:
                samples += server.query(query)
            except PrometheusError as error:
                if not error.query_refused:
                    raise
                self._apart[name] = Reading(name, math.nan, refused=error.message[:300])
        return samples

    def _asked_terms(self, server: Prometheus) -> tuple[dict[str, float], list[str]]:
        """Each term alone: a user's PromQL may fail, and says nothing of which term it answers."""
        found, refused = {}, []
        for query in self.terms:
            try:
                samples = server.query(self._filled(query))
            except PrometheusError as error:
                if not error.query_refused:
                    raise
                refused.append(f"term {query[:60]!r}: {error.message[:200]}")
                continue
            value = term_value(samples, self.site)
            if value is not None:
                found[query] = value
        return found, refused

    def _filled(self, query: str) -> str:
        return fill(query, self.spec.matchers, self.site)


def term_value(samples: Iterable[Sample], site: str) -> float | None:
    """The value of a term at a site: of the series with its label `site`, else of the only one.

    None if there is none, several, or one that is no finite number.

    >>> term_value([Sample({"site": "a"}, 1.0), Sample({"site": "b"}, 2.0)], "b")
    2.0
    """
    found = list(samples)
    named = [sample for sample in found if sample.labels.get("site") == site]
    if not named:
        named = [sample for sample in found if "site" not in sample.labels]
    if len(named) != 1 or not math.isfinite(named[0].value):
        return None
    return named[0].value


def _own(server: Prometheus, signal: str, query: str) -> list[Reading]:
    """What the site's own query gave; its key is the label that the default query's has."""
    try:
        samples = server.query(query)
    except PrometheusError as error:
        if not error.query_refused:
            raise
        return [Reading(signal, math.nan, OWN, refused=error.message[:300])]
    label = ASKED[signal].key if signal in ASKED else ""
    return [
        Reading(signal, sample.value, OWN, _key(signal, _label(sample, label)))
        for sample in samples
    ]


def _label(sample: Sample, label: str) -> str:
    """The key of a series: `class` will do for every label that names a product."""
    return sample.labels.get(label) or sample.labels.get("class", "") if label else ""


def _reading(sample: Sample) -> Reading:
    labels = sample.labels
    signal = labels.get("signal", "")
    return Reading(
        signal,
        sample.value,
        labels.get("source", "")[:253],
        _key(signal, labels.get("key", "")),
    )


def _key(signal: str, text: str) -> str:
    return class_of(text) if signal in _BY_CLASS and text else text[:63]
