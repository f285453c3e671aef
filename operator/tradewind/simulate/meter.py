"""What did it all take, and what came of it? Runs metered by the true series, added up.

Nothing that the chooser believed enters: energy, carbon and money come from the runs and the world.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tradewind.api.policy import PolicySpec
from tradewind.simulate.jobs import Job
from tradewind.simulate.replay import Run
from tradewind.simulate.world import Usage, World, value_usd

#: Rounding of times: a deadline is missed by more than this.
_SLACK_S = 1e-3


@dataclass(slots=True)
class Totals:
    """Sums over jobs.

    Attributes:
        jobs: that ran here (a moved one counts at each site).
        usage: of all runs.
        terms: USD by term at the prices that count.
    """

    jobs: int = 0
    usage: Usage = field(default_factory=Usage)
    terms: dict[str, float] = field(default_factory=dict)

    def add(self, usage: Usage, terms: Mapping[str, float]) -> None:
        """Count a run in."""
        self.usage += usage
        for name, usd in terms.items():
            self.terms[name] = self.terms.get(name, 0.0) + usd

    @property
    def total_usd(self) -> float:
        """All terms."""
        return sum(self.terms.values())


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of a job.

    Args:
        name: of the job.
        start_s, end_s: of the first and the last run; None: it never ran, or was not done.
        wait_s: from arrival to end, less the time that it ran.
        usage: of its runs.
        sites: indices, in the order in which it ran there.
        stops: how often it was paused or moved.
    """

    name: str
    start_s: float | None
    end_s: float | None
    wait_s: float
    usage: Usage
    sites: tuple[int, ...]
    stops: int


@dataclass(slots=True)
class Metered:
    """All of one replay.

    Attributes:
        name: of the chooser.
        overall: sums.
        by_site: sums, in the order of the sites.
        outcomes: of each job, in the order of the trace.
        runs: all, for plots.
        violations: by rule: `latency`, `residency`, `deadline`, `unfinished`, `stopped` (work that
            has no checkpoints).
        moves: stops after which the work went on at another site.
        pauses: stops after which it went on at the same site.
        unbound: starts that the site's own scheduler could not bind at once.
        lost_hours: run time behind the last checkpoint of stopped work.
        seconds: of computing.
    """

    name: str
    overall: Totals
    by_site: list[Totals]
    outcomes: list[JobOutcome]
    runs: list[Run]
    violations: dict[str, int]
    moves: int = 0
    pauses: int = 0
    unbound: int = 0
    lost_hours: float = 0.0
    seconds: float = 0.0

    @property
    def mean_wait_h(self) -> float:
        """Of all jobs, hours."""
        return sum(job.wait_s for job in self.outcomes) / 3600 / max(1, len(self.outcomes))

    @property
    def makespan_s(self) -> float:
        """When the last run ended."""
        return max((run.end_s for run in self.runs), default=0.0)


def meter(
    name: str, world: World, jobs: Sequence[Job], runs: Sequence[Run], prices: PolicySpec
) -> Metered:
    """Meter a replay.

    Args:
        name: of the chooser.
        world: whose series count.
        jobs: of the trace.
        runs: of the replay.
        prices: by which the terms are counted in USD; the same for all that are compared.
    """
    own: list[list[Run]] = [[] for _ in jobs]
    for run in sorted(runs, key=lambda run: (run.start_s, run.job)):
        own[run.job].append(run)
    found = Metered(
        name,
        Totals(),
        [Totals() for _ in world.sites],
        [],
        list(runs),
        dict.fromkeys(("latency", "residency", "deadline", "unfinished", "stopped"), 0),
    )
    for job, parts in zip(jobs, own, strict=True):
        found.outcomes.append(_meter_job(found, world, job, parts, prices))
    return found


def _meter_job(
    found: Metered, world: World, job: Job, runs: Sequence[Run], prices: PolicySpec
) -> JobOutcome:
    done = bool(runs) and runs[-1].ended_by == "done"
    used = Usage()
    for run in runs:
        usage = world.usage(job, run.place, run.start_s, run.end_s)
        used += usage
        found.by_site[run.place.site].add(usage, value_usd(usage, 0.0, prices))
        found.lost_hours += run.lost_s / 3600
    for site in {run.place.site for run in runs}:
        found.by_site[site].jobs += 1
    end_s = runs[-1].end_s if done else None
    wait_s = 0.0
    if end_s is not None:
        wait_s = max(0.0, end_s - job.arrival_s - used.hours * 3600)
        found.by_site[runs[-1].place.site].add(Usage(), {"waiting": wait_terms(wait_s, prices)})
    found.overall.jobs += 1
    found.overall.add(used, value_usd(used, wait_s, prices))
    _count_violations(found, world, job, runs, end_s)
    for before, after in pairwise(runs):
        if before.place.site == after.place.site:
            found.pauses += 1
        else:
            found.moves += 1
    return JobOutcome(
        job.name,
        runs[0].start_s if runs else None,
        end_s,
        wait_s,
        used,
        tuple(run.place.site for run in runs),
        max(0, len(runs) - 1),
    )


def wait_terms(wait_s: float, prices: PolicySpec) -> float:
    """The price of waiting, USD."""
    return value_usd(Usage(), wait_s, prices)["waiting"]


def _count_violations(
    found: Metered, world: World, job: Job, runs: Sequence[Run], end_s: float | None
) -> None:
    broken = {rule for run in runs if (rule := world.breaks(job, run.place.site))}
    if end_s is None:
        broken.add("unfinished")
    elif job.deadline_s is not None and end_s > job.deadline_s + _SLACK_S:
        broken.add("deadline")
    if job.checkpoint_s is None and any(run.ended_by != "done" for run in runs):
        broken.add("stopped")
    for rule in broken:
        found.violations[rule] += 1
