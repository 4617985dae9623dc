"""A network as an ONNX graph, node by node: written in a millisecond where a trace takes seconds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autodistill.inputs import CODES, NUMERIC, Shapes

if TYPE_CHECKING:
    from torch import nn

LOGITS = "logits"
OPSET, IR_VERSION = 20, 10  # Gelu is an operator from opset 20 on


class Core:
    """A graph from ``/numeric`` float32 [N, K] and ``/codes`` int64 [N, M] under construction, on a network's weights.

    ``weight`` and ``constant`` give the name of what they put in, ``add`` that of the value it makes.
    """

    def __init__(self, network: "nn.Module") -> None:
        self.state: Mapping[str, Any] = network.state_dict()
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def weight(self, name: str) -> str:
        """A weight under its name in the network's state."""
        return self.constant(name, self.state[name].detach().cpu().numpy())

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """A value that no weight is."""
        from onnx import numpy_helper

        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """One operator of one output."""
        from onnx import helper

        output = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def dense(self, value: str, weight: str, bias: str) -> str:
        """value · weightᵀ + bias, as ``nn.Linear`` keeps them."""
        return self.add("Gemm", [value, self.weight(weight), self.weight(bias)], transB=1)

    def convolved(self, value: str, name: str, layer: Any) -> str:
        """A convolution whose weights stand under ``name``."""
        return self._convolution([value, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")], layer)

    def normed(self, value: str, name: str, pair: Any) -> str:
        """A convolution and the batch normalisation after it (``_normed.normed``) as one convolution: what was trained
        with it costs nothing afterwards (Jacob et al. 2018, arXiv 1712.05877, section 3.2)."""
        layer, norm = pair
        state = {one: self.state[f"{name}.1.{one}"] for one in ("weight", "bias", "running_mean", "running_var")}
        scale = state["weight"] / (state["running_var"] + norm.eps).sqrt()
        weight = self.state[f"{name}.0.weight"] * scale.reshape(-1, *[1] * (layer.weight.dim() - 1))
        bias = state["bias"] - state["running_mean"] * scale
        given = [(f"{name}.weight", weight), (f"{name}.bias", bias)]
        return self._convolution([value, *(self.constant(one, of.detach().cpu().numpy()) for one, of in given)], layer)

    def _convolution(self, given: Sequence[str], layer: Any) -> str:
        return self.add(
            "Conv", given, group=layer.groups, strides=list(layer.stride), dilations=list(layer.dilation),
            pads=2 * list(layer.padding),
        )  # fmt: skip

    def recurrent(self, op: str, given: Sequence[str], width: int) -> str:
        """The last state [N, width] of a recurrent operator over ``given``: steps [T, N, C], then its weights."""
        from onnx import helper

        output = f"value{len(self._nodes)}"
        node = helper.make_node(op, list(given), ["", output], hidden_size=width, linear_before_reset=1)
        self._nodes.append(node)
        return self.add("Squeeze", [output, self.constant("direction", np.array([0]))])

    def over(self, op: str, value: str, *axes: int) -> str:
        """A value without some axes: ``ReduceMean``, ``ReduceSum`` or ``ReduceMax`` over them."""
        return self.add(op, [value, self.constant(f"axes{axes}", np.array(axes))], keepdims=0)

    def picture(self, inputs: Shapes) -> str:
        """The numbers of a row as [N, C, H, W]: a spectrogram has one channel."""
        if len(inputs.shape) == 3:
            return NUMERIC
        return self.add("Unsqueeze", [NUMERIC, self.constant("channel", np.array([1]))])

    def words(self, table: str) -> tuple[str, str]:
        """Word vectors [N, M, width], zero where there is no word (code 0), and 1 where there is one, else 0."""
        there = self.add("Cast", [self.add("Greater", [CODES, self.constant("none", np.array(0))])], to=1)
        there = self.add("Unsqueeze", [there, self.constant("last", np.array([2]))])
        return self.add("Mul", [self.looked_up(table), there]), there

    def numbers(self, inputs: Shapes) -> str:
        """The numbers of a row as a flat list [N, K]."""
        if len(inputs.shape) == 1:
            return NUMERIC
        return self.add("Reshape", [NUMERIC, self.constant("numbers", np.array([-1, inputs.numeric]))])

    def looked_up(self, table: str) -> str:
        """The rows [N, M, width] of a table that the codes name."""
        return self.add("Gather", [self.weight(table), CODES])

    def model(self, logits: str, inputs: Shapes, outputs: int) -> Any:
        """The core (``ModelProto``) that answers with ``logits`` [N, outputs]; it has the inputs that are read."""
        from onnx import TensorProto, helper

        for node in self._nodes:
            node.output[:] = [LOGITS if name == logits else name for name in node.output]
        given = ((NUMERIC, TensorProto.FLOAT, inputs.shape), (CODES, TensorProto.INT64, (inputs.coded,)))
        read = {name for node in self._nodes for name in node.input}
        graph = helper.make_graph(
            self._nodes,
            "core",
            [helper.make_tensor_value_info(name, kind, ["N", *shape]) for name, kind, shape in given if name in read],
            [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["N", outputs])],
            list(self._constants.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
