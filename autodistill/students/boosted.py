"""Boosted trees on class shares: few, small, read by a person, and one node of ONNX."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic.fields import Field

from autodistill.errors import StudentError
from autodistill.inputs import Shapes
from autodistill.records import FloatArray
from autodistill.students import Fitted, stacked
from autodistill.students import _ensemble as ensemble


@dataclass(frozen=True)
class Boosted:
    """Gradient-boosted histogram trees, each row standing once a class with the class's share as its weight."""

    trains: ClassVar[str] = "fit"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    readings_depend_on: ClassVar[str] = "fit"

    trees: Annotated[int, Field(ge=1, le=2000, description="rounds; with C > 2 classes, C trees a round")] = 30
    leaves: Annotated[int, Field(ge=2, le=1024, description="most leaves of a tree")] = 8
    learning_rate: Annotated[float, Field(gt=0, le=1, description="share of a tree's step that is taken")] = 0.2
    min_rows: Annotated[int, Field(ge=1, description="fewest rows of a leaf")] = 20
    columns: Annotated[
        int | None, Field(ge=1, description="most telling columns that it reads; null: all (fewer inputs, faster)")
    ] = None

    def build(self, inputs: Shapes, outputs: int) -> Fitted:  # noqa: ARG002 - trees take any matrix
        """An unfitted ensemble for ``outputs`` classes (1: regression)."""
        return _Boosted(self, outputs)


class _Boosted:
    def __init__(self, options: Boosted, outputs: int) -> None:
        self._options, self._outputs, self._features = options, outputs, 0
        self._model: Any = None

    def fit(self, X: FloatArray, soft: FloatArray, weight: FloatArray | None) -> Fitted:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        rows, labels, weights = (X, soft[:, 0], weight) if self._outputs == 1 else stacked(X, soft, weight)
        if self._outputs > 1 and len(np.unique(labels)) < self._outputs:
            raise StudentError("a class has no row to fit", where="boosted", do="split so that every class trains")
        kind = HistGradientBoostingRegressor if self._outputs == 1 else HistGradientBoostingClassifier
        self._features = X.shape[1]
        self._model = kind(
            max_iter=self._options.trees,
            max_leaf_nodes=self._options.leaves,
            learning_rate=self._options.learning_rate,
            min_samples_leaf=round(self._options.min_rows * len(rows) / len(X)),  # a row stands up to C times
            early_stopping=False,
            random_state=0,
        ).fit(rows, labels, sample_weight=weights)
        return self

    def predict_proba(self, X: FloatArray) -> FloatArray:
        found = self._model.predict(X)[:, None] if self._outputs == 1 else self._model.predict_proba(X)
        return np.asarray(found, np.float32)

    def onnx(self) -> Any:
        # scikit-learn keeps its trees in private arrays, and skl2onnx 1.20 fails on this estimator: a test pins them.
        two = self._outputs == 2
        base = np.ravel(self._model._baseline_prediction)
        trees = [
            _tree(grown.nodes, base[at] if first == 0 else 0.0, 1 if two else at)
            for first, round_ in enumerate(self._model._predictors)
            for at, grown in enumerate(round_)
        ]
        output = "values" if self._outputs == 1 else "logits"  # of two classes, the first one's logit stays 0
        node = ensemble.node(trees, self._outputs, "features", output)
        return ensemble.model([node], self._features, output, self._outputs)


def _tree(nodes: Any, base: float, target: int) -> ensemble.Tree:
    return ensemble.Tree(
        feature=nodes["feature_idx"].astype(np.int64),
        cut=nodes["num_threshold"].astype(np.float64),
        left=nodes["left"].astype(np.int64),
        right=nodes["right"].astype(np.int64),
        leaf=nodes["is_leaf"].astype(bool),
        value=nodes["value"] + base,
        target=target,
    )
