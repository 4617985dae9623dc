"""Multinomial logistic regression on numbers and one-hot categories."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.students import embedded
from autodistill.students._network import Core

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Linear:
    """A weight a number and a weight a category: the least that learns anything."""

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    readings_depend_on: ClassVar[str] = "architecture"
    columns: Annotated[
        int | None, Field(ge=1, description="most telling columns that it reads; null: all (fewer inputs, faster)")
    ] = None

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from numeric [n, K] (or [n, *size]) and codes [n, M] to logits [n, outputs]."""
        import torch
        from torch import nn

        class Scores(nn.Module):
            """A one-hot row times a matrix is a sum of rows of the matrix: looked up, never spelled out.

            It starts near zero and not at it, where standardised logits have no direction."""

            def __init__(self) -> None:
                super().__init__()
                self.bias = nn.Parameter(torch.zeros(outputs))
                if inputs.numeric:
                    self.weight = nn.Parameter(0.1 * torch.randn(outputs, inputs.numeric))
                if inputs.cardinalities:
                    self.table = embedded(inputs, outputs, 0.1)

            def forward(self, numeric: "Tensor", codes: "Tensor") -> "Tensor":
                flat = numeric.flatten(1)
                scores = nn.functional.linear(flat, self.weight, self.bias) if inputs.numeric else self.bias
                return scores + self.table(codes).sum(dim=1) if inputs.cardinalities else scores

            def onnx(self) -> Any:
                return _graph(inputs, outputs, Core(self))

        return Scores()


def _graph(inputs: Shapes, outputs: int, core: Core) -> Any:
    """What ``forward`` computes, operator by operator."""
    scores = core.dense(core.numbers(inputs), "weight", "bias") if inputs.numeric else core.weight("bias")
    if inputs.cardinalities:
        axis = core.constant("axis", np.array([1]))
        scores = core.add("Add", [scores, core.add("ReduceSum", [core.looked_up("table.weight"), axis], keepdims=0)])
    return core.model(scores, inputs, outputs)
