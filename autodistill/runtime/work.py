"""The work of one inference, counted on the graph that ONNX Runtime executes (after its own fusions).

Shapes and data types come from ONNX Runtime's profiler, which needs no shape inference and sees fused and quantised
operators as they run; ``session.disable_prepacking`` keeps weights where it counts them. Its layouts in blocks of 8 or
16 channels are left out: they pad what they hold, each processor in its own way, and a count is of the model. What a
tree or a string look-up does depends on the row, so those are walked on real rows.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from autodistill.errors import ArtefactError
from autodistill.runtime import graph, session, trees

if TYPE_CHECKING:
    from autodistill.records import Features

# operator -> position of the operand that is contracted with the first one
PRODUCTS = {
    "MatMul": 1, "FusedMatMul": 1, "Gemm": 1, "FusedGemm": 1, "MatMulInteger": 1, "MatMulIntegerToFloat": 1,
    "DynamicQuantizeMatMul": 1, "QLinearMatMul": 3, "QGemm": 3,
}  # fmt: skip
CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
RECURRENT = ("LSTM", "GRU", "RNN")
LINEAR = ("LinearClassifier", "LinearRegressor")
ARITHMETIC = {"float": "fp32", "float16": "fp16", "bfloat16": "fp16", "int8": "int8", "uint8": "int8"}
CONTROL = ("If", "Loop", "Scan")  # what they run is counted node by node
# operators whose work is moving their inputs and outputs, a few operations an element
_MOVES = """
    Abs Acos Acosh Add And ArgMax ArgMin ArrayFeatureExtractor Asin Asinh Atan Atanh AveragePool
    BatchNormalization BiasGelu BiasSoftmax Binarizer BitShift Cast Ceil Celu Clip Compress
    Concat Constant ConstantOfShape Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout
    DynamicQuantizeLinear Elu Equal Erf Exp Expand EyeLike FastGelu FeatureVectorizer Flatten
    Floor Gather GatherElements GatherND Gelu GlobalAveragePool GlobalMaxPool Greater
    GreaterOrEqual HardSigmoid HardSwish Hardmax Identity Imputer InstanceNormalization IsInf
    IsNaN LabelEncoder LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Max MaxPool
    Mean Min Mish Mod Mul Neg NonZero Normalizer Not OneHot OneHotEncoder Or PRelu Pad Pow
    QLinearAdd QLinearAveragePool QLinearConcat QLinearGlobalAveragePool QLinearLeakyRelu
    QLinearMul QLinearSigmoid QLinearSoftmax QuantizeLinear QuickGelu RMSNormalization Range
    Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare Relu ReorderInput ReorderOutput Reshape Resize Round Scaler
    ScatterND Selu Shape Shrink Sigmoid Sign SimplifiedLayerNormalization Sin Sinh Size
    SkipLayerNormalization SkipSimplifiedLayerNormalization Slice Softmax Softplus Softsign
    SpaceToDepth Split Sqrt Squeeze StringNormalizer Sub Sum Swish Tan Tanh ThresholdedRelu Tile
    TopK Transpose Trilu Unsqueeze Upsample Where Xor ZipMap
"""
MOVES = frozenset(_MOVES.split())


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """Work a row. ``macs`` by arithmetic (fp32, fp16, int8); bytes of weights and of activations moved; ``key_bytes``
    of strings looked up; ``tree_visits`` and the bytes of all trees; ``weights`` is the size in bytes of all dense
    weights. ``unknown`` names operators that the model has no rule for: their work is not zero but missing."""

    macs: Mapping[str, float]
    weight_bytes: float
    activation_bytes: float
    key_bytes: float
    tree_visits: float
    tree_bytes: int
    weights: int
    parameters: int
    unknown: tuple[str, ...] = ()


def count(path: Path, rows: "Features", batch: int = 1) -> Work:
    """Work a row of an artefact at a batch size; tree visits and key bytes are means over ``rows``."""
    data = session.content(path)
    model = graph.read(data, str(path))
    events = _profile(path, rows, batch)
    tree_nodes = [node for node in model.graph.nodes if trees.known(node)]
    look_ups = [node for node in model.graph.nodes if node.op == "LabelEncoder"]
    seen = _values(path, data, model, rows, [node.inputs[0] for node in tree_nodes + look_ups])
    walked = {node.op for node in tree_nodes} if len(tree_nodes) == _trees(events) else set()
    macs: Counter[str] = Counter()
    moved, unknown = {"weights": 0, "activations": 0}, set()
    for event in events:
        op = event["op_name"]
        if op in CONTROL:
            continue
        kind, number = _macs(event, model)
        if kind == "":
            if op not in MOVES and op not in walked:
                unknown.add(op)
        elif kind not in ARITHMETIC:
            unknown.add(f"{op}({kind})")
        else:
            macs[ARITHMETIC[kind]] += number
        weights, activations = _bytes(event, model)
        moved["weights"] += weights
        moved["activations"] += activations
    return Work(
        macs={kind: number / batch for kind, number in sorted(macs.items())},
        weight_bytes=moved["weights"] / batch,
        activation_bytes=moved["activations"] / batch,
        key_bytes=sum(_key_bytes(seen[node.inputs[0]]) for node in look_ups),
        tree_visits=sum(trees.visits(node, seen[node.inputs[0]]) for node in tree_nodes),
        tree_bytes=sum(trees.size(node) for node in tree_nodes) * trees.NODE_BYTES,
        weights=sum(t.elements * graph.NUMBERS[t.dtype] for t in model.graph.dense()),
        parameters=model.graph.parameters(),
        unknown=tuple(sorted(unknown)),
    )


def _trees(events: list[dict[str, Any]]) -> int:
    """How many ensembles ran: one inside a subgraph, or of an unknown kind, is not walked."""
    return sum(event["op_name"] in trees.OPERATORS for event in events)


def _profile(path: Path, rows: "Features", batch: int) -> list[dict[str, Any]]:
    """ONNX Runtime's own record of one call: an event a kernel, in order, with types and shapes."""
    with tempfile.TemporaryDirectory(prefix="autodistill-") as folder:
        opened = session.open(
            path,
            settings={"session.disable_prepacking": "1"},
            graph_optimization_level=onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
            enable_profiling=True,
            profile_file_prefix=str(Path(folder) / "profile"),
        )
        at = np.arange(opened.fixed_batch or batch) % len(next(iter(rows.values())))
        try:
            opened.run(opened.feed(rows, at))
        finally:
            written = Path(opened.native.end_profiling())  # also when the call failed: it closes the file
        events = json.loads(written.read_bytes())
    found = [event["args"] for event in events if event["cat"] == "Node" and event["name"].endswith("_kernel_time")]
    if not found:
        raise ArtefactError("onnxruntime's profiler saw no operator", where=str(path), do="export it again")
    return found


def _values(path: Path, data: bytes, model: graph.Model, rows: "Features", names: list[str]) -> dict[str, Any]:
    """Values inside the graph on these rows, the artefact's own inputs included."""
    inner = tuple(sorted(set(names) - set(model.graph.inputs)))
    values = {name: np.asarray(rows[name]) for name in names if name in model.graph.inputs}
    if not inner:
        return values
    if model.external():
        raise ArtefactError("trees and look-ups are read from one file only", where=str(path), do="save it as one file")
    probe = session.open(graph.with_outputs(data, inner))
    size = probe.fixed_batch or len(next(iter(rows.values())))
    return values | dict(zip(inner, probe.run(probe.feed(rows, slice(0, size)), inner), strict=True))


def _key_bytes(keys: Any) -> float:
    """Bytes of key a row that a look-up hashes."""
    keys = keys.reshape(len(keys), -1)
    if keys.dtype.kind in "OU":
        return sum(len(str(key).encode()) for key in keys.flat) / len(keys)
    return float(keys.dtype.itemsize * keys.shape[1])


def _shapes(event: Mapping[str, Any], side: str) -> list[tuple[str, tuple[int, ...]]]:
    return [next((kind, tuple(dims)) for kind, dims in one.items()) for one in event[f"{side}_type_shape"] if one]


def _macs(event: Mapping[str, Any], model: graph.Model) -> tuple[str, int]:
    """(data type of the weights, multiply-accumulates) of a kernel call; ("", 0) where it does not contract."""
    op, given, out = event["op_name"], _shapes(event, "input"), _shapes(event, "output")
    if op in PRODUCTS:
        kind, b = given[PRODUCTS[op]]
        inner = prod(b[-2:]) // max(out[0][1][-1], 1) if len(b) > 1 else b[0]
        return kind, prod(out[0][1]) * inner
    if op in CONVOLUTIONS:
        kind, w = given[CONVOLUTIONS[op]]
        places = prod(given[0][1]) if op == "ConvTranspose" else prod(out[0][1])
        return kind, places * prod(w[1:])
    if op in RECURRENT:
        (_, x), (kind, w), (_, r) = given[:3]
        return kind, x[0] * x[1] * (prod(w) + prod(r))
    if op in LINEAR:
        owners = [node for node in model.graph.nodes if node.op == op]
        rows = given[0][1][0] if len(given[0][1]) > 1 else 1
        return "float", rows * sum(node.attributes["coefficients"].size for node in owners) // len(owners)
    return "", 0


def _bytes(event: Mapping[str, Any], model: graph.Model) -> tuple[int, int]:
    """(weights, activations) bytes a kernel moves. A Gather reads the rows it returns, not its whole table; strings
    are billed by their look-up."""
    out = int(event["output_size"])
    weights, activations = int(event["parameter_size"]), int(event["activation_size"])
    if event["op_name"] in LINEAR:  # its coefficients are attributes, which the profiler does not count
        weights += 4 * sum(node.attributes["coefficients"].size for node in model.graph.nodes if node.op in LINEAR)
    if event["op_name"].startswith("Gather") and weights:
        weights = min(weights, out)
    if any("string" in one for one in event["input_type_shape"]):
        activations = 0
    if any("string" in one for one in event["output_type_shape"]):
        out = 0
    return weights, activations + out
