"""What of a site's forecast stands in its status: few figures, renewed seldom. Pure."""

from datetime import datetime, timedelta
from typing import Final

from tradewind.api.site import ForecastSeries, SiteForecast
from tradewind.telemetry.outlook import Outlook, SignalForecast

#: So many steps are published; a day of hours.
STEPS: Final = 24
#: Shorter steps are put together to this length, seconds.
STEP_S: Final = 3600.0
#: A forecast is made anew at each poll; people read it by the hour, and each write wakes watchers.
RENEW_AFTER: Final = timedelta(minutes=55)

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


def _series(told: SignalForecast | None) -> ForecastSeries | None:
    """A forecast in steps of an hour at least, whole seconds."""
    if told is None or not told.values or told.step_s <= 0:
        return None
    size = max(1, round(STEP_S / told.step_s))
    parts = [told.values[at : at + size] for at in range(0, len(told.values), size)][:STEPS]
    return ForecastSeries(
        start=told.start.replace(microsecond=0),
        step=told.step_s * size,
        values=tuple(round(sum(part) / len(part), _DECIMALS) for part in parts),
        source=told.source[:253],
    )


def _all(forecast: SiteForecast) -> tuple[ForecastSeries | None, ...]:
    return forecast.load, forecast.carbon_intensity, forecast.price_per_mwh


def _same(before: SiteForecast, made: SiteForecast) -> bool:
    """Whether both tell of the same signals from the same sources."""
    pairs = zip(_all(before), _all(made), strict=True)
    return all((a and a.source) == (b and b.source) for a, b in pairs)


def _old(before: SiteForecast, now: datetime) -> bool:
    return any(one is not None and now - one.start >= RENEW_AFTER for one in _all(before))
