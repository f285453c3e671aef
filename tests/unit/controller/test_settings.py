"""Settings: defaults that hold together, the environment over the file, faults by name."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradewind.base.errors import ConfigurationError
from tradewind.controller.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for group in Settings.model_fields:
        monkeypatch.delenv(f"TRADEWIND_{group.upper()}", raising=False)


def written(folder: Path, body: Any) -> Path:
    path = folder / "settings.yaml"
    path.write_text(body if isinstance(body, str) else yaml.safe_dump(body))
    return path


def test_the_defaults_are_fit_to_run() -> None:
    assert load_settings() == Settings()
    lease = load_settings().lease
    assert lease.retry_seconds < lease.renew_deadline_seconds < lease.duration_seconds
    assert load_settings().sites.allow_loopback is False


def test_a_file_sets_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, {"planning": {"replan_seconds": 60}}))
    assert settings.planning.replan_seconds == 60
    assert settings.planning.max_batch_seconds == Settings().planning.max_batch_seconds
    assert settings.hub == Settings().hub


@pytest.mark.parametrize("text", ["", "---\n", "# only words\n", "{}\n"])
def test_an_empty_file_is_the_defaults(tmp_path: Path, text: str) -> None:
    assert load_settings(written(tmp_path, text)) == Settings()


def test_the_environment_wins_over_the_file_and_leaves_the_rest_of_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, {"planning": {"max_batch_seconds": 5, "replan_seconds": 60}})
    monkeypatch.setenv("TRADEWIND_PLANNING__MAX_BATCH_SECONDS", "0.1")
    planning = load_settings(path).planning
    assert (planning.max_batch_seconds, planning.replan_seconds) == (0.1, 60)


def test_the_environment_alone_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_HUB__KUBECONFIG", "/etc/hub/config")
    monkeypatch.setenv("TRADEWIND_SITES__ALLOW_LOOPBACK", "true")
    settings = load_settings()
    assert settings.hub.kubeconfig == Path("/etc/hub/config")
    assert settings.sites.allow_loopback is True


def test_variables_of_others_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_FAULT_POINT", "")
    monkeypatch.setenv("TRADEWIND_OPERATOR_SERVICE_HOST", "10.0.0.1")
    assert load_settings() == Settings()


WRONG: dict[str, tuple[Any, str]] = {
    "an unknown group": ({"colour": {}}, "colour"),
    "an unknown setting": ({"hub": {"writer": 3}}, "hub.writer"),
    "a number below its bound": ({"hub": {"writers": 0}}, "hub.writers"),
    "a time of nothing": ({"planning": {"replan_seconds": 0}}, "planning.replan_seconds"),
    "a time that is no number": ({"lease": {"retry_seconds": math.nan}}, "lease.retry_seconds"),
    "a word that is none of its own": ({"log": {"level": "LOUD"}}, "log.level"),
    "a port that is none": ({"serve": {"port": 65536}}, "serve.port"),
    "a group that is a list": ({"hub": [1]}, "hub"),
    "a list": ([1, 2], "mapping"),
    "text": ("only words", "mapping"),
    "keys of mixed kinds": ({1: {}, "colour": {}}, "unknown group"),
    "no YAML": ("hub: [", "settings.yaml"),
    "a lease that could have two holders": ({"lease": {"duration_seconds": 8}}, "lease"),
    "a retry that misses the deadline": ({"lease": {"retry_seconds": 8}}, "lease"),
}


@pytest.mark.parametrize(("body", "named"), WRONG.values(), ids=WRONG.keys())
def test_a_fault_of_the_file_is_named(tmp_path: Path, body: Any, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(written(tmp_path, body))
    assert named in caught.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigurationError) as caught:
            load_settings(path)
        assert str(path) in caught.value.message


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"settings\.yaml"):
        load_settings(path)


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("TRADEWIND_HUB__WRITERS", "many", "hub.writers"),
        ("TRADEWIND_HUB__WRITER", "3", "hub.writer"),
        ("TRADEWIND_LEASE__DURATION_SECONDS", "1", "lease"),
        ("TRADEWIND_HUB", "not JSON", "hub"),
    ],
)
def test_a_fault_of_the_environment_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, named: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert named in caught.value.message


def test_a_fault_does_not_tell_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_HUB__WRITERS", "sesame")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "sesame" not in str(caught.value)


def test_settings_cannot_be_changed_later() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().hub.writers = 1  # type: ignore[misc]
