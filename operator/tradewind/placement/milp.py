"""A linear model with whole numbers, built column by column, solved by HiGHS.

Not in parallel, and bounded by branches, not by time: equal questions get equal answers.
"""

from collections.abc import Sequence
from typing import Final

import highspy
import numpy as np

# The class that wraps this one prints a banner to standard output, where answers go.
from highspy._core import _Highs

from tradewind.placement.table import F64

INFINITE: Final = float("inf")


class Model:
    """Least cost, in columns of numbers from 0 up, and rows of sums between bounds.

    Attributes:
        cost: USD of one of each column.
        upper: the most of each.
        whole: whether it is a whole number.
        rows: the bounds of each row.
    """

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.upper: list[float] = []
        self.whole: list[bool] = []
        self.rows: list[tuple[float, float]] = []
        self._cells: list[tuple[int, int, float]] = []

    def column(self, cost: float, upper: float, *, whole: bool = False) -> int:
        """Add an unknown; its place."""
        self.cost.append(cost)
        self.upper.append(upper)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, low: float, high: float, cells: Sequence[tuple[int, float]]) -> None:
        """Add a sum of columns times factors, and its bounds."""
        self._cells += [(len(self.rows), column, value) for column, value in cells]
        self.rows.append((low, high))

    def solve(self, *, gap: float, branches: int) -> F64 | None:
        """Values of the columns; None where none were found.

        Args:
            gap: share of the cost by which they may miss the optimum.
            branches: how many may be looked at.

        Raises:
            RuntimeError: HiGHS failed, which has nothing to do with there being no solution.
        """
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = len(self.cost), len(self.rows)
        model.col_cost_ = np.array(self.cost)
        model.col_lower_ = np.zeros(len(self.cost))
        model.col_upper_ = np.array(self.upper)
        model.row_lower_ = np.array([low for low, _ in self.rows])
        model.row_upper_ = np.array([high for _, high in self.rows])
        counts = np.bincount([row for row, _, _ in self._cells], minlength=len(self.rows))
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = np.concatenate(([0], np.cumsum(counts)))
        model.a_matrix_.index_ = np.array([column for _, column, _ in self._cells])
        model.a_matrix_.value_ = np.array([value for _, _, value in self._cells], np.float64)
        kinds = highspy.HighsVarType
        model.integrality_ = [kinds.kInteger if w else kinds.kContinuous for w in self.whole]
        solver = _Highs()
        options: dict[str, bool | float | str] = {
            "output_flag": False,
            # Not `threads`: it fails where somebody else in the process has asked for others.
            "parallel": "off",
            "mip_rel_gap": gap,
            "mip_abs_gap": 1e-6,
            "mip_max_nodes": branches,
        }
        for option, value in options.items():
            solver.setOptionValue(option, value)
        if highspy.HighsStatus.kError in (solver.passModel(model), solver.run()):
            raise RuntimeError("HiGHS could not read the model, or failed in it")
        solution = solver.getSolution()
        if not solution.value_valid:
            return None
        return np.array(solution.col_value, np.float64)
