"""Knowledge distillation on softened class probabilities (Hinton, Vinyals & Dean 2015, arXiv 1503.02531)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, divergence, mean

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SoftTargets:
    """w·T²·KL(p ‖ q) + (1 − w)·CE, p the teacher's and q the student's softmax at temperature T."""

    needs: ClassVar[frozenset[str]] = frozenset()

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 2.0
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:
        """The loss; for regression squared errors to the teacher and to the labels, blended alike."""
        weight, temperature = self.teacher_weight, self.temperature

        def objective(batch: Batch) -> "Tensor":
            if batch.teacher is None or weight == 0:
                return cross_entropy(batch)
            if shapes.classes == 1:
                rows = (batch.student - batch.teacher).square().sum(dim=1)
            else:
                rows = divergence(batch.student, batch.teacher, temperature)
            told = weight * mean(rows, batch.weight)
            return told if weight == 1 else told + (1 - weight) * cross_entropy(batch)

        return objective
