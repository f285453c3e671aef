"""Put what telemetry expects of a site into the view that placement reads."""

from dataclasses import replace

from tradewind.placement.snapshot import Forecast, SiteView
from tradewind.telemetry.outlook import Outlook, SignalForecast


def foreseen(view: SiteView, outlook: Outlook) -> SiteView:
    """The view with forecasts and the values of the policies' own terms."""
    told = outlook.forecasts
    return replace(
        view,
        carbon_forecast=_forecast(told.get("carbonIntensity")),
        price_forecast=_forecast(told.get("pricePerMWh")),
        load_forecast=_forecast(told.get("load")),
        term_values=outlook.term_values,
    )


def _forecast(told: SignalForecast | None) -> Forecast | None:
    if told is None:
        return None
    return Forecast(told.start, told.step_s, told.values, told.low, told.high)
