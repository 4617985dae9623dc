"""Estimators that were fitted and saved elsewhere: how they are loaded, and what they are given."""

import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill.errors import TeacherError
from autodistill.records import Features

PICKLES = (".joblib", ".pkl", ".pickle")
NATIVE = (".json", ".ubj", ".cbm")
SKOPS = ".skops"
WHOLE = (SKOPS, *PICKLES)
"""Files that say themselves what they hold."""
MODELS = frozenset({
    "_loss", "calibration", "cluster", "compose", "covariance", "cross_decomposition", "decomposition",
    "discriminant_analysis", "dummy", "ensemble", "feature_extraction", "feature_selection", "gaussian_process",
    "impute", "isotonic", "kernel_approximation", "kernel_ridge", "linear_model", "manifold", "metrics", "mixture",
    "model_selection", "multiclass", "multioutput", "naive_bayes", "neighbors", "neural_network", "pipeline",
    "preprocessing", "random_projection", "semi_supervised", "svm", "tree",
})  # fmt: skip
"""Packages of scikit-learn that hold models and their parts; none that reads, writes or talks."""

WHERE = "teacher: estimator"


def load(path: Path, trust: bool, empty: Any = None) -> tuple[Any, tuple[str, ...]]:
    """The estimator of a file, and what its library says of versions. ``empty`` is one that reads the file itself
    (XGBoost's and CatBoost's own formats). Raises ``TeacherError``; nothing is unpickled without ``trust``."""
    if not path.is_file():
        raise TeacherError(f"no file {path}", where=WHERE, do="paths are relative to the working directory")
    if empty is not None and path.suffix not in NATIVE:
        do = f"one of {', '.join(NATIVE)}; {', '.join(WHOLE)} are named under estimator itself"
        raise TeacherError(f"{path.name} is of no known kind", where="teacher: saved", do=do)
    if path.suffix in PICKLES and not trust:
        do = "trust: true, if you know who made it; or save it with skops.io.dump, or as ONNX"
        raise TeacherError(f"{path.name} is a pickle: reading it runs whatever was put into it", where=WHERE, do=do)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            model = _loaded(path, trust, empty)
        except TeacherError:
            raise
        except Exception as fault:
            line = " ".join(str(fault).split())[:200]
            what = f"{path.name} cannot be read ({type(fault).__name__}: {line})"
            raise TeacherError(what, where=WHERE, do="the versions that it was saved with") from fault
    notes = dict.fromkeys(" ".join(str(one.message).split())[:200] for one in said)
    return model, tuple(notes)


def _loaded(path: Path, trust: bool, empty: Any) -> Any:
    if path.suffix in PICKLES:
        import joblib

        return joblib.load(path)
    if path.suffix == SKOPS:
        return _skops(path, trust)
    if not callable(getattr(empty, "load_model", None)):
        do = "xgboost.XGBClassifier and catboost.CatBoostClassifier can"
        raise TeacherError(f"it cannot read {path.name} itself", where=WHERE, do=do)
    empty.load_model(str(path))
    return empty


def _skops(path: Path, trust: bool) -> Any:
    try:
        from skops import io
    except ModuleNotFoundError:
        do = "pip install 'autodistill-audit[skops]'"
        raise TeacherError("skops is not installed", where=WHERE, do=do) from None
    listed = io.get_untrusted_types(file=path)
    odd = [name for name in listed if not _harmless(name)]
    if odd and not trust:
        shown = ", ".join(sorted(odd)[:4])
        do = "trust: true, if you know who made it"
        raise TeacherError(f"{path.name} holds types that skops does not know as safe: {shown}", where=WHERE, do=do)
    return io.load(path, trusted=listed)


def _harmless(name: str) -> bool:
    """Whether a type that skops leaves to the reader is a class of scikit-learn's models (a tree, a loss), made by that
    package itself. What a module of it merely imports is not: a file may call it with arguments of its own."""
    if name == "numpy.dtype":
        return True
    module, _, attribute = name.rpartition(".")
    if not _of_models(module):
        return False
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and _of_models(found.__module__)


def _of_models(module: str) -> bool:
    package, _, rest = module.partition(".")
    return package == "sklearn" and rest.partition(".")[0] in MODELS


def columns(model: Any, features: Features, raw: bool) -> tuple[str, ...] | None:
    """The columns that an estimator is given as a DataFrame, in its order; None where it takes the table's numbers as
    one matrix. Raises ``TeacherError`` with both sides where the table does not have them."""
    names = getattr(model, "feature_names_in_", None)
    names = getattr(model, "feature_names_", None) if names is None and not raw else names  # CatBoost's
    listed = None if names is None else tuple(str(name) for name in names)
    if listed and all(name == str(at) or name == f"f{at}" for at, name in enumerate(listed)):
        listed = None  # the library's own names of a matrix's columns
    if listed is not None:
        lacking = [name for name in listed if name not in features]
        if lacking:
            what = f"it reads {_shown(listed)}; the table has {_shown(tuple(features))}, and no {lacking[0]!r}"
            raise TeacherError(what, where=WHERE, do="give it the columns that it was fitted on")
        return listed
    if raw:
        return tuple(features)
    words = [name for name, column in features.items() if column.dtype == object or column.ndim > 1]
    if words:
        what = f"it reads one matrix of numbers, column {words[0]!r} holds none"
        raise TeacherError(what, where=WHERE, do="save it with its preparation: a Pipeline fitted on a DataFrame")
    wanted = getattr(model, "n_features_in_", 0) or len(features)  # CatBoost forgets it
    if wanted != len(features):
        what = f"it reads {wanted} columns, the table gives {len(features)} ({_shown(tuple(features))})"
        raise TeacherError(what, where=WHERE, do="drop the columns that it does not know")
    return None


def stacked(features: Features) -> npt.NDArray[np.float32]:
    """The table's numbers as one matrix [N, F]."""
    return np.stack([np.asarray(column, np.float32) for column in features.values()], axis=1)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
