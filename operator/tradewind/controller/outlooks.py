"""What of a site's outlook stands in its status: bounded, and renewed once a step. Pure.

So that people see what is expected, and whoever may read ComputeSites can plan as the operator
does without asking any Prometheus.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from tradewind.api.site import ForecastSeries, SiteForecast, SiteStatus, SiteTerm
from tradewind.telemetry.outlook import NO_OUTLOOK, Outlook, SignalForecast

#: Steps of a forecast, and terms, that a status holds; the CRD admits no more.
STEPS: Final = 48
TERMS: Final = 64
#: A forecast is made anew at each poll; people read it by the step, and each write wakes watchers.
RENEW_AFTER_STEPS: Final = 0.9

_DECIMALS: Final = 4


def published(outlook: Outlook, before: SiteForecast | None, now: datetime) -> SiteForecast | None:
    """The forecast to publish: the one before until it is old, or tells of other signals."""
    told = outlook.forecasts
    made = SiteForecast(
        load=_series(told.get("load")),
        carbon_intensity=_series(told.get("carbonIntensity")),
        price_per_mwh=_series(told.get("pricePerMWh")),
    )
    if made == SiteForecast():
        return before if before is not None and not _old(before, now) else None
    return before if before is not None and _same(before, made) and not _old(before, now) else made


def terms_told(outlook: Outlook) -> tuple[SiteTerm, ...]:
    """Values of the policies' own terms for a status."""
    known = sorted(outlook.term_values.items())[:TERMS]
    return tuple(SiteTerm(query=query, value=value) for query, value in known)


def outlook_of(status: SiteStatus | None) -> Outlook:
    """What a status says is expected."""
    if status is None or (status.forecast is None and not status.terms):
        return NO_OUTLOOK
    names = ("load", "carbonIntensity", "pricePerMWh")
    series = _all(status.forecast) if status.forecast else ()
    return Outlook(
        forecasts={
            name: SignalForecast(one.start, one.step, one.values, one.low, one.high, one.source)
            for name, one in zip(names, series, strict=False)
            if one is not None
        },
        term_values={term.query: term.value for term in status.terms},
    )


def _series(told: SignalForecast | None) -> ForecastSeries | None:
    if told is None or not told.values or told.step_s <= 0:
        return None
    return ForecastSeries(
        start=told.start.replace(microsecond=0),
        step=told.step_s,
        values=_short(told.values),
        low=_short(told.low),
        high=_short(told.high),
        source=told.source[:253],
    )


def _short(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, _DECIMALS) for value in values[:STEPS])


def _all(forecast: SiteForecast) -> tuple[ForecastSeries | None, ...]:
    return forecast.load, forecast.carbon_intensity, forecast.price_per_mwh


def _same(before: SiteForecast, made: SiteForecast) -> bool:
    """Whether both tell of the same signals from the same sources."""
    pairs = zip(_all(before), _all(made), strict=True)
    return all((a and a.source) == (b and b.source) for a, b in pairs)


def _old(before: SiteForecast, now: datetime) -> bool:
    return any(
        one is not None and (now - one.start).total_seconds() >= RENEW_AFTER_STEPS * one.step
        for one in _all(before)
    )
