"""How much worse a group fares than the others, under the student and under the teacher."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Counts, Estimand, NotApplicable, PairedCounts, Rows
from autodistill.stats.shares import Floats

HARM: Mapping[str, int] = {
    "selection_rate": -1,
    "true_positive_rate": -1,
    "false_positive_rate": -1,
    "false_negative_rate": 1,
    "positive_predictive_value": -1,
    "accuracy": -1,
    "error": 1,
}
"""1 where a higher value harms the group, for rates of the favourable class."""

_LABELS: Mapping[str, int] = {"true_positive_rate": 1, "false_negative_rate": 1, "false_positive_rate": 0}


@dataclass(frozen=True)
class GroupGap:
    """The gap of a rate between each group and its reference, and what of it grew from teacher to student.

    The reference is all other known groups, or the one named. Of two groups there is one contrast. The gap is
    positive where the group is worse off. ``at_most`` limits the student's gap, ``grows_by_at_most`` its growth.
    """

    metric: Annotated[
        Literal[
            "selection_rate",
            "true_positive_rate",
            "false_positive_rate",
            "false_negative_rate",
            "positive_predictive_value",
            "accuracy",
            "error",
        ],
        Fixed,
        Field(description="the rate that is compared"),
    ]
    attribute: Annotated[str | None, Fixed, Field(description="group column; every one if left out")] = None
    reference: Annotated[str | None, Fixed, Field(description="group to compare with; all others if left out")] = None

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most", "grows_by_at_most")
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "contrast"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """The metric's rows by (teacher has it, student has it) in each known group."""
        del reference
        tables = rows.tables
        if self.attribute is None or self.attribute not in tables.groups:
            return NotApplicable(reason=f"the table has no group column {self.attribute!r}")
        correct = self.metric in {"accuracy", "error"}
        if not tables.rated and not correct:
            return NotApplicable(reason="the rate speaks of one class, and none is named (positive)")
        table = tables.by(self.attribute)
        names, sizes = tables.groups[self.attribute], tables.sizes(self.attribute)
        harm = HARM[self.metric] * (1 if correct else tables.turn)
        if self.metric == "positive_predictive_value":
            decided = np.asarray(table.sum(axis=(-2, -1)))
            return Counts(
                names=names,
                tables=decided[..., :-1, :, :, :],
                sizes=sizes[..., :-1],
                harm=harm,
                reference=self.reference,
                unknown=decided[..., -1, :, :, :],
                unknown_rows=float(sizes[..., -1].flat[0]),
            )
        cells = self._cells(table)
        return PairedCounts(
            names=names,
            cells=cells[..., :-1, :, :],
            sizes=sizes[..., :-1],
            harm=harm,
            compare="contrast",
            reference=self.reference,
            unknown=cells[..., -1, :, :],
            unknown_rows=float(sizes[..., -1].flat[0]),
        )

    def _cells(self, table: Floats) -> Floats:
        """[..., G + 1, 2, 2] (teacher has it, student has it) from [..., label, teacher, student, right, right]."""
        if self.metric in {"accuracy", "error"}:
            cells = np.asarray(table.sum(axis=(-5, -4, -3)))
        else:
            decided = table.sum(axis=(-2, -1))
            label = _LABELS.get(self.metric)
            cells = np.asarray(decided.sum(axis=-3) if label is None else decided[..., label, :, :])
        # The miss rate and the error are about rows that are not found, not right: both axes are turned.
        return cells[..., ::-1, ::-1] if self.metric in {"false_negative_rate", "error"} else cells
