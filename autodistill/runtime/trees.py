"""How many tree nodes a row visits: the work of a tree ensemble depends on its input, so its trees are walked.

Two layouts are read: ``ai.onnx.ml`` 1 and 3 list every node, leaves included; 5 (``TreeEnsemble``) lists cuts and
leaves apart, and codes modes as bytes. A row's visits are the same in both.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.errors import ArtefactError
from autodistill.runtime.graph import Node, Tensor

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
MODES = tuple(COMPARE)  # by the number that stands for each in the layout of opset 5 (6, BRANCH_MEMBER, is not walked)
LEAF = b"LEAF"
_LISTS = (
    "tree_roots", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Nodes:
    """All nodes of an ensemble, one position each; children and roots are positions."""

    feature: npt.NDArray[np.int64]
    cut: npt.NDArray[np.float32]
    mode: npt.NDArray[np.object_]
    missing: npt.NDArray[np.bool_]  # a missing value goes to the true child
    true: npt.NDArray[np.int64]
    false: npt.NDArray[np.int64]
    root: npt.NDArray[np.int64]


def known(node: Node) -> bool:
    """Whether this is an ensemble in a layout that ``visits`` walks (single precision, one comparison a node)."""
    given = node.attributes
    if node.op == "TreeEnsemble":
        cuts, modes, leaves = (_numbers(given.get(name)) for name in ("nodes_splits", "nodes_modes", "leaf_weights"))
        lists = all(isinstance(given.get(name), np.ndarray) for name in _LISTS)
        if cuts is None or modes is None or leaves is None or not lists:
            return False
        return cuts.dtype == np.float32 and modes.dtype == np.uint8 and int(modes.max(initial=0)) < len(MODES)
    listed = given.get("nodes_modes")
    if node.op not in OPERATORS or "nodes_values" not in given or not isinstance(listed, list):
        return False
    return set(listed) <= {*COMPARE, LEAF}


def size(node: Node) -> int:
    """Nodes of an ensemble, leaves included."""
    if node.op == "TreeEnsemble":
        return int(node.attributes["nodes_featureids"].size) + int(node.attributes["leaf_weights"].elements)
    return int(node.attributes["nodes_nodeids"].size)


def visits(node: Node, x: npt.NDArray[Any]) -> float:
    """Mean number of nodes a row of ``x`` [n, F] visits over all trees, leaves included; ArtefactError for trees that
    run in circles, have children that are not there, or ask for features that ``x`` has not."""
    nodes = _apart(node) if node.op == "TreeEnsemble" else _listed(node)
    leaf = nodes.mode == LEAF
    at = np.tile(nodes.root, (x.shape[0], 1))
    total = at.size
    active = ~leaf[at]
    if int(nodes.feature.max(initial=0)) >= x.shape[1]:
        raise ArtefactError("a tree asks for a feature that its input lacks", where="artefact", do="export it again")
    for _ in range(nodes.mode.size):
        if not active.any():
            break
        row, tree = np.nonzero(active)
        here = at[row, tree]
        seen = x[row, nodes.feature[here]]
        went = np.zeros(here.size, bool)
        for mode in set(nodes.mode[here]):
            mine = nodes.mode[here] == mode
            went[mine] = COMPARE[mode](seen[mine], nodes.cut[here[mine]])
        went |= np.isnan(seen) & nodes.missing[here]
        at[row, tree] = np.where(went, nodes.true[here], nodes.false[here])
        total += here.size
        active[row, tree] = ~leaf[at[row, tree]]
    if active.any():
        raise ArtefactError("a tree has a path without a leaf", where="artefact", do="export it again")
    return float(total / x.shape[0])


def _numbers(tensor: Any) -> npt.NDArray[Any] | None:
    return tensor.values if isinstance(tensor, Tensor) else None


def _listed(node: Node) -> _Nodes:
    """The layout of opsets 1 and 3: a child is named by its tree and number, a tree's root is its first node."""
    given = node.attributes
    tree, ids = given["nodes_treeids"], given["nodes_nodeids"]
    width = int(ids.max()) + 1
    order = np.argsort(tree * width + ids, kind="stable")
    keys = (tree * width + ids)[order]

    def position(child: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        at = np.minimum(np.searchsorted(keys, tree * width + child), keys.size - 1)
        return np.asarray(order[at], dtype=np.int64)

    return _Nodes(
        feature=given["nodes_featureids"],
        cut=given["nodes_values"],
        mode=np.array(given["nodes_modes"], dtype=object),
        missing=_tracked(node, ids.size),
        true=position(given["nodes_truenodeids"]),
        false=position(given["nodes_falsenodeids"]),
        root=np.unique(tree, return_index=True)[1].astype(np.int64),
    )


def _apart(node: Node) -> _Nodes:
    """The layout of opset 5: cuts, then leaves behind them; a flag says which of the two a child's number counts."""
    given = node.attributes
    cuts, leaves = int(given["nodes_featureids"].size), int(given["leaf_weights"].elements)
    ends = np.zeros(leaves, np.int64)
    missing = ArtefactError("a tree's node is not there", where="artefact", do="export it again")

    def position(side: str) -> npt.NDArray[np.int64]:
        child, is_leaf = given[f"nodes_{side}nodeids"], given[f"nodes_{side}leafs"].astype(bool)
        if child.size != cuts or is_leaf.size != cuts or (child < 0).any():
            raise missing
        if (child >= np.where(is_leaf, leaves, cuts)).any():
            raise missing
        return np.concatenate((child + cuts * is_leaf, ends))

    root, modes = given["tree_roots"], given["nodes_modes"].values
    if ((root < 0) | (root >= cuts)).any() or modes.size != cuts or given["nodes_splits"].elements != cuts:
        raise missing
    words = np.array([*MODES, LEAF], dtype=object)
    return _Nodes(
        feature=np.concatenate((given["nodes_featureids"], ends)),
        cut=np.concatenate((given["nodes_splits"].values, ends.astype(np.float32))),
        mode=words[np.concatenate((modes.astype(np.int64), ends + len(MODES)))],
        missing=np.concatenate((_tracked(node, cuts), ends.astype(bool))),
        true=position("true"),
        false=position("false"),
        root=root,
    )


def _tracked(node: Node, size: int) -> npt.NDArray[np.bool_]:
    flags = node.attributes.get("nodes_missing_value_tracks_true")
    return np.zeros(size, bool) if flags is None else np.asarray(flags, bool)
