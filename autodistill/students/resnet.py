"""Residual networks of basic blocks (He et al. 2016, arXiv 1512.03385)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.students._network import Core
from autodistill.students._normed import normed
from autodistill.students._pooled import pooled

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ResNet:
    """Three stages of basic blocks; each stage halves the picture and doubles the channels.

    What a block adds starts at zero, so that it starts as the identity (Goyal et al. 2017, arXiv 1706.02677, 5.1).
    """

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    readings_depend_on: ClassVar[str] = "architecture"
    forms: ClassVar[tuple[str, ...]] = ("image", "audio")

    width: Annotated[int, Field(ge=2, le=256, description="channels of the first stage")] = 8
    blocks: Annotated[int, Field(ge=1, le=18, description="blocks of a stage")] = 1

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from numeric [n, C, H, W] ([n, bands, frames] of sound) to logits [n, outputs]."""
        import torch
        from torch import Tensor, nn

        class Block(nn.Module):
            """relu(x + conv(relu(conv(x)))), with a 1 × 1 convolution where the shape changes."""

            def __init__(self, narrow: int, wide: int, stride: int) -> None:
                super().__init__()
                self.first = normed(nn.Conv2d(narrow, wide, 3, stride=stride, padding=1, bias=False))
                self.second = normed(nn.Conv2d(wide, wide, 3, padding=1, bias=False), scale=0.0)
                other = stride > 1 or narrow != wide
                self.beside = normed(nn.Conv2d(narrow, wide, 1, stride=stride, bias=False)) if other else None

            def forward(self, x: Tensor) -> Tensor:
                kept = x if self.beside is None else self.beside(x)
                return torch.relu(kept + self.second(torch.relu(self.first(x))))

            def written(self, core: Core, value: str, name: str) -> str:
                kept = value if self.beside is None else core.normed(value, f"{name}.beside", self.beside)
                inner = core.add("Relu", [core.normed(value, f"{name}.first", self.first)])
                return core.add("Relu", [core.add("Add", [kept, core.normed(inner, f"{name}.second", self.second)])])

        channels = inputs.shape[0] if len(inputs.shape) == 3 else 1
        wide = self.width
        layers: list[nn.Module] = [normed(nn.Conv2d(channels, wide, 3, padding=1, bias=False)), nn.ReLU()]
        for stage in range(3):
            grown = self.width * 2**stage
            for at in range(self.blocks):
                layers.append(Block(wide, grown, 2 if at == 0 and stage > 0 else 1))
                wide = grown

        class Body(nn.Module):
            """Blocks, then the mean over the picture."""

            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.Sequential(*layers)

            def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
                picture = numeric if numeric.dim() == 4 else torch.unsqueeze(numeric, 1)
                return self.layers(picture).mean(dim=(2, 3))  # type: ignore[no-any-return]

            def written(self, core: Core) -> str:
                first, _, *blocks = self.layers
                value = core.add("Relu", [core.normed(core.picture(inputs), "body.layers.0", first)])
                for at, block in enumerate(blocks, start=2):
                    value = block.written(core, value, f"body.layers.{at}")  # type: ignore[operator]
                return core.over("ReduceMean", value, 2, 3)

        return pooled(Body(), wide, inputs, outputs)
