"""A teacher to fit: anything with ``fit`` and ``predict_proba``, named by its import path."""

import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from autodistill.errors import TeacherError
from autodistill.plugins import Fixed, Rest, suggest
from autodistill.records import Features, FloatArray, IntArray, digest
from autodistill.teachers import Labelled, Task
from autodistill.teachers._convert import convert

WORKERS = 2


@dataclass(frozen=True)
class Sklearn:
    """An estimator by import path, fitted on the train split; every other option goes to its constructor."""

    estimator: Annotated[
        str, Fixed, Field(description="import path of a class, or of a function that returns an estimator")
    ]
    raw: Annotated[bool, Fixed, Field(description="give it the raw rows as a DataFrame, not one float matrix")] = False
    options: Annotated[Mapping[str, Any], Rest, Field(description="options of the estimator itself")] = field(
        default_factory=dict
    )

    @property
    def name(self) -> str:
        """The estimator's own name."""
        return self.estimator.rpartition(".")[2]

    def fingerprint(self) -> dict[str, str]:
        """Versions of the libraries involved, and the digest of the file that the estimator is written in."""
        made = self._factory()
        self._make(0)  # wrong options are refused here, before any row is read
        named = {d: importlib.metadata.version(d) for d in ("scikit-learn", "skl2onnx", "onnx", "numpy")}
        package = importlib.import_module(self.estimator.partition(".")[0])
        named[package.__name__] = str(getattr(package, "__version__", ""))
        source = inspect.getsourcefile(made)
        return named | {self.estimator: digest(Path(source).read_bytes()) if source else ""}

    def label(self, task: Task) -> Labelled:
        """Out-of-fold labels of the train rows, and labels of all others by one model fitted on the train split."""
        scores, model = self.fit_all(task)
        if self.raw:
            core, why = None, f"{self.name} prepares raw rows itself; only its labels are used"
        else:
            core, why = convert(model, task.encode(None).shape[1], len(task.classes))
        return Labelled(name=self.name, scores=scores, core=core, why_no_onnx=why)

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
        given = dict(self.options)
        takes = _parameters(made)
        if takes is not None:
            for name in given:
                if name not in takes:
                    raise TeacherError(f"{self.name} has no option {name!r}", where="teacher", do=suggest(name, takes))
            given = {n: v for n, v in {"random_state": seed, "n_jobs": 1}.items() if n in takes} | given
        try:
            model = made(**given)
        except Exception as fault:
            raise _refused(self.estimator, fault) from fault
        if not callable(getattr(model, "fit", None)):
            raise TeacherError(f"{self.estimator} gives nothing with fit()", where="teacher", do="name an estimator")
        return model

    def _seeded(self) -> bool:
        takes = _parameters(self._factory())
        return takes is not None and ("random_state" in takes or "random_state" in self.options)

    def _factory(self) -> Callable[..., Any]:
        module_name, _, attribute = self.estimator.rpartition(".")
        if not module_name or not all(part.isidentifier() for part in self.estimator.split(".")):
            do = "write an import path such as sklearn.ensemble.GradientBoostingClassifier"
            raise TeacherError(f"{self.estimator!r} is not an import path", where="teacher: estimator", do=do)
        try:
            module = importlib.import_module(module_name)
        except Exception as fault:
            what = f"cannot import {module_name} ({type(fault).__name__}: {fault})"
            raise TeacherError(what, where="teacher: estimator", do="is it installed?") from fault
        made = getattr(module, attribute, None)
        if not callable(made):
            public = [n for n in vars(module) if not n.startswith("_")]
            do = suggest(attribute, public)
            raise TeacherError(f"{module_name} has no {attribute}", where="teacher: estimator", do=do)
        found: Callable[..., Any] = made
        return found


def _parameters(made: Callable[..., Any]) -> set[str] | None:
    """Names of the options that a constructor takes; None where it takes any."""
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):
        return None
    kinds = [p.kind for p in signature.parameters.values()]
    return None if inspect.Parameter.VAR_KEYWORD in kinds else set(signature.parameters)


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
    if task.classes and not callable(getattr(model, "predict_proba", None)):
        do = "name one that has, or wrap it in sklearn.calibration.CalibratedClassifierCV"
        raise TeacherError(f"{estimator} has no predict_proba() with these options", where="teacher", do=do)
    try:
        given = np.asarray(model.predict_proba(rows) if task.classes else model.predict(rows), dtype=np.float64)
    except Exception as fault:
        raise _refused(estimator, fault) from fault
    seen = np.asarray(getattr(model, "classes_", np.arange(width))).astype(np.int64)
    given = given if task.classes else given.reshape(len(rows), -1)
    if given.shape != (len(rows), len(seen)) or not np.isfinite(given).all():
        what = f"{estimator} gave scores of shape {given.shape}, or values that are not finite"
        raise TeacherError(what, where="teacher", do=f"it should give {(len(rows), len(seen))}")
    scores = np.zeros((len(rows), width), dtype=np.float32)
    scores[:, seen] = given
    return scores


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
