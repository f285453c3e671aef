"""Run now, or wait for a better hour, and pause on the way when that saves more than a stop loses?

By a backward pass over (slot t, slots b that may still be waited), Bellman's recursion:

    run(t, b)     = h x(t) + a going(t + 1, b)
    wait(t, b)    = w + idle(t + 1, b - 1)
    idle(t, b)    = min(run(t, b), wait(t, b))             it does not run when t begins
    going(t, b)   = min(run(t, b), stop + wait(t, b))      it does

where x is the cost of running in USD an hour, w that of waiting for a slot, h the expected hours of
running in the slot, a the chance to outlast it. A start costs run(t, b).

A length that is known runs out by itself: how much is left follows from t and b, h is what is left,
at most the slot, and a = 1. One that is known only as a mean is taken as memoryless: having run for
an hour tells nothing of the hours to come, a = exp(-slot / mean) and h = mean (1 - a). Of all
lengths on [0, inf) with that mean the exponential one has the greatest entropy: it assumes the
least. `designs/0003-unknown-lengths.md` has what that is worth.
"""

from dataclasses import dataclass

import numpy as np

from tradewind.placement.snapshot import RuntimeNeed
from tradewind.placement.table import F64, I64

#: What follows the last known slot is taken to be like the mean of so many slots before the end: a
#: day of hours, as carbon and prices repeat by the day.
TAIL_SLOTS = 24


@dataclass(frozen=True, slots=True)
class Hours:
    """The slots ahead, and what running in them costs and meets.

    Args:
        rate: (R, H) cost of running, USD an hour.
        signals: (K, R, H) whatever else is to be summed over the run.
        slot_h: (H,) length of each slot, hours; the first may be what is left of one, the others
            are equal.
    """

    rate: F64
    signals: F64
    slot_h: F64


@dataclass(frozen=True, slots=True)
class Run:
    """What is to run, on each row.

    Args:
        run_h: (R,) run time, hours, above 0.
        mean_only: it is no more than a mean.
        slots_to_wait: (R,) how many slots may be waited in all, below H.
        wait_usd_per_hour: price of waiting.
        stop_usd: (R,) what a stop loses.
    """

    run_h: F64
    mean_only: bool
    slots_to_wait: I64
    wait_usd_per_hour: float
    stop_usd: F64


@dataclass(frozen=True, slots=True)
class Paused:
    """What runs with the best pauses meet, by start.

    Args:
        met: (K, R, T) expected hours of running times each signal.
        waits_h: (R, T) expected hours of waiting after the start.
        stops_usd: (R, T) expected loss by stops.
        usd: (R, T) expected cost of running, of waiting after the start, and of stops.
    """

    met: F64
    waits_h: F64
    stops_usd: F64
    usd: F64


def may_pause(runtime: RuntimeNeed) -> bool:
    """Whether work may pause by choice: it has checkpoints, and may wait."""
    return runtime.checkpoint_s is not None and runtime.max_delay_s > 0


def with_pauses(hours: Hours, run: Run, starts: int) -> Paused:
    """What interruptible work meets, if it pauses as is best after its start.

    Waiting until the start uses up the slots to wait as pauses do; a start after more slots than a
    row may wait says nothing.

    Args:
        hours: ahead.
        run: what is to run.
        starts: how many, one with each of the first slots; at most H.

    >>> rate = np.array([[1.0, 9.0, 9.0, 1.0, 1.0]])
    >>> one = Run(np.array([2.0]), False, np.array([2]), 0.0, np.zeros(1))
    >>> found = with_pauses(Hours(rate, rate[None], np.ones(5)), one, 3)
    >>> found.usd.tolist(), found.waits_h.tolist()  # an hour now, the other after two dear ones
    ([[2.0, 10.0, 10.0]], [[2.0, 1.0, 0.0]])
    """
    began = float(hours.slot_h[0]) - 1.0
    found = _pass(hours, run, starts, 0.0)
    if began and not run.mean_only:
        # Whether what was left of the first slot was run or waited decides how much is left later.
        found[:, :, 0] = _pass(hours, run, 1, began)[:, :, 0]
    return Paused(met=found[3:], waits_h=found[1], stops_usd=found[2], usd=found[0])


def _pass(hours: Hours, run: Run, starts: int, ahead_h: float) -> F64:
    """(3 + K, R, starts): USD, hours waited, loss by stops, and signals.

    Args:
        hours: ahead.
        run: what is to run.
        starts: how many.
        ahead_h: what a start with the first slot has run by its end, less an hour.
    """
    rows, slots = hours.rate.shape
    none = np.zeros((2, rows, slots))
    # One row for each of the sums; beside each other, by slots left to wait.
    sums = np.concatenate((hours.rate[None], none, hours.signals))
    most = int(run.slots_to_wait.max(initial=0))
    budget = np.arange(most + 1)
    waited = run.slots_to_wait[:, None] - budget
    tail = sums[:, :, -TAIL_SLOTS:].mean(axis=-1)
    going = idle = tail[:, :, None] * _left(run, slots, waited, ahead_h)
    found = np.empty((len(sums), rows, starts))
    for t in range(slots - 1, -1, -1):
        slot_h = float(hours.slot_h[t])
        if run.mean_only:
            outlasts = np.exp(-slot_h / run.run_h)[:, None]
            runs_h = run.run_h[:, None] * (1 - outlasts)
        else:
            outlasts = np.ones((rows, 1))
            runs_h = np.minimum(slot_h, _left(run, t, waited, ahead_h if t else 0.0))
        now = runs_h * sums[:, :, t, None] + outlasts * going
        wait = np.empty_like(now)
        wait[:, :, 0] = np.inf
        wait[:, :, 1:] = idle[:, :, :-1]
        wait[0] += run.wait_usd_per_hour * slot_h
        wait[1, :, 1:] += slot_h
        if t < starts:
            left = np.clip(run.slots_to_wait - t, 0, most)[None, :, None]
            found[:, :, t] = np.take_along_axis(now, left, axis=2)[:, :, 0]
        # Equal: run; what is no number: run.
        idle = np.where(wait[0] < now[0], wait, now)
        wait[0] += run.stop_usd[:, None]
        wait[2, :, 1:] += run.stop_usd[:, None]
        going = np.where(wait[0] < now[0], wait, now)
    return found


def _left(run: Run, t: int, waited: I64, ahead_h: float) -> F64:
    """(R, B) hours left to run when a slot begins, by the slots that were waited until then."""
    if run.mean_only:
        return np.repeat(run.run_h[:, None], waited.shape[1], axis=1)
    left: F64 = np.maximum(0.0, run.run_h[:, None] - ahead_h - (t - waited))
    return left
