"""How many more rows the student gets wrong than the teacher."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from autodistill.records import LimitKind
from autodistill.stats import Estimand, PairedCounts, Rows, marked


@dataclass(frozen=True)
class AccuracyLoss:
    """Loss of accuracy against the teacher on the same rows: share right of the teacher less that of the student.

    Decided by Tango's (1998) score test for a margin.
    """

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "whole"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Rows by (teacher right, student right)."""
        del reference
        right = rows.tables.by(None).sum(axis=(-5, -4, -3))
        sizes = np.asarray(right.sum(axis=(-2, -1)))
        by_row = marked(rows, None)
        more = {} if by_row is None else by_row.cells(*by_row.right())
        return PairedCounts(names=("",), cells=right, sizes=sizes, harm=-1, compare="whole", **more)
