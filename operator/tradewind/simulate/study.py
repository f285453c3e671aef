"""A comparison: the same trace, replayed once for each policy and each baseline.

Replays do not touch each other, so they run side by side in processes of their own; what each comes
to does not depend on how many there are.
"""

import copy
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

from tradewind.api.policy import PolicySpec
from tradewind.base.errors import InputFileError
from tradewind.simulate.baselines import BASELINES
from tradewind.simulate.clairvoyant import bound_usd
from tradewind.simulate.completion import complete
from tradewind.simulate.fleet import SiteNodes, build_fleet
from tradewind.simulate.jobs import Job
from tradewind.simulate.meter import Metered, meter
from tradewind.simulate.planned import Planned
from tradewind.simulate.replay import Chooser, Replay
from tradewind.simulate.scenario import read_scenario
from tradewind.simulate.series import read_series
from tradewind.simulate.traces import read_jobs
from tradewind.simulate.world import World

#: How often a worker tells how far it is, and how long the parent waits for that, seconds.
_TELL_EVERY_S = 0.2
#: USD/MWh: prices do fall below zero, but no market lets them fall so far.
_LEAST_PRICE = -1e6


@dataclass(frozen=True, slots=True)
class Files:
    """What a study is made of; see docs/simulate.md for each form."""

    sites: Path
    jobs: Path
    carbon: Path
    price: Path | None = None
    latency: Path | None = None
    forecast: Path | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that is the same for all replays.

    Args:
        world: what is true.
        fleet: all free.
        jobs: in the order of arrival, complete.
        policies: Tradewind's, by name.
        baselines: names.
        prices_of: the policy by whose prices all are compared.
        prices: its prices.
        seed: of the baselines that throw dice.
    """

    world: World
    fleet: Sequence[SiteNodes]
    jobs: Sequence[Job]
    policies: Mapping[str, PolicySpec]
    baselines: Sequence[str]
    prices_of: str
    prices: PolicySpec
    seed: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Of all replays: the policies, then the baselines."""
        return (*self.policies, *self.baselines)


def load(
    files: Files,
    *,
    policies: Mapping[str, PolicySpec],
    baselines: Sequence[str],
    prices_of: str,
    prices: PolicySpec,
    seed: int = 0,
) -> Study:
    """Read the files of a study.

    Raises:
        InputFileError: with file, line and column; a job that no site may have; an unknown home.
    """
    scenario = read_scenario(files.sites)
    fleet = build_fleet(scenario, files.jobs.parent)
    world = World(
        scenario,
        fleet,
        carbon=read_series(files.carbon),
        price=read_series(files.price, least=_LEAST_PRICE) if files.price else None,
        latency=files.latency,
        forecast=read_series(files.forecast) if files.forecast else None,
    )
    jobs = complete(read_jobs(files.jobs), scenario)
    for job in jobs:
        _check(job, world, fleet, files)
    return Study(world, fleet, jobs, policies, baselines, prices_of, prices, seed)


def _check(job: Job, world: World, fleet: Sequence[SiteNodes], files: Files) -> None:
    """Refuse a job that no site could ever run: its replays would have no end to compare."""
    place = f"{files.jobs}, line {job.line}" if job.line else f"{files.jobs}"
    if job.home not in world.index:
        raise InputFileError(
            f"{place}, column 'home': job {job.name!r} is at home in {job.home!r}",
            hint=f"there is no such site in {files.sites}; it has {', '.join(world.index)}",
        )
    if not any(fleet[p.site].fits(job, p.class_name) for p in world.allowed(job)):
        raise InputFileError(
            f"{place}: job {job.name!r} fits no site, even empty ones: {_refusals(job, world)}",
            hint="compare what it asks for with the nodes, and its limits with the sites",
        )


def _refusals(job: Job, world: World) -> str:
    """Why no site may have a job, counted."""
    served = {place.site for place in world.allowed(job)}
    why: Counter[str] = Counter()
    for site in range(len(world.sites)):
        rule = world.breaks(job, site)
        if rule == "latency":
            why[f"further than {job.max_latency_ms:g} ms from {job.home}, or unknown"] += 1
        elif rule:
            why[f"outside {', '.join(job.jurisdictions)}"] += 1
        elif site not in served:
            why[f"without {' or '.join(job.classes) or 'accelerators'}"] += 1
        else:
            why["with too little room"] += 1
    return "; ".join(f"{count} {text}" for text, count in why.most_common())


def chooser(study: Study, name: str) -> Chooser:
    """A fresh chooser of that name; a policy hides a baseline that is called the same."""
    if name in study.policies:
        return Planned(name, study.policies[name], study.world)
    return BASELINES[name](study.prices, study.seed)


def run_one(study: Study, name: str, tell: Callable[[int], None]) -> Metered:
    """Replay and meter one chooser."""
    began = time.perf_counter()
    fleet = copy.deepcopy(study.fleet)
    replay = Replay(study.world, fleet, study.jobs, chooser(study, name))
    found = meter(name, study.world, study.jobs, replay.run(tell), study.prices)
    found.unbound = replay.unbound
    found.seconds = time.perf_counter() - began
    return found


def run_all(
    study: Study, *, workers: int = 0, tell: Callable[[str, int], None] = lambda _n, _d: None
) -> tuple[list[Metered], float]:
    """Replay everything.

    Args:
        study: what.
        workers: processes; 0: as many as there are cores; 1: in this one.
        tell: called with a name and how many of its jobs are done.

    Returns:
        The replays in the order of `study.names`, and the bound in USD.
    """
    workers = min(workers or os.cpu_count() or 1, len(study.names))
    bound = bound_usd(study.jobs, study.world, study.prices)
    if workers <= 1:
        return [run_one(study, name, _teller(name, tell)) for name in study.names], bound
    return _run_beside(study, workers, tell), bound


def _teller(name: str, tell: Callable[[str, int], None]) -> Callable[[int], None]:
    told = [0.0]

    def throttled(done: int) -> None:
        now = time.monotonic()
        if now - told[0] >= _TELL_EVERY_S:
            told[0] = now
            tell(name, done)

    return throttled


_shared: list[Any] = []


def _begin(study: Study, queue: Any) -> None:
    _shared[:] = [study, queue]


def _work(name: str) -> Metered:
    study, queue = _shared
    return run_one(study, name, _teller(name, lambda who, done: queue.put((who, done))))


def _run_beside(study: Study, workers: int, tell: Callable[[str, int], None]) -> list[Metered]:
    # spawn: a forked child would inherit locks of threads that it does not have.
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with ProcessPoolExecutor(workers, context, _begin, (study, queue)) as pool:
        futures = [pool.submit(_work, name) for name in study.names]
        while not all(future.done() for future in futures):
            try:
                tell(*queue.get(timeout=_TELL_EVERY_S))
            except Empty:
                wait(futures, timeout=0)
        return [future.result() for future in futures]
