"""How much worse a group's scores or errors are than the others', under the student and under the teacher."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from autodistill.checks import _rows
from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, Rows, RowSums, root
from autodistill.stats.shares import Floats

UNITS: Mapping[str, str] = {
    "brier": "brier",
    "log_loss": "nats",
    "rmse": "target",
    "mae": "target",
    "mean_error": "target",
    "mean_score": "score",
}


@dataclass(frozen=True)
class ScoreGap:
    """The gap of a row-level metric between each group and its reference, and what of it grew.

    Brier score and log-loss of a classification, RMSE, MAE and mean error of a regression, the mean score (of a
    regression: the mean prediction), and calibration in the large (mean score less the share of rows with that label).
    The reference is all other known groups, or the one named. Positive is harm: a higher error; for the mean score of
    the favourable class a lower one; for mean error, calibration in the large and mean prediction plainly higher.
    """

    metric: Annotated[
        Literal["brier", "log_loss", "rmse", "mae", "mean_error", "mean_score", "calibration_in_the_large"],
        Fixed,
        Field(description="what is compared"),
    ]
    attribute: Annotated[str | None, Fixed, Field(description="group column; every one if left out")] = None
    reference: Annotated[str | None, Fixed, Field(description="group to compare with; all others if left out")] = None
    clip: Annotated[float, Fixed, Field(ge=1e-15, le=0.1, description="the least probability in the log-loss")] = (
        _rows.CLIP
    )

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most", "grows_by_at_most")
    compare: ClassVar[str] = "contrast"

    @property
    def unit(self) -> str:
        """Of the metric; limits have it too."""
        return UNITS.get(self.metric, "share")

    @property
    def regression(self) -> bool:
        """Whether it speaks of numbers too."""
        return self.metric in {"rmse", "mae", "mean_error", "mean_score"}

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """The metric of every row, for both models."""
        del reference
        if self.attribute is None:
            return NotApplicable(reason="no group column is named")
        numbers = rows.evidence is not None and not rows.evidence.classes and self.regression
        classes = not numbers and self.metric not in {"rmse", "mae", "mean_error"}
        found = _rows.seen(rows, self.attribute, classes=classes)
        if isinstance(found, NotApplicable):
            return found
        read = self._numbers(found) if numbers else self._scores(found)
        if isinstance(read, NotApplicable):
            return read
        values, worst, harm = read
        return RowSums(
            names=found.names,
            codes=found.codes,
            teacher=_rows.terms(values[0]),
            student=_rows.terms(values[1]),
            value=root if self.metric == "rmse" else RowSums.mean,
            harm=harm,
            compare="contrast",
            reference=self.reference,
            quantity=self.metric,
            worst=worst,
        )

    def _numbers(self, found: _rows.Seen) -> "Read":
        errors = [model.decisions - found.y.astype(float) for model in found.both]
        change = {"rmse": np.square, "mae": np.abs}.get(self.metric)
        if change is not None:
            return [change(error) for error in errors], None, 1
        values = errors if self.metric == "mean_error" else [model.decisions.astype(float) for model in found.both]
        return values, None, 1

    def _scores(self, found: _rows.Seen) -> "Read | NotApplicable":
        missing = _rows.unscored(found)
        if missing is not None:
            return missing
        if self.metric == "log_loss":
            return [_rows.log_loss(model, found.y, self.clip) for model in found.both], -float(np.log(self.clip)), 1
        if self.metric == "brier":
            worst_ = 1.0 if len(found.evidence.classes) == 2 else 2.0
            return [_rows.brier(model, found.y) for model in found.both], worst_, 1
        rated = _rows.rated(found.evidence)
        if isinstance(rated, NotApplicable):
            return rated
        values = [model.scores[:, rated].astype(float) for model in found.both]
        if self.metric == "mean_score":
            return values, 1.0, -found.evidence.turn
        return [value - (found.y == rated) for value in values], 1.0, 1


Read = tuple[list[Floats], float | Floats | None, int]
