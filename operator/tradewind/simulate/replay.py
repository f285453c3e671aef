"""What happens when a trace meets a way of choosing? Events in simulated time.

Arrivals, ends of runs, and times at which the chooser asked to be woken are the events; between
them nothing changes. The chooser says what to start and what to stop; the replay binds pods, keeps
the progress of stopped work as of its last checkpoint, and records every run. What the runs took is
metered afterwards, from the true series (`meter.py`).
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from tradewind.simulate.fleet import SiteNodes
from tradewind.simulate.jobs import Job
from tradewind.simulate.world import Place, World

#: A cycle that stops work may start other work at the same moment, which may stop work … at most
#: so often before time goes on.
_CYCLES_AT_ONCE = 8
#: Below so many seconds nothing is left to run: rounding of floats.
_NOTHING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of running without a break.

    Args:
        job: index of the job.
        place: where.
        start_s, end_s: seconds of simulated time.
        lost_s: of the run time, what brought no progress: what was behind the last checkpoint
            when it was stopped, and restarting.
        ended_by: `done`, or the reason of the stop.
    """

    job: int
    place: Place
    start_s: float
    end_s: float
    lost_s: float = 0.0
    ended_by: str = "done"


@dataclass(slots=True)
class Progress:
    """How far a job is.

    Attributes:
        index: of the job.
        job: of the trace.
        done_s: run time on the reference class that no stop can take back.
        epoch: how often it was started.
        place: where it runs; None: it does not.
        since_s: when the present run began.
        bound: nodes of its pods.
        stopped_s: when it was last stopped.
        finished: it is done.
    """

    index: int
    job: Job
    done_s: float = 0.0
    epoch: int = 0
    place: Place | None = None
    since_s: float = 0.0
    bound: tuple[int, ...] = ()
    stopped_s: float | None = None
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Run a job at a place, now."""

    job: int
    place: Place


@dataclass(frozen=True, slots=True)
class Stop:
    """End a run, now; the job has to be started again."""

    job: int
    reason: str


@dataclass(frozen=True, slots=True)
class Wake:
    """Ask again at a time, about these jobs; without jobs: just so."""

    at_s: float
    jobs: tuple[int, ...] = ()


Action = Start | Stop | Wake


@dataclass(slots=True)
class Moment:
    """What is new at a time.

    Attributes:
        now_s: the time.
        arrived: jobs that were submitted now.
        woken: jobs of a `Wake` that is due.
        stopped: jobs that were stopped at this very time.
        unbound: jobs started at this very time whose pods the site's own scheduler could not bind:
            they are the chooser's again.
        freed: sites at which room has come free.
    """

    now_s: float
    arrived: list[int] = field(default_factory=list)
    woken: list[int] = field(default_factory=list)
    stopped: list[int] = field(default_factory=list)
    unbound: list[int] = field(default_factory=list)
    freed: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Desk:
    """What a chooser may look at: no length that is not over yet."""

    world: World
    fleet: Sequence[SiteNodes]
    jobs: list[Progress]

    def room(self, job: Job, place: Place) -> bool:
        """Whether the whole job fits there now."""
        return self.fleet[place.site].fits(job, place.class_name)


class Chooser(Protocol):
    """A way of choosing where and when."""

    name: str

    def decide(self, moment: Moment, desk: Desk) -> Iterable[Action]:
        """Say what to do now. Jobs that are neither started nor woken are the chooser's to keep."""
        ...


class _Kind(IntEnum):
    """Of events at the same time, which comes first."""

    END = 0
    ARRIVAL = 1
    WAKE = 2


class Replay:
    """One run of a trace.

    Args:
        world: what is true.
        fleet: all free; it is changed.
        jobs: in the order of arrival.
        chooser: who chooses.

    Attributes:
        unbound: how often pods were to start that their site could not bind.
    """

    def __init__(
        self, world: World, fleet: Sequence[SiteNodes], jobs: Sequence[Job], chooser: Chooser
    ) -> None:
        self._world = world
        self._fleet = fleet
        self._chooser = chooser
        self._desk = Desk(world, fleet, [Progress(i, job) for i, job in enumerate(jobs)])
        self._runs: list[Run] = []
        self._order = 0
        self.unbound = 0
        self._events: list[tuple[float, int, int, tuple[int, ...]]] = []
        for index, job in enumerate(jobs):
            self._push(job.arrival_s, _Kind.ARRIVAL, (index,))

    def run(self, tell: Callable[[int], None] = lambda _: None) -> list[Run]:
        """Replay to the end.

        Args:
            tell: called with the number of jobs that are done, now and then.

        Returns:
            All runs, in the order in which they ended; a job that never got room has none.
        """
        finished = 0
        while self._events:
            moment = self._next_moment()
            finished += self._ended
            self._cycle(moment)
            tell(finished)
        return self._runs

    def _push(self, at_s: float, kind: _Kind, payload: tuple[int, ...]) -> None:
        self._order += 1
        heapq.heappush(self._events, (at_s, kind, self._order, payload))

    def _next_moment(self) -> Moment:
        moment = Moment(self._events[0][0])
        self._ended = 0
        while self._events and self._events[0][0] <= moment.now_s:
            _, kind, _, payload = heapq.heappop(self._events)
            if kind == _Kind.ARRIVAL:
                moment.arrived += payload
            elif kind == _Kind.WAKE:
                moment.woken += [job for job in payload if not self._desk.jobs[job].finished]
            else:
                self._end(moment, *payload)
        return moment

    def _end(self, moment: Moment, job: int, epoch: int) -> None:
        state = self._desk.jobs[job]
        if state.place is None or state.epoch != epoch:
            return  # stopped before its end
        state.finished = True
        self._ended += 1
        self._leave(state, moment, "done", self._restart_s(state))

    def _leave(self, state: Progress, moment: Moment, reason: str, lost_s: float) -> None:
        place = state.place
        if place is None:
            return
        self._fleet[place.site].release(state.job, state.bound)
        moment.freed.add(place.site)
        self._runs.append(Run(state.index, place, state.since_s, moment.now_s, lost_s, reason))
        state.place, state.bound = None, ()

    def _cycle(self, moment: Moment) -> None:
        for _ in range(_CYCLES_AT_ONCE):
            after = Moment(moment.now_s)
            for action in self._chooser.decide(moment, self._desk):
                if isinstance(action, Wake):
                    self._push(max(action.at_s, moment.now_s), _Kind.WAKE, action.jobs)
                elif isinstance(action, Stop):
                    self._stop(after, self._desk.jobs[action.job], action.reason)
                elif not self._start(moment.now_s, self._desk.jobs[action.job], action.place):
                    after.unbound.append(action.job)
            self.unbound += len(after.unbound)
            if not (after.stopped or after.unbound):
                return
            moment = after

    def _start(self, now_s: float, state: Progress, place: Place) -> bool:
        """Bind a job's pods and run it; False when they do not fit on the site's nodes.

        A chooser counts what is free; how pods are packed is the site's affair, as with a member's
        own scheduler, and of several that start at once the last may find only fragments.
        """
        if state.finished or state.place is not None:
            raise AssertionError(f"{self._chooser.name} started {state.job.name} twice")
        bound = self._fleet[place.site].bind(state.job, place.class_name)
        if bound is None:
            return False
        state.place, state.bound, state.since_s = place, bound, now_s
        state.epoch += 1
        left_s = (state.job.length_s - state.done_s) * self._world.stretch(state.job, place)
        ends_s = now_s + self._restart_s(state) + left_s
        self._push(ends_s, _Kind.END, (state.index, state.epoch))
        return True

    def _restart_s(self, state: Progress) -> float:
        """How long the present run makes no progress at first: it was stopped before."""
        return self._world.config.restart_s if state.epoch > 1 else 0.0

    def _stop(self, moment: Moment, state: Progress, reason: str) -> None:
        if state.place is None:
            return
        stretch = self._world.stretch(state.job, state.place)
        whole_s = moment.now_s - state.since_s
        ran_s = max(0.0, whole_s - self._restart_s(state)) / stretch
        interval_s = state.job.checkpoint_s
        kept_s = 0.0 if interval_s is None else ran_s
        if interval_s:
            kept_s = min(ran_s, int((ran_s + _NOTHING_S) / interval_s) * interval_s)
        state.done_s += kept_s
        state.stopped_s = moment.now_s
        self._leave(state, moment, reason, max(0.0, whole_s - kept_s * stretch))
        moment.stopped.append(state.index)
