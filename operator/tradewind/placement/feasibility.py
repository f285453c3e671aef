"""Where may a shape go at all, and at what cost? Worked out once for all workloads of the shape.

Hard rules about sites, accelerators and deadlines leave rows over; `cost.py` prices those; the
node shapes say which of them have room. Nothing but room changes within a cycle, so an `Evaluation`
is kept, and a view of the ledger is asked about the sites whose capacity has moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from tradewind.api.fields import LabelSelector, LabelSelectorRequirement, SelectorOperator
from tradewind.api.policy import PolicySpec
from tradewind.hardware.catalog import Catalog
from tradewind.placement.capacity import CapacityView
from tradewind.placement.chips import Chips, chip_refusal
from tradewind.placement.config import EngineConfig
from tradewind.placement.cost import Pricer, weights_of
from tradewind.placement.deferral import start_slots
from tradewind.placement.demands import (
    PodNeed,
    named_resources,
    needs_on,
    wants_accelerators,
)
from tradewind.placement.entries import Entries
from tradewind.placement.inputs import Inputs
from tradewind.placement.outlook import Outlook
from tradewind.placement.plan import RefusalReason
from tradewind.placement.priced import Costs, Footprint, joined
from tradewind.placement.rules import SITE_RULES
from tradewind.placement.shapes import Shape
from tradewind.placement.snapshot import RuntimeNeed
from tradewind.placement.stopping import may_pause
from tradewind.placement.table import F64, I64, Column, Mask, SiteTable
from tradewind.placement.taints import untolerated

#: Later reasons are nearer to a yes: of several classes of a site the nearest miss is told.
RANK = {reason: rank for rank, reason in enumerate(RefusalReason)}
REASONS = tuple(RefusalReason)
NONE = -1


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What holds for every workload of a shape, whatever else is placed in this cycle.

    Args:
        shape: with its policy's defaults filled in.
        policy: whose prices counted.
        now: of the cycle.
        site_rule: (S,) place of the first rule in `SITE_RULES` that refuses a site, else `NONE`.
        row_reason: (R,) rank of the reason that refuses a row, else `NONE`; for rows of sites that
            no rule refuses. Rows that the shape does not look at are `NONE` too.
        row_site: (R',) the site of each of `rows`.
        rows: (R',) rows that would do if they had room, by R.
        needs: for each of `rows`, what the gang takes there.
        takes: what the whole gang takes on `rows`.
        costs: on `rows`, if it starts now.
        order: (R',) places on R', the best first.
        avoided: (S,) sites with a PreferNoSchedule taint that is not tolerated.
        gangs: (R',) whole gangs that fit on the snapshot's own node shapes.
        late_s: least seconds needed at each site that is refused by the deadline, by S.
    """

    shape: Shape
    policy: PolicySpec
    now: datetime
    site_rule: I64
    row_reason: I64
    row_site: I64
    rows: I64
    needs: tuple[tuple[PodNeed, ...], ...]
    takes: Footprint
    costs: Costs
    order: I64
    avoided: Mask
    gangs: I64
    late_s: Mapping[int, float]

    def room(self, view: CapacityView) -> I64:
        """(R',) whole gangs that fit on what is left in a view."""
        if not view.touched:
            return self.gangs
        found = self.gangs.copy()
        stale = np.isin(self.row_site, list(view.touched))
        for place in np.flatnonzero(stale).tolist():
            found[place] = view.fits(int(self.rows[place]), self.needs[place])
        return found


class Evaluator:
    """Evaluates shapes against the sites of one cycle.

    Args:
        table: the sites.
        catalog: accelerator classes.
        now: of the cycle.
        config: stated figures.

    Attributes:
        table: the sites.
        catalog: accelerator classes.
        config: stated figures.
        chips: the accelerators of all rows.
        entries: the node shapes of all sites.
        outlook: what is expected of the hours to come.
    """

    def __init__(
        self, table: SiteTable, catalog: Catalog, now: datetime, config: EngineConfig
    ) -> None:
        self.table = table
        self.catalog = catalog
        self.config = config
        self.chips = Chips(table, catalog, config)
        self._inputs = Inputs(table, self.chips, config)
        self._resources = Column(
            ["" if found is None else found.resource_name for found in table.row_accelerator]
        )
        self._accelerator_resources = frozenset(self._resources.distinct) - {""}
        self._site_count = len(table.sites)
        self.entries = Entries(table)
        self._pristine = CapacityView(table, {})
        self.begin(now)

    def begin(self, now: datetime) -> None:
        """Make ready for a cycle of the same sites."""
        self.now = now
        self._over_time: dict[tuple[Shape, int], tuple[F64, Sequence[Costs]]] = {}
        self.outlook = Outlook(self.table.parts, self._inputs, self.config, now)
        self._pricer = Pricer(self.table, self._inputs, self.outlook, self.catalog, self.config)

    @cached_property
    def pace(self) -> F64:
        """(R,) what the run time of work depends on; -1 for rows without accelerators."""
        speed = self._inputs.speed.values
        return np.where(np.arange(self.table.rows) < self._site_count, -1.0, speed)

    def weights(self, policy: PolicySpec) -> tuple[float, float, float]:
        """USD of a kWh at 1 USD/MWh, of a gram of CO2e, and of an hour of waiting."""
        return weights_of(policy)

    def slots(self, count: int) -> F64:
        """(count,) seconds after now: starts of the present slot and those after it."""
        slot_s = self.config.slot_s
        return start_slots(self.now, slot_s, slot_s * count, count)

    def starts_of(self, found: Evaluation, slots: int) -> tuple[F64, Sequence[Costs]]:
        """Starts of the present slot and those after it, and what a shape costs on its rows then.

        Returns:
            (slots,) seconds after now; so many costs.
        """
        key = (found.shape, slots)
        known = self._over_time.get(key)
        if known is None:
            starts_s = self.slots(slots)
            costs = self._pricer.price(found.shape, found.policy, found.rows, found.takes, starts_s)
            known = self._over_time[key] = (starts_s, costs)
        return known

    def starts_at(
        self, found: Evaluation, place: int, runtime: RuntimeNeed, slots: int
    ) -> tuple[F64, F64, float]:
        """What one row costs by start, for work that has so much left to run.

        Args:
            found: of the shape.
            place: of the row on R'.
            runtime: with what is left as its duration.
            slots: how many starts, the present slot's among them.

        Returns:
            (slots,) seconds after now; (slots,) USD; run time there, seconds.
        """
        slot_s = self.config.slot_s
        starts_s = start_slots(self.now, slot_s, slot_s * slots, slots)
        here = np.array([place])
        shape = replace(found.shape, runtime=runtime)
        costs = self._pricer.price(
            shape, found.policy, found.rows[here], found.takes.only(here), starts_s
        )
        return starts_s, np.array([cost.total[0] for cost in costs]), float(costs[0].run_s[0])

    def forget(self) -> None:
        """Let go of costs over time: those of very many shapes are more than memory holds."""
        self._over_time.clear()

    def at_starts(self, found: Evaluation, slots: int, places: I64, chosen: I64) -> Costs:
        """What some rows cost at some of the starts.

        Args:
            found: of a shape.
            slots: how many start slots it has.
            places: (P,) on R'.
            chosen: (P,) start slots.

        Returns:
            Costs of the P pairs.
        """
        if not self.goes_through(found):
            costs = self._pricer.price(
                found.shape, found.policy, found.rows[places], found.takes.only(places),
                self.slots(slots),
            )  # fmt: skip
            return joined(
                [costs[slot].only(np.array([p])) for p, slot in enumerate(chosen.tolist())]
            )
        now = found.costs.only(places)
        return self._pricer.at_starts(
            now, found.policy, found.row_site[places], self.slots(slots)[chosen]
        )

    def goes_through(self, found: Evaluation) -> bool:
        """Whether its run time is known, and it runs without a pause."""
        runtime = found.shape.runtime
        return not (runtime.mean_only or may_pause(runtime))

    def repriced(self, found: Evaluation) -> Evaluation:
        """The same as of now: only the hours that a run would meet have changed."""
        if self.goes_through(found):
            now = np.zeros(len(found.rows))
            costs = self._pricer.at_starts(found.costs, found.policy, found.row_site, now)
        else:
            (costs,) = self._pricer.price(found.shape, found.policy, found.rows, found.takes)
        order = _best_first(found.rows, costs, found.avoided[found.row_site])
        return replace(found, now=self.now, costs=costs, order=order)

    def run_s(self, runtime: RuntimeNeed, class_name: str | None) -> float:
        """How long work of a stated length runs on a class, seconds; on no class as stated."""
        return self._pricer.run_s(runtime, class_name)

    def latency_by_region(self, found: Evaluation, site: I64, run_s: F64) -> tuple[F64, F64]:
        """Shares of the consumers' regions, and USD of latency; see `Pricer.latency_by_region`."""
        return self._pricer.latency_by_region(found.shape, found.policy, site, run_s)

    def evaluate(self, shape: Shape, policy: PolicySpec) -> Evaluation:
        """Apply the hard rules to a shape, and price what they leave over."""
        shape = with_defaults(shape, policy)
        table = self.table
        site_rule = self._site_rules(shape)
        row_reason, looked_at = self._row_rules(shape)
        open_rows = np.flatnonzero(
            looked_at & (row_reason == NONE) & (site_rule[table.row_site] == NONE)
        ).astype(np.int64)
        needs, takes, gangs = self._capacity(shape, open_rows)
        costs = self._pricer.price(shape, policy, open_rows, takes)[0]
        late = self._late(shape, costs)
        row_reason[open_rows[late]] = RANK[RefusalReason.DEADLINE]
        late_s: dict[int, float] = {}
        for place in np.flatnonzero(late).tolist():
            site = int(table.row_site[open_rows[place]])
            needs_s = float(costs.run_s[place] + costs.transfer_s[place])
            late_s[site] = min(needs_s, late_s.get(site, needs_s))
        kept = np.flatnonzero(~late)
        tolerations = shape.placement.tolerations
        avoided = table.taints.where(
            lambda taints: untolerated(taints, tolerations, soft=True) is not None
        )
        rows = open_rows[kept]
        costs = costs.only(kept)
        return Evaluation(
            shape=shape,
            policy=policy,
            now=self.now,
            site_rule=site_rule,
            row_reason=row_reason,
            row_site=table.row_site[rows],
            rows=rows,
            needs=tuple(needs[place] for place in kept.tolist()),
            takes=takes.only(kept),
            costs=costs,
            order=_best_first(rows, costs, avoided[table.row_site[rows]]),
            avoided=avoided,
            gangs=gangs[kept],
            late_s=late_s,
        )

    def _site_rules(self, shape: Shape) -> I64:
        """(S,) place of the first rule that refuses a site, or `NONE`."""
        first = np.full(self._site_count, NONE, np.int64)
        for place, rule in enumerate(SITE_RULES):
            first[(first == NONE) & ~rule.admits(shape, self.table)] = place
        return first

    def _row_rules(self, shape: Shape) -> tuple[I64, Mask]:
        """(R,) rank of what refuses a row, or `NONE`; (R,) which rows the shape looks at."""
        table = self.table
        reason = np.full(table.rows, NONE, np.int64)
        looked_at = np.zeros(table.rows, bool)
        if not wants_accelerators(shape.demand, self._accelerator_resources):
            looked_at[: self._site_count] = True
            return reason, looked_at
        looked_at[self._site_count :] = True
        named = named_resources(shape.demand)
        known = self.chips.known
        verdicts = np.array(
            [
                NONE
                if chip is None or (no := chip_refusal(shape, named, chip, self.catalog)) is None
                else RANK[no]
                for chip in known.distinct
            ],
            np.int64,
        )
        return verdicts[known.codes], looked_at

    def _capacity(
        self, shape: Shape, rows: I64
    ) -> tuple[list[tuple[PodNeed, ...]], Footprint, I64]:
        """What the gang takes on each row, and how many of it fit; by resource name."""
        table = self.table
        needs: list[tuple[PodNeed, ...]] = [()] * len(rows)
        gangs = np.zeros(len(rows), np.int64)
        units = np.zeros(len(rows))
        servers = np.ones(len(rows))
        codes = self._resources.codes[rows]
        for code in np.unique(codes).tolist():
            places = np.flatnonzero(codes == code)
            here = rows[places]
            need = needs_on(shape.demand, table.row_accelerator[int(here[0])])
            for place in places.tolist():
                needs[place] = need
            gangs[places] = self._pristine.survey(self.entries, here, need)
            asked = sum(pods.count * pods.units for pods in need)
            units[places] = asked
            servers[places] = self._servers(here, asked, need)
        pods = shape.demand.pods
        takes = Footprint(
            units=units,
            cores=sum(pod.count * pod.cpu_millis for pod in pods) / 1000,
            memory_gib=sum(pod.count * pod.memory_bytes for pod in pods) / 2**30,
            servers=servers,
        )
        return needs, takes, gangs

    def _servers(self, rows: I64, asked: int, needs: Sequence[PodNeed]) -> F64:
        """(len(rows),) gangs that run at the same time when the site is empty, at least 1.

        Where nobody counted what the site has, what the snapshot shows free stands in for it.
        """
        free = self.entries.bound(rows, self.table.row_site[rows], needs) if needs else 1
        count = self.table.allocatable[rows]
        return np.maximum(1.0, np.where(count >= 0, count // max(1, asked), free))

    def _late(self, shape: Shape, costs: Costs) -> Mask:
        """(R',) rows on which the work would end after its deadline."""
        deadline = shape.runtime.deadline
        if deadline is None:
            return np.zeros(len(costs.total), bool)
        left_s = (deadline - self.now).total_seconds()
        # A run time that nobody stated is no ground to refuse: only a deadline that has passed is.
        known = shape.runtime.duration_s is not None
        return (costs.run_s + costs.transfer_s if known else np.zeros(len(costs.total))) > left_s


def _best_first(rows: I64, costs: Costs, avoided: Mask) -> I64:
    """(R',) places on R': what is avoided last, then by cost, then by row; `rows` rise."""
    if avoided.any():
        return np.lexsort((rows, costs.total, avoided))
    return np.argsort(costs.total, kind="stable")


def with_defaults(shape: Shape, policy: PolicySpec) -> Shape:
    """The shape with its policy's selector and jurisdictions where it has none of its own."""
    defaults, own = policy.defaults, shape.placement
    filled = own
    if not own.site_selector and defaults.site_selector is not None:
        filled = replace(filled, site_selector=requirements(defaults.site_selector))
    if not own.jurisdictions and defaults.jurisdictions:
        filled = replace(filled, jurisdictions=defaults.jurisdictions)
    return shape if filled is own else replace(shape, placement=filled)


def requirements(selector: LabelSelector) -> tuple[LabelSelectorRequirement, ...]:
    """A selector as one list of requirements, in an order of its own."""
    exact = (
        LabelSelectorRequirement(key=key, operator=SelectorOperator.IN, values=(value,))
        for key, value in sorted(selector.match_labels.items())
    )
    return (*exact, *selector.match_expressions)
