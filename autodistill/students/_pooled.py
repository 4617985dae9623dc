"""Networks that end in one vector a row and a linear layer: what feature losses match is that vector."""

from typing import TYPE_CHECKING, Any

from autodistill.inputs import Shapes
from autodistill.students._network import Core

if TYPE_CHECKING:
    from torch import nn


def pooled(body: "nn.Module", width: int, inputs: Shapes, outputs: int) -> "nn.Module":
    """``body(numeric, codes)`` gives [n, width]; a linear layer makes logits [n, outputs] of it.

    A body that writes itself (``written(core) -> str``, the name of its vector) saves a trace an architecture; one of a
    text that has a vector for each place (``places(codes, many)``) can be taught at all of them.
    """
    from torch import Tensor, nn

    class Network(nn.Module):
        """``features`` and ``head`` apart, as losses on features need them."""

        def __init__(self) -> None:
            super().__init__()
            self.body = body
            self.head = nn.Linear(width, outputs)

        def features(self, numeric: Tensor, codes: Tensor) -> Tensor:
            """What the last layer reads [n, width]."""
            return self.body(numeric, codes)  # type: ignore[no-any-return]

        def forward(self, numeric: Tensor, codes: Tensor) -> Tensor:
            return self.head(self.features(numeric, codes))  # type: ignore[no-any-return]

    class Written(Network):
        """One whose body writes itself."""

        def onnx(self) -> Any:
            core = Core(self)
            vector = self.body.written(core)  # type: ignore[operator]
            return core.model(core.dense(vector, "head.weight", "head.bias"), inputs, outputs)

    class Placed(Written):
        """One whose body has vectors of places, too."""

        def places(self, numeric: Tensor, codes: Tensor, many: int) -> Tensor:  # noqa: ARG002
            """Logits [n, places, C] of what follows the last ``many`` places, or all that it reads."""
            return self.head(self.body.places(codes, many))  # type: ignore[no-any-return,operator]

    return Placed() if hasattr(body, "places") else Written() if hasattr(body, "written") else Network()
