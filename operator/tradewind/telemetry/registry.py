"""Which sites' signals are polled: a task for each site with a Prometheus, from coming to going.

A server that hangs holds one thread of a bounded pool for five seconds at a time, and delays no
other site: the pool has room for more than the few that can hang at once, and what cannot be polled
goes Stale, then Unknown, by the clock.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from prometheus_client import Counter

from tradewind.api.fields import ConditionStatus
from tradewind.api.site import ComputeSite, PrometheusSpec, SecretKeyRef, SiteSignals
from tradewind.base.aio import Clock, cancel_and_wait, supervise
from tradewind.base.errors import AccessRefusedError, TradewindError
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.telemetry.prometheus import Prometheus, PrometheusError
from tradewind.telemetry.queries import combined_query, fill
from tradewind.telemetry.signals import Reading, merge

log = get_logger(__name__)

POLLS = Counter(
    "tradewind_telemetry_polls_total",
    "Polls of sites' Prometheus servers, by how they ended.",
    ["site", "result"],
    registry=REGISTRY,
)

#: Reads a Secret of the hub: namespace and name to its data, or None.
SecretReader = Callable[[str, str], Awaitable[Mapping[str, bytes] | None]]
Told = tuple[ConditionStatus, str, str]

_THREADS = 16
_NOTHING = SiteSignals()


@dataclass(slots=True)
class _Polled:
    spec: PrometheusSpec | None
    task: asyncio.Task[None] | None = None
    signals: SiteSignals = field(default_factory=lambda: _NOTHING)
    told: Told | None = None


class TelemetryRegistry:
    """The polled sites.

    Args:
        read_secret: for credentials and CA bundles.
        allow_loopback: let a Prometheus be on this machine.
        on_signals: told of a site whose signals or condition changed.
        clock: whose time counts.
    """

    def __init__(
        self,
        *,
        read_secret: SecretReader,
        allow_loopback: bool,
        on_signals: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._read_secret = read_secret
        self._allow_loopback = allow_loopback
        self._on_signals = on_signals
        self._clock = clock
        self._sites: dict[str, _Polled] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="prometheus")

    def signals(self, name: str) -> SiteSignals:
        """What was last polled; the same object until something changes."""
        polled = self._sites.get(name)
        return polled.signals if polled else _NOTHING

    def condition(self, name: str) -> Told | None:
        """Status, reason and message of TelemetryCurrent; None for a site without a Prometheus."""
        polled = self._sites.get(name)
        return polled.told if polled else None

    def sync(self, site: ComputeSite) -> None:
        """Begin with a site, or take over how its Prometheus changed."""
        name, spec = site.metadata.name, site.spec.prometheus
        known = self._sites.get(name)
        if known is not None and known.spec == spec:
            return
        self.drop(name)
        polled = self._sites[name] = _Polled(spec)
        if spec is not None:
            polled.told = ("Unknown", "NotPolled", "waits for the first answer")
            polled.task = asyncio.create_task(
                supervise(
                    f"telemetry/{name}", lambda: self._poll(name, polled, spec), clock=self._clock
                )
            )

    def drop(self, name: str) -> None:
        """Forget a site."""
        polled = self._sites.pop(name, None)
        if polled is not None and polled.task is not None:
            polled.task.cancel()

    async def close(self) -> None:
        """Stop polling."""
        tasks = [polled.task for polled in self._sites.values() if polled.task is not None]
        self._sites.clear()
        await cancel_and_wait(*tasks)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _poll(self, name: str, polled: _Polled, spec: PrometheusSpec) -> None:
        # Many sites that come at once are not asked at once, for ever after.
        spread_s = min(1.0, spec.poll_interval) * random.random()  # noqa: S311 - spreads load
        await self._clock.sleep(spread_s)
        while True:
            started = self._clock.monotonic()
            readings, told = await self._ask(name, spec)
            signals = merge(
                polled.signals,
                readings,
                self._clock.now().replace(microsecond=0),
                poll_s=spec.poll_interval,
            )
            POLLS.labels(name, told[1]).inc()
            if signals is not polled.signals or told != polled.told:
                polled.signals, polled.told = signals, told
                self._on_signals(name)
            spent = self._clock.monotonic() - started
            await self._clock.sleep(max(0.1, spec.poll_interval - spent))

    async def _ask(self, name: str, spec: PrometheusSpec) -> tuple[list[Reading], Told]:
        try:
            server = await self._connect(spec)
            loop = asyncio.get_running_loop()
            readings = await loop.run_in_executor(self._threads, _query, server, spec, name)
        except (PrometheusError, AccessRefusedError) as error:
            return [], ("False", error.reason, error.message)
        except TradewindError as error:
            return [], ("False", "SecretNotRead", error.message)
        if not readings:
            return [], ("False", "NoSignals", "it answers, but knows no signal of this site")
        return readings, ("True", "Polled", "")

    async def _connect(self, spec: PrometheusSpec) -> Prometheus:
        """A connection with credentials as they are now: Secrets are rotated."""
        headers, auth = {}, None
        if spec.auth is not None and spec.auth.bearer_token_secret_ref is not None:
            ref = spec.auth.bearer_token_secret_ref
            headers["Authorization"] = f"Bearer {_checked_token(await self._secret(ref), ref)}"
        elif spec.auth is not None and spec.auth.basic_auth_secret_ref is not None:
            basic = spec.auth.basic_auth_secret_ref
            where = {"namespace": basic.namespace, "name": basic.name}
            auth = (
                await self._secret(SecretKeyRef(**where, key=basic.username_key)),
                await self._secret(SecretKeyRef(**where, key=basic.password_key)),
            )
        ca_pem = ""
        if spec.ca_bundle_secret_ref is not None:
            ca_pem = await self._secret(spec.ca_bundle_secret_ref)
        return Prometheus(
            spec.url,
            headers=headers,
            auth=auth,
            ca_pem=ca_pem,
            allow_loopback=self._allow_loopback,
        )

    async def _secret(self, ref: SecretKeyRef) -> str:
        data = await self._read_secret(ref.namespace, ref.name)
        value = (data or {}).get(ref.key)
        if value is None:
            raise AccessRefusedError(
                f"Secret {ref.namespace}/{ref.name} has no key {ref.key}",
                reason="SecretKeyNotFound",
                hint="make the Secret, or name another one in spec.prometheus",
            )
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise AccessRefusedError(
                f"Secret {ref.namespace}/{ref.name}: the key {ref.key} is not UTF-8 text",
                reason="SecretNotText",
                hint="put the text itself under that key",
            ) from error


def _checked_token(text: str, ref: SecretKeyRef) -> str:
    """A bearer token; what fits in no header is refused here, since requests would quote it."""
    token = text.strip()
    if not (token.isascii() and token.isprintable()):
        raise AccessRefusedError(
            f"Secret {ref.namespace}/{ref.name}: the key {ref.key} is no bearer token",
            reason="MalformedToken",
            hint="put one token in one line under that key",
        )
    return token


def _query(server: Prometheus, spec: PrometheusSpec, name: str) -> list[Reading]:
    """All queries of one poll, in a thread."""
    try:
        readings = server.query(
            combined_query(spec.matchers, name, without=frozenset(spec.queries))
        )
        for signal, query in spec.queries.items():
            own = server.query(fill(query, spec.matchers, name))
            readings += [
                Reading(signal, reading.value, "spec.prometheus.queries", reading.region)
                for reading in own
            ]
    finally:
        server.close()
    return readings
