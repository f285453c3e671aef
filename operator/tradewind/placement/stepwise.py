"""The cheapest division of some replicas over few sites, site by site (dynamic programming).

best[k, n] is the least cost of n replicas in k parts at the sites looked at so far. A site adds one
part on one of its candidates i, or none:

    best'[k + 1, n] = min over m of best[k, n - m] + once[i] + each[i] m,    least <= m <= room[i]

The costs of a part are linear, so that the minimum is one over a sliding window of
best[k, j] - each[i] j. Exact, and for tens of replicas some times faster than an integer program.
"""

from dataclasses import dataclass

import numpy as np

from tradewind.placement.table import F64, I64

#: Above so many cells in all windows an integer program is as fast.
MOST_CELLS = 1_500_000

_NOTHING_USD = 1e-9


@dataclass(frozen=True, slots=True)
class Offer:
    """Candidates, by row; see `splitting.Offers`."""

    site: I64
    room: I64
    each: F64
    once: F64


def divide(
    offer: Offer, pods: int, least: int, fewest: int, most: int
) -> list[tuple[int, int]] | None:
    """The candidates with their replicas; None where there is no division.

    Args:
        offer: (M,) candidates.
        pods: replicas.
        least: of each part.
        fewest: parts.
        most: parts.

    >>> one, two = np.array([0, 1]), np.array([3, 9])
    >>> divide(Offer(one, two, np.array([1.0, 2.0]), np.zeros(2)), 5, 1, 1, 2)
    [(0, 3), (1, 2)]
    """
    most = min(most, pods // least)
    best = np.full((most + 1, pods + 1), np.inf)
    best[0, 0] = 0.0
    steps: list[tuple[I64, I64]] = []
    for site in np.unique(offer.site).tolist():
        after = best.copy()
        which = np.full(best.shape, -1, np.int64)
        taken = np.zeros(best.shape, np.int64)
        for i in np.flatnonzero(offer.site == site).tolist():
            room = min(pods, int(offer.room[i]))
            if room < least:
                continue
            cost, count = _with_part(best, float(offer.each[i]), least, room)
            cost += float(offer.once[i])
            better = cost < after[1:] - _NOTHING_USD
            after[1:][better] = cost[better]
            which[1:][better] = i
            taken[1:][better] = count[better]
        steps.append((which, taken))
        best = after
    last = best[:, pods].copy()
    last[: max(1, fewest)] = np.inf
    parts = int(last.argmin()) if len(last) else 0
    if not len(last) or not np.isfinite(last[parts]):
        return None
    return _back(steps, parts, pods)


def cells(offer: Offer, pods: int, least: int, most: int) -> int:
    """How many cells the windows of a division have."""
    windows = np.maximum(0, np.minimum(offer.room, pods) - least + 1)
    return int(windows.sum()) * (pods + 1) * min(most, max(1, pods // least))


def _with_part(best: F64, each: float, least: int, room: int) -> tuple[F64, I64]:
    """(K, N + 1) the least cost with one part more on a candidate, and that part's replicas."""
    pods = np.arange(best.shape[1])
    slanted = best[:-1] - each * pods
    padded = np.concatenate((np.full((len(slanted), room), np.inf), slanted), axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, room - least + 1, axis=1)
    windows = windows[:, : len(pods)]
    # Of equals the last: the smallest part here.
    back = windows.shape[2] - 1 - windows[:, :, ::-1].argmin(axis=2)
    found = np.take_along_axis(windows, back[:, :, None], axis=2)[:, :, 0]
    return found + each * pods, room - back


def _back(steps: list[tuple[I64, I64]], parts: int, pods: int) -> list[tuple[int, int]]:
    """The parts of the best division, from the last site to the first."""
    found: list[tuple[int, int]] = []
    for which, taken in reversed(steps):
        place = int(which[parts, pods])
        if place >= 0:
            count = int(taken[parts, pods])
            found.append((place, count))
            parts, pods = parts - 1, pods - count
    return found[::-1]
