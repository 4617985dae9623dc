"""Rows as tensors, and how wrong a network is on them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Rows as tensors: ``numeric`` float32 [n, K], ``codes`` int64 [n, M], ``y`` int64 [n] (float32 for regression),
    and where there are any ``teacher`` logits float32 [n, C], ``teacher_features`` float32 [n, D], ``weight`` float32
    [n]; ``labelled`` bool [n] where some rows have no label, whose ``y`` then says nothing; ``group`` int64 [n] (−1:
    none) where the loss turns the weights of groups. Of texts that are taught at their last P places: ``following``
    int64 [n, P], the class after each (−1: nobody knows), and ``teacher_places`` logits [n, P, C] of any float."""

    numeric: Tensor
    codes: Tensor
    y: Tensor
    teacher: Tensor | None = None
    weight: Tensor | None = None
    teacher_features: Tensor | None = None
    labelled: Tensor | None = None
    group: Tensor | None = None
    following: Tensor | None = None
    teacher_places: Tensor | None = None

    def at(self, index: Tensor | slice) -> "Rows":
        """Some of the rows."""
        return self._each(lambda part: part[index])

    def to(self, device: str) -> "Rows":
        """The rows on another device."""
        return self._each(lambda part: part.to(device))

    @property
    def size(self) -> int:
        """Bytes of what a network reads, and of what it is taught place by place."""
        parts = (self.numeric, self.codes, self.following, self.teacher_places)
        return sum(part.nbytes for part in parts if part is not None)

    def labels_alone(self) -> "Rows":
        """The rows that have labels, and nothing that a teacher said."""
        untold = replace(self, teacher=None, teacher_features=None, teacher_places=None, labelled=None)
        if self.labelled is None:
            return untold
        many = int(self.labelled.sum())
        ahead = bool(self.labelled[:many].all())  # they are no copy then
        return untold.at(slice(many) if ahead else self.labelled.nonzero()[:, 0])

    def followed(self, numeric: Tensor, codes: Tensor, teacher: Tensor) -> "Rows":
        """These rows and further ones, of which only the teacher says anything; they weigh as much as the mean row.
        ``numeric`` and ``codes`` are of both together, ``teacher`` of the further ones."""
        many = len(teacher)
        known = torch.ones_like(self.y, dtype=torch.bool) if self.labelled is None else self.labelled
        weight = None if self.weight is None else torch.cat([self.weight, self.weight.mean().expand(many)])
        return Rows(
            numeric=numeric,
            codes=codes,
            y=torch.cat([self.y, self.y.new_zeros(many)]),
            teacher=None if self.teacher is None else torch.cat([self.teacher, teacher]),
            weight=weight,
            labelled=torch.cat([known, known.new_zeros(many)]),
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Rows":
        parts = {part.name: getattr(self, part.name) for part in fields(self)}
        return replace(self, **{name: change(part) for name, part in parts.items() if part is not None})


def errors(outputs: Tensor, rows: Rows) -> tuple[float, float]:
    """Weighted share of rows decided wrongly by argmax, and mean −log q(y); for regression RMSE / sd and its square."""
    outputs = outputs.detach()
    weight = torch.ones(len(rows.y), device=outputs.device) if rows.weight is None else rows.weight
    weight = weight / weight.sum()
    if outputs.shape[1] == 1:
        centre = (weight * rows.y).sum()
        spread = (weight * (rows.y - centre).square()).sum().clamp_min(1e-12)
        share = float((weight * (outputs[:, 0] - rows.y).square()).sum() / spread)
        return math.sqrt(share), share
    wrong = (outputs.argmax(dim=1) != rows.y).to(weight.dtype)
    return float((weight * wrong).sum()), float(
        (weight * functional.cross_entropy(outputs, rows.y, reduction="none")).sum()
    )
