"""`tradewind cordon`, `uncordon`, `drain`: keep new work from a site, send away what may move.

They edit the ComputeSite's spec for the person who calls them, as kubectl's commands of these names
edit a node's. Whether the edit is permitted is for the hub to say; the operator does the rest.
"""

from typing import Any, Final

from tradewind.api.fields import condition_of
from tradewind.api.site import ComputeSite
from tradewind.base.aio import SystemClock
from tradewind.base.errors import ConfigurationError
from tradewind.cli import answer
from tradewind.cli.ask import Ask
from tradewind.cli.hub import SITES, Hub, on_hub

_EVERY_S: Final = 1.0
_MERGE_PATCH: Final = "application/merge-patch+json"


def cordon(ask: Ask, names: list[str]) -> None:
    """Keep new work away.

    Raises:
        NotFoundError: no such site.
    """
    _each(ask, names, {"unschedulable": True}, "cordoned: gets no new work")


def uncordon(ask: Ask, names: list[str]) -> None:
    """Let new work in again, and stop a drain.

    Raises:
        NotFoundError: no such site.
    """
    _each(ask, names, {"unschedulable": False, "drain": False}, "uncordoned: gets work again")


def drain(ask: Ask, name: str, *, wait_s: float | None) -> None:
    """Keep new work away, and have what may be moved leave.

    Args:
        ask: which hub.
        name: of the site.
        wait_s: wait until it is empty, for so long at most; None: do not wait.

    Raises:
        NotFoundError: no such site.
        ConfigurationError: it was not empty in time; names what is left.
    """
    _each(ask, [name], {"drain": True}, "draining: gets no new work, and what may be moved leaves")
    if wait_s is not None:
        on_hub(ask, lambda hub: wait_until_empty(hub, name, wait_s))


def _each(ask: Ask, names: list[str], change: dict[str, Any], told: str) -> None:
    async def edit(hub: Hub) -> None:
        for name in names:
            await hub.get(SITES, name)  # an unknown name is told with the near ones
            path = SITES.path(name=name)
            await hub.session.request(
                "PATCH", path, body={"spec": change}, content_type=_MERGE_PATCH
            )
            answer.note(f"site {name} {told}")

    on_hub(ask, edit)


async def wait_until_empty(hub: Hub, name: str, limit_s: float) -> None:
    """Wait for the operator to say that nothing is at work there.

    Raises:
        ConfigurationError: it did not in time; names what is left.
    """
    clock = SystemClock()
    deadline, last = clock.monotonic() + limit_s, ""
    while True:
        site = ComputeSite.model_validate(await hub.get(SITES, name))
        found = condition_of(site.status.conditions, "Drained") if site.status else None
        current = found is not None and found.observed_generation == site.metadata.generation
        if found is not None and current and found.status == "True":
            answer.note(f"site {name} is empty")
            return
        message = found.message if found is not None and current else "no operator has looked yet"
        if message != last:
            answer.note(f"site {name}: {message}")
            last = message
        if clock.monotonic() >= deadline:
            raise ConfigurationError(
                f"site {name} is not empty: {message}",
                hint="work without runtime.checkpoint stays until it ends; a NoExecute taint in "
                "spec.taints ends it at once",
            )
        await clock.sleep(_EVERY_S)
