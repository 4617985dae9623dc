"""Whether the student leans more on one column than its teacher did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, Rows, RowSums


@dataclass(frozen=True)
class RelianceShift:
    """How much more accuracy the student loses than its teacher where one column's cells change rows.

    The rise of permutation importance (Breiman 2001), for a protected attribute or a proxy of one. One seeded
    permutation, the same for both models.
    """

    column: Annotated[str, Fixed, Field(min_length=1, description="a feature that both models read")]

    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "whole"

    @property
    def views(self) -> tuple[str, ...]:
        """The judged rows, and the same with the column permuted."""
        return ("audit", f"permuted:{self.column}")

    @property
    def variant(self) -> str:
        """What tells two lines apart."""
        return self.column

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Right on the row itself less right on the row with another's cell, for both models: −1, 0 or 1 a row."""
        seen, view = rows.evidence, f"permuted:{self.column}"
        if seen is None or view not in seen.student:
            return NotApplicable(reason=f"needs predictions of the view {view}", rows=True)
        if view not in seen.teacher:
            why = reference.get("missing", {}).get("teacher", "there are no predictions of it")
            return NotApplicable(reason=f"the teacher with {self.column} permuted: {why}")
        one = np.ones(len(seen.y))
        teacher, student = (
            (views[seen.split].decisions == seen.y).astype(float) - (views[view].decisions == seen.y)
            for views in (seen.teacher, seen.student)
        )
        return RowSums(
            names=("",),
            codes=np.zeros(len(seen.y), dtype=np.int64),
            teacher=np.stack([teacher, one], axis=-1),
            student=np.stack([student, one], axis=-1),
            value=RowSums.mean,
            harm=1,
            quantity="permutation_importance",
            compare="whole",
            differs=teacher != student,
            worst=2.0,
        )
