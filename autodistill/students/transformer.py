"""A small transformer encoder on a text's words (Vaswani et al. 2017, arXiv 1706.03762), normalised first."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.students import embedded
from autodistill.students._pooled import pooled

if TYPE_CHECKING:
    from torch import nn

NEVER = -1e9


@dataclass(frozen=True)
class Transformer:
    """Word and place vectors, blocks of attention and two dense layers, the mean over the words that are there."""

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    readings_depend_on: ClassVar[str] = "architecture"
    forms: ClassVar[tuple[str, ...]] = ("text",)

    width: Annotated[int, Field(ge=4, le=1024, multiple_of=4, description="numbers of a word vector")] = 32
    blocks: Annotated[int, Field(ge=1, le=12, description="blocks")] = 1
    heads: Annotated[int, Field(ge=1, le=16, description="heads; the width should be a multiple")] = 2

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from codes [n, length], 0 being no word, to logits [n, outputs]."""
        import torch
        from torch import Tensor, nn

        width, heads = self.width, _divisor(self.width, self.heads)
        length, blocks = inputs.coded, self.blocks

        class Block(nn.Module):
            """Attention and a dense pair, each beside a short cut. Dense layers see rows [n·L, width]: so their
            weights stand in the artefact as they are."""

            def __init__(self) -> None:
                super().__init__()
                self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
                self.asked, self.offered, self.told = (nn.Linear(width, width) for _ in range(3))
                self.joined = nn.Linear(width, width)
                self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

            def forward(self, rows: Tensor, mask: Tensor) -> Tensor:
                x = self.before(rows)

                def parts(layer: nn.Module) -> Tensor:
                    return layer(x).reshape(-1, length, heads, width // heads).transpose(1, 2)  # type: ignore[no-any-return]

                scores = parts(self.asked) @ parts(self.offered).transpose(2, 3) / (width // heads) ** 0.5
                mixed = (scores + mask).softmax(dim=3) @ parts(self.told)
                rows = rows + self.joined(mixed.transpose(1, 2).reshape(-1, width))
                return rows + self.narrow(torch.relu(self.wide(self.between(rows))))  # type: ignore[no-any-return]

        class Body(nn.Module):
            """Blocks, then a masked mean."""

            def __init__(self) -> None:
                super().__init__()
                self.table = embedded(inputs, width, 0.1)
                self.place = nn.Parameter(0.02 * torch.randn(length, width))
                self.blocks = nn.ModuleList(Block() for _ in range(blocks))

            def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
                there = (codes > 0).float()
                mask = ((1 - there) * NEVER).reshape(-1, 1, 1, length)
                rows = (self.table(codes) + self.place).reshape(-1, width)
                for block in self.blocks:
                    rows = block(rows, mask)
                words = rows.reshape(-1, length, width) * there.unsqueeze(2)
                mean: Tensor = words.sum(dim=1) / there.sum(dim=1, keepdim=True).clamp_min(1.0)
                return mean

        return pooled(Body(), width, inputs, outputs)


def _divisor(width: int, heads: int) -> int:
    """The most heads, at most those asked for, that share the width evenly."""
    return next(count for count in range(heads, 0, -1) if width % count == 0)
