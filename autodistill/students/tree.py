"""One decision tree: what a person can check by hand."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic.fields import Field

from autodistill.inputs import Shapes
from autodistill.records import FloatArray
from autodistill.students import Fitted
from autodistill.students import _ensemble as ensemble


@dataclass(frozen=True)
class DecisionTree:
    """A tree on class shares by squared error, which is the Gini index where the shares are labels."""

    trains: ClassVar[str] = "fit"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    readings_depend_on: ClassVar[str] = "fit"

    leaves: Annotated[int, Field(ge=2, le=4096, description="most leaves, the most useful cuts first")] = 16
    min_rows: Annotated[int, Field(ge=1, description="fewest rows of a leaf")] = 20
    columns: Annotated[
        int | None, Field(ge=1, description="most telling columns that it reads; null: all (fewer inputs, faster)")
    ] = None

    def build(self, inputs: Shapes, outputs: int) -> Fitted:  # noqa: ARG002 - trees take any matrix
        """An unfitted tree for ``outputs`` classes (1: regression)."""
        return _DecisionTree(self, outputs)


class _DecisionTree:
    def __init__(self, options: DecisionTree, outputs: int) -> None:
        self._options, self._outputs = options, outputs
        self._model: Any = None

    def fit(self, X: FloatArray, soft: FloatArray, weight: FloatArray | None) -> Fitted:
        from sklearn.tree import DecisionTreeRegressor

        self._model = DecisionTreeRegressor(
            max_leaf_nodes=self._options.leaves, min_samples_leaf=self._options.min_rows, random_state=0
        ).fit(X, soft, sample_weight=weight)
        return self

    def predict_proba(self, X: FloatArray) -> FloatArray:
        return np.asarray(self._model.predict(X), np.float32).reshape(len(X), self._outputs)

    def onnx(self) -> Any:
        from onnx import helper, numpy_helper

        grown = self._model.tree_
        leaf = grown.children_left < 0
        number = np.zeros(grown.node_count)
        number[leaf] = np.arange(leaf.sum())
        # The tree finds a leaf's number, and a table has its shares: the tree stands once, whatever the classes.
        tree = ensemble.Tree(
            feature=grown.feature.astype(np.int64),
            cut=grown.threshold,
            left=grown.children_left.astype(np.int64),
            right=grown.children_right.astype(np.int64),
            leaf=leaf,
            value=number,
            target=0,
        )
        shares = grown.value[leaf].reshape(int(leaf.sum()), self._outputs).astype(np.float32)
        constants = [
            numpy_helper.from_array(shares, "shares"),
            numpy_helper.from_array(np.array([-1], np.int64), "flat"),
        ]
        nodes = [
            ensemble.node([tree], 1, "features", "number"),
            helper.make_node("Cast", ["number"], ["whole"], to=7),
            helper.make_node("Reshape", ["whole", "flat"], ["leaf"]),
            helper.make_node("Gather", ["shares", "leaf"], ["probabilities"]),
        ]
        return ensemble.model(nodes, self._model.n_features_in_, "probabilities", self._outputs, constants)
