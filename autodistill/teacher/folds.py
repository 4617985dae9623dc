"""Which train rows are labelled by a model that has not seen them."""

import numpy as np

from autodistill.errors import TeacherError
from autodistill.records import Dataset, IntArray, digest

FOLDS = 5


def assign(dataset: Dataset, seed: int, folds: int = FOLDS) -> IntArray:
    """int64 [n]: the fold of each train row, stratified by class (decile for regression).

    The table's units stay together. Depends on the rows' content and the seed, not on their order. There are fewer
    folds than asked where there are fewer units. Raises ``TeacherError`` where there is one unit only.
    """
    at = dataset.splits["train"]
    y = dataset.y[at]
    unit = np.arange(len(at)) if dataset.units is None else np.unique(dataset.units[at], return_inverse=True)[1]
    stratum = y if dataset.classes else np.searchsorted(np.quantile(y, np.arange(1, 10) / 10), y)
    rank = np.array([digest(f"{seed}/{row}".encode()) for row in dataset.row_digests[at]])
    by_content = np.argsort(rank, kind="stable")
    leader = by_content[np.unique(unit[by_content], return_index=True)[1]]
    if len(leader) < 2:
        raise TeacherError("the train split has one distinct row", where="teacher", do="more rows")
    walk = np.lexsort((rank[leader], stratum[leader]))
    # In turn by rows passed, not by units, so that a large unit takes that many turns.
    size = np.bincount(unit)[walk]
    parts = np.empty(len(leader), dtype=np.int64)
    parts[walk] = (np.cumsum(size) - size) % min(folds, len(leader))
    return np.asarray(np.unique(parts, return_inverse=True)[1][unit], dtype=np.int64)
