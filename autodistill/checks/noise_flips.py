"""Whether the student's decisions break more easily than its teacher's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, PairedCounts, Rows, marked

SCALE = 0.1


@dataclass(frozen=True)
class NoiseFlips:
    """Share of rows whose decision flips under small noise on the numeric features, student against teacher.

    The noise is normal, ``scale`` standard deviations of the train rows, one draw, the same for both models.
    """

    scale: Annotated[float, Fixed, Field(gt=0, le=1, description="noise in standard deviations of train rows")] = SCALE

    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "whole"
    quantity: ClassVar[str] = "increase_in_flips"

    @property
    def view(self) -> str:
        """The view of noisy rows."""
        return "noise" if self.scale == SCALE else f"noise:{self.scale:g}"

    @property
    def views(self) -> tuple[str, ...]:
        """The judged rows, and the same with noise."""
        return ("audit", self.view)

    @property
    def variant(self) -> str:
        """What tells two lines apart."""
        return "" if self.scale == SCALE else f"{self.scale:g}"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Rows by (the teacher's decision flips, the student's flips)."""
        seen = rows.evidence
        if seen is None or self.view not in seen.student:
            return NotApplicable(reason=f"needs predictions of the view {self.view}", rows=True)
        if self.view not in seen.teacher:
            why = reference.get("missing", {}).get("teacher", "there are no predictions of it")
            return NotApplicable(reason=f"the teacher under noise: {why}")
        flips = [views[seen.split].decisions != views[self.view].decisions for views in (seen.teacher, seen.student)]
        cells = np.bincount(2 * flips[0] + flips[1], minlength=4).astype(float).reshape(1, 2, 2)
        by_row = marked(rows, None)
        more = {} if by_row is None else by_row.cells(*flips)
        return PairedCounts(names=("",), cells=cells, sizes=cells.sum(axis=(-2, -1)), harm=1, compare="whole", **more)
