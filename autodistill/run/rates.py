"""How often a model errs on some rows, or by how much, with limits. Needs neither a trainer nor a runtime."""

from typing import Any

import numpy as np

from autodistill import stats
from autodistill.records import Predictions

TARGET = "target"
"""The unit of an error that is no share of rows."""


def share(wrong: Any, level: float) -> dict[str, Any]:
    """An error rate with Wilson limits, each one-sided at ``level``; of squared errors their root, in the target's
    units."""
    if wrong.dtype != bool:
        return {**dict(zip(("value", "low", "high"), stats.root_limits(wrong, level), strict=True)), "unit": TARGET}
    low, high = stats.wilson(wrong.sum(), len(wrong), level)
    return {"value": float(wrong.mean()), "low": float(low), "high": float(high)}


def difference(first: Any, second: Any, level: float) -> dict[str, Any]:
    """How much oftener ``first`` is wrong than ``second`` on the same rows, with Tango limits at ``level`` a side; of
    squared errors by how much the root of their mean is larger."""
    if first.dtype != bool:
        found = stats.root_difference(first, second, level)
        return {**dict(zip(("estimate", "low", "high"), found, strict=True)), "unit": TARGET}
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    low, high = stats.paired_limits(b, c, len(first), level)
    return {"estimate": (b - c) / len(first), "low": float(low), "high": float(high)}


def costs(predictions: Predictions, y: Any, classes: tuple[str, ...]) -> Any:
    """Which rows are decided wrongly, bool [n]; of a regression the squared error, float64 [n]."""
    return predictions.decisions != y if classes else (predictions.decisions.astype(np.float64) - y) ** 2


def told(mine: Any, teacher: Any, level: float) -> dict[str, Any]:
    """The error of the audited rows that a student decides wrongly, and how much oftener than its teacher."""
    return {"error_audit": share(mine, level), "loss": difference(mine, teacher, level)}
