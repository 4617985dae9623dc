"""How much worse a group fares than the others, under the student and under the teacher."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Counts, Estimand, Marked, NotApplicable, PairedCounts, Rows, Tables, marked
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

OF_NO_CLASS = frozenset({"accuracy", "error"})

_TURNED = frozenset({"false_negative_rate", "error"})
"""The miss rate and the error are about rows that are not found, not right."""

_LABELS: Mapping[str, int] = {"true_positive_rate": 1, "false_negative_rate": 1, "false_positive_rate": 0}


@dataclass(frozen=True)
class GroupGap:
    """The gap of a rate between each group and its reference, and what of it grew from teacher to student.

    The reference is all other known groups, or the one named. Of two groups there is one contrast. The gap is
    positive where the group is worse off. ``at_most`` limits the student's gap, ``grows_by_at_most`` its growth. With
    several classes a rate is of one of them against all others: ``of`` names it.
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
    of: Annotated[str | None, Fixed, Field(description="class that the rate is of; the rated one if left out")] = None

    def __post_init__(self) -> None:
        if self.of is not None and self.metric in OF_NO_CLASS:
            raise ValueError(f"{self.metric} is of no class: leave out of: {self.of}")

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most", "grows_by_at_most")
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "contrast"

    @property
    def variant(self) -> str:
        """What tells two lines apart."""
        return "" if self.of is None else f"of:{self.of}"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """The metric's rows by (teacher has it, student has it) in each known group."""
        del reference
        tables = self._tables(rows)
        if isinstance(tables, NotApplicable):
            return tables
        table = tables.by(self.attribute)
        names, sizes = tables.groups[str(self.attribute)], tables.sizes(self.attribute)
        ppv = self.metric == "positive_predictive_value"
        counts = np.asarray(table.sum(axis=(-2, -1))) if ppv else self._cells(table)
        by_row = marked(rows, self.attribute)
        common: dict[str, Any] = {
            "names": names,
            "sizes": sizes[..., :-1],
            "harm": HARM[self.metric] * (1 if self.metric in OF_NO_CLASS else tables.turn),
            "compare": "contrast",
            "reference": self.reference,
            "unknown_rows": float(sizes[..., -1].flat[0]),
            **({} if by_row is None else self._marks(by_row)),
        }
        if ppv:
            return Counts(tables=counts[..., :-1, :, :, :], unknown=counts[..., -1, :, :, :], **common)
        return PairedCounts(cells=counts[..., :-1, :, :], unknown=counts[..., -1, :, :], **common)

    def _tables(self, rows: Rows) -> Tables | NotApplicable:
        """The count tables of the class that the rate is of."""
        tables, seen = rows.tables, rows.evidence
        if self.attribute is None or self.attribute not in tables.groups:
            return NotApplicable(reason=f"the table has no group column {self.attribute!r}")
        if self.metric in OF_NO_CLASS:
            return tables
        if self.of is not None:
            if seen is None:
                return NotApplicable(reason="needs rows", rows=True)
            if self.of not in seen.classes:
                return NotApplicable(reason=f"no class is called {self.of!r}: there are {', '.join(seen.classes)}")
            return seen.tables_of(seen.classes.index(self.of))
        if not tables.rated:
            return NotApplicable(reason="the rate speaks of one class, and none is named (positive, or of:)")
        return tables

    def _cells(self, table: Floats) -> Floats:
        """[..., G + 1, 2, 2] (teacher has it, student has it) from [..., label, teacher, student, right, right]."""
        if self.metric in OF_NO_CLASS:
            cells = np.asarray(table.sum(axis=(-5, -4, -3)))
        else:
            decided = table.sum(axis=(-2, -1))
            label = _LABELS.get(self.metric)
            cells = np.asarray(decided.sum(axis=-3) if label is None else decided[..., label, :, :])
        return cells[..., ::-1, ::-1] if self.metric in _TURNED else cells

    def _marks(self, by_row: Marked) -> dict[str, Any]:
        """The same by row."""
        seen = by_row.evidence
        if self.metric in OF_NO_CLASS:
            teacher, student = by_row.right()
            inside = None
        else:
            label, teacher, student = by_row.says(seen.rated if self.of is None else seen.classes.index(self.of))
            if self.metric == "positive_predictive_value":
                return by_row.cells(label, teacher, student)
            wanted = _LABELS.get(self.metric)
            inside = None if wanted is None else label == bool(wanted)
        if self.metric in _TURNED:
            teacher, student = ~teacher, ~student
        return by_row.cells(teacher, student, inside=inside)
