"""The loss of accuracy where students are known to simplify: rare classes, and rows that the teacher finds hard."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill.checks import _rows
from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, PairedCounts, Rows

MARGIN = 0.1


@dataclass(frozen=True)
class TailLoss:
    """Loss of accuracy against the teacher on rows of rare classes and on the teacher's low-margin rows.

    A class is rare below the share ``rare`` of the judged rows; a margin is the teacher's highest score less its
    second, and low below the lowest tenth of the search split, or below 0.1 where there is none. Each must keep the
    limit by Tango's (1998) test, as groups in the loss of the worst group. Without scores only rare classes are seen.
    """

    rare: Annotated[float, Fixed, Field(gt=0, le=0.5, description="share of rows below which a class is rare")] = 0.05

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "each"
    segments: ClassVar[tuple[str, ...]] = ("rare classes", "low margin")

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Rows by (teacher right, student right) in each of the two parts that there are."""
        found = _rows.seen(rows, None, classes=True)
        if isinstance(found, NotApplicable):
            return found
        y = found.y.astype(np.int64)
        parts: dict[str, npt.NDArray[np.bool_]] = {}
        shares = np.bincount(y, minlength=len(found.evidence.classes)) / max(1, len(y))
        rare = (shares > 0) & (shares < self.rare)
        if rare.any():
            parts[self.segments[0]] = rare[y]
        if _rows.unscored(found) is None:
            teacher = next(found.both)
            top = np.partition(teacher.scores, -2, axis=1)[:, -2:].astype(float)
            low = top[:, 1] - top[:, 0] < float(reference.get("margin_cut", MARGIN))
            if low.any():
                parts[self.segments[1]] = low
        if not parts:
            return NotApplicable(reason=f"no class is under {self.rare:.0%} of the rows, and no margin is low or known")
        right = [model.decisions == y for model in found.both]
        cell = right[0] * 2 + right[1]
        cells = np.stack([np.bincount(cell[at], minlength=4).reshape(2, 2).astype(float) for at in parts.values()])
        return PairedCounts(
            names=tuple(parts), cells=cells, sizes=cells.sum(axis=(-2, -1)), harm=-1, compare="each", unknown=None
        )
