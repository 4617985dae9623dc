"""Columns of a table -> what a model said of its rows: decisions, probabilities, or values.

Values are matched to the labels by what they mean: 1, 1.0, "1" and true are one value, 0, "0" and false another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from autodistill.data import columns
from autodistill.data.columns import Place
from autodistill.data.labels import NUMERIC, Labels, coded, key, ordered
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import FloatArray, IntArray, Predictions, decide

SUM = 1e-3
"""How far the probabilities of a row may be from 1 together."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one model said, before the classes of all models are known.

    ``names`` are the classes that it speaks of, ``codes`` int64 [n] its decisions among them or None where ``scores``
    [n, len(names)] decide. ``asked`` is the column, or the prefix with a star, that it came from.
    """

    asked: str
    names: tuple[str, ...]
    codes: IntArray | None = None
    scores: FloatArray | None = None
    single: bool = False
    note: str = ""


def matching(asked: str, names: Sequence[str]) -> tuple[str, ...]:
    """The columns that are meant: the one of this name, else those that fit it where it has a star."""
    if asked in names or "*" not in asked:
        return (asked,)
    return tuple(name for name in names if fnmatchcase(name, asked.replace("[", "[[]").replace("?", "[?]")))


def said(table: pa.Table, asked: str, labels: Labels, file: str) -> Said:
    """What the model of ``asked`` said. Raises ``TableError`` with column and rows where a cell cannot be meant."""
    found = matching(asked, table.column_names)
    if len(found) > 1 or found != (asked,):
        return _many(table, asked, found, labels, file)
    place = Place(file, asked)
    _complete(table[asked], place)
    if columns.kind(table[asked], place) == "string" and not _numeric(table[asked], place):
        return _decisions(table, asked, labels, place)
    values = columns.numbers(table[asked], place)
    known = [number for number in map(key, labels.classes) if isinstance(number, float)]
    fits, whole = np.isin(values, known), bool((values == np.round(values)).all())
    if fits.all() or (whole and (fits.any() or labels.positive is None)):
        return _decisions(table, asked, labels, place)
    return _one(values, asked, labels, place)


def values(table: pa.Table, asked: str, file: str) -> FloatArray:
    """The numbers of a regression, float64 [n]; missing and infinite ones are refused."""
    place = Place(file, asked)
    _complete(table[asked], place)
    return columns.numbers(table[asked], place)


def predictions(one: Said, classes: tuple[str, ...], ids: IntArray, labels: Labels) -> Predictions:
    """``one`` in the codes of ``classes``. A model of which only decisions are known has scores [n, 0]."""
    code = np.array([classes.index(name) for name in one.names], dtype=np.int64)
    if one.codes is not None:
        return Predictions(view="audit", row_ids=ids, scores=np.zeros((len(ids), 0)), decisions=code[one.codes])
    scores = np.zeros((len(ids), len(classes)))
    if one.scores is not None:
        scores[:, code] = one.scores
    positive = None if labels.positive is None else classes.index(labels.positive)
    threshold = 0.5 if one.single and labels.threshold is None else labels.threshold
    decisions = decide(scores, positive, threshold if len(classes) == 2 else None)
    return Predictions(view="audit", row_ids=ids, scores=scores, decisions=decisions)


def _complete(column: pa.ChunkedArray, place: Place) -> None:
    missing = np.asarray(column.is_null(nan_is_null=pa.types.is_floating(column.type)))
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        missing |= np.asarray(pc.fill_null(pc.equal(column, ""), True))
    if missing.any():
        what = f"{int(missing.sum()):,} cells are missing"
        raise TableError(what, where=place.rows(missing), do="give every row a value, or take the row out yourself")


def _numeric(column: pa.ChunkedArray, place: Place) -> bool:
    names, _ = coded(column, place)
    return bool(names) and all(NUMERIC.match(name) for name in names)


def _decisions(table: pa.Table, asked: str, labels: Labels, place: Place) -> Said:
    names, codes = coded(table[asked], place)
    meant = {name: labels.named(name) for name in names}
    if not any(meant.values()):
        shown = ", ".join(map(repr, names[:3])) + (", …" if len(names) > 3 else "")
        do = f"the labels are {', '.join(map(repr, labels.classes[:6]))}: write decisions the same way"
        raise TableError(f"none of its values ({shown}) is a label", where=str(place), do=do)
    more = [name for name in names if meant[name] is None]
    for name in more:
        _close(name, labels, place.rows(codes == names.index(name)))
    own = ordered({meant[name] or name for name in names})
    lookup = np.array([own.index(meant[name] or name) for name in names], dtype=np.int64)
    note = "decisions"
    for name in more:
        rows = int((codes == names.index(name)).sum())
        note += f"; {rows:,} are {name!r}, which is no row's label"
    return Said(asked=asked, names=own, codes=lookup[codes], note=note)


def _close(name: str, labels: Labels, where: str) -> None:
    """Refuse what is a label but for case or spaces: a class of its own would be an error in every row."""
    same = [one for one in labels.classes if one.strip().casefold() == name.strip().casefold()]
    if same:
        raise TableError(f"{name!r} is no label", where=where, do=f"did you mean {same[0]!r}? write both the same way")


def _one(values: FloatArray, asked: str, labels: Labels, place: Place) -> Said:
    """One column of probabilities of the positive class."""
    outside = (values < 0) | (values > 1)
    if outside.any():
        odd = values[np.flatnonzero(outside)[0]]
        what = f"{odd:g} is neither a label nor a probability"
        raise TableError(what, where=place.rows(outside), do="decisions as the labels are written, or shares in [0, 1]")
    if len(labels.classes) != 2:
        what = f"one column of probabilities, but {len(labels.classes)} classes"
        raise TableError(what, where=str(place), do=f"give a column a class, named like '{asked}_*'")
    if labels.positive is None:
        what = "probabilities, but of which class is not said"
        raise TableError(what, where=str(place), do=f"name it: --positive {' or '.join(labels.classes)}")
    other = next(name for name in labels.classes if name != labels.positive)
    threshold = 0.5 if labels.threshold is None else labels.threshold
    note = f"probabilities of {labels.positive!r}, decided at {threshold:g}"
    scores = np.stack([1 - values, values], axis=1)
    return Said(asked=asked, names=(other, labels.positive), scores=scores, single=True, note=note)


def _many(table: pa.Table, asked: str, found: Sequence[str], labels: Labels, file: str) -> Said:
    """A column of probabilities for each class, named by a prefix."""
    place = Place(file, asked)
    if len(found) < 2:
        what = f"{len(found)} columns are named so" if found else "no column is named so"
        raise TableError(what, where=str(place), do="a prefix with a star names one column a class")
    start = asked.index("*")
    suffixes = [name[start : len(name) - (len(asked) - start - 1)] for name in found]
    meant = [labels.named(suffix) or suffix for suffix in suffixes]
    for suffix in suffixes:
        if labels.named(suffix) is None:
            _close(suffix, labels, str(place))
    if len(set(meant)) < len(meant):
        twice = next(name for name in meant if meant.count(name) > 1)
        raise TableError(f"two columns are of class {twice!r}", where=str(place), do="take one out")
    lacking = [name for name in labels.classes if name not in meant]
    if lacking:
        what = f"no column is of class {lacking[0]!r}"
        raise TableError(what, where=str(place), do=suggest(lacking[0], suffixes))
    scores = np.stack([_probabilities(table[name], Place(file, name)) for name in found], axis=1)
    total = scores.sum(axis=1)
    wrong = np.abs(total - 1) > SUM
    if wrong.any():
        what = f"the probabilities of a row add up to {total[np.flatnonzero(wrong)[0]]:.4g}"
        raise TableError(what, where=place.rows(wrong), do="give every class its column, together 1 a row")
    note = f"probabilities of {len(meant)} classes, the likeliest is the decision"
    if labels.threshold is not None:
        note = f"probabilities of {len(meant)} classes, decided at {labels.threshold:g} of {labels.positive!r}"
    return Said(asked=asked, names=tuple(meant), scores=scores, note=note)


def _probabilities(column: pa.ChunkedArray, place: Place) -> FloatArray:
    columns.kind(column, place)
    _complete(column, place)
    values = columns.numbers(column, place)
    outside = (values < 0) | (values > 1 + SUM)
    if outside.any():
        odd = values[np.flatnonzero(outside)[0]]
        raise TableError(f"{odd:g} is no probability", where=place.rows(outside), do="shares from 0 to 1")
    return values
