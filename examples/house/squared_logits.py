from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from autodistill.losses import cross_entropy, taught, told, untaught


@dataclass(frozen=True)
class SquaredLogits:
    """Squared difference of centred logits (Ba and Caruana 2014)."""

    needs: ClassVar[frozenset[str]] = frozenset()
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.5

    def build(self, shapes):
        def objective(batch):
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            gap = batch.student - told(batch)
            rows = (gap - gap.mean(dim=1, keepdim=True)).square().mean(dim=1)
            return taught(batch, self.teacher_weight, rows)

        return objective
