"""What a loss sees of some rows: one line a row, or one a place of a text."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from autodistill.losses import Batch
from autodistill.train.rows import Rows


def batch(module: nn.Module, rows: Rows, progress: float) -> Batch:
    """What network and teacher say of the rows, in float32: of a loss in half precision little is left."""
    if rows.following is not None:
        return _placed(module, rows, rows.following, progress)
    own = None
    if rows.teacher_features is None:
        student = module(rows.numeric, rows.codes)
    else:
        own = module.features(rows.numeric, rows.codes)  # type: ignore[operator]
        student, own = module.head(own), own.float()  # type: ignore[operator]
    return Batch(
        student=student.float(),
        y=rows.y,
        teacher=rows.teacher,
        weight=rows.weight,
        student_features=own,
        teacher_features=rows.teacher_features,
        group=rows.group,
        labelled=rows.labelled,
        progress=progress,
    )


def _placed(module: nn.Module, rows: Rows, following: Tensor, progress: float) -> Batch:
    """The same of places: as many of each text's last ones as all sides know, without those in front of it.

    A loss's mean over lines is then one over places of the batch, however many a text has. A place counts by the weight
    of its row; one whose follower nobody knows is the teacher's alone, or left out where there is no teacher.
    """
    teacher = rows.teacher_places
    student = module.places(rows.numeric, rows.codes, following.shape[1])  # type: ignore[operator]
    many = min(student.shape[1], student.shape[1] if teacher is None else teacher.shape[1])
    following, there = following[:, -many:], rows.codes[:, -many:] != 0
    known = following >= 0
    if teacher is None:
        there = there & known
    some = _among(there)
    every = teacher is None or bool(known[there].all())
    weight = None if rows.weight is None else some(rows.weight[:, None].expand(-1, many))
    return Batch(
        student=some(student[:, -many:]).float(),
        y=some(following.clamp_min(0)),
        teacher=None if teacher is None else some(teacher[:, -many:]).float(),
        weight=weight,
        labelled=None if every else some(known),
        progress=progress,
    )


def _among(there: Tensor) -> Callable[[Tensor], Tensor]:
    """What takes the places [n, P, …] that are there, as [m, …]."""
    at = there.flatten().nonzero()[:, 0]
    return lambda values: torch.index_select(values.flatten(0, 1), 0, at)
