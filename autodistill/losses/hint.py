"""Hints: the student's features are led to the teacher's (Romero et al. 2015, "FitNets", arXiv 1412.6550)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, both_features, cross_entropy, soft, taught, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Hint:
    """w·[T²·KL(p ‖ q) + strength·mean (P·f_S − f_T)²] + (1 − w)·CE, P a linear map that is learned and thrown away.

    Features alone do not train a student's last layer: soft_targets stand beside them, as in the paper's second stage.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"teacher_features", "student_features"})

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 2.0
    strength: Annotated[float, Field(ge=0, le=1e6, description="weight of the features beside the soft targets")] = 1.0
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:
        """The loss, a module with P from ``shapes.student_width`` to ``shapes.teacher_width`` numbers."""
        return _objective(self, shapes)


def _objective(options: Hint, shapes: Shapes) -> Objective:
    from torch import nn

    class Hinted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.projector = nn.Linear(shapes.student_width, shapes.teacher_width)

        def forward(self, batch: Batch) -> "Tensor":
            if untaught(batch, options.teacher_weight):
                return cross_entropy(batch)
            student, teacher = both_features(batch)
            apart = (self.projector(student) - teacher).square().mean(dim=1)
            return taught(batch, options.teacher_weight, soft(batch, options.temperature) + options.strength * apart)

    return Hinted()
