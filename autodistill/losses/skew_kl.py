"""Skewed Kullback-Leibler divergence (Ko et al. 2024, "DistiLLM", arXiv 2402.03898)."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, enough, shares, taught, told, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SkewKl:
    """w·T²·KL(p ‖ s·p + (1 − s)·q) + (1 − w)·CE: a class that the student rules out costs at most −log s."""

    needs: ClassVar[frozenset[str]] = frozenset()
    min_classes: ClassVar[int] = 2

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 1.0
    skew: Annotated[float, Field(ge=0, le=0.9, description="share of the teacher in what it is compared with")] = 0.1
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:
        """The loss; raises ``StudentError`` for a regression."""
        enough("skew_kl", shapes.classes, self.min_classes, "it compares class shares")

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            log_q, log_p = shares(batch.student, told(batch), self.temperature)
            log_m = log_q
            if self.skew:
                log_m = (log_p + math.log(self.skew)).logaddexp(log_q + math.log1p(-self.skew))
            rows = (log_p.exp() * (log_p - log_m)).sum(dim=1)
            return taught(batch, self.teacher_weight, self.temperature**2 * rows)

        return objective
