"""Whether an outsider can tell from the student's scores which rows it was trained on."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from autodistill.records import LimitKind, Predictions
from autodistill.stats import Estimand, NotApplicable, Rows, TwoSamples
from autodistill.stats.shares import Floats

VIEW = "train"

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Membership:
    """Advantage of a membership attack on the student: how much oftener train rows are called members than others.

    The attack calls a row a member where the score of its label is high enough (Yeom et al. 2018; for regression, where
    the error is small enough). The threshold is the best on one half of train and judged rows and is read on the other:
    the best threshold on the same rows finds an advantage where nothing leaks. The area under the curve stands beside
    it, and the same attack on the teacher.
    """

    views: ClassVar[tuple[str, ...]] = ("audit", VIEW)
    limits: ClassVar[tuple[LimitKind, ...]] = ("at_most",)
    unit: ClassVar[str] = "share"
    compare: ClassVar[str] = "leak"
    regression: ClassVar[bool] = True

    def statistic(self, rows: Rows, reference: Mapping[str, Any]) -> Estimand:
        """Hits among members and among others, on the half of the rows that did not set the threshold."""
        seen = rows.evidence
        if seen is None or VIEW not in seen.student:
            return NotApplicable(reason=f"needs predictions of the view {VIEW}", rows=True)
        if VIEW not in seen.labels:
            return NotApplicable(reason="needs the labels of the train rows")
        found: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {}
        details: dict[str, Any] = {}
        for who, views in (("student", seen.student), ("teacher", seen.teacher)):
            if VIEW not in views:
                details["teacher_missing"] = reference.get("missing", {}).get("teacher", "no predictions of train rows")
                continue
            members = confidence(views[VIEW], seen.labels[VIEW], bool(seen.classes))
            others = confidence(views[seen.split], seen.y, bool(seen.classes))
            halves = second_half(views[VIEW].row_ids), second_half(seen.row_ids)
            found[who] = read_elsewhere(members, others, halves)
            details[f"auc_{who}"], details[f"auc_{who}_se"] = area(members, others)
        members_said, others_said = found["student"]
        return TwoSamples(
            first=members_said,
            second=others_said,
            teacher=found.get("teacher"),
            quantity="membership_advantage",
            details=details,
        )


def confidence(model: Predictions, y: npt.NDArray[Any], classes: bool) -> Floats:
    """How sure a model is of each row's label [n]: its score of it, or less its absolute error."""
    if not classes:
        return np.asarray(-np.abs(np.asarray(model.decisions, dtype=float) - y))
    return np.asarray(model.scores[np.arange(len(y)), y.astype(np.int64)], dtype=float)


def second_half(row_ids: npt.NDArray[Any]) -> Bools:
    """Every other row in the order of a hash of its id: the same half whatever the order of the rows."""
    names = [str(row) for row in row_ids.tolist()]
    order = sorted(range(len(names)), key=lambda at: (zlib.crc32(names[at].encode()), names[at]))
    half = np.zeros(len(names), dtype=bool)
    half[order[1::2]] = True
    return half


def best_threshold(members: Floats, others: Floats) -> float:
    """The score from which on a row is called a member, for the largest difference of both shares; ∞ for none."""
    cuts = np.unique(members)
    if not len(cuts):
        return float("inf")
    hits = len(members) - np.searchsorted(np.sort(members), cuts, side="left")
    alarms = len(others) - np.searchsorted(np.sort(others), cuts, side="left")
    gains = hits / max(1, len(members)) - alarms / max(1, len(others))
    return float(cuts[int(np.argmax(gains))]) if gains.max() > 0 else float("inf")


def read_elsewhere(
    members: Floats, others: Floats, halves: tuple[Bools, Bools]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """(called members, rows) among members and among others of the second halves, by the first halves' threshold."""
    cut = best_threshold(members[~halves[0]], others[~halves[1]])

    def said(score: Floats, half: Bools) -> tuple[float, float]:
        return float((score[half] >= cut).sum()), float(half.sum())

    return said(members, halves[0]), said(others, halves[1])


def area(members: Floats, others: Floats) -> tuple[float | None, float | None]:
    """P(a member's score is higher) + ½ P(equal), and its standard error (DeLong et al. 1988); None where a side is
    empty."""
    m, n = len(members), len(others)
    if min(m, n) < 2:
        return None, None

    def above(first: Floats, second: Floats) -> Floats:
        ordered = np.sort(second)
        low, high = np.searchsorted(ordered, first, side="left"), np.searchsorted(ordered, first, side="right")
        return np.asarray((low + high) / 2 / len(second))

    of_members, of_others = above(members, others), 1 - above(others, members)
    error = (of_members.var(ddof=1) / m + of_others.var(ddof=1) / n) ** 0.5
    return float(of_members.mean()), float(error)
