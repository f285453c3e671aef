"""What would be best if everything were known? For each job its optimum, and by that a bound.

With capacity left out, jobs do not meet, so the optimum of each is a lower bound of what any plan
can reach for all of them together: room is a constraint, and constraints only cost. The cost of
running is constant between the steps of the series, so that of an uninterrupted run is piecewise
linear in its start, and least where a step begins under the start or under the end.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tradewind.api.policy import PolicySpec
from tradewind.simulate.jobs import Job
from tradewind.simulate.replay import Action, Desk, Moment, Start, Wake
from tradewind.simulate.series import F64
from tradewind.simulate.world import Place, World

#: Sums of floats come out a little short of the whole.
_NEARLY_ALL = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class Best:
    """The cheapest uninterrupted run of a job.

    Args:
        place: where.
        start_s: when.
        usd: of the run, waiting included.
    """

    place: Place
    start_s: float
    usd: float


def best_run(job: Job, world: World, prices: PolicySpec) -> Best | None:
    """The cheapest uninterrupted run of a job with everything known and room everywhere.

    Returns:
        None when it may run nowhere.
    """
    best: Best | None = None
    for place in world.worthwhile(job):
        run_s = job.length_s * world.stretch(job, place)
        starts = _starts(job, run_s, world.carbon[place.site].step_s)
        spent = world.running_usd(job, place, prices, np.stack((starts, starts + run_s)))
        usd = spent[1] - spent[0] + (starts - job.arrival_s) / 3600 * prices.wait_per_hour
        found = int(np.argmin(usd))
        if best is None or usd[found] < best.usd:
            best = Best(place, float(starts[found]), float(usd[found]))
    return best


def _starts(job: Job, run_s: float, step_s: float) -> F64:
    """(T,) starts among which the best one is: now, and where a step begins at start or end."""
    last_s = job.arrival_s + job.max_delay_s
    if job.deadline_s is not None:
        last_s = max(job.arrival_s, min(last_s, job.deadline_s - run_s))
    ahead = np.arange(job.arrival_s // step_s + 1, last_s // step_s + 1) * step_s
    ends = (
        np.arange((job.arrival_s + run_s) // step_s + 1, (last_s + run_s) // step_s + 1) * step_s
        - run_s
    )
    found: F64 = np.concatenate(([job.arrival_s], ahead, ends, [last_s]))
    return found[(found >= job.arrival_s) & (found <= last_s)]


def bound_usd(jobs: Sequence[Job], world: World, prices: PolicySpec) -> float:
    """What no plan can undercut for all jobs together, USD.

    Work that may be stopped is bounded more loosely: it is let run in the cheapest hours of any
    place, and move between them for nothing.
    """
    total = 0.0
    for job in jobs:
        if job.checkpoint_s is None:
            best = best_run(job, world, prices)
            total += best.usd if best else 0.0
        else:
            total += _stoppable_usd(job, world, prices)
    return total


def _stoppable_usd(job: Job, world: World, prices: PolicySpec) -> float:
    """A lower bound for one job that may be stopped and moved as often as one likes."""
    places = world.allowed(job)
    if not places:
        return 0.0
    stretches = [world.stretch(job, place) for place in places]
    fastest, slowest = min(stretches), max(stretches)
    step_s = world.carbon[places[0].site].step_s
    latest_s = job.arrival_s + job.max_delay_s + job.length_s * slowest
    first, last = int(job.arrival_s // step_s), math.ceil(latest_s / step_s)
    edges = np.clip(np.arange(first, last + 1) * step_s, job.arrival_s, latest_s)
    seconds = np.diff(edges)
    # USD for each second of work (on the reference class) in each step, at the cheapest place.
    rate = np.min(
        [
            np.diff(world.running_usd(job, place, prices, edges)) / seconds * stretch
            for place, stretch in zip(places, stretches, strict=True)
        ],
        axis=0,
    )
    best = math.inf
    for end in range(1, len(seconds) + 1):
        room = seconds[:end] / fastest
        if room.sum() < job.length_s * _NEARLY_ALL:
            continue
        order = np.argsort(rate[:end], kind="stable")
        taken = np.minimum(room[order], np.maximum(0.0, job.length_s - _before(room[order])))
        waited_s = max(0.0, edges[end - 1] - job.arrival_s - job.length_s * slowest)
        usd = float(taken @ rate[order]) + waited_s / 3600 * prices.wait_per_hour
        best = min(best, usd)
        if waited_s / 3600 * prices.wait_per_hour > best:
            break
    return best


def _before(amounts: F64) -> F64:
    before: F64 = np.cumsum(amounts) - amounts
    return before


class Clairvoyant:
    """Starts every job at its optimum; where there is no room then, as soon as there is.

    Args:
        prices: by which the optimum is one.
    """

    name = "clairvoyant"

    def __init__(self, prices: PolicySpec) -> None:
        self._prices = prices
        self._best: dict[int, Best] = {}
        self._waiting: dict[int, None] = {}

    def decide(self, moment: Moment, desk: Desk) -> Iterable[Action]:
        """Start what is due."""
        due = dict.fromkeys(moment.woken)
        for index in moment.arrived:
            best = best_run(desk.jobs[index].job, desk.world, self._prices)
            if best is None:
                continue
            self._best[index] = best
            if best.start_s > moment.now_s:
                yield Wake(best.start_s, (index,))
            else:
                due[index] = None
        if moment.freed:
            due |= self._waiting
        for index in due:
            place = self._best[index].place
            if desk.room(desk.jobs[index].job, place):
                self._waiting.pop(index, None)
                yield Start(index, place)
            else:
                self._waiting[index] = None
