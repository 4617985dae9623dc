"""The tree operators of an ONNX graph with fewer of their trees.

A booster's trees are added, so its first k rounds are the booster as it was after k rounds. A forest's trees are
averaged: each leaf carries its share of the mean, which grows as trees are left out.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

OPERATORS = {"TreeEnsembleClassifier": "class", "TreeEnsembleRegressor": "target"}
ROUNDED = 1e-4  # a share of 1 / trees in float32, relative


def rounds(model: Any) -> int:
    """The most rounds (trees of a forest) of any tree operator; 0 where there is none of the known ones."""
    found = [len(np.unique(_rounds(node))) for node in model.graph.node if node.op_type in OPERATORS]
    return max(found, default=0)


def truncated(model: Any, share: float) -> Any:
    """A copy in which each tree operator has the first ``share`` of its rounds, one at least."""
    copy = type(model)()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        if node.op_type in OPERATORS:
            _truncate(node, share)
    return copy


def _values(node: Any, name: str) -> npt.NDArray[Any]:
    found = next((a for a in node.attribute if a.name == name), None)
    if found is None:
        return np.empty(0)
    return np.array(list(found.ints) or list(found.floats))


def _rounds(node: Any) -> npt.NDArray[np.int64]:
    """int64 [trees]: the round of each tree, trees in order of their ids. Trees that vote for one class each are one
    round where there is one of every class."""
    kind = OPERATORS[node.op_type]
    trees = np.unique(_values(node, "nodes_treeids"))
    voter, voted = _values(node, f"{kind}_treeids"), _values(node, f"{kind}_ids")
    votes = [tuple(np.unique(voted[voter == tree])) for tree in trees]
    seen: dict[tuple[Any, ...], int] = {}
    out = np.empty(len(trees), np.int64)
    single = all(len(one) == 1 for one in votes)
    for at, one in enumerate(votes):
        key = one if single else ()
        out[at] = seen.get(key, 0)
        seen[key] = int(out[at]) + 1
    return out


def _truncate(node: Any, share: float) -> None:
    kind = OPERATORS[node.op_type]
    trees, found = np.unique(_values(node, "nodes_treeids")), _rounds(node)
    total = int(found.max()) + 1
    kept_rounds = max(1, int(np.ceil(share * total - 1e-9)))
    kept = trees[found < kept_rounds]
    weights = _values(node, f"{kind}_weights")
    scale = total / kept_rounds if _is_mean(node, total) else 1.0
    nodes = np.isin(_values(node, "nodes_treeids"), kept)
    leaves = np.isin(_values(node, f"{kind}_treeids"), kept)
    for attribute in node.attribute:
        if attribute.name.startswith("nodes_"):
            _keep(attribute, nodes)
        elif attribute.name == f"{kind}_weights":
            attribute.floats[:] = (weights[leaves] * scale).tolist()
        elif attribute.name.startswith(f"{kind}_"):
            _keep(attribute, leaves)


def _keep(attribute: Any, mask: npt.NDArray[np.bool_]) -> None:
    for values in (attribute.ints, attribute.floats, attribute.strings):
        if len(values) == len(mask):
            left = [value for value, stays in zip(values, mask, strict=True) if stays]
            del values[:]
            values.extend(left)


def _is_mean(node: Any, trees: int) -> bool:
    """Whether a classifier's leaves carry their tree's share of a mean: none is negative or above 1 / trees, and
    nothing is added or transformed. (A regressor that averages says so in ``aggregate_function``.)"""
    post = next((a.s for a in node.attribute if a.name == "post_transform"), b"NONE")
    weights = _values(node, "class_weights")
    if node.op_type != "TreeEnsembleClassifier" or trees < 2 or post != b"NONE" or len(_values(node, "base_values")):
        return False
    return bool(weights.min() >= 0 and weights.max() * trees <= 1 + ROUNDED)
