"""What a student is trained to: one loss a file, each a frozen dataclass of its options.

``build(shapes)`` gives a callable from a ``Batch`` to the mean loss; if that is an ``nn.Module`` its parameters are
trained too and dropped at export. ``needs`` names what it asks for beyond logits ("teacher_features",
"student_features"), ``min_classes`` the fewest classes that it means something for (2: no regression) and
``max_classes`` the most (1: a regression alone): each is refused before training.

Every loss is w·(what the teacher says) + (1 − w)·(cross entropy of the labels), w its ``teacher_weight``; a row without
label has w = 1. For a regression soft_targets is squared_error whatever its temperature.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from autodistill.errors import StudentError
from autodistill.inputs import Shapes
from autodistill.records import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-4  # a forest's zero would be a logit of minus infinity


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """One batch: ``student`` and ``teacher`` logits [n, C] ([n, 1] values for regression), ``y`` int64 [n] (float32 for
    regression), ``weight`` float32 [n] or None, ``labelled`` bool [n] (None: all; where false ``y`` says nothing),
    features [n, D] of either side where the loss needs them, ``group`` int64 [n] where groups are weighed (−1: none; a
    loss need not look at it), ``progress`` of the training in [0, 1]."""

    student: "Tensor"
    y: "Tensor"
    teacher: "Tensor | None" = None
    weight: "Tensor | None" = None
    student_features: "Tensor | None" = None
    teacher_features: "Tensor | None" = None
    group: "Tensor | None" = None
    labelled: "Tensor | None" = None
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
    """Mean −log q(y) of the rows with labels, weighted; mean (z − y)² for regression (one column)."""
    if batch.labelled is None:
        return mean(_errors(batch), batch.weight)
    known = batch.labelled.to(batch.student.dtype)
    return mean(_errors(batch), known if batch.weight is None else known * batch.weight)


def _errors(batch: Batch) -> "Tensor":
    from torch.nn import functional

    if batch.student.shape[1] == 1:
        return (batch.student[:, 0] - batch.y).square()
    return functional.cross_entropy(batch.student, batch.y, reduction="none")


def untaught(batch: Batch, share: float) -> bool:
    """Whether the teacher has no say in a batch: there is none, or its share of every row is nothing."""
    return batch.teacher is None or (share == 0 and batch.labelled is None)


def taught(batch: Batch, share: float, told: "Tensor") -> "Tensor":
    """w·``told`` + (1 − w)·CE, w = ``share`` on rows with labels and 1 on the others.

    ``told`` is what the teacher says: a loss a row [n], or one of the batch as a whole (a scalar), which counts by the
    mean of w.
    """
    if batch.labelled is None:
        whole = share * (mean(told, batch.weight) if told.ndim else told)
        return whole if share == 1 else whole + (1 - share) * cross_entropy(batch)
    known = batch.labelled.to(batch.student.dtype)
    own = 1 - (1 - share) * known
    whole = mean(own * told, batch.weight) if told.ndim else mean(own, batch.weight) * told
    return whole + (1 - share) * mean(known * _errors(batch), batch.weight)


def shares(student: "Tensor", teacher: "Tensor", temperature: float) -> "tuple[Tensor, Tensor]":
    """log q and log p [n, C], the softmax of logits over T."""
    return (student / temperature).log_softmax(dim=1), (teacher / temperature).log_softmax(dim=1)


def divergence(student: "Tensor", teacher: "Tensor", temperature: float) -> "Tensor":
    """T²·KL(p ‖ q) a row [n], p and q the softmax of logits [n, C] over T (Hinton et al. 2015, arXiv 1503.02531).

    The factor keeps the gradient's size as T grows: it is in §2 of the paper.
    """
    log_q, log_p = shares(student, teacher, temperature)
    return (log_p.exp() * (log_p - log_q)).sum(dim=1) * temperature**2


def soft(batch: Batch, temperature: float) -> "Tensor":
    """What soft_targets learns of the teacher, a row [n]: T²·KL(p ‖ q); for regression (z_S − z_T)²."""
    teacher = told(batch)
    if batch.student.shape[1] == 1:
        return (batch.student - teacher).square().sum(dim=1)
    return divergence(batch.student, teacher, temperature)


def told(batch: Batch) -> "Tensor":
    """The teacher's logits of a batch in which it has a say (see ``untaught``)."""
    if batch.teacher is None:
        raise StudentError("the batch has no teacher", where="loss")
    return batch.teacher


def both_features(batch: Batch) -> "tuple[Tensor, Tensor]":
    """The student's and the teacher's features [n, D], [n, E] of a batch; StudentError where a side has none."""
    if batch.student_features is None or batch.teacher_features is None:
        lacking = "student" if batch.student_features is None else "teacher"
        raise StudentError(f"the loss compares features, and the {lacking} has none", where="loss")
    return batch.student_features, batch.teacher_features.to(batch.student_features.dtype)


def enough(name: str, classes: int, least: int, why: str) -> None:
    """StudentError where a loss says nothing of so few classes (1: a regression)."""
    if classes < least:
        here = "a regression" if classes == 1 else f"{classes} classes"
        number = {2: "two", 3: "three"}.get(least, str(least))
        what = f"{name} needs {number} classes or more, here is {here}: {why}"
        do = "list squared_error instead" if classes == 1 else "list soft_targets instead"
        raise StudentError(what, where="loss", do=do)


def few(name: str, classes: int) -> None:
    """StudentError where a loss of numbers is to teach classes (their count; 1 is a regression)."""
    if classes > 1:
        what = f"{name} is of a number, and the target has {classes} classes"
        raise StudentError(what, where="loss", do="list soft_targets instead")
