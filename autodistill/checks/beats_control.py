"""Whether the student is worth having: it errs less than a trivial model, by a margin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, PairedCounts, Rows, marked

NAMES = {"label_only": "control"}


@dataclass(frozen=True)
class BeatsControl:
    """Gain in accuracy over a control on the same rows: the error of the control less that of the student.

    ``majority`` always says the most frequent class, ``linear`` is a logistic regression on the same inputs,
    ``label_only`` the student's twin without distillation. Decided by Tango's (1998) score test for superiority by a
    margin.
    """

    control: Annotated[
        Literal["majority", "linear", "label_only"], Fixed, Field(description="the model that is to be beaten")
    ] = "majority"

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_least",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "whole"

    @property
    def variant(self) -> str:
        """What tells two lines apart."""
        return self.control

    @property
    def others(self) -> tuple[str, ...]:
        """The further model whose predictions it reads."""
        return (NAMES.get(self.control, self.control),)

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Rows by (control right, student right)."""
        seen, name = rows.evidence, self.others[0]
        if seen is None:
            return NotApplicable(reason="needs rows", rows=True)
        if name not in seen.others:
            missing = reference.get("missing", {}).get(name, "there are no predictions of it")
            return NotApplicable(reason=f"the control {self.control}: {missing}")
        right = [one.decisions == seen.y for one in (seen.others[name], seen.student[seen.split])]
        cells = np.bincount(2 * right[0] + right[1], minlength=4).astype(float).reshape(1, 2, 2)
        by_row = marked(rows, None)
        more = {} if by_row is None else by_row.cells(*right)
        return PairedCounts(names=("",), cells=cells, sizes=cells.sum(axis=(-2, -1)), harm=-1, compare="whole", **more)
