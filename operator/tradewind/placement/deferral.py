"""What would a run meet, in price and carbon, if it started then? Start slots and forecast windows.

Pure functions on arrays; nothing here chooses. The engine sets what a later start saves against
what waiting costs, and the simulator's policies look through the same windows.

How long a run lasts may not be known. A `Profile` says how likely it still runs after a time: with
S(t) the share of runs that outlast t, a start at s meets on average ∫ S(t) * signal(s + t) dt.

Axes: T start slots, H steps of a grid; S sites. Times are seconds after the cycle's `now`.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from tradewind.placement.table import F64, clean

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Profile:
    """How long a run lasts.

    Args:
        mean_s: expected run time, seconds, 0 or more.
        exponential: only the mean is known: a run that has lasted any time is expected to last
            `mean_s` more. False: it lasts exactly `mean_s`.
    """

    mean_s: float
    exponential: bool = False

    def run_by(self, after_s: F64) -> F64:
        """Expected seconds of running in the first `after_s` after the start, ∫ S(t) dt.

        >>> Profile(7200).run_by(np.array([-1.0, 3600.0, 9000.0])).tolist()
        [0.0, 3600.0, 7200.0]
        >>> Profile(3600, exponential=True).run_by(np.array([3600.0])).round().tolist()
        [2276.0]
        """
        since = np.maximum(0.0, after_s)
        # Below a microsecond both profiles are the same, and dividing by the mean may overflow.
        if self.exponential and self.mean_s > 1e-6:  # noqa: PLR2004 - seconds
            return self.mean_s * -np.expm1(-since / self.mean_s)
        return np.minimum(since, self.mean_s)


def exposure(profile: Profile, edges_s: F64, starts_s: F64) -> F64:
    """Expected seconds of running in each step of a grid.

    Args:
        profile: of the run.
        edges_s: (H+1,) ends of the steps, rising.
        starts_s: (T,) starts, none before the first edge.

    Returns:
        (T, H+1); the last column is what runs after the last edge. Rows sum to the mean run time.

    >>> exposure(Profile(5400), np.array([0.0, 3600, 7200]), np.array([0.0, 3600])).tolist()
    [[3600.0, 1800.0, 0.0], [0.0, 3600.0, 1800.0]]
    """
    run = profile.run_by(edges_s[None, :] - starts_s[:, None])
    whole = np.full((len(starts_s), 1), profile.mean_s)
    steps: F64 = np.diff(run, axis=1, append=whole)
    return steps


def mean_over_runs(values: F64, beyond: F64, profile: Profile, edges_s: F64, starts_s: F64) -> F64:
    """Mean of signals over a run, by start.

    Args:
        values: (S, H) in each step.
        beyond: (S,) after the last step.
        profile: of the run; one of no length meets the signal of its start.
        edges_s: (H+1,) ends of the steps.
        starts_s: (T,).

    Returns:
        (S, T) in the unit of the signal.

    >>> price = np.array([[10.0, 40.0]])
    >>> edges = np.array([0.0, 3600, 7200])
    >>> mean_over_runs(price, np.array([25.0]), Profile(7200), edges, edges[:2]).tolist()
    [[25.0, 32.5]]
    """
    shortest = profile if profile.mean_s > 0 else Profile(1.0)
    shares = exposure(shortest, edges_s, starts_s) / shortest.mean_s
    means: F64 = np.column_stack((values, beyond)) @ shares.T
    return means


def start_slots(now: datetime, slot_s: float, latest_s: float, most: int) -> F64:
    """Starts that come into question: now, then whole slots of the clock.

    Slots hang on the clock and not on `now`, so that a plan stays the same while time passes.

    Args:
        now: of the cycle, aware.
        slot_s: length of a slot, seconds, above 0.
        latest_s: the last start allowed, seconds after now.
        most: at most so many slots, `now` among them.

    Returns:
        (T,) seconds after now, rising; the first is 0.

    >>> start_slots(datetime(2026, 11, 25, 12, 40, tzinfo=UTC), 3600, 7200, 24).tolist()
    [0.0, 1200.0, 4800.0]
    """
    gone_s = (now - _EPOCH).total_seconds() % slot_s
    limit_s = clean(latest_s, high=math.inf)
    if math.isnan(limit_s):
        return np.zeros(1)
    later = slot_s * np.arange(1, max(1, most)) - gone_s
    return np.concatenate(([0.0], later[later <= limit_s]))


def count_slots(now: datetime, slot_s: float, latest_s: float, most: int) -> int:
    """How many starts `start_slots` has.

    >>> count_slots(datetime(2026, 11, 25, 12, 40, tzinfo=UTC), 3600, 7200, 24)
    3
    """
    gone_s = (now - _EPOCH).total_seconds() % slot_s
    limit_s = clean(latest_s, high=math.inf)
    if math.isnan(limit_s):
        return 1
    last = max(1, most) - 1
    count = last if limit_s == math.inf else min(last, int((limit_s + gone_s) // slot_s))
    # Division rounds: the very comparison of `start_slots` has the last word.
    while count < last and slot_s * (count + 1) - gone_s <= limit_s:
        count += 1
    while count > 0 and slot_s * count - gone_s > limit_s:
        count -= 1
    return 1 + count


def grid_edges(now: datetime, step_s: float, steps: int) -> F64:
    """(steps+1,) edges of a grid from now on: the first step ends at a whole step of the clock.

    >>> grid_edges(datetime(2026, 11, 25, 12, 40, tzinfo=UTC), 3600, 2).tolist()
    [0.0, 1200.0, 4800.0]
    """
    gone_s = (now - _EPOCH).total_seconds() % step_s
    return np.concatenate(([0.0], step_s * np.arange(1, steps + 1) - gone_s))


def after(now: datetime, seconds: float) -> datetime:
    """A moment so many seconds after `now`; far ends are cut at a thousand years."""
    return now + timedelta(seconds=min(seconds, 3e10))
