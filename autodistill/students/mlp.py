"""Multi-layer perceptron on numbers and embedded categories."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.students import embedded
from autodistill.students._network import Core

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Mlp:
    """A small network: scaled numbers, optional periodic features of them, and embedded categories."""

    trains: ClassVar[str] = "gradient"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    readings_depend_on: ClassVar[str] = "architecture"

    width: Annotated[int, Field(ge=1, le=4096, description="units of a hidden layer")] = 32
    depth: Annotated[int, Field(ge=0, le=16, description="hidden layers; none is a linear model")] = 1
    embedding: Annotated[int, Field(ge=1, le=256, description="numbers that stand for one category")] = 4
    periodic: Annotated[
        int, Field(ge=0, le=64, description="frequencies a number (Gorishniy et al. 2022, arXiv 2203.05556); 0: none")
    ] = 0
    activation: Annotated[Literal["relu", "gelu", "silu"], Field(description="non-linearity")] = "relu"
    dropout: Annotated[float, Field(ge=0, lt=1, description="share of hidden units left out in training")] = 0.0
    columns: Annotated[
        int | None, Field(ge=1, description="most telling columns that it reads; null: all (fewer inputs, faster)")
    ] = None

    def build(self, inputs: Shapes, outputs: int) -> "nn.Module":
        """A module from numeric [n, K] (or [n, *size]) and codes [n, M] to logits [n, outputs]."""
        return _module(self, inputs, outputs)


def _module(options: Mlp, inputs: Shapes, outputs: int) -> "nn.Module":
    import torch
    from torch import nn

    activations = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}
    columns, frequencies = inputs.numeric, 2 * options.periodic

    class Network(nn.Module):
        """Concatenate once, then dense layers: each node costs about a microsecond at batch 1."""

        column: "Tensor"

        def __init__(self) -> None:
            super().__init__()
            wide = columns * (1 + frequencies) + inputs.coded * options.embedding
            if inputs.cardinalities:
                self.table = embedded(inputs, options.embedding, 0.3)
            if columns and frequencies:
                # sin(2πcx) and cos(2πcx) as one sine: half the phases begin at π/2, and all are learned.
                self.frequency = nn.Parameter(torch.randn(columns * frequencies) * 0.3 * 2 * torch.pi)
                phase = torch.tensor([0.0, torch.pi / 2]).repeat(columns * options.periodic)
                self.phase = nn.Parameter(phase)
                self.register_buffer("column", torch.arange(columns).repeat_interleave(frequencies), persistent=False)
            layers: list[nn.Module] = []
            for _ in range(options.depth):
                layers += [nn.Linear(wide, options.width), activations[options.activation]()]
                layers += [nn.Dropout(options.dropout)] if options.dropout else []
                wide = options.width
            self.layers = nn.Sequential(*layers, nn.Linear(wide, outputs))

        def forward(self, numeric: "Tensor", codes: "Tensor") -> "Tensor":
            return self.layers(self._read(numeric, codes))  # type: ignore[no-any-return]

        def features(self, numeric: "Tensor", codes: "Tensor") -> "Tensor":
            """What the last layer reads [n, width]."""
            value = self._read(numeric, codes)
            *hidden, _ = self.layers
            for layer in hidden:
                value = layer(value)
            return value

        def head(self, features: "Tensor") -> "Tensor":
            """Logits of features."""
            return self.layers[-1](features)  # type: ignore[no-any-return]

        def _read(self, numeric: "Tensor", codes: "Tensor") -> "Tensor":
            flat = numeric.flatten(1)
            parts = [flat] if columns else []
            if columns and frequencies:
                parts.append((flat.index_select(1, self.column) * self.frequency + self.phase).sin())
            if inputs.cardinalities:
                parts.append(self.table(codes).flatten(1))
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

        def onnx(self) -> Any:
            return _graph(options, inputs, outputs, Core(self))

    return Network()


def _graph(options: Mlp, inputs: Shapes, outputs: int, core: Core) -> Any:
    """What ``forward`` computes when nothing is dropped, operator by operator."""
    frequencies = 2 * options.periodic
    numbers = core.numbers(inputs) if inputs.numeric else ""
    parts = [numbers] if numbers else []
    if numbers and frequencies:
        column = core.constant("column", np.arange(inputs.numeric).repeat(frequencies))
        spread = core.add("Mul", [core.add("Gather", [numbers, column], axis=1), core.weight("frequency")])
        parts.append(core.add("Sin", [core.add("Add", [spread, core.weight("phase")])]))
    if inputs.cardinalities:
        flat = core.constant("flat", np.array([-1, inputs.coded * options.embedding]))
        parts.append(core.add("Reshape", [core.looked_up("table.weight"), flat]))
    value = parts[0] if len(parts) == 1 else core.add("Concat", parts, axis=1)
    step = 3 if options.dropout else 2  # entries of ``layers`` a hidden layer
    for at in range(0, step * options.depth, step):
        value = core.dense(value, f"layers.{at}.weight", f"layers.{at}.bias")
        value = _activated(core, value, options.activation)
    last = step * options.depth
    return core.model(core.dense(value, f"layers.{last}.weight", f"layers.{last}.bias"), inputs, outputs)


def _activated(core: Core, value: str, activation: str) -> str:
    if activation == "silu":
        return core.add("Mul", [value, core.add("Sigmoid", [value])])
    return core.add({"relu": "Relu", "gelu": "Gelu"}[activation], [value])
