"""What of a cycle's work holds for the next one? All that follows from sites that did not change.

Views are immutable, and a view that did not change is the same object: the caller's snapshots see
to that. What is kept here is a function of these objects alone, so that a plan is the same with it
and without.
"""

from datetime import datetime

from tradewind.api.policy import PolicySpec
from tradewind.hardware.catalog import Catalog
from tradewind.placement.config import EngineConfig
from tradewind.placement.feasibility import Evaluation, Evaluator
from tradewind.placement.parts import Parts
from tradewind.placement.shapes import Shape, Shapes
from tradewind.placement.snapshot import SiteView, Snapshot
from tradewind.placement.table import SiteTable


class Memo:
    """The evaluator of the present sites, and its evaluations of shapes.

    Args:
        config: stated figures.

    Attributes:
        config: stated figures.
        table: the sites.
        evaluator: for these sites.
        shapes: of workloads.
    """

    table: SiteTable
    evaluator: Evaluator

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._sites: tuple[SiteView, ...] | None = None
        self._catalog: Catalog | None = None
        self._parts = Parts()
        self.shapes = Shapes()
        # Whether prices are means over hours that have gone on since.
        self._moved = False
        self._known: dict[Shape, tuple[PolicySpec, Evaluation]] = {}
        self._last: dict[Shape, tuple[PolicySpec, Evaluation]] = {}

    def begin(self, snapshot: Snapshot, now: datetime) -> None:
        """Make ready for a snapshot."""
        self.shapes.begin()
        same = self._sites is not None and len(self._sites) == len(snapshot.sites)
        if (
            same
            and self._catalog is snapshot.catalog
            and all(map(_is, self._sites or (), snapshot.sites))
        ):
            # Shapes that nobody asked for in a whole cycle are let go of.
            self._last, self._known = self._known, {}
            if now != self.evaluator.now:
                self.evaluator.begin(now)
                self._moved = self.evaluator.outlook.known
            return
        self._moved = False
        self._sites, self._catalog = snapshot.sites, snapshot.catalog
        self._known, self._last = {}, {}
        self.table = SiteTable(snapshot.sites, self._parts)
        self.evaluator = Evaluator(self.table, snapshot.catalog, now, self.config)

    def evaluate(self, shape: Shape, policy: PolicySpec) -> Evaluation:
        """Where the shape may go, and at what cost; worked out once."""
        known = self._known.get(shape) or self._last.get(shape)
        if known is None or known[0] is not policy or shape.runtime.deadline is not None:
            known = (policy, self.evaluator.evaluate(shape, policy))
        elif self._moved and shape not in self._known:
            known = (policy, self.evaluator.repriced(known[1]))
        self._known[shape] = known
        return known[1]


def _is(one: object, other: object) -> bool:
    return one is other
