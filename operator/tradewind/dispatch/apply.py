"""Make one site as the hub wants it: create, update, fence and remove, a workload at a time.

Level-triggered: each pass over a workload compares what is wanted with the children that are there,
and does the first thing that brings them together:

1. A child of another epoch, or that nothing wants, is deleted; nothing new starts beside it.
2. A wanted object that is not there is created, once nobody else's object bears its name.
3. One whose template changed is applied again, where its kind can change.

One dispatcher serves one site, with its own workers and time limits: a site that hangs holds up
nobody else. What it does there is `hands.py`.
"""

from collections.abc import Callable, Iterable, Mapping

from tradewind.api.workload import ObjectReference
from tradewind.base.aio import Clock
from tradewind.base.errors import ApiError, ForeignObjectError, TemplateRefusedError
from tradewind.base.queue import KeyedQueue
from tradewind.dispatch.children import Child, ChildIndex
from tradewind.dispatch.hands import SiteHands
from tradewind.dispatch.intents import Hold, Intents, Keep, Remove
from tradewind.dispatch.objects import adapter_of, belongs, pascal, was_created
from tradewind.sites.client import ApiSession
from tradewind.workloads.adapter import ObservedState

_ENDED = frozenset({ObservedState.SUCCEEDED, ObservedState.FAILED})

# A watch may be this far behind our own write before its absence means that somebody deleted the
# object. Shorter: a relist after 410 looks like a deletion. Longer: a real one shows later.
SEEN_TTL_S = 60.0

# A site that goes on refusing an object is asked again this seldom at most, seconds.
REFUSED_BACKOFF_S = 60.0

# An object that the site has and the watch does not show is asked for again after this, seconds.
UNSEEN_CHECK_S = 2.0

# Deleted children are looked at again after this, if no watch event told of the end.
DELETION_CHECK_S = 20.0


class SiteDispatcher:
    """The queue of one site.

    Args:
        site: its name.
        session: gives the session in use; it changes when credentials are rotated.
        children: kept up to date by the site's informers.
        intents: the hub's side.
        may_write: asked right before each write; False while leadership is in doubt.
        site_labels: of the ComputeSite, for overrides.
        hub_id: ours.
        clock: whose time counts.
        workers: objects handled at once.
        pod_security: level of namespaces that are made here.
        claims_devices: whether the site serves a class by DRA: what is claimed leaves templates.
    """

    def __init__(
        self,
        site: str,
        session: Callable[[], ApiSession],
        children: ChildIndex,
        intents: Intents,
        *,
        may_write: Callable[[], bool],
        site_labels: Callable[[], Mapping[str, str]],
        hub_id: str,
        clock: Clock,
        workers: int,
        pod_security: str,
        claims_devices: Callable[[], bool] = lambda: False,
    ) -> None:
        self._site = site
        self._children = children
        self._intents = intents
        self._clock = clock
        self._claims_devices = claims_devices
        self._hands = SiteHands(
            site,
            session,
            may_write=may_write,
            site_labels=site_labels,
            hub_id=hub_id,
            pod_security=pod_security,
        )
        self._created: dict[str, tuple[int, float]] = {}
        self._synced = False
        self._queue: KeyedQueue[str] = KeyedQueue(
            self._reconcile,
            clock=clock,
            workers=workers,
            name=f"dispatch/{site}",
            maximum_backoff_s=REFUSED_BACKOFF_S,
        )

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._queue.run()

    def add(self, workload_uid: str) -> None:
        """Look at a workload soon."""
        self._queue.add(workload_uid)

    def resync(self, placed: list[str]) -> None:
        """Look at everything, now that the site's informers know all that is there.

        Args:
            placed: uids of the workloads that the hub has placed here.
        """
        self._synced = True
        for uid in {*placed, *self._children.workloads()}:
            self._queue.add(uid)

    def unsync(self) -> None:
        """Stop acting until the informers have listed again."""
        self._synced = False

    def on_child(self, old: Child | None, new: Child | None) -> None:
        """Take a change of a child; the index has it already."""
        child = new or old
        if child is None or not self._synced:
            return
        wanted = self._intents.wanted(self._site, child.workload_uid)
        if (
            new is not None
            and isinstance(wanted, Keep)
            and wanted.placement.epoch == new.epoch
            and not new.deleting
        ):
            self._created.pop(new.workload_uid, None)
            self._intents.on_observed(self._site, new)
        else:
            self._queue.add(child.workload_uid)

    async def _reconcile(self, uid: str) -> None:
        if not self._synced:
            return
        wanted = self._intents.wanted(self._site, uid)
        if isinstance(wanted, Hold):
            return
        children = self._children.of(uid)
        if isinstance(wanted, Remove) and self._report_ended(children):
            wanted = self._intents.wanted(self._site, uid)
            if isinstance(wanted, Hold):
                return  # it ended before its removal came, and stays to be read
        stale = [
            child for child in children if isinstance(wanted, Remove) or not belongs(child, wanted)
        ]
        for child in stale:
            await self._hands.remove(child, wanted)
        if stale or any(child.deleting for child in children):
            self._queue.add_after(uid, DELETION_CHECK_S)  # the watch brings it back sooner
        elif isinstance(wanted, Remove):
            if await self._hands.remove_unseen(uid, wanted):
                self._queue.add_after(uid, UNSEEN_CHECK_S)
            else:
                if self._claims_devices():
                    await self._hands.sweep(uid)
                self._created.pop(uid, None)
                self._intents.on_gone(self._site, uid)
        else:
            await self._keep(uid, wanted, next(iter(children), None))

    def _report_ended(self, children: Iterable[Child]) -> bool:
        """Tell of children that finished by themselves, before they are removed; whether any."""
        ended = [c for c in children if c.observed.state in _ENDED and not c.deleting]
        for child in ended:
            self._intents.on_ended(self._site, child)
        return bool(ended)

    async def _keep(self, uid: str, keep: Keep, child: Child | None) -> None:
        epoch = keep.placement.epoch
        try:
            if child is not None:
                self._intents.on_observed(self._site, child)
                self._tell_applied(uid, epoch, await self._hands.update(keep, child))
            elif self._just_created(uid, epoch):
                self._queue.add_after(uid, SEEN_TTL_S)
            elif was_created(keep.placement) and adapter_of(keep).finishes:
                await self._look_for(uid, keep)
            elif (ref := await self._hands.create(keep)) is not None:
                self._tell_applied(uid, epoch, ref)
                self._created[uid] = (epoch, self._clock.monotonic())
        except (TemplateRefusedError, ForeignObjectError) as error:
            self._intents.on_refused(self._site, uid, epoch, pascal(error.code), error.sentence)
            raise
        except ApiError as error:
            if not error.transient:
                reason = error.reason or f"Status{error.status}"
                self._intents.on_refused(self._site, uid, epoch, reason, error.message)
            raise

    def _just_created(self, uid: str, epoch: int) -> bool:
        """Whether our own create may simply not have come through the watch yet."""
        created_epoch, at = self._created.get(uid, (-1, 0.0))
        return created_epoch == epoch and self._clock.monotonic() - at < SEEN_TTL_S

    def _tell_applied(self, uid: str, epoch: int, ref: ObjectReference | None) -> None:
        if ref is not None:
            self._intents.on_applied(self._site, uid, epoch, ref)

    async def _look_for(self, uid: str, keep: Keep) -> None:
        """Tell a deletion from a watch that is behind: only the site itself knows."""
        if await self._hands.has(keep):
            self._queue.add_after(uid, UNSEEN_CHECK_S)
        else:
            self._intents.on_vanished(self._site, uid, keep.placement.epoch)
