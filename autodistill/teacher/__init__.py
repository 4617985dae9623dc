"""Fit or load the teacher, label every row once, keep the labels under their content address.

Train rows are labelled out of fold. All other rows are labelled by the artefact where the teacher can be exported, so
that what is audited is what is measured. What is kept is arrays, ONNX and JSON: nothing is ever unpickled.
"""

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache as once
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from autodistill import export, plugins, runtime
from autodistill.errors import TeacherError, UserError
from autodistill.inputs import Encoding
from autodistill.records import SPLITS, Dataset, Features, FloatArray, IntArray, decide, digest
from autodistill.teacher import folds
from autodistill.teacher.labels import FORMAT, Made, Member, Teacher, alone, read, write
from autodistill.teachers import Labelled, Progress, Source, Task, silent

__all__ = ["Member", "Refit", "Teacher", "check", "prepare"]

PARITY = 1e-3  # a larger difference of probabilities is another model

Refit = Callable[[Features, npt.NDArray[Any]], Encoding]


def prepare(
    kind: str,
    options: Mapping[str, Any],
    dataset: Dataset,
    encoding: Encoding,
    *,
    cache: Path | None = None,
    seed: int = 0,
    refit: Refit | None = None,
    progress: Progress = silent,
) -> Teacher:
    """The labels of all rows by the teacher ``kind`` with ``options``: read from ``cache``, or made and put there.

    ``encoding`` was fitted on the train split. ``refit(features, y)`` fits it again without a fold's rows, so that even
    the order of categories in their labels owes nothing to them; without it the notes say so. ``cache`` is a folder
    (default: the user's cache). Raises ``TeacherError`` or ``SpecError``.
    """
    source: Source = plugins.build("teachers", kind, options, where="teacher")
    fold = folds.assign(dataset, seed)
    asked = {"kind": kind, "options": options, "source": source.fingerprint(), "seed": seed}
    identity = _identity(asked, dataset, [encoding.digest, refit is not None], fold)
    where = _folder(cache) / digest((identity + _rows(dataset)).encode())[:40]
    with alone(where):
        found = read(where, identity, dataset, cached=True)
        if found is not None:
            return found
        start = time.perf_counter()
        task = Task(
            features=dataset.features,
            y=dataset.y,
            classes=dataset.classes,
            weights=dataset.weights,
            train=dataset.splits["train"],
            folds=fold,
            encode=_encoder(dataset, encoding, fold, refit),
            seed=seed,
            progress=progress,
        )
        models, notes = _label(source, task, dataset, encoding, refit is not None)
        write(where, identity, models, round(time.perf_counter() - start, 3), notes)
        made = read(where, identity, dataset, cached=False)
    if made is None:
        raise TeacherError("its labels cannot be read back", where=str(where), do="check the disk, or give a cache")
    return made


def check(kind: str, options: Mapping[str, Any]) -> None:
    """Refuse a teacher that cannot work, before any row is read: ``SpecError`` or ``TeacherError``."""
    source: Source = plugins.build("teachers", kind, options, where="teacher")
    source.fingerprint()


def _label(
    source: Source, task: Task, dataset: Dataset, encoding: Encoding, refitted: bool
) -> tuple[list[Made], list[str]]:
    """The teacher and its members with their artefacts, and what is to be said of them."""
    labelled = source.label(task)
    notes = [f"train rows are labelled out of fold ({task.folds.max() + 1} folds)"]
    if not refitted:
        notes.append("the order of categories was fitted on all train rows, those of the fold included")
    models = [_made(one, dataset, encoding) for one in (labelled, *labelled.members)]
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
        return refit({name: column[inside] for name, column in train.items()}, y[inside]).apply_matrix(train)

    return encode


def _made(one: Labelled, dataset: Dataset, encoding: Encoding) -> tuple[Made, str]:
    """A model with its artefact and the artefact's own labels of all rows but the train rows; a note on its parity."""
    if one.core is None:
        return Made(name=one.name, scores=one.scores, onnx=None, why_no_onnx=one.why_no_onnx), ""
    try:
        onnx, found = _artefact(one.core, dataset, encoding)
    except UserError as fault:
        return Made(name=one.name, scores=one.scores, onnx=None, why_no_onnx=str(fault)), ""
    rest = np.ones(len(dataset.y), dtype=bool)
    rest[dataset.splits["train"]] = False
    apart = float(np.abs(found[rest] - one.scores[rest]).max(initial=0.0))
    size = float(np.abs(one.scores[rest]).max(initial=1.0))
    if not apart <= PARITY * size:
        why = f"its artefact differs from it by {apart:.1g}"
        return Made(name=one.name, scores=one.scores, onnx=None, why_no_onnx=why), ""
    scores = np.where(rest[:, None], found, one.scores).astype(np.float32)
    note = f"{one.name}: the artefact is within {apart:.1g} of the model on {rest.sum():,} rows"
    if dataset.classes:
        rule = (dataset.positive, dataset.threshold)
        other = int((decide(found[rest], *rule) != decide(one.scores[rest], *rule)).sum())
        note += f", {other} decisions differ; its labels are used"
    return Made(name=one.name, scores=scores, onnx=onnx, why_no_onnx=""), note


def _artefact(core: bytes, dataset: Dataset, encoding: Encoding) -> tuple[bytes, FloatArray]:
    """The file's bytes, and its scores of all rows."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        model = onnx.load_model_from_string(core)
        path = export.wrap(encoding, model, export.Answer.of(dataset), Path(folder) / "teacher.onnx").path
        data = path.read_bytes()
    session = runtime.open(data)
    if dataset.classes:
        return data, session.probabilities(dataset.features)
    return data, np.asarray(session.run(session.feed(dataset.features), ["prediction"])[0]).reshape(-1, 1)


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
