"""`tradewind install` and `tradewind crds`: the kinds, their admission, and the shipped policies.

Everything goes by server-side apply, so that a second run upgrades. The kinds are Tradewind's own
and are taken over; a policy whose prices somebody else has set keeps them, and the reader is told.
"""

import sys
from collections.abc import Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

import msgspec

from tradewind.api.names import API_VERSION, FINALIZER
from tradewind.base.aio import SystemClock
from tradewind.base.errors import ApiError, ConfigurationError
from tradewind.cli import answer
from tradewind.cli.ask import Ask
from tradewind.cli.hub import POLICIES, WORKLOADS, Hub, on_hub

_MANAGER: Final = "tradewind-install"
_CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_PROBE: Final = {
    "apiVersion": API_VERSION,
    "kind": "AIWorkload",
    "metadata": {"name": "tradewind-install-probe"},
    "spec": {
        "suspend": True,
        "template": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "main", "image": "registry.example/none"}],
                    }
                }
            },
        },
    },
}
_PLURALS: Final = {
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
}
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
    await _install_admission(hub, dry_run=dry_run, tail=tail)
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


async def _install_admission(hub: Hub, *, dry_run: bool, tail: str) -> None:
    for made in admission():
        name = made["metadata"]["name"]
        plural = _PLURALS[made["kind"]]
        try:
            await _apply(hub, f"{_ADMISSION}/{plural}/{name}", made, dry_run=dry_run, force=True)
        except ApiError as error:
            if not error.not_found:
                raise
            # Below Kubernetes 1.36 there is no such kind; the operator writes the finalizer then.
            answer.note(f"{made['kind']} {name} left out: this hub does not serve the kind")
            return
        answer.note(f"{made['kind']} {name} applied{tail}")
    if not dry_run:
        await _admitted(hub)


async def _admitted(hub: Hub) -> None:
    """Wait until a new AIWorkload gets its finalizer.

    A policy learns a new kind's schema only every few seconds, and until then the API server
    answers 503 to whoever creates an object of that kind: better here than at the user.
    """
    clock = SystemClock()
    deadline = clock.monotonic() + _SERVED_WITHIN_S
    while True:
        try:
            made = await hub.session.request(
                "POST", WORKLOADS.path("default"), body=_PROBE, params={"dryRun": "All"}
            )
        except ApiError as error:
            if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            last = error.sentence
        else:
            if FINALIZER in msgspec.json.decode(made)["metadata"].get("finalizers", ()):
                return
            last = "it gets no finalizer"
        if clock.monotonic() > deadline:
            raise ConfigurationError(
                f"a new AIWorkload is not admitted after {_SERVED_WITHIN_S:g} s: {last}",
                hint="see `kubectl describe mutatingadmissionpolicy tradewind-finalizer`",
            )
        await clock.sleep(0.2)


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
    return _shipped("policies.yaml")


def admission() -> list[dict[str, Any]]:
    """What gives a new AIWorkload its finalizer: a MutatingAdmissionPolicy and its binding."""
    return _shipped("admission.yaml")


def _shipped(name: str) -> list[dict[str, Any]]:
    import yaml

    text = files("tradewind.cli").joinpath("shipped", name).read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))
