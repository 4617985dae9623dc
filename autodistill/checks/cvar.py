"""How much the student loses on the rows where it loses most."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from autodistill.checks import _rows
from autodistill.plugins import Fixed
from autodistill.records import LimitKind
from autodistill.stats import Estimand, NotApplicable, Rows, RowSums


@dataclass(frozen=True)
class Cvar:
    """Conditional value at risk: the mean increase of a row's loss, teacher to student, over the worst tenth of rows.

    Of the log-loss in a classification, of the squared error in a regression. By Rockafellar and Uryasev's (2000)
    formula VaR + E(d − VaR)₊/(1 − β), whose rows also carry its standard error. What must reach n_min are the rows of
    the tail.
    """

    metric: Annotated[
        Literal["log_loss", "squared_error"], Fixed, Field(description="the loss of a row: log_loss, squared_error")
    ] = "log_loss"
    beta: Annotated[float, Fixed, Field(ge=0.5, lt=1, description="share of rows below the tail")] = 0.9
    clip: Annotated[float, Fixed, Field(ge=1e-15, le=0.1, description="the least probability in the log-loss")] = (
        _rows.CLIP
    )

    views: ClassVar[tuple[str, ...]] = ("audit",)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most",)
    compare: ClassVar[str] = "whole"

    @property
    def unit(self) -> str:
        """Of the loss; the limit has it too."""
        return "nats" if self.metric == "log_loss" else "target²"

    @property
    def regression(self) -> bool:
        """Whether it speaks of numbers."""
        return self.metric == "squared_error"

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Each row's part in the tail's mean; the teacher's is 0."""
        del reference
        found = _rows.seen(rows, None, classes=not self.regression)
        if isinstance(found, NotApplicable):
            return found
        worst: float | None = None
        if self.regression:
            loss = [(model.decisions - found.y.astype(float)) ** 2 for model in found.both]
        else:
            missing = _rows.unscored(found)
            if missing is not None:
                return missing
            loss = [_rows.log_loss(model, found.y, self.clip) for model in found.both]
            worst = -float(np.log(self.clip)) / (1 - self.beta)
        more = loss[1] - loss[0]
        cut = float(np.quantile(more, self.beta, method="inverted_cdf")) if len(more) else 0.0
        return RowSums(
            names=("",),
            codes=found.codes,
            teacher=_rows.terms(np.zeros(len(more))),
            student=_rows.terms(cut + np.maximum(more - cut, 0.0) / (1 - self.beta)),
            value=RowSums.mean,
            harm=1,
            compare="whole",
            quantity="cvar",
            differs=more != 0,
            worst=worst,
            denominators=np.floor(found.count() * (1 - self.beta) + 1e-9),
        )
