"""Whether a score means what it says, in every group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill.checks import _rows
from autodistill.plugins import Fixed
from autodistill.records import IntArray, LimitKind
from autodistill.stats import Estimand, NotApplicable, Rows, RowSums
from autodistill.stats.shares import Floats


@dataclass(frozen=True)
class Calibration:
    """Calibration of the score of the rated class in each group: in the large, or its debiased squared error.

    *In the large* is the mean score less the share of rows with that label. The *squared error* is the mean square of
    score less share over score bins (fixed on the search split, else ten of equal width), freed of the noise that
    inflates it in small groups (after Kumar et al. 2019; here by the variance of score less label in the bin, so that
    scores that vary inside of a bin keep it unbiased); it may come out below zero. Both should be 0: ``at_most``
    limits the student's, ``grows_by_at_most`` its growth. The expected calibration error over ``bins`` equal-width
    bins stands beside it for display: it is inflated in small groups and decides nothing.
    """

    metric: Annotated[Literal["in_the_large", "squared_error"], Fixed, Field(description="what should be 0")] = (
        "in_the_large"
    )
    attribute: Annotated[
        str | None, Fixed, Field(description="group column; all rows and every column if left out")
    ] = None
    bins: Annotated[int, Fixed, Field(ge=2, le=100, description="equal-width score bins")] = 10

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most", "grows_by_at_most")
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "zero"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Score less label of every row, or its part in the squared error, for both models."""
        found = _rows.seen(rows, self.attribute, classes=True)
        if isinstance(found, NotApplicable):
            return found
        evidence = found.evidence
        rated, missing = evidence.rated, _rows.unscored(found)
        if rated is None:
            return NotApplicable(reason="the score speaks of one class, and none is named (positive)")
        if missing is not None:
            return missing
        if self.metric == "squared_error" and evidence.cluster is not None:
            return NotApplicable(reason="the noise taken off is that of independent rows, and these share clusters")
        label = (found.y == rated).astype(float)
        scores = [model.scores[:, rated].astype(float) for model in found.both]
        edges = np.linspace(0, 1, self.bins + 1)[1:-1]
        ece = [_expected_error(found, score - label, np.searchsorted(edges, score, side="right")) for score in scores]
        more = tuple({"ece_teacher": float(t), "ece_student": float(s)} for t, s in zip(*ece, strict=True))[:-1]
        values, curve = [score - label for score in scores], None
        if self.metric == "squared_error":
            cuts = np.asarray(reference.get("score_bins", edges), dtype=float)
            cells = [np.searchsorted(cuts, score, side="right") for score in scores]
            parts = [_debiased(found, value, at) for value, at in zip(values, cells, strict=True)]
            values, curve = [part[0] for part in parts], (parts[0][1], parts[1][1])
        return RowSums(
            names=found.names,
            codes=found.codes,
            teacher=_rows.terms(values[0]),
            student=_rows.terms(values[1]),
            value=RowSums.mean,
            harm=1,
            compare="zero",
            quantity="calibration_in_the_large" if self.metric == "in_the_large" else "calibration_squared_error",
            differs=scores[0] != scores[1],
            worst=1.0,
            curve=curve,
            more=more,
        )


def _bins(found: _rows.Seen, values: Floats, cells: npt.NDArray[np.intp]) -> tuple[IntArray, int, Floats, Floats]:
    """Cell of each row [n] and their number a group; rows and mean of ``values`` in each cell [K + 1, B]."""
    size = int(cells.max(initial=0)) + 1
    at = np.asarray(found.codes * size + cells, dtype=np.int64)
    rows = np.bincount(at, minlength=found.size * size).reshape(found.size, size).astype(float)
    sums = np.bincount(at, weights=values, minlength=found.size * size).reshape(found.size, size)
    return at, size, rows, sums / np.maximum(rows, 1)


def _expected_error(found: _rows.Seen, excess: Floats, cells: npt.NDArray[np.intp]) -> Floats:
    """Σ over bins of |mean score − share| × share of rows, by group [K + 1] (Naeini et al. 2015); 0 rows give 0."""
    _, _, rows, mean = _bins(found, excess, cells)
    return np.asarray((np.abs(mean) * rows).sum(axis=1) / np.maximum(rows.sum(axis=1), 1))


def _debiased(found: _rows.Seen, excess: Floats, cells: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Pseudo-values [n] of Σ_b n_b/n·(r̄_b² − s_b²/n_b), r score less label in bin b, and [K + 1] how much its
    limit bends (``RowSums.curve``: without it 7 % of limits passed falsely at 5 %).

    r̄² − s²/n is the mean product of two different rows, so it is unbiased for the squared mean; a bin with one row of
    a group has no such pair and adds nothing. The influence of a row on a squared mean, 2·r̄·r − r̄², is the plug-in's:
    where every true mean is 0 its error is √2 times too large, since r̄² then is all noise, and never too small.
    """
    at, size, rows, mean = _bins(found, excess, cells)
    square = np.bincount(at, weights=excess**2, minlength=found.size * size).reshape(found.size, size)
    noise = np.where(rows > 1, (square - rows * mean**2) / np.maximum(rows * (rows - 1), 1), mean**2)
    total = np.maximum(rows.sum(axis=1, keepdims=True), 1)
    # Centred on the debiased value: the plug-in's own mean is the noise too high.
    shift = -(rows / total * noise).sum(axis=1)
    m = mean.reshape(-1)[at]
    weighed = rows / total * mean**2
    bend = (weighed * noise * rows / total).sum(axis=1) / np.maximum(weighed.sum(axis=1), 1e-300)
    return np.asarray(2 * m * excess - m**2 + shift[found.codes]), np.asarray(bend)
