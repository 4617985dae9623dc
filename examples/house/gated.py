"""A student: a hidden layer of numbers and categories, each unit with a gate of its own."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from autodistill.students import embedded


@dataclass(frozen=True)
class Gated:
    """One layer of gated linear units (Dauphin et al. 2017) on numbers and embedded categories."""

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    readings_depend_on: ClassVar[str] = "architecture"

    width: Annotated[int, Field(ge=1, le=1024, description="units")] = 8

    def build(self, inputs, outputs):
        import torch
        from torch import nn

        class Network(nn.Module):
            def __init__(self, width):
                super().__init__()
                self.numbers = nn.Linear(inputs.numeric, 2 * width)
                self.table = embedded(inputs, 2 * width, 0.1) if inputs.cardinalities else None
                self.head = nn.Linear(width, outputs)

            def forward(self, numeric, codes):
                hidden = self.numbers(numeric)
                if self.table is not None:
                    hidden = hidden + self.table(codes).sum(dim=1)
                value, gate = hidden.chunk(2, dim=1)
                return self.head(value * torch.sigmoid(gate))

        return Network(self.width)
