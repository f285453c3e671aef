"""The rules for *when* that others publish: work stays at home, and carbon decides on its hours.

Each rule looks at the carbon intensity that is expected at home from the arrival on, at the run
time that is known, and at how long the job may wait, and books windows of time. Formulas and
details are those of the papers and of GAIA's artifact (github.com/umassos/GAIA, src/scheduling):

    Hanafy et al., Going Green for Less Green: Optimizing the Cost of Reducing Cloud Carbon
    Emissions, ASPLOS 2024 (lowest slot, lowest window, carbon-time).
    Souza et al., Ecovisor: A Virtual Energy System for Carbon-Efficient Applications, ASPLOS 2023.
    Wiesner et al., Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon Emissions in
    the Cloud, Middleware 2021.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from tradewind.simulate.jobs import Job
from tradewind.simulate.replay import Action, Desk, Moment, Start, Stop, Wake
from tradewind.simulate.rules import places_by_site
from tradewind.simulate.series import F64, Series
from tradewind.simulate.world import Place, World

_HOUR_S = 3600.0
_DAY_S = 86_400.0
#: The share of hours that the thresholds call clean.
_CLEAN_SHARE = 0.3

#: Seconds from and to; the last window has no end of its own: it lasts until the job is done.
Windows = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a rule may look at for one job.

    Args:
        job: it may wait `max_delay_s` in all.
        arrival_s: now.
        known_s: the run time there that is known.
        true_s: the run time there; only for the rules with perfect knowledge.
        believed: expected carbon intensity of its home.
        truth: what the carbon intensity will be; only for the rules with perfect knowledge.
    """

    job: Job
    arrival_s: float
    known_s: float
    true_s: float
    believed: Series
    truth: Series


Rule = Callable[[Ask], Windows]


class Booked:
    """Runs each job at a place that is chosen on arrival, in the windows that are booked for it.

    Work without a checkpoint cannot pause: it starts with its first window and runs to its end.
    A job whose window begins while there is no room waits for room.

    Args:
        name: of the rule.
        rule: which windows.
        where: at which place; else the cheapest class of its home.
    """

    def __init__(
        self, name: str, rule: Rule, where: Callable[[Job, World], Place] | None = None
    ) -> None:
        self.name = name
        self._rule = rule
        self._where = where or at_home
        self._windows: dict[int, Windows] = {}
        self._place: dict[int, Place] = {}
        self._waiting: dict[int, None] = {}

    def decide(self, moment: Moment, desk: Desk) -> Iterable[Action]:
        """Book what arrived; start and stop what is due."""
        for index in moment.arrived:
            yield from self._book(index, moment.now_s, desk)
        due = dict.fromkeys([*moment.arrived, *moment.woken])
        if moment.freed:
            due |= self._waiting
        for index in due:
            yield from self._follow(index, moment.now_s, desk)

    def _book(self, index: int, now_s: float, desk: Desk) -> Iterable[Action]:
        job, world = desk.jobs[index].job, desk.world
        place = self._place[index] = self._where(job, world)
        stretch = world.stretch(job, place)
        windows = self._rule(
            Ask(
                job,
                now_s,
                job.known_s * stretch,
                job.length_s * stretch,
                world.believed_carbon[place.site],
                world.carbon[place.site],
            )
        )
        if job.checkpoint_s is None:
            windows = ((windows[0][0], math.inf),)
        self._windows[index] = windows
        for edge in {edge for window in windows for edge in window}:
            if now_s < edge < math.inf:
                yield Wake(edge, (index,))

    def _follow(self, index: int, now_s: float, desk: Desk) -> Iterable[Action]:
        state, place = desk.jobs[index], self._place[index]
        windows = self._windows[index]
        open_now = any(start <= now_s < end for start, end in windows)
        if open_now and state.place is None and not state.finished:
            if desk.room(state.job, place):
                self._waiting.pop(index, None)
                yield Start(index, place)
            else:
                self._waiting[index] = None
        elif not open_now and state.place is not None:
            yield Stop(index, "Paused")


def at_home(job: Job, world: World) -> Place:
    """The cheapest class of a job's home; where it may not run there, of the next site."""
    found = places_by_site(job, world)
    home = world.index.get(job.home, 0)
    count = len(world.sites)
    return found[min(found, key=lambda site: (site - home) % count)][0]


def lowest_slot(ask: Ask) -> Windows:
    """Start when the intensity is lowest, of the hours that the job may wait for."""
    step_s, now_s = ask.believed.step_s, ask.arrival_s
    first = now_s // step_s
    count = int((now_s + ask.job.max_delay_s) // step_s - first) + 1
    values = ask.believed.window(now_s, count)
    return ((max(now_s, (first + int(np.argmin(values))) * step_s), math.inf),)


def lowest_window(ask: Ask) -> Windows:
    """Start where the run emits least, its known length taken for true; whole hours from now."""
    starts = _hourly(ask)
    return ((float(starts[np.argmin(_emitted(ask, starts))]), math.inf),)


def carbon_time(ask: Ask) -> Windows:
    """Start where most is saved for each hour until the end, waiting included."""
    starts = _hourly(ask)
    emitted = _emitted(ask, starts)
    until_done = starts - ask.arrival_s + ask.known_s
    return ((float(starts[np.argmax((emitted[0] - emitted) / until_done)]), math.inf),)


def _hourly(ask: Ask) -> F64:
    return ask.arrival_s + np.arange(0.0, ask.job.max_delay_s + 1, _HOUR_S)


def _emitted(ask: Ask, starts: F64) -> F64:
    emitted: F64 = ask.believed.integrals(starts + ask.known_s) - ask.believed.integrals(starts)
    return emitted


def ecovisor(ask: Ask) -> Windows:
    """Run below the 30% quantile of the next 24 hours, as long as there is time to wait."""
    return _threshold(ask, ask.arrival_s + _DAY_S)


def lets_wait_awhile(ask: Ask) -> Windows:
    """Run below the 30% quantile of the job's own time: until it would end if it waited throughout.

    The paper plans the cheapest slots of that time, which takes the length for known; with a length
    that is only expected, a threshold is what is left of it (the form in which CarbonFlex and
    others compare with it). With the known length it is `wait_awhile`.
    """
    return _threshold(ask, ask.arrival_s + ask.job.max_delay_s + ask.known_s)


def _threshold(ask: Ask, until_s: float) -> Windows:
    limit = _quantile(ask.believed, ask.arrival_s, until_s, _CLEAN_SHARE)
    step_s, now_s, left_s = ask.believed.step_s, ask.arrival_s, ask.job.max_delay_s
    windows: list[tuple[float, float]] = []
    while left_s > 0:
        edge_s = (now_s // step_s + 1) * step_s
        if ask.believed.at(now_s) < limit:
            windows.append((now_s, edge_s))
        elif edge_s - now_s < left_s:
            left_s -= edge_s - now_s
        else:
            now_s += left_s
            break
        now_s = edge_s
        if not math.isfinite(now_s) or len(windows) > _MOST_WINDOWS:
            break
    return _joined([*windows, (now_s, math.inf)])


#: A job that is never kept waiting needs no more windows than its own hours; a year of them is
#: beyond every trace.
_MOST_WINDOWS = 9000


def _quantile(series: Series, start_s: float, end_s: float, share: float) -> float:
    """The least value that the signal is at or below for a share of the time."""
    step_s = series.step_s
    first = int(start_s // step_s)
    count = math.ceil(end_s / step_s) - first
    values = series.window(start_s, count)
    edges = np.clip((first + np.arange(count + 1)) * step_s, start_s, end_s)
    order = np.argsort(values, kind="stable")
    covered = np.cumsum(np.diff(edges)[order])
    return float(values[order][np.searchsorted(covered, share * covered[-1])])


def wait_awhile(ask: Ask) -> Windows:
    """Run in the cleanest hours of the time until the latest end, length and intensity known."""
    series, step_s = ask.truth, ask.truth.step_s
    latest_s = ask.arrival_s + ask.job.max_delay_s + ask.true_s
    first = int(ask.arrival_s // step_s)
    count = math.ceil(latest_s / step_s) - first
    values = series.window(ask.arrival_s, count)
    edges = np.clip((first + np.arange(count + 1)) * step_s, ask.arrival_s, latest_s)
    left_s = ask.true_s
    windows = []
    for slot in np.argsort(values, kind="stable"):
        taken_s = min(left_s, float(edges[slot + 1] - edges[slot]))
        if taken_s > 0:
            windows.append((float(edges[slot]), float(edges[slot]) + taken_s))
        left_s -= taken_s
        if left_s <= 0:
            break
    windows.sort()
    return _joined([*windows[:-1], (windows[-1][0], math.inf)])


def _joined(windows: list[tuple[float, float]]) -> Windows:
    """Windows that touch are one: a run is not stopped in order to be started again."""
    joined = windows[:1]
    for start, end in windows[1:]:
        if start == joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(joined)
