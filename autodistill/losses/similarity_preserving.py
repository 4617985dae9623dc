"""Similarity-preserving distillation (Tung & Mori 2019, arXiv 1907.09682)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, both_features, cross_entropy, mean, soft, taught, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SimilarityPreserving:
    """w·[T²·KL(p ‖ q) + strength·mean (Ĝ_S − Ĝ_T)²] + (1 − w)·CE, Ĝ the rows' inner products over each row's length.

    Of features of any width. Features alone do not train a student's last layer: soft_targets stand beside them. The
    term is of the batch as a whole: where rows lack labels it counts by the mean of w.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"teacher_features", "student_features"})

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 2.0
    strength: Annotated[float, Field(ge=0, le=1e6, description="weight of the features beside the soft targets")] = 3e3
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:  # noqa: ARG002 - every shape will do
        """The loss; for regression squared errors stand for KL."""

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            apart = similarities_apart(*both_features(batch), batch.weight)
            value = mean(soft(batch, self.temperature), batch.weight) + self.strength * apart
            return taught(batch, self.teacher_weight, value)

        return objective


def similarities_apart(student: "Tensor", teacher: "Tensor", weight: "Tensor | None" = None) -> "Tensor":
    """Mean squared difference of the similarities of all rows of features [n, D] and [n, E]."""
    import torch

    w = torch.ones_like(student[:, 0]) if weight is None else weight
    pairs = w[:, None] * w[None]
    apart = (_similarities(student, w) - _similarities(teacher, w)).square()
    return (pairs * apart).sum() / pairs.sum().clamp_min(1e-12)


def _similarities(features: "Tensor", weight: "Tensor") -> "Tensor":
    products = features @ features.T
    found: Tensor = products / (weight.sqrt() * products).norm(dim=1, keepdim=True).clamp_min(1e-12)
    return found
