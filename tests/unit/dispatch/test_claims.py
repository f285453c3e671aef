"""Claim templates at a site: before the object, owned by it, gone with it, never adopted."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.unit.dispatch.memory_site import HUB, MemorySite
from tests.unit.dispatch.test_apply import Scene
from tests.unit.dispatch.works import JOB_PATH, UID, job, placement, workload

from tradewind.api.names import LABEL_EPOCH, LABEL_HUB_ID, LABEL_WORKLOAD_UID
from tradewind.base.aio import cancel_and_wait
from tradewind.dispatch.intents import Keep, Remove
from tradewind.dispatch.render import render_all
from tradewind.hardware.site import SiteHardware

BY_DRA = SiteHardware(
    "nvidia-h100-sxm",
    "nvidia",
    "deviceclass.resource.kubernetes.io/gpu.nvidia.com",
    device_class="gpu.nvidia.com",
)
ROOT = "/apis/resource.k8s.io/v1/namespaces/research/resourceclaimtemplates/"


class ClaimingSite(MemorySite):
    """Lists claim templates by their labels."""

    async def get(self, path: str, params: dict[str, str] | None = None) -> bytes:
        if not path.endswith("/resourceclaimtemplates"):
            return await super().get(path)
        wanted = dict(pair.split("=") for pair in (params or {})["labelSelector"].split(","))
        items = [
            body
            for at, body in self.objects.items()
            if at.startswith(ROOT)
            and wanted.items() <= (body["metadata"].get("labels") or {}).items()
        ]
        return json.dumps({"items": items}).encode()

    def templates(self) -> dict[str, dict[str, Any]]:
        return {
            at.removeprefix(ROOT): body for at, body in self.objects.items() if at.startswith(ROOT)
        }


class ClaimScene(Scene):
    def __init__(self) -> None:
        super().__init__("research")
        self.site = ClaimingSite("research")
        self.dispatcher._claims_devices = lambda: True


@asynccontextmanager
async def running() -> AsyncIterator[ClaimScene]:
    import asyncio

    scene = ClaimScene()
    task = asyncio.create_task(scene.dispatcher.run())
    scene.dispatcher.resync([])
    await scene.rest()
    try:
        yield scene
    finally:
        await cancel_and_wait(task)


def keep(epoch: int = 1, chips: int = 2) -> Keep:
    made = workload(template=job(chips=chips))
    part = placement(epoch=epoch, class_name="nvidia-h100-sxm")
    return Keep(made, part, BY_DRA)


def rendered(wanted: Keep) -> Any:
    return render_all(
        wanted.workload, wanted.placement, wanted.hardware, hub_id=HUB, site_labels={}
    )


async def test_templates_come_first_and_are_owned_by_the_object() -> None:
    async with running() as scene:
        await scene.want(keep())
        [(name, template)] = scene.site.templates().items()
        assert [path for _, path in scene.site.log] == [ROOT + name, JOB_PATH, ROOT + name]
        labels = template["metadata"]["labels"]
        assert (labels[LABEL_HUB_ID], labels[LABEL_WORKLOAD_UID], labels[LABEL_EPOCH]) == (
            HUB, UID, "1",
        )  # fmt: skip
        owner = template["metadata"]["ownerReferences"][0]
        assert owner["uid"] == scene.site.objects[JOB_PATH]["metadata"]["uid"]
        pods = scene.site.objects[JOB_PATH]["spec"]["template"]["spec"]
        assert pods["resourceClaims"][0]["resourceClaimTemplateName"] == name
        assert template["spec"]["metadata"]["labels"].keys() == {LABEL_HUB_ID, LABEL_WORKLOAD_UID}


async def test_what_a_crash_left_is_used_again_or_swept_away() -> None:
    async with running() as scene:
        (body,) = rendered(keep()).claims
        scene.site.put(ROOT + body["metadata"]["name"], body)  # made, and then the process died
        (old,) = rendered(keep(epoch=7)).claims
        scene.site.put(ROOT + old["metadata"]["name"], old)
        await scene.want(keep())
        assert list(scene.site.templates()) == [body["metadata"]["name"]]
        assert scene.intents.heard("applied")


async def test_nothing_is_left_of_a_workload_that_goes() -> None:
    async with running() as scene:
        (body,) = rendered(keep()).claims
        scene.site.put(ROOT + body["metadata"]["name"], body)  # no object was ever made
        foreign = dict(body["metadata"], name="theirs", labels={LABEL_WORKLOAD_UID: UID})
        scene.site.put(ROOT + "theirs", {**body, "metadata": foreign})
        await scene.want(Remove(workload()))
        assert list(scene.site.templates()) == ["theirs"]
        assert scene.intents.heard("gone")


async def test_a_template_of_somebody_else_is_not_adopted() -> None:
    async with running() as scene:
        (body,) = rendered(keep()).claims
        name = body["metadata"]["name"]
        theirs = {**body, "metadata": {"name": name, "namespace": "research"}}
        scene.site.put(ROOT + name, theirs)
        await scene.want(keep())
        assert JOB_PATH not in scene.site.objects
        assert scene.intents.heard("refused") == [("refused", 1, "ForeignObject")]
        assert "labels" not in scene.site.templates()[name]["metadata"]


async def test_nothing_is_written_while_another_leads() -> None:
    async with running() as scene:
        scene.leads = False
        await scene.want(keep())
        assert scene.site.templates() == {}


async def test_another_number_of_chips_or_epoch_is_another_template() -> None:
    names = {
        rendered(wanted).claims[0]["metadata"]["name"]
        for wanted in (keep(), keep(epoch=2), keep(chips=3))
    }
    assert len(names) == 3
    assert rendered(keep()).claims == rendered(keep()).claims
