"""AUC, F1 and balanced accuracy as means over rows: the metric plus each row's influence on it.

A metric that is not a sum over rows is, to first order, the mean of such pseudo-values; their spread is its standard
error. For the AUC that is DeLong, DeLong and Clarke-Pearson's (1988), from midranks as in Sun and Xu (2014).
"""

import numpy as np
import numpy.typing as npt

from autodistill.checks._rows import Seen
from autodistill.records import IntArray
from autodistill.stats.shares import Floats

Labels = npt.NDArray[np.generic]


def midranks(codes: IntArray, scores: npt.NDArray[np.generic]) -> Floats:
    """Rank of each score among the rows of its code, from 1; equal scores share the mean of theirs. [n]."""
    order = np.lexsort((scores, codes))
    group, value = codes[order], scores[order]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = group[1:] != group[:-1]
    first = np.flatnonzero(fresh)
    start = first[np.cumsum(fresh) - 1]
    fresh[1:] |= value[1:] != value[:-1]
    runs = np.append(np.flatnonzero(fresh), len(order))
    run = np.cumsum(fresh) - 1
    ranks = np.empty(len(order))
    ranks[order] = (runs[run] + runs[run + 1] - 1) / 2 + 1 - start
    return ranks


def auc(found: Seen, label: npt.NDArray[np.bool_], scores: npt.NDArray[np.generic]) -> Floats:
    """Pseudo-values [n] of the area under the ROC curve in each row's group; NaN where it lacks one of the labels."""
    positives = found.count(label)
    negatives = found.count() - positives
    among = midranks(found.codes, scores) - midranks(found.codes * 2 + label, scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        placed = np.where(label, among / negatives[found.codes], 1 - among / positives[found.codes])
        area = found.count(np.where(label, placed, 0.0)) / positives
        own = np.where(label, found.share(positives)[found.codes], found.share(negatives)[found.codes])
        return np.asarray(area[found.codes] + (placed - area[found.codes]) / own)


def by_class(found: Seen, classes: int, codes: Labels) -> Floats:
    """Rows by group and class, [K + 1, C]."""
    cell = found.codes * classes + codes.astype(np.int64)
    return np.bincount(cell, minlength=found.size * classes).reshape(found.size, classes).astype(float)


def balanced_accuracy(found: Seen, classes: int, decided: Labels) -> Floats:
    """Pseudo-values [n] of the mean recall over the classes that a group's labels show."""
    labels = by_class(found, classes, found.y)
    right = decided == found.y
    recall = by_class_of(found, classes, right) / np.maximum(labels, 1)
    shown = (labels > 0).sum(axis=1)
    rows = found.count()
    value = recall.sum(axis=1) / np.maximum(shown, 1)
    y = found.y.astype(np.int64)
    weight = rows[found.codes] / labels[found.codes, y] / shown[found.codes]
    return np.asarray(value[found.codes] + (right - recall[found.codes, y]) * weight)


def by_class_of(found: Seen, classes: int, some: npt.NDArray[np.bool_]) -> Floats:
    """Rows by group and label among ``some``, [K + 1, C]."""
    cell = found.codes[some] * classes + found.y[some].astype(np.int64)
    return np.bincount(cell, minlength=found.size * classes).reshape(found.size, classes).astype(float)


def macro_f1(found: Seen, classes: int, decided: Labels) -> Floats:
    """Pseudo-values [n] of the mean F1 over the classes that a group's labels show."""
    labels = by_class(found, classes, found.y)
    both = labels + by_class(found, classes, decided)
    right = decided == found.y
    score = 2 * by_class_of(found, classes, right) / np.maximum(both, 1)
    shown = labels > 0
    number = np.maximum(shown.sum(axis=1), 1)
    score = np.where(shown, score, 0.0)
    weight = np.where(shown, found.count()[:, None] / np.maximum(both, 1), 0.0) / number[:, None]
    here, y, s = found.codes, found.y.astype(np.int64), decided.astype(np.int64)
    adds = (2.0 * right - score[here, y]) * weight[here, y] - score[here, s] * weight[here, s]
    return np.asarray((score.sum(axis=1) / number)[here] + adds)
