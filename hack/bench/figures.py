"""What a benchmark measured, written down and held against its limits."""

import json
from pathlib import Path
from typing import Any

import yaml

from federation.person import say
from federation.tools import ROOT


def compare(figures: dict[str, Any], limits: dict[str, Any]) -> list[tuple[str, float, str, bool]]:
    """Each limit: its name, what was measured, what is asked, and whether it is met."""
    found = []
    for name, limit in limits.items():
        value: Any = figures
        for part in name.split("."):
            value = value[part]
        [(kind, bound)] = limit.items()
        met = value >= bound if kind == "at_least" else value <= bound
        found.append((name, value, f"{kind.replace('_', ' ')} {bound:g}", met))
    return found


def tell(figures: dict[str, Any], result: Path, limits: Path, *, check: bool) -> int:
    """Write the figures down, and hold them against the limits.

    Args:
        figures: what was measured.
        result: JSON file for all of it.
        limits: YAML file, by the names of figures.
        check: a limit that is missed is an error.

    Returns:
        The exit code.
    """
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps(figures, indent=2) + "\n")
    rows = compare(figures, yaml.safe_load(limits.read_text()))
    for name, value, asked, met in rows:
        say(f"{name:<24} {value:>8g}   {asked:<14} {'met' if met else 'MISSED'}")
    say(f"written to {result.relative_to(ROOT)}")
    return int(check and not all(met for *_, met in rows))
