"""A ComputeSite from flags, from a file, or from both: flags win, field by field.

Nothing is made up: what neither says is left out, and the hub's own defaults and checks apply.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradewind.api.names import API_VERSION
from tradewind.base.errors import ConfigurationError

KIND = "ComputeSite"


@dataclass(frozen=True, slots=True)
class SiteFlags:
    """What the command line said of a site; None and () where it said nothing."""

    display_name: str | None = None
    region: str | None = None
    jurisdiction: str | None = None
    grid_zone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    pue: float | None = None
    carbon_intensity: float | None = None
    price_per_mwh: float | None = None
    prometheus_url: str | None = None
    prometheus_matcher: Sequence[str] = ()
    prometheus_interval: str | None = None
    accelerator_price: Sequence[str] = ()
    label: Sequence[str] = ()
    taint: Sequence[str] = ()

    def fields(self) -> dict[tuple[str, ...], Any]:
        """Field path in the ComputeSite to what was said."""
        prices = pairs(self.accelerator_price, "--accelerator-price")
        stated = {
            ("metadata", "labels"): pairs(self.label, "--label"),
            ("spec", "displayName"): self.display_name,
            ("spec", "location", "region"): self.region,
            ("spec", "location", "jurisdiction"): self.jurisdiction,
            ("spec", "location", "gridZone"): self.grid_zone,
            ("spec", "location", "coordinates", "latitude"): self.latitude,
            ("spec", "location", "coordinates", "longitude"): self.longitude,
            ("spec", "energy", "pue"): self.pue,
            ("spec", "energy", "carbonIntensity"): self.carbon_intensity,
            ("spec", "energy", "pricePerMWh"): self.price_per_mwh,
            ("spec", "prometheus", "url"): self.prometheus_url,
            ("spec", "prometheus", "matchers"): pairs(
                self.prometheus_matcher, "--prometheus-matcher"
            ),
            ("spec", "prometheus", "pollInterval"): self.prometheus_interval,
            ("spec", "pricing", "acceleratorHour"): {
                name: _number(price, "--accelerator-price") for name, price in prices.items()
            },
            ("spec", "taints"): [_taint(text) for text in self.taint],
        }
        return {path: value for path, value in stated.items() if value not in (None, {}, [])}


def site_object(name: str, flags: SiteFlags, file: Path | None = None) -> dict[str, Any]:
    """The ComputeSite to join, without its access, which joining makes.

    Raises:
        ConfigurationError: the file is not a ComputeSite of that name, or a flag cannot be read.
    """
    site = _from_file(name, file) if file is not None else {}
    site = {"apiVersion": API_VERSION, "kind": KIND, **site}
    for path, value in flags.fields().items():
        _put(site, path, value)
    _put(site, ("metadata", "name"), name)
    if "prometheus" in site.get("spec", {}) and "url" not in site["spec"]["prometheus"]:
        raise ConfigurationError("a matcher or an interval needs --prometheus-url")
    return site


def _from_file(name: str, file: Path) -> dict[str, Any]:
    import yaml  # kept off the path of --help

    try:
        site = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file}: {error}") from error
    if not isinstance(site, dict) or site.get("kind") != KIND:
        raise ConfigurationError(f"{file}: expected one object of kind {KIND}")
    other = site.get("metadata", {}).get("name", name)
    if other != name:
        raise ConfigurationError(
            f"{file}: the ComputeSite is named {other!r}, the command says {name!r}",
            hint="leave metadata.name out of the file to use it for several sites",
        )
    return site


def _put(site: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a field; a mapping is merged into the one that is there."""
    *parents, last = path
    at = site
    for parent in parents:
        at = at.setdefault(parent, {})
    if isinstance(value, dict) and isinstance(at.get(last), dict):
        value = at[last] | value
    at[last] = value


def pairs(texts: Sequence[str], flag: str) -> dict[str, str]:
    """Read `k=v` texts.

    >>> pairs(["cluster=paris"], "--prometheus-matcher")
    {'cluster': 'paris'}
    """
    found = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise ConfigurationError(f"{flag} {text!r}: expected KEY=VALUE")
        found[key] = value
    return found


def _number(text: str, flag: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{flag}: {text!r} is not a number") from None


def _taint(text: str) -> dict[str, str]:
    """Read `key=value:Effect` or `key:Effect`, as `kubectl taint` has it."""
    pair, separator, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    if not separator or not key:
        raise ConfigurationError(f"--taint {text!r}: expected KEY[=VALUE]:EFFECT")
    return {"key": key, "effect": effect} | ({"value": value} if value else {})
