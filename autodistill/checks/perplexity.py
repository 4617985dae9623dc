"""How much more perplexed the student is than its teacher by what follows: language models, and other classifiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill.checks import _rows
from autodistill.plugins import Fixed
from autodistill.records import LimitKind, Predictions
from autodistill.stats import Estimand, NotApplicable, Rows, RowSums
from autodistill.stats.shares import Floats


@dataclass(frozen=True)
class Perplexity:
    """The student's perplexity over the teacher's, exp(mean(NLL of S) − mean(NLL of T)) on the same rows.

    Over all rows, or with an attribute (a domain) in each group, every one of which must keep the limit. NLL is −log of
    the probability of the label, in nats. It has no upper end, so that one row could cost anything: both models are
    read mixed with the uniform distribution over the C classes, p' = (1 − floor)·p + floor/C. That is a distribution
    too, p' is no less than floor/C, and a row says no more than log(1 + C·(1 − floor)/floor) nats for one model and
    against the other: 8.1 of 33 classes by default. As such a row, or with an entity such a document, may be one that
    nobody has seen, n of them certify no ratio below exp(8.1·(1 − α^(1/n))): 1.08 for 300 at α = 0.05.
    """

    attribute: Annotated[str | None, Fixed, Field(description="group column; all rows together if left out")] = None
    floor: Annotated[float, Fixed, Field(ge=1e-6, le=0.2, description="share of the uniform distribution mixed in")] = (
        0.01
    )

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most_ratio",)
    unit: ClassVar[str] = "perplexity"

    @property
    def compare(self) -> str:
        """Each group, or the whole."""
        return "whole" if self.attribute is None else "each"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """The NLL of every row, for both models."""
        del reference
        found = _rows.seen(rows, self.attribute, classes=True)
        if isinstance(found, NotApplicable):
            return found
        missing = _rows.unscored(found)
        if missing is not None:
            return missing
        teacher, student = (self._nll(model, found.y) for model in found.both)
        classes = len(found.evidence.classes)
        most = float(np.log1p(classes * (1 - self.floor) / self.floor))
        with np.errstate(invalid="ignore"):
            own = np.exp(found.count(student) / found.count())
        return RowSums(
            names=found.names,
            codes=found.codes,
            teacher=_rows.terms(teacher),
            student=_rows.terms(student),
            value=_perplexity,
            harm=1,
            compare="whole" if self.attribute is None else "each",
            quantity="perplexity",
            worst=np.where(np.isfinite(own), most * own, np.inf),
            ratio=True,
        )

    def _nll(self, model: Predictions, y: npt.NDArray[np.generic]) -> Floats:
        """−log p'(label), [n]."""
        p = np.take_along_axis(model.scores, np.asarray(y, np.int64)[:, None], axis=1)[:, 0].astype(float)
        return np.asarray(-np.log((1 - self.floor) * np.clip(p, 0.0, 1.0) + self.floor / model.scores.shape[1]))


def _perplexity(sums: Floats) -> Floats:
    """exp of the mean of the first term over the second, which counts rows."""
    return np.asarray(np.exp(RowSums.mean(sums)))
