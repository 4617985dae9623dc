"""Fit or load the teacher, label every row once, keep the labels under their content address.

Train rows are labelled out of fold. All other rows are labelled by the artefact where the teacher can be exported, so
that what is audited is what is measured. What is kept is arrays, ONNX and JSON: nothing is ever unpickled.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache as once
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from autodistill import export, plugins, runtime
from autodistill.data import Transfer
from autodistill.errors import TeacherError, UserError
from autodistill.inputs import Encoding
from autodistill.records import SPLITS, Dataset, Features, FloatArray, IntArray, decide, digest, take
from autodistill.teacher import folds
from autodistill.teacher.labels import FORMAT, Made, Member, Teacher, alone, read, write
from autodistill.teachers import PLACES, SAW, Labelled, Progress, Source, Task, silent

__all__ = ["Member", "Refit", "Teacher", "artefact", "check", "prepare", "task_of"]

PARITY = 1e-3  # a larger difference of probabilities is another model
MEASURED = 256  # rows that a part in Python prepares, to be timed on; a timing rotates through as many

Refit = Callable[[Features, npt.NDArray[Any]], Encoding]


def prepare(  # noqa: PLR0913  each is a choice that its caller names
    kind: str,
    options: Mapping[str, Any],
    dataset: Dataset,
    encoding: Encoding,
    *,
    cache: Path | None = None,
    seed: int = 0,
    refit: Refit | None = None,
    further: Transfer | None = None,
    progress: Progress = silent,
) -> Teacher:
    """The labels of all rows by the teacher ``kind`` with ``options``: read from ``cache``, or made and put there.

    ``encoding`` was fitted on the train split. ``refit(features, y)`` fits it again without a fold's rows, so that even
    the order of categories in their labels owes nothing to them; without it the notes say so. ``further`` are rows
    beside the table's, which a source that runs in Python labels in the same go; another's artefact is asked of them
    when they are wanted. ``cache`` is a folder
    (default: the user's cache). Raises ``TeacherError`` or ``SpecError``.
    """
    source: Source = plugins.build("teachers", kind, options, where="teacher")
    fold = folds.assign(dataset, seed)
    asked = {"kind": kind, "options": options, "source": source.fingerprint(), "seed": seed}
    identity = _identity(asked, dataset, [encoding.digest, refit is not None], fold)
    more = further if "further" in getattr(source, "gives", ()) else None
    rows = _rows(dataset) + ("" if more is None else more.digest)
    where = _folder(cache) / digest((identity + rows).encode())[:40]
    with alone(where):
        found = read(where, identity, dataset, cached=True)
        if found is not None:
            return found
        start = time.perf_counter()
        task = task_of(dataset, encoding, fold, seed, _encoder(dataset, encoding, fold, refit), progress)
        task = task if more is None else replace(task, further=more.features)
        labelled = source.label(task)
        models, notes = _models(labelled, task, dataset, refit is not None)
        write(where, identity, models, round(time.perf_counter() - start, 3), notes, labelled.saw)
        made = read(where, identity, dataset, cached=False)
    if made is None:
        raise TeacherError("its labels cannot be read back", where=str(where), do="check the disk, or give a cache")
    return made


def task_of(
    dataset: Dataset,
    encoding: Encoding,
    fold: IntArray,
    seed: int,
    encode: Callable[[int | None], FloatArray],
    progress: Progress = silent,
) -> Task:
    """What a source is asked, of a table and an encoding fitted on its train split."""
    return Task(
        features=dataset.features,
        y=dataset.y,
        classes=dataset.classes,
        weights=dataset.weights,
        train=dataset.splits["train"],
        folds=fold,
        encode=encode,
        seed=seed,
        encoding=encoding,
        row_ids=dataset.row_ids,
        row_digests=dataset.row_digests,
        measured=dataset.splits["search"][:MEASURED],
        progress=progress,
    )


def check(kind: str, options: Mapping[str, Any]) -> None:
    """Refuse a teacher that cannot work, before any row is read: ``SpecError`` or ``TeacherError``."""
    source: Source = plugins.build("teachers", kind, options, where="teacher")
    source.fingerprint()


def _models(labelled: Labelled, task: Task, dataset: Dataset, refitted: bool) -> tuple[list[Made], list[str]]:
    """The teacher and its members with their artefacts, and what is to be said of them."""
    if labelled.saw == "out of fold":
        notes = [f"train rows are labelled out of fold ({task.folds.max() + 1} folds)"]
        if not refitted:
            notes.append("the order of categories was fitted on all train rows, those of the fold included")
    else:
        notes = [SAW[labelled.saw]]
    models = [_made(one, dataset, task.encoding) for one in (labelled, *labelled.members)]
    return [model for model, _ in models], [*notes, *labelled.notes, *(note for _, note in models if note)]


def _encoder(
    dataset: Dataset, encoding: Encoding, fold: IntArray, refit: Refit | None
) -> Callable[[int | None], FloatArray]:
    train = dataset.rows("train")
    y = dataset.y[dataset.splits["train"]]

    @once
    def encode(k: int | None) -> FloatArray:
        if k is None:
            return encoding.apply_matrix(dataset.features)
        if refit is None:
            return encoding.apply_matrix(train)
        inside = fold != k
        return refit({name: take(column, inside) for name, column in train.items()}, y[inside]).apply_matrix(train)

    return encode


def _made(one: Labelled, dataset: Dataset, encoding: Encoding) -> tuple[Made, str]:
    """A model with its artefact; of rows that were not fitted on, the artefact's own labels, unless only the measured
    rows can be given to it. A note on its parity."""
    if one.core is None:
        return _unexported(one, one.why_no_onnx), ""
    at = np.setdiff1d(np.arange(len(dataset.y)), dataset.splits["train"])
    rows: Features = {name: take(column, at) for name, column in dataset.features.items()}
    if one.prepared:
        at, rows = dataset.splits["search"][: len(next(iter(one.prepared.values())))], one.prepared
    try:
        onnx, found = _artefact(one, dataset, encoding, rows)
    except UserError as fault:
        return _unexported(one, str(fault)), ""
    except Exception as fault:  # a graph from elsewhere may break the joining in any way
        line = " ".join(str(fault).split())[:160]
        return _unexported(one, f"its graph cannot be joined ({type(fault).__name__}: {line})"), ""
    apart = float(np.abs(found - one.scores[at]).max(initial=0.0))
    size = float(np.abs(one.scores[at]).max(initial=1.0))
    if not apart <= PARITY * size:
        return _unexported(one, f"its artefact differs from it by {apart:.1g}"), ""
    note = f"{one.name}: the artefact is within {apart:.1g} of the model on {len(at):,} rows"
    if dataset.classes:
        rule = (dataset.positive, dataset.threshold)
        other = int((decide(found, *rule) != decide(one.scores[at], *rule)).sum())
        note += f", {other} decisions differ"
    scores = np.array(one.scores, np.float32)
    if one.prepared:
        note += f"; its latency and size are without what makes {_listed(one.prepared)}, which runs in Python"
    else:
        scores[at] = found
        note += "; its labels are used"
    made = Made(
        name=one.name,
        scores=scores,
        onnx=onnx,
        why_no_onnx="",
        features=one.features,
        prepared=one.prepared,
        places=_places(one, encoding),
        further=one.further,
    )
    return made, note


def _places(one: Labelled, encoding: Encoding) -> bytes | None:
    import onnx

    if one.places is None:
        return None
    return export.fronted(one.front or encoding, onnx.load_model_from_string(one.places), PLACES, one.form)


def _listed(names: Iterable[str]) -> str:
    return " and ".join(name.strip("/") for name in names)


def _unexported(one: Labelled, why: str) -> Made:
    return Made(
        name=one.name, scores=one.scores, onnx=None, why_no_onnx=why, features=one.features, further=one.further
    )


def _artefact(one: Labelled, dataset: Dataset, encoding: Encoding, rows: Features) -> tuple[bytes, FloatArray]:
    """The file's bytes, and its scores of some rows."""
    data = artefact(one, dataset, encoding)
    session = runtime.open(data)
    return data, session.probabilities(rows) if dataset.classes else session.scores(rows)


def artefact(one: Labelled, dataset: Dataset, encoding: Encoding) -> bytes:
    """A labelled model's core as a file on raw rows that decides by the table's rule. Raises ``ArtefactError``."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        model = onnx.load_model_from_string(one.core)
        out, answer = Path(folder) / "teacher.onnx", export.Answer.of(dataset)
        return export.wrap(one.front or encoding, model, answer, out, form=one.form).path.read_bytes()


def _identity(asked: Mapping[str, Any], dataset: Dataset, encoding: list[Any], fold: IntArray) -> str:
    """Digest of everything that decides the model."""
    train = _content(dataset, dataset.splits["train"]) + digest(fold.tobytes())
    said = {"format": FORMAT, "encoding": encoding, "classes": dataset.classes, "train": train, **asked}
    return digest(json.dumps(said, sort_keys=True, default=str).encode())


def _content(dataset: Dataset, at: IntArray) -> str:
    """Digest of rows in their order: content, label, weight."""
    parts = [dataset.row_digests[at].astype("U16").tobytes(), dataset.y[at].tobytes()]
    if dataset.weights is not None:
        parts.append(dataset.weights[at].tobytes())
    return digest(b"".join(parts))


def _rows(dataset: Dataset) -> str:
    """Digest of which row is where: what is kept is in the table's own order, to be mapped into memory as it is."""
    splits = b"".join(dataset.splits[name].tobytes() for name in SPLITS)
    return _content(dataset, np.arange(len(dataset.y))) + digest(splits)


def _folder(cache: Path | None) -> Path:
    return (Path(platformdirs.user_cache_dir("autodistill", appauthor=False)) if cache is None else cache) / "teachers"
