"""What does a shape take and cost on some rows: the figures, once `cost.py` has worked them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tradewind.placement.plan import TERM_INDEX, CostTerms, Term
from tradewind.placement.table import F64, I64, Mask

#: No term is above this, so that nine of them keep their sixth decimal in a float.
MOST_USD = 1e8

#: Starts of work that does not wait.
START_NOW: F64 = np.zeros(1)

_ENERGY = (TERM_INDEX[Term.ELECTRICITY], TERM_INDEX[Term.CARBON])


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the whole gang takes on a row, however many there are of it.

    Args:
        units: (R',) accelerators.
        cores: cores.
        memory_gib: GiB.
        servers: (R',) how many such gangs the row would hold, at least 1.
    """

    units: F64
    cores: float
    memory_gib: float
    servers: F64

    def only(self, places: I64) -> "Footprint":
        """The same on some of the rows, by their places on R'."""
        return Footprint(self.units[places], self.cores, self.memory_gib, self.servers[places])


class Told(NamedTuple):
    """What a choice costs and takes.

    Args:
        terms: USD.
        run_s: seconds.
        energy_kwh: of the run.
        carbon_kg: of the run.
    """

    terms: CostTerms
    run_s: float
    energy_kwh: float
    carbon_kg: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of a shape on some rows.

    Args:
        terms: (K, R') USD, rounded; the axis K is the order of `Term`.
        total: (R',) USD, the sum of the rounded terms.
        run_s: (R',) seconds.
        transfer_s: (R',) seconds until the input is there.
        energy_kwh: (R',).
        carbon_kg: (R',).
        assumed: names of inputs, with (R',) where they were assumed.
    """

    terms: F64
    total: F64
    run_s: F64
    transfer_s: F64
    energy_kwh: F64
    carbon_kg: F64
    assumed: tuple[tuple[str, Mask], ...]

    @property
    def apart_from_energy(self) -> F64:
        """(R',) USD that do not depend on when it runs; of a start that has not waited."""
        energy = self.terms[_ENERGY[0]] + self.terms[_ENERGY[1]]
        apart: F64 = self.total - energy
        return apart

    def only(self, places: I64) -> "Costs":
        """The costs of some of the rows, by their places on R'."""
        return Costs(
            self.terms[:, places],
            self.total[places],
            self.run_s[places],
            self.transfer_s[places],
            self.energy_kwh[places],
            self.carbon_kg[places],
            tuple((name, where[places]) for name, where in self.assumed),
        )

    def at(self, place: int) -> CostTerms:
        """The terms of one row, by its place on R'."""
        return self.told([place])[0].terms

    def told(self, places: Sequence[int]) -> list[Told]:
        """What is to be told of some rows, by their places on R'."""
        terms = self.terms[:, places].T.tolist()
        assumed = [(name, where[places].tolist()) for name, where in self.assumed]
        numbers = zip(
            self.run_s[places].tolist(),
            self.energy_kwh[places].tolist(),
            self.carbon_kg[places].tolist(),
            strict=True,
        )
        return [
            Told(
                CostTerms(tuple(usd), tuple(sorted([n for n, where in assumed if where[i]]))), *more
            )
            for i, (usd, more) in enumerate(zip(terms, numbers, strict=True))
        ]


def joined(parts: Sequence[Costs]) -> Costs:
    """Costs of some rows and of others, as one; all of one shape."""
    first = parts[0]
    return Costs(
        terms=np.concatenate([part.terms for part in parts], axis=1),
        total=np.concatenate([part.total for part in parts]),
        run_s=np.concatenate([part.run_s for part in parts]),
        transfer_s=np.concatenate([part.transfer_s for part in parts]),
        energy_kwh=np.concatenate([part.energy_kwh for part in parts]),
        carbon_kg=np.concatenate([part.carbon_kg for part in parts]),
        assumed=tuple(
            (name, np.concatenate([part.assumed[i][1] for part in parts]))
            for i, (name, _) in enumerate(first.assumed)
        ),
    )
