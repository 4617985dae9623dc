"""Each group's selection rate as a share of another's: of the highest one, or of a reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, PairedCounts, Rows, marked


@dataclass(frozen=True)
class ImpactRatio:
    """Impact ratio of New York's Local Law 144: the selection rate of a group over the highest of all groups.

    With Katz's interval as displayed and the four-fifths screen. The highest rate is picked on the same rows, so it
    carries no verdict: a limit needs a ``reference``, a group to divide by, and is decided by Koopman's (1984) score
    limits.
    """

    attribute: Annotated[str | None, Fixed, Field(description="group column; every one if left out")] = None
    reference: Annotated[str | None, Fixed, Field(description="group to divide by; the highest if left out")] = None

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_least",)
    limits_need: ClassVar[Mapping[LimitKind, str]] = {"at_least": "reference"}
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
        by_row, more = marked(rows, self.attribute), {}
        if by_row is not None:
            _, teacher, student = by_row.says(by_row.evidence.rated)
            more = by_row.cells(teacher ^ (tables.turn < 0), student ^ (tables.turn < 0))
        return PairedCounts(
            names=tables.groups[self.attribute],
            cells=cells[..., :-1, :, :],
            sizes=sizes[..., :-1],
            harm=-1,
            compare="ratio",
            reference=self.reference,
            unknown=cells[..., -1, :, :],
            unknown_rows=float(sizes[..., -1].flat[0]),
            **more,
        )
