"""Distillation from a stronger teacher, by correlations (Huang et al. 2022, "DIST", arXiv 2205.10536)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, enough, mean, shares, taught, told, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Dist:
    """w·T²·[rows·(1 − ρ of a row's shares) + columns·(1 − ρ of a class's shares over the batch)] + (1 − w)·CE.

    ρ is Pearson's: whatever shifts or scales a row's shares costs nothing. T² is in the authors' code and not in their
    text. With two classes every row's ρ is 1 or −1 and only the columns teach. The columns' term is one of the batch as
    a whole: where rows lack labels it counts by the mean of w.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    min_classes: ClassVar[int] = 2

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 1.0
    rows: Annotated[float, Field(ge=0, le=100, description="weight of the correlations within a row")] = 1.0
    columns: Annotated[float, Field(ge=0, le=100, description="weight of the correlations of a class over rows")] = 1.0
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.7

    def build(self, shapes: Shapes) -> Objective:
        """The loss; raises ``StudentError`` for a regression."""
        enough("dist", shapes.classes, self.min_classes, "it correlates class shares")

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            log_q, log_p = shares(batch.student, told(batch), self.temperature)
            q, p = log_q.exp(), log_p.exp()
            of_rows = 1 - _correlation(q, p, None)
            of_columns = (1 - _correlation(q.T, p.T, batch.weight)).mean()
            value = self.rows * mean(of_rows, batch.weight) + self.columns * of_columns
            return taught(batch, self.teacher_weight, self.temperature**2 * value)

        return objective


def _correlation(a: "Tensor", b: "Tensor", weight: "Tensor | None") -> "Tensor":
    """Pearson's ρ of each row [m] of a and b [m, k], entries weighted by ``weight`` [k]; 0 where a row is constant."""
    import torch

    w = torch.ones_like(a[0]) if weight is None else weight
    a, b = (x - (w * x).sum(dim=1, keepdim=True) / w.sum().clamp_min(1e-12) for x in (a, b))
    root = w.sqrt()
    found: Tensor = (w * a * b).sum(dim=1) / ((root * a).norm(dim=1) * (root * b).norm(dim=1) + 1e-8)
    return found
