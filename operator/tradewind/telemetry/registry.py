"""Which sites are watched, and what is known of each: measured, estimated and expected.

A server that hangs delays no other site (`pools.py`), and what cannot be polled goes Stale, then
Unknown, by the clock. Round trips that nobody measures are estimated from coordinates here, since
that needs the other sites.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tradewind.api.site import ComputeSite, Coordinates, Signal, SignalState, SiteSignals
from tradewind.base.aio import Clock, cancel_and_wait, supervise
from tradewind.telemetry.credentials import SecretReader
from tradewind.telemetry.geography import great_circle_km, place_of, round_trip_ms
from tradewind.telemetry.outlook import NO_OUTLOOK, Outlook
from tradewind.telemetry.pools import Pools
from tradewind.telemetry.signals import MAX_KEYS
from tradewind.telemetry.terms import CentralTerms, asked_at_sites
from tradewind.telemetry.watch import Options, SiteWatch, Told

_NOTHING = SiteSignals()
#: Round trips are estimated from so many consumer regions at most.
_MAX_REGIONS = MAX_KEYS
_GEOGRAPHY = "geography"
_MEASURED = (SignalState.CURRENT, SignalState.STALE)


@dataclass(slots=True)
class _Known:
    """A site, its watch, and what is told of it."""

    site: ComputeSite
    watch: SiteWatch | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    signals: SiteSignals = field(default_factory=lambda: _NOTHING)
    outlook: Outlook = NO_OUTLOOK
    estimates: dict[str, Signal] = field(default_factory=dict)


class TelemetryRegistry:
    """The watched sites.

    Args:
        read_secret: for credentials and CA bundles.
        allow_loopback: let a Prometheus be on this machine.
        on_signals: told of a site whose signals, condition or outlook changed.
        clock: whose time counts.
        options: see there.
        central: the policies' terms that one Prometheus knows for all sites.
    """

    def __init__(
        self,
        *,
        read_secret: SecretReader,
        allow_loopback: bool,
        on_signals: Callable[[str], None],
        clock: Clock,
        options: Options = Options(),  # noqa: B008 - frozen
        central: CentralTerms | None = None,
    ) -> None:
        self._read_secret = read_secret
        self._allow_loopback = allow_loopback
        self._on_signals = on_signals
        self._clock = clock
        self._options = options
        self._central = central
        if central is not None:
            central.on_change = self.refresh_all
        self._pools = Pools(options.threads)
        self._sites: dict[str, _Known] = {}
        self._regions: set[str] = set()
        self._terms: tuple[str, ...] = ()

    def signals(self, name: str) -> SiteSignals:
        """What is known of a site now; the same object until something changes."""
        known = self._sites.get(name)
        return known.signals if known else _NOTHING

    def outlook(self, name: str) -> Outlook:
        """What is expected of a site; the same object until something changes."""
        known = self._sites.get(name)
        return known.outlook if known else NO_OUTLOOK

    def condition(self, name: str) -> Told | None:
        """Status, reason and message of TelemetryCurrent; None for a site without a Prometheus."""
        known = self._sites.get(name)
        return known.watch.told if known and known.watch else None

    def sync(self, site: ComputeSite) -> None:
        """Begin with a site, or take over how it changed."""
        name, spec = site.metadata.name, site.spec.prometheus
        known = self._sites.get(name)
        moved = known is None or known.site.spec.location != site.spec.location
        if known is not None and known.site.spec.prometheus == spec:
            known.site = site
        else:
            self._cancel(known)
            estimates = known.estimates if known is not None else {}
            known = self._sites[name] = _Known(site, estimates=estimates)
            if spec is not None:
                self._begin(name, known)
        if moved:
            self._estimate_anew()
        self.refresh(name)

    def drop(self, name: str) -> None:
        """Forget a site."""
        known = self._sites.pop(name, None)
        self._cancel(known)
        if known is not None and known.site.spec.location.coordinates is not None:
            self._estimate_anew()

    def note_regions(self, regions: Iterable[str]) -> None:
        """Consumers of these regions are asked for by workloads."""
        new = {region[:63] for region in regions} - self._regions
        if new and len(self._regions) < _MAX_REGIONS:
            self._regions |= set(sorted(new)[: _MAX_REGIONS - len(self._regions)])
            self._estimate_anew()

    def ask_terms(self, queries: Iterable[str]) -> None:
        """The PromQL of all policies' terms."""
        wanted = tuple(queries)
        if self._central is not None:
            self._central.ask(wanted)
        self._terms = asked_at_sites(wanted, central=self._central is not None)
        for known in self._sites.values():
            if known.watch is not None:
                known.watch.ask_terms(self._terms)
        self.refresh_all()

    def refresh_all(self) -> None:
        """The same for every site."""
        for name in list(self._sites):
            self.refresh(name)

    def refresh(self, name: str) -> None:
        """Put together anew what is told of a site; tells when it differs."""
        known = self._sites.get(name)
        if known is None:
            return
        signals = _with_estimates(known.watch.signals if known.watch else _NOTHING, known.estimates)
        outlook = self._outlook_of(name, known)
        changed = False
        # What is equal stays the same object: the cycle's views hang on that.
        if signals != known.signals:
            known.signals, changed = signals, True
        if outlook != known.outlook:
            known.outlook, changed = outlook, True
        if changed:
            self._on_signals(name)

    async def close(self) -> None:
        """Stop watching."""
        tasks = [task for known in self._sites.values() for task in known.tasks]
        self._sites.clear()
        await cancel_and_wait(*tasks)
        self._pools.close()

    def _begin(self, name: str, known: _Known) -> None:
        spec = known.site.spec.prometheus
        if spec is None:
            return
        told: Told | None = None

        def changed() -> None:
            nonlocal told
            before = known.signals, known.outlook
            self.refresh(name)
            # The condition may change alone.
            if told != watch.told and before == (known.signals, known.outlook):
                self._on_signals(name)
            told = watch.told

        watch = known.watch = SiteWatch(
            name,
            spec,
            read_secret=self._read_secret,
            allow_loopback=self._allow_loopback,
            pools=self._pools,
            options=self._options.after(len(self._sites)),
            clock=self._clock,
            on_change=changed,
        )
        watch.ask_terms(self._terms)
        known.tasks = [
            asyncio.create_task(supervise(f"{what}/{name}", run, clock=self._clock))
            for what, run in (
                ("telemetry", watch.poll_for_ever),
                ("forecast", watch.forecast_for_ever),
            )
        ]

    def _cancel(self, known: _Known | None) -> None:
        for task in known.tasks if known else ():
            task.cancel()

    def _outlook_of(self, name: str, known: _Known) -> Outlook:
        watch = known.watch
        terms = dict(self._central.at(name)) if self._central else {}
        terms |= watch.terms if watch else {}
        forecasts = watch.forecasts if watch else {}
        return Outlook(forecasts, terms) if forecasts or terms else NO_OUTLOOK

    def _estimate_anew(self) -> None:
        """Round trips by coordinates; for all sites, since a region may lie where a site lies."""
        places = self._places()
        for name, known in self._sites.items():
            here = known.site.spec.location.coordinates
            known.estimates = {
                region: _estimate(here, there)
                for region, there in places.items()
                if here is not None
            }
            self.refresh(name)

    def _places(self) -> dict[str, Coordinates]:
        """Where the consumers' regions are: by the sites that lie in them, else by their names."""
        by_site: dict[str, Coordinates] = {}
        for _, known in sorted(self._sites.items()):
            location = known.site.spec.location
            if location.coordinates is not None and location.region:
                by_site.setdefault(location.region, location.coordinates)
        found = {region: by_site.get(region) or place_of(region) for region in self._regions}
        return {region: place for region, place in found.items() if place is not None}


def _estimate(here: Coordinates, there: Coordinates) -> Signal:
    return Signal(
        value=round(round_trip_ms(here, there), 1),
        source=_GEOGRAPHY,
        state=SignalState.FALLBACK,
        message=f"not measured; {great_circle_km(here, there):.0f} km of great circle",
    )


def _with_estimates(measured: SiteSignals, estimates: Mapping[str, Signal]) -> SiteSignals:
    """The signals, with estimates of round trips where none is measured."""
    known = {
        region for region, one in measured.latency_ms.items() if one.state in _MEASURED
    }  # what is Unknown or Implausible is not measured
    standing = {region: one for region, one in estimates.items() if region not in known}
    if not standing:
        return measured
    return measured.model_copy(update={"latency_ms": {**measured.latency_ms, **standing}})
