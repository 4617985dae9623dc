"""Soft targets on standardised logits (Sun et al. 2024, "Logit Standardization", arXiv 2403.01427)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, divergence, enough, taught, told, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class StandardizedLogits:
    """w·T²·KL of logits standardised by row, (z − mean)/(std + 1e-7) with the unbiased std, + (1 − w)·CE of raw ones.

    With two classes every standardised row is (−1, 1)/√2 whatever the logits: the term is constant almost everywhere
    and teaches nothing, so it asks for three.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    min_classes: ClassVar[int] = 3

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 2.0
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:
        """The loss; raises ``StudentError`` for fewer than three classes."""
        why = "with two, every standardised row is the same up to its sign"
        enough("standardized_logits", shapes.classes, self.min_classes, why)

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            rows = divergence(_standardized(batch.student), _standardized(told(batch)), self.temperature)
            return taught(batch, self.teacher_weight, rows)

        return objective


def _standardized(logits: "Tensor") -> "Tensor":
    return (logits - logits.mean(dim=1, keepdim=True)) / (logits.std(dim=1, keepdim=True) + 1e-7)
