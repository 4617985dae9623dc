"""Probabilistic knowledge transfer (Passalis & Tefas 2018, "PKT", arXiv 1803.10837)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, both_features, cross_entropy, mean, soft, taught, untaught

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-7  # the authors'


@dataclass(frozen=True)
class ProbabilisticTransfer:
    """w·[T²·KL(p ‖ q) + strength·KL of who is whose neighbour] + (1 − w)·CE, neighbours by cosine similarity.

    Of features of any width. Features alone do not train a student's last layer: soft_targets stand beside them. The
    term is of the batch as a whole: where rows lack labels it counts by the mean of w.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"teacher_features", "student_features"})

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 2.0
    strength: Annotated[float, Field(ge=0, le=1e6, description="weight of the features beside the soft targets")] = 3e4
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:  # noqa: ARG002 - every shape will do
        """The loss; for regression squared errors stand for KL."""

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            apart = neighbours_apart(*both_features(batch), batch.weight)
            value = mean(soft(batch, self.temperature), batch.weight) + self.strength * apart
            return taught(batch, self.teacher_weight, value)

        return objective


def neighbours_apart(student: "Tensor", teacher: "Tensor", weight: "Tensor | None" = None) -> "Tensor":
    """Σ p·log(p / q) over pairs of rows, by their number; p, q each row's shares of neighbours by features."""
    import torch

    w = torch.ones_like(student[:, 0]) if weight is None else weight
    p, q = _neighbours(teacher, w), _neighbours(student, w)
    apart = p * ((p + EPSILON) / (q + EPSILON)).log()
    pairs = w[:, None] * w[None]
    return (pairs * apart).sum() / pairs.sum().clamp_min(1e-12)


def _neighbours(features: "Tensor", weight: "Tensor") -> "Tensor":
    directions = features / ((features.square().sum(dim=1, keepdim=True) + 1e-24).sqrt() + EPSILON)
    close = (directions @ directions.T + 1) / 2
    return close / (weight * close).sum(dim=1, keepdim=True).clamp_min(1e-12)
