"""A fitted estimator -> its ONNX core: ``features`` float32 [N, F] -> ``probabilities`` [N, C] (``values`` [N, 1])."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from autodistill.records import FloatArray

OPSET, ML_OPSET = 18, 3


def convert(model: Any, width: int, classes: int) -> tuple[bytes | None, str]:
    """The serialised core, or None and why there is none. ``classes`` is 0 for regression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            core = _lightgbm(model, width) if type(model).__module__.startswith("lightgbm") else _sklearn(model, width)
    except ModuleNotFoundError as fault:
        return None, f"{fault.name} is not installed, which converts a {type(model).__name__}"
    except Exception as fault:
        line = str(fault).strip().split("\n", 1)[0]
        return None, f"{type(model).__name__} cannot be converted ({type(fault).__name__}: {line})"
    if classes and list(getattr(model, "classes_", range(classes))) != list(range(classes)):
        return None, f"{type(model).__name__} has not seen every class"
    return bytes(core.SerializeToString(deterministic=True)), ""


def _sklearn(model: Any, width: int) -> Any:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    initial = [("features", FloatTensorType([None, width]))]
    return to_onnx(model, initial_types=initial, options=options, target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET})


def _lightgbm(model: Any, width: int) -> Any:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    # Opset 15 is the newest that its converter knows; the parts are joined under the highest of all.
    return convert_lightgbm(
        model, initial_types=[("features", FloatTensorType([None, width]))], zipmap=False, target_opset=15
    )


def mean(cores: Sequence[bytes], weights: FloatArray) -> bytes:
    """One core whose probabilities are the weighted mean of several cores' (each last float output)."""
    import onnx
    from onnx import TensorProto, compose, helper, numpy_helper

    nodes, constants, means = [], [], []
    versions: dict[str, int] = {}
    width = onnx.load_model_from_string(cores[0]).graph.input[0].type.tensor_type.shape.dim[1].dim_value
    for at, (data, weight) in enumerate(zip(cores, weights, strict=True)):
        model = compose.add_prefix(onnx.load_model_from_string(data), f"m{at}/")
        for opset in model.opset_import:
            versions[opset.domain] = max(versions.get(opset.domain, 1), opset.version)
        nodes.append(helper.make_node("Identity", ["features"], [model.graph.input[0].name]))
        nodes += model.graph.node
        constants += model.graph.initializer
        floats = [o.name for o in model.graph.output if o.type.tensor_type.elem_type == TensorProto.FLOAT]
        constants.append(numpy_helper.from_array(np.float32(weight), f"weight{at}"))
        nodes.append(helper.make_node("Mul", [floats[-1], f"weight{at}"], [f"share{at}"]))
        means.append(f"share{at}")
    nodes.append(helper.make_node("Sum", means, ["probabilities"]))
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", width])
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", None])
    graph = helper.make_graph(nodes, "mean", [features], [output], constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in sorted(versions.items())]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))
