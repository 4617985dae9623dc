"""The class shares of the train split, whatever the row: what a student must beat."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from autodistill.inputs import Shapes
from autodistill.records import FloatArray
from autodistill.students import Fitted
from autodistill.students import _ensemble as ensemble


@dataclass(frozen=True)
class Majority:
    """A constant answer. A control of every run, not something to search."""

    trains: ClassVar[str] = "fit"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    readings_depend_on: ClassVar[str] = "architecture"
    control: ClassVar[bool] = True

    def build(self, inputs: Shapes, outputs: int) -> Fitted:  # noqa: ARG002 - it reads no column
        """An unfitted constant for ``outputs`` classes (1: regression)."""
        return _Majority(outputs)


class _Majority:
    def __init__(self, outputs: int) -> None:
        self._shares, self._features = np.full(outputs, 1.0 / outputs), 0

    def fit(self, X: FloatArray, soft: FloatArray, weight: FloatArray | None) -> Fitted:
        self._features, self._shares = X.shape[1], np.average(soft, axis=0, weights=weight)
        return self

    def predict_proba(self, X: FloatArray) -> FloatArray:
        return np.tile(self._shares.astype(np.float32), (len(X), 1))

    def onnx(self) -> Any:
        output = "values" if len(self._shares) == 1 else "logits"
        answers = self._shares if output == "values" else np.log(np.maximum(self._shares, 1e-30))
        node = ensemble.node(
            [ensemble.constant(float(value), target) for target, value in enumerate(answers)],
            len(answers),
            "features",
            output,
        )
        return ensemble.model([node], self._features, output, len(answers))
