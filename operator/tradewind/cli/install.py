"""`tradewind install` and `tradewind crds`: the kinds and the shipped policies on the hub.

Everything goes by server-side apply, so that a second run upgrades. The kinds are Tradewind's own
and are taken over; a policy whose prices somebody else has set keeps them, and the reader is told.
"""

import sys
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import msgspec

from tradewind.base.aio import SystemClock
from tradewind.base.errors import ApiError, ConfigurationError
from tradewind.cli import answer
from tradewind.cli.ask import Ask
from tradewind.cli.hub import POLICIES, Hub, on_hub

_MANAGER: Final = "tradewind-install"
_CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SERVED_WITHIN_S: Final = 30.0


def print_crds() -> None:
    """Write the CustomResourceDefinitions as YAML to standard output."""
    sys.stdout.write(answer.documents(definitions()))


def definitions() -> list[dict[str, Any]]:
    """The CustomResourceDefinitions, generated from the models that this program runs with."""
    from tradewind.api.crdgen import MODELS, crd_of  # imports every model

    return [crd_of(model) for model in MODELS]


def install(ask: Ask, *, dry_run: bool) -> None:
    """Apply the kinds, wait until they are served, apply the policies.

    Raises:
        ConfigurationError: a kind was not served in time.
    """
    on_hub(ask, lambda hub: carry_out(hub, dry_run=dry_run))


async def carry_out(hub: Hub, *, dry_run: bool) -> None:
    """Apply everything, in the order in which it can be served.

    Raises:
        ConfigurationError: a kind was not served in time.
    """
    tail = " (dry run)" if dry_run else ""
    crds = definitions()
    for crd in crds:
        path = f"{_CRDS}/{crd['metadata']['name']}"
        await _apply(hub, path, crd, dry_run=dry_run, force=True)
        answer.note(f"kind {crd['spec']['names']['kind']} applied{tail}")
    if not dry_run:
        for crd in crds:
            await _served(hub, crd["metadata"]["name"])
    for policy in shipped_policies():
        name = policy["metadata"]["name"]
        try:
            await _apply(hub, POLICIES.path(name=name), policy, dry_run=dry_run)
        except ApiError as error:
            if error.conflict:
                answer.note(f"policy {name} keeps the prices that somebody else has set")
            elif error.not_found and dry_run:
                answer.note(f"policy {name} would be applied, once its kind is served")
            else:
                raise
        else:
            answer.note(f"policy {name} applied{tail}")


async def _apply(
    hub: Hub, path: str, body: Mapping[str, Any], *, dry_run: bool, force: bool = False
) -> None:
    from tradewind.sites.client import APPLY

    params = {"fieldManager": _MANAGER, "force": "true" if force else "false"}
    if dry_run:
        params["dryRun"] = "All"
    await hub.session.request("PATCH", path, body=body, content_type=APPLY, params=params)


async def _served(hub: Hub, name: str) -> None:
    """Wait until the API server serves a kind: objects of it are refused before."""
    clock = SystemClock()
    deadline = clock.monotonic() + _SERVED_WITHIN_S
    while True:
        crd = msgspec.json.decode(await hub.session.get(f"{_CRDS}/{name}"))
        conditions = {c["type"]: c for c in crd.get("status", {}).get("conditions", [])}
        if conditions.get("Established", {}).get("status") == "True":
            return
        if clock.monotonic() > deadline:
            why = conditions.get("NamesAccepted", {}).get("message", "no condition says why")
            raise ConfigurationError(f"{name} is not served after {_SERVED_WITHIN_S:g} s: {why}")
        await clock.sleep(0.1)


def shipped_policies() -> list[dict[str, Any]]:
    """The PlacementPolicies that come with this program."""
    import yaml

    text = files("tradewind.cli").joinpath("shipped", "policies.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))
