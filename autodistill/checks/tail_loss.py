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
RARE, LOW = "rare classes", "low margin"


@dataclass(frozen=True)
class TailLoss:
    """Loss of accuracy against the teacher on rows of rare classes and on the teacher's low-margin rows.

    A class is rare below the share ``rare`` of the judged rows; a margin is the teacher's highest score less its
    second, and low below 0.1, or below the ``margin_cut`` that was fixed on other rows. Each must keep the limit by
    Tango's (1998) test, as groups in the loss of the worst group. Without scores only rare classes are seen. Rows that
    share clusters are judged where no row is in both parts.
    """

    rare: Annotated[float, Fixed, Field(gt=0, le=0.5, description="share of rows below which a class is rare")] = 0.05

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "each"
    segments: ClassVar[tuple[str, ...]] = (RARE, LOW)

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
            parts[RARE] = rare[y]
        if _rows.unscored(found) is None:
            teacher = next(found.both)
            top = np.partition(teacher.scores, -2, axis=1)[:, -2:].astype(float)
            low = top[:, 1] - top[:, 0] < float(reference.get("margin_cut", MARGIN))
            if low.any():
                parts[LOW] = low
        if not parts:
            return NotApplicable(reason=f"no class is under {self.rare:.0%} of the rows, and no margin is low or known")
        right = [model.decisions == y for model in found.both]
        cell = right[0] * 2 + right[1]
        cells = np.stack([np.bincount(cell[at], minlength=4).reshape(2, 2).astype(float) for at in parts.values()])
        marks: dict[str, Any] = {}
        if found.evidence.cluster is not None and (len(parts) == 1 or not (parts[RARE] & parts[LOW]).any()):
            group = np.full(len(y), len(parts), dtype=np.int64)
            for code, at in enumerate(parts.values()):
                group[at] = code
            marks = {"cell": cell.astype(np.int8), "group": group}
        sizes = cells.sum(axis=(-2, -1))
        return PairedCounts(names=tuple(parts), cells=cells, sizes=sizes, harm=-1, compare="each", **marks)
