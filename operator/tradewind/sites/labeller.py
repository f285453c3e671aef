"""Write the standard labels of a site's nodes: only our own keys, only on change, and not too fast.

Server-side apply under a field manager of its own: what is not applied any more goes, what others
manage is left to them, and nothing is forced. A site without the right to patch nodes goes on
without labels, and its condition says so. A node's uid goes along, so that a node which is gone is
never made anew by a label.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec
from prometheus_client import Counter

from tradewind.api.names import MANAGER_LABELLER
from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError
from tradewind.base.observe import REGISTRY, get_logger
from tradewind.base.queue import KeyedQueue
from tradewind.hardware.standard import own_labels
from tradewind.sites.client import ApiSession
from tradewind.sites.inventory import Inventory, NodeLabels

log = get_logger(__name__)

LABELLED = Counter(
    "tradewind_node_labels_applied_total",
    "Nodes whose standard labels were written or taken away.",
    ["site"],
    registry=REGISTRY,
)

#: Nodes written at once at a site, and the least time between two writes there, seconds: a site of
#: 5,000 nodes is labelled in under ten minutes, at a rate that no API server notices.
WORKERS: Final = 2
PACE_S: Final = 0.1
#: A site that refuses is asked again after this, seconds.
REFUSED_CHECK_S: Final = 300.0
#: A foreign label that stands in the way is looked at again after this, seconds.
CONFLICT_CHECK_S: Final = 300.0


class _Metadata(msgspec.Struct):
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class _Node(msgspec.Struct):
    metadata: _Metadata


@dataclass(frozen=True, slots=True)
class LabellerState:
    """What a condition tells.

    Attributes:
        wanted: the site's nodes are to be labelled.
        forbidden: what the site said when it refused; empty when it does not.
        conflicts: nodes on which somebody else manages one of our keys with another value.
        owed: nodes whose labels are still to be written or taken away.
    """

    wanted: bool
    forbidden: str = ""
    conflicts: tuple[str, ...] = ()
    owed: int = 0


class NodeLabeller:
    """The labels of one site's nodes.

    Args:
        site: its name.
        session: gives the session in use.
        inventory: what the nodes have; another one after the site was engaged anew.
        wanted: whether nodes are to be labelled; False takes the labels away.
        may_write: asked right before each write; False while leadership is in doubt.
        on_state: told when what a condition says may have changed.
        clock: whose time counts.
    """

    def __init__(
        self,
        site: str,
        session: Callable[[], ApiSession],
        inventory: Callable[[], Inventory],
        *,
        wanted: Callable[[], bool],
        may_write: Callable[[], bool],
        on_state: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._site = site
        self._session = session
        self._inventory = inventory
        self._wanted = wanted
        self._may_write = may_write
        self._on_state = on_state
        self._clock = clock
        self._forbidden = ""
        self._forbidden_until = 0.0
        self._conflicts: set[str] = set()
        self._settled: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {}
        self._owed: set[str] = set()
        self._pace = asyncio.Lock()
        self._queue: KeyedQueue[str] = KeyedQueue(
            self._reconcile,
            clock=clock,
            workers=WORKERS,
            name=f"labels/{site}",
            maximum_backoff_s=REFUSED_CHECK_S,
        )

    @property
    def state(self) -> LabellerState:
        """How it stands."""
        conflicts = tuple(sorted(self._conflicts))
        return LabellerState(self._wanted(), self._forbidden, conflicts, len(self._owed))

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._queue.run()

    def notify(self) -> None:
        """Nodes or devices changed; the inventory has it already."""
        for name in self._inventory().take_relabelled():
            self._look(name)

    def resync(self) -> None:
        """Look at every node: whether they are to be labelled may have changed."""
        for name in self._inventory().node_names():
            self._look(name)

    def _look(self, name: str) -> None:
        node = self._inventory().node_labels(name)
        if node is None:
            self._forget(name)
        elif not self._is_settled(name, node):
            self._owed.add(name)
            self._queue.add(name)
        else:
            # The watch may show what was written before the answer to the write is read.
            self._done(name)

    def _want(self, node: NodeLabels) -> dict[str, str]:
        return node.want if self._wanted() else {}

    def _is_settled(self, name: str, node: NodeLabels) -> bool:
        """Whether nothing is left to do: it is as wanted, or as somebody else holds it."""
        want = self._want(node)
        if want == node.have:
            self._conflicts.discard(name)
            return True
        return self._settled.get(name) == (node.uid, want, node.have)

    def _forget(self, name: str) -> None:
        self._settled.pop(name, None)
        self._conflicts.discard(name)
        self._queue.forget(name)
        self._done(name)

    async def _reconcile(self, name: str) -> None:
        node = self._inventory().node_labels(name)
        if node is None:
            self._forget(name)
            return
        if self._is_settled(name, node):
            self._done(name)
            return
        wait_s = self._forbidden_until - self._clock.monotonic()
        if wait_s > 0 or not self._may_write():
            self._queue.add_after(name, max(1.0, wait_s))
            return
        async with self._pace:
            await self._clock.sleep(PACE_S)
        want = self._want(node)
        try:
            have = await self._apply(name, node, want)
        except ApiError as error:
            if error.status == HTTPStatus.FORBIDDEN:
                self._refuse(name, error)
            elif error.conflict:
                self._conflict(name, error)
            elif error.not_found:
                self._forget(name)
            else:
                raise
            return
        self._settled[name] = (node.uid, want, have)
        self._conflicts.discard(name)
        LABELLED.labels(self._site).inc()
        log.info("node labelled", site=self._site, node=name, labels=len(want))
        self._permit()
        self._done(name)

    async def _apply(self, name: str, node: NodeLabels, want: dict[str, str]) -> dict[str, str]:
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "uid": node.uid, "labels": want},
        }
        answer = await self._session().apply(
            f"/api/v1/nodes/{name}", body, field_manager=MANAGER_LABELLER, force=False
        )
        return own_labels(msgspec.json.decode(answer, type=_Node).metadata.labels)

    def _done(self, name: str) -> None:
        if name in self._owed:
            self._owed.discard(name)
            if not self._owed:
                self._on_state()

    def _refuse(self, name: str, error: ApiError) -> None:
        self._forbidden_until = self._clock.monotonic() + REFUSED_CHECK_S
        self._queue.add_after(name, REFUSED_CHECK_S)
        if not self._forbidden:
            log.warning("nodes are not labelled", site=self._site, why=error.message[:300])
            self._forbidden = error.message[:300]
            self._on_state()

    def _permit(self) -> None:
        self._forbidden_until = 0.0
        if self._forbidden:
            self._forbidden = ""
            self._on_state()

    def _conflict(self, name: str, error: ApiError) -> None:
        self._queue.add_after(name, CONFLICT_CHECK_S)
        self._done(name)
        if name not in self._conflicts:
            log.info("label is another's", site=self._site, node=name, why=error.message[:300])
            self._conflicts.add(name)
            self._on_state()
