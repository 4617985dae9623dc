"""What a student is trained to: one loss a file, each a frozen dataclass of its options.

``build(shapes)`` gives a callable from a ``Batch`` to the mean loss. ``needs`` names what it asks of the teacher beyond
logits. Families that are fitted (trees) know ``target``: the class shares that the loss amounts to for them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from autodistill.inputs import Shapes
from autodistill.records import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-4  # a forest's zero would be a logit of minus infinity


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One batch: ``student`` and ``teacher`` logits [n, C] ([n, 1] values for regression), ``y`` int64 [n] (float32 for
    regression), ``weight`` float32 [n] or None, ``progress`` of the training in [0, 1]."""

    student: "Tensor"
    y: "Tensor"
    teacher: "Tensor | None" = None
    weight: "Tensor | None" = None
    student_features: "Tensor | None" = None
    teacher_features: "Tensor | None" = None
    group: "Tensor | None" = None
    progress: float = 0.0


class Objective(Protocol):
    """A built loss."""

    def __call__(self, batch: Batch) -> "Tensor":
        """The mean loss of the batch, a scalar."""
        ...


class Loss(Protocol):
    """A loss's options."""

    def build(self, shapes: Shapes) -> Objective:
        """The loss for these shapes; raises ``StudentError`` where it says nothing for them."""
        ...


def teacher_logits(probabilities: FloatArray) -> FloatArray:
    """log(max(p, 1e-4)) [n, C]: what stands for the logits of a teacher that gives probabilities."""
    return np.asarray(np.log(np.maximum(np.asarray(probabilities, np.float32), np.float32(FLOOR))))


def blended(teacher: FloatArray, y: npt.NDArray[np.int64], temperature: float, teacher_weight: float) -> FloatArray:
    """w·softmax(z_T/T) + (1 − w)·onehot(y), float32 [n, C], of teacher logits [n, C]: soft_targets for a fitted family,
    which cannot match a tempered student and takes the tempered teacher as its labels."""
    z = np.asarray(teacher, np.float64) / temperature
    shares = np.exp(z - z.max(axis=1, keepdims=True))
    shares *= teacher_weight / shares.sum(axis=1, keepdims=True)
    shares[np.arange(len(y)), y] += 1.0 - teacher_weight
    return np.asarray(shares, np.float32)


def mean(rows: "Tensor", weight: "Tensor | None") -> "Tensor":
    """Mean over the rows [n] of a batch, weighted where there are weights."""
    return rows.mean() if weight is None else (rows * weight).sum() / weight.sum().clamp_min(1e-12)


def cross_entropy(batch: Batch) -> "Tensor":
    """Mean −log q(y), of weighted rows; mean (z − y)² for regression (one column)."""
    from torch.nn import functional

    if batch.student.shape[1] == 1:
        return mean((batch.student[:, 0] - batch.y).square(), batch.weight)
    return mean(functional.cross_entropy(batch.student, batch.y, reduction="none"), batch.weight)


def divergence(student: "Tensor", teacher: "Tensor", temperature: float) -> "Tensor":
    """T²·KL(p ‖ q) a row [n], p and q the softmax of logits [n, C] over T (Hinton et al. 2015, arXiv 1503.02531).

    The factor keeps the gradient's size as T grows: it is in §2 of the paper.
    """
    log_q = (student / temperature).log_softmax(dim=1)
    log_p = (teacher / temperature).log_softmax(dim=1)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1) * temperature**2
