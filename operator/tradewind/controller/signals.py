"""Build telemetry as the settings say."""

from collections.abc import Callable

from tradewind.base.aio import Clock
from tradewind.controller.settings import Settings
from tradewind.telemetry.credentials import SecretReader, access_from_files
from tradewind.telemetry.registry import TelemetryRegistry
from tradewind.telemetry.terms import CentralTerms
from tradewind.telemetry.watch import Options


def build_telemetry(
    settings: Settings,
    *,
    read_secret: SecretReader,
    on_signals: Callable[[str], None],
    clock: Clock,
) -> tuple[TelemetryRegistry, CentralTerms | None]:
    """The watch over sites' signals, and over the operator's own Prometheus if there is one."""
    told = settings.telemetry
    central = None
    if told.prometheus_url:
        central = CentralTerms(
            lambda: access_from_files(
                told.prometheus_url, told.prometheus_token_file, told.prometheus_ca_file
            ),
            poll_s=told.prometheus_poll_seconds,
            least_stale_s=told.stale_seconds,
            allow_loopback=settings.sites.allow_loopback,
            clock=clock,
        )
    registry = TelemetryRegistry(
        read_secret=read_secret,
        allow_loopback=settings.sites.allow_loopback,
        on_signals=on_signals,
        clock=clock,
        options=Options(
            threads=told.threads,
            least_stale_s=told.stale_seconds,
            step_s=told.forecast_step_seconds,
            memory=told.forecast_history_steps,
        ),
        central=central,
    )
    return registry, central
