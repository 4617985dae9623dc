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


def above(codes: IntArray, label: npt.NDArray[np.bool_], scores: npt.NDArray[np.generic]) -> Floats:
    """How many rows of the same code and the other label score lower, equal scores counting a half. [n]

    The difference of the midranks among all and among the own label (Sun and Xu 2014), from one sort.
    """
    order = _order(codes, scores)
    group, value, positive = codes[order], scores[order], label[order]
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (group[1:] != group[:-1]) | (value[1:] != value[:-1])
    first = np.flatnonzero(fresh)
    ends = np.append(first, len(order))
    before = np.concatenate([[0], np.cumsum(positive)])
    new = np.ones(len(first), dtype=bool)
    new[1:] = group[first][1:] != group[first][:-1]
    start = first[np.flatnonzero(new)][np.cumsum(new) - 1]
    size, inside = np.diff(ends), np.diff(before[ends])
    lower = before[first] - before[start]
    # By run of equal scores: what a positive is above (negatives) and what a negative is above.
    negatives, positives = first - start - lower + (size - inside) / 2, lower + inside / 2
    run = np.cumsum(fresh) - 1
    out = np.empty(len(order))
    out[order] = np.where(positive, negatives[run], positives[run])
    return out


def _order(codes: IntArray, scores: npt.NDArray[np.generic]) -> IntArray:
    """Rows by code, then by score."""
    if scores.dtype == np.float32 and bool((np.asarray(scores, np.float32) >= 0).all()):
        # The bits of such a float are in its own order: one key, and one sort for two.
        bits = np.abs(scores).view(np.uint32)
        return np.argsort((codes.astype(np.uint64) << np.uint64(32)) | bits)
    return np.lexsort((scores, codes))


def auc(found: Seen, label: npt.NDArray[np.bool_], scores: npt.NDArray[np.generic]) -> Floats:
    """Pseudo-values [n] of the area under the ROC curve in each row's group; NaN where it lacks one of the labels."""
    positives = found.count(label)
    negatives = found.count() - positives
    among = above(found.codes, label, scores)
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
