"""What a history says of a step ahead: seasonal profile, latest error, then what is learnt.

Pure. Each layer corrects the one before:

1. the profile: the same hour of the days before, newer days weighing more (`DECAY` a day);
2. the latest error: how far the signal now is from its own profile, fading by `FADE` a step;
3. a ridge regression on what the first two left over in the history: latest slopes, yesterday,
   last week, the day's mean against the week's. Half of its correction is taken (`TRUST`), since it
   is learnt from four weeks: on real carbon intensity, whole corrections were worse from a day on.

All of it is fitted anew at each call, on the history alone. What the same forecast would have told
of the steps that have come since is told along, each half of them by weights that were learnt from
the other half, so that nobody is judged by what it was fitted to.

Ridge: Hoerl and Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems",
Technometrics 12 (1970). The constants were chosen on hourly carbon intensity of 16 grid zones.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

F64: TypeAlias = npt.NDArray[np.float64]
I64: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

DAY: Final = 24
WEEK: Final = 7 * DAY

DECAY: Final = 0.8
FADE: Final = 0.97
RIDGE: Final = 200.0
TRUST: Final = 0.5
#: Fewer rows than this teach nothing that the profile does not know.
LEAST_ROWS: Final = 96


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is told of one step ahead, and what would have been told of it before.

    Attributes:
        value: expected.
        steps: how far ahead.
        targets: (N,) steps of the history of which it would have told, ascending.
        told: (N,) what it would have told of them.
    """

    value: float
    steps: int
    targets: I64
    told: F64


class Past:
    """A history that says what comes next.

    Args:
        x: (N,) two days at least, of mean 0 and spread 1.
    """

    def __init__(self, x: F64) -> None:
        self._x = x
        self._sums = np.concatenate([[0.0], np.cumsum(x)])

    def ahead(self, steps: int) -> Ahead:
        """The value so many steps after the last."""
        x, newest = self._x, len(self._x) - 1
        back = -(-steps // DAY)  # days from the target to the newest of its hour that is known
        days = min(7, (len(x) + steps - 1) // DAY - back, len(x) // DAY - 1)
        weekly = len(x) > WEEK + DAY
        first = max(DAY * days, DAY * (back + days - 1) - steps, (WEEK if weekly else 0))
        origins = np.arange(min(first, newest), newest + 1)
        targets = origins + steps
        base, profile = self._base(origins, steps, back, days)
        taught = targets <= newest
        if weekly and int(taught.sum()) >= LEAST_ROWS:
            clues = self._clues(origins, targets, profile, back)
            base = base + TRUST * _corrections(clues, x[targets[taught]] - base[taught])
        return Ahead(float(base[-1]), steps, targets[taught], base[taught])

    def held(self, ahead: Ahead, share: float) -> Ahead:
        """A forecast drawn back to what the signal was when it was made.

        Args:
            ahead: of this history.
            share: of the way; 1: it stays as it is.
        """
        now = self._x[ahead.targets - ahead.steps]
        return Ahead(
            ahead.value + share * (float(self._x[-1]) - ahead.value),
            ahead.steps,
            ahead.targets,
            ahead.told + share * (now - ahead.told),
        )

    def _base(self, origins: I64, steps: int, back: int, days: int) -> tuple[F64, F64]:
        """Profile at the targets with the latest error on top, and the profile alone."""
        x = self._x
        weights = DECAY ** np.arange(days)
        weights /= weights.sum()
        ages = DAY * np.arange(days)
        profile: F64 = x[(origins + steps - DAY * back)[:, None] - ages] @ weights
        usual = x[(origins - DAY)[:, None] - ages] @ weights
        base: F64 = profile + FADE**steps * (x[origins] - usual)
        return base, profile

    def _clues(self, origins: I64, targets: I64, profile: F64, back: int) -> F64:
        """(O, K) what may tell how the base will err; nothing in it is newer than the origin."""
        x, sums = self._x, self._sums
        day = (sums[origins + 1] - sums[origins + 1 - DAY]) / DAY
        week = (sums[origins + 1] - sums[origins + 1 - WEEK]) / WEEK
        return np.stack(
            [
                x[origins] - profile,
                x[origins] - x[origins - 1],
                x[origins - 1] - x[origins - 2],
                x[origins] - x[origins - DAY],
                x[origins - DAY] - x[origins - DAY - 1],
                x[targets - DAY * back] - profile,
                x[targets - DAY * (back + 1)] - profile,
                x[targets - WEEK] - profile,
                profile,
                day - profile,
                day - week,
            ],
            axis=1,
        )


def _corrections(clues: F64, missed: F64) -> F64:
    """(O,) what the clues say that the base will miss.

    Args:
        clues: (O, K) of each origin.
        missed: (N,) by how much the base missed at the first N of them, whose targets are known.
    """
    known, half = len(missed), len(missed) // 2
    early, late = slice(0, half), slice(half, known)
    found = clues @ _ridge(clues[:known], missed)
    found[early] = clues[early] @ _ridge(clues[late], missed[late])
    found[late] = clues[late] @ _ridge(clues[early], missed[early])
    return found


def _ridge(clues: F64, missed: F64) -> F64:
    """(K,) weights of the clues that tell best what was missed, kept small."""
    gram = clues.T @ clues + RIDGE * np.eye(clues.shape[1])
    return np.asarray(np.linalg.solve(gram, clues.T @ missed), np.float64)
