"""Distillation of a number: the student's value is led to the teacher's and to the label (a regression)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, few, soft, taught, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SquaredError:
    """w·(z_S − z_T)² + (1 − w)·(z_S − y)²; its gradient is that of (z_S − (w·z_T + (1 − w)·y))².

    So the student is fitted to a mix of what the teacher says and what was seen. Where labels are noisy, the teacher's
    values are the same numbers with less noise. Networks learn both in units of the target's standard deviation.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    max_classes: ClassVar[int] = 1

    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:
        """The loss; raises ``StudentError`` where the target is a class."""
        few("squared_error", shapes.classes)

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            return taught(batch, self.teacher_weight, soft(batch, 1.0))

        return objective
