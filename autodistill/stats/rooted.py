"""Root mean squared errors with limits, of one model and of two on the same rows, by the influence of each row."""

import numpy as np

from autodistill.stats.estimands import RowSums
from autodistill.stats.influence import by_group, measured
from autodistill.stats.shares import Floats

Part = tuple[float, float, float]
"""An estimate with its limits."""


def root(sums: Floats) -> Floats:
    """√(Σ squares / rows) of sums [..., 2]."""
    return np.asarray(np.sqrt(np.maximum(RowSums.mean(sums), 0.0)))


def root_limits(squares: Floats, level: float) -> Part:
    """The root of the mean of squared errors [n], with limits, each one-sided at ``level``."""
    return _part(squares, squares, "student", level)


def root_difference(first: Floats, second: Floats, level: float) -> Part:
    """RMSE of ``first`` less that of ``second`` (squared errors [n] of the same rows), limits at ``level`` a side."""
    return _part(second, first, "change", level)


def _part(before: Floats, after: Floats, of: str, level: float) -> Part:
    terms = [np.stack([np.asarray(one, float), np.ones(len(one))], axis=1) for one in (before, after)]
    codes = np.zeros(len(after), dtype=np.int64)
    sums = RowSums(
        names=("",), codes=codes, teacher=terms[0], student=terms[1], value=root, harm=1, quantity="rmse", worst=None
    )
    spread = getattr(by_group(measured(sums)), of).take(np.zeros(1, dtype=np.int64))
    low, high = spread.limits(level)
    return float(spread.estimate[0]), float(low[0]), float(high[0])
