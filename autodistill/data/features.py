"""Which columns are features, and as what; columns that say nothing, or too much, are dropped or refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autodistill.data import columns, modal, wide
from autodistill.data.columns import Place
from autodistill.data.table import source
from autodistill.errors import TableError
from autodistill.plugins import suggest
from autodistill.records import Features

RESERVED = "label"  # the artefact's output of this name
ID_LIKE = 0.5  # distinct strings a known cell: more are names or ids, not categories
MANY = 50


def features(table: pa.Table, names: list[str], file: str) -> tuple[Features, tuple[str, ...]]:
    """The named columns as float32 [N] or object [N] of str, and notes on those that were dropped.

    Raises ``TableError`` on nested values, dates, infinities, mixed types, or if no column is left.
    """
    kept: dict[str, npt.NDArray[Any]] = {}
    notes: list[str] = []
    for name in names:
        place = Place(file, name)
        if name == RESERVED or not name.strip():
            what = f"a feature may not be named {name!r}"
            raise TableError(what, where=file, do="rename the column, or name it under drop")
        kind = columns.kind(table[name], place)
        values = None if kind == "empty" else _values(table[name], kind, place)
        reason = _says_nothing(values)
        if values is None or reason:
            notes.append(f"column {name!r} dropped: {reason}")
            continue
        kept[name] = values
        notes += _remarks(name, table[name], values)
    if not kept:
        do = "; ".join(notes) or "name fewer columns under drop"
        raise TableError("no feature is left", where=file, do=do)
    return kept, tuple(notes)


def rows(path: Path, inputs: Mapping[str, str], asked: tuple[str, Mapping[str, Any]] = ("tabular", {})) -> Features:
    """New rows for a finished artefact: its ``inputs`` (name -> "string" or "float") out of a table on disk.

    Other columns are ignored; ``asked`` is the modality that it was made for. Raises ``TableError`` where a column is
    missing or is no number where one is due.
    """
    opened = source(path)
    if modal.column(asked) is not None:
        return wide.read(opened, asked)
    found: dict[str, npt.NDArray[Any]] = {}
    for name in inputs:
        if name not in opened.names:
            raise TableError(f"no column {name!r}", where=str(path), do=suggest(name, opened.names))
    table = opened.table(list(inputs))
    for name, kind in inputs.items():
        place = Place(str(path), name)
        columns.kind(table[name], place)
        text = kind == "string"
        found[name] = columns.strings(table[name]) if text else columns.single(table[name], place)
    return found


def _values(column: pa.ChunkedArray, kind: str, place: Place) -> npt.NDArray[Any]:
    if kind == "number":
        return columns.single(column, place)
    text = columns.strings(column)
    columns.mixed(text, place)
    return text


def _says_nothing(values: npt.NDArray[Any] | None) -> str:
    """Why a column is dropped; "" if it is not."""
    if values is None:
        return "every cell is missing"
    if values.dtype != object:
        known = values[~np.isnan(values)]
        if not len(known):
            return "every cell is missing"
        same = len(known) == len(values) and bool((known == known[0]).all())
        return f"constant ({known[0]:g})" if same else ""
    known = values[values != ""]
    distinct = len(columns.coded(known)[0])
    if not distinct:
        return "every cell is missing"
    if distinct == 1 and len(known) == len(values):
        return f"constant ({known[0]!r})"
    if distinct > max(MANY, ID_LIKE * len(known)):
        return f"{distinct:,} different strings in {len(known):,} rows are names or ids, not categories"
    return ""


def _remarks(name: str, column: pa.ChunkedArray, values: npt.NDArray[Any]) -> list[str]:
    if values.dtype == object:
        return []
    if pa.types.is_boolean(column.type):
        return [f"column {name!r}: booleans are read as 0 and 1"]
    known = values[~np.isnan(values)]
    if not pa.types.is_integer(column.type):
        return []
    if len(known) == len(np.unique(known)) and np.ptp(known) == len(known) - 1 and len(known) > MANY:
        return [f"column {name!r} numbers the rows: name it under drop, or row_id, unless it means something"]
    if np.abs(known).max(initial=0) > 2**24:
        return [f"column {name!r}: integers above 16,777,216 are rounded to float32"]
    return []


def leaks(kept: Features, y: npt.NDArray[Any], classes: tuple[str, ...], file: str) -> tuple[str, ...]:
    """Names of the features that alone determine the label; refuses one that is the target under another name."""
    found = []
    for name, values in kept.items():
        if not classes:
            if values.dtype != object and np.array_equal(values, y.astype(np.float32)):
                raise TableError("is a copy of the target", where=str(Place(file, name)), do="name it under drop")
            continue
        text = values.dtype == object
        distinct, code = columns.coded(values) if text else np.unique(values, return_inverse=True)
        first = np.zeros(len(distinct), dtype=np.int64)
        first[code] = y
        determined = bool((first[code] == y).all())
        if determined and len(distinct) == len(classes):
            raise TableError("is the target under another name", where=str(Place(file, name)), do="name it under drop")
        steps = int((np.diff(first) != 0).sum())  # of the label along the sorted values
        few = len(distinct) <= len(y) / 10
        if determined and (few or (values.dtype != object and steps == len(classes) - 1)):
            found.append(name)
    return tuple(found)
