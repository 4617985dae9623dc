"""How many tree nodes a row visits: the work of a tree ensemble depends on its input, so its trees are walked."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.errors import ArtefactError
from autodistill.runtime.graph import Node

OPERATORS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")
NODE_BYTES = 24  # split value, feature, mode and two children as ONNX Runtime lays a node out
COMPARE = {
    b"BRANCH_LEQ": np.less_equal,
    b"BRANCH_LT": np.less,
    b"BRANCH_GTE": np.greater_equal,
    b"BRANCH_GT": np.greater,
    b"BRANCH_EQ": np.equal,
    b"BRANCH_NEQ": np.not_equal,
}


def known(node: Node) -> bool:
    """Whether this is an ensemble in the layout that ``visits`` walks (single precision, one comparison a node)."""
    modes = node.attributes.get("nodes_modes")
    if node.op not in OPERATORS or "nodes_values" not in node.attributes or not isinstance(modes, list):
        return False
    return set(modes) <= {*COMPARE, b"LEAF"}


def size(node: Node) -> int:
    """Nodes of an ensemble, leaves included."""
    return int(node.attributes["nodes_nodeids"].size)


def visits(node: Node, x: npt.NDArray[Any]) -> float:
    """Mean number of nodes a row of ``x`` [n, F] visits over all trees, leaves included; ArtefactError for trees that
    run in circles or ask for features that ``x`` has not."""
    given = node.attributes
    modes = np.array(given["nodes_modes"], dtype=object)
    true, false, root = _children(node)
    feature, value = given["nodes_featureids"], given["nodes_values"]
    missing = given.get("nodes_missing_value_tracks_true", np.zeros(modes.size, np.int64)).astype(bool)
    leaf = modes == b"LEAF"
    at = np.tile(root, (x.shape[0], 1))
    total = at.size
    active = ~leaf[at]
    if int(feature.max(initial=0)) >= x.shape[1]:
        raise ArtefactError("a tree asks for a feature that its input lacks", where="artefact", do="export it again")
    for _ in range(modes.size):
        if not active.any():
            break
        row, tree = np.nonzero(active)
        here = at[row, tree]
        seen = x[row, feature[here]]
        went = np.zeros(here.size, bool)
        for mode in set(modes[here]):
            mine = modes[here] == mode
            went[mine] = COMPARE[mode](seen[mine], value[here[mine]])
        went |= np.isnan(seen) & missing[here]
        at[row, tree] = np.where(went, true[here], false[here])
        total += here.size
        active[row, tree] = ~leaf[at[row, tree]]
    if active.any():
        raise ArtefactError("a tree has a path without a leaf", where="artefact", do="export it again")
    return float(total / x.shape[0])


def _children(node: Node) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions of each node's true and false child, and of every tree's root (its first node)."""
    given = node.attributes
    tree, ids = given["nodes_treeids"], given["nodes_nodeids"]
    width = int(ids.max()) + 1
    order = np.argsort(tree * width + ids, kind="stable")
    keys = (tree * width + ids)[order]

    def position(child: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        at = np.minimum(np.searchsorted(keys, tree * width + child), keys.size - 1)
        return np.asarray(order[at], dtype=np.int64)

    _, roots = np.unique(tree, return_index=True)
    return position(given["nodes_truenodeids"]), position(given["nodes_falsenodeids"]), roots.astype(np.int64)
