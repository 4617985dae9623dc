"""The loss of accuracy in the group that loses most."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, PairedCounts, Rows, marked


@dataclass(frozen=True)
class WorstGroupLoss:
    """Loss of accuracy against the teacher in each group; every group must keep the limit.

    The largest of several losses is biased upwards, so each group is tested by itself (intersection–union).
    """

    attribute: Annotated[str | None, Fixed, Field(description="group column; every one if left out")] = None

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "each"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Rows by (teacher right, student right) in each known group."""
        del reference
        tables = rows.tables
        if self.attribute is None or self.attribute not in tables.groups:
            return NotApplicable(reason=f"the table has no group column {self.attribute!r}")
        cells, sizes = tables.by(self.attribute).sum(axis=(-5, -4, -3)), tables.sizes(self.attribute)
        by_row = marked(rows, self.attribute)
        more = {} if by_row is None else by_row.cells(*by_row.right())
        return PairedCounts(
            names=tables.groups[self.attribute],
            cells=cells[..., :-1, :, :],
            sizes=sizes[..., :-1],
            harm=-1,
            compare="each",
            unknown=cells[..., -1, :, :],
            unknown_rows=float(sizes[..., -1].flat[0]),
            **more,
        )
