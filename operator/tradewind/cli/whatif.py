"""`tradewind plan`: where would a workload go, when, at what cost, and why? Nothing is written.

The snapshot is made of what the hub's objects say, and the engine runs here. Everything that waits
on the hub competes, as it would in the operator's next cycle.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from tradewind.api.names import API_VERSION
from tradewind.api.workload import AIWorkload, Decision
from tradewind.base.errors import ApiError, ConfigurationError
from tradewind.cli import answer, hub
from tradewind.cli.ask import Ask
from tradewind.cli.documents import Object, read_documents
from tradewind.cli.hub import Hub
from tradewind.cli.hubsnapshot import HubObjects, HubView, hub_view
from tradewind.cli.leaving import Leaving, leaving_lines
from tradewind.cli.verdict import Verdict, lines
from tradewind.cli.view import Cell
from tradewind.cli.watching import Page, show_page
from tradewind.controller.jointly import joint_decision, joint_estimate
from tradewind.controller.outlooks import outlook_of
from tradewind.controller.settings import engine_config, load_settings
from tradewind.controller.store import Record
from tradewind.placement.config import EngineConfig
from tradewind.placement.engine import DEFAULT_CONFIG, plan
from tradewind.placement.explain import decision_of
from tradewind.placement.plan import Deferred, Plan, Waiting

KIND: Final = "AIWorkload"
#: Kinds that may stand beside the workloads: what if these were changed, too?
_OVERLAYS: Final = {"PlacementPolicy": "policies", "ComputeQueue": "queues"}
_APPLY: Final = "application/apply-patch+yaml"
_CANNOT_CHECK: Final = frozenset({403, 404})


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What the next cycle would decide.

    Args:
        verdicts: on the workloads that were asked about.
        leaving: running work that would move or pause; None: not asked.
    """

    verdicts: list[Verdict]
    leaving: list[Leaving] | None = None

    def lines(self, now: datetime) -> list[Sequence[Cell]]:
        """For people."""
        found = [line for verdict in self.verdicts for line in lines(verdict, now)]
        return found if self.leaving is None else [*found, *leaving_lines(self.leaving)]

    def document(self, now: datetime) -> dict[str, Any]:
        """For programs."""
        found: dict[str, Any] = {"at": now.isoformat()}
        found["plans"] = [verdict.document() for verdict in self.verdicts]
        if self.leaving is not None:
            found["leaving"] = [one.document() for one in self.leaving]
        return found


def show(ask: Ask, files: Sequence[Path], *, default_policy: str, running: bool) -> None:
    """Run the command.

    Raises:
        ConfigurationError: a file, or an object in it, is wrong; says where and what.
    """
    documents = read_documents(files)
    namespace = ask.namespace or hub.namespace_of(ask)

    config = engine_config(load_settings().planning)

    async def page(there: Hub, now: datetime) -> Page:
        found = await what_if(
            there,
            documents,
            namespace,
            now,
            default_policy=default_policy,
            running=running,
            config=config,
        )
        return Page(found.lines(now), found.document(now))

    show_page(ask, page)


async def what_if(
    there: Hub,
    documents: Sequence[Object],
    namespace: str,
    now: datetime,
    *,
    default_policy: str,
    running: bool = False,
    config: EngineConfig = DEFAULT_CONFIG,
) -> Foreseen:
    """Plan the workloads of some documents, as if they were on the hub.

    Args:
        there: the hub.
        documents: AIWorkloads, and policies and queues that count instead of the hub's.
        namespace: of workloads that name none.
        now: the time of the plan.
        default_policy: of workloads that name no policy.
        running: tell what running work would move or pause, too; then no workload need be given.
        config: with which the operator plans.

    Raises:
        ConfigurationError: no workload among them, or one that the hub would refuse.
    """
    wanted = [_with_namespace(item, namespace) for item in documents if item["kind"] == KIND]
    for item in documents:
        if item["kind"] != KIND and item["kind"] not in _OVERLAYS:
            answer.note(f"{item['kind']} {item['metadata']['name']} counts for nothing here")
    if not (wanted or running):
        raise ConfigurationError(
            f"there is no {KIND} in the files",
            hint="its kind and apiVersion say what it is; --running asks about what runs already",
        )
    checked = [await _checked(there, item) for item in wanted]
    view = hub_view(await _objects(there, documents), default_policy=default_policy)
    view.outlook = lambda name: outlook_of(view.store.sites[name].status)
    records = [view.add(item) for item in checked]
    made = plan(view.snapshot(now, rebalance=running), now, config)
    verdicts = [_verdict(view, record, made, now) for record in records]
    if not running:
        return Foreseen(verdicts)
    leaving = [Leaving(_label(view, one.uid), one) for one in made.evictions if one.by is None]
    return Foreseen(verdicts, leaving)


def _with_namespace(item: Object, namespace: str) -> Object:
    if item.get("apiVersion") != API_VERSION:
        raise ConfigurationError(
            f"{KIND} {item['metadata']['name']}: apiVersion is {item.get('apiVersion')!r}",
            hint=f"write {API_VERSION}",
        )
    given = item["metadata"].get("namespace") or namespace
    return {**item, "metadata": {**item["metadata"], "namespace": given}}


async def _objects(there: Hub, documents: Sequence[Object]) -> HubObjects:
    kinds = (hub.SITES, hub.WORKLOADS, hub.POLICIES, hub.QUEUES, hub.CLASSES)
    found = HubObjects(*await asyncio.gather(*(there.list(kind) for kind in kinds)))
    for item in documents:
        if field_name := _OVERLAYS.get(item["kind"]):
            changed = {"uid": "what-if", "generation": 1, **item["metadata"]}
            rest = [
                other
                for other in getattr(found, field_name)
                if other["metadata"]["name"] != item["metadata"]["name"]
            ]
            setattr(found, field_name, [*rest, {**item, "metadata": changed}])
    return found


async def _checked(there: Hub, item: Object) -> Object:
    """The workload as the hub would take it, defaults filled in: a dry run, where that may be.

    Raises:
        ConfigurationError: the hub, or the models here, would refuse it.
    """
    metadata = item["metadata"]
    name = f"{metadata['namespace']}/{metadata['name']}"
    path = hub.WORKLOADS.path(metadata["namespace"], metadata["name"])
    params = {
        "dryRun": "All",
        "fieldManager": "tradewind-plan",
        "force": "true",
        "fieldValidation": "Strict",
    }
    try:
        body = await there.session.request(
            "PATCH", path, body=item, content_type=_APPLY, params=params
        )
    except ApiError as error:
        if error.status not in _CANNOT_CHECK:
            raise ConfigurationError(
                f"the hub would refuse {KIND} {name}: {error.message}",
                hint="mend what it names; docs/api.md has the fields",
            ) from error
        answer.note(f"{name} was not checked by the hub ({error.message}), but by the models here")
        _check_here(item, name)
        return item
    found: Object = msgspec.json.decode(body)
    return found


def _check_here(item: Object, name: str) -> None:
    try:
        AIWorkload.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{KIND} {name}: {where}: {first['msg']}") from None


def _verdict(view: HubView, record: Record, made: Plan, now: datetime) -> Verdict:
    workload = record.model
    if record.fault is not None:
        reason, message = "TemplateRefused", record.fault.sentence
        return Verdict(workload, Decision(at=now, reason=reason, message=message))
    if workload.spec.suspend:
        return Verdict(workload, Decision(at=now, reason="Suspended", message="spec.suspend"))
    parts = [one for one in made.assignments if one.uid == record.uid]
    evictions = [(_label(view, one.uid), one) for one in made.evictions if one.by == record.uid]
    if parts:
        return Verdict(
            workload,
            joint_decision(parts, now, record.status),
            parts,
            joint_estimate(record.status, parts),
            evictions,
        )
    rest: tuple[Waiting | Deferred, ...] = (*made.waiting, *made.deferred)
    outcomes = [one for one in rest if one.uid == record.uid]
    if not outcomes:
        raise AssertionError(f"the plan says nothing of {record.label}")
    return Verdict(workload, decision_of(outcomes[0], now), evictions=evictions)


def _label(view: HubView, uid: str) -> str:
    record = view.store.workloads.get(uid)
    return record.label if record else uid
