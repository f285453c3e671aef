"""What ships is valid, and installing leaves others' prices alone."""

import json
from typing import Any

import pytest

from tradewind.api.names import FINALIZER
from tradewind.api.policy import PlacementPolicy, PolicySpec
from tradewind.base.errors import ApiError, ConfigurationError
from tradewind.cli import install
from tradewind.cli.hub import Hub

CRD = {
    "metadata": {"name": "computesites.tradewind.dev"},
    "spec": {"names": {"kind": "ComputeSite"}},
}


class Session:
    """A hub that serves a kind, and where one policy belongs to somebody else."""

    def __init__(self, *, served: bool = True, kinds: bool = True, admits: bool = True) -> None:
        self.served = served
        self.kinds = kinds
        self.admits = admits
        self.unready = 0  # answers of 503 before the first AIWorkload is admitted
        self.probes: list[dict[str, str]] = []
        self.applied: list[tuple[str, dict[str, str]]] = []

    async def get(self, path: str) -> bytes:
        status = "True" if self.served else "False"
        return json.dumps(
            {"status": {"conditions": [{"type": "Established", "status": status}]}}
        ).encode()

    async def request(self, method: str, path: str, *, params: dict[str, str], **_: Any) -> bytes:
        name = path.rpartition("/")[2]
        if method == "POST":
            self.probes.append(params)
            if len(self.probes) <= self.unready:
                raise ApiError(503, "ServiceUnavailable", "kind not found")
            return json.dumps({"metadata": {"finalizers": [FINALIZER]}}).encode()
        if "mutatingadmission" in path and not self.admits:
            raise ApiError(404, "NotFound", "no such kind")
        if name == "cheapest":
            raise ApiError(409, "Conflict", "held by kubectl-edit")
        if "placementpolicies" in path and not self.kinds:
            raise ApiError(404, "NotFound", "no such kind")
        self.applied.append((name, params))
        return b"{}"


@pytest.fixture(autouse=True)
def one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "definitions", lambda: [CRD])
    monkeypatch.setattr(install, "_SERVED_WITHIN_S", 0.0)


def test_shipped_policies_set_only_fields_that_exist() -> None:
    policies = {policy["metadata"]["name"]: policy for policy in install.shipped_policies()}
    assert set(policies) == {"balanced", "cheapest", "greenest", "fastest"}
    aliases = {field.alias or name for name, field in PolicySpec.model_fields.items()}
    for policy in policies.values():
        assert set(policy["spec"]) <= aliases
    price = {name: PlacementPolicy.model_validate(p).spec for name, p in policies.items()}
    assert price["greenest"].carbon_per_tonne > price["balanced"].carbon_per_tonne
    assert price["cheapest"].carbon_per_tonne == 0
    assert price["fastest"].wait_per_hour > price["balanced"].wait_per_hour


async def test_prices_that_somebody_set_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session()
    await install.carry_out(Hub(session), dry_run=False)  # type: ignore[arg-type]
    force = {name: params["force"] for name, params in session.applied}
    assert force["computesites.tradewind.dev"] == "true"
    assert {force[name] for name in ("balanced", "greenest", "fastest")} == {"false"}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "policy cheapest keeps the prices" in captured.err


async def test_install_ends_when_new_work_is_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_SERVED_WITHIN_S", 30.0)
    session = Session()
    session.unready = 1
    await install.carry_out(Hub(session), dry_run=False)  # type: ignore[arg-type]
    assert session.probes == [{"dryRun": "All"}] * 2


async def test_a_hub_that_admits_nothing_is_told() -> None:
    session = Session()
    session.unready = 10
    with pytest.raises(ConfigurationError, match="kind not found"):
        await install.carry_out(Hub(session), dry_run=False)  # type: ignore[arg-type]


async def test_an_older_hub_is_installed_without_admission(
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = Session(admits=False)
    await install.carry_out(Hub(session), dry_run=False)  # type: ignore[arg-type]
    assert not session.probes
    assert "does not serve the kind" in capsys.readouterr().err
    assert "balanced" in [name for name, _ in session.applied]


async def test_a_dry_run_asks_the_hub_for_everything_and_keeps_nothing() -> None:
    session = Session(kinds=False)
    await install.carry_out(Hub(session), dry_run=True)  # type: ignore[arg-type]
    assert session.applied
    assert all(params["dryRun"] == "All" for _, params in session.applied)


async def test_a_kind_that_is_not_served_ends_the_install_before_its_objects() -> None:
    session = Session(served=False)
    with pytest.raises(ConfigurationError, match=r"computesites\.tradewind\.dev is not served"):
        await install.carry_out(Hub(session), dry_run=False)  # type: ignore[arg-type]
    assert [name for name, _ in session.applied] == ["computesites.tradewind.dev"]
