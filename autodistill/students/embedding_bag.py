"""The mean of a text's word vectors (Joulin et al. 2017, arXiv 1607.01759)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.students import embedded
from autodistill.students._network import Core
from autodistill.students._pooled import pooled

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class EmbeddingBag:
    """Word vectors, their mean over the words that are there, and a linear layer."""

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    readings_depend_on: ClassVar[str] = "architecture"
    forms: ClassVar[tuple[str, ...]] = ("text",)

    width: Annotated[int, Field(ge=1, le=1024, description="numbers of a word vector")] = 16

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from codes [n, length], 0 being no word, to logits [n, outputs]."""
        from torch import Tensor, nn

        width = self.width

        class Body(nn.Module):
            """A masked mean."""

            def __init__(self) -> None:
                super().__init__()
                self.table = embedded(inputs, width, 0.1)

            def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
                there = (codes > 0).float().unsqueeze(2)
                mean: Tensor = (self.table(codes) * there).sum(dim=1) / there.sum(dim=1).clamp_min(1.0)
                return mean

            def written(self, core: Core) -> str:
                words, there = core.words("body.table.weight")
                many = core.add("Max", [core.over("ReduceSum", there, 1), core.constant("one", np.ones(1, np.float32))])
                return core.add("Div", [core.over("ReduceSum", words, 1), many])

        return pooled(Body(), width, inputs, outputs)
