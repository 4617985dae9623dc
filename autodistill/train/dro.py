"""Group distributionally robust training (Sagawa, Koh, Hashimoto & Liang 2020, arXiv 1911.08731), around any loss."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from autodistill.errors import StudentError
from autodistill.losses import Batch, Objective


class GroupDro(nn.Module):
    """Σ_g q_g · (mean loss of group g), where each step multiplies q_g by exp(step · that mean) and scales Σ q to 1.

    Groups are counted from 0 in ``Batch.group``; rows of −1 belong to none and count as they do without this. A batch
    that lacks a group spreads q over those it has. Means are weighted where rows have weights. ``shares`` (q) is part
    of the state, so that a training that was cut goes on as if it was not.
    """

    shares: Tensor

    def __init__(self, inner: Objective, groups: int, step: float) -> None:
        super().__init__()
        self.inner, self.step = inner, step
        self.register_buffer("shares", torch.full((groups,), 1.0 / groups))

    def forward(self, batch: Batch) -> Tensor:
        """The loss of a batch; one without groups is the inner loss."""
        if batch.group is None:
            return self.inner(batch)
        weight = torch.ones_like(batch.student[:, 0]) if batch.weight is None else batch.weight
        known, at = batch.group >= 0, batch.group.clamp_min(0)
        own = weight * known
        losses = row_losses(self.inner, replace(batch, weight=weight))
        mass = torch.zeros_like(self.shares).index_add(0, at, own)
        means = torch.zeros_like(self.shares).index_add(0, at, own * losses) / mass.clamp_min(1e-12)
        grown = self.shares.log() + self.step * means
        self.shares = grown.softmax(dim=0)
        here = self.shares * (mass > 0)
        each = here / here.sum().clamp_min(1e-12) * own.sum() / mass.clamp_min(1e-12)
        return self.inner(replace(batch, weight=torch.where(known, own * each[at], weight)))


def row_losses(objective: Objective, batch: Batch) -> Tensor:
    """The loss of each row [n] of a weighted mean, read off its gradient: ∂(Σwl/Σw)/∂w_i = (l_i − mean)/Σw.

    Where a loss is one of the batch as a whole (correlations of columns, relations between rows) it is what the row's
    weight adds to it. Raises ``StudentError`` for a loss that does not read weights.
    """
    assert batch.weight is not None  # noqa: S101 - the caller's own weights
    with torch.enable_grad():
        weight = batch.weight.detach().clone().requires_grad_()
        own = None if batch.student_features is None else batch.student_features.detach()
        value = objective(replace(batch, student=batch.student.detach(), student_features=own, weight=weight))
        (slope,) = torch.autograd.grad(value, weight, allow_unused=True) if value.requires_grad else (None,)
    if slope is None:
        raise StudentError("the loss does not read the weights of rows, and dro turns them", where="distill.dro")
    return value.detach() + slope * weight.detach().sum()
