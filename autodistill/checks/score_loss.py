"""How much worse the student's scores or decisions are than the teacher's, by a metric that is not a share of rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from autodistill.checks import _decided, _rows
from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, Rows, RowSums, root
from autodistill.stats.shares import Floats

UNITS: Mapping[str, str] = {"log_loss": "nats", "brier": "brier", "rmse": "target", "mae": "target"}
HIGHER_IS_BETTER = frozenset({"auc", "balanced_accuracy", "f1"})


@dataclass(frozen=True)
class ScoreLoss:
    """Loss of the student against the teacher by log-loss, Brier score, AUC, balanced accuracy, F1, RMSE or MAE.

    Over all rows, or with an attribute in each group, every one of which must keep the limit. AUC by placement values
    (DeLong 1988) within the group; F1 of the rated class, or the mean over classes; log-loss, Brier score and balanced
    accuracy of any number of classes. ``at_most_ratio`` limits student over teacher where the metric is an error.
    Probabilities are cut off at ``clip``: a row costs no more than −log(clip) nats (15.9 by default). As such a row may
    be one that nobody has seen, no log-loss below 3·15.9/n certifies anything; with few rows, name a larger ``clip``.
    """

    metric: Annotated[
        Literal["log_loss", "brier", "auc", "balanced_accuracy", "f1", "rmse", "mae"],
        Fixed,
        Field(description="by what is lost"),
    ]
    attribute: Annotated[str | None, Fixed, Field(description="group column; all rows together if left out")] = None
    average: Annotated[
        Literal["rated", "macro"], Fixed, Field(description="F1 of the rated class, or the mean over classes")
    ] = "rated"
    clip: Annotated[float, Fixed, Field(ge=1e-15, le=0.1, description="the least probability in the log-loss")] = (
        _rows.CLIP
    )

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most", "at_most_ratio")

    @property
    def unit(self) -> str:
        """Of the metric; a limit on the loss has it too."""
        return UNITS.get(self.metric, "share")

    @property
    def compare(self) -> str:
        """Each group, or the whole."""
        return "whole" if self.attribute is None else "each"

    @property
    def variant(self) -> str:
        """What else stands in the id."""
        return "macro" if self.metric == "f1" and self.average == "macro" else ""

    @property
    def regression(self) -> bool:
        """Whether it speaks of numbers."""
        return self.metric in {"rmse", "mae"}

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """The metric's terms of every row, for both models."""
        del reference
        found = _rows.seen(rows, self.attribute, classes=not self.regression)
        if isinstance(found, NotApplicable):
            return found
        if self.metric in {"log_loss", "brier", "auc"}:
            missing = _rows.unscored(found)
            if missing is not None:
                return missing
        parts = {
            "auc": self._auc,
            "f1": self._macro if self.average == "macro" else self._f1,
            "balanced_accuracy": self._balanced,
        }.get(self.metric, self._mean)(found)
        if isinstance(parts, NotApplicable):
            return parts
        teacher, student, more = parts
        return RowSums(
            names=found.names,
            codes=found.codes,
            teacher=teacher,
            student=student,
            value=root if self.metric == "rmse" else RowSums.mean,
            harm=-1 if self.metric in HIGHER_IS_BETTER else 1,
            compare="whole" if self.attribute is None else "each",
            quantity=self.metric,
            ratio=self.metric not in HIGHER_IS_BETTER,
            **more,
        )

    def _mean(self, found: _rows.Seen) -> "Parts":
        """Metrics that are means over rows, and the RMSE, the root of one."""
        if self.metric == "log_loss":
            values = [_rows.log_loss(model, found.y, self.clip) for model in found.both]
            return (*map(_rows.terms, values), {"worst": -np.log(self.clip)})  # type: ignore[return-value]
        if self.metric == "brier":
            values = [_rows.brier(model, found.y) for model in found.both]
            worst = 1.0 if len(found.evidence.classes) == 2 else 2.0
            return (*map(_rows.terms, values), {"worst": worst})  # type: ignore[return-value]
        errors = [model.decisions - found.y.astype(float) for model in found.both]
        values = [np.abs(error) if self.metric == "mae" else error**2 for error in errors]
        return (*map(_rows.terms, values), {})  # type: ignore[return-value]

    def _auc(self, found: _rows.Seen) -> "Parts":
        rated = _rows.rated(found.evidence)
        if isinstance(rated, NotApplicable):
            return rated
        label = found.y == rated
        values = [_decided.auc(found, label, model.scores[:, rated]) for model in found.both]
        least = np.minimum(found.count(label), found.count(~label))
        return _weighted(found, values, least)

    def _balanced(self, found: _rows.Seen) -> "Parts":
        classes = len(found.evidence.classes)
        values = [_decided.balanced_accuracy(found, classes, model.decisions) for model in found.both]
        return _weighted(found, values, _rarest(found), _shown(found))

    def _macro(self, found: _rows.Seen) -> "Parts":
        classes = len(found.evidence.classes)
        values = [_decided.macro_f1(found, classes, model.decisions) for model in found.both]
        return _weighted(found, values, _rarest(found), _shown(found) / 2)

    def _f1(self, found: _rows.Seen) -> "Parts":
        """2 TP over rows that are labelled so plus rows that are decided so."""
        rated = _rows.rated(found.evidence)
        if isinstance(rated, NotApplicable):
            return rated
        label, terms, under = found.y == rated, [], []
        for model in found.both:
            says = model.decisions == rated
            terms.append(np.stack([2.0 * (label & says), label.astype(float) + says], axis=1))
            under.append(found.count(label | says))
        most = 2 / np.maximum(found.share(found.count(label)), 1e-12)
        return terms[0], terms[1], {"worst": most, "denominators": np.minimum(*under)}


Parts = tuple[Floats, Floats, dict[str, Any]] | NotApplicable


def _rarest(found: _rows.Seen) -> Floats:
    """Rows of the rarest class that a group's labels show, [K + 1]."""
    labels = _decided.by_class(found, len(found.evidence.classes), found.y)
    least = np.where(labels > 0, labels, np.inf).min(axis=1)
    return np.asarray(np.where(np.isfinite(least), least, 0.0))


def _shown(found: _rows.Seen) -> Floats:
    """How many classes a group's labels show, [K + 1]."""
    labels = _decided.by_class(found, len(found.evidence.classes), found.y)
    return np.asarray(np.maximum((labels > 0).sum(axis=1), 1.0))


def _weighted(found: _rows.Seen, values: list[Floats], least: Floats, parts: Floats | float = 1.0) -> Parts:
    """Pseudo-values of a mean over strata: one row of the rarest stratum, of ``least`` rows, weighs the most."""
    worst = 1 / np.maximum(found.share(least), 1e-12) / parts
    return _rows.terms(values[0]), _rows.terms(values[1]), {"worst": worst, "denominators": least}
