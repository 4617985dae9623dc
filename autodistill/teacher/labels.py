"""What a teacher says of every row, and how it is kept: arrays, ONNX and JSON, whole or not at all."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from autodistill import shelf
from autodistill.errors import TeacherError
from autodistill.records import Dataset, Features, FloatArray, decide, digest
from autodistill.teachers import Saw

FORMAT = 1
RECORD = "teacher.json"


@dataclass(frozen=True, kw_only=True)
class Member:
    """One model of an ensemble, as it is alone. ``scores`` float32 [N, C]; ``onnx`` is the artefact on raw rows."""

    name: str
    scores: FloatArray
    decisions: npt.NDArray[Any]
    onnx: bytes | None
    why_no_onnx: str = ""


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """The teacher's labels of all N rows of a table.

    ``digest`` is of what decides the model: source, options, versions, train rows. ``scores`` float32 [N, C]
    (probabilities; [N, 1] values for regression), train rows out of fold; ``decisions`` int64 [N] by the table's rule
    (float64 for regression). ``features`` float32 [N, D], or None where it gives none. ``onnx`` is the artefact on raw
    rows, or None and ``why_no_onnx``; what it reads beside the table's columns is ``prepared`` by name, of the first
    rows of the search split. ``further`` float32 [M, C] are its scores of rows beside the table's, where it cannot be
    asked again and gave them with the others. ``saw`` says whether its labels of train rows are by a model that had
    seen them.
    ``places`` is a graph on raw rows that says after each place of a text what follows (``Labelled.places``), or None.
    ``seconds`` is what it took when it was made; ``cached`` says that this time it was only read.
    """

    name: str
    digest: str
    scores: FloatArray
    decisions: npt.NDArray[Any]
    onnx: bytes | None
    why_no_onnx: str
    members: tuple[Member, ...]
    seconds: float
    notes: tuple[str, ...]
    cached: bool
    features: FloatArray | None = None
    prepared: Features = field(default_factory=dict)
    saw: Saw = "out of fold"
    places: bytes | None = None
    further: FloatArray | None = None

    def measured(self, rows: Features) -> Features:
        """Rows of the search split to measure artefacts on: all, or those that are ``prepared``, with that."""
        if not self.prepared:
            return rows
        count = len(next(iter(self.prepared.values())))
        return {**{name: column[:count] for name, column in rows.items()}, **self.prepared}


@dataclass(frozen=True, kw_only=True)
class Made:
    """A model to keep: ``scores`` float32 [N, C], the artefact's bytes or why there are none, ``features`` [N, D], and
    ``further`` [M, C]."""

    name: str
    scores: FloatArray
    onnx: bytes | None
    why_no_onnx: str
    features: FloatArray | None = None
    prepared: Features = field(default_factory=dict)
    places: bytes | None = None
    further: FloatArray | None = None


def write(
    where: Path, identity: str, models: list[Made], seconds: float, notes: list[str], saw: Saw = "out of fold"
) -> None:
    """Keep the teacher (first of ``models``) and its members in the folder ``where``. Raises ``TeacherError``."""
    with _whole(where, sum(model.scores.nbytes for model in models)) as out:
        kept = []
        for at, model in enumerate(models):
            np.save(out / f"{at}.npy", model.scores, allow_pickle=False)
            if model.onnx is not None:
                (out / f"{at}.onnx").write_bytes(model.onnx)
            if model.places is not None:
                (out / f"{at}.places.onnx").write_bytes(model.places)
            if model.features is not None:
                np.save(out / f"{at}.features.npy", model.features, allow_pickle=False)
            if model.further is not None:
                np.save(out / f"{at}.further.npy", model.further, allow_pickle=False)
            for name, column in model.prepared.items():
                np.save(out / f"{at}.{name.strip('/')}.npy", column, allow_pickle=False)
            kept.append(
                {
                    "name": model.name,
                    "scores": digest((out / f"{at}.npy").read_bytes()),
                    "onnx": None if model.onnx is None else digest(model.onnx),
                    "why_no_onnx": model.why_no_onnx,
                    "places": None if model.places is None else digest(model.places),
                    "features": None if model.features is None else digest((out / f"{at}.features.npy").read_bytes()),
                    "further": None if model.further is None else digest((out / f"{at}.further.npy").read_bytes()),
                    "prepared": {n: digest((out / f"{at}.{n.strip('/')}.npy").read_bytes()) for n in model.prepared},
                }
            )
        record = {"format": FORMAT, "digest": identity, "seconds": seconds, "notes": notes, "saw": saw, "models": kept}
        (out / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")


def read(where: Path, identity: str, dataset: Dataset, cached: bool) -> Teacher | None:
    """The teacher kept in ``where``, its scores mapped into memory; None where there is none or a byte is wrong."""
    try:
        record = json.loads((where / RECORD).read_text(encoding="utf-8"))
        if record["format"] != FORMAT or record["digest"] != identity:
            return None
        models = [_model(where, at, said) for at, said in enumerate(record["models"])]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if any(model.scores.shape[0] != len(dataset.y) for model in models):
        return None
    kept = [one for model in models for one in (model.scores, model.features, *model.prepared.values())]
    shelf.hold(where, tuple(one for one in kept if one is not None), RECORD)
    first, *rest = models
    return Teacher(
        name=first.name,
        digest=identity,
        scores=first.scores,
        decisions=_decisions(first.scores, dataset),
        onnx=first.onnx,
        why_no_onnx=first.why_no_onnx,
        members=tuple(
            Member(
                name=one.name,
                scores=one.scores,
                decisions=_decisions(one.scores, dataset),
                onnx=one.onnx,
                why_no_onnx=one.why_no_onnx,
            )
            for one in rest
        ),
        seconds=float(record["seconds"]),
        notes=tuple(record["notes"]),
        cached=cached,
        features=first.features,
        prepared=first.prepared,
        saw=record.get("saw", "out of fold"),  # what was kept before was all fitted here
        places=first.places,
        further=first.further,
    )


def _model(where: Path, at: int, said: dict[str, Any]) -> Made:
    scores = _mapped(where / f"{at}.npy", said["scores"])
    told = said.get("features")  # what was kept before there were any has no word of them
    features = None if told is None else _mapped(where / f"{at}.features.npy", told)
    more = said.get("further")
    further = None if more is None else _mapped(where / f"{at}.further.npy", more)
    prepared = {n: _mapped(where / f"{at}.{n.strip('/')}.npy", d) for n, d in (said.get("prepared") or {}).items()}
    onnx = _graph(where / f"{at}.onnx", said["onnx"])
    return Made(
        name=said["name"],
        scores=scores,
        onnx=onnx,
        why_no_onnx=said["why_no_onnx"],
        features=features,
        prepared=prepared,
        places=_graph(where / f"{at}.places.onnx", said.get("places")),
        further=further,
    )


def _graph(path: Path, expected: str | None) -> bytes | None:
    data = None if expected is None else path.read_bytes()
    if data is not None and digest(data) != expected:
        raise ValueError("damaged")
    return data


def _mapped(path: Path, expected: str) -> FloatArray:
    with path.open("rb") as file:  # in pieces: they need not fit into memory
        if hashlib.file_digest(file, "sha256").hexdigest() != expected:
            raise ValueError("damaged")
    found: FloatArray = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def _decisions(scores: FloatArray, dataset: Dataset) -> npt.NDArray[Any]:
    if not dataset.classes:
        return np.asarray(scores[:, 0], dtype=np.float64)
    return decide(scores, dataset.positive, dataset.threshold)


@contextmanager
def alone(where: Path) -> Iterator[None]:
    """One process at a time makes what comes to ``where``; the lock dies with its holder. Raises ``TeacherError``."""
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(where.with_suffix(".lock"))
        lock.acquire()
    except OSError as fault:
        raise _unwritable(where, fault) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _whole(where: Path, needed: int) -> Iterator[Path]:
    """A folder that comes to be at ``where`` whole or not at all. Whoever writes there is ``alone``; of other labels
    those go that were used longest ago, where all together are too many."""
    out = where.with_name(shelf.MAKING + where.name)
    try:
        shelf.make_room(where.parent, needed, RECORD)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(mode=0o700)
        yield out
        if where.exists():  # damaged: a sound one would have been read
            shutil.rmtree(where)
        out.rename(where)
    except OSError as fault:
        raise _unwritable(where, fault) from None
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _unwritable(where: Path, fault: OSError) -> TeacherError:
    do = "make it writable, or give another cache"
    return TeacherError(f"the cache cannot be written ({fault.strerror})", where=str(where.parent), do=do)
