"""What does SITES.yaml say? The sites, their nodes, and how jobs are completed that say less.

The fields of a site are those of a ComputeSite's spec where it has them. The form is documented in
docs/simulate.md; unknown fields are refused, because a slip would change the figures in silence.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from tradewind.api.accelerator import AcceleratorClass, AcceleratorClassSpec
from tradewind.api.fields import Duration, ObjectMeta, Timestamp
from tradewind.api.site import Energy, Location, Pricing
from tradewind.base.errors import InputFileError
from tradewind.hardware.catalog import Catalog, builtin_catalog
from tradewind.placement.config import EngineConfig

#: Of a simulation that does not say when it begins: the first hour of the year of most traces.
_EPOCH = datetime.fromisoformat("2022-01-01T00:00:00+00:00")


class Strict(BaseModel):
    """A part of SITES.yaml: camelCase, frozen, and no field that it does not know."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )


class Nodes(Strict):
    """Equal nodes."""

    count: int = Field(1, ge=1)
    cpu: str | int = 0
    memory: str | int = "0"
    accelerators: dict[str, int] = Field(default_factory=dict)


class NodeFile(Strict):
    """A node list in openb's form, dealt out to the sites: of each model in turn."""

    file: str
    models: dict[str, str] = Field(default_factory=dict)


class SimulatedSite(Strict):
    """One site."""

    name: str
    location: Location = Location()
    energy: Energy = Energy()
    pricing: Pricing = Pricing()
    nodes: tuple[Nodes, ...] = ()


class Rule(Strict):
    """What jobs get that do not say it themselves: of the rules that match, the first to say it."""

    match: dict[str, str] = Field(default_factory=dict)
    share: float = Field(1.0, ge=0, le=1)
    max_delay: Duration | None = None
    deadline: Duration | None = None
    checkpoint: Duration | None = None
    max_latency_ms: float | None = None
    jurisdictions: tuple[str, ...] = ()
    home_in: tuple[str, ...] = ()
    expected: Duration | None = None


class JobRules(Strict):
    """How the jobs of the trace are completed."""

    reference_class: str = ""
    rules: tuple[Rule, ...] = ()


class Power(Strict):
    """Figures of the engine that differ from its own."""

    cpu_watts: float | None = Field(None, ge=0)
    memory_watts: float | None = Field(None, ge=0)
    utilisation: float | None = Field(None, ge=0, le=1)


class Scenario(Strict):
    """SITES.yaml.

    Args:
        start: when simulated time begins; series have to hold it.
        hours: of the series that are read; None: all.
        restart: from the start of work that was stopped until it makes progress again.
        forecast_hours: how far ahead forecasts reach.
        sites: where work may run.
        nodes_from: nodes for all sites together.
        accelerators: classes that the catalogue lacks, or has otherwise.
        pricing: of sites that do not say it.
        jobs: how jobs are completed.
        power: figures of the engine.
    """

    start: Timestamp = _EPOCH
    hours: float | None = Field(None, gt=0)
    forecast_hours: int = Field(96, ge=1, le=9000)
    restart: Duration = EngineConfig().restart_s
    sites: tuple[SimulatedSite, ...] = Field(min_length=1)
    nodes_from: NodeFile | None = None
    accelerators: dict[str, AcceleratorClassSpec] = Field(default_factory=dict)
    pricing: Pricing = Pricing()
    jobs: JobRules = JobRules()
    power: Power = Power()

    @property
    def catalog(self) -> Catalog:
        """The built-in classes and the scenario's."""
        return builtin_catalog().with_overrides(
            AcceleratorClass(metadata=ObjectMeta(name=name), spec=spec)
            for name, spec in self.accelerators.items()
        )

    @property
    def config(self) -> EngineConfig:
        """How the engine plans here."""
        given = self.power.model_dump(exclude_none=True)
        return EngineConfig(restart_s=self.restart, **given)


def read_scenario(file: Path) -> Scenario:
    """Read SITES.yaml.

    Raises:
        InputFileError: it names the field, or the line of what is no YAML.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputFileError(
            f"{file} cannot be read: {error.strerror}", hint="is the path right?"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputFileError(f"{file} is not YAML: {error}", hint="see docs/simulate.md") from error
    if not isinstance(content, dict):
        raise InputFileError(f"{file} holds no mapping", hint="it begins with `sites:`")
    try:
        scenario = Scenario.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputFileError(
            f"{file}, field {_path(first['loc'])}: {first['msg']}", hint="see docs/simulate.md"
        ) from error
    _check(file, scenario)
    _check_fields(file, content)
    return scenario


def _path(loc: Sequence[Any]) -> str:
    return ".".join(map(str, loc)) or "(whole)"


def _check_fields(file: Path, content: dict[str, Any]) -> None:
    """Refuse unknown fields in the parts that are of the API, which passes over them."""
    parts: list[tuple[str, type[BaseModel], Any]] = [("pricing", Pricing, content.get("pricing"))]
    for number, site in enumerate(content["sites"]):
        kinds: tuple[tuple[str, type[BaseModel]], ...] = (
            ("location", Location),
            ("energy", Energy),
            ("pricing", Pricing),
        )
        parts += [(f"sites.{number}.{name}", kind, site.get(name)) for name, kind in kinds]
    classes = content.get("accelerators") or {}
    parts += [
        (f"accelerators.{name}", AcceleratorClassSpec, spec) for name, spec in classes.items()
    ]
    for path, kind, part in parts:
        known = {field.alias or name for name, field in kind.model_fields.items()}
        if slips := sorted(set(part or {}) - known - set(kind.model_fields)):
            raise InputFileError(
                f"{file}, field {path}.{slips[0]}: there is no such field",
                hint=f"there are {', '.join(sorted(known))}",
            )


def _check(file: Path, scenario: Scenario) -> None:
    names = [site.name for site in scenario.sites]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputFileError(
            f"{file}: two sites are called {min(twice)!r}", hint="names are unique"
        )
    used = {name for site in scenario.sites for nodes in site.nodes for name in nodes.accelerators}
    used |= set((scenario.nodes_from or NodeFile(file="")).models.values())
    catalog = scenario.catalog
    for name in sorted(used):
        if catalog.get(name) is None:
            raise InputFileError(
                f"{file}: {name!r} is no AcceleratorClass",
                hint="take one of the catalogue, or describe it under `accelerators:`",
            )
