"""Temporal convolutions with growing dilation (Bai, Kolter & Koltun 2018, arXiv 1803.01271), not causal: a window is
there as a whole."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic.fields import Field

from autodistill.inputs import NUMERIC, Shapes
from autodistill.students._network import Core
from autodistill.students._normed import normed
from autodistill.students._pooled import pooled

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Tcn:
    """A convolution of stride 2 along time, then residual blocks whose dilation doubles; the mean over time."""

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    readings_depend_on: ClassVar[str] = "architecture"
    forms: ClassVar[tuple[str, ...]] = ("series", "audio")

    width: Annotated[int, Field(ge=2, le=512, description="channels")] = 16
    blocks: Annotated[int, Field(ge=0, le=10, description="residual blocks")] = 2
    kernel: Annotated[int, Field(ge=2, le=31, description="steps of a convolution")] = 5

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from numeric [n, C, T] to logits [n, outputs]."""
        import torch
        from torch import Tensor, nn

        width, kernel = self.width, self.kernel

        class Body(nn.Module):
            """Convolutions, then the mean over time."""

            def __init__(self, blocks: int) -> None:
                super().__init__()
                self.first = normed(
                    nn.Conv1d(inputs.shape[0], width, kernel, stride=2, padding=kernel // 2, bias=False)
                )
                self.blocks = nn.ModuleList(
                    normed(
                        nn.Conv1d(width, width, kernel, padding=(kernel - 1) * 2**at // 2, dilation=2**at, bias=False)
                    )
                    for at in range(blocks)
                )

            def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
                value = torch.relu(self.first(numeric))
                for block in self.blocks:
                    grown = torch.relu(block(value))
                    length = min(grown.shape[2], value.shape[2])  # an even kernel gives or takes a step
                    value = value[:, :, :length] + grown[:, :, :length]
                return value.mean(dim=2)

            def written(self, core: Core) -> str:
                value = core.add("Relu", [core.normed(NUMERIC, "body.first", self.first)])
                if self.blocks and kernel % 2 == 0:
                    starts, axis = core.constant("start", np.array([0])), core.constant("time", np.array([2]))
                for at, block in enumerate(self.blocks):
                    grown = core.add("Relu", [core.normed(value, f"body.blocks.{at}", block)])
                    if kernel % 2 == 0:  # it gives or takes a step: the shorter of the two is the length
                        ends = [core.add("Shape", [one], start=2, end=3) for one in (value, grown)]
                        end = core.add("Min", ends)
                        value, grown = (core.add("Slice", [one, starts, end, axis]) for one in (value, grown))
                    value = core.add("Add", [value, grown])
                return core.over("ReduceMean", value, 2)

        return pooled(Body(self.blocks), width, inputs, outputs)
