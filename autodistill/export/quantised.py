"""fp32 core → int8 core: static QDQ of its matrix products, calibrated on train rows; tables of vectors in int8."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.export.network import quiet
from autodistill.export.tables import narrow_tables

CALIBRATION_ROWS = 512


def quantised(core: Any, feeds: Mapping[str, npt.NDArray[Any]]) -> Any:
    """``core`` with int8 weights and activations in its products, ranges from ``feeds`` (its inputs, [n, …]).

    Each output channel has a scale of its own: channels that were trained under a normalisation differ in size by
    orders of magnitude (Krishnamoorthi 2018, arXiv 1806.08342, 3.1). Weights keep seven bits: on processors without
    VNNI the eighth saturates 16-bit sums, and the same file would then decide differently from one machine to the next.
    What goes into a logarithm stays as it is: it spans decades, of which 256 even steps keep one.
    """
    import onnx
    from onnxruntime import quantization

    class Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[Mapping[str, npt.NDArray[Any]]] = iter([_first(feeds, CALIBRATION_ROWS)])

        def get_next(self) -> Mapping[str, npt.NDArray[Any]] | None:
            return next(self._batches, None)

    with tempfile.TemporaryDirectory() as folder, quiet():
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(_named(core).SerializeToString(deterministic=True))
        quantization.quantize_static(
            given,
            made,
            Rows(),
            nodes_to_exclude=_into_logarithms(core),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["MatMul", "Gemm", "Conv", "Relu"],  # a Relu goes into the range of what it follows
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
        core = onnx.load_model(made)
    _free_outputs(core)
    return narrow_tables(core)


def dynamic(core: Any) -> Any:
    """``core`` with int8 weights in its MatMul, Gemm and Gather, activations quantised by their range in each call.
    Nothing is calibrated."""
    import onnx
    from onnxruntime import quantization

    with tempfile.TemporaryDirectory() as folder, quiet():
        given, made = Path(folder) / "given.onnx", Path(folder) / "made.onnx"
        given.write_bytes(core.SerializeToString(deterministic=True))
        quantization.quantize_dynamic(
            given,
            made,
            op_types_to_quantize=["MatMul", "Gemm", "Gather"],
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )
        return onnx.load_model(made)


def _named(core: Any) -> Any:
    """``core`` whose nodes all have names, by which some are left out."""
    for at, node in enumerate(core.graph.node):
        node.name = node.name or f"{node.op_type}{at}"
    return core


def _into_logarithms(core: Any) -> list[str]:
    """The names of all nodes whose values go into a logarithm; what lies before probabilities does not."""
    makers = {name: node for node in core.graph.node for name in node.output}
    found: dict[str, Any] = {}
    waiting = [name for node in core.graph.node if node.op_type == "Log" for name in node.input]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in found and node.op_type != "Softmax":
            found[node.name] = node
            waiting += node.input
    return list(found)


def _free_outputs(core: Any) -> None:
    """Logits leave as the product gives them: rounding them to 256 steps would cost a node and say nothing."""
    makers = {name: node for node in core.graph.node for name in node.output}
    for output in core.graph.output:
        restored = makers[output.name]
        rounded = makers.get(restored.input[0]) if restored.op_type == "DequantizeLinear" else None
        if rounded is not None and rounded.op_type == "QuantizeLinear":
            makers[rounded.input[0]].output[0] = output.name
            core.graph.node.remove(restored)
            core.graph.node.remove(rounded)


def _first(feeds: Mapping[str, npt.NDArray[Any]], rows: int) -> Mapping[str, npt.NDArray[Any]]:
    return {name: np.ascontiguousarray(values[:rows]) for name, values in feeds.items()}
