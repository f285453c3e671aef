"""What the hub wants at a site, as dispatch sees it: keep, remove, or wait for it to be written.

`controller` implements `Intents`; dispatch knows nothing of stores or plans.
"""

from dataclasses import dataclass
from typing import Protocol

from tradewind.api.workload import AIWorkload, ObjectReference, Placement
from tradewind.dispatch.children import Child
from tradewind.hardware.site import SiteHardware


@dataclass(frozen=True, slots=True)
class Keep:
    """The workload belongs here, under this placement, which stands in the hub's status."""

    workload: AIWorkload
    placement: Placement
    hardware: SiteHardware | None


@dataclass(frozen=True, slots=True)
class Remove:
    """Nothing of the workload may be here; orphans of workloads that are gone, too.

    Attributes:
        workload: while the hub still knows it: where to make sure that nothing was overlooked.
        whole: its pods, too, must be gone before it counts as removed: the work is to go on
            elsewhere, and two runs would write the same checkpoints.
    """

    workload: AIWorkload | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Not known yet, or not written yet: touch nothing; the key is added again when it is."""


Wanted = Keep | Remove | Hold


class Intents(Protocol):
    """The hub's side of a dispatcher: asked what is wanted, told what was done and seen."""

    def wanted(self, site: str, workload_uid: str) -> Wanted:
        """What should be at the site for the workload, from what is durably written."""
        ...

    def on_applied(self, site: str, workload_uid: str, epoch: int, ref: ObjectReference) -> None:
        """The object was created or updated."""
        ...

    def on_observed(self, site: str, child: Child) -> None:
        """A child of the wanted epoch was seen, with its status."""
        ...

    def on_ended(self, site: str, child: Child) -> None:
        """A child that is to be removed has finished by itself."""
        ...

    def on_vanished(self, site: str, workload_uid: str, epoch: int) -> None:
        """A child that had been created is gone, and its kind must not be started again."""
        ...

    def on_refused(
        self, site: str, workload_uid: str, epoch: int, reason: str, message: str
    ) -> None:
        """The site, or Tradewind itself, said no to the object."""
        ...

    def on_gone(self, site: str, workload_uid: str) -> None:
        """Nothing of the workload is at the site any more."""
        ...
