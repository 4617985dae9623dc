"""Whether the student still predicts every class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import ClassCounts, Estimand, NotApplicable, Rows


@dataclass(frozen=True)
class ClassCollapse:
    """A student that never predicts a class has no gap there, and is no student. Always on.

    A class has collapsed where the student predicts it less than ``keep`` times as often as the teacher does, among
    the classes that the teacher predicts on at least the policy's n_min rows; and everything has where the student
    predicts one class only. A rule on counts, not a test: a student at half of the teacher's rate breaks it with
    probability under 10⁻⁴.
    """

    keep: Annotated[float, Fixed, Field(gt=0, lt=1, description="least share of the teacher's count of a class")] = 0.1

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ()
    unit: ClassVar[str] = "classes"
    compare: ClassVar[str] = "classes"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """How often each class is the label and each model's decision."""
        del reference
        seen = rows.evidence
        if seen is None:
            return NotApplicable(reason="needs rows", rows=True)
        size = len(seen.classes)
        decided = (seen.y, seen.teacher[seen.split].decisions, seen.student[seen.split].decisions)
        labels, teacher, student = (np.bincount(codes, minlength=size).astype(float) for codes in decided)
        return ClassCounts(names=seen.classes, labels=labels, teacher=teacher, student=student, keep=self.keep)
