"""A teacher to fit, or one that was fitted and saved: anything with ``fit`` and ``predict_proba`` (``predict`` for
regression): scikit-learn, LightGBM, XGBoost, CatBoost, pipelines of them."""

import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill.errors import TeacherError
from autodistill.inputs import FEATURES
from autodistill.plugins import Fixed, Rest, suggest
from autodistill.records import Features, FloatArray, IntArray, digest
from autodistill.teachers import Labelled, Saw, Task, _lightgbm, _saved
from autodistill.teachers._classes import order, scores
from autodistill.teachers._convert import Columns, convert
from autodistill.teachers._fronts import Feed, front
from autodistill.teachers._imported import called

WORKERS = 2
EXAMPLE = "sklearn.ensemble.GradientBoostingClassifier"
QUIET: Mapping[str, Mapping[str, Any]] = {
    "catboost": {"allow_writing_files": False, "verbose": False, "thread_count": 1},
    "lightgbm": {"verbose": -1, "n_jobs": 1},
    "xgboost": {"n_jobs": 1},
}


@dataclass(frozen=True)
class Sklearn:
    """An estimator by import path, fitted on the train split; every other option goes to its constructor."""

    estimator: Annotated[
        str,
        Fixed,
        Field(description="import path of a class or of a function that returns one; or a saved one's file: .skops"),
    ]
    raw: Annotated[bool, Fixed, Field(description="give it the raw rows as a DataFrame, not one float matrix")] = False
    saved: Annotated[
        Path | None, Fixed, Field(description="what it was fitted to, in its library's own format: .json, .ubj, .cbm")
    ] = None
    trust: Annotated[
        bool, Fixed, Field(description="unpickle .joblib and .pkl: whoever made the file can run code here")
    ] = False
    classes: Annotated[
        Mapping[str, str], Fixed, Field(description="class of the table: the saved one's name of it, where they differ")
    ] = field(default_factory=dict)
    saw: Annotated[Saw, Fixed, Field(description="whether the saved one was fitted on the train rows")] = "unknown"
    options: Annotated[Mapping[str, Any], Rest, Field(description="options of the estimator itself")] = field(
        default_factory=dict
    )

    @property
    def file(self) -> Path | None:
        """The file of an estimator that was fitted elsewhere; None for one that is fitted here."""
        named = Path(self.estimator)
        return named if named.suffix in _saved.WHOLE else self.saved

    @property
    def name(self) -> str:
        """The estimator's own name, or its file's."""
        return self.estimator.rpartition(".")[2] if self.file is None else self.file.stem

    def fingerprint(self) -> dict[str, str]:
        """Versions of the libraries involved, and the digest of the file that the estimator is written in."""
        named = {d: importlib.metadata.version(d) for d in ("scikit-learn", "skl2onnx", "onnx", "numpy")}
        if self.file is not None:
            self._loaded(self.file)
            return named | {"saved": digest(self.file.read_bytes())}
        made = self._factory()
        self._make(0)  # wrong options are refused here, before any row is read
        package = importlib.import_module(self.estimator.partition(".")[0])
        named[package.__name__] = str(getattr(package, "__version__", ""))
        code = digest(Path(source).read_bytes()) if (source := inspect.getsourcefile(made)) else ""
        return named | _lightgbm.ARTEFACT.get(package.__name__, {}) | {self.estimator: code}

    def label(self, task: Task) -> Labelled:
        """Out-of-fold labels of the train rows, and labels of all others by one model fitted on the train split."""
        if self.file is not None:
            return self._label_saved(task, self.file)
        found, model = self.fit_all(task)
        made = Labelled(name=self.name, scores=found)
        if not self.raw:
            core, why = convert(model, task.encode(None).shape[1], len(task.classes))
            return replace(made, core=core, why_no_onnx=why)
        feeds, kinds = _feeds(task.features, tuple(task.features))
        core, why = convert(model, kinds, len(task.classes))
        why = f"{self.name} prepares raw rows itself, and {why}" if why else ""
        return replace(made, core=core, why_no_onnx=why, form="split", front=front(feeds))

    def _label_saved(self, task: Task, file: Path) -> Labelled:
        """Labels of all rows by the estimator of the file."""
        model, notes = self._loaded(file)
        names = _saved.columns(model, task.features, self.raw)
        at, note = self._order(model, task)
        every = np.arange(len(task.y))
        given = _saved.stacked(task.features) if names is None else _frame(_chosen(task.features, names), every)
        values = _said(model, given, task, self.name)
        found = scores(values, task.classes, "probabilities", "it", task.row_ids)
        if names is None:
            feeds = [Feed(to=FEATURES, columns=tuple(task.features), kind="float")]
            core, why = convert(model, len(task.features), len(task.classes), at)
        else:
            feeds, kinds = _feeds(task.features, names)
            core, why = convert(model, kinds, len(task.classes), at)
        return Labelled(
            name=self.name,
            scores=found if at is None else found[:, at],
            core=core,
            why_no_onnx=why,
            form="matrix" if names is None else "split",
            front=front(feeds),
            saw=self.saw,
            notes=(*notes, *([note] if note else [])),
        )

    def _loaded(self, path: Path) -> tuple[Any, tuple[str, ...]]:
        """The estimator of a file, and notes on it."""
        empty = self._make(0) if path == self.saved else None
        model, notes = _saved.load(path, self.trust, empty)
        if not callable(getattr(model, "predict", None)):
            raise TeacherError(f"{path.name} holds nothing with predict()", where=_saved.WHERE, do="save a model")
        return model, notes

    def _order(self, model: Any, task: Task) -> tuple[IntArray | None, str]:
        """Where the saved one has each class of the table; numbers from 0 on say no more than an order."""
        if not task.classes:
            return None, ""
        given = [str(name) for name in np.asarray(getattr(model, "classes_", np.arange(len(task.classes)))).tolist()]
        if given == [str(at) for at in range(len(task.classes))] and not self.classes and given != list(task.classes):
            return np.arange(len(given)), f"its classes are numbers: taken in the order {', '.join(task.classes)}"
        return order(given, task.classes, self.classes, "it"), ""

    def fit_all(self, task: Task) -> tuple[FloatArray, Any]:
        """The scores of all rows, and the model fitted on the whole train split."""
        folds = [int(k) for k in np.unique(task.folds)]
        steps = [*folds, None]
        rest = np.setdiff1d(np.arange(len(task.y)), task.train)

        def step(k: int | None) -> tuple[IntArray, FloatArray, Any]:
            inside = np.ones(len(task.train), dtype=bool) if k is None else task.folds != k
            rows = self._inputs(task, k)
            model = self._fit(rows(task.train[inside]), task, task.train[inside])
            at = rest if k is None else task.train[~inside]
            return at, _scores(model, rows(at), task, self.estimator), model if k is None else None

        scores = np.full((len(task.y), max(1, len(task.classes))), np.nan, dtype=np.float32)
        model = None
        # Trees are grown outside Python's lock, so threads use both cores; an estimator without a seed of its own draws
        # from the global one, whose order must not depend on which thread is first.
        pool = ThreadPoolExecutor(WORKERS if self._seeded() else 1)
        try:
            for done, (at, found, fitted) in enumerate(pool.map(step, steps), start=1):
                scores[at] = found
                model = model if fitted is None else fitted
                task.progress(done, len(steps), f"{self.name}: {done} of {len(steps)} fits")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return scores, model

    def _inputs(self, task: Task, k: int | None) -> Callable[[IntArray], Any]:
        """Rows by position, as the estimator wants them, in the encoding for fold k."""
        if self.raw:
            return lambda at: _frame(task.features, at)
        matrix = task.encode(k)
        if k is None:
            return lambda at: matrix[at]
        place = np.full(len(task.y), -1, dtype=np.int64)
        place[task.train] = np.arange(len(task.train))
        return lambda at: matrix[place[at]]

    def _fit(self, rows: Any, task: Task, at: IntArray) -> Any:
        model = self._make(task.seed)
        more = {}
        if task.weights is not None and _takes(model.fit, "sample_weight"):
            more["sample_weight"] = task.weights[at]
        try:
            model.fit(rows, task.y[at], **more)
        except Exception as fault:
            raise _refused(self.estimator, fault) from fault
        return model

    def _make(self, seed: int) -> Any:
        made = self._factory()
        takes = _parameters(made)
        for name in self.options:
            if takes is not None and name not in takes:
                raise TeacherError(f"{self.name} has no option {name!r}", where="teacher", do=suggest(name, takes))
        known, library = _defaults(made), self.estimator.partition(".")[0]
        # random_seed is CatBoost's other name of it; scikit-learn's own estimators run on one thread unless asked.
        seeded = "random_state" in known and "random_seed" not in self.options
        given = {**({"random_state": seed} if seeded else {}), **QUIET.get(library, {}), **self.options}
        try:
            model = made(**given)
        except Exception as fault:
            raise _refused(self.estimator, fault) from fault
        if not callable(getattr(model, "fit", None)):
            raise TeacherError(f"{self.estimator} gives nothing with fit()", where="teacher", do="name an estimator")
        return model

    def _seeded(self) -> bool:
        return "random_state" in _defaults(self._factory()) or "random_state" in self.options

    def _factory(self) -> Callable[..., Any]:
        return called(self.estimator, "teacher: estimator", EXAMPLE)


def _parameters(made: Callable[..., Any]) -> set[str] | None:
    """Names of the options that a constructor takes; None where it takes any."""
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):
        return None
    kinds = [p.kind for p in signature.parameters.values()]
    return None if inspect.Parameter.VAR_KEYWORD in kinds else set(signature.parameters)


def _defaults(made: Callable[..., Any]) -> set[str]:
    """Names of options that a constructor is known to take, though it may take any."""
    takes = _parameters(made)
    if takes is not None or not hasattr(made, "get_params"):
        return takes or set()
    try:
        return set(made().get_params())
    except Exception:
        return set()


def _takes(method: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(method).parameters
    except (TypeError, ValueError):
        return False


def _scores(model: Any, rows: Any, task: Task, estimator: str) -> FloatArray:
    """float32 [n, C]; a class that the model has not seen has probability 0."""
    width = max(1, len(task.classes))
    if not len(rows):
        return np.empty((0, width), dtype=np.float32)
    given = _said(model, rows, task, estimator)
    seen = np.asarray(getattr(model, "classes_", np.arange(width)) if task.classes else [0]).astype(np.int64)
    if given.shape != (len(rows), len(seen)) or not np.isfinite(given).all():
        what = f"{estimator} gave scores of shape {given.shape}, or values that are not finite"
        raise TeacherError(what, where="teacher", do=f"it should give {(len(rows), len(seen))}")
    found = np.zeros((len(rows), width), dtype=np.float32)
    found[:, seen] = given
    return found


def _said(model: Any, rows: Any, task: Task, estimator: str) -> FloatArray:
    """float64 [n, columns]: what an estimator says of some rows."""
    if task.classes and not callable(getattr(model, "predict_proba", None)):
        do = "name one that has, or wrap it in sklearn.calibration.CalibratedClassifierCV"
        raise TeacherError(f"{estimator} has no predict_proba() with these options", where="teacher", do=do)
    try:
        given = np.asarray(model.predict_proba(rows) if task.classes else model.predict(rows), dtype=np.float64)
    except Exception as fault:
        raise _refused(estimator, fault) from fault
    return given.reshape(len(rows), -1)


def _feeds(features: Features, names: Sequence[str]) -> tuple[list[Feed], Columns]:
    """What an estimator that takes columns by name is given in ONNX: each as [N, 1]."""
    words = {name: features[name].dtype == object for name in names}
    feeds = [
        Feed(to=f"m/{name}", columns=(name,), kind="string", dtype="string") if words[name]
        else Feed(to=f"m/{name}", columns=(name,), kind="float")
        for name in names
    ]  # fmt: skip
    return feeds, {name: "string" if words[name] else "float" for name in names}


def _chosen(features: Features, names: Sequence[str]) -> Features:
    return {name: features[name] for name in names}


def _frame(features: Features, at: IntArray) -> Any:
    """Raw rows as a DataFrame; a missing string is None."""
    import pandas as pd

    def cells(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        known = column.copy()
        if column.dtype == object:
            known[column == ""] = None
        return known

    return pd.DataFrame({name: cells(column[at]) for name, column in features.items()})


def _refused(estimator: str, fault: Exception) -> TeacherError:
    line = f"{type(fault).__name__}: {fault}".split("\n", 1)[0]
    return TeacherError(f"{estimator} failed ({line})", where="teacher", do="correct its options, or try another")
