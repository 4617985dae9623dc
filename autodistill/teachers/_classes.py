"""The classes of a teacher from elsewhere against the table's, and its numbers as probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from autodistill.data.labels import key
from autodistill.errors import TeacherError
from autodistill.records import FloatArray, IntArray

Scale = Literal["probabilities", "logits", "log_probabilities"]
SUM = 1e-3
"""How far the probabilities of a row may be from 1 together."""
SHOWN = 6


def order(given: Sequence[str], wanted: Sequence[str], called: Mapping[str, str], who: str) -> IntArray:
    """int64 [C]: where in ``given``, the teacher's classes, each class of the table is.

    ``called`` maps a class of the table to the teacher's name of it, where they differ; 1, "1" and true are one name.
    Raises ``TeacherError`` with both sides.
    """
    keys = [key(str(name)) for name in given]
    asked = [key(called.get(name, name)) for name in wanted]
    unknown = [name for name in called if name not in wanted]
    if unknown:
        raise TeacherError(f"the table has no class {unknown[0]!r}; {sides(given, wanted, who)}", where=WHERE, do=CHECK)
    if len(set(keys)) < len(keys) or sorted(map(str, keys)) != sorted(map(str, asked)):
        do = "say which is which: classes: {<class of the table>: <class of the teacher>}"
        raise TeacherError(sides(given, wanted, who), where=WHERE, do=do)
    return np.array([keys.index(name) for name in asked], dtype=np.int64)


WHERE, CHECK = "teacher: classes", "check the names"


def sides(given: Sequence[str], wanted: Sequence[str], who: str) -> str:
    """Both sides of a mismatch, in words."""
    return f"{who} has {_counted(given)}, the table {_counted(wanted)}"


def _counted(names: Sequence[str]) -> str:
    shown = ", ".join(map(str, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
    return f"{len(names)} classes ({shown})" if names else "a number as its target"


def width(columns: int, classes: Sequence[str], who: str) -> None:
    """Refuse another number of outputs a row than there are classes (one for regression, one or two for two)."""
    if columns not in ({1} if not classes else {1, 2} if len(classes) == 2 else {len(classes)}):
        table = f"{len(classes)} classes ({', '.join(classes[:SHOWN])})" if classes else "a number as its target"
        what = f"{who} gives {columns} numbers a row, the table has {table}"
        raise TeacherError(what, where="teacher", do="another model, or another table")


def scores(
    values: npt.NDArray[Any], classes: Sequence[str], scale: Scale, who: str, ids: npt.NDArray[Any]
) -> FloatArray:
    """float32 [n, C] probabilities (regression: [n, 1] values) of a teacher's numbers [n] or [n, columns].

    One column for two classes speaks of the second. ``ids`` [n] name rows. Raises ``TeacherError`` naming the row of a
    number that is not finite, outside [0, 1], or in a row that does not add up to 1.
    """
    found: npt.NDArray[np.float64] = np.asarray(values, np.float64).reshape(len(values), -1)
    width(found.shape[1], classes, who)
    _refuse(np.asarray(~np.isfinite(found).all(axis=1)), "a number that is not finite", ids, who)
    if not classes:
        return found.astype(np.float32)
    if found.shape[1] == 1:
        found = _both(found, scale)
    if scale == "logits":
        found = np.exp(found - found.max(axis=1, keepdims=True))
        found = found / found.sum(axis=1, keepdims=True)
    elif scale == "log_probabilities":
        found = np.exp(found)
    outside = np.asarray(((found < -SUM) | (found > 1 + SUM)).any(axis=1))
    _refuse(outside, "a number outside [0, 1]", ids, who, "is it a logit? then say so")
    total = found.sum(axis=1)
    _refuse(np.asarray(np.abs(total - 1) > SUM), "probabilities that do not add up to 1", ids, who)
    return np.asarray(np.clip(found / total[:, None], 0.0, 1.0), np.float32)


def _both(found: npt.NDArray[np.float64], scale: Scale) -> npt.NDArray[np.float64]:
    """Two columns of the second class's one."""
    if scale == "logits":
        return np.concatenate([np.zeros_like(found), found], axis=1)
    second = np.exp(found) if scale == "log_probabilities" else found
    both = np.concatenate([1.0 - second, second], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(both) if scale == "log_probabilities" else both)


def _refuse(wrong: npt.NDArray[np.bool_], what: str, ids: npt.NDArray[Any], who: str, do: str = "correct it") -> None:
    if wrong.any():
        more = f", and for {int(wrong.sum()) - 1:,} more" if wrong.sum() > 1 else ""
        first = ids[np.flatnonzero(wrong)[0]]
        raise TeacherError(f"{who} gives {what} for row {first}{more}", where="teacher", do=do)
