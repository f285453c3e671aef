"""The policies' own terms: PromQL with a price, evaluated once for all sites where it can be.

A query with `$SITE` or `$M` in it is asked at each site's own Prometheus, with the site's name and
matchers put in. Any other is asked once, at the operator's own Prometheus
(`telemetry.prometheus_url`), and gives each site the series with its name in the label `site`;
where that is not set, each site's own Prometheus is asked.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import Counter

from tradewind.base.aio import Clock
from tradewind.base.errors import AccessRefusedError
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.telemetry.poll import term_value
from tradewind.telemetry.pools import Pools
from tradewind.telemetry.prometheus import Access, Prometheus, PrometheusError, Sample
from tradewind.telemetry.signals import STALE_POLLS

log = get_logger(__name__)

#: All policies together; more would be many requests at each poll.
MAX_TERMS: Final = 64

POLLS = Counter(
    "tradewind_telemetry_term_polls_total",
    "Polls of the operator's own Prometheus for policies' terms, by how they ended.",
    ["result"],
    registry=REGISTRY,
)


def asked_at_sites(queries: Iterable[str], *, central: bool) -> tuple[str, ...]:
    """Those queries that are asked at each site.

    >>> asked_at_sites(["a", 'b{site="$SITE"}', "c{$M}"], central=True)
    ('b{site="$SITE"}', 'c{$M}')
    """
    chosen = sorted(set(queries))[:MAX_TERMS]
    return tuple(query for query in chosen if not central or _of_a_site(query))


def asked_once(queries: Iterable[str]) -> tuple[str, ...]:
    """Those queries that are asked once for all sites."""
    return tuple(query for query in sorted(set(queries))[:MAX_TERMS] if not _of_a_site(query))


def _of_a_site(query: str) -> bool:
    return "$SITE" in query or "$M" in query


class CentralTerms:
    """The terms that the operator's own Prometheus knows for all sites.

    Args:
        access: reads address and credentials as they are now.
        poll_s: between two polls, seconds.
        least_stale_s: values are kept for so long at least when none come.
        allow_loopback: let it be on this machine.
        clock: whose time counts.

    Attributes:
        on_change: told when a value changed; the registry sets it.
    """

    def __init__(
        self,
        access: Callable[[], Access],
        *,
        poll_s: float,
        least_stale_s: float,
        allow_loopback: bool,
        clock: Clock,
    ) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._access = access
        self._poll_s = poll_s
        self._keep_s = max(least_stale_s, STALE_POLLS * poll_s)
        self._allow_loopback = allow_loopback
        self._clock = clock
        self._pools = Pools(1)
        self._queries: tuple[str, ...] = ()
        self._found: dict[str, tuple[float, list[Sample]]] = {}

    def ask(self, queries: Iterable[str]) -> None:
        """The PromQL of all policies' terms."""
        self._queries = asked_once(queries)

    def at(self, site: str) -> Mapping[str, float]:
        """The values at a site, by query; what is not known is absent."""
        found = {query: term_value(samples, site) for query, (_, samples) in self._found.items()}
        return {query: value for query, value in found.items() if value is not None}

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            if self._queries or self._found:
                await self._poll()
            await self._clock.sleep(self._poll_s)

    async def _poll(self) -> None:
        queries, result = self._queries, "Polled"
        found: dict[str, list[Sample]] = {}
        try:
            server = Prometheus(self._access(), allow_loopback=self._allow_loopback)
            try:
                found = await self._pools.run(lambda: _asked(server, queries), slow=False)
            finally:
                server.close()
        except (PrometheusError, AccessRefusedError) as error:
            result = error.reason
            log.warning("policies' terms were not read", reason=result, error=error.message)
        POLLS.labels(result).inc()
        now = self._clock.monotonic()
        before = {query: samples for query, (_, samples) in self._found.items()}
        kept = {
            query: (at, samples)
            for query, (at, samples) in self._found.items()
            if query in queries and result != "Polled" and now - at < self._keep_s
        }
        self._found = kept | {query: (now, samples) for query, samples in found.items()}
        if before != {query: samples for query, (_, samples) in self._found.items()}:
            self.on_change()


def _asked(server: Prometheus, queries: Iterable[str]) -> dict[str, list[Sample]]:
    """Each alone: one that the server refuses takes no other along."""
    found = {}
    for query in queries:
        try:
            found[query] = server.query(query)
        except PrometheusError as error:
            if not error.query_refused:
                raise
            log.warning("policy's term was refused", query=query[:200], error=error.message)
    return found
