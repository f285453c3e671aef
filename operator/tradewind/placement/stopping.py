"""Run now, or wait for a better hour, when nobody knows how long the work will run?

A length that is known only as a mean is taken as memoryless: having run for an hour tells nothing
of the hours to come, and the chance to be still running u hours after the start is exp(-u / mean).
Of all lengths on [0, inf) with that mean the exponential one has the greatest entropy: it assumes
the least. Two exact consequences, both by a backward pass over the slots:

    uninterrupted   start(t) = E[cost | starts at t] = w x(t) + a start(t + 1)
    with pauses     V(t, b)  = min(w x(t) + a V(t + 1, b),  wait + V(t + 1, b - 1))

where x is the cost of running in USD an hour, b the slots that may still be waited, a the chance to
outlast the slot, exp(-slot / mean), and w = mean (1 - a) the expected hours of running in it. The
second is an optimal stopping problem (Bellman); without slots to wait, V(t, 0) = start(t).

Against a window as long as the mean, as GAIA's lowest window looks at (Hanafy et al., ASPLOS 2024),
hours soon after the start weigh more, because more work is still there to profit from them; see
`designs/0003-unknown-lengths.md` for what that is worth.
"""

from dataclasses import dataclass

import numpy as np

from tradewind.placement.snapshot import RuntimeNeed
from tradewind.placement.table import F64

#: What follows the last known slot is taken to be like the mean of so many slots before the end: a
#: day of hours, as carbon and prices repeat by the day.
TAIL_SLOTS = 24


def tail_rate(rate: F64) -> F64:
    """(...) USD an hour, of the time after the last slot."""
    tail: F64 = rate[..., -TAIL_SLOTS:].mean(axis=-1)
    return tail


@dataclass(frozen=True, slots=True)
class Paused:
    """What runs with the best pauses meet, by start.

    Args:
        met: (K, R, T) expected hours of running times each signal.
        waits_h: (R, T) expected hours of waiting after the start.
        usd: (R, T) expected cost of running, and of waiting after the start.
    """

    met: F64
    waits_h: F64
    usd: F64


def may_pause(runtime: RuntimeNeed) -> bool:
    """Whether work may pause by choice: it has checkpoints, and may wait."""
    return runtime.checkpoint_s is not None and runtime.max_delay_s > 0


def with_pauses(
    rate: F64,
    signals: F64,
    slot_h: F64,
    *,
    mean_h: F64,
    slots_to_wait: int,
    wait_usd_per_hour: float,
) -> Paused:
    """What interruptible work of unknown length meets, if it pauses as is best after its start.

    Waiting until the start uses up the slots to wait as pauses do.

    Args:
        rate: (R, H) cost of running, USD an hour, in each slot.
        signals: (K, R, H) whatever else is to be summed over the run.
        slot_h: (H,) length of each slot, hours; the first may be what is left of one.
        mean_h: (R,) mean run time, hours, above 0.
        slots_to_wait: how many slots may be waited in all, below H.
        wait_usd_per_hour: price of waiting.

    Returns:
        For the starts 0 … slots_to_wait.

    >>> dear_later = np.array([[1.0, 9.0, 9.0, 1.0, 1.0]])
    >>> found = with_pauses(
    ...     dear_later, dear_later[None], np.ones(5), mean_h=np.array([2.0]), slots_to_wait=2,
    ...     wait_usd_per_hour=0.0,
    ... )
    >>> found.usd.argmin().item(), found.waits_h[0, 0].round(2).item()  # two waits if it outlasts
    (0, 1.21)
    """
    count, rows, slots = signals.shape
    # One row for each of: USD, hours waited, the signals; beside each other, by slots left to wait.
    sums = np.concatenate((rate[None], np.zeros((1, rows, slots)), signals))
    after = np.repeat((tail_rate(sums) * mean_h)[:, :, None], slots_to_wait + 1, axis=2)
    found = np.empty((count + 2, rows, slots_to_wait + 1))
    for t in range(slots - 1, -1, -1):
        outlasts = np.exp(-slot_h[t] / mean_h)[:, None]
        run = (mean_h * (1 - outlasts[:, 0]) * sums[:, :, t])[:, :, None] + outlasts * after
        if t <= slots_to_wait:
            found[:, :, t] = run[:, :, slots_to_wait - t]
        wait = np.empty_like(after)
        wait[:, :, 0] = np.inf
        wait[:, :, 1:] = after[:, :, :-1]
        wait[0] += wait_usd_per_hour * slot_h[t]
        wait[1, :, 1:] += slot_h[t]
        after = np.where(wait[0] < run[0], wait, run)
    return Paused(found[2:], found[1], found[0])
