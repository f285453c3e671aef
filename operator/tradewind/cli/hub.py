"""What the hub holds, for one call of the command line: objects read, near names when one is wrong.

Objects stay as the API server gave them: `-o json` shows exactly these, and a view decodes what it
needs. Writing is left to `sites.join` and to `install`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from tradewind.api.names import GROUP, VERSION
from tradewind.base.errors import ApiError, ConfigurationError, SiteUnreachableError
from tradewind.cli.ask import Ask
from tradewind.cli.kubeconfig import default_namespace

if TYPE_CHECKING:
    from tradewind.sites.client import ApiSession

T = TypeVar("T")
Object = dict[str, Any]

TIMEOUT_S: Final = 15.0
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of ours as its paths need it."""

    plural: str
    singular: str
    namespaced: bool = False

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The path of one object, or of a collection."""
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        base = f"/apis/{GROUP}/{VERSION}{scope}/{self.plural}"
        return f"{base}/{name}" if name else base


SITES: Final = Kind("computesites", "site")
WORKLOADS: Final = Kind("aiworkloads", "workload", namespaced=True)
POLICIES: Final = Kind("placementpolicies", "policy")
QUEUES: Final = Kind("computequeues", "queue")
CLASSES: Final = Kind("acceleratorclasses", "accelerator class")


class NotFoundError(ConfigurationError):
    """No object of that name; the hint lists the names that are near."""

    code = "not-found"


class Hub:
    """Reads of the hub's objects."""

    def __init__(self, session: "ApiSession") -> None:
        self.session = session

    async def list(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """All objects of a kind, by namespace and name; None: every namespace.

        Raises:
            ConfigurationError: the kind is not installed.
        """
        found: list[Object] = []
        params: dict[str, str] = {"limit": str(_PAGE)}
        while True:
            try:
                page = msgspec.json.decode(await self.session.get(kind.path(namespace), params))
            except ApiError as error:
                if error.not_found:
                    raise ConfigurationError(
                        f"this cluster does not know the kind {kind.plural}.{GROUP}",
                        hint="is it the hub? see --kubeconfig and --context; "
                        "`tradewind install` installs the kinds",
                    ) from error
                raise
            found += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                break
            params["continue"] = token
        for item in found:  # a list leaves them out, and programs read items one by one
            item.setdefault("apiVersion", page["apiVersion"])
            item.setdefault("kind", page["kind"].removesuffix("List"))
        return sorted(found, key=_name_of)

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Object:
        """One object.

        Raises:
            NotFoundError: none of that name; the hint has the near ones.
        """
        try:
            found: Object = msgspec.json.decode(await self.session.get(kind.path(namespace, name)))
        except ApiError as error:
            if not error.not_found:
                raise
            raise _not_found(kind, name, namespace, await self.list(kind)) from error
        return found


def _name_of(item: Object) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _not_found(kind: Kind, name: str, namespace: str | None, there: list[Object]) -> NotFoundError:
    """Tell what is there instead: the same name elsewhere, near names here, or nothing."""
    where = f" in namespace {namespace}" if kind.namespaced else ""
    elsewhere = [ns for ns, other in map(_name_of, there) if other == name]
    here = [other for ns, other in map(_name_of, there) if not kind.namespaced or ns == namespace]
    near = get_close_matches(name, here, n=3, cutoff=0.5)
    if elsewhere:
        hint = f"there is one in namespace {', '.join(elsewhere)}: add -n {elsewhere[0]}"
    elif near:
        hint = f"did you mean {' or '.join(near)}?"
    elif here:
        hint = f"there are: {', '.join(here[:10])}{', …' if len(here) > 10 else ''}"  # noqa: PLR2004
    else:
        hint = f"there is no {kind.singular}{where} at all"
    return NotFoundError(f"no {kind.singular} {name!r}{where}", hint=hint)


@asynccontextmanager
async def connect(ask: Ask) -> AsyncIterator[Hub]:
    """A session with the hub that the shared flags name.

    Raises:
        ConfigurationError: there is no such kubeconfig or context.
        SiteUnreachableError: the hub gave no answer; the hint names the flags.
    """
    from tradewind.sites.client import ApiSession  # 200 ms that views do not need
    from tradewind.sites.hubaccess import hub_endpoint

    endpoint = hub_endpoint(ask.kubeconfig, ask.context)
    session = ApiSession(endpoint, name="hub", timeout_s=TIMEOUT_S)
    try:
        yield Hub(session)
    except SiteUnreachableError as error:
        raise SiteUnreachableError(
            f"the hub at {endpoint.server} gave no answer: {error.message}",
            hint="is it running, and is it the right one? see --kubeconfig and --context",
        ) from error
    finally:
        await session.close()


def namespace_of(ask: Ask) -> str:
    """The namespace that is meant: the one named, else that of the context."""
    return ask.namespace or default_namespace(ask.kubeconfig, ask.context)


def on_hub(ask: Ask, work: Callable[[Hub], Awaitable[T]]) -> T:
    """Run one piece of work with a hub session, from a command that is not async."""

    async def run() -> T:
        async with connect(ask) as hub:
            return await work(hub)

    return asyncio.run(run())
