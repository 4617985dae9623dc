"""A table of what two models said, trained anywhere -> the evidence that an audit judges, and who its rows are."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.data import columns, identity
from autodistill.data.asked import BETWEEN, GroupSpec
from autodistill.data.columns import Place
from autodistill.data.groups import groups
from autodistill.data.labels import coded, decided_at, labelled, rating, readable, together
from autodistill.data.predicted import matching, predictions, said, values
from autodistill.data.table import read
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import IntArray, ObjectArray, Predictions

if TYPE_CHECKING:
    from autodistill.stats import Evidence

VIEW = "audit"
FRAME = "the frame"
TASKS = ("classification", "regression")
SAW = ("none", "unknown")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The part that each column plays, as the command line and Python give it.

    ``teacher``, ``student`` and ``control`` name a column of decisions or of probabilities of ``positive``, or with a
    star the columns of all classes. ``cross`` lists attributes to intersect. ``teacher_saw`` is what the user declares:
    *none* of these rows was in the teacher's training, or it is *unknown*.
    """

    label: str
    teacher: str
    student: str
    groups: tuple[str, ...] = ()
    cross: tuple[tuple[str, ...], ...] = ()
    id: str | None = None
    cluster: str | None = None
    control: str | None = None
    teacher_saw: Literal["none", "unknown"] = "unknown"
    positive: str | None = None
    favourable: str | None = None
    threshold: float | None = None
    task: Literal["classification", "regression"] = "classification"

    def __post_init__(self) -> None:
        for name, known in (("task", TASKS), ("teacher_saw", SAW)):
            if getattr(self, name) not in known:
                raise TableError(f"{name} {getattr(self, name)!r} is not known", do=f"one of {', '.join(known)}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise TableError(f"threshold {self.threshold:g} is not between 0 and 1", do="0.5 is what is left out")
        if self.task == "regression":
            for name in ("positive", "favourable", "threshold"):
                if getattr(self, name) is not None:
                    raise TableError(f"{name} means nothing for a regression", do="leave it out")


@dataclass(frozen=True, kw_only=True)
class Outside:
    """``evidence`` of the table called ``name`` with these ``columns``; ``row_digests`` [n] say who its rows are,
    ``sha256`` is over every column that was used; ``digests`` of the predictions and ``read_as`` how they were read, by
    teacher, student (and control); ``threshold`` is what probabilities were decided at (None: nothing was)."""

    evidence: "Evidence"
    name: str
    row_digests: npt.NDArray[Any]
    sha256: str
    digests: Mapping[str, str]
    read_as: Mapping[str, str]
    threshold: float | None
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        """Whether ``name`` is a path."""
        return self.name != FRAME


def outside(frame: Any, asked: Asked) -> Outside:
    """Read ``frame`` (a path, a pandas DataFrame, a pyarrow Table or a mapping of columns) as ``asked``.

    No row is dropped: what is missing or cannot be meant is refused with its column and first rows, counted from 0.
    Raises ``TableError``.
    """
    table, name = _table(frame)
    used = _used(table, asked, name)
    attributes, notes = _groups(table, asked, name)
    ids = _ids(table, asked, name)
    who = {role: getattr(asked, role) for role in ("teacher", "student", "control") if getattr(asked, role)}
    y: npt.NDArray[Any]
    if asked.task == "regression":
        y, spoken, judged, threshold = _regression(table, asked, who, ids, name)
        classes: tuple[str, ...] = ()
        rated: tuple[int | None, int | None] = (None, None)
    else:
        labels, label = labelled(table, asked, name)
        models = {role: said(table, column, labels, name) for role, column in who.items()}
        classes = together(labels, models, name)
        y = np.array([classes.index(one) for one in labels.classes], dtype=np.int64)[label]
        spoken = {role: predictions(one, classes, ids, labels) for role, one in models.items()}
        judged = {role: one.note for role, one in models.items()}
        rated = rating(labels, asked, classes, name)
        threshold = decided_at(labels, models)
    others = {"control": spoken["control"]} if "control" in spoken else {}
    if classes:
        others["majority"] = _majority(y, classes, ids)
    from autodistill.stats import Evidence  # opens scipy, which a search's table does not need

    evidence = Evidence(
        split=VIEW,
        row_ids=ids,
        y=y,
        classes=classes,
        positive=rated[0],
        favourable=rated[1],
        groups=attributes,
        teacher={VIEW: spoken["teacher"]},
        student={VIEW: spoken["student"]},
        cluster=_cluster(table, asked, name),
        others=others,
    )
    return Outside(
        evidence=evidence,
        name=name,
        row_digests=identity.rows(evidence, asked, table),
        sha256=identity.content({column: table[column] for column in sorted(used)}),
        digests={role: identity.said(one, classes) for role, one in spoken.items()},
        read_as=judged,
        threshold=threshold,
        columns=tuple(table.column_names),
        notes=tuple(notes),
    )


def _table(frame: Any) -> tuple[pa.Table, str]:
    if isinstance(frame, str | Path):
        return read(Path(frame)), str(frame)
    try:
        table = frame if isinstance(frame, pa.Table) else _arrow(frame)
    except (pa.ArrowException, ValueError, TypeError, AttributeError, OverflowError) as fault:
        what = f"it cannot be read as a table ({' '.join(str(fault).split())[:160]})"
        raise TableError(what, where=FRAME, do="columns of one length, each of one kind of value") from None
    twice = sorted({n for n in table.column_names if table.column_names.count(n) > 1})
    if twice:
        raise TableError(f"two columns are named {twice[0]!r}", where=FRAME, do="rename one of them")
    if not table.num_rows or not table.num_columns:
        raise TableError("the table is empty", where=FRAME, do="it needs columns and rows")
    return table, FRAME


def _arrow(frame: Any) -> pa.Table:
    if isinstance(frame, Mapping):
        lengths = {name: len(column) for name, column in frame.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError("; ".join(f"{name!r} has {size:,} rows" for name, size in lengths.items()))
        return pa.table({str(name): pa.array(column, from_pandas=True) for name, column in frame.items()})
    return pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)


def _used(table: pa.Table, asked: Asked, file: str) -> list[str]:
    """The columns that play a part; refuses those that are not there and those with two parts."""
    names = table.column_names
    single = [(role, getattr(asked, role)) for role in ("label", "id", "cluster")]
    parts = [(role, name) for role, name in single if name is not None] + [("group", name) for name in asked.groups]
    for role in ("teacher", "student", "control"):
        column = getattr(asked, role)
        parts += [(role, name) for name in (matching(column, names) if column is not None else ())]
    played: dict[str, str] = {}
    for role, name in parts:
        if name not in names:
            raise TableError(f"no column {name!r} ({role})", where=file, do=suggest(name, names))
        if name in played:
            both = f"column {name!r} is named as {played[name]} and {role}"
            raise TableError(both if role != played[name] else f"column {name!r} is named as {role} twice", where=file,
                             do="give it one part")  # fmt: skip
        played[name] = role
    readable(played, file)
    return list(played)


def _groups(table: pa.Table, asked: Asked, file: str) -> tuple[Mapping[str, ObjectArray], list[str]]:
    crossed = tuple(GroupSpec(column=BETWEEN.join(parts), cross=parts) for parts in asked.cross)
    for one in crossed:
        if len(one.cross) > 1 and one.column in asked.groups:
            raise TableError(
                f"{one.column!r} is a group column and an intersection", where=file, do="rename the column"
            )
    found, notes = groups(table, (*(GroupSpec(column=name) for name in asked.groups), *crossed), file)
    for name, column in found.items():
        readable(set(column.tolist()), str(Place(file, name)))
    return found, notes


def _ids(table: pa.Table, asked: Asked, file: str) -> npt.NDArray[Any]:
    if asked.id is None:
        return np.arange(table.num_rows, dtype=np.int64)
    place = Place(file, asked.id)
    kind = columns.kind(table[asked.id], place)
    ids = columns.strings(table[asked.id])
    missing = ids == ""
    if missing.any():
        raise TableError("row ids are missing", where=place.rows(missing), do="give each row an id")
    if len(set(ids.tolist())) < len(ids):
        _, first, code = np.unique(ids.astype(str), return_index=True, return_inverse=True)
        again = first[code] != np.arange(len(ids))
        what = f"{int(again.sum()):,} row ids stand twice, first {str(ids[np.flatnonzero(again)[0]])!r}"
        raise TableError(what, where=place.rows(again), do="make them unique, or say --cluster if a row repeats a unit")
    whole = kind == "number" and pa.types.is_integer(table[asked.id].type)
    return np.asarray(table[asked.id].to_numpy(), dtype=np.int64) if whole else ids.astype(str)


def _cluster(table: pa.Table, asked: Asked, file: str) -> IntArray | None:
    if asked.cluster is None:
        return None
    place = Place(file, asked.cluster)
    names, codes = coded(table[asked.cluster], place)
    if (codes < 0).any():
        raise TableError("clusters are missing", where=place.rows(codes < 0), do="name each row's cluster")
    if len(names) < 2:
        raise TableError(f"only one cluster, {names[0]!r}", where=str(place), do="rows of two clusters or more")
    return codes


def _regression(
    table: pa.Table, asked: Asked, who: Mapping[str, str], ids: npt.NDArray[Any], file: str
) -> tuple[npt.NDArray[np.float64], dict[str, Predictions], dict[str, str], None]:
    y = np.asarray(values(table, asked.label, file), dtype=np.float64)
    if np.ptp(y) == 0:
        raise TableError("the label is constant", where=str(Place(file, asked.label)), do="a label that varies")
    spoken = {}
    for role, column in who.items():
        if column not in table.column_names:
            raise TableError(f"no column {column!r} ({role})", where=file, do=suggest(column, table.column_names))
        numbers = values(table, column, file)
        spoken[role] = Predictions(view=VIEW, row_ids=ids, scores=numbers[:, None], decisions=numbers)
    return y, spoken, dict.fromkeys(who, "values"), None


def _majority(y: npt.NDArray[Any], classes: tuple[str, ...], ids: npt.NDArray[Any]) -> Predictions:
    """The control that always says the commonest label of these rows."""
    top = int(np.bincount(y, minlength=len(classes)).argmax())
    return Predictions(view=VIEW, row_ids=ids, scores=np.zeros((len(y), 0)), decisions=np.full(len(y), top))


def question(asked: Asked) -> dict[str, Any]:
    """``asked`` as plain values."""
    return {field.name: getattr(asked, field.name) for field in fields(asked)}
