"""What ``--teacher`` means: an estimator to fit, a saved file, a model's folder, or a table of predictions."""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from autodistill import data, plugins
from autodistill.errors import TeacherError
from autodistill.plugins import suggest

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq", ".arrow", ".feather")
PICKLES = (".joblib", ".pkl", ".pickle")
BOOSTERS = {".ubj": "xgboost.XGB{}", ".json": "xgboost.XGB{}", ".cbm": "catboost.CatBoost{}"}
WEIGHTS = (".pt", ".pth", ".safetensors", ".bin")
EXAMPLE = "sklearn.ensemble.GradientBoostingClassifier"
WHERE = "--teacher"
KNOWN = "an import path, .skops, .joblib, .onnx, .pt2, .ubj, .cbm, a model's folder, or a .csv or .parquet"

Task = Literal["classification", "regression"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Taught:
    """A teacher as an experiment file names it. ``fitted`` here, or elsewhere; ``timed``: it has a latency to compare
    with; ``drop`` are columns of the table that are the teacher's own answers; ``says`` is a line about it."""

    kind: str
    options: Mapping[str, Any]
    says: str
    fitted: bool = False
    timed: bool = True
    task: Task | None = None
    drop: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What is known of the experiment when the teacher is looked at."""

    table: Path
    names: tuple[str, ...]
    classes: tuple[str, ...]
    positive: str | None
    row_id: str | None
    trust: bool
    task: Task


def taught(said: str, asked: Asked) -> Taught:
    """Look at a teacher; its library may be imported, nothing is unpickled without ``trust``. Raises TeacherError."""
    path = Path(said)
    name = path.name.casefold()
    if path.is_dir():
        found = _folder(said, path)
    elif name.endswith(TABLES):
        found = _predictions(path, asked)
    elif path.suffix == ".onnx":
        found = Taught(kind="onnx", options={"path": said}, says="an ONNX file, run as it is")
    elif path.suffix == ".pt2":
        found = Taught(kind="torch", options={"path": said}, says="an exported PyTorch program, run as it is")
    elif path.suffix in WEIGHTS:
        do = "torch.export.save it as .pt2; or write teacher: {kind: torch, path: …, network: my_package.Net} by hand"
        raise TeacherError("weights alone do not say what network they are of", where=f"{WHERE} {said}", do=do)
    elif path.suffix in {".skops", *PICKLES}:
        found = _saved(said, path, asked.trust)
    elif path.suffix in BOOSTERS:
        estimator = BOOSTERS[path.suffix].format("Regressor" if asked.task == "regression" else "Classifier")
        options = {"estimator": estimator, "saved": said}
        found = Taught(kind="sklearn", options=options, says=f"a saved {estimator}, run as it is")
    else:
        found = _estimator(said, asked)
    if not path.exists() and (path.suffix or "/" in said) and found.kind != "sklearn":
        do = "paths are relative to the working directory"
        raise TeacherError("no such file", where=f"{WHERE} {said}", do=do)
    plugins.build("teachers", found.kind, found.options, WHERE).fingerprint()
    return found


def _saved(said: str, path: Path, trust: bool) -> Taught:
    options: dict[str, Any] = {"estimator": said}
    if path.suffix in PICKLES and not trust:
        do = "give --trust, if you know who made it; or save it with skops.io.dump, or as ONNX"
        raise TeacherError("a pickle: reading it runs whatever was put into it", where=f"{WHERE} {said}", do=do)
    if trust:
        options["trust"] = True
    return Taught(kind="sklearn", options=options, says="a saved estimator, run as it is")


def _folder(said: str, path: Path) -> Taught:
    if not (path / "config.json").is_file():
        do = "save one with save_pretrained(), tokenizer or processor beside it"
        raise TeacherError("a folder without config.json is no model", where=f"{WHERE} {said}", do=do)
    return Taught(kind="huggingface", options={"model": said}, says="a model of Hugging Face, run as it is")


def _estimator(said: str, asked: Asked) -> Taught:
    """An import path; whether it is a classifier or a regressor is asked of the class itself."""
    if "." not in said or not all(part.isidentifier() for part in said.split(".")):
        raise TeacherError(f"{said!r} is nothing that a teacher can be", where=WHERE, do=f"give {KNOWN}")
    plugins.build("teachers", "sklearn", {"estimator": said}, WHERE).fingerprint()
    module, _, attribute = said.rpartition(".")
    factory = getattr(importlib.import_module(module), attribute)
    task: Task | None = None
    if inspect.isclass(factory):
        parents = {one.__name__ for one in inspect.getmro(factory)}
        if "RegressorMixin" in parents:
            task = "regression"
        elif "ClassifierMixin" in parents:
            task = "classification"
        decides = task == "classification" and not hasattr(factory, "predict_proba")
        if decides and asked.task == "classification":
            do = "one with predict_proba(), or CalibratedClassifierCV around it in a function of your own"
            raise TeacherError("it gives no probabilities to distil", where=f"{WHERE} {said}", do=do)
    return Taught(
        kind="sklearn", options={"estimator": said}, says="fitted on the train split, its labels out of fold",
        fitted=True, task=task,
    )  # fmt: skip


def _predictions(path: Path, asked: Asked) -> Taught:
    """A table of what a teacher said: a column for each class, one of probabilities of the positive, or numbers."""
    names = list(data.source(path).names)
    own = path.resolve() == asked.table.resolve()
    options: dict[str, Any] = {"table": str(path)}
    if not own:
        options["row_id"] = _row_id(path, names, asked)
    free = [n for n in names if n not in {*asked.names, options.get("row_id")}] if not own else list(names)
    options |= _value(path, free) if asked.task == "regression" else _classes(path, free, asked)
    mine = set(options.get("columns", {}).values()) | ({options["value"]} if "value" in options else set())
    return Taught(
        kind="predictions", options=options, says="only what it said is known: it has no latency, size or energy",
        timed=False, drop=tuple(sorted(mine)) if own else (),
    )  # fmt: skip


def _row_id(path: Path, names: Sequence[str], asked: Asked) -> str:
    if asked.row_id is None:
        shared = [name for name in names if name in asked.names]
        do = f"--row-id {shared[0]}, if that is the one" if shared else "give both tables a column that names the rows"
        raise TeacherError("which rows it speaks of is not said", where=f"{WHERE} {path}", do=do)
    if asked.row_id not in names:
        raise TeacherError(f"it has no column {asked.row_id!r} (--row-id)", where=f"{WHERE} {path}",
                           do=suggest(asked.row_id, names))  # fmt: skip
    return asked.row_id


def _value(path: Path, names: Sequence[str]) -> Mapping[str, Any]:
    if len(names) == 1:
        return {"value": names[0]}
    likely = [name for name in names if "pred" in name.casefold() or "teacher" in name.casefold()]
    if len(likely) == 1:
        return {"value": likely[0]}
    do = "name one of them prediction, or leave only it and the row ids"
    raise TeacherError(f"which column is the prediction is not clear: {', '.join(names)}", where=f"{WHERE} {path}",
                       do=do)  # fmt: skip


def _classes(path: Path, names: Sequence[str], asked: Asked) -> Mapping[str, Any]:
    """The column of each class: named as the class, or all with one prefix; of two classes the positive's is enough."""
    for prefix in ("", *_prefixes(names, asked.classes)):
        found = {one: prefix + one for one in asked.classes if prefix + one in names}
        if len(found) == len(asked.classes):
            return {"columns": found}
    likely = [n for n in names if any(word in n.casefold() for word in ("teacher", "score", "prob", "pred"))]
    if asked.positive is not None and len(likely) == 1:
        return {"columns": {asked.positive: likely[0]}}
    do = f"name the columns teacher_{asked.classes[0]}, teacher_{asked.classes[-1]}"
    raise TeacherError(f"which column is whose probability is not clear: {', '.join(names)}", where=f"{WHERE} {path}",
                       do=do)  # fmt: skip


def _prefixes(names: Sequence[str], classes: Sequence[str]) -> list[str]:
    return [name.removesuffix(classes[0]) for name in names if classes and name.endswith(classes[0])]
