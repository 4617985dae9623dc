"""Generalised Jensen-Shannon divergence (Agarwal et al. 2024, "GKD", arXiv 2306.13649)."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, enough, shares, taught, told, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class JensenShannon:
    """w·T²·[β·KL(p ‖ m) + (1 − β)·KL(q ‖ m)] + (1 − w)·CE with m = β·p + (1 − β)·q.

    As in the paper 0 stands for forward and 1 for reverse KL, which are limits of it over β and over 1 − β: the value
    jumps there.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    min_classes: ClassVar[int] = 2

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 1.0
    mix: Annotated[float, Field(ge=0, le=1, description="β: share of the teacher in the mixture")] = 0.5
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:
        """The loss; raises ``StudentError`` for a regression."""
        enough("jensen_shannon", shapes.classes, self.min_classes, "it compares class shares")

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            rows = jensen_shannon(*shares(batch.student, told(batch), self.temperature), self.mix)
            return taught(batch, self.teacher_weight, self.temperature**2 * rows)

        return objective


def jensen_shannon(log_q: "Tensor", log_p: "Tensor", mix: float) -> "Tensor":
    """The divergence a row [n] of log-shares [n, C]."""
    if mix == 0:
        return (log_p.exp() * (log_p - log_q)).sum(dim=1)
    if mix == 1:
        return (log_q.exp() * (log_q - log_p)).sum(dim=1)
    log_m = (log_p + math.log(mix)).logaddexp(log_q + math.log1p(-mix))
    of_teacher, of_student = log_p.exp() * (log_p - log_m), log_q.exp() * (log_q - log_m)
    return (mix * of_teacher + (1 - mix) * of_student).sum(dim=1)
