"""`tradewind forget`: give up a site that will not come back, and everything that waits for it.

The operator does the work: a mark on the ComputeSite lets it take the site's placements for lost,
so that the work starts elsewhere and deletions end. When nothing is placed there any more, the
ComputeSite goes. Should the cluster come back after all, it holds objects that nobody looks after:
that is why a site which still answers is refused.
"""

from typing import Final

import typer

from tradewind.api.fields import condition_of
from tradewind.api.site import ComputeSite
from tradewind.api.workload import AIWorkload
from tradewind.base.aio import SystemClock
from tradewind.base.errors import ConfigurationError
from tradewind.cli import answer
from tradewind.cli.ask import Ask
from tradewind.cli.hub import SITES, WORKLOADS, Hub, on_hub
from tradewind.cli.sites import occupied

#: The mark that the operator looks for (`controller.housekeeping`).
ANNOTATION_FORGET: Final = "tradewind.dev/forget"

_LIMIT_S: Final = 120.0
_EVERY_S: Final = 1.0
_MERGE_PATCH: Final = "application/merge-patch+json"


def forget(ask: Ask, name: str, *, yes: bool, force: bool) -> None:
    """Run the command.

    Raises:
        NotFoundError: no such site.
        ConfigurationError: it still answers, or the operator did not let go of it in time.
    """
    site = ComputeSite.model_validate(on_hub(ask, lambda hub: hub.get(SITES, name)))
    if not force and answers(site):
        raise ConfigurationError(
            f"site {name} still answers: its work would go on there while it starts elsewhere",
            hint=f"use `tradewind leave {name}`, or --force if you are sure",
        )
    if not yes:
        question = f"Give up site {name} for ever? Its work starts elsewhere"
        typer.confirm(question, abort=True, err=True)
    on_hub(ask, lambda hub: carry_out(hub, name))


def answers(site: ComputeSite) -> bool:
    """Whether the operator reaches the site; a site it never looked at does not count."""
    reachable = condition_of(site.status.conditions, "Reachable") if site.status else None
    return reachable is not None and reachable.status == "True"


async def carry_out(hub: Hub, name: str) -> None:
    """Mark the site, wait until nothing is placed there, remove its ComputeSite.

    Raises:
        ConfigurationError: something is placed there still.
    """
    clock = SystemClock()
    mark = {"metadata": {"annotations": {ANNOTATION_FORGET: clock.now().isoformat()}}}
    path = SITES.path(name=name)
    await hub.session.request("PATCH", path, body=mark, content_type=_MERGE_PATCH)
    answer.note(f"site {name} marked; waiting until its work is taken for lost")
    deadline = clock.monotonic() + _LIMIT_S
    while left := await _work_there(hub, name):
        if clock.monotonic() > deadline:
            raise ConfigurationError(
                f"{len(left)} placements are still at {name}: {', '.join(left[:5])}",
                hint="is the operator running? the mark stays, and the command may be repeated",
            )
        await clock.sleep(_EVERY_S)
    await hub.session.delete(path)
    answer.note(f"site {name} is forgotten")


async def _work_there(hub: Hub, name: str) -> list[str]:
    workloads = [AIWorkload.model_validate(item) for item in await hub.list(WORKLOADS)]
    return [
        f"{workload.metadata.namespace}/{workload.metadata.name}"
        for workload in workloads
        if name in occupied([workload])
    ]
