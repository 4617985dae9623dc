"""A teacher of which only its predictions are known: an API, a rules engine, a model that may not leave its server."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from autodistill import data
from autodistill.data import columns
from autodistill.data.columns import Place
from autodistill.data.digest import short
from autodistill.data.labels import key
from autodistill.data.table import Source
from autodistill.data.wide import content
from autodistill.errors import TeacherError
from autodistill.plugins import Fixed, suggest
from autodistill.records import SPLITS, FloatArray, IntArray
from autodistill.teachers import Labelled, Saw, Task
from autodistill.teachers._classes import scores, sides

PLACE = "teacher: table"
WHY = "only its predictions are known"


@dataclass(frozen=True)
class Predictions:
    """A table of what the teacher said: a probability (or logit) for each class, or a number for regression."""

    table: Annotated[Path, Fixed, Field(description="a Parquet or CSV file")]
    row_id: Annotated[
        str | None,
        Fixed,
        Field(description="its column of row ids (data.row_id names the other side); none: it is the table itself"),
    ] = None
    columns: Annotated[Mapping[str, str], Fixed, Field(description="class: column; one of two classes is enough")] = (
        field(default_factory=dict)
    )
    prefix: Annotated[str | None, Fixed, Field(description="the columns are called <prefix><class>")] = None
    value: Annotated[str | None, Fixed, Field(description="the column of numbers, for regression")] = None
    logits: Annotated[bool, Fixed, Field(description="the columns hold logits")] = False
    saw: Annotated[Saw, Fixed, Field(description="whether the teacher was fitted on the train rows")] = "unknown"

    def __post_init__(self) -> None:
        given = [name for name in ("columns", "prefix", "value") if getattr(self, name)]
        if len(given) != 1:
            asked = " and ".join(given) if given else "nothing"
            raise ValueError(
                f"{asked} says which columns hold the predictions, where one of columns, prefix, value may"
            )

    def fingerprint(self) -> dict[str, str]:
        """The digest of the file; TeacherError or TableError where it is not there, or lacks a named column."""
        names = data.source(self.table).names
        asked = [*self.columns.values(), *([self.value] if self.value else []), *([self.row_id] if self.row_id else [])]
        for name in asked:
            _has(name, names, self.table)
        if self.prefix and not any(name.startswith(self.prefix) for name in names):
            what = f"no column begins with {self.prefix!r}"
            raise TeacherError(what, where=str(self.table), do=suggest(self.prefix, names))
        with self.table.open("rb") as file:
            return {"table": hashlib.file_digest(file, "sha256").hexdigest()}

    def label(self, task: Task) -> Labelled:
        """The predictions of every row of the table, by row id, or in its own order where it is the table itself."""
        opened = data.source(self.table)
        names = self._names(opened.names, task.classes)
        told = [name for name in names if name]
        leaked = [name for name in told if self.row_id is None and name in task.features]
        if leaked:
            what = f"column {leaked[0]!r} is the teacher's, and a feature of the student too"
            raise TeacherError(what, where=str(self.table), do="name it in the experiment file under data: drop")
        at = self._rows(opened, task)
        values = np.stack([self._numbers(opened, name)[at] for name in told], axis=1)
        if len(names) == 2 and len(told) == 1 and names[0]:
            values = -values if self.logits else 1.0 - values
        found = scores(values, task.classes, "logits" if self.logits else "probabilities", "it", task.row_ids)
        return Labelled(name=f"predictions of {self.table.name}", scores=found, why_no_onnx=WHY, saw=self.saw)

    def _names(self, listed: Sequence[str], classes: tuple[str, ...]) -> list[str | None]:
        """The column of each class; None where it follows from the other of two."""
        if bool(self.value) == bool(classes):
            said = "a value" if self.value else "classes"
            what = f"the teacher gives {said}, the table has " + ("classes" if classes else "a number as its target")
            raise TeacherError(what, where="teacher", do="name columns for classes, value for a number")
        if self.value:
            return [self.value]
        given = dict(self.columns)
        if self.prefix:
            given = {name.removeprefix(self.prefix): name for name in listed if name.startswith(self.prefix)}
        meant = {key(str(name)): column for name, column in given.items()}
        if len(meant) < len(given):
            raise TeacherError("two columns are of one class", where="teacher: columns", do="take one out")
        names = [meant.get(key(name)) for name in classes]
        extra = set(meant) - {key(name) for name in classes}
        if extra or (None in names and not (len(classes) == 2 and any(names))):
            raise TeacherError(
                sides(tuple(given), classes, "it"), where=str(self.table), do="give a column for each class"
            )
        return names

    def _rows(self, opened: Source, task: Task) -> IntArray:
        """int64 [N]: where in the table of predictions each row is."""
        file = str(self.table)
        if self.row_id is None:
            if not _same(opened, task.row_digests):
                what = "it is not the experiment's own table, so rows cannot be matched by their order"
                raise TeacherError(what, where=file, do="name its column of row ids: row_id")
            return np.arange(opened.rows)
        ids = columns.strings(opened.table([self.row_id])[self.row_id]).astype(str)
        sorter = np.argsort(ids, kind="stable")
        twice = np.flatnonzero(ids[sorter][1:] == ids[sorter][:-1])
        if len(twice):
            raise TeacherError(f"row {ids[sorter][twice[0]]} stands twice", where=file, do="give each row once")
        wanted = np.asarray(task.row_ids).astype(str)
        found = sorter[np.minimum(np.searchsorted(ids, wanted, sorter=sorter), len(ids) - 1)]
        lacking = wanted[ids[found] != wanted]
        if len(lacking):
            more = f" and {len(lacking) - 1:,} more of {len(wanted):,}" if len(lacking) > 1 else ""
            do = f"predict every row of the table (here {self.row_id!r} begins with {ids[0]}, there is {wanted[0]})"
            raise TeacherError(f"it says nothing of row {lacking[0]}{more}", where=file, do=do)
        return np.asarray(found, np.int64)

    def _numbers(self, opened: Source, name: str) -> FloatArray:
        _has(name, opened.names, self.table)
        values = columns.numbers(opened.table([name])[name], Place(str(self.table), name))
        missing = np.isnan(values)
        if missing.any():
            what = f"{int(missing.sum()):,} predictions are missing"
            raise TeacherError(what, where=Place(str(self.table), name).rows(missing), do="predict every row")
        return values


def _has(name: str, names: Sequence[str], table: Path) -> None:
    if name not in names:
        raise TeacherError(f"it has no column {name!r}", where=str(table), do=suggest(name, names))


def _same(opened: Source, rows: npt.NDArray[Any]) -> bool:
    """Whether these are the experiment's rows, in their order. A split column is no part of a row's digest."""
    if opened.rows != len(rows):
        return False
    text = [name for name in opened.names if pa.types.is_string(opened.schema.field(name).type)]
    first = {name: next(opened.batches([name], rows=1000))[name] for name in text}
    words = [name for name in text if set(columns.strings(first[name])) <= set(SPLITS)]
    kept = [[name for name in opened.names if name != split] for split in (None, *words)]
    return any((short(content(opened, names)) == rows).all() for names in kept)
