"""A fitted estimator -> its ONNX core: ``features`` float32 [N, F], or its columns [N, 1] by name ->
``probabilities`` [N, C] (``values`` [N, 1])."""

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from autodistill.records import FloatArray, IntArray
from autodistill.teachers._lightgbm import rounded

OPSET, ML_OPSET = 18, 3
ZIPMAP = {"nocl": [True, False], "zipmap": [True, False, "columns"]}

Columns = Mapping[str, Literal["string", "float"]]


def convert(model: Any, width: int | Columns, classes: int, at: IntArray | None = None) -> tuple[bytes | None, str]:
    """The serialised core, or None and why there is none. ``width`` is that of the matrix, or the columns by name
    (then the core's inputs are called ``m/`` and the name). ``classes`` is 0 for regression; ``at`` is where the model
    has each class (None: it was fitted to codes, and must have seen them all).
    """
    name = type(model).__name__
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            core = (
                _catboost(model) if type(model).__module__.startswith("catboost") else _sklearn(model, width, classes)
            )
        core = core if at is None else _ordered(core, at)
        core = core if isinstance(width, int) else _renamed(core)
    except ModuleNotFoundError as fault:
        return None, f"{fault.name} is not installed, which converts a {name}"
    except Exception as fault:
        line = str(fault).strip().split("\n", 1)[0]
        return None, f"{name} cannot be converted ({type(fault).__name__}: {line})"
    if at is None and classes and list(getattr(model, "classes_", range(classes))) != list(range(classes)):
        return None, f"{name} has not seen every class"
    return bytes(core.SerializeToString(deterministic=True)), ""


def _sklearn(model: Any, width: int | Columns, classes: int) -> Any:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    libraries = _libraries(model)
    for library in libraries:
        _registered(library)
    model = rounded(model) if "lightgbm" in libraries else model
    options = {id(model): {"zipmap": False}} if classes else None
    types = {"float": FloatTensorType, "string": StringTensorType}
    if isinstance(width, int):
        initial = [("features", FloatTensorType([None, width]))]
    else:
        initial = [(name, types[kind]([None, 1])) for name, kind in width.items()]
    core = to_onnx(model, initial_types=initial, options=options, target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET})
    _averaging(core, [_first_leaves(one) for one in _forests(model)])
    return core


def _averaging(core: Any, forests: Sequence[FloatArray]) -> None:
    """A forest's regressor as the mean that it is, where it is written as a sum of shares: fewer of its trees are then
    a forest too. It is told from a booster's by the leaves of its first tree."""
    from onnx import helper

    for node in core.graph.node:
        told = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type != "TreeEnsembleRegressor" or "aggregate_function" in told:
            continue
        weights, voter = np.array(told["target_weights"].floats), np.array(told["target_treeids"].ints)
        trees = len(set(voter.tolist()))
        first = np.sort(weights[voter == voter.min()]) * trees
        if any(len(first) == len(one) and np.allclose(first, one, rtol=1e-4) for one in forests):
            told["target_weights"].floats[:] = (weights * trees).tolist()
            node.attribute.append(helper.make_attribute("aggregate_function", "AVERAGE"))


def _forests(model: Any) -> list[Any]:
    """The forests that a fitted model is made of: itself, or those in its steps and members."""
    if "Forest" in type(model).__name__ or "ExtraTrees" in type(model).__name__:
        return [model]
    steps = [step for _, step in getattr(model, "steps", ())]
    within = getattr(model, "estimators_", ())
    members = [*steps, *(within.ravel() if isinstance(within, np.ndarray) else within)]  # a forest is a sequence too
    members += [getattr(model, name, None) for name in ("final_estimator_", "regressor_", "best_estimator_")]
    return [forest for one in members if one is not None for forest in _forests(one)]


def _first_leaves(forest: Any) -> FloatArray:
    """The values of the leaves of a forest's first tree, rising."""
    tree = forest.estimators_[0].tree_
    return np.sort(np.asarray(tree.value[tree.children_left == -1], np.float64).ravel())


def _libraries(model: Any) -> list[str]:
    """Which of the libraries with converters of their own a model is made of, the steps of a pipeline included."""
    found = [type(model).__module__.partition(".")[0]]
    for step in getattr(model, "steps", ()):
        found += _libraries(step[1])
    for step in getattr(model, "estimators", None) or ():
        found += _libraries(step[1] if isinstance(step, tuple) else step)
    return [name for name in dict.fromkeys(found) if name in ("lightgbm", "xgboost")]


@cache
def _registered(library: str) -> None:
    """Tell skl2onnx how to convert a library's estimators, once a process."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    one, more = calculate_linear_classifier_output_shapes, calculate_linear_regressor_output_shapes
    if library == "xgboost":
        import xgboost
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as made

        update_registered_converter(xgboost.XGBClassifier, "XGBoostXGBClassifier", one, made, options=ZIPMAP)
        update_registered_converter(xgboost.XGBRegressor, "XGBoostXGBRegressor", more, made)
    else:
        import lightgbm
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm as grown

        update_registered_converter(lightgbm.LGBMClassifier, "LightGbmLGBMClassifier", one, grown, options=ZIPMAP)
        update_registered_converter(lightgbm.LGBMRegressor, "LgbmRegressor", more, grown, options={"split": None})


def _catboost(model: Any) -> Any:
    """CatBoost writes ONNX itself, with its probabilities as a list of maps: the tensor before that is taken."""
    import onnx
    from onnx import TensorProto, helper

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx")
        core = onnx.load(path)
    maps = [node for node in core.graph.node if node.op_type == "ZipMap"]
    for node in maps:
        output = next(o for o in core.graph.output if o.name == node.output[0])
        output.CopyFrom(helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, ["N", None]))
        core.graph.node.remove(node)
    if not maps:
        out = core.graph.output[0]
        out.CopyFrom(helper.make_tensor_value_info(out.name, TensorProto.FLOAT, ["N", 1]))
    return core


def _ordered(core: Any, at: IntArray) -> Any:
    """With the columns of its last float output in another order."""
    from onnx import TensorProto, helper, numpy_helper

    last = [o for o in core.graph.output if o.type.tensor_type.elem_type == TensorProto.FLOAT][-1]
    core.graph.initializer.append(numpy_helper.from_array(np.asarray(at, np.int64), "/order"))
    core.graph.node.append(helper.make_node("Gather", [last.name, "/order"], ["/ordered"], axis=1))
    core.graph.output.append(helper.make_tensor_value_info("/ordered", TensorProto.FLOAT, ["N", None]))
    return core


def _renamed(core: Any) -> Any:
    """Under names that no column has: a column and what is made of it would else have one name in one graph."""
    from onnx import compose

    return compose.add_prefix(core, "m/")


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
