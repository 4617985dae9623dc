"""Each group's selection rate as a share of the highest one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, PairedCounts, Rows


@dataclass(frozen=True)
class ImpactRatio:
    """Impact ratio of New York's Local Law 144: the selection rate of a group over the highest of all groups.

    With Katz's interval as displayed and the four-fifths screen. The highest rate is picked on the same rows, so it
    carries no verdict.
    """

    attribute: Annotated[str | None, Fixed, Field(description="group column; every one if left out")] = None

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ()
    unit: ClassVar[str] = "ratio"
    compare: ClassVar[str] = "ratio"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Rows by (teacher selects, student selects) in each known group; to be selected is the favourable decision."""
        del reference
        tables = rows.tables
        if self.attribute is None or self.attribute not in tables.groups:
            return NotApplicable(reason=f"the table has no group column {self.attribute!r}")
        if not tables.rated:
            return NotApplicable(reason="the rate speaks of one class, and none is named (positive)")
        cells, sizes = np.asarray(tables.by(self.attribute).sum(axis=(-5, -2, -1))), tables.sizes(self.attribute)
        if tables.turn < 0:
            cells = cells[..., ::-1, ::-1]
        return PairedCounts(
            names=tables.groups[self.attribute],
            cells=cells[..., :-1, :, :],
            sizes=sizes[..., :-1],
            harm=-1,
            compare="ratio",
            unknown=cells[..., -1, :, :],
            unknown_rows=float(sizes[..., -1].flat[0]),
        )
