"""Total variation distance between the shares, as sequence distillation uses it (Wen et al. 2023, arXiv 2307.15190)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, enough, shares, taught, told, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TotalVariation:
    """w·T²·½ Σ |p − q| + (1 − w)·CE: bounded, and no class outweighs another however rare it is."""

    needs: ClassVar[frozenset[str]] = frozenset()
    min_classes: ClassVar[int] = 2

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 1.0
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:
        """The loss; raises ``StudentError`` for a regression."""
        enough("total_variation", shapes.classes, self.min_classes, "it compares class shares")

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            log_q, log_p = shares(batch.student, told(batch), self.temperature)
            rows = (log_p.exp() - log_q.exp()).abs().sum(dim=1) / 2
            return taught(batch, self.teacher_weight, self.temperature**2 * rows)

        return objective
