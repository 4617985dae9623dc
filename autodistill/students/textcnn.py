"""Convolutions over word vectors, the greatest over time (Kim 2014, arXiv 1408.5882)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.students import embedded
from autodistill.students._network import Core
from autodistill.students._pooled import pooled

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TextCnn:
    """Word vectors, filters over two, three and four words, and for each filter its greatest answer."""

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    readings_depend_on: ClassVar[str] = "architecture"
    forms: ClassVar[tuple[str, ...]] = ("text",)

    width: Annotated[int, Field(ge=1, le=1024, description="numbers of a word vector")] = 32
    filters: Annotated[int, Field(ge=1, le=1024, description="filters of each length")] = 16

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from codes [n, length], 0 being no word, to logits [n, outputs]."""
        import torch
        from torch import Tensor, nn

        width, filters = self.width, self.filters
        lengths = [size for size in (2, 3, 4) if size <= inputs.coded] or [1]

        class Body(nn.Module):
            """The greatest answer of each filter."""

            def __init__(self) -> None:
                super().__init__()
                self.table = embedded(inputs, width, 0.3)
                self.filters = nn.ModuleList(nn.Conv1d(width, filters, size) for size in lengths)

            def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
                words = (self.table(codes) * (codes > 0).float().unsqueeze(2)).transpose(1, 2)
                return torch.cat([torch.relu(one(words)).amax(dim=2) for one in self.filters], dim=1)

            def written(self, core: Core) -> str:
                words = core.add("Transpose", [core.words("body.table.weight")[0]], perm=[0, 2, 1])
                found = []
                for at, one in enumerate(self.filters):
                    answer = core.add("Relu", [core.convolved(words, f"body.filters.{at}", one)])
                    found.append(core.over("ReduceMax", answer, 2))
                return core.add("Concat", found, axis=1)

        return pooled(Body(), filters * len(lengths), inputs, outputs)
