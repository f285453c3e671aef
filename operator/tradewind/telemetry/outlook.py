"""What telemetry says of a site beside its signals: what is expected, and the policies' own terms.

Plain values; the controller turns them into what placement reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SignalForecast:
    """What a signal is expected to be, in steps of equal length.

    Attributes:
        start: of the first step, aware; it is the step that runs when the forecast is made.
        step_s: length of a step, seconds.
        values: expected value of each step, in the signal's unit.
        low, high: 10% and 90% quantiles; empty: the source does not tell how sure it is.
        source: the exporter of the series, or `history`.
    """

    start: datetime
    step_s: float
    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Everything beside the signals; compared by identity, so a new one is made only on change.

    Attributes:
        forecasts: by signal, `carbonIntensity`, `pricePerMWh` and `load`.
        term_values: by the PromQL of a policy's term; what is not known is absent.
    """

    forecasts: Mapping[str, SignalForecast] = field(default_factory=dict)
    term_values: Mapping[str, float] = field(default_factory=dict)


NO_OUTLOOK = Outlook()
