"""The rules for *where* that others publish: work starts at once, one figure decides on the site.

The rule-based controllers of green-dcc (Hewlett Packard Labs, utils/task_assignment_strategies.py):
local only, random, round robin, most available, lowest price and lowest carbon, among the sites
that can schedule the task; one that none can schedule is looked at again when room comes free. Hard
rules (law, latency, hardware) hold for them as for everybody. They do not know accelerator classes:
a site that is chosen gives the class on which the job costs least there.
"""

import random
from collections.abc import Callable, Iterable, Sequence

from tradewind.simulate.jobs import Job
from tradewind.simulate.replay import Action, Desk, Moment, Start
from tradewind.simulate.world import Place, World

#: Of the sites with room, by index: the one that is chosen.
Pick = Callable[[Job, Sequence[int], float, Desk], int]


class AtOnce:
    """Starts every job as soon as some site has room for it.

    Args:
        name: of the rule.
        pick: which of the sites with room.
        home_only: a job waits for its home instead of going elsewhere.
    """

    def __init__(self, name: str, pick: Pick, *, home_only: bool = False) -> None:
        self.name = name
        self._pick = pick
        self._home_only = home_only
        self._waiting: list[int] = []

    def decide(self, moment: Moment, desk: Desk) -> Iterable[Action]:
        """Start what has room, the oldest first."""
        if not moment.freed:
            return self._place(moment.arrived, moment.now_s, desk)
        asked, self._waiting = [*self._waiting, *moment.arrived], []
        return self._place(asked, moment.now_s, desk)

    def _place(self, asked: Sequence[int], now_s: float, desk: Desk) -> Iterable[Action]:
        for index in asked:
            job = desk.jobs[index].job
            options = {
                site: place
                for site, places in self._sites(job, desk.world).items()
                if (place := next((p for p in places if desk.room(job, p)), None)) is not None
            }
            if options:
                yield Start(index, options[self._pick(job, list(options), now_s, desk)])
            else:
                self._waiting.append(index)

    def _sites(self, job: Job, world: World) -> dict[int, tuple[Place, ...]]:
        found = places_by_site(job, world)
        home = world.index.get(job.home, -1)
        return {home: found[home]} if self._home_only and home in found else found


def places_by_site(job: Job, world: World) -> dict[int, tuple[Place, ...]]:
    """Where a job may run, by site; at each the cheapest hardware first, then the most frugal."""
    found: dict[int, list[Place]] = {}
    for place in world.allowed(job):
        found.setdefault(place.site, []).append(place)
    return {
        site: tuple(sorted(places, key=lambda place: _dearness(job, place, world)))
        for site, places in found.items()
    }


def _dearness(job: Job, place: Place, world: World) -> tuple[float, float, int]:
    stretch = world.stretch(job, place)
    return (
        stretch * world.hardware_usd_per_hour(job, place),
        stretch * world.kilowatts(job, place),
        place.index,
    )


def run_at_home() -> AtOnce:
    """Local only: where its users are."""
    return AtOnce("home", lambda _job, sites, _now, _desk: sites[0], home_only=True)


def at_random(seed: int) -> AtOnce:
    """Any site, by a seeded die."""
    dice = random.Random(seed)  # noqa: S311 - no secret: results have to be repeatable
    return AtOnce("random", lambda _job, sites, _now, _desk: dice.choice(sites))


def round_robin() -> AtOnce:
    """One site after the other; one without room is passed over."""
    last = -1

    def pick(_job: Job, sites: Sequence[int], _now_s: float, desk: Desk) -> int:
        nonlocal last
        count = len(desk.world.sites)
        last = min(sites, key=lambda site: (site - last - 1) % count)
        return last

    return AtOnce("round-robin", pick)


def most_available() -> AtOnce:
    """The site with the most cores free (as in green-dcc: cores, whatever the job asks for)."""

    def pick(_job: Job, sites: Sequence[int], _now_s: float, desk: Desk) -> int:
        return max(sites, key=lambda s: (sum(n.cpu_millis for n in desk.fleet[s].nodes), -s))

    return AtOnce("most-available", pick)


def lowest_price() -> AtOnce:
    """The site whose electricity is cheapest now."""
    return AtOnce(
        "lowest-price",
        lambda _job, sites, now_s, desk: min(
            sites, key=lambda site: (desk.world.price[site].at(now_s), site)
        ),
    )


def lowest_carbon() -> AtOnce:
    """The site whose electricity is cleanest now."""
    return AtOnce(
        "lowest-carbon",
        lambda _job, sites, now_s, desk: min(
            sites, key=lambda site: (desk.world.carbon[site].at(now_s), site)
        ),
    )
