"""Which columns tell most: the order in which a student that reads fewer of them gives them up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.records import FloatArray

FITTED = 20_000  # train rows that are enough to rank by
READ = 4_000
REPEATS = 3


def rank(
    names: Sequence[str], matrix: FloatArray, y: npt.NDArray[Any], *, classification: bool, seed: int
) -> tuple[str, ...]:
    """``names`` of the columns of ``matrix`` float32 [n, F], most telling first; from train rows only.

    Permutation importance (Breiman 2001) of a small booster on train rows that it was not fitted on: of two columns
    that say the same, each counts for less, which a cut at k columns has to live with. Ties by name.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.inspection import permutation_importance

    order = np.random.default_rng(seed).permutation(len(matrix))[: FITTED + READ]
    held = max(1, min(READ, len(order) // 4))
    at, rest = order[:held], order[held:]
    kind = HistGradientBoostingClassifier if classification else HistGradientBoostingRegressor
    model = kind(max_iter=60, early_stopping=False, random_state=0).fit(matrix[rest], y[rest])
    scoring = "neg_log_loss" if classification and len(np.unique(y[at])) == len(model.classes_) else None
    found = permutation_importance(model, matrix[at], y[at], scoring=scoring, n_repeats=REPEATS, random_state=seed)
    mean = np.asarray(found.importances_mean)
    return tuple(names[i] for i in sorted(range(len(names)), key=lambda i: (-mean[i], names[i])))
