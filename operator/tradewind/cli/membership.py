"""Carry a join or a leave out: sessions with both clusters, and each step told as it is done."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradewind.base.errors import ConfigurationError
from tradewind.cli import answer
from tradewind.cli.ask import Ask
from tradewind.cli.hub import SITES, TIMEOUT_S, Hub, on_hub
from tradewind.sites.client import ApiSession
from tradewind.sites.hubaccess import hub_endpoint
from tradewind.sites.join import join as join_site
from tradewind.sites.leave import leave as leave_site


@dataclass(frozen=True, slots=True)
class Member:
    """How the member is reached by whoever joins it; None where nothing was said."""

    kubeconfig: Path | None
    context: str | None

    @property
    def named(self) -> bool:
        """Whether a cluster was named at all."""
        return self.kubeconfig is not None or self.context is not None


def join(ask: Ask, site: dict[str, Any], member: Member, *, dry_run: bool) -> None:
    """Run `tradewind join`.

    Raises:
        ConfigurationError: no member was named, or it is the hub itself.
    """

    async def run(hub: Hub) -> None:
        await hub.list(SITES)  # not the hub, or not installed: find out before anything is made
        async with _session(hub, member, str(site["metadata"]["name"])) as there:
            made = await join_site(hub.session, there, site, progress=_told, dry_run=dry_run)
        if dry_run:
            answer.note(f"site {made.site} at {made.server} would be joined; nothing was changed")
            return
        answer.note(f"site {made.site} at {made.server} is joined")
        if made.expires_at is not None:
            answer.note(f"its token ends on {made.expires_at:%Y-%m-%d}: join again before then")

    on_hub(ask, run)


def leave(ask: Ask, name: str, member: Member | None, *, force: bool, dry_run: bool) -> None:
    """Run `tradewind leave`; without a member only the hub's side is undone."""

    async def run(hub: Hub) -> None:
        if member is None:
            await leave_site(hub.session, None, name, progress=_told, force=force, dry_run=dry_run)
            return
        async with _session(hub, member, name) as there:
            await leave_site(hub.session, there, name, progress=_told, force=force, dry_run=dry_run)

    on_hub(ask, run)


@asynccontextmanager
async def _session(hub: Hub, member: Member, name: str) -> AsyncIterator[ApiSession]:
    if not member.named:
        raise ConfigurationError(
            f"which cluster is {name}?", hint="name it by --member-context or --member-kubeconfig"
        )
    endpoint = hub_endpoint(member.kubeconfig, member.context)
    if endpoint.server == hub.session.endpoint.server:
        raise ConfigurationError(
            f"{endpoint.server} is the hub itself",
            hint="to let the hub run work too, apply a ComputeSite with spec.access.hub: {}",
        )
    session = ApiSession(endpoint, name=name, timeout_s=TIMEOUT_S)
    try:
        yield session
    finally:
        await session.close()


def _told(what: str, became: str) -> None:
    answer.note(f"{what} {became}")
