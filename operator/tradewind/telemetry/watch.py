"""One site's Prometheus, watched: polled for signals, and asked now and then for forecasts.

Two loops beside each other, each with a connection of its own, so that a long range query delays no
poll. What they find stands in the attributes; whoever made the watch is told of each change.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from prometheus_client import Counter

from tradewind.api.fields import ConditionStatus
from tradewind.api.site import PrometheusSpec, SignalState, SiteSignals
from tradewind.base.aio import Clock
from tradewind.base.errors import AccessRefusedError, TradewindError
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.telemetry.credentials import SecretReader, access_of
from tradewind.telemetry.damping import Damper
from tradewind.telemetry.forecast import MEMORY
from tradewind.telemetry.foresight import Foresight
from tradewind.telemetry.outlook import SignalForecast
from tradewind.telemetry.poll import Polled, Questions
from tradewind.telemetry.pools import Pools
from tradewind.telemetry.prometheus import Access, Prometheus, PrometheusError
from tradewind.telemetry.queries import FORECASTS
from tradewind.telemetry.signals import FIELDS, LEAST_STALE_S, STALE_POLLS, merge, missing

log = get_logger(__name__)

POLLS = Counter(
    "tradewind_telemetry_polls_total",
    "Polls of sites' Prometheus servers, by how they ended.",
    ["site", "result"],
    registry=REGISTRY,
)

#: Status, reason and message of a condition.
Told = tuple[ConditionStatus, str, str]

#: The least that passes between the end of a poll and the next, seconds.
_LEAST_PAUSE_S = 0.1
#: Reasons for which the next poll waits among the slow.
_SLOW = frozenset({"Timeout"})
#: What a condition lists of what is ill.
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Options:
    """How telemetry works, see docs/configuration.md.

    Attributes:
        threads: calls to sites' servers at once.
        least_stale_s: a signal that does not come is Stale for so long at least.
        step_s: length of a forecast's step; a day has 24 of them.
        memory: steps of history that are asked for; 0: none.
        first_forecast_s: the first forecast is made by then, when polls have said whom to ask.
        forecast_spread_s: so much later for each site that came before.
    """

    threads: int = 32
    least_stale_s: float = LEAST_STALE_S
    step_s: float = 3600.0
    memory: int = MEMORY
    first_forecast_s: float = 10.0
    forecast_spread_s: float = 0.25

    def after(self, sites: int) -> "Options":
        """The same for a site that comes after so many others.

        All come at once when an operator starts, and the first forecasts of each take a tenth of a
        second of CPU.
        """
        later_s = self.first_forecast_s + sites * self.forecast_spread_s
        return replace(self, first_forecast_s=later_s)


class SiteWatch:
    """What a site's Prometheus says.

    Args:
        name: of the site.
        spec: its Prometheus.
        read_secret: for credentials and CA bundles.
        allow_loopback: let it be on this machine.
        pools: the threads.
        options: see there.
        clock: whose time counts.
        on_change: told when one of the attributes has changed.

    Attributes:
        signals: as measured.
        told: the condition TelemetryCurrent.
        forecasts: by signal.
        terms: values of the policies' terms that are asked here, by query.
    """

    def __init__(
        self,
        name: str,
        spec: PrometheusSpec,
        *,
        read_secret: SecretReader,
        allow_loopback: bool,
        pools: Pools,
        options: Options,
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        self.spec = spec
        self.signals = SiteSignals()
        self.told: Told = ("Unknown", "NotPolled", "waits for the first answer")
        self.forecasts: Mapping[str, SignalForecast] = {}
        self.terms: Mapping[str, float] = {}
        self._name = name
        self._read_secret = read_secret
        self._allow_loopback = allow_loopback
        self._pools = pools
        self._options = options
        self._clock = clock
        self._on_change = on_change
        self._questions = Questions(name, spec)
        self._damper = Damper()
        self._slow = False
        self._terms_at = 0.0

    def ask_terms(self, queries: tuple[str, ...]) -> None:
        """Which of the policies' terms are asked at this site."""
        self._questions.terms = queries
        self.terms = {query: value for query, value in self.terms.items() if query in queries}

    async def poll_for_ever(self) -> None:
        """Poll until cancelled."""
        # Many sites that come at once are not asked at once, for ever after.
        spread_s = min(1.0, self.spec.poll_interval) * random.random()  # noqa: S311 - spreads load
        await self._clock.sleep(spread_s)
        line = _Connection(self._allow_loopback)
        try:
            while True:
                started = self._clock.monotonic()
                await self._poll(line)
                spent_s = self._clock.monotonic() - started
                await self._clock.sleep(max(_LEAST_PAUSE_S, self.spec.poll_interval - spent_s))
        finally:
            line.close()

    async def forecast_for_ever(self) -> None:
        """Renew the forecasts once a step, the shortest of theirs and ours, until cancelled.

        While some are missing it is tried again sooner, after twice as long each time: a server
        that is away when the operator starts costs no hour of forecasts.
        """
        step_s = self._options.step_s
        foresight = Foresight(self._name, self.spec, step_s, self._options.memory)
        wait_s = again_s = first_s = min(step_s, self._options.first_forecast_s)
        while True:
            await self._clock.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load
            if await self._forecast(foresight):
                wait_s = min([step_s, *(told.step_s for told in self.forecasts.values())])
                again_s = first_s
            else:
                wait_s, again_s = again_s, min(step_s, 2 * again_s)
            wait_s = max(self.spec.poll_interval, wait_s)

    async def _poll(self, line: "_Connection") -> None:
        answer, told = await self._ask(line)
        polled = answer or Polled([], {})
        POLLS.labels(self._name, told[1]).inc()
        self._slow = told[1] in _SLOW
        signals = merge(
            self.signals,
            self._damper.calm(polled.readings),
            self._clock.now().replace(microsecond=0),
            poll_s=self.spec.poll_interval,
            least_stale_s=self._options.least_stale_s,
        )
        told = _condition(told, signals, polled)
        terms = self._kept_terms(answer)
        if signals is not self.signals or told != self.told or terms != self.terms:
            self.signals, self.told, self.terms = signals, told, terms
            self._on_change()

    async def _ask(self, line: "_Connection") -> tuple[Polled | None, Told]:
        try:
            server = line.to(await access_of(self.spec, self._read_secret))
            polled = await self._pools.run(lambda: self._questions.ask(server), slow=self._slow)
        except (PrometheusError, AccessRefusedError) as error:
            return None, ("False", error.reason, error.message)
        except TradewindError as error:
            return None, ("False", "SecretNotRead", error.message)
        if not polled.readings and not polled.terms:
            text = "it answers, but knows no signal of this site"
            return polled, ("False", "NoSignals", text)
        return polled, ("True", "Polled", "")

    def _kept_terms(self, answer: Polled | None) -> Mapping[str, float]:
        """The terms' values; those of the last answer for a while when none came."""
        now = self._clock.monotonic()
        if answer is not None:
            self._terms_at = now
            return answer.terms
        limit_s = max(self._options.least_stale_s, STALE_POLLS * self.spec.poll_interval)
        return self.terms if now - self._terms_at < limit_s else {}

    async def _forecast(self, foresight: Foresight) -> bool:
        """Renew the forecasts; whether each signal that is known now has one."""
        sources = self._current_sources()
        now = self._clock.now()
        line = _Connection(self._allow_loopback)
        try:
            server = line.to(await access_of(self.spec, self._read_secret))
            found = await self._pools.run(
                lambda: foresight.look(server, sources, now), slow=self._slow
            )
        except TradewindError as error:
            # The last one holds: its steps carry their times, and those that are over count not.
            log.info("forecast was not renewed", site=self._name, error=error.message)
            return False
        finally:
            line.close()
        if found != self.forecasts:
            self.forecasts = found
            self._on_change()
        return bool(found) and found.keys() >= sources.keys()

    def _current_sources(self) -> dict[str, str]:
        signals = {name: getattr(self.signals, FIELDS[name]) for name in FORECASTS}
        return {
            name: signal.source
            for name, signal in signals.items()
            if signal is not None and signal.state is SignalState.CURRENT
        }


class _Connection:
    """A connection that is kept as long as address and credentials stay what they are."""

    def __init__(self, allow_loopback: bool) -> None:  # noqa: FBT001 - its one argument
        self._allow_loopback = allow_loopback
        self._access: Access | None = None
        self._server: Prometheus | None = None

    def to(self, access: Access) -> Prometheus:
        """The server; a new connection if the credentials were rotated.

        Raises:
            AccessRefusedError: it may not be asked, or its CA bundle is none.
        """
        if self._server is None or access != self._access:
            self.close()
            self._server = Prometheus(access, allow_loopback=self._allow_loopback)
            self._access = access
        return self._server

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def _condition(told: Told, signals: SiteSignals, polled: Polled) -> Told:
    """How the poll ended; when well, whether all that was ever known still is."""
    ill = [*missing(signals), *polled.refused]
    if told[0] != "True" or not ill:
        return told
    more = f"; and {len(ill) - _LISTED} more" if len(ill) > _LISTED else ""
    return "False", "SignalsNotCurrent", "; ".join(ill[:_LISTED]) + more
