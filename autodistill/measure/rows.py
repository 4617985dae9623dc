"""The rows that artefacts are measured on: few of many, stored for the timing process, or read from a file."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autodistill import runtime
from autodistill.errors import TableError
from autodistill.measure import machine
from autodistill.records import Features, digest

KEPT = 1024  # rows kept for measuring; a run rotates through 256 of them
LEAST, BYTES = 256, 64 << 20  # fewer where rows are wide, but no fewer than a run rotates through


def few(rows: Features) -> Features:
    """At most ``KEPT`` rows, drawn with a fixed seed; strings as objects ("" is missing), numbers as they are."""
    lengths = {len(column) for column in rows.values()}
    if len(lengths) != 1 or 0 in lengths:
        what = "there are no rows to measure on" if lengths <= {0} else "its columns have different lengths"
        raise TableError(what, where="rows", do="give at least one row, better 256")
    total = lengths.pop()
    at = np.arange(total)
    wide = sum(np.asarray(column[:1]).nbytes for column in rows.values())
    most = min(KEPT, max(LEAST, BYTES // max(1, wide)))
    if total > most:
        at = np.sort(np.random.default_rng(0).choice(total, most, replace=False))
    kept = {}
    for name, column in rows.items():
        chosen = np.asarray(column[at])
        kept[name] = _strings(chosen) if chosen.dtype.kind in "OU" else chosen
    return kept


def _strings(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.array(["" if value is None else str(value) for value in column], dtype=object)


def store(rows: Features, folder: Path) -> Path:
    """Write rows for the timing process, without pickle, under their digest; columns by position."""
    buffer = io.BytesIO()
    arrays = [column.astype(str) if column.dtype == object else column for column in rows.values()]
    told = repr([(name, array.dtype.str, array.shape) for name, array in zip(rows, arrays, strict=True)]).encode()
    path = folder / f"{digest(told + b''.join(array.tobytes() for array in arrays))[:24]}.npz"
    if not path.exists():
        np.savez(buffer, allow_pickle=False, **{f"c{i}": array for i, array in enumerate(arrays)})
        machine.write(path, buffer.getvalue())
    return path


def load(path: Path, inputs: Mapping[str, str]) -> Features:
    """The rows of a CSV or .npz file, in the types that an artefact asks for. TableError where they do not fit."""
    try:
        columns = _npz(path) if path.suffix == ".npz" else _csv(path)
    except OSError as error:
        raise TableError(f"cannot be read ({error.strerror})", where=str(path), do="give a CSV or .npz file") from None
    except (ValueError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise TableError(f"cannot be read ({error})", where=str(path), do="give a CSV or .npz file") from None
    missing = [name for name in inputs if name not in columns]
    if missing:
        raise TableError(
            f"no column '{missing[0]}'" + (f" (nor {len(missing) - 1} more)" if missing[1:] else ""),
            where=str(path),
            do=f"give the artefact's columns: {', '.join(inputs)}",
        )
    return {name: _typed(columns[name], name, kind, path) for name, kind in inputs.items()}


def _npz(path: Path) -> Features:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _csv(path: Path) -> Features:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        lines = [line for line in reader if line]
    for at, line in enumerate(lines, start=2):
        if len(line) != len(names):
            raise ValueError(f"row {at} has {len(line)} fields, the header {len(names)}")
    return {name: np.array([line[i] for line in lines], dtype=object) for i, name in enumerate(names)}


def _typed(column: npt.NDArray[Any], name: str, kind: str, path: Path) -> npt.NDArray[Any]:
    if kind == "string" or column.dtype.kind not in "OU":
        return column
    try:
        empty = {"", "nan", "none", "<na>", "?"}
        filled = np.array(["nan" if str(value).strip().lower() in empty else value for value in column], dtype=object)
        return filled.astype(np.float64).astype(runtime.ARRAYS[kind])
    except ValueError as error:
        raise TableError(f"column '{name}' is not numeric: {error}", where=str(path), do="fix the column") from None
