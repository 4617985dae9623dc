"""What an ONNX file holds, read without the ``onnx`` package: a device that measures has onnxruntime and numpy only.

The format is protocol buffers (onnx/onnx.proto, field numbers beside each reader); only what the project needs of it
is kept: nodes, attributes, the shapes of weights, metadata, and where a file points outside itself.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.errors import ArtefactError
from autodistill.runtime import wire

DEEPEST = 24  # subgraphs within subgraphs; nobody writes these by hand
EXTERNAL = 1  # TensorProto.DataLocation
NUMBERS = {1: 4, 2: 1, 3: 1, 6: 4, 10: 2, 11: 8, 16: 2}  # TensorProto.DataType of weights -> bytes a number
READ = {1: (4, "<f4"), 2: (5, "u1")}  # of these types, attributes keep their values: field, numpy's name
LEARNED = (
    "coefficients", "intercepts", "nodes_values", "class_weights", "target_weights", "nodes_splits", "leaf_weights",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """A weight: its name, TensorProto data type, shape, and the file it lies in (None: this one). ``values`` are kept
    of attributes only, float32 and uint8, flat."""

    name: str
    dtype: int
    dims: tuple[int, ...]
    external: str | None = None
    values: npt.NDArray[Any] | None = field(default=None, compare=False, repr=False)

    @property
    def elements(self) -> int:
        return int(np.prod(self.dims, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Node:
    """One operator call. ``attributes``: int, float, bytes, int64/float32 arrays, list of bytes, Tensor or Graph."""

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in order, weights, names of inputs and outputs; ``tensors`` are all, those in attributes included."""

    nodes: tuple[Node, ...]
    weights: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: list[Tensor] = field(default_factory=list)

    def dense(self) -> tuple[Tensor, ...]:
        """Weight tensors, without those that are the nodes of trees."""
        trees = [node.attributes.values() for node in self.nodes if node.op == "TreeEnsemble"]
        apart = {id(one) for values in trees for one in values if isinstance(one, Tensor)}
        return tuple(t for t in self.tensors if t.dtype in NUMBERS and id(t) not in apart)

    def parameters(self) -> int:
        """Numbers in weight tensors, and those that trees and linear models learned."""
        learned = [node.attributes.get(name) for node in self.nodes for name in LEARNED]
        lists = sum(one.size for one in learned if isinstance(one, np.ndarray))
        cuts = sum(one.elements for one in learned if isinstance(one, Tensor))
        return sum(tensor.elements for tensor in self.dense()) + lists + cuts


@dataclass(frozen=True, slots=True)
class Model:
    """An ONNX file: its graph and its ``metadata_props``."""

    graph: Graph
    metadata: dict[str, str]

    def external(self) -> tuple[str, ...]:
        """The files outside this one that its weights lie in."""
        return tuple(sorted({t.external for t in self.graph.tensors if t.external is not None}))


def read(data: bytes, where: str = "") -> Model:
    """Parse the bytes of an ONNX file; ArtefactError where they are not one."""
    try:
        found: list[Tensor] = []
        parts, metadata = [], {}
        for number, _, value in wire.fields(memoryview(data)):
            if number == 7:
                parts.append(value)  # a message given twice is one message, its parts appended
            elif number == 14:
                key, text = _pair(value)
                metadata[key] = text
            elif number == 25:  # a function: only its constants matter here
                for inner, _, node in wire.fields(value):
                    if inner == 7:
                        _node(node, found, 0)
        graph = _graph(memoryview(b"".join(parts)), found, 0)
        if not graph.outputs:
            raise ValueError("no graph in it")
    except (ValueError, IndexError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise ArtefactError(
            f"not a readable ONNX file ({error})", where=where, do="export it again, or give another file"
        ) from None
    return Model(graph, metadata)


def with_outputs(data: bytes, names: tuple[str, ...]) -> bytes:
    """The same model with inner values as further outputs. Protocol buffers merge a repeated message by appending its
    lists, so that nothing needs to be rewritten."""
    outputs = b"".join(wire.block(12, wire.block(1, name.encode())) for name in names)
    return data + wire.block(7, outputs)


def _text(value: memoryview) -> str:
    return bytes(value).decode()


def _pair(data: memoryview) -> tuple[str, str]:
    """StringStringEntryProto: key 1, value 2."""
    found = {number: _text(value) for number, _, value in wire.fields(data) if number in {1, 2}}
    return found.get(1, ""), found.get(2, "")


def _tensor(data: memoryview, name: str = "") -> Tensor:
    """TensorProto: dims 1, data_type 2, name 8, external_data 13, data_location 14."""
    dims: list[int] = []
    dtype, location, entries = 0, 0, {}
    for number, kind, value in wire.fields(data):
        if number == 1:
            dims += [wire.signed(value)] if kind == wire.VARINT else wire.varints(value)[0].tolist()
        elif number == 2:
            dtype = value
        elif number == 8 and isinstance(value, memoryview):
            name = _text(value)
        elif number == 13:
            key, text = _pair(value)
            if key in entries:
                raise ValueError(f"a weight has two values for {key}")
            entries[key] = text
        elif number == 14:
            location = value
    return Tensor(name, dtype, tuple(dims), entries.get("location", "") if location == EXTERNAL or entries else None)


def _with_values(data: memoryview) -> Tensor:
    """A tensor and its values: raw_data 9, else float_data 4 or int32_data 5 (uint8 lies there, a varint each)."""
    tensor = _tensor(data)
    if tensor.dtype not in READ or tensor.external is not None:
        return tensor
    listed, kind_of = READ[tensor.dtype]
    parts = [np.zeros(0, kind_of)]
    for number, kind, value in wire.fields(data):
        if number == 9 or number == listed == 4:
            parts.append(np.frombuffer(value, kind_of))
        elif number == listed:
            parts.append(_int_list(kind, value).astype(kind_of))
    values = np.concatenate(parts)
    if values.size != tensor.elements:
        raise ValueError("a tensor has not the values that its shape says")
    return replace(tensor, values=values)


def _sparse(data: memoryview, found: list[Tensor]) -> None:
    """SparseTensorProto: values 1, indices 2."""
    found += [_tensor(value) for number, _, value in wire.fields(data) if number in {1, 2}]


def _attribute(data: memoryview, found: list[Tensor], depth: int) -> tuple[str, Any]:
    """AttributeProto: name 1, f 2, i 3, s 4, t 5, g 6, floats 7, ints 8, strings 9, tensors 10, graphs 11, and
    sparse_tensor(s) 22, 23."""
    name = ""
    many: list[Any] = []
    single: Any = None
    for number, kind, value in wire.fields(data):
        if number == 1:
            name = _text(value)
        elif number == 2:
            single = float(np.frombuffer(value, "<f4")[0])
        elif number == 3:
            single = wire.signed(value)
        elif number == 4:
            single = bytes(value)
        elif number in {5, 10}:
            single = _with_values(value)
            found.append(single)
        elif number in {6, 11}:
            single = _graph(value, found, depth + 1)
        elif number == 7:
            many.append(value if isinstance(value, np.ndarray) else np.frombuffer(value, "<f4"))
        elif number == 8:
            many.append(_int_list(kind, value))
        elif number == 9:
            many.append(bytes(value))
        elif number in {22, 23}:
            _sparse(value, found)
    if many:
        single = many if isinstance(many[0], bytes) else np.concatenate(many)
    return name, single


def _int_list(kind: int, value: Any) -> npt.NDArray[np.int64]:
    if isinstance(value, np.ndarray):
        return value
    return np.array([wire.signed(value)], np.int64) if kind == wire.VARINT else wire.varints(value)[0]


def _node(data: memoryview, found: list[Tensor], depth: int) -> Node:
    """NodeProto: input 1, output 2, name 3, op_type 4, attribute 5, domain 7."""
    texts: dict[int, list[str]] = {1: [], 2: [], 3: [""], 4: [""], 7: [""]}
    attributes = {}
    for number, _, value in wire.fields(data):
        if number in texts:
            texts[number].append(_text(value))
        elif number == 5:
            name, attribute = _attribute(value, found, depth)
            attributes[name] = attribute
    return Node(texts[4][-1], texts[7][-1], texts[3][-1], tuple(texts[1]), tuple(texts[2]), attributes)


def _graph(data: memoryview, found: list[Tensor], depth: int) -> Graph:
    """GraphProto: node 1, initializer 5, input 11, output 12, sparse_initializer 15 (ValueInfoProto: name 1)."""
    if depth > DEEPEST:
        raise ValueError("its subgraphs are nested too deeply")
    nodes, weights = [], []
    names: dict[int, list[str]] = {11: [], 12: []}
    for number, _, value in wire.fields(data):
        if number == 1:
            nodes.append(_node(value, found, depth))
        elif number == 5:
            weights.append(_tensor(value))
        elif number in names:
            names[number] += [_text(inner) for n, _, inner in wire.fields(value) if n == 1]
        elif number == 15:
            _sparse(value, found)
    found += weights
    return Graph(tuple(nodes), tuple(weights), tuple(names[11]), tuple(names[12]), found)
