"""Undo a join: the ComputeSite first, so that the operator takes its work and labels away.

Then the Secret on the hub and the account at the member. What a join did not make is left alone.
"""

import asyncio

import msgspec

from tradewind.api.names import GROUP, VERSION
from tradewind.base.errors import ConfigurationError
from tradewind.sites.client import ApiSession, find_object
from tradewind.sites.join import Progress
from tradewind.sites.joinobjects import (
    SITES,
    SYSTEM_NAMESPACE,
    label_of,
    member_objects,
    must_be_ours,
    path_of,
    secret_name,
)


async def leave(
    hub: ApiSession,
    member: ApiSession | None,
    name: str,
    *,
    progress: Progress,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Undo a join.

    Args:
        hub: with the rights of whoever leaves.
        member: None leaves the member as it is, for a cluster that is gone.
        name: of the ComputeSite.
        progress: told of each step.
        force: leave although work is placed there; the operator takes it away first.
        dry_run: say what would be deleted, and delete nothing.

    Raises:
        ConfigurationError: there is no such site, or work is placed there.
        ForeignObjectError: the ComputeSite was not made by a join.
    """
    site = await find_object(hub, f"{SITES}/{name}")
    if site is None:
        raise ConfigurationError(f"there is no ComputeSite {name}", hint="`tradewind sites` lists")
    must_be_ours(site)
    placed = await _placed_at(hub, name)
    if placed and not force:
        raise ConfigurationError(
            f"site {name} has {len(placed)} workload(s): {', '.join(placed[:5])}",
            hint="cordon it and wait, or add --force: its work is then taken away and placed anew",
        )
    paths = [(hub, "hub", f"ComputeSite {name}", f"{SITES}/{name}")]
    secret = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/{secret_name(name)}"
    paths.append((hub, "hub", f"Secret {SYSTEM_NAMESPACE}/{secret_name(name)}", secret))
    if member is not None:
        paths += [
            (member, name, label_of(body), path_of(body))
            for body in reversed(member_objects())
            if body["kind"] != "Namespace"  # others may have come to use it
        ]
    for session, where, label, path in paths:
        found = await find_object(session, path)
        if found is None:
            progress(f"{where}: {label}", "was not there")
            continue
        must_be_ours(found)
        if not dry_run:
            await session.delete(path, uid=found["metadata"]["uid"])
            if session is hub and label.startswith("ComputeSite"):
                await _wait_gone(hub, path)
        progress(f"{where}: {label}", "would be deleted" if dry_run else "deleted")


async def _wait_gone(hub: ApiSession, path: str) -> None:
    """Wait for the operator to take the site's work away: it needs the credentials for that."""
    for _ in range(240):
        if await find_object(hub, path) is None:
            return
        await asyncio.sleep(0.5)
    raise ConfigurationError(
        "the ComputeSite is still being removed after two minutes",
        hint="is the operator running? `kubectl tradewind forget` lets go of a dead cluster",
    )


async def _placed_at(hub: ApiSession, site: str) -> list[str]:
    body = msgspec.json.decode(await hub.get(f"/apis/{GROUP}/{VERSION}/aiworkloads"))
    return sorted(
        f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        for item in body["items"]
        if any(
            part.get("site") == site and part.get("phase") not in ("Succeeded", "Failed", "Lost")
            for part in (item.get("status") or {}).get("placements") or ()
        )
    )
