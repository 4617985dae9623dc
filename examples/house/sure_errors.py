"""A check: how many more rows the student gets wrong with great confidence than its teacher."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.stats import NotApplicable, PairedCounts


@dataclass(frozen=True)
class SureErrors:
    """Share of rows decided wrongly with a probability of at least ``sure``, student less teacher, by Tango's test."""

    sure: Annotated[float, Fixed, Field(gt=0.5, lt=1, description="probability from which a decision is sure")] = 0.9

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[str, ...]] = ("at_most",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "whole"

    def statistic(self, rows, reference):
        seen = rows.evidence
        if seen is None:
            return NotApplicable(reason="needs rows", rows=True)
        teacher, student = (
            (one.decisions != seen.y) & (one.scores.max(axis=1) >= self.sure)
            for one in (seen.teacher[seen.split], seen.student[seen.split])
        )
        cells = np.bincount(2 * teacher + student, minlength=4).reshape(1, 2, 2).astype(float)
        return PairedCounts(names=("",), cells=cells, sizes=cells.sum(axis=(1, 2)), harm=1, compare="whole")
