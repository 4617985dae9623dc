"""A front end under construction: one raw input, a few operators, one or two outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

OPSET, ML_OPSET, IR_VERSION = 20, 3, 10
EMPTY, UNSEEN, FIRST = 0, 1, 2  # codes of no word, of one that is not known, and the first of those that are
INT64, STRING = 7, 8  # ONNX's numbers of these types
CONTRIB = "com.microsoft"  # ONNX Runtime's own operators; a graph names the domain only if it has one of them


class Front:
    """Nodes and constants of a graph with the one input ``name`` of an element ``kind`` and ``shape`` a row."""

    def __init__(self, name: str, kind: str, shape: Sequence[int]) -> None:
        self.name, self._kind, self._shape = name, kind, tuple(shape)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """A fixed value."""
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """One operator; its first output."""
        return self.several(op, inputs, [output or f"/front/{len(self._nodes)}"], **attributes)

    def several(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> str:
        """One operator of several outputs; the first."""
        from onnx import helper

        self._nodes.append(helper.make_node(op, list(inputs), list(outputs), **attributes))
        return outputs[0]

    def coded(self, words: str, known: Mapping[str, int]) -> str:
        """int64, in the shape of ``words``: the code of each; none is EMPTY, one that is not known UNSEEN."""
        return self.add(
            "LabelEncoder",
            [words],
            domain="ai.onnx.ml",
            keys_strings=["", *known],
            values_int64s=[EMPTY, *known.values()],
            default_int64=UNSEEN,
        )

    def cut(self, codes: str, length: int) -> str:
        """int64 [N, length]: cut off, or filled up with EMPTY."""
        fill = self.constant("/fill", np.array([0, 0, 0, length]))
        padded = self.add("Pad", [codes, fill, self.constant("/nothing", np.array(EMPTY))])
        bounds = (("/begin", 0), ("/end", length), ("/along", 1))
        return self.add("Slice", [padded, *(self.constant(name, np.array([at])) for name, at in bounds)])

    def model(self, output: str, kind: str, shape: Sequence[int | str]) -> bytes:
        """The serialised model with one output ("float", "int64" or "string") of a ``shape`` a row."""
        import onnx
        from onnx import TensorProto, helper

        kinds = {
            "string": TensorProto.STRING, "float": TensorProto.FLOAT, "uint8": TensorProto.UINT8,
            "int64": TensorProto.INT64,
        }  # fmt: skip
        given = helper.make_tensor_value_info(self.name, kinds[self._kind], ["N", *self._shape])
        result = helper.make_tensor_value_info(output, kinds[kind], ["N", *shape])
        graph = helper.make_graph(self._nodes, "front_end", [given], [result], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        opsets += [helper.make_opsetid(CONTRIB, 1)] * any(node.domain == CONTRIB for node in self._nodes)
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))
