"""What the operator can be told, by environment, file or command line.

Each setting has a default that suits a hub of up to a hundred sites. The environment wins over the
file: `TRADEWIND_PLANNING__MAX_BATCH_SECONDS=0.1` is `planning.max_batch_seconds` of the file.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from tradewind.base.errors import ConfigurationError
from tradewind.placement.config import EngineConfig

Seconds = Annotated[float, Field(gt=0)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubSettings(_Group):
    """How the hub is reached, and how hard it may be worked."""

    kubeconfig: Path | None = Field(
        None, description="Kubeconfig of the hub; unset: in-cluster, else KUBECONFIG or ~/.kube."
    )
    context: str | None = Field(None, description="Context of that kubeconfig; unset: current.")
    namespace: str = Field(
        "tradewind-system", description="Where the Lease is, and the Secrets of the sites."
    )
    writers: int = Field(16, ge=1, le=256, description="Hub objects written at once.")
    request_timeout_seconds: Seconds = Field(10.0, description="Limit of one hub request.")
    audit_seconds: Seconds = Field(
        300.0, description="How often everything is listed anew, to find deletions a watch missed."
    )


class PlanningSettings(_Group):
    """When a planning cycle runs."""

    idle_batch_seconds: Seconds = Field(0.01, description="A gap this long ends a batch.")
    max_batch_seconds: Seconds = Field(0.2, description="No change waits longer for its cycle.")
    replan_seconds: Seconds = Field(
        15.0, description="Waiting workloads are planned again at least this often."
    )
    rebalance_seconds: Seconds = Field(
        60.0, description="How often moves, drains and pauses of running work are looked for."
    )
    slot_seconds: Seconds = Field(
        3600.0, description="Length of a start slot of work that may wait for a better hour."
    )
    restart_seconds: float = Field(
        300.0,
        ge=0,
        description="From the start of interrupted work until it makes progress again; part of the "
        "price of a move or pause.",
    )
    default_policy: str = Field("balanced", description="PlacementPolicy where none is named.")


class SiteSettings(_Group):
    """How members are talked to."""

    workers: int = Field(16, ge=1, le=128, description="Objects handled at once at each site.")
    request_timeout_seconds: Seconds = Field(10.0, description="Limit of one member request.")
    probe_seconds: Seconds = Field(5.0, description="How often each member's /readyz is asked.")
    probe_failures: int = Field(
        3, ge=1, description="So many probes without an answer make a site Reachable=False."
    )
    allow_loopback: bool = Field(
        default=False,
        description="Let a ComputeSite point at this machine. Only for a federation on one "
        "machine: elsewhere it lets a kubeconfig reach services meant to be private.",
    )
    namespace_pod_security: Literal["privileged", "baseline", "restricted"] = Field(
        "baseline", description="Pod Security level of namespaces that Tradewind creates."
    )


class MeteringSettings(_Group):
    """How usage is metered, and how much of it is told."""

    interval_seconds: Seconds = Field(
        60.0,
        description="A running workload's usage is written this seldom, and once more at its end.",
    )
    writes_per_second: float = Field(
        20.0,
        gt=0,
        description="With more running workloads than this allows the interval grows.",
    )
    label_limit: int = Field(
        100,
        ge=1,
        le=1000,
        description="So many namespaces, queues and policies are told apart in metrics, each; "
        "the rest is `other`.",
    )


class TelemetrySettings(_Group):
    """How sites' Prometheus servers are asked."""

    threads: int = Field(32, ge=1, le=256, description="Servers asked at once.")
    stale_seconds: Seconds = Field(
        120.0, description="A signal that does not come is Stale for so long at least."
    )
    forecast_step_seconds: Seconds = Field(
        3600.0, description="Step of forecasts; a day has 24 of them."
    )
    forecast_history_steps: int = Field(
        672,
        ge=0,
        le=672,
        description="Steps of history asked for, once a step and site; 0: no forecasts from it.",
    )
    prometheus_url: str = Field(
        "", description="Prometheus of the operator's own, for terms of policies; empty: none."
    )
    prometheus_token_file: Path | None = Field(None, description="Bearer token for it.")
    prometheus_ca_file: Path | None = Field(None, description="CA certificates for it.")
    prometheus_poll_seconds: Seconds = Field(30.0, description="How often it is asked.")


class LeaseSettings(_Group):
    """Leadership; the three times keep client-go's order: retry < renew deadline < duration."""

    name: str = "tradewind-operator"
    duration_seconds: Seconds = Field(12.0, description="A silent holder is replaced after this.")
    renew_deadline_seconds: Seconds = Field(
        8.0, description="A holder that could not renew for this long ends itself."
    )
    retry_seconds: Seconds = Field(2.0, description="Between two tries to acquire or renew.")


class LogSettings(_Group):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    style: Literal["json", "text"] = "json"


class ServeSettings(_Group):
    """The operator's own HTTP: /healthz, /readyz and /metrics."""

    host: str = "0.0.0.0"  # noqa: S104 - probes and scrapes come from outside the pod
    port: int = Field(8080, ge=0, le=65535, description="0 takes a free port, and logs it.")


class Settings(BaseSettings):
    """All settings of `tradewind operator`."""

    model_config = SettingsConfigDict(
        env_prefix="TRADEWIND_", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    hub: HubSettings = HubSettings()
    planning: PlanningSettings = PlanningSettings()
    sites: SiteSettings = SiteSettings()
    metering: MeteringSettings = MeteringSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    lease: LeaseSettings = LeaseSettings()
    log: LogSettings = LogSettings()
    serve: ServeSettings = ServeSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which comes in as the constructor's arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def engine_config(planning: PlanningSettings) -> EngineConfig:
    """How the engine plans with these settings, in the operator and wherever its plans are told."""
    slot_s = planning.slot_seconds
    return EngineConfig(slot_s=slot_s, step_s=slot_s, restart_s=planning.restart_seconds)


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings file, if there is one, and the environment over it.

    Raises:
        ConfigurationError: the file cannot be read, or a setting is unknown or out of bounds.
    """
    values: object = {}
    if path is not None:
        try:
            values = yaml.safe_load(path.read_text()) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigurationError(
                f"settings file {path}: {error}", hint="see docs/configuration.md for its form"
            ) from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"settings file {path}: expected a mapping at the top")
    unknown = set(values) - set(Settings.model_fields)
    if unknown:
        raise ConfigurationError(
            f"settings file {path}: unknown group {min(map(str, unknown))!r}",
            hint=f"groups are {', '.join(Settings.model_fields)}",
        )
    try:
        settings = Settings(**values)
    except SettingsError as error:
        raise ConfigurationError(
            f"environment: {error}",
            hint="a group's variable holds JSON; TRADEWIND_GROUP__SETTING sets one setting",
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"setting {where}: {first['msg']}") from None
    lease = settings.lease
    if not lease.retry_seconds < lease.renew_deadline_seconds < lease.duration_seconds:
        raise ConfigurationError(
            "settings lease: retry_seconds < renew_deadline_seconds < duration_seconds must hold",
            hint="or two operators could lead at once",
        )
    return settings
