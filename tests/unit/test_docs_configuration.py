"""The page of settings and the settings themselves say the same."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from tradewind.controller.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
ROW = re.compile(
    r"^\| `(?P<key>[\w.]+)` \| `(?P<env>\w+)` \| (?P<default>[^|]+) \| [^|]+ \| .+ \|$"
)


class Row(NamedTuple):
    env: str
    default: str


def documented() -> dict[str, Row]:
    rows = [found for line in PAGE.read_text().splitlines() if (found := ROW.match(line))]
    keys = [row["key"] for row in rows]
    assert len(keys) == len(set(keys)), "a setting is told twice"
    return {row["key"]: Row(row["env"], row["default"].strip("`")) for row in rows}


def settings() -> Iterator[tuple[str, Row]]:
    prefix = Settings.model_config["env_prefix"]
    delimiter = Settings.model_config["env_nested_delimiter"]
    for group, field in Settings.model_fields.items():
        values = field.default
        assert isinstance(values, BaseModel)
        for name in type(values).model_fields:
            env = f"{prefix}{group}{delimiter}{name}".upper()
            yield f"{group}.{name}", Row(env, spelled(getattr(values, name)))


def spelled(default: object) -> str:
    match default:
        case None:
            return "unset"
        case bool():
            return str(default).lower()
        case "":
            return "empty"
        case _:
            return str(default)


@pytest.mark.parametrize(("key", "want"), list(settings()), ids=str)
def test_a_setting_is_told_with_its_variable_and_default(key: str, want: Row) -> None:
    assert documented().get(key) == want


def test_no_setting_is_told_that_does_not_exist() -> None:
    assert set(documented()) <= {key for key, _ in settings()}


def test_each_variable_named_on_the_page_is_one_that_is_read() -> None:
    named = set(re.findall(r"TRADEWIND_[A-Z]+__[A-Z_]+", PAGE.read_text()))
    assert named == {row.env for _, row in settings()}
