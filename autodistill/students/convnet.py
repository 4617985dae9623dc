"""Depthwise separable convolutions on pictures and spectrograms (Howard et al. 2017, arXiv 1704.04861)."""

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
class ConvNet:
    """A convolution of stride 2, then blocks of a depthwise and a pointwise one.

    Each second block halves the picture and doubles the channels. A spectrogram is a picture of one channel.
    """

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    readings_depend_on: ClassVar[str] = "architecture"
    forms: ClassVar[tuple[str, ...]] = ("image", "audio")

    width: Annotated[int, Field(ge=2, le=512, description="channels of the first convolution")] = 16
    blocks: Annotated[int, Field(ge=0, le=12, description="separable blocks after it")] = 3

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from numeric [n, C, H, W] ([n, bands, frames] of sound) to logits [n, outputs]."""
        import torch
        from torch import Tensor, nn

        channels = inputs.shape[0] if len(inputs.shape) == 3 else 1
        first = nn.Conv2d(channels, self.width, 3, stride=2, padding=1, bias=False)
        layers: list[nn.Module] = [normed(first), nn.ReLU()]
        wide = self.width
        for at in range(self.blocks):
            grown, stride = (wide * 2, 2) if at % 2 == 0 else (wide, 1)
            depthwise = nn.Conv2d(wide, wide, 3, stride=stride, padding=1, groups=wide, bias=False)
            layers += [normed(depthwise), nn.ReLU(), normed(nn.Conv2d(wide, grown, 1, bias=False)), nn.ReLU()]
            wide = grown

        class Body(nn.Module):
            """Convolutions, then the mean over the picture."""

            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.Sequential(*layers)

            def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
                picture = numeric if numeric.dim() == 4 else torch.unsqueeze(numeric, 1)
                return self.layers(picture).mean(dim=(2, 3))  # type: ignore[no-any-return]

            def written(self, core: Core) -> str:
                value = core.picture(inputs)
                for at, layer in enumerate(self.layers):
                    relu = isinstance(layer, nn.ReLU)
                    value = core.add("Relu", [value]) if relu else core.normed(value, f"body.layers.{at}", layer)
                return core.over("ReduceMean", value, 2, 3)

        return pooled(Body(), wide, inputs, outputs)
