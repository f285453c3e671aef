"""What a federation is made of: members, their nodes, their energy and their signals, in YAML."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from federation.processes import FederationError


class Part(BaseModel):
    """A part of the description; unknown keys are mistakes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class NodeGroup(Part):
    """Equal nodes: of a template of `nodes.py`, or described here."""

    count: Annotated[int, Field(ge=1, le=5000)] = 1
    template: str = ""
    cpu: str = "64"
    memory: str = "512Gi"
    pods: int = 110
    labels: dict[str, str] = Field(default_factory=dict)
    resources: dict[str, int] = Field(default_factory=dict)


class Curve(Part):
    """A value over the day.

    `base + swing × cos(2π (hour - peak) / 24) - solar × sunlight(hour)`, times `1 + weekend` on
    Saturdays and Sundays; sunlight is a half sine from 6 to 18 o'clock, local time by `offset`
    hours. Or a column of an hourly CSV file with a first column of times.
    """

    base: float = 0.0
    swing: float = 0.0
    peak: float = 19.0
    solar: float = 0.0
    weekend: float = 0.0
    offset: float = 0.0
    csv: Path | None = None
    column: str = ""

    @model_validator(mode="after")
    def _column_named(self) -> "Curve":
        if self.csv is not None and not self.column:
            raise ValueError("a csv needs a column")
        return self


class ForecastSpec(Part):
    """A forecast series of the curves: what they will be, and how sure that is said to be.

    The quantiles of an hour h lie `error × √(h / hours)` of the value below and above it.
    """

    hours: Annotated[int, Field(ge=1, le=168)] = 24
    error: Annotated[float, Field(ge=0, lt=1)] = 0.1


class Signals(Part):
    """What the member's Prometheus says; what is not given is not exported."""

    carbon: Curve | None = None
    price: Curve | None = None
    load: Curve | None = None
    pue: float | None = None
    latency_ms: dict[str, float] = Field(default_factory=dict)
    forecast: ForecastSpec | None = None


class Energy(Part):
    """Stated figures, for `tradewind join`."""

    pue: float | None = None
    carbon_intensity: float | None = None
    price_per_mwh: float | None = Field(None, alias="pricePerMWh")


#: Whether controllers, and at a member scheduler and simulated kubelets, run beside an API server.
Components = Literal["full", "apiserver-only"]


class Hub(Part):
    """The hub cluster."""

    components: Components = "full"


class Member(Part):
    """One member cluster."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
    display_name: str = ""
    region: str = ""
    jurisdiction: str = ""
    grid_zone: str = ""
    coordinates: tuple[float, float] | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    energy: Energy = Energy()
    accelerator_hour: dict[str, float] = Field(default_factory=dict)
    components: Components = "full"
    nodes: tuple[NodeGroup, ...] = ()
    signals: Signals = Signals()


class Clock(Part):
    """The time of the signals: `speed` seconds pass in one, from `start`."""

    speed: Annotated[float, Field(gt=0)] = 1.0
    start: AwareDatetime = datetime(2026, 11, 24, tzinfo=UTC)


class FederationSpec(Part):
    """A hub and its members."""

    hub: Hub = Hub()
    members: tuple[Member, ...] = ()
    prometheus: bool = True
    clock: Clock = Clock()

    @model_validator(mode="after")
    def _names_differ(self) -> "FederationSpec":
        names = [member.name for member in self.members]
        if len(set(names)) < len(names) or "hub" in names:
            raise ValueError("members need names of their own, and none may be called hub")
        return self


def load_spec(path: Path) -> FederationSpec:
    """Read a description.

    Raises:
        FederationError: names the file and the field.
    """
    try:
        raw: Any = yaml.safe_load(path.read_text())
        return FederationSpec.model_validate(raw or {})
    except (OSError, yaml.YAMLError) as error:
        raise FederationError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FederationError(f"{path}: {where}: {first['msg']}") from None
