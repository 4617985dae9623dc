"""The label column of a table of predictions: its classes, which of them is rated, and what a cell means."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from autodistill.data import columns
from autodistill.data.columns import NUMBER, Place
from autodistill.data.target import MOST, REGRESSION
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import IntArray

if TYPE_CHECKING:
    from autodistill.data.outside import Asked
    from autodistill.data.predicted import Said

Key = str | float
NUMERIC = re.compile(NUMBER)
_BOOLEAN: Mapping[str, float] = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The label's classes in order; ``positive`` and ``threshold`` as asked, or as the labels give them."""

    classes: tuple[str, ...]
    positive: str | None = None
    threshold: float | None = None
    keys: Mapping[Key, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", {key(name): name for name in self.classes})

    def named(self, text: str) -> str | None:
        """The class that a cell means, or None."""
        return text if text in self.classes else self.keys.get(key(text))


def key(text: str) -> Key:
    """What a cell means: a number, a truth value as one, or its text."""
    if NUMERIC.match(text):
        return float(text)
    return _BOOLEAN.get(text.casefold(), text)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Classes in order: numbers by value, else by name."""
    listed = sorted(names)
    if all(NUMERIC.match(name) for name in listed):
        listed.sort(key=float)
    return tuple(listed)


def coded(column: pa.ChunkedArray, place: Place) -> tuple[tuple[str, ...], IntArray]:
    """The distinct known cells as text, and int64 [n] which of them a row has (−1: missing)."""
    columns.kind(column, place)
    flat = column.combine_chunks()
    encoded = flat if pa.types.is_dictionary(flat.type) else pc.dictionary_encode(flat)
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    texts = columns.strings(pa.chunked_array([encoded.dictionary])).tolist() if len(encoded.dictionary) else []
    names = tuple(sorted({text for text in texts if text}))
    at = {name: code for code, name in enumerate(names)}
    lookup = np.array([at.get(text, -1) for text in texts] + [-1], dtype=np.int64)
    codes = pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False)
    return names, np.asarray(lookup[codes.astype(np.int64)])


def readable(names: Iterable[str], where: str) -> None:
    """Refuses names that would steer a terminal or break a line: they are shown in every report."""
    for name in names:
        if any(unicodedata.category(character) == "Cc" for character in name):
            raise TableError(f"{name!r} holds control characters", where=where, do="write it without them")


def labelled(table: pa.Table, asked: "Asked", file: str) -> tuple[Labels, IntArray]:
    """The classes of the label column, and the class of each row among them."""
    place = Place(file, asked.label)
    names, codes = coded(table[asked.label], place)
    if (codes < 0).any():
        what = f"the label is missing in {int((codes < 0).sum()):,} rows"
        raise TableError(what, where=place.rows(codes < 0), do="label those rows, or take them out yourself")
    if len(names) < 2:
        raise TableError(f"only one class, {names[0]!r}", where=str(place), do="a table with two classes or more")
    many = len(names) > MOST or (
        pa.types.is_floating(table[asked.label].type) and len(names) > max(20, len(codes) / 10)
    )
    if many:
        raise TableError(f"{len(names):,} classes in {len(codes):,} rows", where=str(place), do=REGRESSION)
    readable(names, str(place))
    means: dict[Any, str] = {}
    for name in names:
        if key(name) in means:
            what = f"{means[key(name)]!r} and {name!r} are one label"
            raise TableError(what, where=place.rows(codes == names.index(name)), do="write it one way")
        means[key(name)] = name
    classes = ordered(names)
    labels = Labels(classes=classes, threshold=asked.threshold)
    positive = _one(asked.positive, "positive", labels, place) or _usual(classes)
    if asked.threshold is not None and (len(classes) != 2 or positive is None):
        what = "a threshold needs two classes, and the one that it is for"
        raise TableError(what, where=str(place), do="name it with --positive, or leave the threshold out")
    order = np.array([classes.index(name) for name in names], dtype=np.int64)
    return Labels(classes=classes, positive=positive, threshold=asked.threshold), order[codes]


def _one(name: str | None, role: str, labels: Labels, place: Place) -> str | None:
    if name is None:
        return None
    found = labels.named(name)
    if found is None:
        raise TableError(f"no class {name!r} ({role})", where=str(place), do=suggest(name, labels.classes))
    return found


def _usual(classes: tuple[str, ...]) -> str | None:
    """The positive class where labels are 0 and 1, −1 and 1, or false and true."""
    means = {key(name): name for name in classes}
    return means[1.0] if set(means) in ({0.0, 1.0}, {-1.0, 1.0}) else None


def together(labels: Labels, models: Mapping[str, "Said"], file: str) -> tuple[str, ...]:
    """The classes of labels and models together."""
    classes = ordered({*labels.classes, *(name for one in models.values() for name in one.names)})
    if len(classes) > len(labels.classes) and (labels.threshold is not None or any(m.single for m in models.values())):
        role, odd = next((r, n) for r, m in models.items() for n in m.names if n not in labels.classes)
        what = f"{odd!r} is no label, and probabilities of one class are given beside it"
        raise TableError(what, where=str(Place(file, models[role].asked)), do="decisions as the labels are written")
    return classes


def rating(labels: Labels, asked: "Asked", classes: tuple[str, ...], file: str) -> tuple[int | None, int | None]:
    """Codes of the class that rates speak of and of the one that people want (default: the same)."""
    positive = None if labels.positive is None else classes.index(labels.positive)
    named = _one(asked.favourable, "favourable", labels, Place(file, asked.label))
    return positive, positive if named is None else classes.index(named)


def decided_at(labels: Labels, models: Mapping[str, "Said"]) -> float | None:
    """What probabilities of the positive class were decided at; None where the likeliest class or no score decides."""
    if labels.threshold is not None and all(one.scores is None for one in models.values()):
        what = f"threshold {labels.threshold:g}, but both models give decisions"
        raise TableError(what, do="give probabilities, or leave the threshold out")
    return labels.threshold or (0.5 if any(one.single for one in models.values()) else None)
