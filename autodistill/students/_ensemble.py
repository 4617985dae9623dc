"""Trees as one ``ai.onnx.ml`` 5 TreeEnsemble node: a third of the bytes of the older operators, which spell out every
leaf as a node and every mode as a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.records import FloatArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """One binary tree of n nodes, the root first: go left iff x[feature] ≤ cut; ``value`` counts at leaves only."""

    feature: npt.NDArray[np.int64]
    cut: npt.NDArray[np.float64]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    leaf: npt.NDArray[np.bool_]
    value: npt.NDArray[np.float64]
    target: int


def rounded_down(cuts: FloatArray) -> npt.NDArray[np.float32]:
    """The largest float32 that is ≤ each cut: x ≤ cut is then the same for every float32 x."""
    near = np.asarray(cuts, np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near.astype(np.float64) > cuts, below, near).astype(np.float32)


def node(trees: Sequence[Tree], targets: int, given: str, output: str) -> Any:
    """The operator from ``given`` [N, F] to ``output`` [N, targets]: the sum of the leaves met, by target."""
    from onnx import helper, numpy_helper

    parts: dict[str, list[Any]] = {k: [] for k in ("feature", "cut", "yes", "no", "yes_leaf", "no_leaf", "at", "value")}
    roots, inner_before, leaves_before = [], 0, 0
    for tree in trees:
        tree = _with_a_cut(tree)  # noqa: PLW2901 - the operator knows no tree that is a leaf
        inner, leaves = np.flatnonzero(~tree.leaf), np.flatnonzero(tree.leaf)
        place = np.empty(len(tree.leaf), np.int64)
        place[inner] = inner_before + np.arange(len(inner))
        place[leaves] = leaves_before + np.arange(len(leaves))
        roots.append(inner_before)
        yes, no = tree.left[inner], tree.right[inner]
        found: tuple[npt.NDArray[Any], ...] = (
            tree.feature[inner],
            rounded_down(tree.cut[inner]),
            place[yes],
            place[no],
            tree.leaf[yes],
            tree.leaf[no],
            np.full(len(leaves), tree.target),
            tree.value[leaves],
        )
        for part, values in zip(parts.values(), found, strict=True):
            part.append(values)
        inner_before, leaves_before = inner_before + len(inner), leaves_before + len(leaves)
    flat = {name: np.concatenate(values) for name, values in parts.items()}
    whole = {name: values.astype(np.int64).tolist() for name, values in flat.items() if name not in ("cut", "value")}
    return helper.make_node(
        "TreeEnsemble",
        [given],
        [output],
        domain="ai.onnx.ml",
        n_targets=targets,
        aggregate_function=1,
        post_transform=0,
        tree_roots=roots,
        nodes_featureids=whole["feature"],
        nodes_splits=numpy_helper.from_array(flat["cut"].astype(np.float32)),
        nodes_modes=numpy_helper.from_array(np.zeros(len(flat["cut"]), np.uint8)),
        nodes_truenodeids=whole["yes"],
        nodes_falsenodeids=whole["no"],
        nodes_trueleafs=whole["yes_leaf"],
        nodes_falseleafs=whole["no_leaf"],
        leaf_targetids=whole["at"],
        leaf_weights=numpy_helper.from_array(flat["value"].astype(np.float32)),
    )


def model(nodes: Sequence[Any], features: int, output: str, width: int, constants: Sequence[Any] = ()) -> Any:
    """A core: ``features`` float [N, F] → ``output`` float [N, width]."""
    from onnx import TensorProto, checker, helper

    given = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", features])
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", width])
    graph = helper.make_graph(list(nodes), "core", [given], [result], list(constants))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 5)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    checker.check_model(made)
    return made


def constant(value: float, target: int) -> Tree:
    """A tree that is one leaf."""
    whole, real = np.zeros(1, np.int64), np.zeros(1)
    leaf = np.ones(1, np.bool_)
    return Tree(feature=whole, cut=real, left=whole, right=whole, leaf=leaf, value=real + value, target=target)


def _with_a_cut(tree: Tree) -> Tree:
    """A tree that is one leaf, as a cut with that leaf on both sides."""
    if len(tree.leaf) > 1:
        return tree
    ends = np.array([1, 0, 0])
    return Tree(
        feature=np.zeros(3, np.int64),
        cut=np.zeros(3),
        left=ends,
        right=2 * ends,
        leaf=np.array([False, True, True]),
        value=np.repeat(tree.value, 3),
        target=tree.target,
    )
