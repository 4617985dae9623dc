"""Relational distillation: distances and angles between rows (Park et al. 2019, "RKD", arXiv 1904.05068)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, both_features, cross_entropy, mean, soft, taught, untaught

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-12


@dataclass(frozen=True)
class Relational:
    """w·[T²·KL(p ‖ q) + distance·D + angle·A] + (1 − w)·CE: how rows lie to each other, whatever the features' width.

    D and A are Huber losses of distances (over their mean) and of angles between the rows of a batch. Features alone do
    not train a student's last layer: soft_targets stand beside them. D and A are of the batch as a whole: where rows
    lack labels they count by the mean of w.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"teacher_features", "student_features"})

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 2.0
    distance: Annotated[float, Field(ge=0, le=1e6, description="weight of the distances")] = 25.0
    angle: Annotated[float, Field(ge=0, le=1e6, description="weight of the angles")] = 50.0
    corners: Annotated[
        int,
        Field(ge=3, le=4096, description="rows of a batch that angles are taken of (cubed in memory)"),
    ] = 32
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:  # noqa: ARG002 - every shape will do
        """The loss; for regression squared errors stand for KL."""

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            student, teacher = both_features(batch)
            value = mean(soft(batch, self.temperature), batch.weight)
            if self.distance:
                value = value + self.distance * distances_apart(student, teacher, batch.weight)
            if self.angle:
                few = slice(self.corners)
                weight = None if batch.weight is None else batch.weight[few]
                value = value + self.angle * angles_apart(student[few], teacher[few], weight)
            return taught(batch, self.teacher_weight, value)

        return objective


def distances_apart(student: "Tensor", teacher: "Tensor", weight: "Tensor | None" = None) -> "Tensor":
    """Mean Huber loss of the distances between all rows of features [n, D] and [n, E], each over its own mean."""
    import torch
    from torch.nn import functional

    w = torch.ones_like(student[:, 0]) if weight is None else weight
    pairs = w[:, None] * w[None]
    apart = functional.smooth_l1_loss(_distances(student, pairs), _distances(teacher, pairs), reduction="none")
    return (pairs * apart).sum() / pairs.sum().clamp_min(TINY)


def _distances(features: "Tensor", pairs: "Tensor") -> "Tensor":
    import torch

    found = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")  # equal rows: 0, and no slope
    positive = pairs * (found.detach() > 0)
    return found / ((positive * found).sum() / positive.sum().clamp_min(TINY)).clamp_min(TINY)


def angles_apart(student: "Tensor", teacher: "Tensor", weight: "Tensor | None" = None) -> "Tensor":
    """Mean Huber loss of the cosines of the angles that all rows span at each row, of features [n, D] and [n, E]."""
    import torch
    from torch.nn import functional

    w = torch.ones_like(student[:, 0]) if weight is None else weight
    triples = w[:, None, None] * w[None, :, None] * w[None, None]
    apart = functional.smooth_l1_loss(_cosines(student), _cosines(teacher), reduction="none")
    return (triples * apart).sum() / triples.sum().clamp_min(TINY)


def _cosines(features: "Tensor") -> "Tensor":
    """[n, n, n]: at the first row, between the directions to the second and to the third."""
    from torch.nn import functional

    directions = functional.normalize(features[None] - features[:, None], dim=2)
    return directions @ directions.transpose(1, 2)
