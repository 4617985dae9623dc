"""The target column -> class codes, or numbers for regression."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.data import columns
from autodistill.data.asked import DataSpec
from autodistill.data.columns import Place
from autodistill.errors import TableError
from autodistill.plugins import suggest

MOST = 1000
REGRESSION = "this looks like regression: task: regression, or cut it into classes"


@dataclass(frozen=True, slots=True)
class Target:
    """``y`` int64 [N] class codes or float64 [N]; ``stratum`` int64 [N]: the class, or the decile for regression."""

    y: npt.NDArray[Any]
    stratum: npt.NDArray[np.int64]
    classes: tuple[str, ...] = ()
    positive: int | None = None
    favourable: int | None = None


def target(column: pa.ChunkedArray, spec: DataSpec, place: Place) -> Target:
    """The target of every row; refuses missing ones, one class, too many, and classes that do not exist."""
    kind = columns.kind(column, place)
    text = columns.strings(column)
    lacks = text == ""
    if lacks.any():
        do = "remove those rows, or label them"
        raise TableError(f"the target is missing in {lacks.sum()} rows", where=place.rows(lacks), do=do)
    if spec.task == "regression":
        return _regression(columns.numbers(column, place), spec, place)
    if kind == "string":
        columns.mixed(text, place)
    names, code = columns.coded(text)
    numeric = kind == "number" and not pa.types.is_boolean(column.type)
    if numeric:  # 2 comes before 10
        order = np.argsort([float(name) for name in names], kind="stable")
        names, code = names[order], np.argsort(order)[code]
    classes = tuple(str(name) for name in names)
    if len(classes) == 1:
        raise TableError(f"only one class, {classes[0]!r}", where=str(place), do="a table with two classes or more")
    if len(classes) > MOST or (numeric and len(classes) > max(20, len(text) / 10)):
        raise TableError(f"{len(classes):,} classes in {len(text):,} rows", where=str(place), do=REGRESSION)
    positive = _class(spec.positive, "positive", classes, place)
    favourable = _class(spec.favourable, "favourable", classes, place)
    _threshold(spec, classes, positive, place)
    y = code.astype(np.int64)
    return Target(y, y, classes, positive, positive if favourable is None else favourable)


def _class(name: str | None, role: str, classes: tuple[str, ...], place: Place) -> int | None:
    if name is None:
        return None
    if name not in classes:
        raise TableError(f"no class {name!r} ({role})", where=str(place), do=suggest(name, classes))
    return classes.index(name)


def _threshold(spec: DataSpec, classes: tuple[str, ...], positive: int | None, place: Place) -> None:
    if spec.threshold is None:
        return
    if not 0 < spec.threshold < 1 or len(classes) != 2 or positive is None:
        what = f"threshold {spec.threshold:g} needs two classes, positive, and a value between 0 and 1"
        raise TableError(what, where=str(place), do="correct it, or leave it out for the likeliest class")


def _regression(values: npt.NDArray[np.floating[Any]], spec: DataSpec, place: Place) -> Target:
    for role, given in (("positive", spec.positive), ("favourable", spec.favourable), ("threshold", spec.threshold)):
        if given is not None:
            raise TableError(f"{role} means nothing for task: regression", where=str(place), do="leave it out")
    if np.ptp(values) == 0:
        raise TableError("the target is constant", where=str(place), do="a target that varies")
    cuts = np.unique(np.quantile(values, np.arange(1, 10) / 10))
    return Target(values.astype(np.float64), np.searchsorted(cuts, values).astype(np.int64))
