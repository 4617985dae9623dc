"""Knowledge distillation on softened class probabilities (Hinton, Vinyals & Dean 2015, arXiv 1503.02531)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, soft, taught, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SoftTargets:
    """w·T²·KL(p ‖ q) + (1 − w)·CE, p the teacher's and q the student's softmax at temperature T.

    For regression it is squared-error distillation: w·(z_S − z_T)² + (1 − w)·(z_S − y)².
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 2.0
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:  # noqa: ARG002 - every shape will do
        """The loss; for regression squared errors to the teacher and to the labels, blended alike."""

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            return taught(batch, self.teacher_weight, soft(batch, self.temperature))

        return objective
