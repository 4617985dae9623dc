"""The rows that a person should read: where the student decides otherwise than its teacher.

With three or more seeds of the student these are compression-identified exemplars (Hooker et al. 2019): rows on which
most of the seeds decide otherwise; else the rows on which this one student does.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.records import Policy, Predictions
from autodistill.stats import Evidence
from autodistill.verdict import UNKNOWN

FILE = "rows_to_read.csv"
LISTED, SHOWN = 1000, 20
"""Rows in the table, and ids on the page, at most."""
SEEDS = 3
SMALL = 10
"""A group with fewer rows has no share of its own in a report: it would point at people."""
KINDS = ("good", "bad", "neutral")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run."""


def rows_to_read(evidence: Evidence, policy: Policy, students: Sequence[Predictions] = ()) -> dict[str, Any]:
    """What the report says of these rows: how many mend an error, make one or swap one; each group's share of them
    against its share of all rows; and ids, the teacher's most confident first, where the policy shows any.

    ``students`` are the predictions of the student trained with several seeds on the judged rows.
    """
    said: dict[str, Any] = {"file": FILE, "shown": policy.rows_shown == "ids", "ids": [], "groups": []}
    said["counts"] = dict.fromkeys(KINDS, 0)
    if not evidence.classes:
        return said | {"shown": False, "reason": "flips are of decisions, and this task is a regression"}
    decided, several = _decided(evidence, students), len(students) >= SEEDS
    flips = decided != evidence.teacher[evidence.split].decisions
    said["kind"] = f"most of {len(students)} seeds decide otherwise" if several else "this student decides otherwise"
    codes = _kinds(evidence, decided)[flips]
    said["counts"] = {kind: int((codes == at).sum()) for at, kind in enumerate(KINDS)}
    said["groups"] = [row for attribute in evidence.groups for row in _shares(evidence, attribute, flips)]
    if policy.rows_shown == "ids":
        said["ids"] = [str(evidence.row_ids[at]) for at in _order(evidence, flips)[:SHOWN]]
    hidden = f"the policy shows no row ids; they are in {FILE}, which its owner only can read"
    return said | {"reason": "" if policy.rows_shown == "ids" else hidden}


def exemplar_table(evidence: Evidence, students: Sequence[Predictions] = ()) -> list[dict[str, Any]]:
    """Each of these rows, ``LISTED`` at most, with its label, both decisions, the teacher's confidence (None where only
    decisions are known) and its groups; the teacher's most confident first."""
    if not evidence.classes:
        return []
    teacher, student = evidence.teacher[evidence.split], evidence.student[evidence.split]
    decided, sure, names = _decided(evidence, students), _confidence(evidence), evidence.classes
    kinds, rows = _kinds(evidence, decided), []
    for at in _order(evidence, decided != teacher.decisions)[:LISTED]:
        row: dict[str, Any] = {
            "id": str(evidence.row_ids[at]),
            "label": names[int(evidence.y[at])],
            "teacher": names[int(teacher.decisions[at])],
            "student": names[int(student.decisions[at])],
            "kind": KINDS[kinds[at]],
            "teacher_confidence": round(float(sure[at]), 6) if scored(evidence) else None,
        }
        if students:
            row["seeds_that_flip"] = sum(bool(one.decisions[at] != teacher.decisions[at]) for one in students)
        taken = {name: f"group:{name}" if name in row else name for name in evidence.groups}
        rows.append(row | {taken[name]: str(column[at]) for name, column in evidence.groups.items()})
    return rows


def exemplar_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """The table as CSV (UTF-8); cells that a spreadsheet would run as a formula get a leading ``'``."""
    columns = list(rows[0]) if rows else ["id", "label", "teacher", "student", "kind", "teacher_confidence"]
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow([_safe(name) for name in columns])
    table.writerows([[_safe(row[name]) for name in columns] for row in rows])
    return out.getvalue().encode()


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _decided(evidence: Evidence, students: Sequence[Predictions]) -> npt.NDArray[np.int64]:
    """What the student decides, [n]: its seeds' most frequent decision where there are enough, of equals this one's."""
    own = np.asarray(evidence.student[evidence.split].decisions, dtype=np.int64)
    if len(students) < SEEDS:
        return own
    size = len(evidence.classes)
    votes = np.sum([np.eye(size, dtype=np.int64)[one.decisions] for one in students], axis=0)
    votes = 2 * votes + np.eye(size, dtype=np.int64)[own]
    return np.asarray(votes.argmax(axis=1), dtype=np.int64)


def _kinds(evidence: Evidence, decided: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Index into KINDS of each row, were it one that flips."""
    was, now = evidence.teacher[evidence.split].decisions == evidence.y, decided == evidence.y
    return np.where(now & ~was, 0, np.where(was & ~now, 1, 2))


def scored(evidence: Evidence) -> bool:
    """Whether the teacher gives a score for each class."""
    scores = evidence.teacher[evidence.split].scores
    return scores.ndim == 2 and scores.shape[1] == len(evidence.classes)


def _confidence(evidence: Evidence) -> npt.NDArray[np.float64]:
    """The teacher's score of what it decided; 0 where only decisions are known."""
    teacher = evidence.teacher[evidence.split]
    if not scored(evidence):
        return np.zeros(len(teacher.decisions))
    return np.asarray(teacher.scores[np.arange(len(teacher.decisions)), teacher.decisions], dtype=float)


def _order(evidence: Evidence, flips: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Positions of the rows to read, the teacher's most confident first, equals in the order of the table."""
    at = np.flatnonzero(flips)
    return at[np.argsort(-_confidence(evidence)[at], kind="stable")]


def _shares(evidence: Evidence, attribute: str, flips: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Each group's share of the rows to read and of all rows, the unknown last; None for what would be of a few
    people."""
    names, codes = evidence.encoded[attribute]
    sizes, total = np.bincount(codes, minlength=len(names) + 1), max(1, len(codes))
    found, flipped = np.bincount(codes[flips], minlength=len(names) + 1), int(flips.sum())
    out = []
    for at, name in enumerate((*names, UNKNOWN)):
        if name == UNKNOWN and not sizes[at]:
            continue
        few = sizes[at] < SMALL
        row: dict[str, Any] = {"attribute": attribute, "group": name}
        row["share"] = None if few or not flipped else float(found[at] / flipped)
        row["population"] = None if few else float(sizes[at] / total)
        out.append(row | ({"reason": f"under {SMALL} rows"} if few else {} if flipped else {"reason": "no row flips"}))
    return out
