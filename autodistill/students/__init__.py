"""Student families: one file each, a frozen dataclass whose fields are the options that a search may turn.

``trains`` says how: "gradient" families build an ``nn.Module`` on (numeric, codes) that gives logits; "fit" families
build a ``Fitted`` on one matrix. ``readings_depend_on`` says whether latency and size are known before training.

An ``nn.Module`` may have a method ``onnx() -> ModelProto``: its graph from ``/numeric`` float32 [N, K] and ``/codes``
int64 [N, M] (those that it reads) to ``logits`` [N, C], with its present weights and without dropout. A module without
it is traced, which costs seconds an architecture. Either way the file is compared with the module on real rows.
Where it has ``features(numeric, codes)`` [n, D] and ``head(features)`` [n, C] besides, losses can compare features.
Where it has ``places(numeric, codes, many)``, logits [n, places, C] of what follows each of a text's last ``many``
places (or all that it reads), by what stands before it alone, it can be taught at all of them.
"""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from autodistill.inputs import Shapes
from autodistill.records import FloatArray

if TYPE_CHECKING:
    from torch import nn


class Fitted(Protocol):
    """A family that is fitted to class shares."""

    def fit(self, X: FloatArray, soft: FloatArray, weight: FloatArray | None) -> "Fitted":
        """Fit to rows ``X`` float32 [n, F] with class shares ``soft`` [n, C] ([n, 1] values for regression)."""
        ...

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Class shares [n, C] ([n, 1] values for regression)."""
        ...

    def onnx(self) -> Any:
        """An ``onnx.ModelProto`` on float [N, F], whose output ``logits`` or ``probabilities`` is [N, C]."""
        ...


def stacked(
    X: FloatArray, soft: FloatArray, weight: FloatArray | None
) -> tuple[FloatArray, npt.NDArray[np.int64], FloatArray]:
    """Rows once a class, weighted by the class's share: hard labels that amount to the soft ones. Rows of no weight are
    left out, so hard labels cost nothing."""
    shares = np.asarray(soft, np.float64) * (1.0 if weight is None else np.asarray(weight, np.float64)[:, None])
    row, label = np.nonzero(shares > 0)
    return X[row], label.astype(np.int64), shares[row, label]


def embedded(inputs: Shapes, width: int, spread: float) -> "nn.Embedding":
    """The one table [sum(cardinalities), width] of all coded columns, which begins at random, or as the vectors that
    the input gives. Missing and unseen start at zero: where training never meets them, they stay neutral."""
    import torch
    from torch import nn

    table = nn.Embedding(inputs.table, width)
    nn.init.normal_(table.weight, std=spread)
    firsts = np.cumsum((0, *inputs.cardinalities))[:-1]
    with torch.no_grad():
        if inputs.vectors is not None:
            given = torch.from_numpy(inputs.vectors[:, :width])
            table.weight[:, : given.shape[1]] = spread * given
        for first in firsts:
            table.weight[first : first + 2] = 0.0
    return table
