"""The rows that a person should read: where the student decides otherwise than the teacher."""

import csv
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.records import Policy
from autodistill.report.files import FORMULA
from autodistill.stats import Evidence

FILE = "rows_to_read.csv"
LISTED, SHOWN = 1000, 20
KINDS = ("good", "bad", "neutral")
WITHHELD = "the policy shows no row ids (rows_shown: none); they are in the file, readable by its owner only"
NO_FLIPS = "a regression has no decisions that flip"


def flipped(evidence: Evidence, policy: Policy) -> tuple[dict[str, Any], bytes]:
    """``rows_to_read`` of a report, and its file as CSV: the most confident teacher first, at most ``LISTED`` rows.

    Good flips mend an error, bad ones make one, neutral ones swap one error for another. ``groups`` gives each group's
    share of the flips beside its share of all rows.
    """
    said = {"counts": dict.fromkeys(KINDS, 0), "groups": [], "ids": [], "file": FILE, "shown": False}
    if not evidence.classes:
        return said | {"reason": NO_FLIPS}, _csv(evidence, np.zeros(0, dtype=np.int64), np.zeros(0))
    kind = kinds(evidence)
    at = np.flatnonzero(kind >= 0)
    confidence = _confidence(evidence)
    at = at[np.argsort(-confidence[at], kind="stable")]
    shown = policy.rows_shown == "ids"
    said["counts"] = {name: int((kind == code).sum()) for code, name in enumerate(KINDS)}
    said |= {"groups": _groups(evidence, kind >= 0), "shown": shown, "reason": "" if shown else WITHHELD}
    said["ids"] = [str(one) for one in evidence.row_ids[at[:SHOWN]].tolist()] if shown else []
    return said, _csv(evidence, at[:LISTED], confidence)


def kinds(evidence: Evidence) -> npt.NDArray[np.int64]:
    """int64 [n]: an index into ``KINDS``, −1 where both models decide alike."""
    t, s = (views[evidence.split].decisions for views in (evidence.teacher, evidence.student))
    kind = np.where(s == evidence.y, 0, np.where(t == evidence.y, 1, 2))
    return np.asarray(np.where(t == s, -1, kind), dtype=np.int64)


def _confidence(evidence: Evidence) -> npt.NDArray[np.floating[Any]]:
    """The teacher's score of what it decided [n]; 0 where only its decisions are known."""
    teacher = evidence.teacher[evidence.split]
    if teacher.scores.shape[1] != len(evidence.classes):
        return np.zeros(len(teacher.decisions))
    return np.asarray(teacher.scores[np.arange(len(teacher.decisions)), teacher.decisions], dtype=float)


def _groups(evidence: Evidence, flips: npt.NDArray[np.bool_]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for attribute, (names, codes) in evidence.encoded.items():
        every = np.bincount(codes, minlength=len(names) + 1)
        mine = np.bincount(codes[flips], minlength=len(names) + 1)
        for code, name in enumerate((*names, "(unknown)")):
            if every[code]:
                share = float(mine[code] / flips.sum()) if flips.any() else None
                line = {"attribute": attribute, "group": name, "share": share}
                found.append(line | {"population": float(every[code] / len(codes))})
    return found


def _csv(evidence: Evidence, at: npt.NDArray[np.int64], confidence: npt.NDArray[np.floating[Any]]) -> bytes:
    out = io.StringIO()
    table = csv.writer(out)
    groups = list(evidence.groups)
    head = ["id", "label", "teacher", "student", "kind", "teacher_confidence", *groups]
    table.writerow([_safe(name) for name in head])
    if len(at):
        t, s = (views[evidence.split].decisions for views in (evidence.teacher, evidence.student))
        kind, classes = kinds(evidence), evidence.classes
        for row in at.tolist():
            sure = f"{confidence[row]:.6g}" if confidence[row] else ""
            cells = [evidence.row_ids[row], classes[evidence.y[row]], classes[t[row]], classes[s[row]]]
            cells += [KINDS[kind[row]], sure, *(evidence.groups[name][row] for name in groups)]
            table.writerow([_safe(str(cell)) for cell in cells])
    return out.getvalue().encode()


def _safe(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell
