"""One site made as wanted: what is created, fenced and removed, and what is never touched."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.clock import FakeClock, settle
from tests.unit.dispatch.memory_site import HUB, MemorySite
from tests.unit.dispatch.works import (
    DEPLOYMENT_PATH,
    H100,
    JOB_PATH,
    SITE,
    UID,
    deployment,
    job,
    placement,
    workload,
)

from tradewind.api.names import LABEL_EPOCH, LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.api.workload import ObjectReference
from tradewind.base.aio import cancel_and_wait
from tradewind.base.errors import ApiError, SiteUnreachableError
from tradewind.dispatch.apply import REFUSED_BACKOFF_S, SEEN_TTL_S, UNSEEN_CHECK_S, SiteDispatcher
from tradewind.dispatch.children import Child, ChildIndex
from tradewind.dispatch.intents import Hold, Keep, Remove, Wanted
from tradewind.dispatch.render import render


class ScriptedIntents:
    """The hub's side: wants what the test says, and remembers what it was told."""

    def __init__(self) -> None:
        self.wants: Wanted = Hold()
        self.told: list[tuple[Any, ...]] = []
        self.after_end: Wanted = Hold()

    def wanted(self, site: str, workload_uid: str) -> Wanted:
        return self.wants if workload_uid == UID else Remove()

    def on_applied(self, site: str, workload_uid: str, epoch: int, ref: ObjectReference) -> None:
        self.told.append(("applied", epoch, ref.uid))

    def on_observed(self, site: str, child: Child) -> None:
        self.told.append(("observed", child.epoch, child.uid))

    def on_ended(self, site: str, child: Child) -> None:
        self.told.append(("ended", child.epoch, child.uid))
        self.wants = self.after_end

    def on_vanished(self, site: str, workload_uid: str, epoch: int) -> None:
        self.told.append(("vanished", epoch))

    def on_refused(
        self, site: str, workload_uid: str, epoch: int, reason: str, message: str
    ) -> None:
        self.told.append(("refused", epoch, reason))

    def on_gone(self, site: str, workload_uid: str) -> None:
        self.told.append(("gone", workload_uid))

    def heard(self, what: str) -> list[tuple[Any, ...]]:
        return [one for one in self.told if one[0] == what]


class Scene:
    """A dispatcher that runs beside a site in memory; the watch shows what a test lets it show."""

    def __init__(self, *namespaces: str) -> None:
        self.clock = FakeClock()
        self.site = MemorySite(*namespaces)
        self.intents = ScriptedIntents()
        self.children = ChildIndex()
        self.leads = True
        self.dispatcher = SiteDispatcher(
            SITE,
            lambda: self.site,  # type: ignore[arg-type,return-value]
            self.children,
            self.intents,
            may_write=lambda: self.leads,
            site_labels=dict,
            hub_id=HUB,
            clock=self.clock,
            workers=2,
            pod_security="baseline",
        )

    async def want(self, wanted: Wanted) -> None:
        self.intents.wants = wanted
        self.dispatcher.add(UID)
        await self.rest()

    async def rest(self) -> None:
        for _ in range(5):
            await settle()

    def show(self, path: str) -> Child:
        """Let the watch show an object as it is now."""
        old = next((c for c in self.children if c.workload_uid == UID), None)
        new = self.site.child(path)
        self.children.put(new)
        self.dispatcher.on_child(old if old and old.uid == new.uid else None, new)
        return new

    async def hide(self, child: Child) -> None:
        """Let the watch tell of its end."""
        self.children.drop(child.uid)
        self.dispatcher.on_child(child, None)
        await self.rest()

    @property
    def writes(self) -> list[tuple[str, str]]:
        return self.site.log


@asynccontextmanager
async def scene(*namespaces: str, synced: bool = True) -> AsyncIterator[Scene]:
    made = Scene(*namespaces)
    task = asyncio.create_task(made.dispatcher.run())
    if synced:
        made.dispatcher.resync([])
    try:
        yield made
    finally:
        await cancel_and_wait(task)


def keep(epoch: int = 1, template: dict[str, Any] | None = None, **kwargs: Any) -> Keep:
    return Keep(workload(template), placement(epoch, **kwargs), None)


def ours(epoch: int = 1, template: dict[str, Any] | None = None) -> dict[str, Any]:
    """The object that we would have made."""
    return render(workload(template), placement(epoch), None, hub_id=HUB, site_labels={})


def foreign(**labels: str) -> dict[str, Any]:
    return {**job(), "metadata": {"name": "train", "namespace": "research", "labels": labels}}


async def test_a_wanted_object_is_made_and_told() -> None:
    async with scene("research") as made:
        await made.want(keep())
        assert made.writes == [("apply", JOB_PATH)]
        uid = made.site.objects[JOB_PATH]["metadata"]["uid"]
        assert made.intents.told == [("applied", 1, uid)]


async def test_nothing_is_done_before_the_site_was_listed() -> None:
    async with scene("research", synced=False) as made:
        await made.want(keep())
        assert (made.writes, made.site.reads) == ([], [])
        made.dispatcher.resync([UID])
        await made.rest()
        assert made.writes == [("apply", JOB_PATH)]
        made.dispatcher.unsync()
        await made.want(Remove())
        assert len(made.writes) == 1


async def test_a_hold_touches_nothing() -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, ours())
        made.show(JOB_PATH)
        await made.want(Hold())
        assert (made.writes, made.intents.told) == ([], [])


async def test_who_does_not_lead_writes_nothing() -> None:
    async with scene("research") as made:
        made.leads = False
        await made.want(keep())
        assert (made.writes, made.intents.told) == ([], [])
        made.site.put(JOB_PATH, ours())
        made.show(JOB_PATH)
        await made.want(Remove(workload()))
        assert (made.writes, made.intents.heard("gone")) == ([], [])


FOREIGN: dict[str, dict[str, str]] = {
    "no labels": {},
    "another hub": {LABEL_HUB_ID: "hub-2", LABEL_WORKLOAD_UID: UID, LABEL_EPOCH: "1"},
    "another workload": {LABEL_HUB_ID: HUB, LABEL_WORKLOAD_UID: "other", LABEL_EPOCH: "1"},
    "another epoch": {LABEL_HUB_ID: HUB, LABEL_WORKLOAD_UID: UID, LABEL_EPOCH: "0"},
}


@pytest.mark.parametrize("labels", FOREIGN.values(), ids=FOREIGN.keys())
async def test_what_is_not_this_placements_is_never_adopted(labels: dict[str, str]) -> None:
    async with scene("research") as made:
        there = made.site.put(JOB_PATH, foreign(**labels))
        await made.want(keep())
        await made.clock.step(3 * REFUSED_BACKOFF_S)
        assert made.writes == []
        assert made.site.objects[JOB_PATH] == there
        assert set(made.intents.told) == {("refused", 1, "ForeignObject")}


async def test_a_foreign_object_that_goes_makes_room() -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, foreign())
        await made.want(keep())
        del made.site.objects[JOB_PATH]
        await made.clock.step(2 * REFUSED_BACKOFF_S)
        assert made.writes == [("apply", JOB_PATH)]
        assert made.intents.heard("applied")


@pytest.mark.parametrize("labels", [FOREIGN["no labels"], FOREIGN["another hub"]])
async def test_a_foreign_object_is_not_removed_either(labels: dict[str, str]) -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, foreign(**labels))
        await made.want(Remove(workload()))
        assert made.writes == []
        assert made.intents.told == [("gone", UID)]


@pytest.mark.parametrize(
    ("wanted", "propagation"),
    [
        (Remove(workload(), whole=True), "Foreground"),
        (keep(2), "Foreground"),
        (Remove(workload()), "Background"),
        (Remove(), "Background"),
    ],
    ids=["evicted", "of an old epoch", "deleted by its user", "an orphan"],
)
@pytest.mark.parametrize("shown", [True, False], ids=["in the watch", "not in the watch yet"])
async def test_work_that_runs_again_waits_for_the_pods_of_its_last_run(
    wanted: Wanted, propagation: str, *, shown: bool
) -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, ours())
        if shown:
            made.show(JOB_PATH)
        elif not isinstance(wanted, Remove) or wanted.workload is None:
            return  # what nobody speaks of is found by the watch alone
        await made.want(wanted)
        assert made.site.propagations == [propagation]


async def test_our_own_write_of_before_a_crash_is_taken_over() -> None:
    async with scene("research") as made:
        uid = made.site.put(JOB_PATH, ours())["metadata"]["uid"]
        await made.want(keep())
        assert made.intents.told == [("applied", 1, uid)]


async def test_an_object_of_an_older_epoch_goes_before_the_new_one_comes() -> None:
    async with scene("research") as made:
        made.site.deletes_slowly = True
        made.site.put(JOB_PATH, ours(1))
        old = made.show(JOB_PATH)
        await made.want(keep(2))
        assert made.writes == [("delete", JOB_PATH)]
        made.show(JOB_PATH)
        await made.want(keep(2))
        assert made.writes == [("delete", JOB_PATH)]
        del made.site.objects[JOB_PATH]
        await made.hide(old)
        assert made.writes == [("delete", JOB_PATH), ("apply", JOB_PATH)]
        assert made.site.objects[JOB_PATH]["metadata"]["labels"][LABEL_EPOCH] == "2"


async def test_what_waits_for_its_pods_is_let_go_when_its_workload_goes() -> None:
    async with scene("research") as made:
        made.site.deletes_slowly = True
        made.site.put(JOB_PATH, ours())
        made.show(JOB_PATH)
        evicted = Remove(workload(), whole=True)
        await made.want(evicted)
        made.show(JOB_PATH)
        await made.want(evicted)
        assert made.site.propagations == ["Foreground"]
        await made.want(Remove(workload()))
        assert made.site.propagations == ["Foreground", "Background"]


async def test_a_removal_is_told_when_nothing_is_left() -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, ours())
        child = made.show(JOB_PATH)
        await made.want(Remove(workload()))
        assert made.intents.heard("gone") == []
        await made.hide(child)
        assert made.intents.heard("gone") == [("gone", UID)]
        assert made.writes == [("delete", JOB_PATH)]


async def test_an_orphan_of_a_workload_that_is_gone_is_removed() -> None:
    async with scene("research", synced=False) as made:
        body = ours()
        body["metadata"]["labels"][LABEL_WORKLOAD_UID] = "uid-forgotten"
        made.site.put(JOB_PATH, body)
        made.show(JOB_PATH)
        made.dispatcher.resync([])
        await made.rest()
        assert made.writes == [("delete", JOB_PATH)]


async def test_a_name_that_changed_hands_is_not_deleted() -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, ours())
        made.show(JOB_PATH)
        del made.site.objects[JOB_PATH]
        theirs = made.site.put(JOB_PATH, foreign())
        await made.want(Remove(workload()))
        assert made.writes == []
        assert made.site.objects[JOB_PATH] == theirs


async def test_gone_is_not_told_while_the_site_has_what_the_watch_has_not_shown() -> None:
    async with scene("research") as made:
        made.site.deletes_slowly = True
        made.site.put(JOB_PATH, ours())
        await made.want(Remove(workload()))
        assert made.writes == [("delete", JOB_PATH)]
        await made.clock.step(3 * UNSEEN_CHECK_S)
        assert made.writes == [("delete", JOB_PATH)]
        assert made.intents.heard("gone") == []
        del made.site.objects[JOB_PATH]
        await made.clock.step(2 * UNSEEN_CHECK_S)
        assert made.intents.told == [("gone", UID)]


async def test_gone_is_not_told_while_the_site_does_not_answer() -> None:
    async with scene("research") as made:
        made.site.refuses["get"] = ApiError(503, "ServiceUnavailable", "no")
        await made.want(Remove(workload()))
        await made.clock.step(REFUSED_BACKOFF_S)
        assert made.intents.told == []
        made.site.refuses.clear()
        await made.clock.step(2 * REFUSED_BACKOFF_S)
        assert made.intents.told == [("gone", UID)]


async def test_vanished_is_not_told_while_the_site_has_the_object() -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, ours())
        await made.want(keep(created=True))
        await made.clock.step(3 * UNSEEN_CHECK_S)
        assert (made.writes, made.intents.told) == ([], [])
        del made.site.objects[JOB_PATH]
        await made.clock.step(2 * UNSEEN_CHECK_S)
        assert made.intents.heard("vanished")
        assert made.writes == []


@pytest.mark.parametrize("labels", FOREIGN.values(), ids=FOREIGN.keys())
async def test_a_job_that_was_replaced_by_anothers_vanished(labels: dict[str, str]) -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, foreign(**labels))
        await made.want(keep(created=True))
        assert made.intents.told == [("vanished", 1)]
        assert made.writes == []


async def test_a_job_is_not_started_twice_while_the_watch_is_behind() -> None:
    async with scene("research") as made:
        await made.want(keep())
        await made.want(keep(created=True))
        assert made.intents.heard("vanished") == []
        del made.site.objects[JOB_PATH]
        await made.clock.step(SEEN_TTL_S + 1)
        assert made.intents.heard("vanished")
        assert made.writes == [("apply", JOB_PATH)]


async def test_a_deployment_that_was_deleted_is_made_again() -> None:
    template = deployment()
    async with scene("research") as made:
        await made.want(keep(template=template))
        child = made.show(DEPLOYMENT_PATH)
        del made.site.objects[DEPLOYMENT_PATH]
        made.intents.wants = keep(template=template, created=True)
        await made.hide(child)
        assert made.writes == [("apply", DEPLOYMENT_PATH)] * 2
        assert made.intents.heard("vanished") == []


async def test_what_the_watch_shows_is_told() -> None:
    async with scene("research") as made:
        await made.want(keep())
        child = made.show(JOB_PATH)
        assert made.intents.told[-1] == ("observed", 1, child.uid)


async def test_a_deployment_is_updated_only_when_its_template_changed() -> None:
    async with scene("research") as made:
        await made.want(keep(template=deployment()))
        made.show(DEPLOYMENT_PATH)
        await made.want(keep(template=deployment()))
        assert made.writes == [("apply", DEPLOYMENT_PATH)]
        await made.want(keep(template=deployment(image="registry.example/train:2")))
        assert made.writes == [("apply", DEPLOYMENT_PATH)] * 2


async def test_a_job_that_is_there_is_never_applied_again() -> None:
    async with scene("research") as made:
        await made.want(keep())
        made.show(JOB_PATH)
        await made.want(keep(template=job(image="registry.example/train:2")))
        assert made.writes == [("apply", JOB_PATH)]


async def test_another_kind_under_the_same_placement_replaces_the_first() -> None:
    async with scene("research") as made:
        await made.want(keep())
        child = made.show(JOB_PATH)
        await made.want(keep(template=deployment()))
        assert made.writes == [("apply", JOB_PATH), ("delete", JOB_PATH)]
        await made.hide(child)
        assert made.writes[-1] == ("apply", DEPLOYMENT_PATH)


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (422, "Invalid"), (400, "")])
async def test_a_refusal_is_told_by_its_reason(status: int, reason: str) -> None:
    async with scene("research") as made:
        made.site.refuses["apply"] = ApiError(status, reason, "no")
        await made.want(keep())
        assert made.intents.told == [("refused", 1, reason or f"Status{status}")]


@pytest.mark.parametrize(
    "error",
    [
        ApiError(503, "ServiceUnavailable", "later"),
        ApiError(429, "TooManyRequests", "later"),
        SiteUnreachableError("no answer"),
    ],
)
async def test_what_may_pass_is_no_refusal_and_is_tried_again(error: Any) -> None:
    async with scene("research") as made:
        made.site.refuses["apply"] = error
        await made.want(keep())
        assert made.intents.told == []
        made.site.refuses.clear()
        await made.clock.step(2 * REFUSED_BACKOFF_S)
        assert made.writes == [("apply", JOB_PATH)]


async def test_a_template_that_cannot_be_translated_is_refused_and_nothing_is_sent() -> None:
    async with scene("research") as made:
        await made.want(keep(template=job(chips=8)))
        assert made.intents.told == [("refused", 1, "TemplateRefused")]
        assert made.writes == []


async def test_hardware_stands_in_what_is_sent() -> None:
    async with scene("research") as made:
        await made.want(Keep(workload(job(chips=8)), placement(), H100))
        (container,) = made.site.objects[JOB_PATH]["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"] == {"nvidia.com/gpu": "8"}


async def test_a_missing_namespace_is_made_first() -> None:
    async with scene() as made:
        await made.want(keep())
        assert made.writes == [("POST", "/api/v1/namespaces/research"), ("apply", JOB_PATH)]


async def test_a_namespace_that_went_is_made_again() -> None:
    async with scene() as made:
        await made.want(keep(template=deployment()))
        child = made.show(DEPLOYMENT_PATH)
        made.site.objects.clear()
        await made.hide(child)
        await made.clock.step(SEEN_TTL_S + REFUSED_BACKOFF_S)
        assert [verb for verb, _ in made.writes] == ["POST", "apply", "POST", "apply"]


def complete(body: dict[str, Any]) -> dict[str, Any]:
    condition = {"type": "Complete", "status": "True"}
    return body | {"status": {"conditions": [condition], "completionTime": "2026-11-24T07:00:00Z"}}


async def test_what_ended_before_its_removal_came_is_told_and_stays() -> None:
    async with scene("research") as made:
        made.site.put(JOB_PATH, complete(ours()))
        made.show(JOB_PATH)
        await made.want(Remove(workload()))
        assert made.writes == []
        assert [one[:2] for one in made.intents.heard("ended")] == [("ended", 1)]


async def test_what_ended_is_removed_all_the_same_where_it_is_not_wanted() -> None:
    async with scene("research") as made:
        made.intents.after_end = Remove(workload())
        made.site.put(JOB_PATH, complete(ours()))
        made.show(JOB_PATH)
        await made.want(Remove(workload()))
        assert made.writes == [("delete", JOB_PATH)]
