"""A teacher that is an ONNX file, from wherever: it runs in ONNX Runtime on the table's columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill import runtime
from autodistill.data.labels import Key, key
from autodistill.errors import TeacherError
from autodistill.plugins import Fixed, suggest
from autodistill.records import Features, FloatArray, IntArray, digest
from autodistill.runtime import Session
from autodistill.teachers import Labelled, Saw, Task
from autodistill.teachers._classes import order, scores, width
from autodistill.teachers._fronts import Feed, front
from autodistill.teachers._graphs import Answer, answer, core, placed

CHUNK = 1024
TRIED, ALIKE = 64, 1e-3  # rows on which two outputs are compared, and how near they are
NO_SCORES = "it gives labels and no probabilities"


@dataclass(frozen=True)
class Onnx:
    """An ONNX file that reads columns of the table by name, or its numbers as one matrix."""

    gives: ClassVar[frozenset[str]] = frozenset({"places"})

    path: Annotated[Path, Fixed, Field(description="the .onnx file")]
    inputs: Annotated[
        Mapping[str, str], Fixed, Field(description="input of the file: column of the table, where they differ")
    ] = field(default_factory=dict)
    columns: Annotated[
        tuple[str, ...], Fixed, Field(description="the columns of a matrix input, in its order (default: the table's)")
    ] = ()
    output: Annotated[str | None, Fixed, Field(description="the output to read (default: its only one of numbers)")] = (
        None
    )
    says: Annotated[
        Literal["probabilities", "logits", "log_probabilities", "labels"], Fixed, Field(description="what that holds")
    ] = "probabilities"
    places: Annotated[
        str | None,
        Fixed,
        Field(description="the output that says the same of each place of a text [N, places, C], for distill.places"),
    ] = None
    classes: Annotated[
        Mapping[str, str], Fixed, Field(description="class of the table: the file's name of it, where they differ")
    ] = field(default_factory=dict)
    order: Annotated[tuple[str, ...], Fixed, Field(description="the file's classes in order, if it does not say")] = ()
    saw: Annotated[Saw, Fixed, Field(description="whether it was fitted on the train rows")] = "unknown"

    def fingerprint(self) -> dict[str, str]:
        """Digest of the file and the runtime's version; ArtefactError or TeacherError where it cannot be opened."""
        session = runtime.open(self.path)
        for name in self.inputs:
            if name not in session.inputs:
                do = suggest(name, session.inputs)
                raise TeacherError(f"it has no input {name!r}", where=str(self.path), do=do)
        answer(self.path, session, self.output, self.says, self.places)
        if self.places is not None and self.places not in session.outputs:
            do = suggest(self.places, session.outputs)
            raise TeacherError(f"it has no output {self.places!r}", where=str(self.path), do=do)
        return {"onnxruntime": runtime.VERSION, "file": digest(self.path.read_bytes())}

    def label(self, task: Task) -> Labelled:
        """Every row through the file; the file, with its columns in front and the decision behind, is the artefact."""
        session = runtime.open(self.path)
        feeds = [self._feed(name, session, task.features) for name in session.inputs]
        told = answer(self.path, session, self.output, self.says, self.places)
        at, note = self._order(told, task)
        first = self._run(session, feeds, told, _some(task.features, slice(0, TRIED)))
        if self.says != "labels":
            width(first.shape[1], task.classes, "it")
        steps = range(0, len(task.y), CHUNK)
        parts = []
        for done, start in enumerate(steps, start=1):
            parts.append(self._run(session, feeds, told, _some(task.features, slice(start, start + CHUNK))))
            task.progress(done, len(steps), f"{self.path.name}: {done} of {len(steps)} parts labelled")
        found = np.concatenate(parts)
        made = Labelled(name=self.path.stem, scores=np.empty((0, 0)), saw=self.saw, notes=(note,) if note else ())
        if self.says == "labels":
            return replace(made, scores=self._decided(found, task), why_no_onnx=NO_SCORES)
        values = scores(found, task.classes, self.says, "it", task.row_ids)
        values = values if at is None else values[:, at]
        logits = self.says != "probabilities" and bool(task.classes)
        if self.places is not None:
            self._hold_places(self.places, session, feeds, _some(task.features, slice(0, TRIED)), first)
            made = replace(made, places=placed(self.path, self.places, at, logits))
        data, why = core(self.path, session, told, at, logits, single=found.shape[1] == 1 and bool(task.classes))
        return replace(made, scores=values, core=data, why_no_onnx=why, form="split", front=front(feeds))

    def _feed(self, name: str, session: Session, features: Features) -> Feed:
        """What one input of the file is given."""
        dtype, rank = session.inputs[name], len(session.shapes[name])
        column = self.inputs.get(name, name)
        one = column in features
        if not one and len(session.inputs) == 1 and (rank == 2 or len(features) == 1):
            listed = self.columns or tuple(features)
        elif one:
            listed = (column,)
        else:
            theirs, ours = ", ".join(session.inputs), ", ".join(features)
            what = f"it reads {theirs}; the table has {ours}, and no {column!r}"
            raise TeacherError(what, where=str(self.path), do="map them: inputs: {<input>: <column>}")
        for part in listed:
            if part not in features:
                raise TeacherError(f"the table has no column {part!r}", where=WHERE, do=suggest(part, features))
        first = features[listed[0]]
        kind = _kind(first)
        odd = [n for n in listed if (features[n].dtype == object) != (dtype == "string")]
        if odd:
            held = "strings" if features[odd[0]].dtype == object else "numbers"
            what = f"its input {name!r} is {dtype}, column {odd[0]!r} holds {held}"
            raise TeacherError(what, where=str(self.path), do="list the columns that it reads: columns")
        asked = session.shapes[name]
        if len(listed) > 1 or (rank == 2 and first.ndim == 1):
            self._wide(name, asked, len(listed), listed)
        elif rank != first.ndim and not (rank == 1 and first.ndim == 1):
            what = f"its input {name!r} has the shape {_shape(asked)}, column {listed[0]!r} {_shape(first.shape)}"
            raise TeacherError(what, where=str(self.path), do="give it the column that it was made for")
        numpy_name = dtype if dtype == "string" else np.dtype(runtime.ARRAYS[dtype]).name
        return Feed(to=f"m/{name}", columns=listed, kind=kind, shape=first.shape[1:], dtype=numpy_name, rank=rank)

    def _wide(self, name: str, asked: tuple[Any, ...], columns: int, listed: tuple[str, ...]) -> None:
        if isinstance(asked[-1], int) and asked[-1] != columns:
            what = f"its input {name!r} has {asked[-1]} columns, the table gives {columns} ({', '.join(listed[:8])})"
            raise TeacherError(what, where=str(self.path), do="list the columns that it reads, in its order: columns")

    def _order(self, told: Answer, task: Task) -> tuple[IntArray | None, str]:
        """Where the file has each class of the table, or None where its order is taken as the table's; a note."""
        named = self.order or told.classes
        if not task.classes or (self.says == "labels" and not named):
            return None, ""
        if named:
            at = order(named, task.classes, self.classes, "it")
            return (None if np.array_equal(at, np.arange(len(at))) else at), ""
        return None, f"the file does not name its classes: taken in the order {', '.join(task.classes)}"

    def _run(self, session: Session, feeds: list[Feed], told: Answer, rows: Features) -> npt.NDArray[Any]:
        """What the file says of some rows: numbers [n, columns], or labels [n, 1]."""
        given = dict(zip(session.inputs, (_value(feed, rows) for feed in feeds), strict=True))
        count = len(next(iter(given.values())))
        step = session.fixed_batch or count
        parts = []
        for start in range(0, count, step):
            piece = {name: _padded(value[start : start + step], step) for name, value in given.items()}
            found = session.run(piece, told.outputs)
            kept = min(step, count - start)
            parts.append(np.concatenate([np.asarray(one).reshape(step, -1)[:kept] for one in found], axis=1))
        return np.concatenate(parts)

    def _hold_places(
        self, places: str, session: Session, feeds: list[Feed], rows: Features, answer: npt.NDArray[Any]
    ) -> None:
        """TeacherError where its output ``places`` is not [N, places, C] whose last place is the ``answer`` [n, C]."""
        given = dict(zip(session.inputs, (_value(feed, rows) for feed in feeds), strict=True))
        step = session.fixed_batch or len(answer)
        found = np.asarray(session.run({k: _padded(v[:step], step) for k, v in given.items()}, [places])[0])
        what = "" if found.ndim == 3 else f"has the shape {_shape(found.shape)} and not [N, places, C]"
        if not what:
            last = found[: len(answer), -1]
            same = last.shape == answer[:step].shape and np.allclose(last, answer[:step], rtol=ALIKE, atol=ALIKE)
            what = "" if same else "says something else of the last place than its answer"
        if what:
            do = "name the output that says the same after each place of a text, the last one last"
            raise TeacherError(f"its output {places!r} {what}", where=str(self.path), do=do)

    def _decided(self, labels: npt.NDArray[Any], task: Task) -> FloatArray:
        """float32 [N, C]: 1 for the class that the file decides for."""
        if not task.classes:
            return scores(labels.astype(np.float64), (), "probabilities", "it", task.row_ids)
        names, code = np.unique(labels[:, 0].astype(str), return_inverse=True)
        known: dict[Key, int] = {key(self.classes.get(name, name)): at for at, name in enumerate(task.classes)}
        if self.order:
            known = {float(at): known.get(key(name), -1) for at, name in enumerate(self.order)}
        odd = [str(name) for name in names if known.get(key(str(name)), -1) < 0]
        if odd:
            what = f"it decides for {odd[0]!r}, the table has {', '.join(task.classes)}"
            raise TeacherError(what, where="teacher: classes", do="map them: classes: {<class of the table>: <label>}")
        lookup = np.array([known[key(str(name))] for name in names], np.int64)
        return np.eye(len(task.classes), dtype=np.float32)[lookup[code.reshape(-1)]]


WHERE = "teacher: columns"


def _some(features: Features, at: slice) -> Features:
    return {name: column[at] for name, column in features.items()}


def _kind(column: npt.NDArray[Any]) -> Any:
    return "string" if column.dtype == object else "uint8" if column.dtype == np.uint8 else "float"


def _shape(shape: tuple[Any, ...]) -> str:
    return f"[N, {', '.join(map(str, shape[1:]))}]" if shape[1:] else "[N]"


def _value(feed: Feed, rows: Features) -> npt.NDArray[Any]:
    """The same as the front end makes."""
    columns = [rows[name] for name in feed.columns]
    value = np.stack(columns, axis=1) if len(columns) > 1 else columns[0]
    if value.ndim == 1 and feed.rank == 2:
        value = value[:, None]
    if feed.dtype == "string":
        return value.astype(object)
    if np.issubdtype(np.dtype(feed.dtype), np.integer) and np.isnan(value).any():
        what = f"it reads whole numbers, column {feed.columns[0]!r} has missing ones"
        raise TeacherError(what, where="teacher", do="fill them in the table")
    return np.ascontiguousarray(value.astype(feed.dtype))


def _padded(value: npt.NDArray[Any], rows: int) -> npt.NDArray[Any]:
    """With its last row again, up to ``rows``: a file may be made for one number of rows."""
    return value if len(value) == rows else np.concatenate([value, np.repeat(value[-1:], rows - len(value), axis=0)])
