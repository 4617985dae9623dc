"""Temporally adaptive interpolated distillation (Shing et al. 2025, "TAID", arXiv 2501.16937)."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.losses import Batch, Objective, cross_entropy, enough, shares, taught, told, untaught

if TYPE_CHECKING:
    from torch import Tensor

MOMENTUM = 0.99


@dataclass(frozen=True)
class Taid:
    """w·T²·CE(r, q) + (1 − w)·CE, r the softmax of (1 − t)·z_S + t·z_T without a gradient through z_S.

    t rises from ``start`` to 1, at least as the training does and faster while the loss falls: the student follows a
    teacher that stays within reach, without an assistant.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    min_classes: ClassVar[int] = 2

    temperature: Annotated[float, Field(ge=0.1, le=100, description="softens both distributions")] = 1.0
    start: Annotated[float, Field(ge=0, le=1, description="share of the teacher in the first target")] = 0.4
    pace: Annotated[float, Field(ge=0, le=1, description="how far a falling loss moves the target a step")] = 5e-4
    teacher_weight: Annotated[float, Field(ge=0, le=1, description="share of the teacher against the labels")] = 0.9

    def build(self, shapes: Shapes) -> Objective:
        """The loss, a module whose state is how far it is; raises ``StudentError`` for a regression."""
        enough("taid", shapes.classes, self.min_classes, "it compares class shares")
        return _objective(self)


def _objective(options: Taid) -> Objective:
    import torch
    from torch import nn

    class Interpolated(nn.Module):
        t: "Tensor"
        trend: "Tensor"
        before: "Tensor"
        now: "Tensor"
        seen: "Tensor"

        def __init__(self) -> None:
            super().__init__()
            first = {"t": options.start, "trend": 0.0, "before": math.nan, "now": math.nan, "seen": -1.0}
            for name, value in first.items():
                self.register_buffer(name, torch.tensor(value))

        def forward(self, batch: Batch) -> "Tensor":
            if untaught(batch, options.teacher_weight):
                return cross_entropy(batch)
            if batch.progress > float(self.seen):
                self._advance(batch.progress)
            aim = torch.lerp(batch.student.detach(), told(batch), self.t.to(batch.student.dtype))
            log_q, log_r = shares(batch.student, aim, options.temperature)
            rows = -(log_r.exp() * log_q).sum(dim=1)
            self.now = rows.detach().mean().to(self.now)
            return taught(batch, options.teacher_weight, options.temperature**2 * rows)

        def _advance(self, progress: float) -> None:
            """Once a step: what the step before has seen of the loss moves the target."""
            fall = (self.before - self.now) / (self.before + 1e-12)
            self.trend = MOMENTUM * self.trend + (1 - MOMENTUM) * fall.nan_to_num()
            further = self.t + options.pace * self.trend.sigmoid() * (1 - self.t)
            self.t = further.where(~self.before.isnan(), self.t).clamp(
                min=options.start + (1 - options.start) * progress, max=1.0
            )
            self.before, self.seen = self.now, torch.full_like(self.seen, progress)

    return Interpolated()
