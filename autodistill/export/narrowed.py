"""A tree reads some columns only: the others need no coding, no input and no bytes."""

from typing import Any

import numpy as np

from autodistill.inputs import FEATURES

TREES = ("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor")


def narrowed(front: Any, core: Any) -> tuple[Any, Any]:
    """Front end (form ``matrix``) and core with the columns alone that the core's trees cut; as they were where the
    core is not made of trees, or the front end does not stack its columns. Neither argument is changed."""
    trees = _trees(core)
    width = _width(front)
    if not trees or not width:
        return front, core
    used = sorted({int(f) for tree in trees for f in _cut(tree)}) or [0]  # one column at least tells the number of rows
    if len(used) == width:
        return front, core
    front, core = _copied(front), _copied(core)
    _keep(front, used)
    place = {feature: at for at, feature in enumerate(used)}
    for tree in _trees(core):
        features = _attribute(tree, "nodes_featureids")
        features.ints[:] = [place.get(f, 0) for f in features.ints]  # a leaf of the older operators names any feature
    _given(core).type.tensor_type.shape.dim[1].dim_value = len(used)
    return front, core


def _copied(model: Any) -> Any:
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def _given(core: Any) -> Any:
    constants = {t.name for t in core.graph.initializer}
    return next(i for i in core.graph.input if i.name not in constants)


def _trees(core: Any) -> list[Any]:
    """The nodes that read the core's input, if all of them are trees."""
    name = _given(core).name
    readers = [node for node in core.graph.node if name in node.input]
    return readers if all(node.op_type in TREES for node in readers) else []


def _attribute(node: Any, name: str) -> Any:
    return next(a for a in node.attribute if a.name == name)


def _cut(tree: Any) -> list[int]:
    """Features that a tree operator compares."""
    features = _attribute(tree, "nodes_featureids").ints
    modes = _attribute(tree, "nodes_modes").strings
    return [f for f, mode in zip(features, modes, strict=True) if mode != b"LEAF"] if modes else list(features)


def _stack(front: Any) -> tuple[Any, Any, Any] | None:
    """The front end's Concat, the constant shape behind it and its Imputer (or None), if it is built so."""
    makers = {name: node for node in front.graph.node for name in node.output}
    last = makers[FEATURES]
    imputer = last if last.op_type == "Imputer" else None
    for op in ("Imputer", "Transpose"):
        last = makers[last.input[0]] if last.op_type == op else last
    if last.op_type != "Reshape" or last.input[0] not in makers or makers[last.input[0]].op_type != "Concat":
        return None
    shape = next(t for t in front.graph.initializer if t.name == last.input[1])
    return makers[last.input[0]], shape, imputer


def _width(front: Any) -> int:
    found = _stack(front)
    return len(found[0].input) if found else 0


def _keep(front: Any, used: list[int]) -> None:
    from onnx import numpy_helper

    found = _stack(front)
    if found is None:
        return
    concat, shape, imputer = found
    concat.input[:] = [concat.input[at] for at in used]
    shape.CopyFrom(numpy_helper.from_array(np.array([len(used), -1], np.int64), shape.name))
    if imputer is not None:
        values = _attribute(imputer, "imputed_value_floats").floats
        values[:] = [values[at] for at in used]
