"""Decoupled knowledge distillation (Zhao et al. 2022, arXiv 2203.08679)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, enough, taught, told, untaught

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Dkd:
    """w·T²·[target·KL(b_T ‖ b_S) + others·KL(p̂ ‖ q̂)] + (1 − w)·CE: how sure of the label, and what of the rest.

    b is (share of the label, share of all others), p̂ and q̂ the others' shares among themselves. With two classes one
    other is left and p̂ says nothing, so it asks for three. On a row without label the teacher's decision stands for it.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    min_classes: ClassVar[int] = 3

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 4.0
    target: Annotated[float, Field(ge=0, le=100, description="weight of how sure the teacher is of the label")] = 1.0
    others: Annotated[float, Field(ge=0, le=100, description="weight of the shares of the other classes")] = 8.0
    ramp: Annotated[
        float, Field(ge=0, le=1, description="share of the training over which the teacher's term rises from nothing")
    ] = 0.1
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.5

    def build(self, shapes: Shapes) -> Objective:
        """The loss; raises ``StudentError`` for fewer than three classes."""
        enough("dkd", shapes.classes, self.min_classes, "with two, nothing is left beside the label to compare")

        def objective(batch: Batch) -> "Tensor":
            if untaught(batch, self.teacher_weight):
                return cross_entropy(batch)
            rows = self._rows(batch) * self.temperature**2
            risen = min(1.0, batch.progress / self.ramp) if self.ramp else 1.0
            return taught(batch, self.teacher_weight, risen * rows)

        return objective

    def _rows(self, batch: Batch) -> "Tensor":
        teacher = told(batch)
        label = batch.y if batch.labelled is None else batch.y.where(batch.labelled, teacher.argmax(dim=1))
        sure_q, rest_q, log_q = _parts(batch.student / self.temperature, label)
        sure_p, rest_p, log_p = _parts(teacher / self.temperature, label)
        of_target = sure_p.exp() * (sure_p - sure_q) + rest_p.exp() * (rest_p - rest_q)
        of_others = (log_p.exp() * (log_p - log_q)).sum(dim=1)
        return self.target * of_target + self.others * of_others


def _parts(logits: "Tensor", label: "Tensor") -> "tuple[Tensor, Tensor, Tensor]":
    """log p(label) [n], log(1 − p(label)) [n] and the log-shares of the others among themselves [n, C − 1].

    The label's column is cut out and not masked by a large number, and 1 − p is a sum of exponentials and no
    difference: both are finite for logits of any size.
    """
    import torch

    column = label[:, None]
    other = torch.ones_like(logits, dtype=torch.bool).scatter_(1, column, value=False)
    rest = logits[other].view(len(logits), -1)
    whole = logits.logsumexp(dim=1)
    return logits.gather(1, column)[:, 0] - whole, rest.logsumexp(dim=1) - whole, rest.log_softmax(dim=1)
