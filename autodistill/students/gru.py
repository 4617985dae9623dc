"""A gated recurrent unit over time (Cho et al. 2014, arXiv 1406.1078): the last state says what the window was."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic.fields import Field

from autodistill.inputs import NUMERIC, Shapes
from autodistill.students._network import Core
from autodistill.students._pooled import pooled

if TYPE_CHECKING:
    from torch import nn


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@dataclass(frozen=True)
class Gru:
    """One layer that reads a window forwards, some steps at a time; its last state.

    A ``step`` of 2 reads the mean of each two steps of time, and so on: it costs as much as it takes steps.
    """

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    readings_depend_on: ClassVar[str] = "architecture"
    forms: ClassVar[tuple[str, ...]] = ("series", "audio")

    width: Annotated[int, Field(ge=2, le=512, description="numbers of the state")] = 16
    step: Annotated[int, Field(ge=1, le=32, description="steps of time that are read as one, by their mean")] = 2

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from numeric [n, C, T] ([n, bands, frames] of sound) to logits [n, outputs]."""
        from torch import Tensor, nn
        from torch.nn import functional

        width, step = self.width, min(self.step, inputs.shape[1])

        class Body(nn.Module):
            """Means of some steps, then the unit; its last state."""

            def __init__(self) -> None:
                super().__init__()
                self.gru = nn.GRU(inputs.shape[0], width, batch_first=True)

            def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:  # noqa: ARG002
                seen = functional.avg_pool1d(numeric, step) if step > 1 else numeric
                return self.gru(seen.transpose(1, 2))[1][0]  # type: ignore[no-any-return]

            def written(self, core: Core) -> str:
                value = NUMERIC
                if step > 1:
                    value = core.add("AveragePool", [value], kernel_shape=[step], strides=[step])
                steps = core.add("Transpose", [value], perm=[2, 0, 1])  # time first
                given = [core.constant(name, table) for name, table in _tables(core, width).items()]
                return core.recurrent("GRU", [steps, *given], width)

        return pooled(Body(), width, inputs, outputs)


def _tables(core: Core, width: int) -> dict[str, np.ndarray]:
    """PyTorch's weights as ONNX orders them: the gates update, reset, new where PyTorch has reset, update, new."""
    found = {name: core.state[f"body.gru.{name}_l0"].detach().cpu().numpy() for name in NAMES}
    order = np.r_[width : 2 * width, :width, 2 * width : 3 * width]
    both = np.concatenate([found["bias_ih"][order], found["bias_hh"][order]])
    return {"input": found["weight_ih"][order][None], "state": found["weight_hh"][order][None], "bias": both[None]}
