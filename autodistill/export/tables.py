"""Tables of vectors (of words, of categories) in int8: what a text's student weighs is its table."""

from typing import Any

import numpy as np

LEAST = 4096
"""Tables of fewer numbers stay as they are: they weigh little, and two operators more a call do not pay."""
STEPS = 127


def narrow_tables(core: Any) -> Any:
    """``core`` whose float tables, where rows are looked up in them, are int8 with a scale a column, in place.

    Columns of vectors that begin as principal directions differ in spread by an order of magnitude. A looked-up row is
    made float by Cast and Mul: ONNX Runtime's own quantiser has one scale a table.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = core.graph
    held = {one.name: one for one in graph.initializer}
    readers: dict[str, list[Any]] = {one.name: [one] for one in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    made: list[Any] = []
    for node in list(graph.node):
        made.append(node)
        table = held.get(node.input[0]) if node.op_type == "Gather" else None
        if (
            table is None
            or table.data_type != TensorProto.FLOAT
            or len(table.dims) != 2
            or len(readers[table.name]) > 1
        ):
            continue
        if int(np.prod(table.dims)) < LEAST or any(one.name == "axis" and one.i for one in node.attribute):
            continue
        values = numpy_helper.to_array(table)
        scale = np.maximum(np.abs(values).max(axis=0) / STEPS, np.float32(1e-12)).astype(np.float32)
        name, out = table.name, node.output[0]
        table.CopyFrom(numpy_helper.from_array(np.rint(values / scale).astype(np.int8), name))
        graph.initializer.append(numpy_helper.from_array(scale, f"{name}/scale"))
        node.output[0] = f"{out}/int8"
        made.append(helper.make_node("Cast", [f"{out}/int8"], [f"{out}/float"], to=TensorProto.FLOAT))
        made.append(helper.make_node("Mul", [f"{out}/float", f"{name}/scale"], [out]))
    del graph.node[:]
    graph.node.extend(made)
    return core
