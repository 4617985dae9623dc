"""Whether a score means what it says, for display."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, Rows, RowSums


@dataclass(frozen=True)
class Calibration:
    """Calibration in the large of the rated class: mean score less the share of rows with that label, by group.

    The expected calibration error over ``bins`` equal-width bins stands beside it for display: it is inflated in
    small groups and decides nothing.
    """

    attribute: Annotated[str | None, Fixed, Field(description="group column; every one if left out")] = None
    bins: Annotated[int, Fixed, Field(ge=2, le=100, description="equal-width score bins of the displayed error")] = 10

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ()
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "shares"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Score less label of every row, for both models."""
        del reference
        seen = rows.evidence
        if seen is None or seen.rated is None:
            return NotApplicable(reason="the score speaks of one class, and none is named (positive)")
        if self.attribute is not None and self.attribute not in seen.groups:
            return NotApplicable(reason=f"the table has no group column {self.attribute!r}")
        scores = [views[seen.split].scores for views in (seen.teacher, seen.student)]
        if any(score.ndim != 2 or score.shape[1] != len(seen.classes) for score in scores):
            return NotApplicable(reason="needs a score for each class, and only decisions are given")
        names: tuple[str, ...] = ("",)
        codes = np.zeros(len(seen.y), dtype=np.int64)
        if self.attribute is not None:
            names, codes = seen.encoded[self.attribute]
        label = (seen.y == seen.rated).astype(float)
        teacher, student = (np.asarray(score[:, seen.rated], dtype=float) for score in scores)
        errors = [_expected_error(score, label, codes, len(names), self.bins) for score in (teacher, student)]
        return RowSums(
            names=names,
            codes=codes,
            teacher=np.stack([teacher - label, np.ones_like(label)], axis=-1),
            student=np.stack([student - label, np.ones_like(label)], axis=-1),
            value=RowSums.mean,
            harm=1,
            compare="zero",
            quantity="calibration_in_the_large",
            more=tuple({"ece_teacher": float(t), "ece_student": float(s)} for t, s in zip(*errors, strict=True)),
        )


def _expected_error(
    score: npt.NDArray[np.float64], label: npt.NDArray[np.float64], codes: npt.NDArray[np.int64], groups: int, bins: int
) -> npt.NDArray[np.float64]:
    """Σ over bins of |mean score − share| × share of rows, by group [G] (Naeini et al. 2015); 0 rows give 0."""
    cell = codes * bins + np.clip((score * bins).astype(np.int64), 0, bins - 1)
    size = (groups + 1) * bins
    excess = np.abs(np.bincount(cell, weights=score - label, minlength=size))[: groups * bins]
    rows = np.bincount(codes, minlength=groups + 1)[:groups]
    return np.asarray(excess.reshape(groups, bins).sum(axis=1) / np.maximum(rows, 1))
