"""Front ends of models that read the table's own columns: what they are given, as one ONNX graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from autodistill.inputs import Encoding

Kind = Literal["string", "float", "uint8", "int64"]
OPSET = 18


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A value ``to`` that a model reads, made of columns: of one as it is, or of several as a matrix [N, F].

    ``kind`` is the columns' element type, ``shape`` a row's shape in them (rank 0: a column of a table), ``dtype`` the
    element type that the model asks for (numpy's name, "string" for strings), ``rank`` the rank that it asks for.
    """

    to: str
    columns: tuple[str, ...]
    kind: Kind
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    rank: int = 2


def front(feeds: Sequence[Feed]) -> Encoding:
    """One encoding of all values, its outputs called ``to``; of one value in either form."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    kinds = {
        "string": TensorProto.STRING, "float": TensorProto.FLOAT, "uint8": TensorProto.UINT8,
        "int64": TensorProto.INT64,
    }  # fmt: skip
    nodes: list[Any] = []
    constants: list[Any] = []
    outputs, inputs = [], {}

    def add(op: str, read: list[str], output: str = "", **attributes: Any) -> str:
        nodes.append(helper.make_node(op, read, [output or f"/feed/{len(nodes)}"], **attributes))
        return str(nodes[-1].output[0])

    def constant(values: list[int]) -> str:
        constants.append(numpy_helper.from_array(np.array(values, np.int64), f"/constant/{len(constants)}"))
        return str(constants[-1].name)

    for feed in feeds:
        for column in feed.columns:
            shape = ["N", *feed.shape]
            inputs[column] = helper.make_tensor_value_info(column, kinds[feed.kind], shape)
        value = feed.columns[0]
        if len(feed.columns) > 1:  # stacked first and turned once: three nodes, whatever their number
            flat = add("Concat", list(feed.columns), axis=0)
            value = add("Transpose", [add("Reshape", [flat, constant([len(feed.columns), -1])])], perm=[1, 0])
        elif feed.rank == 2 and not feed.shape:
            value = add("Reshape", [value, constant([-1, 1])])
        stored = "float32" if feed.kind == "float" else feed.kind
        if feed.dtype != stored:
            value = add("Cast", [value], to=_type(feed.dtype))
        add("Identity", [value], feed.to)
        kind = TensorProto.STRING if feed.dtype == "string" else _type(feed.dtype)
        row = (len(feed.columns),) if len(feed.columns) > 1 or (feed.rank == 2 and not feed.shape) else feed.shape
        outputs.append(helper.make_tensor_value_info(feed.to, kind, ["N", *row]))
    graph = helper.make_graph(nodes, "front_end", list(inputs.values()), outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    data = bytes(model.SerializeToString(deterministic=True))
    listed = tuple((column, feed.kind) for feed in feeds for column in feed.columns)
    return Encoding(
        inputs=tuple(dict(listed).items()),
        numeric=0,
        cardinalities=(),
        split=data,
        matrix=data if len(feeds) == 1 else b"",
    )


def _type(name: str) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(name)))
